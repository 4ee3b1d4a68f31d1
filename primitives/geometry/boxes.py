"""Oriented boxes around points."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from spatialclaw.primitives.errors import FrameOfReferenceError, NothingFound
from spatialclaw.primitives.geometry.points import Points, require_ref
from spatialclaw.primitives.scene_report import arm

__all__ = ["Box3D", "from_object", "oriented_box", "to_object"]

Floats = npt.NDArray[np.float64]


@dataclass(eq=False)
class Box3D:
    """A box in space.

    Attributes:
        center: (3,) `Points`.
        axes: (3, 3) unit vectors in rows, right-handed; with `up_known` the third is up and the
            first the longer of the two horizontal ones.
        extent: (3,) full length along each axis, same unit as `center`.
        ref: Frame of reference.
        up_known: Whether the third axis is up.
        label: What it is.
        front: (3,) direction the thing faces, or None when it is not known.
        sigma: One standard deviation of a length, same unit, or None.
        points: The points it was put around, when kept.
        motion: How it moved over the frames that show it, when that is known.
    """

    center: Points
    axes: Floats
    extent: Floats
    ref: str = ""
    up_known: bool = False
    label: str = ""
    front: Floats | None = None
    sigma: float | None = None
    points: Points | None = field(default=None, repr=False)
    motion: Any = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self.axes = np.asarray(self.axes, dtype=np.float64)
        self.extent = np.asarray(self.extent, dtype=np.float64)
        if not isinstance(self.center, Points):
            self.center = Points(self.center, self.ref)
        self.ref = self.center.ref
        arm()

    @property
    def metric(self) -> bool:
        """Whether lengths are in metres."""
        return self.center.metric

    @property
    def height(self) -> float:
        """Length along the up axis (the third)."""
        return float(self.extent[2])

    @property
    def length(self) -> float:
        """The longer horizontal side (with `up_known`), else the longest side."""
        return float(max(self.extent[:2]) if self.up_known else max(self.extent))

    @property
    def width(self) -> float:
        """How wide: the side across the front when that is known, else the same as `length`."""
        if self.front is None:
            return self.length
        return float(self.extent[int(np.argmin(np.abs(self.axes[:2] @ self.front)))])

    @property
    def depth(self) -> float:
        """How deep, front to back: the horizontal side that is not the `width`."""
        if not self.up_known:
            return float(np.sort(self.extent)[1])
        return float(self.extent[0] + self.extent[1] - self.width)

    @property
    def volume(self) -> float:
        """Product of the three lengths."""
        return float(np.prod(self.extent))

    @property
    def corners(self) -> Points:
        """(8, 3) corners; bit 0, 1, 2 of the number: far end along axis 0, 1, 2."""
        signs = np.array([[(i >> k) & 1 for k in range(3)] for i in range(8)]) - 0.5
        xyz = self.center.plain + (signs * self.extent) @ self.axes
        return Points(xyz, self.ref, metric=self.metric)

    @property
    def edges(self) -> list[tuple[int, int]]:
        """The 12 pairs of corners that are joined."""
        return [(i, i | (1 << k)) for i in range(8) for k in range(3) if not (i >> k) & 1]

    def contains(self, points: npt.ArrayLike, margin: float = 0.0) -> Any:
        """Which points lie inside, (N,) bool.

        Args:
            points: (N, 3) points in the same frame of reference.
            margin: How far outside still counts, same unit.
        """
        local = self._local(points)
        return (np.abs(local) <= self.extent / 2 + margin).all(axis=-1)

    def distance(self, other: Any) -> float:
        """Shortest distance to a point, the nearest of several, or another box; 0 inside.

        Example:
            ``table_box.distance(chair_box)``
        """
        if isinstance(other, Box3D):
            return _box_gap(self, other)
        outside = np.maximum(np.abs(self._local(other)) - self.extent / 2, 0)
        return float(np.min(np.linalg.norm(outside, axis=-1)))

    def overlap(self, other: Box3D, *, samples: int = 24) -> float:
        """Intersection over union, 0..1, by a grid of points in each.

        Args:
            other: A box in the same frame of reference.
            samples: Grid points along each side; the error is about 1 / samples.
        """
        inside_self = float(np.mean(other.contains(_grid(self, samples)))) * self.volume
        inside_other = float(np.mean(self.contains(_grid(other, samples)))) * other.volume
        shared = (inside_self + inside_other) / 2
        union = self.volume + other.volume - shared
        return shared / union if union > 0 else 0.0

    def facing(self, direction: npt.ArrayLike) -> Box3D:
        """The same box with its front declared."""
        vector = np.asarray(direction, dtype=np.float64)
        return Box3D(
            self.center, self.axes, self.extent, self.ref, self.up_known, self.label,
            vector / np.linalg.norm(vector), self.sigma, self.points,
        )  # fmt: skip

    def _local(self, points: npt.ArrayLike) -> Floats:
        if isinstance(points, Points) and points.ref != self.ref:
            require_ref(points, self.ref)
        return (np.asarray(points, dtype=np.float64) - self.center.plain) @ self.axes.T

    def __repr__(self) -> str:
        unit = "m" if self.metric else "(no scale)"
        x, y, z = self.center.plain
        sides = " x ".join(f"{v:.3f}" for v in self.extent)
        order = "width x depth x height" if self.up_known else "sides"
        name = f" {self.label!r}" if self.label else ""
        place = f"({x:.3f}, {y:.3f}, {z:.3f})"
        return f"<Box3D{name} in {self.ref}: center {place}, {order} {sides} {unit}>"


def oriented_box(
    points: npt.ArrayLike, up: npt.ArrayLike | None = None, *, trim: float = 0.5, label: str = ""
) -> Box3D:
    """The smallest box around points, outliers left out.

    Args:
        points: (N, 3) points, N >= 4.
        up: (3,) up vector: the box then stands upright and turns about it only. None: z for
            points in the world, else the box turns freely.
        trim: Per cent of the points left out at each end of each axis.
        label: What it is.

    Returns:
        A `Box3D`.

    Raises:
        NothingFound: Fewer than four points.

    Example:
        ``geometry.oriented_box(geometry.mask_points(sofa), up=geometry.gravity(frames[0]))``
    """
    xyz = np.asarray(points, dtype=np.float64).reshape(-1, 3)
    xyz = xyz[np.isfinite(xyz).all(axis=1)]
    if len(xyz) < 4:
        raise NothingFound(f"a box needs four points, there are {len(xyz)}")
    ref = getattr(points, "ref", "")
    if isinstance(up, Points) and up.ref and ref and up.ref != ref:
        raise FrameOfReferenceError(
            f"the up vector is in {up.ref}, the points are in {ref}",
            hint="up and points of one frame of reference; in the world up is (0, 0, 1)",
        )
    if up is None and ref.startswith("world"):
        up = np.array([0.0, 0.0, 1.0])
    core = _without_outliers(xyz, trim)
    if up is None:
        axes = _free_axes(core)
    else:
        vertical = np.asarray(up, dtype=np.float64)
        axes = _upright_axes(core, vertical / np.linalg.norm(vertical))
    local = xyz @ axes.T
    low = np.percentile(local, trim, axis=0)
    high = np.percentile(local, 100 - trim, axis=0)
    # A uniform side loses 2 * trim per cent of its length to the percentiles; give it back.
    grow = (high - low) * (trim / 100) / (1 - 2 * trim / 100)
    low, high = (
        np.maximum(low - grow, local.min(axis=0)),
        np.minimum(high + grow, local.max(axis=0)),
    )
    extent = high - low
    if up is None:
        order = np.argsort(-extent, kind="stable")
    else:
        order = np.array([0, 1, 2]) if extent[0] >= extent[1] else np.array([1, 0, 2])
    middle = ((low + high) / 2) @ axes
    axes, extent = axes[order], extent[order]
    if np.linalg.det(axes) < 0:
        axes = axes * np.array([[-1.0], [1.0], [1.0]])
    sigma = getattr(points, "sigma", None)
    typical = None if sigma is None or not np.size(sigma) else float(np.nanmedian(sigma))
    center = Points(middle, ref, metric=getattr(points, "metric", True), sigma=typical)
    center.method = getattr(points, "method", "")
    kept = points if isinstance(points, Points) else None
    return Box3D(center, axes, extent, ref, up is not None, label, sigma=typical, points=kept)


def to_object(points: npt.ArrayLike, box: Box3D) -> Points:
    """Points about an object: x to its right, y down, z to its front.

    Args:
        points: (N, 3) points in the frame of reference of the box.
        box: A box whose `front` is known (``box.facing(direction)``).

    Example:
        ``geometry.to_object(lamp_position, chair.facing(direction))[0] > 0`` is "to its right".
    """
    rotation = _object_axes(box)
    local = (require_ref(points, box.ref).plain - box.center.plain) @ rotation.T
    return Points(local, f"object {box.label or 'box'}", metric=box.metric)


def from_object(points: npt.ArrayLike, box: Box3D) -> Points:
    """Undoes `to_object`.

    Args:
        points: (N, 3) points about the object.
        box: The box that `to_object` was given.
    """
    rotation = _object_axes(box)
    return Points(
        np.asarray(points, dtype=np.float64) @ rotation + box.center.plain,
        box.ref,
        metric=box.metric,
    )


def _object_axes(box: Box3D) -> Floats:
    if box.front is None:
        raise FrameOfReferenceError(
            f"which way {box.label or 'the box'} faces is not known",
            hint="box.facing(direction) with a vector such as screen - back",
        )
    down = -box.axes[2]
    front = box.front - (box.front @ down) * down
    front = front / np.linalg.norm(front)
    return np.stack([np.cross(down, front), down, front])


def _grid(box: Box3D, n: int) -> Floats:
    steps = (np.arange(n) + 0.5) / n - 0.5
    cells = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    return box.center.plain + (cells * box.extent) @ box.axes


def _box_gap(a: Box3D, b: Box3D) -> float:
    """Distance of two boxes: the least of a convex problem with bounds."""
    from scipy.optimize import lsq_linear

    if a.ref != b.ref:
        require_ref(b.center, a.ref)
    matrix = np.concatenate([a.axes.T, -b.axes.T], axis=1)
    offset = b.center.plain - a.center.plain
    half = np.concatenate([a.extent, b.extent]) / 2 + 1e-12
    found = lsq_linear(matrix, offset, bounds=(-half, half))
    gap = float(np.linalg.norm(matrix @ found.x - offset))
    return gap if gap > 1e-6 else 0.0


def _without_outliers(xyz: Floats, trim: float) -> Floats:
    if trim <= 0 or len(xyz) < 50:
        return xyz
    low = np.percentile(xyz, trim, axis=0)
    high = np.percentile(xyz, 100 - trim, axis=0)
    margin = 0.05 * (high - low)
    core = xyz[((xyz >= low - margin) & (xyz <= high + margin)).all(axis=1)]
    return core if len(core) >= 4 else xyz


def _horizontal(up: Floats) -> tuple[Floats, Floats]:
    helper = np.eye(3)[int(np.argmin(np.abs(up)))]
    first = np.cross(up, helper)
    first /= np.linalg.norm(first)
    return first, np.cross(up, first)


def _upright_axes(xyz: Floats, up: Floats) -> Floats:
    first, second = _horizontal(up)
    flat = np.stack([xyz @ first, xyz @ second], axis=1)
    angle = _rectangle_angle(flat)
    a = np.cos(angle) * first + np.sin(angle) * second
    return np.stack([a, np.cross(up, a), up])


def _rectangle_angle(flat: Floats) -> float:
    """Direction of the sides of the rectangle that fits points best.

    The smallest area alone is blind where only two sides are seen: the rectangle along the diagonal
    is as small. There the one whose sides the points lie on is right (the closeness criterion of
    X. Zhang et al., "Efficient L-shape fitting for vehicle detection using laser scanners", 2017).
    """
    centered = flat - flat.mean(axis=0)
    if float(np.ptp(centered, axis=0).max()) <= 0:
        return 0.0
    sample = centered[:: max(1, len(centered) // 1000)]
    best, width = 0.0, np.pi / 4
    angles = np.linspace(0, np.pi / 2, 45, endpoint=False)
    for _ in range(3):
        best = float(angles[int(np.argmin(_rectangle_costs(sample, angles)))])
        width /= 20
        angles = np.linspace(best - width, best + width, 15)
    return best


def _rectangle_costs(flat: Floats, angles: Floats) -> Floats:
    """For each angle: the size of the rectangle and how far its sides are from the points."""
    c, s = np.cos(angles), np.sin(angles)
    along = flat[:, :1] * c + flat[:, 1:] * s
    across = flat[:, 1:] * c - flat[:, :1] * s
    away, size = np.full(along.shape, np.inf), np.ones(len(angles))
    skip = int(0.005 * len(flat))
    for local in (along, across):
        ordered = np.partition(local, (skip, len(flat) - 1 - skip), axis=0)
        low, high = ordered[skip], ordered[len(flat) - 1 - skip]
        away = np.minimum(away, np.minimum(np.abs(local - low), np.abs(high - local)))
        size = size * np.maximum(high - low, 0)
    return np.asarray(np.sqrt(np.maximum(size, 1e-12)) + 2 * away.mean(axis=0))


def _calipers(outline: Floats, axis: Floats) -> Floats:
    """Axes of the smallest box around a few points with one side across `axis`."""
    import cv2

    first, second = _horizontal(axis)
    flat = np.stack([outline @ first, outline @ second], axis=1)
    scale = 1000 / max(1e-12, float(np.ptp(flat, axis=0).max()))
    _, _, degrees = cv2.minAreaRect((flat * scale).astype(np.float32))
    angle = np.radians(degrees)
    a = np.cos(angle) * first + np.sin(angle) * second
    return np.stack([a, np.cross(axis, a), axis])


def _free_axes(xyz: Floats) -> Floats:
    """Axes of the smallest box that has one side flush with a face of the convex hull."""
    from scipy.spatial import ConvexHull, QhullError

    centered = xyz - xyz.mean(axis=0)
    _, _, principal = np.linalg.svd(centered[:: max(1, len(xyz) // 20000)], full_matrices=False)
    try:
        hull = ConvexHull(centered)
    except QhullError:
        return np.asarray(principal)
    outline = centered[hull.vertices]
    faces = np.unique(np.round(hull.equations[:, :3], 2), axis=0)
    faces = faces[:: max(1, len(faces) // 150)]
    best, least = principal, float(np.prod(np.ptp(outline @ principal.T, axis=0)))
    for face in faces:
        length = np.linalg.norm(face)
        if length < 1e-6:
            continue
        axes = _calipers(outline, face / length)
        volume = float(np.prod(np.ptp(outline @ axes.T, axis=0)))
        if volume < least:
            best, least = axes, volume
    return np.asarray(best)
