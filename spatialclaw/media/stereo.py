"""Stereo pairs: who is left, whether they are rectified, and rectifying them when not."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spatialclaw.errors import MediaError
from spatialclaw.media.cameras import Calibration
from spatialclaw.media.images import picture_size, read_picture, read_values
from spatialclaw.media.model import Camera, DepthMap, Picture, Shot

__all__ = [
    "check_pair",
    "disparity_depth",
    "join_pair",
    "rectified_evidence",
    "rectify_pair",
    "right_camera",
    "same_picture",
    "sizes_differ",
]

#: Matches needed before the rows of two pictures are compared.
_ENOUGH_MATCHES = 40
#: Part of the matches that must lie on one row, and how near.
_ON_ROW, _ROW_PIXELS = 0.8, 2.0


def right_camera(calibration: Calibration) -> Camera | None:
    """The camera of the right picture: its own, or the left one shifted by doffs."""
    if calibration.right is not None:
        return calibration.right
    left = calibration.camera
    return None if left is None else replace(left, cx=left.cx + calibration.doffs_px)


def join_pair(left: Shot, right: Shot, position: int, calibration: Calibration) -> None:
    """Tells a left picture of its right one, and gives the right one its pose.

    Args:
        left: The left picture.
        right: The right picture.
        position: Position of the right picture in the sequence.
        calibration: Baseline and doffs; without them the scale is unknown.
    """
    left.stereo = {
        "right": position,
        "baseline_m": calibration.baseline_m,
        "doffs_px": calibration.doffs_px,
    }
    if calibration.baseline_m is None:
        return
    if left.pose is None:
        left.pose, left.pose_source = np.eye(4), "stereo calibration"
    shift = np.eye(4)
    shift[0, 3] = calibration.baseline_m
    right.pose, right.pose_source = left.pose @ shift, "stereo calibration"


def rectified_evidence(left: Path, right: Path) -> str | None:
    """Whether two pictures are a rectified pair: do the same things lie on the same rows?

    SIFT matches that pass the ratio test are compared row by row, and the things must be further
    left in the right picture.

    Returns:
        One line that says why they are, or None when they are not.
    """
    found = _matches(left, right, 1_500_000)
    if found is None:
        return None
    a, b, _ = found
    on_row = np.abs(a[:, 1] - b[:, 1]) < _ROW_PIXELS
    to_left = a[on_row, 0] - b[on_row, 0] > -1.0
    moved = float(np.median(np.abs(a[:, 0] - b[:, 0])))
    if on_row.mean() < _ON_ROW or to_left.mean() < 0.9 or moved < 1.0:
        return None
    return (
        f"{left.name} and {right.name}: {100 * on_row.mean():.0f} % of {len(a)} matches lie on "
        "one row, so they are taken as a rectified stereo pair; its baseline is not known"
    )


def _names(left: Path, right: Path) -> tuple[str, str]:
    """Names of two pictures, with their folders where the names are alike."""
    if left.name != right.name:
        return left.name, right.name
    return f"{left.parent.name}/{left.name}", f"{right.parent.name}/{right.name}"


def check_pair(left: Path, right: Path, *, doffs_px: float = 0.0, rectified: bool = True) -> str:
    """Looks whether two pictures that a calibration makes a pair can be one.

    Args:
        left: The left picture.
        right: The right picture.
        doffs_px: cx of the right camera less cx of the left.
        rectified: Whether the pictures are rectified already.

    Returns:
        What to doubt, one line, or "".

    Raises:
        MediaError: They are the same picture, were taken from the same place, or are swapped.
    """
    one, two = _names(left, right)
    if same_picture(left, right):
        raise MediaError(
            f"{one} and {two} are the same picture",
            hint="A stereo pair has a left and a right picture of the same moment.",
        )
    found = _matches(left, right, 400_000)
    if found is None:
        return ""
    a, b, scale = found
    on_row = np.abs(a[:, 1] - b[:, 1]) < max(_ROW_PIXELS, 3 * scale)
    share = float(on_row.mean())
    if rectified and share < 0.4:
        return (
            f"{one} and {two}: only {100 * share:.0f} % of {len(a)} matches lie on "
            "one row; the pair is not rectified, or the pictures do not belong together, and its "
            "depth is not to be trusted"
        )
    shift = (a[:, 0] - b[:, 0])[on_row] + doffs_px * scale
    if len(shift) < _ENOUGH_MATCHES // 2 or not rectified:
        return ""
    if (np.abs(shift) < 0.35).mean() > 0.9 and (np.abs(a - b) < 0.5).all(axis=1).mean() > 0.9:
        raise MediaError(
            f"nothing is shifted between {one} and {two}: they were taken from one place",
            hint="A stereo pair is taken from two places side by side.",
        )
    if (shift < -1.0 * scale).mean() > 0.8:
        raise MediaError(
            f"everything is further right in {two} than in {one}: the two pictures are swapped",
            hint=f"Give {two} first, or correct the names.",
        )
    return ""


def same_picture(left: Path, right: Path) -> bool:
    """Whether two files hold the same pixels."""
    if left.read_bytes() == right.read_bytes():
        return True
    first, second = (read_picture(path, 400_000).image for path in (left, right))
    return first.shape == second.shape and bool(np.array_equal(first, second))


def _matches(
    left: Path, right: Path, pixels: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], float] | None:
    """Pixels of things in both pictures, made smaller, and by how much; None when there are few."""
    import cv2

    if picture_size(left) != picture_size(right):
        return None
    detector: Any = cv2.SIFT.create(nfeatures=2000)
    found, scale = [], 1.0
    for path in (left, right):
        image = read_picture(path, pixels).image
        scale = image.shape[1] / picture_size(path)[0]
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        points, descriptors = detector.detectAndCompute(grey, None)
        if descriptors is None or len(points) < _ENOUGH_MATCHES:
            return None
        found.append((np.array([point.pt for point in points]), descriptors))
    pairs = cv2.BFMatcher().knnMatch(found[0][1], found[1][1], k=2)
    good = [p[0] for p in pairs if len(p) == 2 and p[0].distance < 0.75 * p[1].distance]
    if len(good) < _ENOUGH_MATCHES:
        return None
    a = found[0][0][[match.queryIdx for match in good]]
    b = found[1][0][[match.trainIdx for match in good]]
    return a, b, scale


def rectify_pair(
    left: Shot, right: Shot, paths: tuple[Path, Path], calibration: Calibration
) -> float:
    """Has a calibrated pair rectified when its pictures are read, with OpenCV's `stereoRectify`.

    Args:
        left: The left picture; its camera becomes the rectified one.
        right: The right picture, likewise.
        paths: Their files.
        calibration: With both cameras and `rectify`.

    Returns:
        The length of the baseline in the unit of the calibration.

    Raises:
        MediaError: The pictures' sizes differ from each other or the calibration's.
    """
    import cv2

    assert calibration.rectify is not None
    assert calibration.camera is not None
    assert calibration.right is not None
    size = picture_size(paths[0])
    if size != picture_size(paths[1]):
        raise sizes_differ(paths)
    first, _ = calibration.camera.for_picture(*size, paths[0].name)
    second, _ = calibration.right.for_picture(*size, paths[1].name)
    rotation_1, rotation_2, p1, p2, *_ = cv2.stereoRectify(
        first.matrix,
        np.asarray(first.distortion or (0.0,) * 5),
        second.matrix,
        np.asarray(second.distortion or (0.0,) * 5),
        size,
        calibration.rectify["R"],
        calibration.rectify["T"],
        flags=cv2.CALIB_ZERO_DISPARITY,
        alpha=0,
    )
    if abs(p2[1, 3]) > abs(p2[0, 3]):
        raise MediaError(
            f"{first.origin}: the second camera is above or below the first, not beside it",
            hint="Only pairs that lie side by side are read.",
        )
    for shot, path, camera, turn, projection in (
        (left, paths[0], first, rotation_1, p1),
        (right, paths[1], second, rotation_2, p2),
    ):
        straight = replace(
            camera,
            fx=float(projection[0, 0]),
            fy=float(projection[1, 1]),
            cx=float(projection[0, 2]),
            cy=float(projection[1, 2]),
            width=size[0],
            height=size[1],
            distortion=(),
        )
        shot.picture = partial(_read_rectified, path, camera, straight, turn)
        shot.camera = straight
        shot.notes.append(
            f"{path.name}: rectified with {camera.origin}; pixel positions are in the rectified "
            "picture"
        )
    return float(-p2[0, 3] / p2[0, 0])


def sizes_differ(paths: tuple[Path, Path]) -> MediaError:
    """The error for a pair whose pictures differ in size."""
    sizes = [picture_size(path) for path in paths]
    return MediaError(
        f"{paths[0].name} is {sizes[0][0]}x{sizes[0][1]} and {paths[1].name} is "
        f"{sizes[1][0]}x{sizes[1][1]}",
        hint="The two pictures of a stereo pair have one size.",
    )


def disparity_depth(
    path: Path, camera: Camera, baseline_m: float, doffs_px: float, scale: float
) -> DepthMap:
    """Depth from a disparity map: ``Z = f B / (d + doffs)``, NaN where the disparity is unknown.

    Args:
        path: Disparities of the left picture; 0, NaN and infinity are unknown.
        camera: The left camera.
        baseline_m: Distance of the cameras, metres.
        doffs_px: cx of the right camera less cx of the left.
        scale: What a stored value is divided by to give pixels.
    """
    values = read_values(path) / scale
    values[~np.isfinite(values) | (values <= 0)] = np.nan
    with np.errstate(invalid="ignore", divide="ignore"):
        depth = camera.fx * baseline_m / (values + doffs_px)
    depth[~(depth > 0)] = np.nan
    if not np.isfinite(depth).any():
        raise MediaError(f"{path.name}: no pixel holds a disparity")
    return DepthMap(depth.astype(np.float32))


def _read_rectified(
    path: Path,
    camera: Camera,
    straight: Camera,
    turn: npt.NDArray[np.float64],
    max_pixels: int,
) -> Picture:
    import cv2

    picture = read_picture(path, max_pixels)
    height, width = picture.image.shape[:2]
    x, y = width / picture.source_size[0], height / picture.source_size[1]
    maps = cv2.initUndistortRectifyMap(
        camera.scaled(x, y).matrix,
        np.asarray(camera.distortion or (0.0,) * 5),
        turn,
        straight.scaled(x, y).matrix,
        (width, height),
        cv2.CV_32FC1,
    )
    image = np.asarray(cv2.remap(picture.image, *maps, cv2.INTER_LINEAR), dtype=np.uint8)
    return replace(picture, image=image, exif_camera=None)
