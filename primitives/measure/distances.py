"""Distances between things, to the camera, above the floor, and in pixels."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from spatialclaw.primitives.frames import Frame
from spatialclaw.primitives.geometry.gravity import gravity
from spatialclaw.primitives.geometry.places import (
    cloud_of,
    common,
    frame_behind,
    heading_of,
    position_of,
)
from spatialclaw.primitives.geometry.planes import Plane, ground_plane
from spatialclaw.primitives.geometry.points import Points
from spatialclaw.primitives.measure.measurement import Measurement
from spatialclaw.primitives.measure.sizes import box, is_flat_box
from spatialclaw.primitives.measure.support import describe, length_unit, sigma_of
from spatialclaw.primitives.results import Mask
from spatialclaw.primitives.scene_report import note_line

__all__ = ["distance", "distance_px", "height_above_floor"]

Kind = Literal["center", "closest", "horizontal", "vertical", "depth"]


def distance(
    a: Any,
    b: Any = None,
    *,
    kind: Kind = "center",
    frame: Frame | int | None = None,
    depth: Any = None,
    scale_free: bool = False,
) -> Measurement:
    """Distance between two things, or from the camera to one.

    Args:
        a: `Points`, a `Mask`, a `Box3D`, a `Frame` (its camera), or a pixel (x, y) with `frame`.
        b: The same kinds; None: the camera that saw a.
        kind: "center": between the middles of the visible points; "closest": between the nearest
            surfaces; "horizontal" or "vertical": across or along gravity; "depth": along the
            camera's viewing direction.
        frame: Frame of bare pixels and masks.
        depth: As for `geometry.unproject`.
        scale_free: Answer in "unit" when the scale is not known; ratios of such answers hold.

    Returns:
        A `Measurement` in metres; sigma to first order from the errors of depth and focal length.

    Raises:
        ScaleUnknown: The scale is not known and `scale_free` is False.
        FrameOfReferenceError: The two were seen in frames whose poses are not known.

    Example:
        ``measure.distance(cup, laptop)``; ``measure.distance((148, 222), (543, 212),
        frame=frames[0])``; ``measure.distance(chair, kind="depth")``
    """
    where = frame_behind(a, b, frame=frame)
    if kind == "closest":
        return _closest(a, b, where, depth, scale_free)
    first = position_of(a, frame=frame, depth=depth)
    to_camera = b is None
    second = _camera_of(first, where) if to_camera else position_of(b, frame=frame, depth=depth)
    first, second = common(first, second, frame=where)
    offset = first.plain - second.plain
    if kind == "center":
        value, axis = float(np.linalg.norm(offset)), None
    elif kind in ("horizontal", "vertical"):
        axis = _up(first.ref, where)
        rise = float(offset @ axis)
        value = abs(rise) if kind == "vertical" else float(np.linalg.norm(offset - rise * axis))
    elif kind == "depth":
        if where is None:
            raise ValueError("kind='depth' needs the frame that looks: frame=frames[0]")
        value = abs(float(offset @ heading_of(where, first.ref)))
    else:
        raise ValueError(f"kind {kind!r}; use center, closest, horizontal, vertical or depth")
    method = first.method or second.method
    unit = length_unit(first.metric and second.metric, scale_free, "distance", method)
    sigma_a, sigma_b = sigma_of(first), sigma_of(second)
    sigma = None if sigma_a is None or sigma_b is None else float(np.hypot(sigma_a, sigma_b))
    other = "the camera" if b is None else describe(b)
    line = f"{describe(a)} at {_place(first)} to {other}" + (
        "" if to_camera else f" at {_place(second)}"
    )
    found = Measurement(value, unit, sigma, (line,), f"{kind} distance by {method or 'points'}")
    note_line(first, second, f"{value:.3g} {unit}" + (f" {kind}" if kind != "center" else ""))
    return found


def distance_px(a: Any, b: Any) -> Measurement:
    """Distance of two pixels, masks or boxes in the picture, px.

    Args:
        a: A pixel (x, y), a `Mask` or a box (x0, y0, x1, y1).
        b: The same kinds, in the same frame.

    Example:
        >>> distance_px((0, 0), (3, 4)).value
        5.0
    """
    offset = _pixel(a) - _pixel(b)
    value = float(np.linalg.norm(offset))
    return Measurement(value, "px", 0.5, (f"{describe(a)} to {describe(b)}",), "pixels")


def height_above_floor(
    thing: Any,
    part: Literal["top", "bottom", "center"] = "top",
    *,
    floor: Plane | None = None,
    frame: Frame | int | None = None,
    depth: Any = None,
    scale_free: bool = False,
) -> Measurement:
    """How high a thing reaches (or hangs) above the floor.

    Args:
        thing: As for `distance`.
        part: "top", "bottom" or "center" of it.
        floor: The floor; None: `geometry.ground_plane` of the frame that saw the thing.
        frame: Frame of bare pixels and masks.
        depth: As for `geometry.unproject`.
        scale_free: As for `distance`.

    Example:
        ``measure.height_above_floor((255, 108), frame=frames[0])``
    """
    where = frame_behind(thing, frame=frame)
    if is_flat_box(thing):
        made = box(thing, frame=frame, depth=depth)
        cloud = made.corners
        cloud.sigma, cloud.method = made.center.sigma, made.center.method
    else:
        cloud = cloud_of(thing, frame=frame, depth=depth)
    if floor is None:
        if where is None:
            raise ValueError("nothing says which floor: pass floor=geometry.ground_plane(...)")
        floor = ground_plane(where, depth=depth)
    if floor.ref != cloud.ref and where is not None and where.pose is not None:
        from spatialclaw.primitives.geometry.camera import to_camera, to_world

        cloud = to_world(cloud, where) if floor.ref.startswith("world") else to_camera(cloud, where)
    heights = np.asarray(floor.distance(cloud))
    part_of = {"top": 99.0, "bottom": 1.0, "center": 50.0}
    if part not in part_of:
        raise ValueError(f"part {part!r}; use top, bottom or center")
    value = float(np.percentile(heights, part_of[part]))
    unit = length_unit(cloud.metric and floor.metric, scale_free, "height_above_floor")
    own = sigma_of(cloud)
    # A tilt of the plane, known to about its scatter over its size, lifts what stands far from it.
    sigma = None if own is None else float(np.hypot(own, 2 * floor.sigma))
    line = f"{part} of {describe(thing)} above a floor with {floor.support:.0%} of the points"
    return Measurement(value, unit, sigma, (line,), f"height above the floor by {cloud.method}")


def _closest(a: Any, b: Any, where: Frame | None, depth: Any, scale_free: bool) -> Measurement:
    from scipy.spatial import cKDTree

    first = cloud_of(a, frame=where, depth=depth)
    second = _camera_of(first, where)[None] if b is None else cloud_of(b, frame=where, depth=depth)
    first, second = common(first, second, frame=where)
    unit = length_unit(first.metric and second.metric, scale_free, "distance", first.method)
    small, large = sorted((first.plain, second.plain), key=len)
    small, large = _thinned(small, 20000), _thinned(large, 60000)
    if len(small) > 1:
        away, nearest = cKDTree(large).query(small, k=1)
    else:
        away, nearest = np.linalg.norm(large - small[0], axis=1), None
    # The very nearest pair is the pair with the worst noise: take the nearest half per cent.
    value = float(np.percentile(away, 0.5))
    pair = int(np.argmin(np.abs(away - value)))
    one, other_end = (0, pair) if nearest is None else (pair, int(nearest[pair]))
    ends = Points(small[one], first.ref), Points(large[other_end], first.ref)
    note_line(ends[0], ends[1], f"{value:.3g} {unit} closest")
    sigmas = [sigma_of(first), 0.0 if b is None else sigma_of(second)]
    known = [s for s in sigmas if s is not None]
    sigma = float(np.hypot(known[0], known[1])) if len(known) == 2 else None
    other = "the camera" if b is None else describe(b)
    line = f"nearest surfaces of {describe(a)} and {other}"
    return Measurement(
        value, unit, sigma, (line,), f"closest distance by {first.method or 'points'}"
    )


def _camera_of(point: Points, where: Frame | None) -> Points:
    if point.ref.startswith("camera"):
        return Points(np.zeros(3), point.ref, metric=point.metric, sigma=0.0)
    if where is None:
        raise ValueError("nothing says which camera: pass frame=frames[0] or the other thing")
    return position_of(where)


def _up(ref: str, where: Frame | None) -> Any:
    if ref.startswith("world"):
        return np.array([0.0, 0.0, 1.0])
    if where is None:
        raise ValueError("which way is up is not known: pass frame=frames[0]")
    return gravity(where).plain


def _thinned(xyz: Any, most: int) -> Any:
    return xyz if len(xyz) <= most else xyz[:: len(xyz) // most + 1]


def _place(point: Points) -> str:
    x, y, z = point.plain
    return f"({x:.2f}, {y:.2f}, {z:.2f}) in {point.ref}"


def _pixel(thing: Any) -> Any:
    if isinstance(thing, Mask):
        return thing.center
    array = np.asarray(thing, dtype=np.float64)
    if array.shape == (4,):
        return (array[:2] + array[2:]) / 2
    if array.shape != (2,):
        raise ValueError(f"a pixel is (x, y), a box (x0, y0, x1, y1); not of shape {array.shape}")
    return array
