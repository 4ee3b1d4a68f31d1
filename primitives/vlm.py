"""`locate` and `look`: ask the VLM about pictures, in a conversation of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from spatialclaw.primitives import gateway
from spatialclaw.primitives.errors import NothingFound
from spatialclaw.primitives.frames import Frame, Frames
from spatialclaw.primitives.results import Mask, Masks
from spatialclaw.primitives.show import Picture, encode, picture

__all__ = ["locate", "look"]

MAX_EDGE = 1280
MAX_PICTURES = 12


def locate(frame: Any, what: str) -> Any:
    """Ask the VLM for the pixel of something.

    Args:
        frame: A frame, or an (H, W, 3) image.
        what: What to find, as one would say it: "the handle of the left mug".

    Returns:
        (N, 2) `Points` in "pixel i": one row (x, y) for each thing that fits, best first.

    Raises:
        NothingFound: The VLM sees no such thing.
        Unavailable: No VLM in this run.

    Example:
        >>> locate(frames[0], "the red mug")[0]
        Points in pixel 0: [412. 288.]
    """
    if not isinstance(what, str) or not what.strip():
        raise ValueError("locate: say what to find")
    shown = _as_picture(frame)
    sent, factor = _fit(shown)
    reply = gateway.call("vlm.locate", image=sent, what=what)
    found = np.asarray(
        [[p["x"], p["y"]] for p in reply.get("points", [])], dtype=np.float64
    ).reshape(-1, 2)
    if not len(found):
        note = str(reply.get("note") or "the VLM sees none")
        raise NothingFound(f"{what!r} is not in the picture: {note}", hint=f"look(frame, {what!r})")
    height, width = shown.pixels.shape[:2]
    pixels = (found + 0.5) / factor - 0.5
    pixels = pixels.clip([0, 0], [width - 1, height - 1])
    from spatialclaw.primitives.geometry import points as make
    from spatialclaw.primitives.geometry.points import pixel_ref

    return make(pixels, pixel_ref(frame) if isinstance(frame, Frame) else "pixel 0")


def look(images: Any, question: str) -> str:
    """Ask the VLM what it sees, without what was said so far.

    Args:
        images: A frame, an image, or a list of them (12 at most).
        question: The question.

    Returns:
        Its answer. It is an opinion: check it by measuring where you can.

    Raises:
        Unavailable: No VLM in this run.

    Example:
        >>> look([frames[0], frames[-1]], "Which of the two shows the door open?")
        'The second.'
    """
    if isinstance(images, str) and not isinstance(question, str):
        images, question = question, images
    things: Sequence[Any] = (
        list(images)
        if isinstance(images, list | tuple | Frames) and not isinstance(images, Masks)
        else [images]
    )
    if len(things) > MAX_PICTURES:
        raise ValueError(f"look: {len(things)} pictures; {MAX_PICTURES} at most")
    sent = [_fit(_as_picture(thing))[0] for thing in things]
    reply = gateway.call("vlm.look", images=sent, question=question)
    return str(reply["text"])


def _as_picture(thing: Any) -> Picture:
    shown = picture(thing)
    if shown is None:
        raise TypeError(f"a {type(thing).__name__} is no picture; give frames[i] or an image")
    if isinstance(thing, Mask | Masks):
        shown.sharp = False
    return shown


def _fit(shown: Picture) -> tuple[dict[str, Any], float]:
    """What is sent, and its pixels per pixel of the picture."""
    pixels = shown.pixels
    height, width = pixels.shape[:2]
    factor = min(1.0, MAX_EDGE / max(height, width))
    if factor < 1.0:
        import cv2

        size = (max(1, round(width * factor)), max(1, round(height * factor)))
        pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    data, media_type = encode(pixels, sharp=shown.sharp)
    picture_sent = {
        "data": data,
        "media_type": media_type,
        "width": int(pixels.shape[1]),
        "height": int(pixels.shape[0]),
        "title": shown.title[:200],
    }
    return picture_sent, factor
