"""What stays and what moves in a video: whether the camera moves, background, moving things."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from spatialclaw.primitives.errors import NothingFound
from spatialclaw.primitives.frames import Frame
from spatialclaw.primitives.imaging import as_frame, grey, shrink
from spatialclaw.primitives.results import Mask, Masks

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
STILL_PX = 0.8
"""Movement of the picture, in pixels of a picture of 640, that counts as standing still."""


@dataclass(eq=False)
class CameraState:
    """Whether the camera of a video moves, and how the picture moves with it.

    Attributes:
        moves: Whether the camera moves.
        kind: "static", "shaking" (it moves about one place), "turning" or "moving".
        shift_px: (N, 2) how far the picture's middle has moved at each frame against the first
            (x right, y down), pixels; NaN where the link is lost.
        zoom: (N,) size of the picture's content against the first frame; NaN where lost.
        still_share: Part of the scene's points that stay where they are over the video, 0..1.
        confidence: 0..1.
        method: What made it.
    """

    moves: bool
    kind: str
    shift_px: Floats
    zoom: Floats
    still_share: float
    confidence: float
    method: str = "lk+ransac"

    def __repr__(self) -> str:
        reach = np.nanmax(np.linalg.norm(self.shift_px, axis=1)) if len(self.shift_px) else 0.0
        return (
            f"<CameraState: {self.kind}; {self.still_share:.0%} of the points stay in place, the "
            f"picture shifts by up to {reach:.1f} px, zoom {np.nanmin(self.zoom):.2f} to "
            f"{np.nanmax(self.zoom):.2f}; confidence {self.confidence:.2f}>"
        )


def camera_state(frames: Sequence[Any], *, most: int = 40) -> CameraState:
    """Whether the camera of a video moves: does the background move?

    Points of the first frames are followed; moving things are outvoted by the rest of the scene.
    For the direction use ``estimate_motion(frames[0], frames[-1])``.

    Args:
        frames: Frames of one video, in order.
        most: Number of frames that are looked at, evenly spaced.

    Raises:
        NothingFound: Fewer than two frames, or no texture to hold on to.

    Example:
        >>> camera_state(frames).moves
    """
    pictures = [as_frame(frame) for frame in frames]
    if len(pictures) < 2:
        raise NothingFound("one frame cannot tell whether the camera moves", hint="more frames")
    picks = np.unique(np.linspace(0, len(pictures) - 1, most).round().astype(int))
    small = [shrink(grey(pictures[i].image), 640) for i in picks]
    factor = small[0][1]
    images = [image for image, _ in small]
    height, width = images[0].shape
    links = _chain(images)
    middle = np.array([(width - 1) / 2, (height - 1) / 2, 1.0])
    shifts, zooms, shares, quality = [], [], [], []
    for link in links:
        if link is None:
            shifts.append(np.full(2, np.nan))
            zooms.append(np.nan)
            continue
        where = link.total @ middle
        shifts.append((where[:2] / where[2] - middle[:2]) * factor)
        zooms.append(float(np.sqrt(abs(np.linalg.det(link.total[:2, :2])))))
        if link.share is not None:
            quality.append(link.share)
            shares.append(link.still)
    if not shares:
        raise NothingFound(
            "no texture to follow in the background", hint="flow(frames[0], frames[1])"
        )
    # A long look: points of the first frame against all others, at the very same place.
    direct = [
        _still_share(images[0], image) for image in images[1:] if image.shape == images[0].shape
    ]
    still_share = float(np.median(direct)) if direct else float(np.median(shares))
    track = np.array(shifts)
    reach = float(np.nanmax(np.linalg.norm(track, axis=1))) / factor
    zoom_span = float(np.nanmax(zooms) - np.nanmin(zooms))
    steps = np.linalg.norm(np.diff(track, axis=0), axis=1) / factor
    if still_share >= 0.5 or (reach < 2 * STILL_PX and zoom_span < 0.02):
        kind = "static"
    elif reach < 0.03 * width and zoom_span < 0.06:
        kind = "shaking"
    else:
        path = float(np.nansum(steps))
        turning = zoom_span < 0.1 and path > 0 and np.median(quality) > 0.8
        kind = "turning" if turning else "moving"
    confidence = (
        abs(still_share - 0.5) * 1.6 + 0.2 if kind in ("static",) else 0.6 + 0.4 * (1 - still_share)
    )
    return CameraState(
        kind not in ("static",),
        kind,
        track,
        np.array(zooms),
        still_share,
        float(np.clip(confidence, 0.3, 0.98)),
    )


@dataclass(frozen=True, eq=False)
class _Linked:
    """Homography from the first frame to this one, and how the last step was found."""

    total: Floats
    share: float | None = None
    still: float = 1.0


def _chain(images: Sequence[Bytes]) -> list[_Linked | None]:
    """Each frame linked to the first; a frame that fails is left out and the next goes on."""
    links: list[_Linked | None] = [_Linked(np.eye(3))]
    for index in range(1, len(images)):
        found = None
        # The last linked frames, newest first, then the first frame of all.
        known = [i for i in range(index - 1, max(-1, index - 8), -1) if links[i] is not None][:3]
        for other in [*known, 0]:
            before = links[other]
            if images[other].shape != images[index].shape or before is None:
                continue
            step = _link(images[other], images[index], far=other == index - 1)
            if step is not None:
                found = _Linked(step[0] @ before.total, step[1], step[2])
                break
        links.append(found)
    return links


def _without_gaps(links: list[_Linked | None]) -> list[_Linked | None]:
    """A frame without a link takes that of the nearest frame that has one."""
    known = [index for index, link in enumerate(links) if link is not None]
    return [links[min(known, key=lambda k: abs(k - index))] for index in range(len(links))]


def _link(a: Bytes, b: Bytes, *, far: bool = True) -> tuple[Floats, float, float] | None:
    """Movement of the background from a to b as a homography, share of inliers, share at rest."""
    import cv2

    points = _corners(a)
    there, good = (None, None) if points is None else _follow(a, b, points)
    if points is not None and there is not None and good is not None and good.sum() >= 12:
        start, end = points[good], there[good]
    elif far and points is not None and len(points) >= 60:
        from spatialclaw.primitives.match import raw_matches

        start, end, _ = raw_matches(a, b)
    else:
        start = end = np.empty((0, 2))
    if len(start) >= 12:
        cv2.setRNGSeed(1)
        still = float((np.linalg.norm(end - start, axis=1) < STILL_PX).mean())
        matrix, mask = cv2.findHomography(start, end, cv2.RANSAC, 1.5)
        if matrix is not None and mask.sum() >= 30 and _spread(start, mask, a.shape):
            return np.asarray(matrix), float(mask.mean()), still
        similar, mask = cv2.estimateAffinePartial2D(start, end, ransacReprojThreshold=1.5)
        if similar is not None and mask.sum() >= 8 and _spread(start, mask, a.shape):
            return np.r_[similar, [[0.0, 0.0, 1.0]]], float(mask.mean()), still
    return _shift(a, b)


def _spread(points: Floats, mask: Any, shape: tuple[int, ...]) -> bool:
    """Whether the points lie all over the picture: those of one moving thing do not."""
    chosen = points[mask.ravel() > 0] / np.array([shape[1] / 6, shape[0] / 4])
    return len(np.unique(chosen.astype(int) @ np.array([1, 10]))) >= 7


def _shift(a: Bytes, b: Bytes) -> tuple[Floats, float, float] | None:
    """The shift of pictures with hardly any corners, by phase correlation."""
    import cv2

    window = cv2.createHanningWindow((a.shape[1], a.shape[0]), cv2.CV_32F)
    first = cv2.GaussianBlur(a, (3, 3), 0).astype(np.float32)
    second = cv2.GaussianBlur(b, (3, 3), 0).astype(np.float32)
    (x, y), response = cv2.phaseCorrelate(first, second, window)
    if response < 0.2 or max(abs(x), abs(y)) > 0.015 * max(a.shape):
        return None
    matrix = np.array([[1.0, 0.0, x], [0.0, 1.0, y], [0.0, 0.0, 1.0]])
    return matrix, float(min(1.0, response * 2)), float(np.hypot(x, y) < STILL_PX)


def _corners(image: Bytes) -> Floats | None:
    """Corners spread evenly over the picture, so that no textured thing outvotes the scene."""
    import cv2

    height, width = image.shape
    found = []
    for top in np.linspace(0, height, 7)[:-1]:
        for left in np.linspace(0, width, 9)[:-1]:
            y0, x0 = int(top), int(left)
            tile = image[y0 : int(top + height / 6), x0 : int(left + width / 8)]
            corners = cv2.goodFeaturesToTrack(tile, 10, 0.02, 5)
            if corners is not None and tile.std() > 3:
                found.append(corners.reshape(-1, 2) + np.array([x0, y0]))
    points = np.concatenate(found) if found else np.empty((0, 2))
    return points.astype(np.float64) if len(points) >= 12 else None


def _follow(a: Bytes, b: Bytes, points: Floats) -> tuple[Floats, BoolMask]:
    import cv2

    start = points.astype(np.float32)[:, None]
    options: dict[str, Any] = {"winSize": (15, 15), "maxLevel": 4}
    there, found, _ = cv2.calcOpticalFlowPyrLK(a, b, start, None, **options)
    back, returned, _ = cv2.calcOpticalFlowPyrLK(b, a, there, None, **options)
    gap = np.linalg.norm(back - start, axis=-1).ravel()
    good = (found.ravel() > 0) & (returned.ravel() > 0) & (gap < 0.7)
    return there.reshape(-1, 2).astype(np.float64), np.asarray(good)


def _still_share(a: Bytes, b: Bytes) -> float:
    points = _corners(a)
    if points is None:
        return 0.0
    there, good = _follow(a, b, points)
    if good.sum() < 12:
        return 0.0
    return float((np.linalg.norm(there - points, axis=1)[good] < STILL_PX).mean())


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
    links: list[_Linked | None] = [None] * len(smalls)
    level = smalls
    size = smalls[0].shape[1::-1]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    if steady:  # bring each frame to the place of the first
        links = _without_gaps(_chain([grey(small) for small in smalls]))
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
    import cv2

    greys = [shrink(grey(frame.image), WORKING_SIZE)[0] for frame in pictures]
    result = []
    for index, frame in enumerate(pictures):
        layers = []
        for neighbour in (index - 1, index + 1):
            if not 0 <= neighbour < len(greys) or greys[neighbour].shape != greys[index].shape:
                continue
            step = _link(greys[neighbour], greys[index])
            if step is None:
                continue
            size = greys[index].shape[::-1]
            warped = cv2.warpPerspective(greys[neighbour], step[0], size)
            inside = cv2.warpPerspective(np.full_like(greys[index], 255), step[0], size) > 250
            blurred = cv2.GaussianBlur(greys[index], (5, 5), 0).astype(np.float32)
            difference = np.abs(cv2.GaussianBlur(warped, (5, 5), 0).astype(np.float32) - blurred)
            layers.append(np.where(inside, difference, 0))
        layer = np.min(layers, axis=0) if layers else np.zeros(greys[index].shape, np.float32)
        result.append(_blobs(layer, frame, "compensated"))
    return result


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
