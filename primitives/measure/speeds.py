"""Speeds of what moves, from tracks, masks or points with times."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from spatialclaw.primitives.context import frame_of
from spatialclaw.primitives.errors import NothingFound, PrimitiveError, Unavailable
from spatialclaw.primitives.frames import Frame
from spatialclaw.primitives.geometry.boxes import oriented_box
from spatialclaw.primitives.geometry.camera import depth_of, to_world, unproject
from spatialclaw.primitives.geometry.gravity import gravity
from spatialclaw.primitives.geometry.masks import mask_points
from spatialclaw.primitives.geometry.places import position_of
from spatialclaw.primitives.geometry.planes import Plane, ground_plane
from spatialclaw.primitives.geometry.points import Points
from spatialclaw.primitives.measure.measurement import Measurement
from spatialclaw.primitives.measure.support import describe, length_unit, sigma_of
from spatialclaw.primitives.results import Mask, Masks, Track

__all__ = ["places", "speed", "speed_px"]

Floats = npt.NDArray[np.float64]


def speed(
    track: Any,
    times: npt.ArrayLike | None = None,
    *,
    frames: Any = None,
    kind: Literal["mean", "net", "max"] = "mean",
    scale_free: bool = False,
) -> Measurement:
    """Speed of something that moves, m/s.

    Args:
        track: A `Track`, or masks of one thing in several frames (its places come from depth and,
            with a moving camera, poses; where the picture's edge cuts the thing off it is left
            out), or (N, 3) `Points`, one for each time.
        times: (N,) seconds; None: those of the track.
        frames: The frames of a track; None: those of this run.
        kind: "mean": along the path; "net": straight from first to last; "max": fastest half
            second.
        scale_free: Answer in "unit/s" when the scale is not known.

    Raises:
        Unavailable: No times, or no depth to place the boxes.
        ScaleUnknown: The scale is not known and `scale_free` is False.

    Example:
        ``measure.speed(track(frames, "person")[0]).to("km/h")``
    """
    masks = isinstance(track, Masks | list) and all(isinstance(item, Mask) for item in track)
    if isinstance(track, Track) or masks:
        path, when = places(track, frames)
    else:
        path, when = track, np.asarray([] if times is None else times, dtype=np.float64)
    if times is not None:
        when = np.asarray(times, dtype=np.float64)
    if not isinstance(path, Points) or path.ndim != 2 or path.shape[1] != 3:
        raise ValueError("speed takes a Track, masks, or (N, 3) Points with times")
    unit = length_unit(path.metric, scale_free, "speed", path.method)
    value, sigma, how = _rate(path.plain, when, kind, sigma_of(path))
    line = f"{describe(track)}: {len(path)} places in {when[-1] - when[0]:.2f} s, {how}"
    return Measurement(
        value, f"{unit}/s", sigma, (line,), f"{kind} speed by {path.method or 'points'}"
    )


def speed_px(track: Track, *, kind: Literal["mean", "net", "max"] = "mean") -> Measurement:
    """Speed of a track in the picture, px/s.

    The camera's own motion is not taken off.

    Args:
        track: A `Track` with times.
        kind: As for `speed`.
    """
    value, sigma, how = _rate(track.centers, track.times, kind, 1.0)
    line = f"{describe(track)}: {len(track)} boxes, {how}"
    return Measurement(value, "px/s", sigma, (line,), f"{kind} speed in the picture")


def places(track: Any, frames: Any) -> tuple[Points, Floats]:
    """Where a thing is in each frame, in the world when poses are known."""
    rows, sigmas, when, refs, metric, method = [], [], [], [], True, ""
    sightings = _whole(_sightings(track, frames))
    bare = [frame for thing, frame, _ in sightings if not isinstance(thing, Mask)]
    floor = _floor(bare[0]) if bare and bare[0].instances is None else None
    for thing, where, seconds in sightings:
        try:
            place = _middle(thing, where, floor)
        except NothingFound:
            continue
        place = to_world(place, where) if where.pose is not None else place
        rows.append(place.plain)
        sigmas.append(np.nan if place.sigma is None else float(place.sigma))
        when.append(float("nan") if seconds is None else float(seconds))
        refs.append(place.ref)
        metric, method = metric and place.metric, place.method
    if len(rows) < 2:
        raise Unavailable(
            "fewer than two sightings of the thing have depth", hint="measure.speed_px(track)"
        )
    # Without poses each place is in its own camera: a camera that stands still is assumed.
    path = Points(np.array(rows), refs[0], metric=metric, sigma=np.array(sigmas))
    path.method = method
    return path, np.array(when)


def _middle(thing: Any, frame: Frame, floor: Plane | None) -> Points:
    """The middle of the upright box around the visible points of a thing.

    The visible surface lies before the middle and wanders over the thing while it passes, which
    would make it slower than it is.
    """
    mask = thing.mask if isinstance(thing, Mask) else _inside(thing, frame, floor)
    if mask is None or mask.sum() < 30:
        return position_of(thing, frame=frame)
    cloud = mask_points(mask, frame=frame)
    try:
        return oriented_box(cloud, up=gravity(frame, assume_level=True)).center
    except NothingFound:
        return position_of(thing, frame=frame)


def _inside(box: Any, frame: Frame, floor: Plane | None) -> npt.NDArray[np.bool_] | None:
    """The pixels of a box that belong to the thing in it, or None.

    By the capture's own instances where one fills the box; else what is joined in depth to the
    middle of the box and stands off the floor.
    """
    x0, y0, x1, y1 = (round(float(v)) for v in box)
    x0, y0 = max(0, x0), max(0, y0)
    x1, y1 = min(frame.width - 1, x1), min(frame.height - 1, y1)
    window = (slice(y0, y1 + 1), slice(x0, x1 + 1))
    if x1 - x0 < 6 or y1 - y0 < 6:
        return None
    if frame.instances is not None:
        for number in np.unique(frame.instances[window]):
            rows, columns = np.nonzero(frame.instances == number)
            own = (columns.min(), rows.min(), columns.max(), rows.max())
            away = np.abs(np.subtract(own, (x0, y0, x1, y1))).max()
            if number and away < 0.2 * max(x1 - x0, y1 - y0):
                return np.asarray(frame.instances == number)
    return _joined(frame, window, floor)


def _joined(
    frame: Frame, window: tuple[slice, slice], floor: Plane | None
) -> npt.NDArray[np.bool_] | None:
    """What in a window is joined in depth to its middle and stands off the floor."""
    import cv2

    z = depth_of(frame).depth[window].astype(np.float64)
    known = np.isfinite(z)
    if not known.any():
        return None
    if floor is not None:
        rows, columns = np.nonzero(known)
        pixels = np.stack([columns + window[1].start, rows + window[0].start], axis=-1)
        heights = floor.distance(unproject(frame, pixels).in_ref(floor.ref))
        known[rows, columns] = heights > max(3 * floor.sigma, 0.01 * float(np.nanmedian(z)))
    filled = np.where(known, z, 0)
    steps = np.maximum(
        np.abs(np.diff(filled, axis=0, prepend=filled[:1])),
        np.abs(np.diff(filled, axis=1, prepend=filled[:, :1])),
    )
    joined = known & (steps < 0.04 * np.maximum(filled, 1e-9))
    _, groups = cv2.connectedComponents(joined.astype(np.uint8), connectivity=4)
    high, wide = z.shape
    core = groups[high // 4 : high - high // 4, wide // 4 : wide - wide // 4]
    if not (core > 0).any():
        return None
    found = np.zeros((frame.height, frame.width), dtype=bool)
    found[window] = groups == np.bincount(core[core > 0]).argmax()
    return found


def _floor(frame: Frame) -> Plane | None:
    """The floor in the axes of a frame's camera, or None when none is seen."""
    try:
        return ground_plane(frame)
    except PrimitiveError:
        return None


