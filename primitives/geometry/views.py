"""Two views and free poses: epipolar lines, homographies, triangulation, cameras placed at will."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from spatialclaw.primitives.frames import Frame
from spatialclaw.primitives.geometry.camera import _intrinsics, _pose
from spatialclaw.primitives.geometry.points import Points, world_ref

__all__ = [
    "apply_homography",
    "epipolar_line",
    "fundamental_matrix",
    "look_at",
    "pose_moved",
    "rotation_about",
    "triangulate",
]

Floats = npt.NDArray[np.float64]


def apply_homography(matrix: npt.ArrayLike, pixels: npt.ArrayLike) -> Floats:
    """Pixels mapped by a homography.

    Args:
        matrix: (3, 3).
        pixels: (N, 2) or (2,).

    Returns:
        Same shape; NaN where a pixel maps to infinity or behind.

    Example:
        >>> apply_homography(np.diag([2.0, 2.0, 1.0]), (3, 4)).tolist()
        [6.0, 8.0]
    """
    given = np.asarray(pixels, dtype=np.float64)
    homogeneous = np.concatenate([given, np.ones((*given.shape[:-1], 1))], axis=-1)
    mapped = homogeneous @ np.asarray(matrix, dtype=np.float64).T
    w = mapped[..., 2:]
    return np.asarray(mapped[..., :2] / np.where(np.abs(w) > 1e-12, w, np.nan))


def fundamental_matrix(frame_a: Frame, frame_b: Frame) -> Floats:
    """(3, 3) F of two frames with pose and intrinsics: ``pixel_b^T F pixel_a = 0``.

    R. Hartley, A. Zisserman, "Multiple View Geometry", 2nd edition, 9.2.

    Args:
        frame_a: One frame.
        frame_b: The other.
    """
    relative = np.linalg.inv(_pose(frame_b)) @ _pose(frame_a)
    x, y, z = relative[:3, 3]
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    inverse_a = np.linalg.inv(_intrinsics(frame_a, None))
    inverse_b = np.linalg.inv(_intrinsics(frame_b, None))
    return np.asarray(inverse_b.T @ cross @ relative[:3, :3] @ inverse_a)


def epipolar_line(
    frame_a: Frame, pixel: npt.ArrayLike, frame_b: Frame
) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """The line in frame b on which a pixel of frame a must lie.

    Args:
        frame_a: Frame of the pixel.
        pixel: (2,) pixel (x, y).
        frame_b: The other frame.

    Returns:
        The two points where the line meets the border of picture b, or None when it misses it.
    """
    x, y = np.asarray(pixel, dtype=np.float64)
    a, b, c = fundamental_matrix(frame_a, frame_b) @ np.array([x, y, 1.0])
    right, bottom = frame_b.width - 1.0, frame_b.height - 1.0
    ends: list[tuple[float, float]] = []
    if abs(b) > 1e-15:
        ends += [(u, -(a * u + c) / b) for u in (0.0, right)]
    if abs(a) > 1e-15:
        ends += [(-(b * v + c) / a, v) for v in (0.0, bottom)]
    inside = [(u, v) for u, v in ends if -1e-6 <= u <= right + 1e-6 and -1e-6 <= v <= bottom + 1e-6]
    if len(inside) < 2:
        return None
    first = inside[0]
    last = max(inside, key=lambda p: float(np.hypot(p[0] - first[0], p[1] - first[1])))
    return (float(first[0]), float(first[1])), (float(last[0]), float(last[1]))


def triangulate(pixels: npt.ArrayLike, frames: Any) -> Points:
    """The point that two or more frames show at given pixels.

    Args:
        pixels: (N, 2): one pixel of the point in each frame.
        frames: N frames with pose and intrinsics, N >= 2.

    Returns:
        (3,) point in the world; `sigma` from how far the rays pass by each other.

    Example:
        ``geometry.triangulate([(310, 200), (280, 205)], [frames[0], frames[4]])``
    """
    given = np.asarray(pixels, dtype=np.float64).reshape(-1, 2)
    views = list(frames)
    if len(given) != len(views) or len(views) < 2:
        raise ValueError(
            f"one pixel for each of at least two frames, not {len(given)} for {len(views)}"
        )
    origins, directions = [], []
    for frame, pixel in zip(views, given, strict=True):
        ray = np.linalg.inv(_intrinsics(frame, None)) @ np.array([*pixel, 1.0])
        heading = _pose(frame)[:3, :3] @ ray
        directions.append(heading / np.linalg.norm(heading))
        origins.append(_pose(frame)[:3, 3])
    across = [np.eye(3) - np.outer(d, d) for d in directions]
    system = np.sum(across, axis=0)
    if np.linalg.cond(system) > 1e9:
        raise ValueError("the rays are parallel: the point is too far for these frames to place it")
    place = np.linalg.solve(
        system, np.sum([m @ o for m, o in zip(across, origins, strict=True)], axis=0)
    )
    miss = np.array([np.linalg.norm(m @ (place - o)) for m, o in zip(across, origins, strict=True)])
    spread = float(np.sqrt(np.mean(miss**2) * np.max(np.linalg.eigvalsh(np.linalg.inv(system)))))
    metric = all(frame.metric for frame in views)
    return Points(place, world_ref(views[0]), metric=metric, sigma=spread)


def look_at(eye: npt.ArrayLike, target: npt.ArrayLike, up: npt.ArrayLike = (0, 0, 1)) -> Floats:
    """(4, 4) camera-to-world pose of a camera at `eye` that looks at `target`.

    Args:
        eye: (3,) position.
        target: (3,) what it looks at.
        up: (3,) up vector of the world.

    Example:
        >>> look_at([0, 0, 1], [0, 5, 1])[:3, 2].tolist()
        [0.0, 1.0, 0.0]
    """
    origin = np.asarray(eye, dtype=np.float64)
    forward = np.asarray(target, dtype=np.float64) - origin
    length = float(np.linalg.norm(forward))
    if length == 0:
        raise ValueError("the camera stands on its target")
    forward = forward / length
    right = np.cross(forward, np.asarray(up, dtype=np.float64))
    if np.linalg.norm(right) < 1e-9:
        right = np.cross(forward, [0.0, 1.0, 0.0])
        if np.linalg.norm(right) < 1e-9:
            right = np.array([1.0, 0.0, 0.0])
    right = right / np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, 0], pose[:3, 1], pose[:3, 2] = right, np.cross(forward, right), forward
    pose[:3, 3] = origin
    return pose


def rotation_about(axis: npt.ArrayLike, angle_deg: float) -> Floats:
    """(3, 3) rotation about an axis.

    Args:
        axis: (3,) of any length.
        angle_deg: Right-handed: counter-clockwise when the axis points at the viewer.

    Example:
        >>> np.round(rotation_about([0, 0, 1], 90) @ [1, 0, 0], 6).tolist()
        [0.0, 1.0, 0.0]
    """
    direction = np.asarray(axis, dtype=np.float64)
    x, y, z = direction / np.linalg.norm(direction)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = np.radians(angle_deg)
    return np.asarray(np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross)


def pose_moved(pose: npt.ArrayLike, move: str, *, up: npt.ArrayLike = (0, 0, 1)) -> Floats:
    """A pose after spoken camera moves.

    Args:
        pose: (4, 4) camera-to-world.
        move: Moves joined by commas: "turn left 45", "look up 20", "roll right 10",
            "move forward 1.5", "orbit right 30 at 2" (about the point 2 m ahead).
        up: (3,) up vector of the world; turns and orbits go about it.

    Returns:
        (4, 4) camera-to-world.

    Raises:
        ValueError: A move is not understood; the message lists the moves.

    Example:
        >>> np.round(pose_moved(np.eye(4), "move right 2")[:3, 3], 6).tolist()
        [2.0, 0.0, 0.0]
    """
    from spatialclaw.primitives.geometry.moves import apply_moves

    return apply_moves(np.asarray(pose, dtype=np.float64), move, np.asarray(up, dtype=np.float64))
