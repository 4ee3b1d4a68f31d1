"""Sizes: height, width, length, longest side, volume; heights above the floor."""

from __future__ import annotations

from spatialclaw.backends.builtin.families.distance import (
    confidence,
    measured,
    read_measurement,
    seen_by,
)
from spatialclaw.backends.builtin.inquiry import Handle, Inquiry
from spatialclaw.backends.builtin.language import Thing
from spatialclaw.backends.builtin.steps import Cell, Finding, Investigation, NotGrounded

__all__ = ["SIDES", "height_above", "investigate"]

# Things whose "width" is the shorter of their horizontal sides, because their length is the longer.
LONG_THINGS = frozenset(
    {"bed", "table", "desk", "rug", "carpet", "bench", "book", "road", "street", "corridor", "board",
     "box", "car", "truck", "bus", "train", "ship", "boat", "mat", "bathtub", "keyboard", "laptop"}
)  # fmt: skip

SIDES = """\
def sides(c):
    \"\"\"Longer and shorter horizontal side and height of a cloud's upright box, metres.\"\"\"
    box = box_of(c)
    flat = sorted((float(e) for e in box.extent[:2]), reverse=True)
    return {"long": flat[0], "short": flat[1], "height": float(box.extent[2]), "sigma": error_of(c) * 0.7 + 0.004}
"""

_EXPRESSION = {
    "height": "s['height']",
    "length": "max(s['long'], 0)",
    "depth": "s['short']",
    "thickness": "min(s['long'], s['short'], s['height'])",
    "longest": "max(s['long'], s['short'], s['height'])",
    "shortest": "min(s['long'], s['short'], s['height'])",
    "size": "max(s['long'], s['short'], s['height'])",
    "diameter": "sorted([s['long'], s['short'], s['height']])[1]",
    "radius": "sorted([s['long'], s['short'], s['height']])[1] / 2",
    "volume": "s['long'] * s['short'] * s['height']",
}


def expression(dimension: str, thing: Thing) -> str:
    """The code of a dimension from the sides `s`."""
    if dimension == "width":
        return "s['short']" if thing.head in LONG_THINGS else "s['long']"
    return _EXPRESSION.get(dimension, _EXPRESSION["size"])


def investigate(inquiry: Inquiry) -> Investigation:
    """The whole family."""
    question = inquiry.question
    things = list(question.things)
    if not things:
        raise NotGrounded("what is to be measured")
    dimension = str(question.extra.get("dimension") or question.extra.get("quantity") or "size")
    if question.ask in ("difference", "ratio") and len(things) >= 2:
        return (yield from _two(inquiry, things, dimension))
    thing = things[0]
    if thing.head == "room" or thing.text.endswith("room"):
        return (yield from _room(inquiry, dimension))
    if thing.pixel is not None and (dimension == "height" or thing.kind == "pixel"):
        return (yield from height_above(inquiry))
    if (
        thing.part in ("top", "bottom", "surface")
        and dimension == "height"
        and not inquiry.ids_of(thing)
    ):
        return (yield from height_above(inquiry))
    (handle,) = yield from inquiry.find([thing])
    if handle.source in ("hog", "people", "haar") and dimension in ("height", "size", "longest"):
        return (yield from _person(inquiry, thing, handle))
    factor, note = 1.0, ""
    if question.scale is not None:
        factor, note = yield from _scale(inquiry)
    power = 3 if dimension == "volume" else 1
    clouds = handle.name
    code = inquiry.helpers("middle") + SIDES
    if handle.source == "capture":
        only = "" if handle.frame is None else f", only={handle.frame}"
        clouds = f"{handle.name}_whole"
        code += f"{clouds} = [c for c in (named(i, erode=0{only}) for i in {list(handle.ids)}) if c is not None]\n"
    code += (
        f"all_sides = [sides(c) for c in {clouds} if c.ndim > 1 and len(c) >= 20]\n"
        "for s in all_sides:\n    print({k: round(v, 3) for k, v in s.items()})\n"
        "s = max(all_sides, key=lambda s: s['long'] * s['short'] * s['height'])\n"
        + _standing(inquiry, handle, dimension, clouds)
        + f"value = float({expression(dimension, thing)})\n"
        "print(f'value = {round(value, 5)}')\nprint(f\"sigma = {round(s['sigma'], 4)}\")\n"
        f"metric = all(c.metric for c in {handle.name})\nprint(f'metric = {{metric}}')\n"
    )  # fmt: skip
    seen = yield Cell(f"The upright box around {thing} and its {dimension}.", code)
    value, sigma, _ = read_measurement(seen, f"the {dimension} of {thing}")
    if not seen.get("metric", True) and question.scale is None:
        measured("unit", f"the {dimension}")
    value *= factor**power
    sigma = (sigma or 0.02) * abs(factor) * (2 * value if power == 3 else 1.0)
    evidence = [f"{thing} by {handle.source}: {dimension} {value:.3f} m", note]
    sure = confidence(value, sigma, 0.85) * seen_by(evidence, handle)
    check = yield from _check_size(inquiry, handle, thing, dimension)
    if check is not None and dimension == "height":
        evidence.append(f"check: {check:.3f} m along gravity in the single frame that shows most")
        sure = min(0.93, sure + 0.05) if abs(check - value) < 0.12 * value + 0.02 else 0.85 * sure
    unit = "m^3" if power == 3 else "m"
    return Finding("number", value, unit, sigma, sure, tuple(evidence))


