"""`decode`: further frames of a video, at times or a rate of one's choice."""

from __future__ import annotations

from collections.abc import Sequence

from spatialclaw.primitives import runtime
from spatialclaw.primitives.errors import NothingFound
from spatialclaw.primitives.frames import Frames

__all__ = ["decode"]

MAX_AT_ONCE = 256


def decode(
    fps: float | None = None,
    *,
    times: Sequence[float] | None = None,
    indices: Sequence[int] | None = None,
    start: float | None = None,
    end: float | None = None,
    max_size: int | None = None,
    video: int = 0,
) -> Frames:
    """Further frames of a video than the few in `frames`.

    Args:
        fps: So many frames for each second, between `start` and `end`.
        times: The frames on screen at these seconds.
        indices: These frame numbers.
        start: Seconds; the beginning when None.
        end: Seconds; the end when None.
        max_size: Longest side in pixels; smaller is quicker.
        video: Which of the inputs.

    Returns:
        `Frames` of their own: positions count from 0 in them. At most 256 at once.

    Raises:
        NothingFound: There are no such frames.
        PrimitiveError: The input is no video, or too much is asked for.

    Example:
        >>> dense = decode(fps=5, start=10, end=20, max_size=640)
        >>> passages(dense)
    """
    reply, files = runtime.client().call_with_files(
        "media.decode",
        video=video,
        fps=fps,
        times=None if times is None else [float(t) for t in times],
        indices=None if indices is None else [int(i) for i in indices],
        start=start,
        end=end,
        max_size=max_size,
    )
    sequences = runtime.frames_of_host(reply["manifest"], files[0]) if files else []
    if not sequences or not len(sequences[0]):
        raise NothingFound("no such frames in the video", hint="frames[-1].time is its end")
    found: Frames = sequences[0]
    return found
