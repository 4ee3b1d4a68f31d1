"""Reading a container with PyAV: its packets, and decoding from a place in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from spatialclaw.errors import MediaError
from spatialclaw.media.files import sniff

__all__ = ["decoded", "frames_from", "list_packets", "opened", "undecodable"]

#: Each thread of a decoder holds frames of its own: 12 MB each at 4K.
_THREADS = min(4, os.cpu_count() or 1)


def list_packets(container: Any, stream: Any) -> tuple[list[int], list[int], bool]:
    """Presentation times of all frames, the positions of keyframes, and whether reading broke."""
    from av.error import FFmpegError

    listed: list[tuple[int, bool]] = []
    broken = False
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            break
        except FFmpegError:
            broken = True
            break
        if packet.size == 0 or packet.is_discard:
            continue
        if packet.pts is None:
            return [], [], broken
        listed.append((packet.pts, bool(packet.is_keyframe)))
        broken = broken or bool(packet.is_corrupt)
    listed.sort()
    pts: list[int] = []
    keys: list[int] = []
    for time, key in listed:
        if pts and time == pts[-1]:
            continue
        if key:
            keys.append(len(pts))
        pts.append(time)
    return pts, keys, broken


def frames_from(container: Any, stream: Any, pts: int) -> Iterator[Any]:
    """Decoded frames from the keyframe at or before a time on, if the seek finds it."""
    from av.error import FFmpegError

    try:
        container.seek(pts, stream=stream, backward=True, any_frame=False)
    except FFmpegError:
        return
    yield from decoded(container, stream)


def decoded(container: Any, stream: Any) -> Iterator[Any]:
    """Decoded frames from where the container stands; damaged ones are left out."""
    from av.error import EOFError as EndOfFile
    from av.error import FFmpegError

    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
            frames = packet.decode()
        except (StopIteration, EndOfFile):
            return
        except FFmpegError:
            # A damaged packet: later ones may be whole. After a damaged container comes the end.
            continue
        for frame in frames:
            if not frame.is_corrupt:
                yield frame


@contextmanager
def opened(path: Path) -> Iterator[tuple[Any, Any]]:
    """A container and its first video stream.

    Raises:
        MediaError: It is no video that can be opened.
    """
    import av
    from av.error import FFmpegError

    try:
        container = av.open(str(path), metadata_errors="replace")
    except (FFmpegError, OSError, ValueError) as error:
        held = sniff(path)
        if held == "binary":
            raise MediaError(
                f"{path}: not a video that can be opened (its header or index is missing)",
                hint="If the download or copy was cut off, get it again.",
            ) from error
        raise MediaError(
            f"{path}: not a video (the file holds {held})", hint="Give an MP4, MOV, MKV or WebM."
        ) from error
    with container:
        if not container.streams.video:
            raise MediaError(f"{path}: holds no video stream", hint="Is it a sound recording?")
        stream = container.streams.video[0]
        if getattr(stream, "codec_context", None) is None:
            raise MediaError(
                f"{path}: no decoder for this kind of video", hint="Convert it to H.264 MP4."
            )
        stream.thread_type = "AUTO"
        stream.codec_context.thread_count = _THREADS
        yield container, stream


def undecodable(path: Path) -> MediaError:
    """The error for a video of which no frame can be decoded."""
    return MediaError(
        f"{path}: no frame of the video can be decoded",
        hint="If the download or copy was cut off, get it again; else convert it to H.264 MP4.",
    )
