"""Comparisons and orders: nearest, highest, largest, leftmost; from nearest to farthest."""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass, field
from itertools import pairwise

from spatialclaw.backends.builtin.families.distance import seen_by
from spatialclaw.backends.builtin.families.follow import follow
from spatialclaw.backends.builtin.families.moving import main, speed_of
from spatialclaw.backends.builtin.families.size import SIDES, expression
from spatialclaw.backends.builtin.inquiry import Handle, Inquiry
from spatialclaw.backends.builtin.language import Thing
from spatialclaw.backends.builtin.steps import Cell, Finding, Investigation, NotGrounded, Seen
from spatialclaw.primitives.wording import match_names

__all__ = ["investigate", "order"]


@dataclass
class _Scores:
    values: list[float | None]
    sigmas: list[float]
    names: list[str]
    unit: str
    missing: list[str]
    handles: list[Handle] = field(default_factory=list)


def investigate(inquiry: Inquiry) -> Investigation:
    """Which of several, or whether one more than another."""
    question = inquiry.question
    things, reference = _items(inquiry)
    quantity, end = str(question.extra["quantity"]), str(question.extra["end"])
    scores = yield from _measure(inquiry, things, reference, quantity)
    known = [i for i, value in enumerate(scores.values) if value is not None]
    if len(known) < 2 and not (len(known) == 1 and len(scores.values) == 1):
        raise NotGrounded(f"at least two of {', '.join(map(str, things))}", scores.missing)
    ranked = sorted(known, key=lambda i: scores.values[i] or 0.0, reverse=end == "max")
    sure = _lead(scores, ranked)
    if scores.missing:
        sure *= 0.6
    shown = ", ".join(f"{scores.names[i]} {scores.values[i]:.3f}" for i in ranked)
    evidence = [f"{quantity} ({scores.unit}): {shown}"]
    sure *= seen_by(evidence, *scores.handles)
    if scores.missing:
        evidence.append("not found: " + "; ".join(scores.missing)[:400])
    if question.ask == "than":
        if len(known) < 2:
            raise NotGrounded("both things", scores.missing)
        held = ranked[0] == 0
        return Finding("yes_no", held, confidence=sure, evidence=tuple(evidence))
    if question.ask == "is_most":
        held = ranked[0] == 0
        return Finding("yes_no", held, confidence=sure, evidence=tuple(evidence))
    return Finding(
        "item", ranked[0], confidence=sure, evidence=tuple(evidence), names=tuple(scores.names)
    )


def order(inquiry: Inquiry) -> Investigation:
    """From nearest to farthest and the like."""
    question = inquiry.question
    things, reference = _items(inquiry)
    quantity = str(question.extra.get("quantity", "distance"))
    end = str(question.extra.get("end", "min"))
    if question.ask == "lr":
        quantity = "x" if question.word in ("left", "right") else "elevation"
        end = "min" if question.word == "left" else "max"
        if question.word == "down":
            end = "min"
    scores = yield from _measure(inquiry, things, reference, quantity)
    if any(value is None for value in scores.values):
        raise NotGrounded("all of the things to order", scores.missing)
    values = [value or 0.0 for value in scores.values]
    ranked = sorted(range(len(values)), key=lambda i: values[i], reverse=end == "max")
    sure = 0.95
    for a, b in pairwise(ranked):
        sure = min(sure, _pair(values[a] - values[b], scores.sigmas[a], scores.sigmas[b]))
    shown = ", ".join(f"{scores.names[i]} {values[i]:.3f}" for i in ranked)
    return Finding(
        "order", ranked, confidence=sure, names=tuple(scores.names),
        evidence=(f"{quantity} ({scores.unit}): {shown}",),
    )  # fmt: skip


def _pair(difference: float, sigma_a: float, sigma_b: float) -> float:
    sigma = math.hypot(sigma_a, sigma_b) or 1e-9
    return 0.5 * (1 + math.erf(abs(difference) / sigma / math.sqrt(2)))


def _lead(scores: _Scores, ranked: list[int]) -> float:
    if len(ranked) < 2:
        return 0.5
    best, second = ranked[0], ranked[1]
    difference = (scores.values[best] or 0.0) - (scores.values[second] or 0.0)
    return min(0.95, _pair(difference, scores.sigmas[best], scores.sigmas[second]))


def _items(inquiry: Inquiry) -> tuple[list[Thing], Thing | None]:
    """What is compared, and what the distance is to (None: the camera)."""
    question = inquiry.question
    listed = int(question.extra.get("listed", 0))
    things = list(question.things)
    items = things[len(things) - listed :] if listed else []
    slots = things[: len(things) - listed] if listed else things
    reference: Thing | None = None
    if question.ask == "than":
        items, rest = slots[:2], slots[2:]
        reference = rest[0] if rest else None
    elif question.ask == "is_most":
        items, rest = slots[:1], slots[1:]
        reference = rest[0] if rest else None
        items += _others(inquiry, [*items, *([reference] if reference else [])])
    else:
        reference = slots[0] if slots else None
    if not items and question.choices:
        from spatialclaw.backends.builtin.language.normal import Normal
        from spatialclaw.backends.builtin.language.things import read_thing

        blank = Normal("", [], [], None)
        items = [read_thing(text.lower(), blank) for text in question.choices.values()]
    if not items:
        items = _others(
            inquiry, [reference] if reference else [], str(question.extra.get("noun", ""))
        )
    if not items:
        raise NotGrounded(
            "the things to compare", ["the question lists none and the capture names none"]
        )
    far = question.extra.get("quantity") == "distance"
    if reference is not None and (reference.kind in ("camera", "picture") or not far):
        reference = None
    return items, reference