def _person(inquiry: Inquiry, thing: Thing, handle: Handle) -> Investigation:
    """The height of a detected person: the box in pixels, at the depth of the points in it."""
    code = (
        f"f = frames[{handle.frame or 0}]\n"
        "(x0, y0, x1, y1), z = found.boxes[0]\n"
        "value = float((y1 - y0) * z / f.intrinsics[1, 1])\n"
        "print(f'{y1 - y0:.0f} px at {z:.2f} m')\n"
        "cut = bool(y0 <= 1 or y1 >= f.height - 2)\n"
        "print(f'value = {round(value, 4)}')\nprint(f'sigma = {round(0.06 * value, 4)}')\nprint(f'cut = {cut}')"
    )
    seen = yield Cell("The height of the detector's box at the person's depth.", code)
    value, sigma, _ = read_measurement(seen, f"the height of {thing}")
    extent = yield Cell(
        "Cross-check: the vertical extent of the points themselves, a lower bound.",
        inquiry.helpers("middle")
        + f"c = {handle.name}[0]\nh = c.plain @ up_of(c)\nprint(f'other = {{round(float(np.ptp(np.percentile(h, [1, 99]))), 4)}}')",
    )
    other = extent.number("other")
    evidence = (
        f"detector's box at the person's depth: {value:.2f} m",
        f"the points span {other:.2f} m" if other is not None else "",
    )
    sure = 0.65 if not seen.get("cut") and 1.2 < value < 2.2 else 0.4
    return Finding("number", value, "m", sigma, sure, evidence)


def _standing(inquiry: Inquiry, handle: Handle, dimension: str, clouds: str) -> str:
    """The code that lets the height of a thing on the floor begin at the floor, which hides nothing."""
    if dimension not in ("height", "longest", "size", "volume") or handle.frame is not None:
        return ""
    if handle.source != "capture" or not inquiry.facts.has("pose"):
        return ""
    return (
        inquiry.helpers("to_floor", "to_support")
        + f"k = max(range(len({clouds})), key=lambda k: len({clouds}[k]))\n"
        f"whole = to_floor({clouds}[k]) or to_support({list(handle.ids)}[k], {clouds}[k])\n"
        "if whole is not None:\n    s['height'] = max(s['height'], whole)\n"
    )


