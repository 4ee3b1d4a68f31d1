"""LiDAR scans in the form of KITTI, projected into a camera as a sparse depth map."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from spatialclaw.errors import MediaError
from spatialclaw.media.files import require_file
from spatialclaw.media.model import DepthMap

__all__ = ["lidar_depth", "read_velodyne"]

Matrix = npt.NDArray[np.float64]

#: Returns nearer than this come from the vehicle itself, metres.
_NEAREST = 0.5


def read_velodyne(path: Path) -> npt.NDArray[np.float32]:
    """A scan: (N, 4) float32, x forward, y left, z up in metres, and reflectance.

    Raises:
        MediaError: It is no such file.
    """
    require_file(path)
    if path.stat().st_size % 16:
        raise MediaError(f"{path}: a scan has 16 bytes a point (x y z reflectance, float32)")
    scan = np.fromfile(path, dtype="<f4").reshape(-1, 4)
    if not np.isfinite(scan).all() or np.abs(scan[:, :3]).max(initial=0) > 1000:
        raise MediaError(
            f"{path}: these are no points in metres",
            hint="Expected are float32 x y z reflectance, as KITTI writes them.",
        )
    return scan


def lidar_depth(
    path: Path, matrices: Mapping[str, Matrix], camera: str, width: int, height: int
) -> DepthMap:
    """The depth along the optical axis of one of KITTI's cameras, where a return falls.

    ``x = P_rect R0_rect Tr_velo_to_cam X`` (Geiger et al., 2013); of several returns in a pixel
    the nearest counts. The camera's own offset in ``P`` is applied, so the depth is its own.

    Args:
        path: The scan.
        matrices: "P2", "R0_rect" and "Tr_velo_to_cam" of the calib file.
        camera: "P0" to "P3".
        width: Width of the camera's picture.
        height: Height of the camera's picture.

    Raises:
        MediaError: A matrix is missing, or no point falls into the picture.
    """
    extrinsic = matrices.get("Tr_velo_to_cam", matrices.get("Tr_velo_cam", matrices.get("Tr")))
    if extrinsic is None or camera not in matrices:
        raise MediaError(
            f"{path.name}: the calibration lacks {camera} or Tr_velo_to_cam",
            hint="Give the calib file of the same frame.",
        )
    scan = read_velodyne(path)[:, :3].astype(np.float64)
    rectify = matrices.get("R0_rect", matrices.get("R_rect", np.eye(3)))[:3, :3]
    projection = matrices[camera]
    rectified = (scan @ extrinsic[:, :3].T + extrinsic[:, 3]) @ rectify.T
    points = rectified + np.linalg.solve(projection[:, :3], projection[:, 3])
    points = points[points[:, 2] > _NEAREST]
    pixels = points @ projection[:, :3].T
    columns = np.rint(pixels[:, 0] / pixels[:, 2])
    rows = np.rint(pixels[:, 1] / pixels[:, 2])
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    if not inside.any():
        raise MediaError(f"{path.name}: no point of the scan falls into the picture")
    depth = np.full(height * width, np.inf, dtype=np.float32)
    places = (rows[inside] * width + columns[inside]).astype(np.int64)
    np.minimum.at(depth, places, points[inside, 2])
    hit = np.isfinite(depth)
    depth[~hit] = np.nan
    note = (
        f"{path.name}: only pixels that a LiDAR return falls into have a depth "
        f"({100 * hit.mean():.0f} %); near an edge a return from behind may show through"
    )
    return DepthMap(depth.reshape(height, width), (note,))
