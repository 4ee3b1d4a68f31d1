"""Given boxes followed through a video by the points inside them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from spatialclaw.primitives.errors import NothingFound
from spatialclaw.primitives.frames import Frame
from spatialclaw.primitives.imaging import grey, shrink
from spatialclaw.primitives.results import Track, Tracks

__all__ = ["follow"]

Floats = npt.NDArray[np.float64]
Bytes = npt.NDArray[np.uint8]


def follow(frames: list[Frame], boxes: Floats) -> Tracks:
    """Follows boxes of the first frame: median flow of points, then a look for the first patch.

    Median flow (Kalal et al., ICPR 2010): points that come back within a pixel vote for shift and
    scale. Where too few are left the patch of the first frame is searched by correlation; the track
    ends when neither works.

    Args:
        frames: Frames in order.
        boxes: (N, 4) in the first frame.

    Raises:
        NothingFound: No box could be followed beyond its frame.
    """
    images = [shrink(grey(frame.image), 960) for frame in frames]
    factor = images[0][1]
    result = []
    for number, box in enumerate(boxes.reshape(-1, 4)):
        path, quality = _follow_one([image for image, _ in images], (box + 0.5) / factor - 0.5)
        if len(path) < 2:
            continue
        result.append(
            Track(
                id=number,
                frames=np.array([frames[i].position for i in path], dtype=np.int64),
                times=np.array(
                    [np.nan if frames[i].time is None else frames[i].time for i in path]
                ),
                boxes=(np.array(list(path.values())) + 0.5) * factor - 0.5,
                label=f"box {number}",
                method="median flow",
                score=round(float(np.mean(quality)), 3),
            )
        )
    if not result:
        raise NothingFound("none of the boxes could be followed", hint="a box with more texture")
    return Tracks(result, method="median flow")


def _follow_one(images: list[Bytes], box: Floats) -> tuple[dict[int, Floats], list[float]]:
    path = {0: box}
    quality: list[float] = []
    patch = _cut(images[0], box)
    lost = 0
    for index in range(1, len(images)):
        previous = max(path)
        step = _step(images[previous], images[index], path[previous]) if lost == 0 else None
        if step is None or not _inside(step[0], images[index]):
            step = _search(images[index], path[previous], patch)
        if step is None:
            lost += 1
            if lost > 5:
                break
            continue
        lost = 0
        path[index] = step[0]
        quality.append(step[1])
    return path, quality


def _inside(box: Floats, image: Bytes) -> bool:
    x, y = (box[:2] + box[2:]) / 2
    return bool(0 <= x < image.shape[1] and 0 <= y < image.shape[0])


def _cut(image: Bytes, box: Floats) -> Bytes:
    x0, y0, x1, y1 = box.round().astype(int)
    return image[max(y0, 0) : y1 + 1, max(x0, 0) : x1 + 1]


def _step(a: Bytes, b: Bytes, box: Floats) -> tuple[Floats, float] | None:
    import cv2

    x0, y0, x1, y1 = box
    grid = np.stack(np.meshgrid(np.linspace(x0, x1, 14)[1:-1], np.linspace(y0, y1, 14)[1:-1]), -1)
    start = grid.reshape(-1, 1, 2).astype(np.float32)
    size = (21, 21)
    there, good, _ = cv2.calcOpticalFlowPyrLK(a, b, start, None, winSize=size, maxLevel=4)
    back, returned, _ = cv2.calcOpticalFlowPyrLK(b, a, there, None, winSize=size, maxLevel=4)
    gap = np.linalg.norm(back - start, axis=-1).ravel()
    keep = (good.ravel() > 0) & (returned.ravel() > 0) & (gap <= max(1.0, float(np.median(gap))))
    keep &= gap < 3.0
    if keep.sum() < 12:
        return None
    p, q = start[keep, 0].astype(np.float64), there[keep, 0].astype(np.float64)
    shift = np.median(q - p, axis=0)
    spread = float(np.median(np.linalg.norm(q - p - shift, axis=1)))
    diagonal = float(np.hypot(x1 - x0, y1 - y0))
    if spread > 0.12 * diagonal + 2:
        return None
    pick = np.random.default_rng(1).integers(0, len(p), (200, 2))
    before = np.linalg.norm(p[pick[:, 0]] - p[pick[:, 1]], axis=1)
    after = np.linalg.norm(q[pick[:, 0]] - q[pick[:, 1]], axis=1)
    ratio = after[before > 1] / before[before > 1]
    scale = float(np.clip(np.median(ratio), 0.8, 1.25)) if ratio.size else 1.0
    middle = (box[:2] + box[2:]) / 2 + shift
    half = (box[2:] - box[:2]) / 2 * scale
    return np.r_[middle - half, middle + half], float(
        np.clip(1 - spread / (0.1 * diagonal), 0.2, 1)
    )


def _search(image: Bytes, box: Floats, patch: Bytes) -> tuple[Floats, float] | None:
    """The first patch at three sizes, anywhere within three box widths of the last place."""
    import cv2

    if min(patch.shape) < 8:
        return None
    middle, size = (box[:2] + box[2:]) / 2, box[2:] - box[:2]
    low = np.maximum(middle - 2 * size, 0).astype(int)
    high = np.minimum(middle + 2 * size, [image.shape[1] - 1, image.shape[0] - 1]).astype(int)
    window = image[low[1] : high[1] + 1, low[0] : high[0] + 1]
    best: tuple[float, Floats] | None = None
    for scale in (0.85, 1.0, 1.18):
        wanted = (size * scale).round().astype(int).clip(8)
        if window.shape[0] <= wanted[1] or window.shape[1] <= wanted[0]:
            continue
        template = cv2.resize(patch, (int(wanted[0]), int(wanted[1])))
        scores = cv2.matchTemplate(window, template, cv2.TM_CCOEFF_NORMED)
        _, value, _, corner = cv2.minMaxLoc(scores)
        if best is None or value > best[0]:
            start = low + np.array(corner)
            best = (float(value), np.r_[start, start + wanted].astype(np.float64))
    return None if best is None or best[0] < 0.6 else (best[1], 0.7 * best[0])
