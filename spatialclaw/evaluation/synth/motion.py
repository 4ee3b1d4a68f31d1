"""Questions about what changes: the camera's way, and what comes into view when."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise, permutations

import numpy as np

from spatialclaw.evaluation.synth.camera import Camera
from spatialclaw.evaluation.synth.questions import (
    Question,
    choice,
    family,
    number,
    ordinal,
    yes_no,
)
from spatialclaw.evaluation.synth.survey import Survey

__all__: list[str] = []


def turn_deg(before: Camera, after: Camera) -> float:
    """Degrees by which the camera turned about the vertical, to the right positive."""
    a, b = before.forward[:2], after.forward[:2]
    angle = np.arctan2(a[1], a[0]) - np.arctan2(b[1], b[0])
    return float(np.rad2deg((angle + np.pi) % (2 * np.pi) - np.pi))


@family("camera turn")
def camera_turn(survey: Survey, rng: np.random.Generator) -> Iterator[Question]:
    """Left or right, and by how much."""
    for k, before in enumerate(survey.cameras):
        for m, after in enumerate(survey.cameras):
            angle = turn_deg(before, after)
            if m <= k or not 15 < abs(angle) < 150:
                continue
            span = f"between the {ordinal(k)} and the {ordinal(m)} picture"
            side, other = ("right", "left") if angle > 0 else ("left", "right")
            yield choice(
                "camera turn",
                f"Did the camera turn to the left or to the right {span}?",
                side,
                [other],
                rng,
            )
            text = f"By how many degrees did the camera turn {span}?"
            rotation = before.pose[:3, :3].T @ after.pose[:3, :3]
            total = float(np.rad2deg(np.arccos(np.clip((np.trace(rotation) - 1) / 2, -1, 1))))
            if abs(total - abs(angle)) < 0.04 * total:
                yield number("camera turn", text, abs(angle), "deg")


@family("camera movement")
def camera_movement(survey: Survey, rng: np.random.Generator) -> Iterator[Question]:
    """How far, and which way."""
    ways = {"forward": (2, 1), "backward": (2, -1), "to the right": (0, 1), "to the left": (0, -1)}
    for k, before in enumerate(survey.cameras):
        for m, after in enumerate(survey.cameras):
            way = after.position - before.position
            length = float(np.linalg.norm(way))
            if m <= k or length < 0.25:
                continue
            span = f"between the {ordinal(k)} and the {ordinal(m)} picture"
            legs = [b.position - a.position for a, b in pairwise(survey.cameras[k : m + 1])]
            # "How far" may mean the way that was gone.
            if sum(float(np.linalg.norm(leg)) for leg in legs) > 1.04 * length:
                continue
            yield number("camera movement", f"How far did the camera move {span}?", length, "m")
            local = before.pose[:3, :3].T @ way / length
            for word, (axis, sign) in ways.items():
                if local[axis] * sign > 0.82:
                    text = f"In which direction did the camera mainly move {span}?"
                    yield choice("camera movement", text, word, [w for w in ways if w != word], rng)
                    asked, truth = (word, True) if rng.random() < 0.5 else (_opposite(word), False)
                    yield yes_no("camera movement", f"Did the camera move {asked} {span}?", truth)


def _opposite(word: str) -> str:
    pairs = {"forward": "backward", "to the right": "to the left"}
    pairs |= {b: a for a, b in pairs.items()}
    return pairs[word]


@family("order of appearance")
def appearance(survey: Survey, rng: np.random.Generator) -> Iterator[Question]:
    """Which thing comes into view before which."""
    first: dict[str, int] = {}
    for thing in survey.scene.singles:
        counts = [survey.pixels(thing, f) for f in range(len(survey.cameras))]
        shown = [f for f, pixels in enumerate(counts) if pixels > 0]
        # A sliver at the edge would be a matter of opinion.
        if shown and counts[shown[0]] >= 600:
            first[thing.name] = shown[0]
    names = list(first)
    for _ in range(12):
        if len(set(first.values())) < 2:
            return
        order = [names[k] for k in rng.permutation(len(names))[:3]]
        if len(order) == 3 and len({first[n] for n in order}) == 3:
            listed = ", ".join(order)
            right = ", ".join(sorted(order, key=first.__getitem__))
            wrong = [", ".join(p) for p in permutations(order) if ", ".join(p) != right]
            picked = [wrong[k] for k in rng.permutation(len(wrong))[:3]]
            text = (
                "What will be the first-time appearance order of the following categories in the"
                f" pictures: {listed}?"
            )
            yield choice("order of appearance", text, right, picked, rng)
        if first[order[0]] != first[order[1]]:
            a, b = order[:2]
            early, late = sorted((a, b), key=first.__getitem__)
            text = f"Which appears first in the pictures, the {a} or the {b}?"
            yield choice("order of appearance", text, early, [late], rng)
            text = f"Does the {a} appear before the {b}?"
            yield yes_no("order of appearance", text, early == a)
