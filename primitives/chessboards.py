"""Chessboards: all inner corners of a board of unknown size, and cameras calibrated from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from spatialclaw.primitives.errors import NothingFound
from spatialclaw.primitives.frames import Frame
from spatialclaw.primitives.imaging import as_frame, grey, shrink
from spatialclaw.primitives.results import Mask

__all__ = ["Calibration", "board_points", "calibrate", "chessboard", "find_board", "polygon"]

Floats = npt.NDArray[np.float64]


def chessboard(frame: Any) -> Mask:
    """The chessboard of a picture with all its inner corners; their number is found.

    Returns:
        `Mask` with `.points` (columns * rows, 2) corners to a fraction of a pixel, row by row, and
        `.extra["columns"]`, `.extra["rows"]` (inner corners, columns >= rows).

    Raises:
        NothingFound: There is no chessboard with at least 3 x 3 inner corners, wholly visible.

    Example:
        >>> board = chessboard(frames[0])
        >>> board.extra["columns"], board.extra["rows"]
    """
    picture = as_frame(frame)
    board = find_board(picture, thorough=True)
    if board is None:
        raise NothingFound(
            f"no chessboard in frame {picture.position}",
            hint="a picture that shows the whole board with a white rim",
        )
    return board


def find_board(frame: Frame, *, thorough: bool) -> Mask | None:
    """The chessboard of a picture, or None; `thorough` takes longer and sees smaller boards."""
    import cv2

    # Smaller first: quick, and enough for most boards.
    sizes = [960, 1600, 2600] if thorough else [1100]
    long_side = max(frame.width, frame.height)
    for longest in [size for size in sizes if size < 1.7 * long_side or size == sizes[0]]:
        image, factor = shrink(grey(frame.image), longest)
        flags = cv2.CALIB_CB_LARGER | cv2.CALIB_CB_NORMALIZE_IMAGE | cv2.CALIB_CB_ACCURACY
        if thorough:
            flags |= cv2.CALIB_CB_EXHAUSTIVE
        good, corners, meta = cv2.findChessboardCornersSBWithMeta(image, (3, 3), flags)
        if not good or corners is None or meta is None:
            continue
        grid = _as_grid(corners.reshape(-1, 2).astype(np.float64), *meta.shape[:2])
        if grid is None:
            continue
        quality = _board_quality(image, grid)
        rows, columns = grid.shape[:2]
        # Windows and shelves make small grids: the fewer the corners, the cleaner they must be.
        if quality < (0.7 if rows * columns >= 20 else 0.92):
            continue
        points = (grid.reshape(-1, 2) + 0.5) * factor - 0.5
        outline = np.array([grid[0, 0], grid[0, -1], grid[-1, -1], grid[-1, 0]])
        outline = (outline + 0.5) * factor - 0.5
        return Mask(
            polygon(outline, frame.image.shape[:2]),
            frame.position,
            label=f"chessboard {columns}x{rows}",
            score=round(quality, 3),
            method="chessboard",
            points=points,
            extra={"columns": columns, "rows": rows},
        )
    return None


def _as_grid(corners: Floats, first: int, second: int) -> Floats | None:
    """(rows, columns, 2) with columns >= rows and the first row on top where the board is level."""
    import cv2

    best: tuple[float, Floats] | None = None
    for rows, columns in {(first, second), (second, first)}:
        grid = corners.reshape(rows, columns, 2)
        ideal = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1)
        plane, _ = cv2.findHomography(ideal.reshape(-1, 2).astype(np.float64), corners)
        if plane is None:
            continue
        there = cv2.perspectiveTransform(ideal.reshape(-1, 1, 2).astype(np.float64), plane).reshape(
            -1, 2
        )
        error = float(np.abs(there - corners).mean())
        if best is None or error < best[0]:
            best = (error, grid)
    if best is None:
        return None
    error, grid = best
    step = float(np.median(np.linalg.norm(np.diff(grid, axis=1), axis=-1)))
    if error > 0.25 * step:
        return None
    if grid.shape[0] > grid.shape[1]:
        grid = grid.transpose(1, 0, 2)
    if grid[0, 0, 0] > grid[0, -1, 0]:
        grid = grid[:, ::-1]
    if grid[0, 0, 1] > grid[-1, 0, 1]:
        grid = grid[::-1]
    return np.ascontiguousarray(grid)


def _board_quality(image: Any, grid: Floats) -> float:
    """Correlation of all squares, the outer ring included, with alternating black and white."""
    # Continue the grid by one step on each side: the outer squares have no inner corners there.
    wide = np.concatenate([2 * grid[:1] - grid[1:2], grid, 2 * grid[-1:] - grid[-2:-1]])
    left, right = 2 * wide[:, :1] - wide[:, 1:2], 2 * wide[:, -1:] - wide[:, -2:-1]
    wide = np.concatenate([left, wide, right], axis=1)
    centers = (wide[:-1, :-1] + wide[1:, :-1] + wide[:-1, 1:] + wide[1:, 1:]) / 4
    rows, columns = centers.shape[:2]
    step = float(np.median(np.linalg.norm(np.diff(grid, axis=1), axis=-1)))
    reach = max(1, int(step / 5))
    y = centers[..., 1].round().astype(int).clip(reach, image.shape[0] - 1 - reach)
    x = centers[..., 0].round().astype(int).clip(reach, image.shape[1] - 1 - reach)
    offsets = [(i, j) for i in (-reach, 0, reach) for j in (-reach, 0, reach)]
    samples = np.array([image[y + i, x + j] for i, j in offsets], dtype=np.float64)
    values = samples.mean(axis=0)
    # Light may fall off over the board: take a plane of brightness out first.
    i, j = np.indices((rows, columns))
    basis = np.c_[np.ones(rows * columns), i.ravel(), j.ravel()]
    flat = values.ravel() - basis @ np.linalg.lstsq(basis, values.ravel(), rcond=None)[0]
    pattern = (i + j).ravel() % 2 > 0
    contrast = abs(float(flat[pattern].mean() - flat[~pattern].mean()))
    unevenness = float(np.median(samples.std(axis=0)))
    if contrast < 25 or unevenness > 0.25 * contrast:
        return 0.0
    signs = pattern - pattern.mean()
    return float(abs(flat @ signs) / (np.linalg.norm(flat) * np.linalg.norm(signs)))


def board_points(columns: int, rows: int, square: float) -> Floats:
    """(columns * rows, 3) inner corners on the board's plane z = 0, row by row."""
    grid = np.zeros((rows * columns, 3))
    grid[:, :2] = np.mgrid[0:columns, 0:rows].T.reshape(-1, 2) * square
    return grid


