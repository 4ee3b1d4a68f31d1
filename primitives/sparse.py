"""Sparse depth: points triangulated from two or more views."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from spatialclaw.primitives import twoview
from spatialclaw.primitives.errors import NothingFound, PrimitiveError
from spatialclaw.primitives.frames import Frame
from spatialclaw.primitives.imaging import assumed_intrinsics
from spatialclaw.primitives.match import raw_matches
from spatialclaw.primitives.motion import by_views
from spatialclaw.primitives.results import DepthMap

__all__ = ["rasterise", "sparse_depth"]

Floats = npt.NDArray[np.float64]


def sparse_depth(frame: Frame, partners: Sequence[Frame], *, limit: int = 4) -> DepthMap:
    """Depth at the points of a frame that other frames show too.

    With poses: triangulated in each of up to `limit` partners and merged, in the poses' unit.
    Without: from the one partner with the most parallax; the unit is the distance of the cameras.

    Raises:
        NothingFound: No partner shares enough points with parallax.
    """
    posed = [p for p in partners if p.pose is not None] if frame.pose is not None else []
    posed = [p for p in posed if p.intrinsics is not None and frame.intrinsics is not None]
    if posed:
        return _with_poses(frame, _nearest(frame, posed, limit))
    return _without_poses(frame, _spread(frame, list(partners), limit))


def _nearest(frame: Frame, partners: list[Frame], limit: int) -> list[Frame]:
    """Partners that look the same way from another place, nearest first."""
    assert frame.pose is not None

    def cost(partner: Frame) -> float:
        assert partner.pose is not None
        assert frame.pose is not None
        cosine = float(frame.pose[:3, 2] @ partner.pose[:3, 2])
        apart = float(np.linalg.norm(frame.pose[:3, 3] - partner.pose[:3, 3]))
        return (1 - cosine) * 4 + abs(apart - 0.2) if apart > 1e-3 else np.inf

    return sorted(partners, key=cost)[:limit]


def _spread(frame: Frame, partners: list[Frame], limit: int) -> list[Frame]:
    ordered = sorted(partners, key=lambda p: abs(p.position - frame.position))
    picks = np.unique(np.linspace(0, min(len(ordered), 12) - 1, limit).round().astype(int))
    return [ordered[i] for i in picks]


def _with_poses(frame: Frame, partners: list[Frame]) -> DepthMap:
    assert frame.pose is not None
    assert frame.intrinsics is not None
    pixels, depths, sigmas = [], [], []
    for partner in partners:
        assert partner.pose is not None
        assert partner.intrinsics is not None
        relative = np.linalg.inv(frame.pose) @ partner.pose
        rotation, center = relative[:3, :3], relative[:3, 3]
        if np.linalg.norm(center) < 1e-4:
            continue
        a, b, _ = raw_matches(frame, partner)
        if not len(a):
            continue
        errors = np.abs(
            twoview.epipolar_errors(a, b, rotation, center, frame.intrinsics, partner.intrinsics)
        )
        points, behind, angle = twoview.triangulate(
            a, b, rotation, center, frame.intrinsics, partner.intrinsics
        )
        good = (errors < 3.0) & (points[:, 2] > 0) & (behind > 0) & (angle > np.radians(0.7))
        pixels.append(a[good])
        depths.append(points[good, 2])
        noise = 0.7 / float(frame.intrinsics[0, 0])
        sigmas.append(points[good, 2] * noise / np.maximum(angle[good], 1e-6) + 0.005 * depths[-1])
    count = sum(len(p) for p in pixels)
    if count < 8:
        raise NothingFound(f"only {count} points could be triangulated with the given poses")
    return rasterise(
        frame,
        np.concatenate(pixels),
        np.concatenate(depths),
        np.concatenate(sigmas),
        metric=frame.metric,
        method="triangulated",
        note=f"sparse: {count} points seen in other views",
        confidence=0.85,
    )


def _without_poses(frame: Frame, partners: list[Frame]) -> DepthMap:
    best: tuple[float, Floats, Floats, Floats, float, str] | None = None
    reasons = []
    for partner in partners:
        a, b, _ = raw_matches(frame, partner)
        try:
            motion = by_views(frame, partner, a, b)
        except PrimitiveError as error:
            reasons.append(error.message)
            continue
        if not motion.moved:
            reasons.append(f"no parallax between frames {frame.position} and {partner.position}")
            continue
        focal = motion.focal_px or max(frame.width, frame.height)
        k_a = frame.intrinsics
        k_b = partner.intrinsics
        if k_a is None or k_b is None:
            k_a = assumed_intrinsics(
                frame.width, frame.height, focal / max(frame.width, frame.height)
            )
            k_b = assumed_intrinsics(
                partner.width, partner.height, focal / max(frame.width, frame.height)
            )
        center, rotation = motion.translation, motion.rotation
        errors = np.abs(twoview.epipolar_errors(a, b, rotation, center, k_a, k_b))
        points, behind, angle = twoview.triangulate(a, b, rotation, center, k_a, k_b)
        good = (errors < 2.0) & (points[:, 2] > 0) & (behind > 0) & (angle > np.radians(0.3))
        if good.sum() < 8:
            reasons.append(
                f"too little parallax between frames {frame.position}, {partner.position}"
            )
            continue
        quality = float(np.median(angle[good])) * np.sqrt(good.sum())
        if best is None or quality > best[0]:
            sigma = points[good, 2] * (0.7 / focal) / angle[good]
            note = f"sparse: {int(good.sum())} points shared with frame {partner.position}"
            best = (quality, a[good], points[good, 2], sigma, motion.confidence, note)
    if best is None:
        raise NothingFound("; ".join(dict.fromkeys(reasons)) or "no other view")
    _, pixels, depths, sigmas, confidence, note = best
    return rasterise(
        frame,
        pixels,
        depths,
        sigmas,
        metric=False,
        method="two-view",
        note=f"{note}; unit = distance of the two cameras, metres unknown",
        confidence=0.8 * confidence,
    )


def rasterise(
    frame: Frame,
    pixels: Floats,
    depths: Floats,
    sigmas: Floats,
    *,
    metric: bool,
    method: str,
    note: str,
    confidence: float,
) -> DepthMap:
    """Writes points into maps; each covers 3x3 pixels, the best known point wins."""
    values = np.full((frame.height, frame.width), np.nan, dtype=np.float32)
    spread = np.full((frame.height, frame.width), np.nan, dtype=np.float32)
    for index in np.argsort(-sigmas):
        x, y = (int(v) for v in pixels[index].round())
        window = (slice(max(y - 1, 0), y + 2), slice(max(x - 1, 0), x + 2))
        values[window], spread[window] = depths[index], sigmas[index]
    return DepthMap(
        values, spread, frame.position, method, metric=metric, confidence=confidence, note=note
    )
