"""What stays and what moves in a video: the empty scene, and what moves in front of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from spatialclaw.primitives.frames import Frame
from spatialclaw.primitives.imaging import as_frame, grey, shrink
from spatialclaw.primitives.results import Mask, Masks
from spatialclaw.primitives.steadiness import (
    CameraState,
    Linked,
    camera_state,
    chain,
    link_pictures,
    without_gaps,
)

__all__ = [
    "CameraState",
    "Movers",
    "background",
    "camera_state",
    "moving_things",
]

Floats = npt.NDArray[np.float64]
Bytes = npt.NDArray[np.uint8]
BoolMask = npt.NDArray[np.bool_]

WORKING_SIZE = 480


def background(frames: Sequence[Any], *, most: int = 90) -> Bytes:
    """The empty scene of a fixed camera: (H, W, 3) uint8 RGB, at most 480 pixels long.

    For each tile of 12 x 12 pixels the look that returns most often over time is kept: someone who
    stands in front of it for most of the video is not the background, as he comes only once.
    """
    pictures = [as_frame(frame) for frame in frames]
    picks = np.unique(np.linspace(0, len(pictures) - 1, most).round().astype(int))
    stack = np.stack([shrink(pictures[i].image, WORKING_SIZE)[0] for i in picks])
    return _background_of(stack)


def _background_of(stack: Bytes) -> Bytes:
    """(H, W, 3) for (N, H, W, 3)."""
    count, height, width, _ = stack.shape
    if count < 3:
        return np.asarray(np.median(stack, axis=0)).astype(np.uint8)
    stack = _same_light(stack)
    empty = _empty_frames(stack)
    if empty is not None:
        return np.asarray(np.median(stack[empty], axis=0)).astype(np.uint8)
    tile = 12
    pad_y, pad_x = -height % tile, -width % tile
    padded = np.pad(stack, ((0, 0), (0, pad_y), (0, pad_x), (0, 0)), mode="edge")
    rows, columns = padded.shape[1] // tile, padded.shape[2] // tile
    tiles = padded.reshape(count, rows, tile, columns, tile, 3).transpose(1, 3, 0, 2, 4, 5)
    result = np.empty((rows, columns, tile, tile, 3), dtype=np.uint8)
    pause = max(2, round(0.03 * count))
    for row in range(rows):
        for column in range(columns):
            looks = tiles[row, column]
            small = (
                looks.reshape(count, 4, 3, 4, 3, 3)
                .mean(axis=(2, 4), dtype=np.float32)
                .reshape(count, -1)
            )
            result[row, column] = np.median(looks[_usual(small, pause)], axis=0)
    picture = result.transpose(0, 2, 1, 3, 4).reshape(rows * tile, columns * tile, 3)
    return np.ascontiguousarray(picture[:height, :width])


def _empty_frames(stack: Bytes) -> BoolMask | None:
    """(N,) the frames that show one whole picture to which the video returns again and again.

    Someone may stand still for a long time, but the same picture comes back after others only when
    it is the empty one. None when no picture returns twice.
    """
    count = len(stack)
    small = stack[:, ::8, ::8].reshape(count, -1).astype(np.int16)
    changed = np.array([(np.abs(small - one) > 18).mean(axis=1) for one in small])
    alike = changed < 0.008
    pause = max(2, round(0.03 * count))
    returns, share = _returns(alike, pause), alike.mean(axis=1)
    best = int(np.argmax(returns + share))
    if returns[best] < 3 or share[best] < 0.04:
        return None
    return np.asarray(alike[best])


def _returns(alike: BoolMask, pause: int) -> npt.NDArray[np.int64]:
    """(N,) how often each row's look appears anew after having been away longer than `pause`."""
    count = alike.shape[1]
    number = np.arange(count)
    seen = np.where(alike, number[None], -count)
    before = np.maximum.accumulate(seen, axis=1)
    before = np.concatenate([np.full((len(alike), 1), -count), before[:, :-1]], axis=1)
    return np.asarray((alike & (number[None] - before > pause)).sum(axis=1))


