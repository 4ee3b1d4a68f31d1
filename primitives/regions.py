"""One thing from a point or a box: growing in depth, or GrabCut in colour."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from spatialclaw.primitives.imaging import shrink

__all__ = ["by_box", "by_depth", "by_points"]

BoolMask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

WORKING_SIZE = 720


def by_box(
    image: npt.NDArray[np.uint8], box: tuple[float, float, float, float]
) -> tuple[BoolMask, float]:
    """The thing that fills a box, by GrabCut (Rother et al., SIGGRAPH 2004).

    Returns:
        mask (H, W) and a score: how much of the box's middle it keeps and of its rim it leaves.
    """
    import cv2

    small, factor = shrink(image, WORKING_SIZE)
    height, width = small.shape[:2]
    x0, y0, x1, y1 = ((np.asarray(box) + 0.5) / factor - 0.5).round().astype(int)
    x0, y0 = max(int(x0), 0), max(int(y0), 0)
    x1, y1 = min(int(x1), width - 1), min(int(y1), height - 1)
    labels = np.full((height, width), cv2.GC_BGD, dtype=np.uint8)
    labels[y0 : y1 + 1, x0 : x1 + 1] = cv2.GC_PR_FGD
    if (x1 - x0 + 1) * (y1 - y0 + 1) > 0.95 * width * height:
        labels[:2], labels[-2:], labels[:, :2], labels[:, -2:] = (cv2.GC_BGD,) * 4
    result = _cut(small, labels)
    inside = result[y0 : y1 + 1, x0 : x1 + 1]
    share = float(inside.mean()) if inside.size else 0.0
    if share < 0.03:  # nothing differs from the surroundings: the box itself is the best guess
        result[y0 : y1 + 1, x0 : x1 + 1] = True
        return _enlarged(result, image.shape[:2]), 0.2
    result = _main_parts(result)
    score = 0.75 if 0.15 < share < 0.95 else 0.5
    return _enlarged(result, image.shape[:2]), score


def by_points(
    image: npt.NDArray[np.uint8], points: Floats, labels: npt.NDArray[np.int64]
) -> tuple[BoolMask, float]:
    """The thing under points (label 1) and not under others (label 0), by colour and edges."""
    import cv2

    small, factor = shrink(image, WORKING_SIZE)
    height, width = small.shape[:2]
    lab = cv2.cvtColor(cv2.bilateralFilter(small, 7, 40, 7), cv2.COLOR_RGB2LAB).astype(np.float32)
    seeds = ((points + 0.5) / factor - 0.5).round().astype(int)
    seeds = np.clip(seeds, 0, [width - 1, height - 1])
    reach = max(3, round(max(width, height) / 120))
    distance = np.full((height, width), np.inf, dtype=np.float32)
    for x, y in seeds[labels == 1]:
        window = lab[max(y - reach, 0) : y + reach + 1, max(x - reach, 0) : x + reach + 1]
        center = np.median(window.reshape(-1, 3), axis=0)
        spread = np.maximum(1.5 * window.reshape(-1, 3).std(axis=0), [14, 7, 7])
        apart = np.sqrt((((lab - center) / spread) ** 2).sum(axis=-1))
        distance = np.minimum(distance, apart.astype(np.float32))
    similar = (distance < 2.0).astype(np.uint8)
    similar = cv2.morphologyEx(similar, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, parts = cv2.connectedComponents(similar)
    grown = np.zeros((height, width), dtype=bool)
    for x, y in seeds[labels == 1]:
        cv2.circle(similar, (int(x), int(y)), reach, 1, -1)
    count, parts = cv2.connectedComponents(similar)
    for x, y in seeds[labels == 1]:
        if count > 1 and parts[y, x] > 0:
            grown |= parts == parts[y, x]
    rows, columns = np.nonzero(grown)
    if not rows.size:
        return np.zeros(image.shape[:2], dtype=bool), 0.0
    margin = max(6, round(0.25 * max(np.ptp(rows), np.ptp(columns))))
    around = np.zeros((height, width), dtype=bool)
    around[
        max(rows.min() - margin, 0) : rows.max() + margin + 1,
        max(columns.min() - margin, 0) : columns.max() + margin + 1,
    ] = True
    cut = np.full((height, width), cv2.GC_BGD, dtype=np.uint8)
    cut[around] = cv2.GC_PR_BGD
    cut[grown] = cv2.GC_PR_FGD
    if around.all():  # GrabCut needs some background
        cut[[0, -1]] = cv2.GC_BGD
        cut[:, [0, -1]] = cv2.GC_BGD
    for (x, y), label in zip(seeds, labels, strict=True):
        value = cv2.GC_FGD if label == 1 else cv2.GC_BGD
        cv2.circle(cut, (int(x), int(y)), reach, int(value), -1)
    result = _cut(small, cut)
    count, parts = cv2.connectedComponents(result.astype(np.uint8))
    kept = np.zeros_like(result)
    for x, y in seeds[labels == 1]:
        if parts[y, x] > 0:
            kept |= parts == parts[y, x]
    if kept.sum() < 20:
        kept = grown
    ratio = kept.mean()
    score = 0.6 if 0.001 < ratio < 0.4 else 0.35
    return _enlarged(kept, image.shape[:2]), score


def _cut(image: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8]) -> BoolMask:
    import cv2

    cv2.setRNGSeed(1)
    labels = labels.copy()
    background, foreground = np.zeros((1, 65)), np.zeros((1, 65))
    possible = np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD))
    if possible.sum() < 10 or (~possible).sum() < 10:
        return np.asarray(possible)
    cv2.grabCut(
        np.ascontiguousarray(image[..., ::-1]),
        labels,
        None,
        background,
        foreground,
        5,
        cv2.GC_INIT_WITH_MASK,
    )
    return np.asarray(np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD)))


def _main_parts(mask: BoolMask) -> BoolMask:
    """Without specks: parts below a twentieth of the largest go, holes of that size fill."""
    import cv2

    count, parts, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    if count <= 1:
        return mask
    areas = stats[1:, cv2.CC_STAT_AREA]
    keep = np.flatnonzero(areas >= 0.05 * areas.max()) + 1
    kept = np.isin(parts, keep)
    count, parts, stats, _ = cv2.connectedComponentsWithStats((~kept).astype(np.uint8))
    for index in range(1, count):
        if stats[index, cv2.CC_STAT_AREA] < 0.03 * areas.max():
            kept |= parts == index
    return np.asarray(kept)


def _enlarged(mask: BoolMask, shape: tuple[int, ...]) -> BoolMask:
    import cv2

    if mask.shape == tuple(shape[:2]):
        return mask
    size = (shape[1], shape[0])
    large = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
    return np.asarray(large >= 0.5)


def by_depth(
    depth: npt.NDArray[np.float32],
    sigma: npt.NDArray[np.float32],
    points: Floats,
    *,
    barrier: BoolMask | None = None,
) -> BoolMask:
    """The surface under points, grown until depth jumps.

    Args:
        depth: (H, W), NaN where unknown.
        sigma: (H, W).
        points: (N, 2) seeds.
        barrier: (H, W) pixels it may not enter (the floor it stands on), unless a seed is there.
    """
    import cv2

    height, width = depth.shape
    seeds = np.clip(points.round().astype(int), 0, [width - 1, height - 1])
    known = np.isfinite(depth)
    z = np.nan_to_num(depth, nan=0.0)
    limit = np.maximum(0.02 * z, 4 * np.nan_to_num(sigma, nan=0.0)) + 1e-6
    jump = np.zeros((height, width), dtype=bool)
    jump[:, 1:] |= np.abs(np.diff(z, axis=1)) > np.minimum(limit[:, 1:], limit[:, :-1])
    jump[1:] |= np.abs(np.diff(z, axis=0)) > np.minimum(limit[1:], limit[:-1])
    free = known & ~jump
    if barrier is not None and not barrier[seeds[:, 1], seeds[:, 0]].any():
        free &= ~barrier
    _, parts = cv2.connectedComponents(free.astype(np.uint8), connectivity=4)
    result = np.zeros((height, width), dtype=bool)
    for x, y in seeds:
        window = parts[max(y - 3, 0) : y + 4, max(x - 3, 0) : x + 4]
        labels = window[window > 0]
        if labels.size:
            result |= parts == np.bincount(labels).argmax()
    closed = cv2.morphologyEx(result.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    return np.asarray((closed > 0) & (known | result))
