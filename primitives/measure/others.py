"""Areas, angles, ways and counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from spatialclaw.primitives.context import frame_of
from spatialclaw.primitives.errors import NothingFound, PrimitiveError
from spatialclaw.primitives.frames import Frame
from spatialclaw.primitives.geometry.camera import (
    camera_path,
    depth_of,
)
from spatialclaw.primitives.geometry.hulls import polygon_area
from spatialclaw.primitives.geometry.masks import mask_points
from spatialclaw.primitives.geometry.places import common, position_of
from spatialclaw.primitives.geometry.planes import Plane, fit_plane
from spatialclaw.primitives.geometry.points import Points
from spatialclaw.primitives.measure.measurement import Measurement
from spatialclaw.primitives.measure.support import describe, length_unit, sigma_of
from spatialclaw.primitives.results import Mask, Masks, Tracks

__all__ = ["angle", "area", "count", "path_length", "room_size"]

Floats = npt.NDArray[np.float64]


def area(
    thing: Any,
    *,
    frame: Frame | int | None = None,
    depth: Any = None,
    scale_free: bool = False,
) -> Measurement:
    """Area of a polygon or of a visible surface, m^2.

    Args:
        thing: (N, 3) `Points`: the corners of a polygon in order. A `Mask`, or a bool mask with
            `frame`: the visible surface under it (where it curves away from the camera, too
            little).
        frame: Frame of bare masks.
        depth: As for `geometry.unproject`.
        scale_free: Answer in "unit^2" when the scale is not known.

    Raises:
        ScaleUnknown: The scale is not known and `scale_free` is False.

    Example:
        ``measure.area(segment(frames[0], "table")[0])``
    """
    if isinstance(thing, Points):
        unit = length_unit(thing.metric, scale_free, "area", thing.method)
        own = sigma_of(thing)
        value = polygon_area(thing)
        rim = float(np.linalg.norm(np.roll(thing.plain, -1, axis=0) - thing.plain, axis=1).sum())
        sigma = None if own is None else own * rim / np.sqrt(max(1, len(thing)))
        line = f"polygon of {len(thing)} corners in {thing.ref}"
        return Measurement(value, f"{unit}^2", sigma, (line,), "polygon area")
    where = frame_of(thing, frame)
    cloud = mask_points(thing, depth, frame=where)
    unit = length_unit(cloud.metric, scale_free, "area", cloud.method)
    mask = thing.mask if isinstance(thing, Mask) else np.asarray(thing, dtype=bool)
    value, how = _surface(mask, cloud, where, depth)
    own = sigma_of(cloud)
    away = float(np.median(cloud.plain[:, 2]))
    # Area goes with the square of the distance; the edge is known to about half a pixel.
    edge = 1.0 / np.sqrt(max(1.0, float(mask.sum())))
    sigma = None if own is None else value * float(np.hypot(2 * own / away, edge))
    line = f"{describe(thing)}: {int(mask.sum())} px, {how}"
    return Measurement(value, f"{unit}^2", sigma, (line,), f"visible surface by {cloud.method}")


def _surface(
    mask: npt.NDArray[np.bool_], cloud: Points, frame: Frame, depth: Any
) -> tuple[float, str]:
    assert frame.intrinsics is not None
    fx, fy = float(frame.intrinsics[0, 0]), float(frame.intrinsics[1, 1])
    plane = fit_plane(cloud)
    rows, columns = np.nonzero(mask)
    x = (columns - frame.intrinsics[0, 2]) / fx
    y = (rows - frame.intrinsics[1, 2]) / fy
    if plane.support > 0.8:
        # A pixel covers z^2 / (fx fy |n . (x, y, 1)|) of a plane with normal n.
        facing = x * plane.normal[0] + y * plane.normal[1] + plane.normal[2]
        z = -plane.d / np.where(np.abs(facing) > 1e-3, facing, np.nan)
        cells = z**2 / (fx * fy * np.abs(facing))
        return float(np.nansum(cells)), f"a plane with {plane.support:.0%} of the points"
    found = depth_of(frame, depth)
    return _triangles(mask, found.depth.astype(np.float64), frame), "curved, by triangles"


def _triangles(mask: npt.NDArray[np.bool_], depth: Floats, frame: Frame) -> float:
    import cv2

    assert frame.intrinsics is not None
    step = max(2, int(np.sqrt(mask.sum()) / 40))
    known = np.where(np.isfinite(depth) & mask, depth, 0).astype(np.float32)
    weight = (known > 0).astype(np.float32)
    total = cv2.blur(weight, (step, step))
    with np.errstate(divide="ignore", invalid="ignore"):
        smooth = np.where(total > 0, cv2.blur(known, (step, step)) / total, np.nan)
    rows = np.arange(0, frame.height, step)
    columns = np.arange(0, frame.width, step)
    grid_x, grid_y = np.meshgrid(columns, rows)
    z = np.where(mask[grid_y, grid_x], smooth[grid_y, grid_x], np.nan)
    inverse = np.linalg.inv(frame.intrinsics)
    rays = np.stack([grid_x, grid_y, np.ones_like(grid_x)], axis=-1) @ inverse.T
    xyz = rays * z[..., None]
    right, down = xyz[:-1, 1:] - xyz[:-1, :-1], xyz[1:, :-1] - xyz[:-1, :-1]
    cells = np.linalg.norm(np.cross(right, down), axis=-1)
    seen = np.isfinite(cells)
    if not seen.any():
        raise NothingFound("too little depth under the mask for a surface")
    # Cells at the rim are cut: scale by the pixels of the mask that the whole cells stand for.
    return float(cells[seen].sum() * mask.sum() / (seen.sum() * step**2))


def room_size(source: Any, *, scale_free: bool = False, **options: Any) -> Measurement:
    """Floor area of the room, m^2.

    Args:
        source: `frames` (with depth; with poses when several) or a scene from `reconstruct`.
        scale_free: Answer in "unit^2" when the scale is not known.
        **options: Passed to `Scene.floor_area`, such as ``outline="hull"``.

    Example:
        ``measure.room_size(frames)``
    """
    from spatialclaw.primitives.scene import Scene

    scene = source if isinstance(source, Scene) else Scene.from_frames(source)
    found: Measurement = scene.floor_area(scale_free=scale_free, **options)
    return found


def angle(a: Any, b: Any, c: Any = None, *, frame: Frame | int | None = None) -> Measurement:
    """An angle in degrees: at b between a and c, or of two planes or directions.

    Args:
        a: A place (as for `distance`), a `Plane`, or a (3,) direction.
        b: The vertex when c is given; else a `Plane` or a (3,) direction like a.
        c: A place, or None.
        frame: Frame of bare pixels.

    Returns:
        Degrees: 0..180 at a vertex and between directions, 0..90 when a plane takes part.

    Example:
        >>> angle(np.array([1.0, 0, 0]), np.array([1.0, 1.0, 0])).value
        45.0
    """
    if c is not None:
        first, vertex, last = common(*(position_of(thing, frame=frame) for thing in (a, b, c)))
        one, two = first.plain - vertex.plain, last.plain - vertex.plain
        value = _between(one, two)
        sigma = _angle_sigma((first, one), (vertex, None), (last, two))
        line = f"at {describe(b)} between {describe(a)} and {describe(c)}"
        return Measurement(value, "deg", sigma, (line,), "angle of three points")
    if isinstance(a, Plane) and isinstance(b, Plane):
        value = a.angle_deg(b)
        return Measurement(value, "deg", None, ("between two planes",), "angle of planes")
    if isinstance(a, Plane) or isinstance(b, Plane):
        plane, other = (a, b) if isinstance(a, Plane) else (b, a)
        value = 90.0 - plane.angle_deg(np.asarray(other, dtype=np.float64))
        return Measurement(value, "deg", None, ("between a line and a plane",), "angle")
    if isinstance(a, Points) and isinstance(b, Points):
        common(a, b)
    value = _between(np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64))
    return Measurement(value, "deg", None, ("between two directions",), "angle")


def _between(one: Floats, two: Floats) -> float:
    if not np.any(one) or not np.any(two):
        raise PrimitiveError(
            "an angle needs two directions of a length above 0", hint="other points"
        )
    # atan2 keeps its accuracy near 0 and 180 degrees, where arccos loses it.
    across = float(np.linalg.norm(np.cross(one, two)))
    return float(round(np.degrees(np.arctan2(across, float(one @ two))), 9))


def _angle_sigma(*ends: tuple[Points, Floats | None]) -> float | None:
    arms = [(sigma_of(point), float(np.linalg.norm(arm))) for point, arm in ends if arm is not None]
    vertex = sigma_of(ends[1][0])
    if vertex is None or any(sigma is None for sigma, _ in arms):
        return None
    variance = sum(((sigma or 0.0) ** 2 + vertex**2) / reach**2 for sigma, reach in arms)
    return float(np.degrees(np.sqrt(variance)))


def path_length(path: Any, *, scale_free: bool = False) -> Measurement:
    """Length of a way, such as the camera's.

    Args:
        path: (N, 3) `Points`, or frames with poses (the way of their camera).
        scale_free: Answer in "unit" when the scale is not known.

    Raises:
        ScaleUnknown: The scale is not known and `scale_free` is False.

    Example:
        ``measure.path_length(frames)``
    """
    way = path if isinstance(path, Points) else camera_path(path)
    if way.ndim != 2 or way.shape[1] != 3:
        raise ValueError(f"a path is (N, 3) Points, not of shape {way.shape}")
    unit = length_unit(way.metric, scale_free, "path_length", way.method)
    steps = np.linalg.norm(np.diff(way.plain, axis=0), axis=1)
    own = sigma_of(way)
    straight = float(np.linalg.norm(way.plain[-1] - way.plain[0])) if len(way) else 0.0
    line = f"{len(way)} places, straight from first to last {straight:.3f} {unit}"
    sigma = None if own is None else own * float(np.sqrt(2 * max(1, len(steps))))
    return Measurement(
        float(steps.sum()), unit, sigma, (line,), f"path by {way.method or 'points'}"
    )


def count(things: Any, *, label: str | None = None) -> Measurement:
    """How many things there are.

    Things that carry an id are counted once however often they are seen; without ids, the most
    that any one frame shows.

    Args:
        things: `Masks`, `Tracks`, or any sequence.
        label: Count those with this label only.

    Example:
        ``measure.count(segment(frames[0], "chair"))``
    """
    items: Sequence[Any] = list(things)
    if label is not None:
        items = [item for item in items if getattr(item, "label", None) == label]
    method = getattr(things, "method", "") or "count"
    if isinstance(things, Tracks) or not all(isinstance(item, Mask) for item in items) or not items:
        return Measurement(len(items), "count", 0.0, (f"{len(items)} items",), method)
    if all(item.id is not None for item in items):
        ids = {item.id for item in items}
        seen = len({item.frame for item in items})
        return Measurement(len(ids), "count", 0.0, (f"distinct ids in {seen} frames",), method)
    per_frame: dict[int, int] = {}
    for item in items:
        per_frame[item.frame] = per_frame.get(item.frame, 0) + 1
    best = max(per_frame, key=lambda position: per_frame[position])
    doubt = sum(1 - item.score for item in items if item.frame == best)
    line = f"{per_frame[best]} in frame {best}, scores " + ", ".join(
        f"{item.score:.2f}" for item in items if item.frame == best
    )
    if "hog" in method or "haar" in method:
        doubt += 0.25 + 0.5 * per_frame[best]
        line += "; it misses people who sit, are cut off or are seen from above"
    # Each detection is one thing with its score as probability.
    sigma = float(np.sqrt(max(0.0, doubt))) if isinstance(things, Masks) else 0.0
    return Measurement(per_frame[best], "count", sigma, (line,), method)
