"""Markers: ArUco, AprilTag, chessboards and QR codes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from spatialclaw.primitives.chessboards import (
    Calibration,
    board_points,
    calibrate,
    chessboard,
    find_board,
    polygon,
)
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
        board = find_board(picture, thorough=kind == "chessboard")
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
    families = [
        name for name in FAMILIES if kind == "auto" or ("APRILTAG" in name) == (kind == "apriltag")
    ]
    if kind.upper().startswith("DICT_"):
        families = [f for f, members in FAMILIES.items() if kind.upper() in map(str.upper, members)]
        if not families:
            raise ValueError(f"markers(kind={kind!r}): OpenCV knows no such dictionary")
    image, factor = shrink(grey(frame.image), 2600)
    candidates = _detect_families(image, families, 1 / factor)
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
                polygon(corners, frame.image.shape[:2]),
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
                polygon(corners, frame.image.shape[:2]),
                frame.position,
                label="QR code",
                score=0.99,
                method="qr",
                points=corners,
                extra={"text": text},
            )
        )
    return result


def _add_pose(mask: Mask, size_m: float, intrinsics: Any) -> None:
    import cv2

    if mask.points is None or intrinsics is None:
        mask.extra["pose"] = None
        mask.extra["why_no_pose"] = "the camera's intrinsics are unknown: pass intrinsics="
        return
    k = np.asarray(intrinsics, dtype=np.float64)
    if "columns" in mask.extra:
        ideal = board_points(mask.extra["columns"], mask.extra["rows"], size_m)
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
