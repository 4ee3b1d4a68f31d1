"""Questions for numbers: distance, size, area, count."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from spatialclaw.evaluation.synth.questions import (
    Question,
    choice,
    count,
    family,
    number,
    ordinal,
    yes_no,
)
from spatialclaw.evaluation.synth.scene import Thing
from spatialclaw.evaluation.synth.survey import Survey

__all__: list[str] = []

_PLURALS = {"cardboard box": "cardboard boxes", "bookshelf": "bookshelves", "box": "boxes"}
_SHEETS = ("chessboard", "marker", "rug")


def plural(name: str) -> str:
    """The plural of a thing's name."""
    return _PLURALS.get(name, name + "s")


def agree(values: list[float], share: float) -> bool:
    """Whether all values are within a fraction of the first."""
    return all(abs(v - values[0]) <= share * values[0] for v in values)


@family("distance")
def distance(survey: Survey, rng: np.random.Generator) -> Iterator[Question]:
    """Between two things: middles, or nearest points."""
    least = 0.8 if survey.scene.kind == "room" else 0.25
    things = [t for t in survey.scene.singles if survey.measurable(t)]
    for a, b in combinations(things, 2):
        if rng.random() < 0.5:
            a, b = b, a
        true = float(np.linalg.norm(a.center - b.center))
        middles = float(np.linalg.norm(survey.seen_box(a)[0] - survey.seen_box(b)[0]))
        clouds = float(np.linalg.norm(survey.seen(a).mean(0) - survey.seen(b).mean(0)))
        if true >= least and agree([true, middles], 0.03) and agree([true, clouds], 0.06):
            text = (
                f"What is the distance between the center of the {a.name} and the center of the"
                f" {b.name}, in meters?"
            )
            yield number("distance", text, true, "m")
            if agree(
                [true, survey.gap(a, b)[0] + (a.extent[:2].min() + b.extent[:2].min()) / 2], 0.05
            ):
                yield number("distance", f"How far is the {a.name} from the {b.name}?", true, "m")
            yield from _threshold(a, b, true, rng)
        gap, seen = survey.gap(a, b)
        if gap >= least and abs(seen - gap) <= max(0.03 * gap, 0.01):
            text = (
                "Measuring from the closest point of each object, what is the distance between the"
                f" {a.name} and the {b.name} (in meters)?"
            )
            yield number("distance", text, gap, "m")


def _threshold(a: Thing, b: Thing, true: float, rng: np.random.Generator) -> Iterator[Question]:
    factor = float(rng.choice([0.7, 1.4]))
    limit = round(true * factor, 1)
    if limit > 0 and not 0.8 < limit / true < 1.25:
        text = (
            f"Is the distance between the center of the {a.name} and the center of the {b.name}"
            f" more than {limit} m?"
        )
        yield yes_no("distance", text, true > limit)


@family("distance to camera")
def camera_distance(survey: Survey, rng: np.random.Generator) -> Iterator[Question]:
    """From where a picture was taken to a thing in it."""
    for frame, camera in enumerate(survey.cameras):
        for thing in survey.scene.singles:
            sight = survey.sight(thing, frame)
            if sight is None or not survey.clear(thing, frame):
                continue
            seen = np.linalg.norm(sight.points - camera.position, axis=1)
            true = float(np.linalg.norm(thing.center - camera.position))
            if agree([true, float(np.median(seen)), float(np.percentile(seen, 3))], 0.07):
                where = (
                    f"In the {ordinal(frame)} picture, how" if len(survey.cameras) > 1 else "How"
                )
                yield number(
                    "distance to camera",
                    f"{where} far is the {thing.name} from the camera?",
                    true,
                    "m",
                )


@family("size")
def size(survey: Survey, rng: np.random.Generator) -> Iterator[Question]:
    """Height, width, and the longest side."""
    for thing in survey.scene.singles:
        if thing.name in _SHEETS or not survey.measurable(thing, 0.025, 0.012):
            continue
        if not survey.solid(thing):
            continue
        width, depth, height = (float(v) for v in thing.extent)
        if height >= 0.08:
            yield number("size", f"How tall is the {thing.name}?", height, "m")
            yield number(
                "size",
                f"What is the height of the {thing.name} in centimeters?",
                height * 100,
                "cm",
            )
        if width >= 1.5 * depth and width >= 0.3:
            yield number("size", f"How wide is the {thing.name}?", width, "m")
        longest = max(width, depth, height)
        if longest >= 0.15:
            text = (
                "What is the length of the longest dimension (length, width, or height) of the"
                f" {thing.name}, measured in centimeters?"
            )
            yield number("size", text, longest * 100, "cm")


@family("count")
def counting(survey: Survey, rng: np.random.Generator) -> Iterator[Question]:
    """How many of a kind."""
    place = "room" if survey.scene.kind == "room" else "scene"
    for name in dict.fromkeys(thing.name for thing in survey.scene.things):
        things = survey.scene.named(name)
        frames = range(len(survey.cameras))
        if any(max(survey.pixels(t, f) for f in frames) < 300 for t in things):
            continue
        if len(things) > 1:
            yield count("count", f"How many {plural(name)} are in this {place}?", len(things))
            yield count("count", f"How many {name}(s) are in this {place}?", len(things))
            limit = int(rng.choice([len(things) - 1, len(things)]))
            if limit > 1:
                text = f"Are there more than {limit} {plural(name)} in this {place}?"
                yield yes_no("count", text, len(things) > limit)


@family("area")
def area(survey: Survey, rng: np.random.Generator) -> Iterator[Question]:
    """Of the room's floor."""
    if survey.scene.floor is None:
        return
    true = survey.scene.floor[0] * survey.scene.floor[1]
    yield number("area", "What is the size of this room (in square meters)?", true, "m^2")
    yield number("area", "How large is the floor area of the room in square meters?", true, "m^2")
    options = [f"about {true * factor:.0f} square meters" for factor in (1.0, 0.5, 1.6, 2.3)]
    text = "What is approximately the floor area of this room?"
    yield choice("area", text, options[0], options[1:], rng)
