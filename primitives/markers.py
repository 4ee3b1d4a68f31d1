"""Markers: ArUco, AprilTag, chessboards and QR codes, and cameras calibrated from chessboards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from spatialclaw.primitives.errors import NothingFound
from spatialclaw.primitives.frames import Frame
from spatialclaw.primitives.imaging import as_frame, grey, shrink
from spatialclaw.primitives.results import Mask, Masks

__all__ = ["Calibration", "calibrate", "chessboard", "markers"]

Floats = npt.NDArray[np.float64]

# Largest dictionary of each family, and the smaller ones it contains with their number of ids.
FAMILIES: dict[str, tuple[str, ...]] = {
    "DICT_4X4_1000": ("DICT_4X4_50", "DICT_4X4_100", "DICT_4X4_250", "DICT_4X4_1000"),
    "DICT_5X5_1000": ("DICT_5X5_50", "DICT_5X5_100", "DICT_5X5_250", "DICT_5X5_1000"),
    "DICT_6X6_1000": ("DICT_6X6_50", "DICT_6X6_100", "DICT_6X6_250", "DICT_6X6_1000"),
    "DICT_7X7_1000": ("DICT_7X7_50", "DICT_7X7_100", "DICT_7X7_250", "DICT_7X7_1000"),
    "DICT_ARUCO_ORIGINAL": ("DICT_ARUCO_ORIGINAL",),
    "DICT_ARUCO_MIP_36h12": ("DICT_ARUCO_MIP_36h12",),
    "DICT_APRILTAG_16h5": ("DICT_APRILTAG_16h5",),
    "DICT_APRILTAG_25h9": ("DICT_APRILTAG_25h9",),
    "DICT_APRILTAG_36h10": ("DICT_APRILTAG_36h10",),
    "DICT_APRILTAG_36h11": ("DICT_APRILTAG_36h11",),
}
# Families whose codes are so short that textures imitate them: they need a clean picture of a code.
WEAK = ("DICT_4X4_1000", "DICT_5X5_1000", "DICT_APRILTAG_16h5", "DICT_ARUCO_ORIGINAL")


def markers(
    frame: Any,
    kind: str = "auto",
    *,
    size_m: float | None = None,
    intrinsics: Any = None,
) -> Masks:
    """ArUco markers, AprilTags, chessboards and QR codes in a picture.

    The dictionary of the markers and the size of a chessboard are found, not asked for.

    Args:
        frame: A frame.
        kind: "auto" (all), "aruco", "apriltag", "chessboard", "qr", or a dictionary by its OpenCV
            name such as "DICT_6X6_250".
        size_m: Side of a marker (or of one chessboard square) in metres: gives each its pose.
        intrinsics: (3, 3), when the frame carries none; needed for poses.

    Returns:
        `Masks`; each has `.points` (4 corners of a marker, clockwise from its own top left; all
        inner corners of a chessboard, row by row), `.id` (the marker's number) and `.extra`:
        "marker_id", "dictionary"; "columns", "rows" (inner corners, columns >= rows); "text" (QR);
        with `size_m` also "pose" (4, 4) marker-to-camera and "distance_m".

    Raises:
        NothingFound: None is in the picture.

    Example:
        >>> tags = markers(frames[0])
        >>> sorted(m.extra["marker_id"] for m in tags)
    """
    picture = as_frame(frame)
    known = ("auto", "aruco", "apriltag", "chessboard", "qr")
    if kind not in known and not kind.upper().startswith("DICT_"):
        raise ValueError(f"markers(kind={kind!r}): use one of {', '.join(known)} or 'DICT_...'")
    found: list[Mask] = []
    if kind not in ("chessboard", "qr"):
        found += _square_markers(picture, kind)
    if kind in ("auto", "qr"):
        found += _qr_codes(picture)
    if kind == "chessboard" or (kind == "auto" and not found):
        board = _find_board(picture, thorough=kind == "chessboard")
        found += [] if board is None else [board]
    if size_m is not None:
        k = picture.intrinsics if picture.intrinsics is not None else intrinsics
        for mask in found:
            _add_pose(mask, size_m, k)
    if not found:
        what = "marker, chessboard or QR code" if kind == "auto" else kind
        raise NothingFound(
            f"no {what} in frame {picture.position}",
            hint="a larger picture (media.decode with a larger max_size), or another frame",
        )
    return Masks(found)


def _square_markers(frame: Frame, kind: str) -> list[Mask]:
    families = [name for name in FAMILIES if kind == "auto" or kind.upper() in name.upper()]
    if kind.upper().startswith("DICT_"):
        families = [f for f, members in FAMILIES.items() if kind.upper() in map(str.upper, members)]
        if not families:
            raise ValueError(f"markers(kind={kind!r}): OpenCV knows no such dictionary")
    image = grey(frame.image)
    candidates = _detect_families(image, families, 1.0)
    if not candidates and max(image.shape) < 1600:
        import cv2

        large = cv2.resize(image, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
        candidates = _detect_families(large, families, 2.0)
    chosen = _settle(candidates)
    result = []
    for family, corners, number, quality in chosen:
        numbers = [n for f, _, n, _ in chosen if f == family]
        dictionary = _smallest(family, max(numbers))
        name = "apriltag" if "APRILTAG" in family else "aruco"
        result.append(
            Mask(
                _polygon(corners, image.shape),
                frame.position,
                label=f"{name} {number}",
                score=round(quality, 3),
                method=name,
                id=number,
                points=corners,
                extra={"marker_id": number, "dictionary": dictionary},
            )
        )
    return sorted(result, key=lambda m: (m.extra["marker_id"], m.box))


_Candidate = tuple[str, Floats, int, float]


def _detect_families(image: Any, families: Sequence[str], scale: float) -> list[_Candidate]:
    import cv2

    found: list[_Candidate] = []
    for family in families:
        dictionary = cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, family))
        parameters = cv2.aruco.DetectorParameters()
        parameters.cornerRefinementMethod = cv2.aruco.CORNER_REFINE_SUBPIX
        parameters.adaptiveThreshWinSizeMax = 43
        parameters.minMarkerPerimeterRate = 0.01
        parameters.errorCorrectionRate = 0.3 if family in WEAK else 0.6
        detector = cv2.aruco.ArucoDetector(dictionary, parameters)
        corners, numbers, _ = detector.detectMarkers(image)
        if numbers is None:
            continue
        for quad, number in zip(corners, numbers.ravel(), strict=True):
            points = quad.reshape(4, 2).astype(np.float64)
            quality = _quality(image, points, dictionary, int(number))
            floor = 0.75 if family in WEAK else 0.6
            if quality >= floor:
                found.append((family, (points + 0.5) / scale - 0.5, int(number), quality))
    return found


def _quality(image: Any, corners: Floats, dictionary: Any, number: int) -> float:
    """How well the grey values of the cells follow the marker's code: correlation, 0..1."""
    import cv2

    cells = dictionary.markerSize + 2
    cell = 8
    target = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], dtype=np.float32) * cells * cell - 0.5
    warp = cv2.getPerspectiveTransform(corners.astype(np.float32), target)
    flat = cv2.warpPerspective(image, warp, (cells * cell, cells * cell)).astype(np.float64)
    inner = flat.reshape(cells, cell, cells, cell)[:, 2:-2, :, 2:-2]
    seen = inner.mean(axis=(1, 3))
    code = cv2.aruco.generateImageMarker(dictionary, number, cells, borderBits=1).astype(np.float64)
    spread = float(inner.std(axis=(1, 3)).mean())
    contrast = float(seen[code > 127].mean() - seen[code < 127].mean())
    if contrast < 15 or spread > contrast:
        return 0.0
    correlation = float(np.corrcoef(seen.ravel(), code.ravel())[0, 1])
    return max(0.0, correlation)