def _sightings(track: Any, frames: Any) -> list[tuple[Any, Frame, float | None]]:
    """The thing (box or mask), the frame and the time of each sighting, in order of time."""
    found: list[tuple[Any, Frame, float | None]] = []
    if isinstance(track, Track):
        for position, seconds, bounds in zip(track.frames, track.times, track.boxes, strict=True):
            at = int(position)
            where = frames[at] if frames is not None else frame_of(None, at)
            found.append((np.asarray(bounds), where, float(seconds)))
        return found
    for mask in track:
        where = frames[mask.frame] if frames is not None else frame_of(mask)
        found.append((mask, where, where.time))
    return sorted(found, key=lambda one: one[1].position)


def _whole(
    sightings: list[tuple[Any, Frame, float | None]],
) -> list[tuple[Any, Frame, float | None]]:
    """The sightings that the picture's edge does not cut off, where at least three are left.

    The middle of what is still to be seen of a thing that leaves moves slower than the thing.
    """
    kept = []
    for thing, where, seconds in sightings:
        x0, y0, x1, y1 = (float(v) for v in (thing.box if isinstance(thing, Mask) else thing))
        slack = 0.01 * max(where.width, where.height)
        inside = x0 > slack and y0 > slack
        if inside and x1 < where.width - 1 - slack and y1 < where.height - 1 - slack:
            kept.append((thing, where, seconds))
    return kept if len(kept) >= 3 else sightings


