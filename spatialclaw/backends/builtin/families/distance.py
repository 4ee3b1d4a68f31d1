"""Distances: between two things, to the camera, along the optical axis; differences and ratios."""

from __future__ import annotations

import re
from collections.abc import Generator

from spatialclaw.backends.builtin.inquiry import Handle, Inquiry
from spatialclaw.backends.builtin.language import Thing
from spatialclaw.backends.builtin.steps import Cell, Finding, Investigation, NotGrounded, Seen

__all__ = ["investigate", "kind_of", "measured", "read_measurement"]

CAMERA = Thing("camera", "camera", ("camera",), "camera")

TELL = """\
print(m)
for line in m.evidence:
    print("  ", line)
print(f"value = {round(float(m.value), 5)}")
print(f"sigma = {None if m.sigma is None else round(float(m.sigma), 5)}")
print(f"unit = {m.unit!r}")"""


def kind_of(inquiry: Inquiry) -> str:
    """Which distance is meant: "center", "closest", "depth", "horizontal" or "vertical"."""
    question = inquiry.question
    text = f" {question.text.lower()} "
    if question.ask == "depth" or re.search(r"\bz\b|optical axis|\bdepth\b|z-", text):
        return "depth"
    if re.search(
        r"(?:closest|nearest) points?|gap\b|clearance|(?:nearest|closest) (?:edge|surface)s?|surface",
        text,
    ):
        return "closest"
    if any(thing.part == "nearest" for thing in question.things):
        return "closest"
    if re.search(r"\bhorizontal", text):
        return "horizontal"
    if re.search(r"\bvertical", text):
        return "vertical"
    return "center"


def read_measurement(seen: Seen, what: str) -> tuple[float, float | None, str]:
    """Value, sigma and unit of what a cell measured.

    Raises:
        NotGrounded: The cell failed.
    """
    value = seen.number("value")
    if not seen.ok or value is None:
        raise NotGrounded(what, [seen.message or "no number came out"])
    return value, seen.number("sigma"), str(seen.get("unit") or "m")


def measured(unit: str, what: str) -> None:
    """Refuses a number without scale where metres are asked for.

    Raises:
        NotGrounded: The unit is not one of length.
    """
    if unit in ("unit", ""):
        raise NotGrounded(
            f"the scale for {what}",
            [
                "depth and poses are known up to one factor only; a calibration or one known length gives metres"
            ],
        )


def confidence(value: float, sigma: float | None, base: float = 0.9) -> float:
    """How sure a number is from its relative error."""
    share = (sigma if sigma is not None else 0.1 * abs(value)) / max(abs(value), 1e-9)
    return max(0.35, min(base, base - 1.5 * share))


def seen_by(evidence: list[str], *handles: Handle) -> float:
    """Factor of the confidence for how surely the things are what the question names."""
    factor = 1.0
    for handle in handles:
        if handle.source in ("pixel", "capture"):
            continue
        factor *= 0.5 if "colour" in handle.source else 0.8
        what = "by its colour alone" if "colour" in handle.source else f"by {handle.source}"
        evidence.append(f"{handle.label} was found {what}; no model looked at it")
    return factor


def investigate(inquiry: Inquiry) -> Investigation:
    """The whole family."""
    question = inquiry.question
    things = list(question.things)
    if question.ask == "change":
        return (yield from _change(inquiry, things))
    if question.ask == "difference":
        return (yield from _difference(inquiry, things))
    if question.unit == "px" and len(things) >= 2:
        return (yield from _in_pixels(inquiry, things[0], things[1]))
    if len(things) == 1 and (question.ask == "pair" or question.extra.get("listed")):
        return (yield from _pair(inquiry, things[0]))
    if len(things) >= 2 and things[0].kind != "camera" and things[1].kind != "camera":
        return (yield from _between(inquiry, things[0], things[1]))
    rest = [thing for thing in things if thing.kind != "camera"]
    if not rest:
        raise NotGrounded("what the distance is to")
    return (yield from _to_camera(inquiry, rest[0]))


def _in_pixels(inquiry: Inquiry, one: Thing, two: Thing) -> Investigation:
    frame = inquiry.frame_for(one)
    places = [
        f"np.array({list(thing.pixel)})"
        if thing.pixel
        else f"(max(segment(f, {thing.text!r}), key=lambda m: m.score).center + 0.5) / f.source_scale - 0.5"
        for thing in (one, two)
    ]
    code = (
        f"f = frames[{frame}]\np, q = {places[0]}, {places[1]}\n"
        "m = measure.distance_px(tuple(p), tuple(q))\n" + TELL
    )
    seen = yield Cell("Their distance in the picture as stored.", code)
    value, sigma, _ = read_measurement(seen, f"{one} and {two} in the picture")
    return Finding("number", value, "px", sigma, 0.9, ("distance in the picture, pixels",))


