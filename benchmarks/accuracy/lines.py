"""One line of the table, and how plain OpenCV does the same."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

__all__ = [
    "Line",
    "angle_deg",
    "plain_homography",
    "plain_motion",
    "plain_people",
    "plain_stereo",
    "rotation_deg",
]

Floats = npt.NDArray[np.float64]
Picture = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Line:
    """One measurement.

    Attributes:
        what: What was measured, on what.
        measured: Ours, in words.
        plain: Plain OpenCV's, in words; "" where it has no such thing.
        values: The numbers behind the words.
    """

    what: str
    measured: str
    plain: str = ""
    values: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The line as JSON takes it."""
        return asdict(self)


def angle_deg(a: Floats, b: Floats) -> float:
    """Angle between two vectors, degrees."""
    cosine = float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def rotation_deg(a: Floats, b: Floats) -> float:
    """Angle of the rotation that leads from one rotation to the other, degrees."""
    return float(np.degrees(np.arccos(np.clip((np.trace(a.T @ b) - 1) / 2, -1, 1))))


def plain_stereo(left: Picture, right: Picture, most: int) -> Floats:
    """Disparity of StereoSGBM with the settings of OpenCV's own sample; NaN where it gives none."""
    matcher = cv2.StereoSGBM.create(
        minDisparity=0, numDisparities=-(-most // 16) * 16, blockSize=3, P1=8 * 3 * 9,
        P2=32 * 3 * 9, disp12MaxDiff=1, uniquenessRatio=10, speckleWindowSize=100, speckleRange=32,
    )  # fmt: skip
    found = matcher.compute(left, right).astype(np.float64) / 16
    found[found < 0] = np.nan
    return np.asarray(found)


def _pairs(a: Picture, b: Picture) -> tuple[Floats, Floats]:
    """SIFT matches after the ratio test, as the tutorial of OpenCV does it."""
    sift = cv2.SIFT.create()
    points_a, described_a = sift.detectAndCompute(cv2.cvtColor(a, cv2.COLOR_RGB2GRAY), None)
    points_b, described_b = sift.detectAndCompute(cv2.cvtColor(b, cv2.COLOR_RGB2GRAY), None)
    pairs = cv2.BFMatcher().knnMatch(described_a, described_b, k=2)
    good = [p[0] for p in pairs if len(p) == 2 and p[0].distance < 0.75 * p[1].distance]
    return (
        np.array([points_a[m.queryIdx].pt for m in good]),
        np.array([points_b[m.trainIdx].pt for m in good]),
    )


def plain_motion(a: Picture, b: Picture, k: Floats) -> tuple[Floats, Floats]:
    """Rotation and direction of camera b in the axes of camera a, by findEssentialMat."""
    first, second = _pairs(a, b)
    matrix, keep = cv2.findEssentialMat(first, second, k, cv2.RANSAC, 0.999, 1.0)
    _, rotation, shift, _ = cv2.recoverPose(matrix[:3], first, second, k, mask=keep)
    return rotation.T, (-rotation.T @ shift).ravel()


def plain_homography(a: Picture, b: Picture) -> Floats:
    """Homography by findHomography over SIFT matches."""
    first, second = _pairs(a, b)
    return np.asarray(cv2.findHomography(first, second, cv2.RANSAC, 3.0)[0])


def plain_people(image: Picture) -> int:
    """Number of people by the default HOG detector with the settings of OpenCV's sample."""
    hog = cv2.HOGDescriptor()
    hog.setSVMDetector(cv2.HOGDescriptor.getDefaultPeopleDetector())
    boxes, _ = hog.detectMultiScale(image, winStride=(8, 8), padding=(32, 32), scale=1.05)
    return len(boxes)