def _rate(
    path: Floats, when: Floats, kind: str, sigma: float | None
) -> tuple[float, float | None, str]:
    if len(when) != len(path) or len(path) < 2:
        raise Unavailable(
            f"{len(path)} places and {len(when)} times give no speed", hint="the argument times="
        )
    if not np.isfinite(when).all() or when[-1] <= when[0]:
        raise Unavailable("the times are not known or do not rise", hint="the argument times=")
    span = float(when[-1] - when[0])
    centered = when - when.mean()
    slope, residual = _line(path, when)
    travel = float(np.linalg.norm(slope)) * span
    scatter = max(residual, sigma or 0.0)
    spread = scatter / np.sqrt(float(centered @ centered)) if len(path) > 2 else None
    if spread is None and sigma is not None:
        spread = float(np.sqrt(2) * sigma / span)
    if kind == "net" or (kind == "mean" and residual < 0.05 * travel):
        return float(np.linalg.norm(slope)), spread, "straight, by a line fitted to all"
    smooth = _smoothed(path, when)
    steps = np.linalg.norm(np.diff(smooth, axis=0), axis=1)
    if kind == "mean":
        return float(steps.sum() / span), spread, "along the smoothed path"
    if kind != "max":
        raise ValueError(f"kind {kind!r}; use mean, net or max")
    gone = np.r_[0.0, np.cumsum(steps)]
    rates = []
    for i in range(len(when)):
        j = int(np.searchsorted(when, when[i] + min(0.5, span)))
        if j < len(when) and when[j] > when[i]:
            rates.append((gone[j] - gone[i]) / (when[j] - when[i]))
    return float(max(rates, default=gone[-1] / span)), spread, "fastest half second"


def _line(path: Floats, when: Floats) -> tuple[Floats, float]:
    """Velocity of the line that fits best, and the typical distance from it.

    Sightings far off (half hidden things, wrong boxes) weigh less (Huber's weights).
    """
    weight = np.ones(len(when))
    slope, residual = np.zeros(path.shape[1]), np.zeros(len(when))
    for _ in range(10):
        total = float(weight.sum())
        middle, start = weight @ when / total, weight @ path / total
        centered = when - middle
        slope = (weight * centered) @ (path - start) / float((weight * centered) @ centered)
        residual = np.linalg.norm(path - start - centered[:, None] * slope, axis=1)
        scale = 1.5 * float(np.median(residual)) + 1e-12
        weight = np.minimum(1.0, scale / np.maximum(residual, 1e-12))
    return slope, float(np.sqrt(weight @ residual**2 / weight.sum()))


def _smoothed(path: Floats, when: Floats) -> Floats:
    """Each place from a line fitted to its neighbours in time."""
    half = max(1, min(4, len(path) // 6))
    smooth = np.empty_like(path)
    for i in range(len(path)):
        near = slice(max(0, i - half), i + half + 1)
        t = when[near] - when[i]
        design = np.stack([np.ones_like(t), t], axis=1)
        smooth[i] = np.linalg.lstsq(design, path[near], rcond=None)[0][0]
    return smooth
