"""Whether the camera of a video stands still, and how its frames lie on each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spatialclaw.primitives.errors import NothingFound
from spatialclaw.primitives.imaging import as_frame, grey, shrink

__all__ = ["CameraState", "Linked", "camera_state", "chain", "link_pictures", "without_gaps"]

Floats = npt.NDArray[np.float64]
Bytes = npt.NDArray[np.uint8]
BoolMask = npt.NDArray[np.bool_]

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
    links = chain(images)
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
class Linked:
    """Homography from the first frame to this one, and how the last step was found."""

    total: Floats
    share: float | None = None
    still: float = 1.0


def chain(images: Sequence[Bytes]) -> list[Linked | None]:
    """Each frame linked to the first; a frame that fails is left out and the next goes on."""
    links: list[Linked | None] = [Linked(np.eye(3))]
    for index in range(1, len(images)):
        found = None
        # The last linked frames, newest first, then the first frame of all.
        known = [i for i in range(index - 1, max(-1, index - 8), -1) if links[i] is not None][:3]
        for other in [*known, 0]:
            before = links[other]
            if images[other].shape != images[index].shape or before is None:
                continue
            step = link_pictures(images[other], images[index], far=other == index - 1)
            if step is not None:
                found = Linked(step[0] @ before.total, step[1], step[2])
                break
        links.append(found)
    return links


def without_gaps(links: list[Linked | None]) -> list[Linked | None]:
    """A frame without a link takes that of the nearest frame that has one."""
    known = [index for index, link in enumerate(links) if link is not None]
    return [links[min(known, key=lambda k: abs(k - index))] for index in range(len(links))]


def link_pictures(a: Bytes, b: Bytes, *, far: bool = True) -> tuple[Floats, float, float] | None:
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
            corners = cv2.goodFeaturesToTrack(tile, 7, 0.02, 5)
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
