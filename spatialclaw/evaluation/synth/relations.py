"""Questions for a word: closer, taller, left, in front, and directions seen by somebody."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, permutations

import numpy as np

from spatialclaw.evaluation.synth.questions import (
    Question,
    choice,
    family,
    ordinal,
    yes_no,
)
from spatialclaw.evaluation.synth.scene import Thing
from spatialclaw.evaluation.synth.survey import Survey

__all__: list[str] = []


def _pairs(survey: Survey, frame: int, rng: np.random.Generator) -> Iterator[tuple[Thing, Thing]]:
    things = [t for t in survey.scene.singles if survey.clear(t, frame)]
    for a, b in combinations(things, 2):
        yield (a, b) if rng.random() < 0.5 else (b, a)


@family("closer")
def closer(survey: Survey, rng: np.random.Generator) -> Iterator[Question]:
    """To the camera in one picture, or to another thing."""
    for frame, camera in enumerate(survey.cameras):
        for a, b in _pairs(survey, frame, rng):
            span = []
            for thing in (a, b):
                sight = survey.sight(thing, frame)
                assert sight is not None
                seen = np.linalg.norm(sight.points - camera.position, axis=1)
                span.append((float(seen.min()), float(seen.max())))
            near, far = sorted(span)
            if far[0] < 1.15 * near[1]:
                continue
            when = f" in the {ordinal(frame)} picture" if len(survey.cameras) > 1 else ""
            first = a if span[0] == near else b
            other = b if first is a else a
            text = f"Which is closer to the camera{when}, the {a.name} or the {b.name}?"
            yield choice("closer", text, first.name, [other.name], rng)
            yield yes_no(
                "closer",
                f"Is the {a.name} closer to the camera than the {b.name}{when}?",
                first is a,
            )
    things = [t for t in survey.scene.singles if survey.measurable(t)]
    for target in things:
        others = [t for t in things if t is not target]
        if len(others) < 3:
            return
        picked = [others[k] for k in rng.permutation(len(others))[: min(4, len(others))]]
        gaps = [survey.gap(t, target) for t in picked]
        middles = [float(np.linalg.norm(t.center - target.center)) for t in picked]
        order = np.argsort([true for true, _ in gaps])
        best, second = int(order[0]), int(order[1])
        clear = (
            gaps[second][0] > 1.3 * gaps[best][0] + 0.05
            and abs(gaps[best][0] - gaps[best][1]) < 0.03
        )
        if clear and middles[best] * 1.15 < min(m for k, m in enumerate(middles) if k != best):
            names = ", ".join(f"the {t.name}" for t in picked)
            text = (
                f"Measuring from the closest point of each object, which of these objects ({names})"
                f" is the closest to the {target.name}?"
            )
            wrong = [t.name for k, t in enumerate(picked) if k != best]
            yield choice("closer", text, picked[best].name, wrong, rng)


@family("higher")
def higher(survey: Survey, rng: np.random.Generator) -> Iterator[Question]:
    """Which of two is taller, or hangs higher."""
    things = [t for t in survey.scene.singles if survey.measurable(t) and survey.solid(t)]
    for a, b in combinations(things, 2):
        if rng.random() < 0.5:
            a, b = b, a
        tall = (float(a.extent[2]), float(b.extent[2]))
        if max(tall) > 1.2 * min(tall) and max(tall) - min(tall) > 0.03:
            right, wrong = (a, b) if tall[0] > tall[1] else (b, a)
            yield choice(
                "higher",
                f"Which is taller, the {a.name} or the {b.name}?",
                right.name,
                [wrong.name],
                rng,
            )
            yield yes_no("higher", f"Is the {a.name} taller than the {b.name}?", right is a)
        low, high = sorted((a, b), key=lambda t: float(t.center[2]))
        bottoms = (low.position[2], high.position[2])
        tops = (low.position[2] + low.extent[2], high.position[2] + high.extent[2])
        if bottoms[1] > bottoms[0] + 0.25 and tops[1] > tops[0] + 0.1:
            text = f"Which is higher above the floor, the {a.name} or the {b.name}?"
            yield choice("higher", text, high.name, [low.name], rng)


@family("left or right")
def left_right(survey: Survey, rng: np.random.Generator) -> Iterator[Question]:
    """Of each other, in one picture."""
    for frame, camera in enumerate(survey.cameras):
        for a, b in _pairs(survey, frame, rng):
            one, two = survey.sight(a, frame), survey.sight(b, frame)
            assert one is not None
            assert two is not None
            gap = max(two.box[0] - one.box[2], one.box[0] - two.box[2])
            local = [(t.center - camera.position) @ camera.pose[:3, 0] for t in (a, b)]
            left = one.box[2] < two.box[0]
            if gap < 0.05 * camera.width or abs(local[0] - local[1]) < 0.15:
                continue
            if (local[0] < local[1]) != left:
                continue
            text = (
                f"In the {ordinal(frame)} picture, is the {a.name} to the left or to the right of"
                f" the {b.name}?"
            )
            yield choice(
                "left or right",
                text,
                "left" if left else "right",
                ["right" if left else "left"],
                rng,
            )
            text = f"Is the {a.name} to the left of the {b.name} in the {ordinal(frame)} picture?"
            yield yes_no("left or right", text, left)


@family("in front or behind")
def front_behind(survey: Survey, rng: np.random.Generator) -> Iterator[Question]:
    """Of each other, as the camera sees it."""
    for frame in range(len(survey.cameras)):
        for a, b in _pairs(survey, frame, rng):
            one, two = survey.sight(a, frame), survey.sight(b, frame)
            assert one is not None
            assert two is not None
            gap = max(two.depths.min() - one.depths.max(), one.depths.min() - two.depths.max())
            # Speaking of "behind" needs the two to lie roughly the same way.
            beside = max(two.box[0] - one.box[2], one.box[0] - two.box[2])
            if (
                gap < 0.15 * min(one.depths.min(), two.depths.min())
                or beside > 0.1 * survey.cameras[frame].width
            ):
                continue
            front = bool(one.depths.max() < two.depths.min())
            text = (
                f"Seen from the camera of the {ordinal(frame)} picture, is the {a.name} in front of"
                f" or behind the {b.name}?"
            )
            words = ("in front of", "behind") if front else ("behind", "in front of")
            yield choice("in front or behind", text, words[0], [words[1]], rng)
            text = f"In the {ordinal(frame)} picture, is the {a.name} behind the {b.name}?"
            yield yes_no("in front or behind", text, not front)


def bearing(stand: Thing, face: Thing, target: Thing) -> float:
    """Degrees, clockwise from above, from facing `face` to facing `target`, standing at `stand`."""
    ahead = (face.center - stand.center)[:2]
    to = (target.center - stand.center)[:2]
    angle = np.arctan2(ahead[1], ahead[0]) - np.arctan2(to[1], to[0])
    return float(np.rad2deg((angle + np.pi) % (2 * np.pi) - np.pi))


@family("direction")
def direction(survey: Survey, rng: np.random.Generator) -> Iterator[Question]:
    """For somebody who stands at one thing and faces another."""
    reach = 0.9 if survey.scene.kind == "room" else 0.3
    things = [t for t in survey.scene.singles if survey.measurable(t, 0.1, 0.04)]
    for stand, face, target in permutations(things, 3):
        if rng.random() > 0.3:
            continue
        spans = [float(np.linalg.norm((t.center - stand.center)[:2])) for t in (face, target)]
        if min(spans) < reach:
            continue
        angle = bearing(stand, face, target)
        lead = f"I am standing by the {stand.name} and facing the {face.name}."
        side = "right" if angle > 0 else "left"
        if 25 < abs(angle) < 110 or abs(angle) > 160:
            word = "back" if abs(angle) > 135 else side
            text = (
                f"{lead} Is the {target.name} to my left, right, or back? An object is to my back"
                " if I would have to turn at least 135 degrees in order to face it."
            )
            yield choice(
                "direction", text, word, [w for w in ("left", "right", "back") if w != word], rng
            )
        if 20 < abs(angle) < 70 or 110 < abs(angle) < 160:
            word = f"{'front' if abs(angle) < 90 else 'back'}-{side}"
            text = (
                f"{lead} Is the {target.name} to my front-left, front-right, back-left, or"
                " back-right?"
            )
            words = ("front-left", "front-right", "back-left", "back-right")
            yield choice("direction", text, word, [w for w in words if w != word], rng)
        if 30 < abs(angle) < 150:
            yield yes_no("direction", f"{lead} Is the {target.name} to my left?", side == "left")
