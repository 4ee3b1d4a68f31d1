"""Planes: fitting, the ground, rays that meet them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from spatialclaw.primitives.errors import FrameOfReferenceError, NothingFound
from spatialclaw.primitives.frames import Frame
from spatialclaw.primitives.geometry.camera import unproject
from spatialclaw.primitives.geometry.gravity import up_vector
from spatialclaw.primitives.geometry.normals import frame_normals, point_normals
from spatialclaw.primitives.geometry.points import Points

__all__ = ["Plane", "fit_plane", "fit_planes", "ground_plane", "intersect_ray"]

Floats = npt.NDArray[np.float64]


@dataclass(eq=False)
class Plane:
    """A plane ``normal . x + d = 0``.

    Attributes:
        normal: (3,) unit vector.
        d: Offset, same unit as the points.
        inliers: (N,) bool over the points it was fitted to.
        sigma: Standard deviation of the inliers from the plane, same unit.
        ref: Frame of reference.
        metric: Whether the unit is the metre.
        center: (3,) mean of the inliers.
        support: Part of the points that are inliers, 0..1.
    """

    normal: Floats
    d: float
    inliers: npt.NDArray[np.bool_]
    sigma: float
    ref: str = ""
    metric: bool = True
    center: Floats = field(default_factory=lambda: np.zeros(3))

    @property
    def support(self) -> float:
        """Part of the points that are inliers, 0..1."""
        return float(self.inliers.mean()) if self.inliers.size else 0.0

    def distance(self, points: npt.ArrayLike) -> Any:
        """Signed distance of points, positive on the side the normal points to.

        Example:
            ``floor.distance(geometry.mask_points(lamp)).max()`` is how high the lamp reaches.
        """
        if isinstance(points, Points) and self.ref and points.ref != self.ref:
            raise FrameOfReferenceError(
                f"the plane is in {self.ref}, the points in {points.ref}",
                hint="geometry.to_world(points, frame), or fit the plane to points of that frame",
            )
        return np.asarray(points, dtype=np.float64) @ self.normal + self.d

    def project(self, points: npt.ArrayLike) -> Points:
        """The nearest points on the plane."""
        away = np.asarray(self.distance(points))[..., None]
        array = np.asarray(points, dtype=np.float64)
        return Points(array - away * self.normal, self.ref, metric=self.metric)

    def angle_deg(self, other: Plane | npt.ArrayLike) -> float:
        """Angle to another plane (or to a direction's normal plane), 0..90 degrees."""
        normal = other.normal if isinstance(other, Plane) else np.asarray(other, dtype=np.float64)
        cosine = abs(float(self.normal @ normal)) / float(np.linalg.norm(normal))
        return float(np.degrees(np.arccos(np.clip(cosine, 0, 1))))

    def flipped(self) -> Plane:
        """The same plane with the normal reversed."""
        return Plane(
            -self.normal, -self.d, self.inliers, self.sigma, self.ref, self.metric, self.center
        )

    def __repr__(self) -> str:
        unit = "m" if self.metric else "(no scale)"
        normal = ", ".join(f"{v:+.3f}" for v in self.normal)
        return (
            f"<Plane in {self.ref or 'no frame'}: normal ({normal}), d {self.d:+.3f} {unit}, "
            f"{self.support:.0%} of {self.inliers.size} points within sigma {self.sigma:.4f}>"
        )


def fit_plane(
    points: npt.ArrayLike,
    *,
    threshold: float | None = None,
    near: npt.ArrayLike | None = None,
    tolerance_deg: float = 15.0,
    iterations: int = 500,
    seed: int = 0,
) -> Plane:
    """The plane that most points lie on, refitted to all of them.

    Args:
        points: (N, 3) points, N >= 3; rows with NaN are ignored.
        threshold: Distance up to which a point belongs to it, same unit; None: three times the
            depth's sigma where known, at least 0.8 % of the median distance from the origin.
        near: (3,) direction the normal must be near to, such as the up vector.
        tolerance_deg: How near, degrees.
        iterations: Random triples tried.
        seed: Of the random choice.

    Returns:
        A `Plane`; the normal points towards the origin (the camera), or along `near`.

    Raises:
        NothingFound: Fewer than three points, or none fits the direction asked for.

    Example:
        ``geometry.fit_plane(geometry.mask_points(table)).sigma``
    """
    array = np.asarray(points, dtype=np.float64).reshape(-1, 3)
    finite = np.isfinite(array).all(axis=1)
    xyz = array[finite]
    if len(xyz) < 3:
        raise NothingFound(f"a plane needs three points, there are {len(xyz)}")
    limit = _threshold(points, xyz) if threshold is None else float(threshold)
    rng = np.random.default_rng(seed)
    scored = xyz if len(xyz) <= 4000 else xyz[rng.choice(len(xyz), 4000, replace=False)]
    triples = scored[
        np.array([rng.choice(len(scored), 3, replace=False) for _ in range(iterations)])
    ]
    normals = np.cross(triples[:, 1] - triples[:, 0], triples[:, 2] - triples[:, 0])
    lengths = np.linalg.norm(normals, axis=1)
    wanted = lengths > 1e-12 * max(1.0, float(np.abs(xyz).max()) ** 2)
    if not wanted.any():
        raise NothingFound("the points lie on one line; no plane is defined")
    normals = normals[wanted] / lengths[wanted, None]
    anchors = triples[wanted, 0]
    axis = None
    if near is not None:
        axis = np.asarray(near, dtype=np.float64)
        axis = axis / np.linalg.norm(axis)
        close = np.abs(normals @ axis) > np.cos(np.radians(tolerance_deg))
        if not close.any():
            raise NothingFound(
                f"no plane within {tolerance_deg:.0f} degrees of that direction",
                hint="a larger tolerance_deg, or more iterations",
            )
        normals, anchors = normals[close], anchors[close]
    offsets = -np.einsum("ij,ij->i", normals, anchors)
    distances = np.abs(scored @ normals.T + offsets)
    # Truncated squares (MSAC) tell a good plane from one that only cuts through as many points.
    best = int(np.argmin((np.minimum(distances, limit) ** 2).sum(axis=0)))
    normal, d = normals[best], float(offsets[best])
    inside = np.abs(xyz @ normal + d) < limit
    for _ in range(4):
        if inside.sum() < 3:
            break
        center = xyz[inside].mean(axis=0)
        centered = xyz[inside] - center
        _, vectors = np.linalg.eigh(centered.T @ centered)
        refined = vectors[:, 0]
        if axis is not None and abs(refined @ axis) < np.cos(np.radians(tolerance_deg)):
            break
        normal, d = refined, float(-refined @ center)
        again = np.abs(xyz @ normal + d) < limit
        if (again == inside).all():
            break
        inside = again
    flip = (normal @ axis < 0) if axis is not None else d < 0
    if flip:
        normal, d = -normal, -d
    residual = xyz[inside] @ normal + d
    inliers = np.zeros(len(array), dtype=bool)
    inliers[np.flatnonzero(finite)[inside]] = True
    return Plane(
        normal=normal,
        d=d,
        inliers=inliers,
        sigma=float(np.sqrt(np.mean(residual**2))) if residual.size else 0.0,
        ref=getattr(points, "ref", ""),
        metric=getattr(points, "metric", True),
        center=xyz[inside].mean(axis=0) if inside.any() else -d * normal,
    )


def fit_planes(
    points: npt.ArrayLike, n: int = 4, *, min_support: float = 0.05, threshold: float | None = None
) -> list[Plane]:
    """Several planes, that with most points first.

    Args:
        points: (N, 3) points.
        n: At most so many planes.
        min_support: Least part of all points that a plane must hold, 0..1.
        threshold: As for `fit_plane`.

    Example:
        ``walls = geometry.fit_planes(scene.points(), 5)``
    """
    array = np.asarray(points, dtype=np.float64).reshape(-1, 3)
    limit = _threshold(points, array) if threshold is None else threshold
    left = np.isfinite(array).all(axis=1)
    planes: list[Plane] = []
    while len(planes) < n and left.sum() >= max(3, min_support * len(array)):
        plane = fit_plane(array[left], threshold=limit, seed=len(planes))
        inliers = np.zeros(len(array), dtype=bool)
        inliers[np.flatnonzero(left)[plane.inliers]] = True
        if inliers.mean() < min_support:
            break
        plane.inliers = inliers
        plane.ref = getattr(points, "ref", "")
        plane.metric = getattr(points, "metric", True)
        planes.append(plane)
        left &= ~inliers
    return planes


def ground_plane(
    frame_or_points: Any, *, up: npt.ArrayLike | None = None, depth: Any = None
) -> Plane:
    """The floor: the lowest large surface that faces up.

    Args:
        frame_or_points: A `Frame` with depth (the plane is then in its camera), (N, 3) `Points`,
            or a scene.
        up: (3,) up vector in the same axes; None: from gravity.
        depth: As for `unproject`, when a frame is given.

    Returns:
        A `Plane` whose normal points up, so that ``plane.distance(p)`` is the height above floor.

    Raises:
        NothingFound: No surface faces up.

    Example:
        ``geometry.ground_plane(frames[0]).distance(geometry.mask_points(lamp)).max()``
    """
    cloud = frame_or_points
    oriented = None
    if isinstance(cloud, Frame):
        if up is None:
            up = up_vector(cloud, depth=depth)
        oriented = frame_normals(cloud, depth)
        cloud = unproject(cloud, None, depth)
    elif hasattr(cloud, "points") and not isinstance(cloud, np.ndarray):
        cloud = cloud.points()
    if up is None:
        up = up_vector(cloud)
    axis = np.asarray(up, dtype=np.float64)
    axis = axis / np.linalg.norm(axis)
    xyz = np.asarray(cloud, dtype=np.float64).reshape(-1, 3)
    xyz = xyz[np.isfinite(xyz).all(axis=1)]
    if len(xyz) < 50:
        raise NothingFound(f"{len(xyz)} points are too few for a floor")
    sample, normals = point_normals(xyz) if oriented is None else oriented
    flat = np.abs(normals @ axis) > np.cos(np.radians(20))
    if flat.sum() < 20:
        raise NothingFound(
            "no surface that faces up is in view", hint="another frame that shows the floor"
        )
    heights = sample @ axis
    scale = float(np.percentile(heights, 98) - np.percentile(heights, 2)) or 1.0
    step = max(scale / 80, 1e-6)
    level = _lowest_level(heights, flat, step)
    limit = max(_threshold(cloud, xyz), 0.5 * step)
    band = np.abs(sample @ axis - level) < 3 * limit
    try:
        plane = fit_plane(sample[band & flat], near=axis, tolerance_deg=12.0, threshold=limit)
    except NothingFound:
        plane = Plane(axis, -level, np.zeros(0, bool), step)
    all_points = np.asarray(cloud, dtype=np.float64).reshape(-1, 3)
    away = all_points @ plane.normal + plane.d
    inliers = np.abs(away) < limit
    return Plane(
        plane.normal,
        plane.d,
        inliers,
        plane.sigma,
        getattr(cloud, "ref", ""),
        getattr(cloud, "metric", True),
        plane.center,
    )


def intersect_ray(plane: Plane, origin: npt.ArrayLike, direction: npt.ArrayLike) -> Points:
    """Where rays meet a plane.

    Args:
        plane: The plane.
        origin: (3,) or (N, 3) start of the rays.
        direction: (3,) or (N, 3) directions, of any length.

    Returns:
        (3,) or (N, 3) points; NaN where a ray runs along the plane or away from it.

    Example:
        Where a pixel's ray meets the floor (its footpoint), without depth at that pixel:
        ``geometry.intersect_ray(floor, [0, 0, 0], geometry.rays(frames[0], (320, 470)))``
    """
    start = np.asarray(origin, dtype=np.float64)
    heading = np.asarray(direction, dtype=np.float64)
    rate = heading @ plane.normal
    with np.errstate(divide="ignore", invalid="ignore"):
        along = -(start @ plane.normal + plane.d) / rate
    along = np.where(np.isfinite(along) & (along >= 0), along, np.nan)
    return Points(start + along[..., None] * heading, plane.ref, metric=plane.metric)


def _threshold(points: Any, xyz: Floats) -> float:
    sigma = getattr(points, "sigma", None)
    typical = 3 * float(np.nanmedian(sigma)) if sigma is not None and np.size(sigma) else 0.0
    away = np.linalg.norm(xyz, axis=1) if len(xyz) else np.ones(1)
    spread = np.linalg.norm(xyz - np.median(xyz, axis=0), axis=1) if len(xyz) else away
    reach = min(float(np.nanmedian(away)), 3 * float(np.nanmedian(spread)))
    return max(min(typical, 0.05 * reach), 0.008 * reach, 1e-9)


def _lowest_level(heights: Floats, flat: npt.NDArray[np.bool_], step: float) -> float:
    """Height of the lowest level that holds a good part of the upward surfaces."""
    low = float(np.percentile(heights, 0.2)) - step
    counts, edges = np.histogram(
        heights[flat], bins=np.arange(low, float(heights.max()) + 2 * step, step)
    )
    smooth = np.convolve(counts, np.ones(3), mode="same")
    enough = smooth >= max(0.12 * smooth.max(), 0.01 * len(heights))
    first = int(np.argmax(enough))
    peak = first + int(np.argmax(smooth[first : first + 4]))
    chosen = (
        flat
        & (heights > edges[max(0, peak - 1)])
        & (heights < edges[min(len(edges) - 1, peak + 2)])
    )
    return float(np.median(heights[chosen]))