def _settle(candidates: list[_Candidate]) -> list[_Candidate]:
    """One reading for each place: the family with the most evidence in the picture goes first."""
    evidence: dict[str, float] = {}
    for family, _, number, quality in candidates:
        rare = 0.5 if number >= 250 and family in WEAK else 1.0
        evidence[family] = evidence.get(family, 0.0) + rare * quality
    kept: list[_Candidate] = []
    for candidate in sorted(candidates, key=lambda c: (-evidence[c[0]], -c[3])):
        family, corners, number, quality = candidate
        center, side = corners.mean(axis=0), np.ptp(corners, axis=0).max()
        if any(np.linalg.norm(center - other.mean(axis=0)) < side / 2 for _, other, _, _ in kept):
            continue
        # One lonely high number of a short code in a picture full of another family is a texture.
        lonely = evidence[family] < 1.0 and family in WEAK
        if lonely and (len(kept) >= 2 or number >= 250 or quality < 0.9):
            continue
        kept.append(candidate)
    return kept


def _smallest(family: str, largest: int) -> str:
    sizes = {50: 0, 100: 1, 250: 2, 1000: 3}
    members = FAMILIES[family]
    if len(members) == 1:
        return family
    return next(members[index] for limit, index in sizes.items() if largest < limit)


def _qr_codes(frame: Frame) -> list[Mask]:
    import cv2

    image, factor = shrink(grey(frame.image), 2000)
    try:
        good, texts, points, _ = cv2.QRCodeDetector().detectAndDecodeMulti(image)
    except cv2.error:
        return []  # OpenCV throws on some degenerate quadrilaterals: no readable code there
    if not good or points is None:
        return []
    result = []
    for text, quad in zip(texts, points, strict=True):
        if not text:
            continue  # three squares that look like a finder pattern but hold no message
        corners = (quad.reshape(4, 2).astype(np.float64) + 0.5) * factor - 0.5
        result.append(
            Mask(
                _polygon(corners, frame.image.shape[:2]),
                frame.position,
                label="QR code",
                score=0.99,
                method="qr",
                points=corners,
                extra={"text": text},
            )
        )
    return result


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
    board = _find_board(picture, thorough=True)
    if board is None:
        raise NothingFound(
            f"no chessboard in frame {picture.position}",
            hint="a picture that shows the whole board with a white rim",
        )
    return board


