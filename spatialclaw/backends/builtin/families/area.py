"""Areas: of the room's floor, and of flat things."""

from __future__ import annotations

from spatialclaw.backends.builtin.families.distance import TELL, measured, read_measurement
from spatialclaw.backends.builtin.inquiry import Inquiry
from spatialclaw.backends.builtin.steps import Cell, Finding, Investigation, NotGrounded

__all__ = ["investigate"]

_ROOMS = (
    "room",
    "floor",
    "kitchen",
    "bedroom",
    "bathroom",
    "office",
    "apartment",
    "flat",
    "hall",
    "studio",
    "basement",
    "space",
    "scene",
    "house",
)

HULL = """\
clouds = []
for f in frames:
    if f.depth is not None and f.pose is not None:
        clouds.append(geometry.to_world(geometry.unproject(f), f).plain[::23])
everything = np.concatenate(clouds)
from scipy.spatial import ConvexHull
low, high = np.percentile(everything[:, :2], [0.3, 99.7], axis=0)
inside = everything[((everything[:, :2] > low) & (everything[:, :2] < high)).all(axis=1)]
hull = ConvexHull(inside[:, :2])
print(f"other = {round(float(hull.volume), 3)}")
"""


def investigate(inquiry: Inquiry) -> Investigation:
    """The area of the room or of a thing."""
    things = [thing for thing in inquiry.question.things if thing.kind not in ("camera",)]
    thing = things[0] if things else None
    if (
        thing is None
        or thing.kind in ("floor", "picture")
        or any(word in thing.text for word in _ROOMS)
    ):
        return (yield from _room(inquiry))
    (handle,) = yield from inquiry.find([thing])
    code = inquiry.helpers("middle") + (
        f"cloud = max({handle.name}, key=len)\nbox = box_of(cloud)\nprint(box)\n"
        "top = float(box.extent[0] * box.extent[1])\n"
        "faces = sorted([float(box.extent[0]), float(box.extent[1]), float(box.extent[2])])\n"
        "print(f'value = {round(faces[2] * faces[1], 4)}')\nprint(f'sigma = {round(0.06 * faces[2] * faces[1], 4)}')\n"
        "print(\"unit = 'm^2'\")\nprint(f'metric = {cloud.metric}')"
    )
    seen = yield Cell(f"The largest face of the box around {thing}.", code)
    value, sigma, _ = read_measurement(seen, f"the area of {thing}")
    if not seen.get("metric", True):
        measured("unit", "the area")
    return Finding("number", value, "m^2", sigma, 0.7, (f"largest face of the box around {thing}",))


def _room(inquiry: Inquiry) -> Investigation:
    if not inquiry.facts.has("depth"):
        raise NotGrounded("the floor in 3-D", ["the media have no depth"])
    seen = yield Cell("The floor area of what was seen.", "m = measure.room_size(frames)\n" + TELL)
    other = yield Cell("Cross-check: the outline of all points seen from above.", HULL)
    outline = other.number("other")
    value, sigma = seen.number("value"), seen.number("sigma")
    if value is None and outline is None:
        raise NotGrounded("the floor area", [seen.message, other.message])
    evidence = []
    if value is not None:
        evidence.append(f"floor of the reconstruction: {value:.2f} m^2")
    if outline is not None:
        evidence.append(f"outline of all points from above: {outline:.2f} m^2")
    if value is None:
        value = outline
    assert value is not None
    agree = outline is not None and abs(outline - value) < 0.15 * value
    return Finding(
        "number", value, "m^2", sigma or 0.08 * value, 0.85 if agree else 0.6, tuple(evidence)
    )
