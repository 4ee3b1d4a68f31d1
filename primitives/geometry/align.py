"""Alignment of point sets: rigid, with scale, and iteratively closest points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spatialclaw.primitives.errors import NothingFound
from spatialclaw.primitives.geometry.normals import point_normals
from spatialclaw.primitives.geometry.points import Points

__all__ = ["Alignment", "icp", "rigid", "similarity"]

Floats = npt.NDArray[np.float64]


@dataclass(eq=False)
class Alignment:
    """A transform between point sets.

    Attributes:
        matrix: (4, 4): ``target = matrix @ source``.
        scale: 1.0 unless a similarity.
        rmse: Root mean square distance after alignment, unit of the target.
        overlap: Part of the source points that found a partner, 0..1.
    """

    matrix: Floats
    rmse: float
    scale: float = 1.0
    overlap: float = 1.0

    def apply(self, points: npt.ArrayLike, ref: str = "") -> Points:
        """The points moved by the transform."""
        xyz = np.asarray(points, dtype=np.float64)
        return Points(
            xyz @ self.matrix[:3, :3].T + self.matrix[:3, 3],
            ref or getattr(points, "ref", ""),
            metric=getattr(points, "metric", True),
        )

    def __repr__(self) -> str:
        x, y, z = self.matrix[:3, 3]
        rotation = self.matrix[:3, :3] / self.scale
        turn = np.degrees(np.arccos(np.clip((np.trace(rotation) - 1) / 2, -1, 1)))
        return (
            f"<Alignment: moved ({x:.3f}, {y:.3f}, {z:.3f}), turned {turn:.2f} deg, scale "
            f"{self.scale:.4f}, rmse {self.rmse:.4f}, overlap {self.overlap:.0%}>"
        )


def rigid(source: npt.ArrayLike, target: npt.ArrayLike) -> Alignment:
    """Rotation and translation that bring paired points together.

    W. Kabsch, "A solution for the best rotation to relate two sets of vectors", 1976.

    Args:
        source: (N, 3) points, N >= 3.
        target: (N, 3) their partners.

    Example:
        >>> rigid(np.eye(3), np.eye(3) + 1.0).rmse < 1e-12
        True
    """
    return _umeyama(source, target, with_scale=False)


def similarity(source: npt.ArrayLike, target: npt.ArrayLike) -> Alignment:
    """Like `rigid`, with one scale.

    S. Umeyama, "Least-squares estimation of transformation parameters between two point patterns",
    PAMI 1991.

    Args:
        source: (N, 3) points, N >= 3.
        target: (N, 3) their partners.
    """
    return _umeyama(source, target, with_scale=True)


def icp(
    source: npt.ArrayLike,
    target: npt.ArrayLike,
    *,
    start: npt.ArrayLike | None = None,
    reach: float | None = None,
    iterations: int = 40,
) -> Alignment:
    """Brings two overlapping point clouds together, point to plane.

    The update is the linearised one of K.-L. Low, "Linear least-squares optimization for
    point-to-plane ICP surface registration", 2004; partners farther apart than `reach`, which
    shrinks, are left out.

    Args:
        source: (N, 3) points to move.
        target: (M, 3) points that stay.
        start: (4, 4) first guess; None: no motion.
        reach: Distance at first up to which points are partners; None: a tenth of the size of the
            target.
        iterations: At most so many.

    Returns:
        An `Alignment`; see `overlap` and `rmse` before trusting it.

    Raises:
        NothingFound: The clouds do not overlap.
    """
    from scipy.spatial import cKDTree

    moving, fixed = _rows(source), _rows(target)
    if len(moving) < 10 or len(fixed) < 10:
        raise NothingFound(f"{len(moving)} and {len(fixed)} points are too few to align")
    anchors, normals = point_normals(fixed, most=12000)
    rng = np.random.default_rng(0)
    if len(moving) > 8000:
        moving = moving[rng.choice(len(moving), 8000, replace=False)]
    tree = cKDTree(anchors)
    size = float(np.linalg.norm(np.ptp(fixed, axis=0)))
    limit = size / 10 if reach is None else float(reach)
    matrix = np.eye(4) if start is None else np.array(start, dtype=np.float64)
    away, index = tree.query(moving, k=1)
    for _ in range(iterations):
        placed = moving @ matrix[:3, :3].T + matrix[:3, 3]
        away, index = tree.query(placed, k=1)
        pairs = away < limit
        if pairs.sum() < 10:
            raise NothingFound(
                f"only {int(pairs.sum())} points find a partner within {limit:.3f}",
                hint="a first guess start=, or a larger reach=",
            )
        p, q, n = placed[pairs], anchors[index[pairs]], normals[index[pairs]]
        residual = np.einsum("ij,ij->i", q - p, n)
        weight = 1.0 / (1.0 + (residual / max(1e-12, 2 * np.median(np.abs(residual)))) ** 2)
        rows = np.concatenate([np.cross(p, n), n], axis=1)
        normal_matrix = rows.T @ (rows * weight[:, None]) + 1e-9 * len(rows) * np.eye(6)
        step = np.linalg.solve(normal_matrix, rows.T @ (weight * residual))
        update = np.eye(4)
        update[:3, :3] = _rotation(step[:3])
        update[:3, 3] = step[3:]
        matrix = update @ matrix
        limit = max(0.9 * limit, 4 * float(np.median(away[pairs])), 0.01 * size)
        if np.linalg.norm(step) < 1e-9 * max(1.0, size):
            break
    placed = moving @ matrix[:3, :3].T + matrix[:3, 3]
    away, index = tree.query(placed, k=1)
    pairs = away < limit
    across = np.einsum("ij,ij->i", anchors[index[pairs]] - placed[pairs], normals[index[pairs]])
    rmse = float(np.sqrt(np.mean(across**2))) if pairs.any() else float("nan")
    return Alignment(matrix, rmse, overlap=float(pairs.mean()))


def _umeyama(source: npt.ArrayLike, target: npt.ArrayLike, *, with_scale: bool) -> Alignment:
    a = np.asarray(source, dtype=np.float64).reshape(-1, 3)
    b = np.asarray(target, dtype=np.float64).reshape(-1, 3)
    if a.shape != b.shape:
        raise ValueError(f"paired points must be equally many, not {len(a)} and {len(b)}")
    if len(a) < 3:
        raise NothingFound(f"an alignment needs three pairs, there are {len(a)}")
    mean_a, mean_b = a.mean(axis=0), b.mean(axis=0)
    centered = a - mean_a
    left, stretch, right = np.linalg.svd((b - mean_b).T @ centered / len(a))
    if stretch[1] < 1e-9 * max(stretch[0], 1e-300):
        raise NothingFound("the points lie on one line; the turn about it is not defined")
    mirror = np.diag([1.0, 1.0, np.sign(np.linalg.det(left @ right)) or 1.0])
    rotation = left @ mirror @ right
    variance = float(np.mean(np.sum(centered**2, axis=1)))
    scale = float(np.sum(stretch * np.diag(mirror)) / variance) if with_scale else 1.0
    matrix = np.eye(4)
    matrix[:3, :3] = scale * rotation
    matrix[:3, 3] = mean_b - scale * rotation @ mean_a
    rest = a @ matrix[:3, :3].T + matrix[:3, 3] - b
    return Alignment(matrix, float(np.sqrt(np.mean(np.sum(rest**2, axis=1)))), scale)


def _rotation(vector: Floats) -> Floats:
    from scipy.spatial.transform import Rotation

    return np.asarray(Rotation.from_rotvec(vector).as_matrix())


def _rows(points: npt.ArrayLike) -> Floats:
    xyz = np.asarray(points, dtype=np.float64).reshape(-1, 3)
    return np.asarray(xyz[np.isfinite(xyz).all(axis=1)])