def _same_light(stack: Bytes) -> Bytes:
    """(N, H, W, 3) with the exposure of each picture brought to that of their median."""
    small = stack[:, ::4, ::4].astype(np.float32)
    usual = np.median(small, axis=0)
    valid = (usual > 15) & (usual < 240)
    result = np.empty_like(stack)
    for index, picture in enumerate(small):
        gain = np.ones(3, dtype=np.float32)
        for channel in range(3):
            where = valid[..., channel] & (picture[..., channel] > 3)
            if where.sum() > 100:
                ratio = usual[..., channel][where] / picture[..., channel][where]
                gain[channel] = np.median(ratio)
        result[index] = np.clip(stack[index] * np.clip(gain, 0.4, 2.5), 0, 255)
    return result


def _usual(looks: npt.NDArray[np.floating[Any]], pause: int) -> BoolMask:
    """(N,) which samples show the usual look of a tile, (N, D) values over time."""
    spread = looks.std(axis=0).mean()
    if spread < 3.0:
        return np.ones(len(looks), dtype=bool)
    squares = (looks**2).sum(axis=1)
    apart = squares[:, None] + squares[None] - 2 * looks @ looks.T
    alike = np.sqrt(np.maximum(apart, 0) / looks.shape[1]) < 9.0
    # Returns after a pause count; short interruptions (noise, someone swaying) do not.
    spreads = np.sqrt(np.maximum(apart, 0) / looks.shape[1])
    tightness = (spreads * alike).sum(axis=1) / alike.sum(axis=1)
    score = _returns(alike, pause) + alike.mean(axis=1) - tightness / 9
    score[alike.sum(axis=1) < 2] = -np.inf
    return np.asarray(alike[int(np.argmax(score))])


@dataclass(eq=False)
class Movers:
    """Moving things of each frame.

    Attributes:
        masks: One `Masks` for each frame that was looked at, in order.
        frames: The frames.
        camera: How the camera was.
        method: "background" or "compensated".
    """

    masks: list[Masks]
    frames: list[Frame]
    camera: CameraState
    method: str = ""
    note: str = field(default="")

    def __repr__(self) -> str:
        counts = [len(m) for m in self.masks]
        return (
            f"<Movers by {self.method} in {len(counts)} frames: up to {max(counts, default=0)} at "
            f"once, something in {sum(c > 0 for c in counts)} frames; camera {self.camera.kind}>"
        )


def moving_things(frames: Sequence[Any], *, camera: CameraState | None = None) -> Movers:
    """What moves in a video, apart from the camera: masks for each frame.

    Fixed camera: differences from the empty scene (light changes are evened out). Moving camera:
    differences from neighbouring frames after the movement of the background is taken out.

    Args:
        frames: Frames of one video, in order, a few for each second.
        camera: From `camera_state`, when it is known already.

    Example:
        >>> [len(m) for m in moving_things(frames).masks]
    """
    pictures = [as_frame(frame) for frame in frames]
    state = camera if camera is not None else camera_state(pictures)
    if not state.moves:
        return Movers(_by_background(pictures), pictures, state, "background")
    if state.kind == "shaking":
        found = _by_background(pictures, steady=True)
        return Movers(found, pictures, state, "steadied background")
    return Movers(
        _by_compensation(pictures),
        pictures,
        state,
        "compensated",
        "things nearer than the rest of the scene may seem to move (parallax)",
    )


def _by_background(pictures: list[Frame], *, steady: bool = False) -> list[Masks]:
    import cv2

    smalls = [shrink(frame.image, WORKING_SIZE)[0] for frame in pictures]
    links: list[Linked | None] = [None] * len(smalls)
    level = smalls
    size = smalls[0].shape[1::-1]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    if steady:  # bring each frame to the place of the first
        links = without_gaps(chain([grey(small) for small in smalls]))
        level = [
            small
            if link is None
            else cv2.warpPerspective(
                small, link.total, size, flags=flags, borderMode=cv2.BORDER_REPLICATE
            )
            for small, link in zip(smalls, links, strict=True)
        ]
    picks = np.unique(np.linspace(0, len(level) - 1, 90).round().astype(int))
    empty = _background_of(np.stack([level[i] for i in picks])).astype(np.float32)
    result = []
    for frame, picture, link in zip(pictures, level, links, strict=True):
        difference = _evened(picture.astype(np.float32), empty)
        if link is not None:
            inside = np.full(difference.shape, 255, np.uint8)
            inside = cv2.warpPerspective(inside, link.total, size, flags=flags)
            difference[cv2.erode(inside, np.ones((5, 5), np.uint8)) < 255] = 0
            difference = cv2.warpPerspective(difference, link.total, difference.shape[::-1])
        result.append(_blobs(difference, frame, "background"))
    return result