def _check_size(inquiry: Inquiry, handle: Handle, thing: Thing, dimension: str):  # type: ignore[no-untyped-def]
    if handle.source != "capture" or dimension != "height":
        return None
    code = (
        f"best = max((f for f in frames if f.instances is not None), key=lambda f: int(np.isin(f.instances, {list(handle.ids)[:1]}).sum()))\n"
        f"m = measure.height(np.isin(best.instances, {list(handle.ids)[:1]}), frame=best)\nprint(best, m)\n"
        "print(f'other = {round(float(m.value), 4)}')"
    )
    seen = yield Cell("Cross-check: its height in the one frame that shows it most.", code)
    return seen.number("other")


def _scale(inquiry: Inquiry):  # type: ignore[no-untyped-def]
    """The factor of a hypothesis "if the sofa were 2 m wide"."""
    assert inquiry.question.scale is not None
    thing, dimension, metres = inquiry.question.scale
    (handle,) = yield from inquiry.find([thing])
    code = (
        inquiry.helpers("middle")
        + SIDES
        + (
            f's = sides({handle.name}[0])\nprint(f"known = {{round(float({expression(dimension, thing)}), 5)}}")'
        )
    )
    seen = yield Cell(f"How large {thing} measures here, for the scale of the hypothesis.", code)
    known = seen.number("known")
    if not known:
        raise NotGrounded(f"the {dimension} of {thing}", [seen.message])
    return metres / known, f"{thing} measures {known:.3f} and is taken to be {metres:g} m"


def _two(inquiry: Inquiry, things: list[Thing], dimension: str) -> Investigation:
    question = inquiry.question
    if dimension in ("distance",) or question.extra.get("noun") == "far":
        frame = inquiry.frame_for()
        first, second = yield from inquiry.find(things[:2])
        what = f"measure.distance(shape(c), frames[{frame}], scale_free=True).value"
        code = (
            inquiry.helpers("middle")
            + "shape = lambda c: box_of(c) if c.ndim > 1 and len(c) >= 50 else c\n"
        )
        code += f"one, two = (min({what} for c in t) for t in ({first.name}, {second.name}))\n"
    else:
        first, second = yield from inquiry.find(things[:2])
        code = inquiry.helpers("middle") + SIDES
        for name, handle, thing in (("one", first, things[0]), ("two", second, things[1])):
            code += (
                f"{name} = max({expression(dimension, thing)} for s in map(sides, {handle.name}))\n"
            )
    code += "print(f'one = {round(float(one), 5)}')\nprint(f'two = {round(float(two), 5)}')"
    seen = yield Cell(f"The {dimension} of both.", code)
    one, two = seen.number("one"), seen.number("two")
    if one is None or two is None or not two:
        raise NotGrounded(f"the {dimension} of both", [seen.message])
    evidence = (f"{things[0]}: {one:.3f} m, {things[1]}: {two:.3f} m",)
    if question.ask == "ratio":
        return Finding("number", one / two, None, 0.05 * one / two, 0.75, evidence)
    return Finding("number", abs(one - two), "m", 0.03 * max(one, two), 0.75, evidence)


def _room(inquiry: Inquiry, dimension: str) -> Investigation:
    code = (
        "from spatialclaw.primitives.scene import Scene\n"
        "scene = Scene.from_frames(frames)\n"
        "cloud = scene.points() if callable(scene.points) else scene.points\n"
        "box = geometry.oriented_box(cloud, up=np.array([0.0, 0.0, 1.0]), trim=1.0)\n"
        "flat = sorted((float(e) for e in box.extent[:2]), reverse=True)\n"
        "print(box)\nprint(f'long = {round(flat[0], 4)}')\nprint(f'short = {round(flat[1], 4)}')\n"
        "print(f'height = {round(float(box.extent[2]), 4)}')"
    )
    seen = yield Cell("The box around all that was seen of the room.", code)
    key = {"height": "height", "width": "short", "depth": "short"}.get(dimension, "long")
    value = seen.number(key)
    if value is None:
        raise NotGrounded("the room's extent", [seen.message])
    return Finding("number", value, "m", 0.05 * value, 0.7, ("box around all points seen",))


