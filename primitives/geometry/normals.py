"""Surface normals of depth maps and of loose points."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from spatialclaw.primitives.frames import Frame

__all__ = ["frame_normals", "point_normals"]

Floats = npt.NDArray[np.float64]


def frame_normals(frame: Frame, depth: Any = None, *, cells: int = 160) -> tuple[Floats, Floats]:
    """Normals of a frame's depth map, from planes through neighbouring points.

    Args:
        frame: A frame with depth and intrinsics.
        depth: As for `geometry.unproject`.
        cells: Number of grid cells along the width.

    Returns:
        (N, 3) points in the camera and their (N, 3) unit normals, facing the camera.
    """
    from spatialclaw.primitives.geometry.camera import depth_of, unproject

    found = depth_of(frame, depth)
    stride = max(1, round(frame.width / cells))
    rows = np.arange(stride // 2, frame.height, stride)
    columns = np.arange(stride // 2, frame.width, stride)
    grid_x, grid_y = np.meshgrid(columns, rows)
    pixels = np.stack([grid_x, grid_y], axis=-1).astype(np.float64)
    smooth = _smoothed(found.depth, 2 * stride + 3)[grid_y, grid_x].reshape(-1)
    xyz = unproject(frame, pixels.reshape(-1, 2), smooth).plain.reshape(*grid_x.shape, 3)
    reach = 3
    centre = xyz[reach:-reach, reach:-reach]
    right = xyz[reach:-reach, 2 * reach :] - xyz[reach:-reach, : -2 * reach]
    down = xyz[2 * reach :, reach:-reach] - xyz[: -2 * reach, reach:-reach]
    normals = np.cross(down, right)
    length = np.linalg.norm(normals, axis=-1)
    z = centre[..., 2]
    # Steps between surfaces have steep differences that are no surface.
    steep = np.maximum(np.abs(right[..., 2]), np.abs(down[..., 2])) > 0.25 * z
    with np.errstate(invalid="ignore"):
        good = np.isfinite(normals).all(axis=-1) & (length > 0) & ~steep & np.isfinite(z)
    points, vectors = centre[good], normals[good] / length[good][:, None]
    if len(points) < 200:
        # Too sparse for neighbours on the grid: LiDAR, or points matched between views.
        cloud = unproject(frame, None, found).plain
        if len(cloud) >= 50:
            points, vectors = point_normals(cloud, k=40)
    return points, _towards_camera(points, vectors)


def _towards_camera(points: Floats, vectors: Floats) -> Floats:
    towards = np.einsum("ij,ij->i", vectors, points) < 0
    return np.where(towards[:, None], vectors, -vectors)


def _smoothed(depth: npt.NDArray[Any], size: int) -> Floats:
    """Mean depth of the neighbours on the same surface, NaN where the pixel has none."""
    import cv2

    known = np.isfinite(depth)
    filled = np.where(known, depth, 0).astype(np.float32)
    total = cv2.blur(filled, (size, size))
    weight = cv2.blur(known.astype(np.float32), (size, size))
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = total / weight
        same = known & (np.abs(mean - depth) < 0.03 * depth)
    return np.where(same, mean, depth).astype(np.float64)


def point_normals(points: npt.ArrayLike, *, most: int = 8000, k: int = 16) -> tuple[Floats, Floats]:
    """Normals of loose points, from the k nearest neighbours of a sample of them.

    Args:
        points: (N, 3) points without NaN.
        most: At most so many points are kept.
        k: Number of neighbours.

    Returns:
        (M, 3) points and their (M, 3) unit normals, of arbitrary sign.
    """
    from scipy.spatial import cKDTree

    xyz = np.asarray(points, dtype=np.float64).reshape(-1, 3)
    rng = np.random.default_rng(0)
    pool = xyz if len(xyz) <= 4 * most else xyz[rng.choice(len(xyz), 4 * most, replace=False)]
    sample = pool if len(pool) <= most else pool[rng.choice(len(pool), most, replace=False)]
    neighbours = min(k, len(pool))
    _, index = cKDTree(pool).query(sample, k=neighbours)
    around = pool[np.asarray(index).reshape(len(sample), neighbours)]
    around = around - around.mean(axis=1, keepdims=True)
    _, vectors = np.linalg.eigh(np.einsum("nki,nkj->nij", around, around))
    return sample, np.asarray(vectors[:, :, 0])
