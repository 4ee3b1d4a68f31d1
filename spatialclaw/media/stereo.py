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
    "disparity_depth",
    "join_pair",
    "rectified_evidence",
    "rectify_pair",
    "right_camera",
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
    import cv2

    if picture_size(left) != picture_size(right):
        return None
    detector: Any = cv2.SIFT.create(nfeatures=2000)
    found = []
    for path in (left, right):
        grey = cv2.cvtColor(read_picture(path, 1_500_000).image, cv2.COLOR_RGB2GRAY)
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
    on_row = np.abs(a[:, 1] - b[:, 1]) < _ROW_PIXELS
    to_left = a[on_row, 0] - b[on_row, 0] > -1.0
    moved = float(np.median(np.abs(a[:, 0] - b[:, 0])))
    if on_row.mean() < _ON_ROW or to_left.mean() < 0.9 or moved < 1.0:
        return None
    return (
        f"{left.name} and {right.name}: {100 * on_row.mean():.0f} % of {len(good)} matches lie on "
        "one row, so they are taken as a rectified stereo pair; its baseline is not known"
    )


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