def height_above(inquiry: Inquiry) -> Investigation:
    """How high something is above the floor or above another thing."""
    question = inquiry.question
    things = [thing for thing in question.things if thing.kind != "camera"]
    if not things:
        raise NotGrounded("what hangs or stands there")
    thing = things[0]
    below = next((t for t in things[1:] if t.kind != "floor"), None)
    frame = inquiry.frame_for(thing)
    found = yield from inquiry.find([thing] if below is None else [thing, below])
    handle = found[0]
    part = thing.part if thing.part in ("top", "bottom", "center") else ""
    if thing.pixel is None and not part:
        part = "bottom" if below is not None else "center"
        if question.family == "size":
            part = "top"
    pick = {"top": "np.percentile(h, 99.5)", "bottom": "np.percentile(h, 0.5)"}.get(
        part, "np.median(h)"
    )
    if part == "center":
        pick = "(np.percentile(h, 99.5) + np.percentile(h, 0.5)) / 2"
    if below is None:
        code = inquiry.helpers("middle") + (
            f"cloud = {handle.name}[0]\n"
            f"f = frames[{frame}]\n"
            "floor = geometry.ground_plane(f)\nprint(floor)\n"
            "points = np.atleast_2d(geometry.to_camera(cloud, f).plain if cloud.ref != floor.ref else cloud.plain)\n"
            "h = points @ floor.normal + floor.d\n"
            f"value = float({pick})\n"
            "print(f'value = {round(value, 5)}')\n"
            "print(f'sigma = {round(float(np.hypot(floor.sigma, error_of(cloud))), 4)}')\n"
            "print(f'metric = {cloud.metric}')\n"
        )
        seen = yield Cell("The floor, and the height above it.", code)
        if not seen.ok and inquiry.facts.has("pose"):
            seen = yield Cell(
                "No floor in that frame; the floor of all frames.", _world_floor(handle, pick)
            )
    else:
        code = inquiry.helpers("middle") + (
            f"cloud, other = {handle.name}[0], {found[1].name}[0]\n"
            "up = up_of(cloud)\n"
            "h = np.atleast_2d(cloud.plain) @ up - np.percentile(np.atleast_2d(other.plain) @ up, 99)\n"
            f"value = abs(float({pick}))\n"
            "print(f'value = {round(value, 5)}')\nprint(f'sigma = {round(error_of(cloud), 4)}')\n"
            "print(f'metric = {cloud.metric}')\n"
        )
        seen = yield Cell(f"How far above {below} it is, along gravity.", code)
    value, sigma, _ = read_measurement(seen, f"the height of {thing}")
    if not seen.get("metric", True):
        measured("unit", "the height")
    evidence = [f"{part or 'point'} of {thing} by {handle.source}: {value:.3f} m"]
    sure = confidence(value, sigma, 0.88) * seen_by(evidence, *found)
    if below is None:
        check = yield Cell(
            "Cross-check: the camera's height over the same floor, and how flat the floor is.",
            "print('camera', round(float(floor.distance(np.zeros(3))), 3), 'm above the floor; residual', round(floor.sigma, 4))\n"
            "print(f'support = {round(float(floor.support), 4)}')",
        )
        support = check.number("support")
        if support is not None:
            evidence.append(f"the floor holds {support:.0%} of the points of the frame")
            sure = sure if support > 0.03 else 0.7 * sure
    return Finding("number", value, "m", sigma, sure, tuple(evidence))


def _world_floor(handle: Handle, pick: str) -> str:
    return (
        f"cloud = {handle.name}[0]\n"
        "tops = []\n"
        "for f in frames:\n"
        "    try:\n"
        "        floor = geometry.ground_plane(f)\n"
        "        tops.append(float(geometry.to_world(geometry.points(floor.center, floor.ref), f).plain[2]))\n"
        "    except Exception as error:\n"
        "        print(f.position, error)\n"
        "level = float(np.median(sorted(tops)[: max(1, len(tops) // 2)]))\n"
        "h = np.atleast_2d(cloud.plain)[:, 2] - level\n"
        f"value = float({pick})\n"
        "print(f'value = {round(value, 5)}')\nprint(f'sigma = {round(error_of(cloud), 4)}')\nprint('metric = True')\n"
    )
