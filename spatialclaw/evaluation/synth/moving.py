"""Questions about what drives past: speed, way, order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, permutations

import numpy as np

from spatialclaw.evaluation.synth.camera import Camera
from spatialclaw.evaluation.synth.questions import Question, choice, number, yes_no
from spatialclaw.evaluation.synth.render import View
from spatialclaw.evaluation.synth.street import Drive, Street

__all__ = ["street_questions"]


def street_questions(
    street: Street,
    cameras: Sequence[Camera],
    views: Sequence[View],
    rng: np.random.Generator,
    *,
    metric: bool,
) -> dict[str, list[Question]]:
    """Candidates by family.

    Args:
        street: Who drives how.
        cameras: One for each view, with its time.
        views: What was seen.
        rng: Order of options and pairs.
        metric: Whether the one asked has depth, so that metres can be told.
    """
    counts = {
        number: [int((view.instances == number).sum()) for view in views]
        for number in range(1, len(street.drives) + 1)
    }
    families = {
        "motion": list(_ways(street, rng)),
        "order of appearance": list(_order(street, counts, cameras, rng)),
        "speed": list(_pace(street, rng)),
        "count": [_how_many(street)],
    }
    if metric:
        families["speed"] += list(_speeds(street, views))
    return families


def _how_many(street: Street) -> Question:
    cars = len(street.drives)
    text = "How many cars drive past in the video?"
    return Question("count", text, float(cars), unit="count", tolerance=0.0)


def _speeds(street: Street, views: Sequence[View]) -> Iterator[Question]:
    width = views[0].instances.shape[1]
    for label, drive in enumerate(street.drives, start=1):
        whole = 0
        for view in views:
            columns = np.nonzero((view.instances == label).any(0))[0]
            whole += bool(len(columns) and columns[0] > 2 and columns[-1] < width - 3)
        if whole < 3:
            continue
        name, pace = f"{drive.colour} car", abs(drive.speed)
        yield number("speed", f"How fast is the {name} moving, in meters per second?", pace, "m/s")
        yield number(
            "speed", f"What is the average speed of the {name} in km/h?", pace * 3.6, "km/h"
        )


def _pace(street: Street, rng: np.random.Generator) -> Iterator[Question]:
    for a, b in combinations(street.drives, 2):
        if rng.random() < 0.5:
            a, b = b, a
        if max(abs(a.speed), abs(b.speed)) < 1.3 * min(abs(a.speed), abs(b.speed)):
            continue
        # Seen without depth, the same speed looks slower farther away.
        fast, slow = (a, b) if abs(a.speed) > abs(b.speed) else (b, a)
        if fast.lane == "far" and abs(fast.speed) < 1.7 * abs(slow.speed):
            continue
        text = f"Which is faster, the {a.colour} car or the {b.colour} car?"
        yield choice("speed", text, f"{fast.colour} car", [f"{slow.colour} car"], rng)
        yield yes_no("speed", f"Is the {a.colour} car faster than the {b.colour} car?", fast is a)


def _ways(street: Street, rng: np.random.Generator) -> Iterator[Question]:
    for drive in street.drives:
        name = f"{drive.colour} car"
        way, other = ("right", "left") if drive.speed > 0 else ("left", "right")
        text = f"In which direction does the {name} move in the picture?"
        yield choice("motion", text, f"to the {way}", [f"to the {other}"], rng)
        asked = way if rng.random() < 0.5 else other
        yield yes_no("motion", f"Does the {name} move to the {asked}?", asked == way)


def _order(
    street: Street,
    counts: dict[int, list[int]],
    cameras: Sequence[Camera],
    rng: np.random.Generator,
) -> Iterator[Question]:
    first: dict[Drive, float] = {}
    for label, drive in enumerate(street.drives, start=1):
        shown = [k for k, pixels in enumerate(counts[label]) if pixels > 0]
        if shown and shown[0] > 0:
            first[drive] = float(cameras[shown[0]].time or 0.0)
    drives = sorted(first, key=first.__getitem__)
    times = [first[d] for d in drives]
    if len(drives) < 2 or min(np.diff(times)) < 0.7:
        return
    for a, b in combinations(drives, 2):
        early, late = f"{a.colour} car", f"{b.colour} car"
        pair = [early, late] if rng.random() < 0.5 else [late, early]
        text = f"Which appears first in the video, the {pair[0]} or the {pair[1]}?"
        yield choice("order of appearance", text, early, [late], rng)
        text = f"Does the {pair[0]} appear before the {pair[1]}?"
        yield yes_no("order of appearance", text, pair[0] == early)
    if len(drives) == 3:
        names = [f"{d.colour} car" for d in drives]
        orders = [", ".join(p) for p in permutations(names)][1:]
        picked = [orders[k] for k in rng.permutation(len(orders))[:3]]
        listed = ", ".join(str(n) for n in rng.permutation(names))
        text = (
            "What will be the first-time appearance order of the following categories in the"
            f" video: {listed}?"
        )
        yield choice("order of appearance", text, ", ".join(names), picked, rng)