def _find_board(frame: Frame, *, thorough: bool) -> Mask | None:
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
            _polygon(outline, frame.image.shape[:2]),
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


def _add_pose(mask: Mask, size_m: float, intrinsics: Any) -> None:
    import cv2

    if mask.points is None or intrinsics is None:
        mask.extra["pose"] = None
        mask.extra["why_no_pose"] = "the camera's intrinsics are unknown: pass intrinsics="
        return
    k = np.asarray(intrinsics, dtype=np.float64)
    if "columns" in mask.extra:
        ideal = _board_points(mask.extra["columns"], mask.extra["rows"], size_m)
        method = cv2.SOLVEPNP_IPPE
    else:
        half = size_m / 2
        ideal = np.array([[-half, half, 0], [half, half, 0], [half, -half, 0], [-half, -half, 0]])
        method = cv2.SOLVEPNP_IPPE_SQUARE
    good, turn, shift = cv2.solvePnP(ideal, mask.points, k, None, flags=method)
    if not good:
        mask.extra["pose"] = None
        mask.extra["why_no_pose"] = "no pose fits the corners"
        return
    pose = np.eye(4)
    pose[:3, :3] = cv2.Rodrigues(turn)[0]
    pose[:3, 3] = shift.ravel()
    mask.extra["pose"] = pose
    mask.extra["distance_m"] = float(np.linalg.norm(shift))


def _board_points(columns: int, rows: int, square: float) -> Floats:
    grid = np.zeros((rows * columns, 3))
    grid[:, :2] = np.mgrid[0:columns, 0:rows].T.reshape(-1, 2) * square
    return grid


def _polygon(corners: Floats, shape: Sequence[int]) -> npt.NDArray[np.bool_]:
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
        board = _find_board(picture, thorough=True)
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
    ideal = _board_points(columns, rows, square_m or 1.0).astype(np.float32)
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
