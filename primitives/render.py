"""The scene from a new viewpoint."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from spatialclaw.primitives.errors import FrameOfReferenceError, NothingFound
from spatialclaw.primitives.frames import Frame, Frames
from spatialclaw.primitives.geometry.points import Points
from spatialclaw.primitives.geometry.views import pose_moved
from spatialclaw.primitives.scene import Scene

__all__ = ["HOLE", "render"]

HOLE = (255, 0, 255)
"""Colour of pixels of which nothing is known."""


def render(
    scene: Any,
    move: str | None = None,
    *,
    pose: npt.ArrayLike | None = None,
    start: int = 0,
    size: tuple[int, int] | None = None,
    fov_deg: float | None = None,
    colours: npt.NDArray[np.uint8] | None = None,
) -> npt.NDArray[np.uint8]:
    """What a camera would see from another place; what was never seen is magenta.

    Args:
        scene: A scene, `frames` with depth and poses, one frame with depth, or (N, 3) `Points`.
        move: Moves from frame `start`, joined by commas: "turn left 45", "look up 20",
            "move forward 1.5", "roll right 10", "orbit right 30 at 2".
        pose: (4, 4) camera-to-world instead of `move` (see `geometry.look_at`).
        start: The frame of the scene to move from.
        size: (width, height) of the picture; None: that of the frame.
        fov_deg: Horizontal field of view; None: that of the frame.
        colours: (N, 3) uint8 for bare points.

    Returns:
        (H, W, 3) uint8.

    Raises:
        NothingFound: Nothing is in view from there.

    Example:
        ``show(render(frames[0], "turn left 30, move forward 0.5"))``
    """
    if isinstance(scene, Frame | Frames):
        scene = Scene.from_frames(scene)
    up = (0.0, 0.0, 1.0)
    frame: Frame | None = None
    if isinstance(scene, Scene):
        frame = scene.frames[start]
        cloud = scene.points(most=500_000)
        tints = scene.colours(most=500_000)
        origin, matrix = frame.pose, frame.intrinsics
        wide, tall = size or (frame.width, frame.height)
    elif isinstance(scene, Points) and scene.ndim == 2 and scene.shape[1] == 3:
        cloud, matrix, origin = scene, None, np.eye(4)
        tints = _tints(scene) if colours is None else np.asarray(colours, dtype=np.uint8)
        wide, tall = size or (640, 480)
        if scene.ref.startswith("camera"):
            up = (0.0, -1.0, 0.0)
        elif pose is None:
            raise FrameOfReferenceError(
                f"points in {scene.ref} say nothing of where to look from",
                hint="pose=geometry.look_at(eye, target)",
            )
    else:
        raise TypeError("render takes a scene, frames with depth, or (N, 3) Points")
    assert origin is not None
    if pose is None:
        pose = origin if move is None else pose_moved(origin, move, up=up)
    elif move is not None:
        pose = pose_moved(pose, move, up=up)
    camera = _camera(matrix, wide, tall, fov_deg, frame)
    return _splatted(cloud.plain, tints, np.asarray(pose, dtype=np.float64), camera, wide, tall)


def _camera(
    matrix: Any, wide: int, tall: int, fov_deg: float | None, frame: Frame | None
) -> npt.NDArray[np.float64]:
    if fov_deg is not None or matrix is None or frame is None:
        focal = wide / 2 / np.tan(np.radians(fov_deg or 60.0) / 2)
        return np.array([[focal, 0, (wide - 1) / 2], [0, focal, (tall - 1) / 2], [0, 0, 1.0]])
    # Pixel centres are whole numbers: x' = (x + 0.5) * factor - 0.5.
    made = np.array(matrix, dtype=np.float64)
    for row, factor in ((0, wide / frame.width), (1, tall / frame.height)):
        made[row, :2] *= factor
        made[row, 2] = (made[row, 2] + 0.5) * factor - 0.5
    return made


def _splatted(
    xyz: npt.NDArray[np.float64],
    tints: npt.NDArray[np.uint8],
    pose: npt.NDArray[np.float64],
    matrix: npt.NDArray[np.float64],
    wide: int,
    tall: int,
) -> npt.NDArray[np.uint8]:
    """Points as squares of about the size they cover, nearest on top."""
    local = (xyz - pose[:3, 3]) @ pose[:3, :3]
    ahead = local[:, 2] > 1e-3 * max(1e-9, float(np.abs(local).max()))
    local, tints = local[ahead], tints[ahead]
    homogeneous = local @ matrix.T
    pixels = np.round(homogeneous[:, :2] / homogeneous[:, 2:]).astype(np.int64)
    inside = (pixels > -8).all(axis=1) & (pixels[:, 0] < wide + 8) & (pixels[:, 1] < tall + 8)
    pixels, z, tints = pixels[inside], local[inside, 2], tints[inside]
    if len(z) == 0:
        raise NothingFound("nothing is in view from there", hint="another move or pose")
    buffer = np.full((tall, wide), np.inf)
    image = np.full((tall, wide, 3), HOLE, dtype=np.uint8)
    seen = (pixels >= 0).all(axis=1) & (pixels[:, 0] < wide) & (pixels[:, 1] < tall)
    # Written far to near: the nearest is written last.
    order = np.flatnonzero(seen)[np.argsort(-z[seen], kind="stable")]
    buffer[pixels[order, 1], pixels[order, 0]] = z[order]
    image[pixels[order, 1], pixels[order, 0]] = tints[order]
    for radius in (1, 1, 2):
        _close(buffer, image, radius)
    return image


def _close(buffer: npt.NDArray[np.float64], image: npt.NDArray[np.uint8], radius: int) -> None:
    """Fills gaps between the points of a surface, where nothing or something far shows through.

    A pixel is such a gap when most of its neighbours are nearer than what it shows; it takes the
    nearest of them. Rims keep their place: there at most half of the neighbours are nearer.
    """
    tall, wide = buffer.shape
    padded = np.pad(buffer, radius, constant_values=np.inf)
    best = np.full(buffer.shape, np.inf)
    source = np.zeros(buffer.shape, dtype=np.int16)
    nearer = np.zeros(buffer.shape, dtype=np.int16)
    limit = 0.95 * buffer
    span = 2 * radius + 1
    for number in range(span * span):
        dy, dx = divmod(number, span)
        if dx == dy == radius:
            continue
        z = padded[dy : dy + tall, dx : dx + wide]
        nearer += z < limit
        source[z < best] = number
        np.minimum(best, z, out=best)
    rows, columns = np.nonzero((nearer > 0.55 * (span * span - 1)) & (best < limit))
    down, right = np.divmod(source[rows, columns], span)
    image[rows, columns] = image[rows + down - radius, columns + right - radius]
    buffer[rows, columns] = best[rows, columns]


def _tints(points: Points) -> npt.NDArray[np.uint8]:
    """Grey by height or depth, for points without colours."""
    values = points.plain[:, 2]
    low, high = np.percentile(values, [2, 98])
    part = np.clip((values - low) / max(high - low, 1e-9), 0, 1)
    return np.repeat((60 + 180 * part).astype(np.uint8)[:, None], 3, axis=1)