def polygon(corners: Floats, shape: Sequence[int]) -> npt.NDArray[np.bool_]:
    """(H, W) bool: the inside of a polygon of (N, 2) corners."""
    import cv2

    canvas = np.zeros(tuple(shape[:2]), dtype=np.uint8)
    cv2.fillPoly(canvas, [corners.round().astype(np.int32)], 1)
    return canvas > 0


@dataclass(eq=False)
class Calibration:
    """A camera calibrated from pictures of a chessboard.

    Attributes:
        intrinsics: (3, 3) pixels.
        distortion: (5,) k1 k2 p1 p2 k3 of OpenCV.
        error_px: Root mean square distance of the corners from the model.
        sigma_focal_px: One standard deviation of the focal length.
        frames: Positions of the frames that were used.
        poses: (4, 4) board-to-camera for each of them; metres when the square was given, else
            squares.
    """

    intrinsics: Floats
    distortion: Floats
    error_px: float
    sigma_focal_px: float
    frames: list[int]
    poses: list[Floats] = field(default_factory=list)
    method: str = "chessboard"

    def __repr__(self) -> str:
        k = self.intrinsics
        return (
            f"<Calibration from {len(self.frames)} chessboards: fx {k[0, 0]:.1f}, fy {k[1, 1]:.1f} "
            f"(+- {self.sigma_focal_px:.1f}), cx {k[0, 2]:.1f}, cy {k[1, 2]:.1f} px, "
            f"error {self.error_px:.2f} px>"
        )


def calibrate(frames: Sequence[Any], *, square_m: float | None = None) -> Calibration:
    """Calibrates a camera from several pictures of one chessboard.

    Args:
        frames: Three or more pictures by the same camera, of equal size.
        square_m: Side of a square in metres; without it the poses count in squares.

    Raises:
        NothingFound: Fewer than three pictures of the same size show the same board.

    Example:
        >>> calibrate(frames).intrinsics
    """
    import cv2

    boards: list[tuple[Frame, Mask]] = []
    for picture in map(as_frame, frames):
        board = find_board(picture, thorough=True)
        if board is not None:
            boards.append((picture, board))
    kinds: dict[tuple[int, ...], list[tuple[Frame, Mask]]] = {}
    for picture, board in boards:
        size = (picture.width, picture.height, board.extra["columns"], board.extra["rows"])
        kinds.setdefault(size, []).append((picture, board))
    used = max(kinds.values(), key=len, default=[])
    if len(used) < 3:
        raise NothingFound(
            f"{len(used)} of {len(list(frames))} pictures show the same whole chessboard; "
            "three are needed",
            hint="more pictures of the board, tilted in different ways",
        )
    width, height, columns, rows = next(key for key, value in kinds.items() if value is used)
    ideal = board_points(columns, rows, square_m or 1.0).astype(np.float32)
    corners = [np.asarray(board.points, dtype=np.float32)[:, None] for _, board in used]
    error, k, lens, turns, shifts, deviations, _, _ = cv2.calibrateCameraExtended(
        [ideal] * len(used),
        corners,
        (width, height),
        None,
        None,
    )
    poses = []
    for turn, shift in zip(turns, shifts, strict=True):
        pose = np.eye(4)
        pose[:3, :3] = cv2.Rodrigues(turn)[0]
        pose[:3, 3] = shift.ravel()
        poses.append(pose)
    return Calibration(
        np.asarray(k),
        np.asarray(lens).ravel(),
        float(error),
        float(deviations.ravel()[0]),
        [picture.position for picture, _ in used],
        poses,
    )