def _evened(picture: Any, empty: Any) -> npt.NDArray[np.float32]:
    """Largest channel difference after the light (a gain for each channel) is evened out."""
    import cv2

    gain = np.ones(3, dtype=np.float32)
    valid = (empty > 15) & (empty < 245) & (picture > 5) & (picture < 250)
    for channel in range(3):
        where = valid[..., channel]
        if where.sum() > 500:
            ratio = picture[..., channel][where] / empty[..., channel][where]
            gain[channel] = np.median(ratio)
    gain = np.clip(gain, 0.5, 2.0)
    # Distance to the range of the neighbouring pixels: edges may be off by a pixel.
    kernel = np.ones((3, 3), np.uint8)
    above = picture - cv2.dilate(empty, kernel) * gain
    below = cv2.erode(empty, kernel) * gain - picture
    difference = np.maximum(np.maximum(above, below), 0).max(axis=-1)
    return np.asarray(difference, dtype=np.float32)


def _by_compensation(pictures: list[Frame]) -> list[Masks]:
    """What differs from the frames before and after, 1, 2 and 4 away, once they are aligned."""
    import cv2

    greys = [shrink(grey(frame.image), WORKING_SIZE)[0] for frame in pictures]
    steps = [_step_between(a, b) for a, b in pairwise(greys)]
    soft = [cv2.GaussianBlur(image, (5, 5), 0) for image in greys]
    result = []
    for index, frame in enumerate(pictures):
        best = np.zeros(greys[index].shape, np.float32)
        for reach in (1, 2, 4):
            layers = []
            for other in (index - reach, index + reach):
                between = _between(steps, other, index)
                if between is not None:
                    layers.append(_difference(soft[other], soft[index], between))
            # Both sides have to differ: one alone also shows where the thing was or will be.
            if len(layers) == 2 or (layers and index in (0, len(greys) - 1)):
                best = np.maximum(best, np.min(layers, axis=0))
        result.append(_blobs(best, frame, "compensated"))
    return result


def _step_between(a: Bytes, b: Bytes) -> Floats | None:
    step = link_pictures(a, b) if a.shape == b.shape else None
    return None if step is None else step[0]


def _between(steps: list[Floats | None], first: int, second: int) -> Floats | None:
    """Homography from frame `first` to frame `second`, from those of neighbours."""
    low, high = min(first, second), max(first, second)
    if low < 0 or high > len(steps):
        return None
    total = np.eye(3)
    for step in steps[low:high]:
        if step is None:
            return None
        total = step @ total
    return total if first < second else np.asarray(np.linalg.inv(total))


def _difference(other: Bytes, here: Bytes, between: Floats) -> npt.NDArray[np.float32]:
    import cv2

    size = here.shape[::-1]
    warped = cv2.warpPerspective(other, between, size).astype(np.float32)
    inside = cv2.warpPerspective(np.full_like(here, 255), between, size) > 250
    return np.where(inside, np.abs(warped - here.astype(np.float32)), 0).astype(np.float32)


def _blobs(difference: Any, frame: Frame, method: str) -> Masks:
    """Connected regions that differ, as masks of the frame."""
    import cv2

    smooth = cv2.GaussianBlur(difference, (5, 5), 0)
    noise = float(np.median(smooth)) * 1.48
    strong = (smooth > max(14.0, 5 * noise)).astype(np.uint8)
    strong = cv2.morphologyEx(strong, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    strong = cv2.morphologyEx(strong, cv2.MORPH_CLOSE, np.ones((11, 11), np.uint8))
    count, parts, stats, _ = cv2.connectedComponentsWithStats(strong)
    found = []
    for index in range(1, count):
        area = int(stats[index, cv2.CC_STAT_AREA])
        if area < 0.0012 * strong.size:
            continue
        part = (parts == index).astype(np.uint8)
        contrast = float(smooth[part > 0].mean())
        size = (frame.width, frame.height)
        large = cv2.resize(part, size, interpolation=cv2.INTER_NEAREST) > 0
        score = float(np.clip(contrast / 60, 0.2, 0.95))
        found.append(Mask(large, frame.position, label="moving thing", score=score, method=method))
    found.sort(key=lambda mask: -mask.area_px)
    return Masks(found, method=method)
