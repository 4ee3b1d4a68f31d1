"""Size, height, width and length of a thing, from the box around its points."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from spatialclaw.primitives.errors import PrimitiveError, Unavailable
from spatialclaw.primitives.frames import Frame
from spatialclaw.primitives.geometry.boxes import Box3D, oriented_box
from spatialclaw.primitives.geometry.gravity import gravity
from spatialclaw.primitives.geometry.places import cloud_of, frame_behind, name_of, position_of
from spatialclaw.primitives.geometry.points import Points
from spatialclaw.primitives.measure.measurement import Measurement
from spatialclaw.primitives.measure.support import describe, length_unit, sigma_of
from spatialclaw.primitives.results import Mask, Masks

__all__ = ["box", "height", "is_flat_box", "length", "size", "volume", "width"]

Floats = npt.NDArray[np.float64]


def box(thing: Any, *, frame: Frame | int | None = None, depth: Any = None) -> Box3D:
    """The upright box around a thing as far as it is seen.

    Args:
        thing: A `Mask`, several masks of one thing, `Points`, a `Box3D`, or a bool mask or box
            (x0, y0, x1, y1) with `frame`.
        frame: Frame of bare masks and boxes.
        depth: As for `geometry.unproject`.

    Returns:
        A `Box3D` in the thing's frame of reference: ``.width``, ``.depth``, ``.height``,
        ``.center``, ``.corners``. The side away from the camera is not seen, so the extent along
        the view is a lower bound.

    Example:
        ``measure.box(segment(frames[0], "sofa")[0]).height``
    """
    return _box(thing, frame, depth)[0]


def size(
    thing: Any,
    *,
    frame: Frame | int | None = None,
    depth: Any = None,
    scale_free: bool = False,
) -> Measurement:
    """The longest of width, depth and height of a thing.

    The evidence lists all three.

    Args:
        thing: As for `box`.
        frame: Frame of bare masks and boxes.
        depth: As for `geometry.unproject`.
        scale_free: Answer in "unit" when the scale is not known.

    Raises:
        ScaleUnknown: The scale is not known and `scale_free` is False.

    Example:
        ``measure.size(table).to("cm")``
    """
    found, sigmas, note = _box(thing, frame, depth)
    longest = int(np.argmax(found.extent))
    return _measurement(thing, found, longest, sigmas, note, scale_free, "size")


def height(
    thing: Any,
    *,
    frame: Frame | int | None = None,
    depth: Any = None,
    scale_free: bool = False,
) -> Measurement:
    """How tall a thing is, along gravity, as far as it is seen.

    Args and errors as for `size`. For how high something is above the floor use
    `measure.height_above_floor`.

    Example:
        ``measure.height(segment(frames[0], "wardrobe")[0])``
    """
    found, sigmas, note = _box(thing, frame, depth)
    return _measurement(thing, found, 2, sigmas, note, scale_free, "height")


def length(
    thing: Any,
    *,
    frame: Frame | int | None = None,
    depth: Any = None,
    scale_free: bool = False,
) -> Measurement:
    """The longer horizontal side of a thing.

    Args and errors as for `size`.
    """
    found, sigmas, note = _box(thing, frame, depth)
    side = int(np.argmax(found.extent[:2]))
    return _measurement(thing, found, side, sigmas, note, scale_free, "length")


def width(
    thing: Any,
    *,
    frame: Frame | int | None = None,
    depth: Any = None,
    scale_free: bool = False,
) -> Measurement:
    """How wide a thing is: the longer horizontal side, or the side across the front if known.

    Which way a thing faces is known for a `Box3D` with `front`: ``measure.width(box.facing(v))``.
    Args and errors as for `size`.

    Example:
        ``measure.width(segment(frames[0], "door")[0]).to("cm")``
    """
    found, sigmas, note = _box(thing, frame, depth)
    side = int(np.argmax(found.extent[:2]))
    if found.front is not None:
        side = int(np.argmin(np.abs(found.axes[:2] @ found.front)))
    return _measurement(thing, found, side, sigmas, note, scale_free, "width")


def volume(
    thing: Any,
    *,
    frame: Frame | int | None = None,
    depth: Any = None,
    scale_free: bool = False,
) -> Measurement:
    """Volume of the box around a thing, m^3.

    Args and errors as for `size`.
    """
    found, sigmas, note = _box(thing, frame, depth)
    sides = [_measurement(thing, found, k, sigmas, note, scale_free, "volume") for k in range(3)]
    return sides[0] * sides[1] * sides[2]


def _box(thing: Any, frame: Frame | int | None, depth: Any) -> tuple[Box3D, Floats | None, str]:
    """The box, one standard deviation of each side, and what to know about it."""
    if isinstance(thing, Box3D):
        sigmas = None if thing.sigma is None else np.full(3, thing.sigma * np.sqrt(2))
        return thing, sigmas, ""
    found = getattr(thing, "box3d", None)
    if isinstance(found, Box3D):
        return _box(found, frame, depth)
    where = frame_behind(thing, frame=frame)
    if where is not None and is_flat_box(thing):
        return _from_flat_box(thing, where, depth)
    cloud = cloud_of(thing, frame=frame, depth=depth)
    up, note = _up(cloud, where)
    made = oriented_box(cloud, up=up, label=name_of(thing))
    if where is None or where.intrinsics is None:
        own = sigma_of(cloud)
        return made, None if own is None else np.full(3, own * np.sqrt(2)), note
    return _widened(made, cloud, thing, where, note)


def is_flat_box(thing: Any) -> bool:
    """Whether only a flat box says where the thing is, as for detections without mask."""
    if isinstance(thing, Masks):
        return len(thing) == 1 and is_flat_box(thing[0])
    if isinstance(thing, Mask):
        return not thing.mask.any()
    return isinstance(thing, tuple | list | np.ndarray) and np.shape(thing) == (4,)


def _from_flat_box(thing: Any, frame: Frame, depth: Any) -> tuple[Box3D, Floats | None, str]:
    """The upright rectangle that fills a flat box at the thing's distance.

    The rays through the sides of the box meet an upright plane through the middle of the thing
    that faces the camera. How deep the thing is stays unknown (0).
    """
    one = thing[0] if isinstance(thing, Masks) else thing
    x0, y0, x1, y1 = (float(v) for v in (one.box if isinstance(one, Mask) else one))
    middle = position_of(one, frame=frame, depth=depth)
    up, note = _up(middle, frame)
    vertical = np.asarray(up, dtype=np.float64)
    ahead = middle.plain - (middle.plain @ vertical) * vertical
    ahead /= np.linalg.norm(ahead)
    column, row = (x0 + x1) / 2, (y0 + y1) / 2
    ends = [(column, y0 - 0.5), (column, y1 + 0.5), (x0 - 0.5, row), (x1 + 0.5, row)]
    rays = np.column_stack([np.array(ends), np.ones(4)]) @ np.linalg.inv(_matrix(frame)).T
    top, bottom, left, right = rays * ((middle.plain @ ahead) / (rays @ ahead))[:, None]
    side = np.cross(ahead, vertical)
    extent = np.array([abs((right - left) @ side), 0.0, abs((top - bottom) @ vertical)])
    center = Points((top + bottom) / 2, middle.ref, metric=middle.metric, sigma=middle.sigma)
    center.method = middle.method
    made = Box3D(center, np.stack([side, -ahead, vertical]), extent, middle.ref, True, name_of(one))
    edges = [y0 <= 1, y1 >= frame.height - 2, x0 <= 1, x1 >= frame.width - 2]
    notes = [note, "from a flat box: its depth is not known"]
    if any(edges):
        notes.append("cut off by the picture's edge, so a lower bound")
    own = sigma_of(center)
    away = float(middle.plain @ ahead)
    # A detection's box is loose by some pixels: 3 % of its size each side.
    sigmas = None if own is None else extent * np.hypot(own / away, 0.03 * np.sqrt(2))
    return made, sigmas, "; ".join(filter(None, notes))


def _matrix(frame: Frame) -> Floats:
    if frame.intrinsics is None:
        raise Unavailable(
            f"the camera's intrinsics are not known for {frame.name}",
            hint="a capture with intrinsics; without them there are no metres",
        )
    return np.asarray(frame.intrinsics)


def _widened(
    made: Box3D, cloud: Points, thing: Any, where: Frame, note: str
) -> tuple[Box3D, Floats | None, str]:
    """Gives back what erosion took off the edges, and puts errors on the sides."""
    assert where.intrinsics is not None
    eye = np.zeros(3) if made.ref.startswith("camera") else position_of(where).plain
    away = float(np.linalg.norm(made.center.plain - eye))
    footprint = away / float(where.intrinsics[0, 0])
    view = (made.center.plain - eye) / max(away, 1e-12)
    along = np.abs(made.axes @ view)
    across = np.sqrt(np.clip(1 - along**2, 0, 1))
    is_mask = isinstance(thing, Mask) and thing.mask.any()
    bare = isinstance(thing, np.ndarray) and thing.dtype == bool
    if is_mask or bare:
        area = thing.mask if isinstance(thing, Mask) else np.asarray(thing)
        radius = int(np.clip(np.sqrt(area.sum()) / 60, 1, 3))
        made.extent = made.extent + (2 * radius + 1) * footprint * across
        edges = [area[0].any(), area[-1].any(), area[:, 0].any(), area[:, -1].any()]
        if any(edges):
            note = f"{note}; " * bool(note) + "cut off by the picture's edge, so a lower bound"
    own = sigma_of(cloud)
    if own is None:
        return made, None, note
    scale = made.extent * own / max(away, 1e-12)
    return made, np.sqrt(scale**2 + 2 * (footprint * across) ** 2 + 2 * (own * along) ** 2), note


def _up(cloud: Points, where: Frame | None) -> tuple[Any, str]:
    if cloud.ref.startswith("world"):
        return np.array([0.0, 0.0, 1.0]), ""
    if cloud.ref.startswith("object"):
        return np.array([0.0, -1.0, 0.0]), ""
    if where is None:
        return None, "which way is up is not known"
    try:
        return gravity(where), ""
    except PrimitiveError:
        return gravity(where, assume_level=True), "the camera taken as level"


def _measurement(
    thing: Any,
    found: Box3D,
    side: int,
    sigmas: Floats | None,
    note: str,
    scale_free: bool,
    what: str,
) -> Measurement:
    unit = length_unit(found.metric, scale_free, what, found.center.method)
    sides = " x ".join(f"{v:.3f}" for v in found.extent)
    line = f"box of {describe(thing)}: {sides} {unit} (width x depth x height)"
    lines = (line, note) if note else (line,)
    sigma = None if sigmas is None else float(sigmas[side])
    method = f"{what} of the oriented box by {found.center.method or 'points'}"
    return Measurement(float(found.extent[side]), unit, sigma, lines, method)