def _pair(inquiry: Inquiry, thing: Thing) -> Investigation:
    (handle,) = yield from inquiry.find([thing])
    if handle.count < 2:
        raise NotGrounded(f"two of {thing.text!r}", [f"{handle.count} found by {handle.source}"])
    code = inquiry.helpers("gap") + (
        f"pairs = [(i, j) for i in range(len({handle.name})) for j in range(i)]\n"
        f"all_of_them = [measure.distance({_as(handle, 'i')}, {_as(handle, 'j')}, kind={kind_of(inquiry)!r}) for i, j in pairs]\n"
        "m = max(all_of_them, key=lambda m: m.value) if len(all_of_them) == 1 else min(all_of_them, key=lambda m: m.value)\n"
    ) + TELL  # fmt: skip
    seen = yield Cell("Measure between the two.", code)
    value, sigma, unit = read_measurement(seen, f"the distance between the two of {thing.text!r}")
    measured(unit, "the distance")
    base = 0.9 if handle.count == 2 else 0.5
    return Finding("number", value, unit, sigma, confidence(value, sigma, base),
                   (f"between two of {handle.count} {thing.text}, found by {handle.source}",))  # fmt: skip


def _as(handle: Handle, index: str) -> str:
    """The code of one instance as `measure` takes it: its box, or its point."""
    cloud = f"{handle.name}[{index}]"
    return f"(box_of({cloud}) if {cloud}.ndim > 1 and len({cloud}) >= 50 else {cloud})"


def _between(inquiry: Inquiry, one: Thing, two: Thing) -> Investigation:
    first, second = yield from inquiry.find([one, two])
    kind = kind_of(inquiry)
    a, b = first.name, second.name
    shape = (
        "lambda c: c"
        if kind == "closest"
        else "lambda c: box_of(c) if c.ndim > 1 and len(c) >= 50 else c"
    )
    code = inquiry.helpers("middle") + (
        f"shape = {shape}\n"
        f"m, about = min(((measure.distance(shape(p), shape(q), kind={kind!r}), np.hypot(error_of(p), error_of(q))) for p in {a} for q in {b}), key=lambda pair: pair[0].value)\n"
        + TELL
        + "\nprint(f'about = {round(float(about), 4)}')"
    )
    seen = yield Cell(f"Measure from {one} to {two} ({kind}).", code)
    value, sigma, unit = read_measurement(seen, f"the distance from {one} to {two}")
    measured(unit, "the distance")
    if sigma is None:
        sigma = seen.number("about")
    evidence = [f"{one} by {first.source}, {two} by {second.source}: {value:.3f} {unit} ({kind})"]
    sure = confidence(value, sigma) * seen_by(evidence, first, second)
    check = yield from _check_between(inquiry, first, second, kind)
    if check is not None:
        evidence.append(f"check: {check[1]}")
        off = abs(check[0] - value)
        sigma = max(sigma or 0.0, off / 2)
        sure = min(0.95, sure + 0.03) if off < max(0.1 * value, 0.05) else 0.7 * sure
    return Finding("number", value, unit, sigma, sure, tuple(evidence))


def _check_between(
    inquiry: Inquiry, first: Handle, second: Handle, kind: str
) -> Generator[Cell, Seen, tuple[float, str] | None]:
    """A second way: from medians instead of boxes, or nearest points by another search."""
    how = "near(p, q)" if kind == "closest" else (
        "float(np.linalg.norm(np.median(np.atleast_2d(p.plain), axis=0) - np.median(np.atleast_2d(q.plain), axis=0)))"
    )  # fmt: skip
    if kind in ("vertical", "horizontal", "depth"):
        return None
    code = inquiry.helpers("near" if kind == "closest" else "middle") + (
        f"other = min({how} for p in {first.name} for q in {second.name})\n"
        "print(f'other = {round(other, 4)}')"
    )
    why = (
        "Cross-check by the nearest neighbours of the clouds."
        if kind == "closest"
        else "Cross-check by the medians of the clouds instead of their boxes."
    )
    seen = yield Cell(why, code)
    value = seen.number("other")
    if value is None:
        return None
    return (
        value,
        f"{value:.3f} m {'by nearest neighbours' if kind == 'closest' else 'between the medians'}",
    )


def _to_camera(inquiry: Inquiry, thing: Thing) -> Investigation:
    frame = inquiry.frame_for(thing)
    (handle,) = yield from inquiry.find([thing])
    kind = kind_of(inquiry)
    shape = "c" if kind == "closest" else "(box_of(c) if c.ndim > 1 and len(c) >= 50 else c)"
    code = inquiry.helpers("middle") + (
        f"m = min((measure.distance({shape}, frames[{frame}], kind={kind!r}) for c in {handle.name}), key=lambda m: m.value)\n"
        + TELL
    )
    seen = yield Cell(f"Measure from the camera to {thing} ({kind}).", code)
    value, sigma, unit = read_measurement(seen, f"the distance of {thing}")
    measured(unit, "the distance")
    evidence = [f"{thing} by {handle.source}: {value:.3f} {unit} ({kind})"]
    sure = confidence(value, sigma)
    if handle.source == "pixel" and thing.pixel is not None:
        sigma, sure = yield from _check_pixel(inquiry, thing, frame, value, sigma, sure, evidence)
    else:
        sure *= seen_by(evidence, handle)
    return Finding("number", value, unit, sigma, sure, tuple(evidence))


