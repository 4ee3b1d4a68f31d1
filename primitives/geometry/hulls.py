"""Hulls, outlines and their areas."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from spatialclaw.primitives.errors import NothingFound

__all__ = [
    "convex_hull",
    "convex_hull_area",
    "convex_hull_volume",
    "polygon_area",
    "smallest_rectangle",
]

Floats = npt.NDArray[np.float64]


def convex_hull(points: npt.ArrayLike) -> Floats:
    """Corners of the convex hull of points in a plane, counter-clockwise (for y up).

    Args:
        points: (N, 2) points.

    Returns:
        (M, 2) corners.

    Raises:
        NothingFound: Fewer than three points, or all on one line.
    """
    from scipy.spatial import ConvexHull, QhullError

    flat = np.asarray(points, dtype=np.float64).reshape(-1, 2)
    flat = flat[np.isfinite(flat).all(axis=1)]
    try:
        return np.asarray(flat[ConvexHull(flat).vertices])
    except (QhullError, ValueError) as error:
        raise NothingFound(f"{len(flat)} points have no area around them") from error


def convex_hull_area(points: npt.ArrayLike, normal: npt.ArrayLike | None = None) -> float:
    """Area of the convex hull of points that lie about in a plane.

    Args:
        points: (N, 2) points, or (N, 3) points which are first dropped onto a plane.
        normal: (3,) normal of that plane; None: the plane the points lie in best.

    Returns:
        Square units of the points.

    Example:
        >>> convex_hull_area([[0, 0], [2, 0], [2, 1], [0, 1], [1, 0.5]])
        2.0
    """
    return polygon_area(convex_hull(_flatten(points, normal)))


def convex_hull_volume(points: npt.ArrayLike) -> float:
    """Volume of the convex hull of (N, 3) points, cubic units.

    Raises:
        NothingFound: The points lie in one plane.
    """
    from scipy.spatial import ConvexHull, QhullError

    xyz = np.asarray(points, dtype=np.float64).reshape(-1, 3)
    try:
        return float(ConvexHull(xyz[np.isfinite(xyz).all(axis=1)]).volume)
    except (QhullError, ValueError) as error:
        raise NothingFound(f"{len(xyz)} points have no volume around them") from error


def polygon_area(corners: npt.ArrayLike) -> float:
    """Area of a polygon, from its corners in order.

    Args:
        corners: (N, 2), or (N, 3) corners that lie in one plane.

    Example:
        >>> polygon_area([[0, 0, 1], [3, 0, 1], [3, 2, 1], [0, 2, 1]])
        6.0
    """
    xyz = np.asarray(corners, dtype=np.float64)
    if xyz.ndim != 2 or xyz.shape[1] not in (2, 3):
        raise ValueError(f"corners are (N, 2) or (N, 3), not {xyz.shape}")
    if len(xyz) < 3:
        raise NothingFound(f"a polygon needs three corners, there are {len(xyz)}")
    xyz = np.pad(xyz - xyz[0], ((0, 0), (0, 3 - xyz.shape[1])))
    crosses = np.cross(xyz, np.roll(xyz, -1, axis=0))
    return float(np.linalg.norm(crosses.sum(axis=0)) / 2)


def smallest_rectangle(points: npt.ArrayLike) -> tuple[Floats, Floats]:
    """The rectangle of least area around points in a plane.

    Args:
        points: (N, 2) points.

    Returns:
        (4, 2) corners in order, and (2,) side lengths, the longer first.
    """
    hull = convex_hull(points)
    edges = np.roll(hull, -1, axis=0) - hull
    best: tuple[float, Floats, Floats] | None = None
    for angle in np.unique(np.round(np.arctan2(edges[:, 1], edges[:, 0]) % (np.pi / 2), 9)):
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        local = hull @ turn.T
        low, high = local.min(axis=0), local.max(axis=0)
        area = float(np.prod(high - low))
        if best is None or area < best[0]:
            square = np.array([[low[0], low[1]], [high[0], low[1]], high, [low[0], high[1]]])
            best = (area, square @ turn, np.sort(high - low)[::-1])
    assert best is not None
    return best[1], best[2]


def _flatten(points: npt.ArrayLike, normal: npt.ArrayLike | None) -> Floats:
    xyz = np.asarray(points, dtype=np.float64)
    xyz = xyz[np.isfinite(xyz).all(axis=1)]
    if xyz.shape[1] == 2:
        return xyz
    centered = xyz - xyz.mean(axis=0)
    if normal is None:
        _, _, rows = np.linalg.svd(centered, full_matrices=False)
        return np.asarray(centered @ rows[:2].T)
    axis = np.asarray(normal, dtype=np.float64)
    axis = axis / np.linalg.norm(axis)
    helper = np.eye(3)[int(np.argmin(np.abs(axis)))]
    first = np.cross(axis, helper)
    first /= np.linalg.norm(first)
    return np.stack([centered @ first, centered @ np.cross(axis, first)], axis=1)
