"""Videos by presentation time: an index of all frames by demuxing, then only what is wanted.

The container is read once without decoding; its packets give the presentation time of every frame
and the places where decoding can start. The wanted frames are then decoded group by group: one
seek to the keyframe before the first, decoding up to the last. Frames are made smaller as they
are decoded, and at most one of them is held at a time.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spatialclaw.errors import MediaError
from spatialclaw.media.demux import decoded, frames_from, list_packets, opened, undecodable
from spatialclaw.media.files import require_file
from spatialclaw.media.images import fit

__all__ = ["MAX_VIDEO_PIXELS", "VideoFrame", "VideoSource", "open_video"]

#: Frames above this (full HD) are made smaller while they are decoded.
MAX_VIDEO_PIXELS = 1920 * 1080
#: Two frames of one presentation time belong together; times are compared to this, in seconds.
_SAME_TIME = 1e-6


@dataclass(frozen=True)
class VideoFrame:
    """One decoded frame.

    Attributes:
        index: Number of the frame in the video, in order of presentation.
        time: Seconds from the first frame.
        image: (H, W, 3) uint8 RGB, upright.
        scale: Pixels of `image` per stored pixel (along x, after orientation and squaring).
    """

    index: int
    time: float
    image: npt.NDArray[np.uint8]
    scale: float


@dataclass
class VideoSource:
    """A video whose frames are known and not yet decoded.

    Attributes:
        path: The file.
        pts: Presentation times of all frames, in `time_base`, ascending.
        keys: Positions in `pts` at which decoding can start, ascending.
        time_base: Seconds per unit of `pts`.
        size: (width, height) upright, with square pixels.
        rotation: Degrees counter-clockwise that a decoded frame has to be turned.
        aspect: Width of a stored pixel by its height.
        counted: Whether the file carries no times, so that frames are counted from the beginning.
        notes: What is unusual about it.
    """

    path: Path
    pts: list[int]
    keys: list[int]
    time_base: float
    size: tuple[int, int]
    rotation: int = 0
    aspect: float = 1.0
    counted: bool = False
    notes: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        """Number of frames."""
        return len(self.pts)

    @property
    def times(self) -> npt.NDArray[np.float64]:
        """Seconds from the first frame, of every frame."""
        pts = np.asarray(self.pts, dtype=np.float64)
        times: npt.NDArray[np.float64] = (pts - pts[0]) * self.time_base
        return times

    @property
    def duration(self) -> float:
        """Seconds from the first frame to the last."""
        return float(self.pts[-1] - self.pts[0]) * self.time_base

    @property
    def rate(self) -> float | None:
        """Mean frames per second, or None for a single frame."""
        return (self.count - 1) / self.duration if self.duration > 0 else None

    @property
    def constant_rate(self) -> bool:
        """Whether the frames come at equal intervals."""
        steps = np.diff(self.times)
        return steps.size == 0 or float(np.ptp(steps)) <= 0.1 * float(np.median(steps)) + 2e-3

    def pick(
        self,
        *,
        count: int | None = None,
        fps: float | None = None,
        times: Sequence[float] | None = None,
        indices: Sequence[int] | None = None,
        start: float | None = None,
        stop: float | None = None,
    ) -> list[int]:
        """Numbers of the frames to take, ascending and each once.

        Args:
            count: So many evenly spaced in time, first and last included.
            fps: So many per second of video.
            times: The frames on screen at these seconds.
            indices: These frames; negative ones count from the end.
            start: Nothing before this second (with `count` or `fps`).
            stop: Nothing after this second (with `count` or `fps`).

        Raises:
            MediaError: A time or number is outside the video, or nothing is asked for.
        """
        if indices is not None:
            return self._by_index(indices)
        if times is not None:
            return self._by_time(times)
        begin, end = self._window(start, stop)
        if fps is not None:
            if not (math.isfinite(fps) and fps > 0):
                raise MediaError(f"fps is {fps:g}", hint="Give frames per second above 0.")
            if (end - begin) * fps > 10 * self.count:
                fps = 10 * self.count / max(end - begin, _SAME_TIME)
            wanted = begin + np.arange(math.floor((end - begin) * fps + _SAME_TIME) + 1) / fps
        else:
            wanted = np.linspace(begin, end, max(1, count or 1))
        shown = self.times
        near = np.searchsorted(shown, wanted + _SAME_TIME, side="right") - 1
        after = np.minimum(near + 1, self.count - 1)
        near = np.maximum(near, 0)
        if fps is None:
            near = np.where(shown[after] - wanted < wanted - shown[near], after, near)
        return sorted({int(i) for i in near})

    def _window(self, start: float | None, stop: float | None) -> tuple[float, float]:
        begin = 0.0 if start is None else float(start)
        end = self.duration if stop is None else min(float(stop), self.duration)
        if not (math.isfinite(begin) and math.isfinite(end)) or begin < 0 or begin > end:
            raise MediaError(
                f"{self.path.name}: from {begin:g} s to {end:g} s is no part of the video",
                hint=f"It lasts from 0 to {self.duration:.2f} s.",
            )
        return begin, end

    def _by_index(self, indices: Sequence[int]) -> list[int]:
        wanted = set()
        for index in indices:
            number = int(index) + (self.count if index < 0 else 0)
            if not 0 <= number < self.count:
                raise MediaError(
                    f"{self.path.name}: there is no frame {index}",
                    hint=f"It has frames 0 to {self.count - 1}.",
                )
            wanted.add(number)
        return sorted(wanted)

    def _by_time(self, times: Sequence[float]) -> list[int]:
        shown = self.times
        # The last frame stays on screen for one more interval.
        end = self.duration + (1 / self.rate if self.rate else 1.0)
        wanted = set()
        for time in times:
            if not 0 <= time <= end + _SAME_TIME:
                raise MediaError(
                    f"{self.path.name}: there is no frame at {time:g} s",
                    hint=f"It lasts from 0 to {self.duration:.2f} s.",
                )
            at = int(np.searchsorted(shown, time + _SAME_TIME, side="right")) - 1
            wanted.add(max(at, 0))
        return sorted(wanted)

    def decode(
        self, indices: Sequence[int], *, max_pixels: int = MAX_VIDEO_PIXELS
    ) -> Iterator[VideoFrame]:
        """Decodes frames in ascending order; those that cannot be decoded are left out.

        Args:
            indices: Numbers of the frames, ascending.
            max_pixels: Larger frames are made smaller.

        Yields:
            One `VideoFrame` at a time.
        """
        left = sorted(set(indices))
        if not left:
            return
        with opened(self.path) as (container, stream):
            while left and not self.counted:
                key, group = self._group(left)
                found = False
                for frame in self._decode_group(container, stream, key, group, max_pixels):
                    found = True
                    yield frame
                if not found and not self._reaches(container, stream, key):
                    break
                left = left[len(group) :]
        if left:
            # Seeking does not work in this file: from the beginning, once.
            yield from self._decode_all(left, max_pixels)

    def trim(self) -> None:
        """Forgets the frames at the end that cannot be decoded, so that "the last frame" exists.

        Raises:
            MediaError: No frame can be decoded.
        """
        listed = self.count
        for key in reversed(self.keys):
            good = [f.index for f in self.decode(range(key, self.count), max_pixels=64)]
            if good:
                del self.pts[good[-1] + 1 :]
                break
            del self.pts[key:]
        if not self.pts:
            raise undecodable(self.path)
        self.keys = [key for key in self.keys if key < self.count]
        if listed > self.count:
            self.notes.append(
                f"{self.path.name}: the last {listed - self.count} of {listed} frames cannot be "
                f"decoded; the video is used up to {self.duration:.2f} s"
            )

    def _group(self, indices: list[int]) -> tuple[int, list[int]]:
        """The keyframe that the first of these frames is decoded from, and all that share it."""
        at = max(bisect.bisect_right(self.keys, indices[0]) - 1, 0)
        end = self.keys[at + 1] if at + 1 < len(self.keys) else self.count
        key = min(self.keys[at], indices[0])
        return key, [index for index in indices if index < max(end, indices[0] + 1)]

    def _starts(self, key: int) -> list[int]:
        """Frames to seek to, to reach a keyframe: itself, then ever further ahead of it."""
        at = max(bisect.bisect_right(self.keys, key) - 1, 0)
        return list(dict.fromkeys([key, *(self.keys[max(at - back, 0)] for back in (1, 2, 5))]))

    def _reaches(self, container: Any, stream: Any, key: int) -> bool:
        """Whether decoding can be started at or before a keyframe (else seeking fails here)."""
        for start in self._starts(key):
            frame = next(frames_from(container, stream, self.pts[start]), None)
            if frame is not None and frame.pts is not None and frame.pts <= self.pts[key]:
                return True
        return False

    def _decode_group(
        self, container: Any, stream: Any, key: int, wanted: list[int], max_pixels: int
    ) -> Iterator[VideoFrame]:
        left = {self.pts[index]: index for index in wanted}
        for start in self._starts(key):
            first = True
            for frame in frames_from(container, stream, self.pts[start]):
                if frame.pts is None:
                    continue
                if first and frame.pts > self.pts[key]:
                    break  # The seek went too far: once more, from further ahead.
                first = False
                if frame.pts in left:
                    index = left.pop(frame.pts)
                    image, scale = self._upright(frame, max_pixels)
                    yield VideoFrame(index, float(self.times[index]), image, scale)
                if not left or frame.pts >= self.pts[wanted[-1]]:
                    break
            if not first:
                return

    def _decode_all(self, wanted: list[int], max_pixels: int) -> Iterator[VideoFrame]:
        """Frames by decoding from the beginning, in streams that cannot be sought."""
        left = set(wanted)
        places = {} if self.counted else {time: index for index, time in enumerate(self.pts)}
        with opened(self.path) as (container, stream):
            for number, frame in enumerate(decoded(container, stream)):
                index = number if self.counted else places.get(frame.pts, -1)
                if index in left:
                    left.discard(index)
                    image, scale = self._upright(frame, max_pixels)
                    yield VideoFrame(index, float(self.times[index]), image, scale)
                if not left:
                    return

    def _upright(self, frame: Any, max_pixels: int) -> tuple[npt.NDArray[np.uint8], float]:
        turned = self.rotation % 180 == 90
        upright = fit(*self.size, max_pixels)
        width, height = (upright[1], upright[0]) if turned else upright
        small = width * height < 0.9 * frame.width * frame.height
        image = frame.to_ndarray(
            format="rgb24",
            width=width,
            height=height,
            interpolation="AREA" if small else "BICUBIC",
        )
        if self.rotation:
            image = np.rot90(image, self.rotation // 90)
        return np.ascontiguousarray(image), upright[0] / self.size[0]


def open_video(path: Path) -> VideoSource:
    """Lists the frames of a video without decoding them.

    Args:
        path: Anything that FFmpeg reads.

    Raises:
        MediaError: No video, or no frame of it can be decoded.
    """
    require_file(path)
    with opened(path) as (container, stream):
        pts, keys, broken = list_packets(container, stream)
        time_base = float(stream.time_base or 1 / 1_000_000)
        notes = []
        if broken:
            notes.append(f"{path.name}: the file ends in damaged data; what comes before is used")
    counted = not pts
    with opened(path) as (container, stream):
        pictures = decoded(container, stream)
        first = next(pictures, None)
        if first is None:
            raise undecodable(path)
        if counted:
            rate = stream.guessed_rate or stream.average_rate or 25
            time_base = float(1 / rate)
            pts, keys = list(range(1 + sum(1 for _ in pictures))), [0]
            notes.append(
                f"{path.name}: carries no times; {float(rate):g} frames per second are assumed"
            )
        rotation = round(float(first.rotation or 0) / 90) * 90 % 360
        sar = stream.sample_aspect_ratio or _codec_aspect(stream)
        aspect = float(sar) if sar else 1.0
        width, height = first.width, first.height
    if not 0.1 < aspect < 10:
        aspect = 1.0
    square = (max(1, round(width * aspect)), height)
    size = (square[1], square[0]) if rotation % 180 == 90 else square
    source = VideoSource(path, pts, keys or [0], time_base, size, rotation, aspect, counted, notes)
    if rotation:
        notes.append(
            f"{path.name}: turned upright by {360 - rotation} degrees clockwise, as it says"
        )
    if aspect != 1.0:
        notes.append(f"{path.name}: its pixels are {aspect:.3g} times as wide as high; made square")
    if not source.constant_rate:
        notes.append(f"{path.name}: the frame rate varies; use frame.time, not the frame's number")
    return source


def _codec_aspect(stream: Any) -> Any:
    """Aspect of a pixel as the codec says, where the container says nothing."""
    return getattr(stream.codec_context, "sample_aspect_ratio", None)