STEREO = """\
f = frames[{frame}]
right = frames[f.stereo["right"]]
from spatialclaw.primitives.match import transfer
u, v = to_frame({pixel}, f)
there = transfer((u, v), f, right)
print(there)
shift = float(u - there.pixel[0]) + float(f.stereo.get("doffs_px") or 0.0)
again = float(f.intrinsics[0, 0]) * float(f.stereo["baseline_m"]) / shift
print(f"rows = {{round(float(there.pixel[1] - v), 2)}}")
print(f"again = {{round(again, 4)}}")
"""

AROUND = """\
x, y = to_frame({pixel}, frames[{frame}])
r = max(4, round(frames[{frame}].width / 80))
z = depth(frames[{frame}]).depth
around = z[max(0, round(y) - r) : round(y) + r + 1, max(0, round(x) - r) : round(x) + r + 1]
known = around[np.isfinite(around)]
print("depth around the pixel, percentiles 10 50 90:", np.round(np.percentile(known, [10, 50, 90]), 3))
print(f"again = {{round(float(np.median(known)), 4)}}")
"""


def _check_pixel(
    inquiry: Inquiry,
    thing: Thing,
    frame: int,
    value: float,
    sigma: float | None,
    sure: float,
    evidence: list[str],
) -> Generator[Cell, Seen, tuple[float | None, float]]:
    stereo = inquiry.facts.has("stereo", frame)
    code = (STEREO if stereo else AROUND).format(frame=frame, pixel=thing.pixel)
    why = (
        "Cross-check: find the pixel again in the right picture and triangulate it alone."
        if stereo
        else "Cross-check: the depth in a wider neighbourhood."
    )
    seen = yield Cell(why, code)
    again = seen.number("again")
    if again is None:
        return sigma, 0.9 * sure
    evidence.append(f"check: {again:.3f} m {'by the pixel alone' if stereo else 'around it'}")
    if abs(again - value) < 0.08 * value:
        return sigma, min(0.95, sure + 0.03)
    return max(sigma or 0.0, 0.3 * abs(again - value)), 0.75 * sure


def _difference(inquiry: Inquiry, things: list[Thing]) -> Investigation:
    pair = [thing for thing in things if thing.kind != "camera"][:2]
    if len(pair) < 2:
        raise NotGrounded("two things to compare")
    frame = inquiry.frame_for(pair[0])
    first, second = yield from inquiry.find(pair)
    kind = kind_of(inquiry)
    code = inquiry.helpers("gap") + (
        "shape = lambda c: box_of(c) if c.ndim > 1 and len(c) >= 50 else c\n"
        f"one, two = (min((measure.distance(shape(c), frames[{frame}], kind={kind!r}) for c in t), key=lambda m: m.value) "
        f"for t in ({first.name}, {second.name}))\n"
        "print(one, two)\nm = one - two if one.value > two.value else two - one\n" + TELL
    )
    seen = yield Cell("Measure both from the camera, and subtract.", code)
    value, sigma, unit = read_measurement(seen, "the difference")
    measured(unit, "the difference")
    return Finding(
        "number",
        abs(value),
        unit,
        sigma,
        confidence(value, sigma, 0.8),
        ("difference of two distances",),
    )


def _change(inquiry: Inquiry, things: list[Thing]) -> Investigation:
    a, b = inquiry.pair()
    rest = [thing for thing in things if thing.kind != "camera"]
    if not rest:
        raise NotGrounded("what the distance is to")
    (handle,) = yield from inquiry.find(rest[:1])
    code = inquiry.helpers("gap") + (
        "shape = lambda c: box_of(c) if c.ndim > 1 and len(c) >= 50 else c\n"
        f"one = min((measure.distance(shape(c), frames[{a}]) for c in {handle.name}), key=lambda m: m.value)\n"
        f"two = min((measure.distance(shape(c), frames[{b}]) for c in {handle.name}), key=lambda m: m.value)\n"
        "print(one, two)\nm = two - one if two.value > one.value else one - two\n" + TELL
    )
    seen = yield Cell("Measure from both places of the camera.", code)
    value, sigma, unit = read_measurement(seen, "the change of distance")
    measured(unit, "the change")
    return Finding(
        "number",
        abs(value),
        unit,
        sigma,
        confidence(value, sigma, 0.8),
        ("difference of two distances",),
    )
