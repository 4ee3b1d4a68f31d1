"""Tries whether media can be shown, before anything is asked about them."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path

from spatialclaw.evaluation.rows import Medium

__all__ = ["broken_media", "fault"]


def fault(medium: Medium) -> str:
    """Why a medium cannot be shown, one line; "" for one that can.

    Of a picture all is decoded, of a video its first frame (of the clip, where one is named).
    """
    try:
        if medium.kind == "video":
            return _video(medium)
        if medium.kind in ("image", "mask", "depth"):
            return _picture(medium.path)
    except OSError as error:
        return " ".join(str(error).split())
    return "" if medium.path.exists() else "missing"


def _picture(path: Path) -> str:
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(path) as picture:
                picture.load()
        except (ValueError, SyntaxError, Image.DecompressionBombError) as error:
            return f"no picture: {error}"
    return ""


def _video(medium: Medium) -> str:
    import av

    try:
        with av.open(str(medium.path)) as container:
            if not container.streams.video:
                return "no video in it"
            if medium.clip is not None and container.duration:
                length = container.duration / 1_000_000
                if medium.clip[0] >= length:
                    return f"the clip begins at {medium.clip[0]} s, the video lasts {length:.1f} s"
            if next(container.decode(video=0), None) is None:
                return "no frame can be decoded"
    except av.error.FFmpegError as error:
        return f"does not decode: {error}"
    return ""


def broken_media(media: Iterable[Medium]) -> dict[str, str]:
    """Path to reason, of the media that cannot be shown; each is tried once."""
    found: dict[str, str] = {}
    tried: set[Path] = set()
    for medium in media:
        if medium.path not in tried:
            tried.add(medium.path)
            reason = fault(medium)
            if reason:
                found[str(medium.path)] = reason
    return found
