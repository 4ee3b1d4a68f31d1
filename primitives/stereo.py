"""Depth of a rectified stereo pair by semi-global matching."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spatialclaw.primitives.errors import NothingFound
from spatialclaw.primitives.imaging import grey, shrink
from spatialclaw.primitives.match import raw_matches

__all__ = ["Disparity", "Rectification", "disparity", "disparity_to_depth", "rectified"]

Floats32 = npt.NDArray[np.float32]

MATCH_SIGMA_PX = 0.3
"""Standard deviation of a good disparity of semi-global matching, pixels."""
LARGEST = 2000
"""Long side of the pictures that are matched; larger ones are matched at this size."""


@dataclass(eq=False)
class Disparity:
    """Disparity of the left picture: a point at x is seen at x - disparity in the right one.

    Attributes:
        disparity: (H, W) float32 pixels, NaN where unknown.
        sigma: (H, W) float32 one standard deviation, pixels.
        span: (lowest, highest) disparity that was searched.
    """

    disparity: Floats32
    sigma: Floats32
    span: tuple[int, int]


@dataclass(frozen=True)
class Rectification:
    """Whether two pictures are a rectified pair.

    Attributes:
        is_rectified: Matched points lie on the same rows and move to one side.
        row_error_px: Median difference of the rows.
        matches: Number of matches it rests on.
        low: Low percentile of the disparities, pixels.
        high: High percentile.
    """

    is_rectified: bool
    row_error_px: float
    matches: int
    low: float
    high: float


def rectified(left: npt.NDArray[np.uint8], right: npt.NDArray[np.uint8]) -> Rectification:
    """Whether the pictures are the left and right of a rectified pair, from their matches."""
    if left.shape != right.shape:
        return Rectification(False, float("inf"), 0, 0.0, 0.0)
    a, b, _ = raw_matches(left, right, longest=1600)
    if len(a) < 15:
        return Rectification(False, float("inf"), len(a), 0.0, 0.0)
    rows = np.abs(a[:, 1] - b[:, 1])
    level = rows < max(1.5, left.shape[0] / 400)
    shift = (a - b)[level, 0]
    if level.mean() < 0.75 or len(shift) < 12:
        return Rectification(False, float(np.median(rows)), len(a), 0.0, 0.0)
    low, high = np.percentile(shift, [2, 98])
    # A turned camera also keeps rows near the middle; a rectified pair has positive, varied shifts.
    good = bool(low > -0.02 * left.shape[1] and high > 1.0)
    return Rectification(good, float(np.median(rows)), len(a), float(low), float(high))


def disparity(
    left: npt.NDArray[np.uint8],
    right: npt.NDArray[np.uint8],
    *,
    span: tuple[int, int] | None = None,
) -> Disparity:
    """Dense disparity by semi-global matching, checked from right to left.

    Args:
        left: (H, W, 3) or (H, W) uint8, rectified.
        right: The same size.
        span: (lowest, highest) disparity; None: 0 to what matches and the width suggest.

    Returns:
        `Disparity`, NaN where the two directions disagree, where the picture has no texture that
        decides, and in small islands.

    Raises:
        NothingFound: The sizes differ, or hardly anything matches.
    """
    if left.shape != right.shape:
        raise NothingFound(
            f"the left picture is {left.shape[1]}x{left.shape[0]}, the right one "
            f"{right.shape[1]}x{right.shape[0]}",
            hint="a rectified pair of equal sizes",
        )
    if max(left.shape[:2]) > LARGEST:
        return _at_smaller_size(left, right, span)
    low, high = _span(left, right) if span is None else span
    count = max(16, -(-(high - low) // 16) * 16)
    a, b = grey(left), grey(right)
    forward = _sgbm(a, b, low, count)
    # The right picture's disparity, by matching the mirrored pair.
    backward = _sgbm(
        np.ascontiguousarray(b[:, ::-1]), np.ascontiguousarray(a[:, ::-1]), low, count
    )[:, ::-1]
    height, width = a.shape
    columns = np.broadcast_to(np.arange(width), (height, width))
    target = np.round(columns - np.nan_to_num(forward)).astype(int)
    inside = np.isfinite(forward) & (target >= 0)
    other = np.take_along_axis(backward, target.clip(0, width - 1), axis=1)
    gap = np.abs(forward - other)
    keep = inside & (gap <= 1.0)
    values = np.where(keep, forward, np.nan).astype(np.float32)
    values = _without_islands(values, max(60, a.size // 4000))
    if np.isfinite(values).mean() < 0.02:
        raise NothingFound(
            "hardly any pixel of the pair matches",
            hint="check that the pair is rectified and in the order left, right",
        )
    sigma = np.where(
        np.isfinite(values), np.hypot(MATCH_SIGMA_PX, np.nan_to_num(gap, nan=0.0) / 2), np.nan
    )
    return Disparity(values, sigma.astype(np.float32), (low, low + count))


def _at_smaller_size(
    left: npt.NDArray[np.uint8], right: npt.NDArray[np.uint8], span: tuple[int, int] | None
) -> Disparity:
    """Matched at `LARGEST` pixels and brought back; the standard deviation grows alike."""
    import cv2

    small_left, factor = shrink(left, LARGEST)
    small_right, _ = shrink(right, LARGEST)
    lower = None if span is None else (int(span[0] / factor) - 1, int(span[1] / factor) + 1)
    found = disparity(small_left, small_right, span=lower)
    size = (left.shape[1], left.shape[0])
    values = cv2.resize(found.disparity, size, interpolation=cv2.INTER_NEAREST) * factor
    sigma = cv2.resize(found.sigma, size, interpolation=cv2.INTER_NEAREST) * factor
    low, high = (round(v * factor) for v in found.span)
    return Disparity(values.astype(np.float32), sigma.astype(np.float32), (low, high))


def _span(left: npt.NDArray[np.uint8], right: npt.NDArray[np.uint8]) -> tuple[int, int]:
    """Range to search: what sparse matches show, with room for nearer things."""
    width = left.shape[1]
    ceiling = int(min(max(64, width // 4), 320))
    check = rectified(left, right)
    if not check.is_rectified or check.matches < 40:
        return 0, ceiling
    high = int(np.clip(1.6 * check.high + 16, 32, max(ceiling, 1.2 * check.high + 16)))
    low = int(min(0, np.floor(check.low) - 4)) if check.low < 0 else 0
    return low, high


def _sgbm(a: Any, b: Any, low: int, count: int) -> Floats32:
    import cv2

    # Padding on the left gives the columns a value whose match lies near the border.
    pad = max(0, low + count)
    wide_a = cv2.copyMakeBorder(a, 0, 0, pad, 0, cv2.BORDER_REPLICATE)
    wide_b = cv2.copyMakeBorder(b, 0, 0, pad, 0, cv2.BORDER_REPLICATE)
    block = 5 if a.shape[1] < 1400 else 7
    matcher = cv2.StereoSGBM.create(
        minDisparity=low,
        numDisparities=count,
        blockSize=block,
        P1=8 * block * block,
        P2=40 * block * block,
        disp12MaxDiff=-1,
        preFilterCap=31,
        uniquenessRatio=5,
        speckleWindowSize=0,
        mode=cv2.STEREO_SGBM_MODE_HH if a.size < 600_000 else cv2.STEREO_SGBM_MODE_SGBM_3WAY,
    )
    raw = matcher.compute(wide_a, wide_b).astype(np.float32)[:, pad:] / 16
    raw[raw < low] = np.nan
    return np.asarray(raw, dtype=np.float32)


def _without_islands(values: Floats32, smallest: int) -> Floats32:
    import cv2

    fixed = np.where(np.isfinite(values), np.round(values * 16), -16 * 1000).astype(np.int16)
    cv2.filterSpeckles(fixed, -16 * 1000, smallest, 16)
    return np.where(fixed == -16 * 1000, np.nan, values).astype(np.float32)


def disparity_to_depth(
    result: Disparity, *, focal_px: float, baseline: float, doffs_px: float = 0.0
) -> tuple[Floats32, Floats32]:
    """Depth ``f B / (d + doffs)`` and its standard deviation ``Z^2 / (f B) * sigma_d``.

    Args:
        result: Disparity of the left picture.
        focal_px: Focal length, pixels.
        baseline: Distance of the cameras; its unit is the unit of the result.
        doffs_px: cx_right - cx_left.

    Returns:
        depth (H, W) and sigma (H, W), NaN where unknown or beyond what the pair can measure.
    """
    shifted = result.disparity.astype(np.float64) + doffs_px
    shifted = np.where(shifted > 0.5, shifted, np.nan)
    depth = focal_px * baseline / shifted
    sigma = depth**2 / (focal_px * baseline) * result.sigma
    return depth.astype(np.float32), sigma.astype(np.float32)