def _others(inquiry: Inquiry, without: list[Thing], noun: str = "") -> list[Thing]:
    """All named objects of the capture, those of the noun only when it names some."""
    taken = {i for thing in without for i in inquiry.ids_of(thing)}
    names = [name for i, name in inquiry.facts.objects if i not in taken]
    names = list(dict.fromkeys(names))
    if noun and noun not in ("object", "thing", "item", "one", "objects", "things", "items"):
        found = match_names(noun, names)
        names = [names[i] for i, _ in found] or names
    shell = {"floor", "wall", "ceiling", "room"}
    return [
        Thing(name, name.split()[-1], tuple(name.split())) for name in names if name not in shell
    ]


def _measure(
    inquiry: Inquiry, things: list[Thing], reference: Thing | None, quantity: str
) -> Generator[Cell, Seen, _Scores]:
    if quantity == "speed":
        return (yield from _speeds(inquiry, things))
    frame = inquiry.frame_for(things[0])
    other = None
    if reference is not None:
        (other,) = yield from inquiry.find([reference])
    if quantity in ("x", "elevation") and not inquiry.facts.has("pose"):
        flat = yield from _in_picture(inquiry, things, quantity)
        if flat is not None:
            return flat
    handles: list[Handle | None] = []
    missing: list[str] = []
    for thing in things:
        try:
            (handle,) = yield from inquiry.find([thing])
            handles.append(handle)
        except NotGrounded as lost:
            handles.append(None)
            missing.append(f"{lost.looked_for}: {'; '.join(lost.tried)}")
    if sum(handle is not None for handle in handles) == 0:
        raise NotGrounded(", ".join(repr(thing.text) for thing in things), missing)
    code = inquiry.helpers("gap") + SIDES
    code += "shape = lambda c: box_of(c) if c.ndim > 1 and len(c) >= 50 else c\n"
    unit = "m"
    rows = []
    for held, thing in zip(handles, things, strict=True):
        if held is None:
            rows.append("(None, 0.0)")
            continue
        name = held.name
        if quantity == "distance" and other is not None:
            rows.append(f"gap({name}, {other.name}, 'near')[:2]")
        elif quantity == "distance":
            rows.append(
                f"min((measure.distance(shape(c), frames[{frame}], scale_free=True).value, error_of(c)) for c in {name})"
            )
        elif quantity == "elevation":
            rows.append(f"max((float(middle(c) @ up_of(c)), error_of(c)) for c in {name})")
        elif quantity == "x":
            rows.append(
                f"min((float(geometry.to_camera(c, frames[{frame}]).plain.reshape(-1, 3).mean(axis=0)[0]), error_of(c)) for c in {name})"
            )
        else:
            what = "volume" if quantity == "size" else quantity
            rows.append(
                f"max((({expression(what, thing)}), 0.03 * ({expression(what, thing)})) for s in map(sides, {name}))"
            )
            unit = "m^3" if what == "volume" else "m"
    code += "rows = [\n    " + ",\n    ".join(rows) + ",\n]\n"
    code += "values = [None if v is None else round(float(v), 5) for v, _ in rows]\nsigmas = [round(float(s), 5) for _, s in rows]\n"
    code += "print(f'values = {values}')\nprint(f'sigmas = {sigmas}')"
    seen = yield Cell(f"The same quantity ({quantity}) for all of them.", code)
    values, sigmas = seen.get("values"), seen.get("sigmas")
    if not isinstance(values, list) or not isinstance(sigmas, list):
        raise NotGrounded(f"the {quantity} of all of them", [seen.message])
    names = [str(thing) for thing in things]
    held_by = [handle for handle in handles if handle is not None]
    return _Scores(values, [float(s) for s in sigmas], names, unit, missing, held_by)


def _speeds(inquiry: Inquiry, things: list[Thing]) -> Generator[Cell, Seen, _Scores]:
    """The speed of each, all in one unit."""
    found: list[tuple[float, float | None, str]] = []
    for thing in things:
        followed = yield from follow(inquiry, thing)
        one = yield from speed_of(inquiry, followed, main(followed, thing))
        if one is None:
            raise NotGrounded(f"the speed of {thing.text!r}")
        found.append(one)
    units = {unit for _, _, unit in found}
    if len(units) > 1:
        raise NotGrounded("speeds in one unit", [f"they come in {', '.join(sorted(units))}"])
    sigmas = [0.1 * value if sigma is None else sigma for value, sigma, _ in found]
    names = [str(thing) for thing in things]
    return _Scores([value for value, _, _ in found], sigmas, names, units.pop(), [])


def _in_picture(
    inquiry: Inquiry, things: list[Thing], quantity: str
) -> Generator[Cell, Seen, _Scores | None]:
    """Left and right, high and low, in the picture alone."""
    frame = inquiry.frame_for(things[0])
    wanted = [
        f"np.array({list(t.pixel)})" if t.pixel else
        f"max(segment(frames[{frame}], {t.text!r}), key=lambda m: m.score).center" for t in things
    ]  # fmt: skip
    axis, sign = (0, "") if quantity == "x" else (1, "-")
    code = f"centers = [{', '.join(wanted)}]\nvalues = [round({sign}float(c[{axis}]), 2) for c in centers]\nprint(f'values = {{values}}')"
    seen = yield Cell("Where they are in the picture.", code)
    values = seen.get("values")
    if not isinstance(values, list):
        return None
    return _Scores(values, [5.0] * len(values), [str(t) for t in things], "px", [])
