"""Depth of a frame by the best method that the input allows, and by a model where geometry ends."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from spatialclaw.primitives import stereo
from spatialclaw.primitives.errors import NothingFound, PrimitiveError, Unavailable
from spatialclaw.primitives.frames import Frame
from spatialclaw.primitives.imaging import as_frame, siblings
from spatialclaw.primitives.modelled import bring, depth_map, has_model
from spatialclaw.primitives.results import DepthMap

__all__ = ["depth"]

Floats32 = npt.NDArray[np.float32]

METHODS = ("auto", "capture", "stereo", "views", "model")
OTHER_INPUT = (
    "another frame or a stereo partner (depth(frame, other=frames[1])), an input with a depth map"
)
_made: WeakKeyDictionary[Frame, dict[Any, DepthMap]] = WeakKeyDictionary()


def depth(
    frame: Any,
    method: str = "auto",
    *,
    other: Any = None,
    baseline_m: float | None = None,
    fill: bool = False,
    model: str | None = None,
) -> DepthMap:
    """Depth of every pixel that can be known, along the optical axis.

    In this order: the capture's own depth ("rgbd", "lidar"); a rectified stereo pair ("sgbm",
    metres when focal length and baseline are known, else relative); a depth model where one is
    installed (dense; metres by its own guess, corrected where the capture knows some depths or
    metric poses); points triangulated from other views ("two-view", sparse; metres when the poses
    are metric, else relative).

    Args:
        frame: A frame, such as frames[0].
        method: "auto", "capture", "stereo", "views" or "model".
        other: The frame to use with it: the right picture of a pair, or another view.
        baseline_m: Metres between the two cameras of a stereo pair, when the input does not say.
        fill: Fill unknown pixels from their nearest known neighbours (marked in the note, with
            larger sigma). Else they stay NaN.
        model: A depth model by name, instead of all else.

    Returns:
        `DepthMap`: `.depth` (H, W) metres if `.metric`, else up to one unknown scale, NaN where
        unknown; `.sigma`, `.method`, `.note`. Nearer is smaller.

    Raises:
        Unavailable: A single picture without depth and no model: no geometry can tell.
        NothingFound: The other picture does not match.

    Example:
        >>> d = depth(frames[0])
        >>> d.depth[160, 535], d.sigma[160, 535]     # row first: [y, x]
    """
    if method not in METHODS:
        raise ValueError(f"depth(method={method!r}): use one of {', '.join(METHODS)}")
    picture = as_frame(frame)
    partner = None if other is None else as_frame(other)
    key = (method, None if partner is None else id(partner), baseline_m, model)
    kept = _made.setdefault(picture, {})
    if key not in kept:
        if model is not None or method == "model":
            kept[key] = depth_map(picture, model)
        else:
            kept[key] = _compute(picture, method, partner, baseline_m)
    return _filled(kept[key]) if fill else kept[key]


def _compute(frame: Frame, method: str, other: Frame | None, baseline_m: float | None) -> DepthMap:
    if method in ("auto", "capture") and other is None:
        if frame.depth is not None:
            return _captured(frame)
        if method == "capture":
            raise Unavailable(f"frame {frame.position} carries no depth", hint="depth(frame)")
    failures: list[str] = []
    if method in ("auto", "stereo"):
        found = _by_stereo(frame, other, baseline_m, failures, insist=method == "stereo")
        if found is not None:
            return found
    failed = ""
    if method == "auto" and other is None and has_model("depth"):
        try:
            return depth_map(frame)
        except PrimitiveError as error:  # told in the note of what geometry gives, or at the end
            failed = f"the depth model failed: {error.message}"
            failures.append(failed)
    if method in ("auto", "views"):
        found = _by_views(frame, other, failures)
        if found is not None:
            found.note = "; ".join(part for part in (found.note, failed) if part)
            return found
    what = "; ".join(failures) or "one picture, no depth with it, no second view"
    raise Unavailable(
        f"no depth for frame {frame.position}: {what}",
        hint=f"{OTHER_INPUT}, or {bring('depth', 'a depth model')}",
    )


def _captured(frame: Frame) -> DepthMap:
    values = frame.depth
    assert values is not None
    source = frame.depth_source or "rgbd"
    depth_map = np.array(values, dtype=np.float32)
    depth_map[~(depth_map > 0)] = np.nan
    coverage = float(np.isfinite(depth_map).mean())
    if source == "lidar":
        sigma = np.where(np.isfinite(depth_map), 0.02 + 0.001 * depth_map, np.nan)
        note = (
            f"sparse: a pixel in {1 / max(coverage, 1e-6):.0f}; depth(frame, fill=True) fills gaps"
        )
    else:
        # Structured light and time of flight: Khoshelham and Elberink, Sensors 2012, give
        # 1.4e-3 Z^2 (metres) for the first Kinect.
        sigma = np.where(np.isfinite(depth_map), 0.002 + 0.0015 * depth_map**2, np.nan)
        note = ""
    if not frame.metric:
        note = f"{note}; scale unknown".lstrip("; ")
    return DepthMap(
        depth_map,
        sigma.astype(np.float32),
        frame.position,
        source,
        metric=frame.metric,
        confidence=0.98 if coverage > 0.05 else 0.9,
        note=note,
    )


def _pair(frame: Frame, other: Frame | None) -> tuple[Frame, Frame, dict[str, Any], bool] | None:
    """The left frame, the right one, what is known about them, and whether `frame` is the right."""
    family = list(siblings(frame))
    if other is not None:
        known = frame.stereo or other.stereo or {}
        return (other, frame, known, True) if other.stereo else (frame, other, known, False)
    by_position = {candidate.position: candidate for candidate in family}
    if frame.stereo is not None and frame.stereo.get("right") in by_position:
        return frame, by_position[frame.stereo["right"]], frame.stereo, False
    for candidate in family:
        if candidate.stereo is not None and candidate.stereo.get("right") == frame.position:
            return candidate, frame, candidate.stereo, True
    if len(family) == 2 and family[0].time is None and frame in family:
        return family[0], family[1], {}, frame is family[1]
    return None


def _by_stereo(
    frame: Frame,
    other: Frame | None,
    baseline_m: float | None,
    failures: list[str],
    *,
    insist: bool,
) -> DepthMap | None:
    pair = _pair(frame, other)
    if pair is None:
        return None
    left, right, known, is_right = pair
    if not known:
        check = stereo.rectified(left.image, right.image)
        backwards = (
            not check.is_rectified and stereo.rectified(right.image, left.image).is_rectified
        )
        if backwards:
            left, right, is_right = right, left, not is_right
        elif not check.is_rectified:
            failures.append(
                f"frames {left.position} and {right.position} are no rectified pair "
                f"({check.matches} matches, rows differ by {check.row_error_px:.1f} px)"
            )
            if not insist:
                return None
    first, second = left.image, right.image
    if is_right:  # mirrored, the right picture plays the left one
        first, second = right.image[:, ::-1], left.image[:, ::-1]
    try:
        found = stereo.disparity(np.ascontiguousarray(first), np.ascontiguousarray(second))
    except NothingFound as error:
        failures.append(error.message)
        return None
    if is_right:
        found.disparity, found.sigma = found.disparity[:, ::-1], found.sigma[:, ::-1]
    baseline = baseline_m if baseline_m is not None else known.get("baseline_m")
    doffs = float(known.get("doffs_px") or 0.0)
    metric = baseline is not None and left.intrinsics is not None
    focal = float(left.intrinsics[0, 0]) if left.intrinsics is not None else float(frame.width)
    values, sigma = stereo.disparity_to_depth(
        found,
        focal_px=focal,
        baseline=float(baseline) if metric and baseline else 1.0,
        doffs_px=doffs,
    )
    if not metric and not doffs:
        # Without calibration the zero of the disparity is unknown: lift it so that none is below 0.
        lowest = float(np.nanmin(found.disparity))
        if lowest < 0.5:
            values, sigma = stereo.disparity_to_depth(
                found, focal_px=focal, baseline=1.0, doffs_px=1.0 - lowest
            )
    note = (
        "" if metric else "no calibration: order of depths only, ratios hold if the zero is right"
    )
    return DepthMap(
        values,
        sigma,
        frame.position,
        "sgbm",
        metric=metric,
        confidence=0.9 if metric else 0.8,
        note=note,
    )


def _by_views(frame: Frame, other: Frame | None, failures: list[str]) -> DepthMap | None:
    from spatialclaw.primitives.sparse import sparse_depth

    family = [candidate for candidate in siblings(frame) if candidate is not frame]
    partners = [other] if other is not None else family
    if not partners:
        return None
    try:
        return sparse_depth(frame, partners)
    except PrimitiveError as error:
        failures.append(error.message)
        return None


def _filled(given: DepthMap) -> DepthMap:
    """Unknown pixels take the nearest known value, up to 3 % of the picture's long side away."""
    import cv2

    unknown = ~np.isfinite(given.depth)
    if not unknown.any() or unknown.all():
        return given
    distance, labels = cv2.distanceTransformWithLabels(
        unknown.astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    lookup = np.zeros(int(labels.max()) + 1, dtype=np.int64)
    lookup[labels[~unknown]] = np.flatnonzero(~unknown)
    source = lookup[labels]
    near = distance <= 0.03 * max(given.depth.shape)
    values = np.where(near, given.depth.ravel()[source], np.nan).astype(np.float32)
    sigma = given.sigma.ravel()[source] + np.where(unknown, 0.01 * values * distance, 0)
    sigma = np.where(near, sigma, np.nan).astype(np.float32)
    share = float((unknown & near).mean())
    note = f"{given.note}; " if given.note else ""
    return DepthMap(
        values,
        sigma,
        given.frame,
        f"{given.method}+filled",
        metric=given.metric,
        confidence=given.confidence * 0.9,
        note=f"{note}{share:.0%} of the pixels are filled from neighbours",
    )
