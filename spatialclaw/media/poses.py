"""Reading camera poses, and putting them into the world of the run.

World of the run: right-handed, z up, the first camera's position at the origin. Poses are (4, 4)
camera-to-world with camera axes x right, y down, z forward.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spatialclaw.errors import MediaError
from spatialclaw.media.files import read_text

__all__ = [
    "Trajectory",
    "from_quaternion",
    "inverse",
    "level_world",
    "matrix_rows",
    "numbers_table",
    "pose_matrix",
    "poses_from_json",
    "read_kitti_track",
    "read_log",
    "read_pose",
    "read_tum_trajectory",
]

Matrix = npt.NDArray[np.float64]

#: How far a rotation may be from orthonormal before it is no rotation: files round to few digits.
_ORTHONORMAL = 0.02

#: Axes of a level camera in a z-up world: x right, y (down) to -z, z (forward) to y.
LEVEL = np.array([[1.0, 0, 0, 0], [0, 0, 1.0, 0], [0, -1.0, 0, 0], [0, 0, 0, 1.0]])
#: From OpenGL camera axes (x right, y up, z backward) to x right, y down, z forward.
FROM_OPENGL = np.diag([1.0, -1.0, -1.0, 1.0])


@dataclass(frozen=True)
class Trajectory:
    """Poses at times.

    Attributes:
        times: Seconds, ascending.
        poses: (N, 4, 4) camera-to-world.
    """

    times: Matrix
    poses: Matrix

    def at(self, time: float, tolerance: float) -> Matrix | None:
        """The pose nearest to a time, or None when none is within the tolerance (seconds)."""
        if not len(self.times):
            return None
        right = int(np.searchsorted(self.times, time))
        near = min(
            (i for i in (right - 1, right) if 0 <= i < len(self.times)),
            key=lambda i: abs(self.times[i] - time),
        )
        return self.poses[near] if abs(self.times[near] - time) <= tolerance else None


def pose_matrix(values: Any, origin: str) -> Matrix:
    """A checked (4, 4) rigid transform from 12 or 16 numbers, nested or flat.

    Raises:
        MediaError: Wrong count, not finite, or its rotation is none.
    """
    try:
        array = np.asarray(values, dtype=np.float64).reshape(-1)
    except (TypeError, ValueError) as error:
        raise MediaError(f"{origin}: a pose is 3x4 or 4x4 numbers") from error
    if array.size not in (12, 16):
        raise MediaError(f"{origin}: a pose is 3x4 or 4x4 numbers, here are {array.size}")
    if not np.isfinite(array).all():
        raise MediaError(
            f"{origin}: the pose holds NaN or infinity", hint="Leave out frames without a pose."
        )
    matrix = np.eye(4)
    matrix[: array.size // 4] = array.reshape(-1, 4)
    rotation = matrix[:3, :3]
    if np.abs(rotation @ rotation.T - np.eye(3)).max() > _ORTHONORMAL:
        raise MediaError(
            f"{origin}: the 3x3 part of the pose is no rotation",
            hint="Poses are rigid transforms without scale, row by row, camera-to-world.",
        )
    if np.linalg.det(rotation) < 0:
        raise MediaError(f"{origin}: the pose mirrors (its determinant is -1)")
    left, _, right = np.linalg.svd(rotation)
    matrix[:3, :3] = left @ right
    matrix[3] = (0, 0, 0, 1)
    return matrix


def from_quaternion(xyzw: Sequence[float], position: Sequence[float], origin: str) -> Matrix:
    """A (4, 4) pose from a quaternion (x, y, z, w) and a position.

    Raises:
        MediaError: The quaternion has no length.
    """
    x, y, z, w = (float(value) for value in xyzw)
    length = math.sqrt(x * x + y * y + z * z + w * w)
    if not all(math.isfinite(float(value)) for value in position):
        raise MediaError(f"{origin}: a position holds NaN or infinity")
    if not math.isfinite(length) or length < 1e-6:
        raise MediaError(f"{origin}: a quaternion of length {length:g} is no rotation")
    x, y, z, w = x / length, y / length, z / length, w / length
    matrix = np.eye(4)
    matrix[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    matrix[:3, 3] = position
    return matrix


def inverse(pose: Matrix) -> Matrix:
    """The inverse of a rigid transform."""
    result = np.eye(4)
    result[:3, :3] = pose[:3, :3].T
    result[:3, 3] = -pose[:3, :3].T @ pose[:3, 3]
    return result


def level_world(
    poses: Sequence[Matrix | None], *, z_up: bool
) -> tuple[list[Matrix | None], Matrix]:
    """Puts the first camera at the origin of a world with z up.

    Args:
        poses: (4, 4) camera-to-world each, or None.
        z_up: Whether the poses' own world has z up, against gravity; then its axes are kept.
            Otherwise the first camera is taken as level: its up becomes z, its forward y.

    Returns:
        The poses in the world of the run, and the (4, 4) transform from the old world to it.
    """
    first = next((pose for pose in poses if pose is not None), None)
    if first is None:
        return list(poses), np.eye(4)
    move = np.eye(4)
    if z_up:
        move[:3, 3] = -first[:3, 3]
    else:
        move = LEVEL @ inverse(first)
    return [None if pose is None else move @ pose for pose in poses], move


def numbers_table(text: str, origin: str) -> list[list[float]] | None:
    """The rows of numbers of a text (comments and commas allowed), or None when it is not one."""
    rows = []
    for line in text.splitlines():
        bare = re.split(r"#|//|%", line, maxsplit=1)[0].strip().strip("[];")
        if not bare:
            continue
        try:
            rows.append([float(part) for part in re.split(r"[\s,;]+", bare.strip("[], ")) if part])
        except ValueError:
            return None
    return rows or None


def matrix_rows(rows: list[list[float]] | None, height: int, width: int) -> Matrix | None:
    """The (height, width) matrix that a table of numbers is, in rows or on one line, or None."""
    if rows is None:
        return None
    if len(rows) == height and all(len(row) == width for row in rows):
        return np.array(rows)
    if len(rows) == 1 and len(rows[0]) == height * width:
        return np.array(rows[0]).reshape(height, width)
    return None


def read_pose(path: Path) -> Matrix:
    """A pose from a text file of 4x4 (or 3x4) numbers.

    Raises:
        MediaError: It is no pose.
    """
    rows = numbers_table(read_text(path), path.name)
    for height in (4, 3):
        matrix = matrix_rows(rows, height, 4)
        if matrix is not None:
            return pose_matrix(matrix, path.name)
    raise MediaError(f"{path.name}: a pose file holds 4 rows of 4 numbers, camera-to-world")


def read_kitti_track(path: Path) -> list[Matrix]:
    """KITTI odometry poses: line i is the 3x4 camera-to-world of frame i.

    Raises:
        MediaError: A line does not have 12 numbers.
    """
    rows = numbers_table(read_text(path), path.name)
    if rows is None or any(len(row) != 12 for row in rows):
        raise MediaError(f"{path.name}: a KITTI pose file has 12 numbers on every line")
    return [pose_matrix(row, f"{path.name}, line {i}") for i, row in enumerate(rows, 1)]


def read_tum_trajectory(path: Path) -> Trajectory:
    """A TUM trajectory: ``time tx ty tz qx qy qz qw`` on every line, camera-to-world.

    Raises:
        MediaError: A line does not have 8 numbers.
    """
    rows = numbers_table(read_text(path), path.name)
    if rows is None or any(len(row) != 8 for row in rows):
        raise MediaError(
            f"{path.name}: a TUM trajectory has 8 numbers on every line (t tx ty tz qx qy qz qw)"
        )
    if not all(math.isfinite(row[0]) for row in rows):
        raise MediaError(f"{path.name}: a time holds NaN or infinity")
    rows.sort(key=lambda row: row[0])
    poses = [from_quaternion(row[4:8], row[1:4], path.name) for row in rows]
    return Trajectory(np.array([row[0] for row in rows]), np.array(poses))


def read_log(path: Path) -> dict[int, Matrix]:
    """A Redwood trajectory (.log): blocks of a line "i j k" and a 4x4 camera-to-world.

    Raises:
        MediaError: It is not made of such blocks.
    """
    rows = numbers_table(read_text(path), path.name) or []
    poses: dict[int, Matrix] = {}
    for start in range(0, len(rows), 5):
        block = rows[start : start + 5]
        if len(block) < 5 or any(len(row) != 4 for row in block[1:]) or not 0 <= block[0][0] < 1e9:
            raise MediaError(f"{path.name}: a trajectory log has blocks of 1 + 4 lines")
        poses[int(block[0][0])] = pose_matrix(block[1:], f"{path.name}, frame {block[0][0]:.0f}")
    if not poses:
        raise MediaError(f"{path.name}: holds no pose")
    return poses


def poses_from_json(data: Any, origin: str) -> dict[str, Matrix] | list[Matrix]:
    """Poses by picture name, or in order, from the forms of poses.json in use.

    Read are: a list of matrices; a mapping from names to matrices; entries with a matrix under
    "pose", "transform_matrix", "camera_to_world", "c2w", "extrinsic" or "world_to_camera"; OpenSfM
    shots with "rotation" (axis-angle) and "translation", world-to-camera; and Open3D's trajectory.

    Raises:
        MediaError: None of these.
    """
    if isinstance(data, Mapping):
        for key in ("shots", "poses", "frames", "parameters", "images"):
            if key in data:
                return poses_from_json(data[key], origin)
        return {str(name): _one_pose(value, f"{origin}, {name}") for name, value in data.items()}
    if isinstance(data, list) and data:
        names = [_entry_name(entry) for entry in data]
        poses = [_one_pose(entry, f"{origin}, entry {i}") for i, entry in enumerate(data)]
        if all(name is not None for name in names):
            return {str(name): pose for name, pose in zip(names, poses, strict=True)}
        return poses
    raise MediaError(f"{origin}: holds no poses in a form that is read")


def _entry_name(entry: Any) -> str | None:
    if not isinstance(entry, Mapping):
        return None
    for key in ("file_path", "file", "image", "name", "filename", "image_name"):
        if isinstance(entry.get(key), str):
            return Path(entry[key]).name
    return None


def _one_pose(entry: Any, origin: str) -> Matrix:
    if isinstance(entry, list):
        return pose_matrix(entry, origin)
    if isinstance(entry, Mapping):
        for key in ("pose", "transform_matrix", "camera_to_world", "c2w", "T_world_cam", "matrix"):
            if key in entry:
                return pose_matrix(entry[key], origin)
        for key in ("world_to_camera", "w2c", "T_cam_world"):
            if key in entry:
                return inverse(pose_matrix(entry[key], origin))
        if "extrinsic" in entry:  # Open3D: column by column, world-to-camera
            return inverse(pose_matrix(np.reshape(entry["extrinsic"], (4, 4)).T, origin))
        turn = entry.get("rotation", entry.get("rotation_axis_angle_world_to_cam"))
        shift = entry.get("translation", entry.get("translation_world_to_cam"))
        if _triple(turn) and _triple(shift):
            import cv2

            matrix = np.eye(4)
            matrix[:3, :3] = cv2.Rodrigues(np.asarray(turn, dtype=np.float64))[0]
            matrix[:3, 3] = shift
            return inverse(pose_matrix(matrix, origin))
    raise MediaError(
        f"{origin}: not a pose in a form that is read",
        hint='Give {"picture.jpg": 4x4 camera-to-world matrix, ...}, x right, y down, z forward.',
    )


def _triple(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 3
        and all(isinstance(v, int | float) for v in value)
    )
