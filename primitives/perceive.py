"""Asking a model of the perception service from a cell, through the host."""

from __future__ import annotations

import hashlib
import mmap
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from spatialclaw.primitives import context, runtime
from spatialclaw.primitives.errors import PrimitiveError, TooMuch, Unavailable
from spatialclaw.primitives.frames import Frame, Frames

__all__ = ["ModelOutput", "ask_model", "model_for"]

MAX_IMAGE = 24_000_000
"""Bytes of a picture of the cell's own that can be sent (8 megapixels)."""
_OFFER_SECONDS = 20.0

_offers: dict[str, tuple[float, str | None, str]] = {}
_sent: set[str] = set()


@dataclass(frozen=True)
class ModelOutput:
    """What a model answered; see `spatialclaw.perception.adapter.Output` for the arrays by method.

    Attributes:
        arrays: By name, in pixels of the pictures that were given; read-only where shared.
        meta: What it said beside.
        model: Its name.
        cached: Whether it was known from before.
        seconds: What the call took on the host.
        rounding: Largest relative change, by name, of arrays kept in half precision.
        notes: What happened that matters, one line each.
    """

    arrays: dict[str, npt.NDArray[Any]]
    meta: dict[str, Any]
    model: str
    cached: bool = False
    seconds: float = 0.0
    rounding: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def model_for(method: str) -> tuple[str | None, str]:
    """Which model would answer, and what brings one where there is none.

    Starts nothing, and asks the host at most every 20 seconds.

    Args:
        method: Such as "depth".

    Returns:
        The model's name or None, and the command that brings one ("" where there is one).
    """
    now = time.monotonic()
    known = _offers.get(method)
    if known is None or now - known[0] > _OFFER_SECONDS:
        try:
            said = runtime.client().call("perception.offer", task=method, timeout=30.0)
            known = (now, said["model"], str(said["command"]))
        except Unavailable as error:
            known = (now, None, error.hint or error.message)
        _offers[method] = known
    return known[1], known[2]


def ask_model(
    method: str,
    frames_or_images: Any,
    *,
    timeout: float = 120.0,
    model: str | None = None,
    fresh: bool = False,
    **params: Any,
) -> ModelOutput:
    """One call to a model of the perception service.

    Frames of the run are not sent: the host has them. Other pictures are sent once.

    Args:
        method: "depth", "segment", "segment_text", "automatic", "detect", "track", "track_text",
            "reconstruct", "point" or "read_text".
        frames_or_images: A frame, an (H, W, 3) uint8 RGB picture, or a sequence of these.
        timeout: Seconds to wait, loading of the model included.
        model: A model by name, else the best that is here.
        fresh: Compute it even if it is known.
        **params: What the model takes; arrays go as arrays, None is left out.

    Raises:
        Unavailable: No model here; says the command that brings one.
        TooMuch: Out of memory, too many calls at once, or the run's quota is used up.
        TimedOut: No answer in time.
        PrimitiveError: The model refused; says why.
    """
    things = _as_list(frames_or_images)
    own: dict[str, npt.NDArray[np.uint8]] = {}
    pictures = [_reference(thing, own) for thing in things]
    arrays = {name: _array(value) for name, value in params.items() if _is_array(value)}
    plain = {
        name: _plain(value)
        for name, value in params.items()
        if value is not None and not _is_array(value)
    }
    request = {
        "task": method,
        "pictures": pictures,
        "params": plain,
        "arrays": arrays,
        "model": model,
        "seconds": float(timeout),
        "fresh": fresh,
    }
    client = runtime.client()
    for attempt in (0, 1):
        _send(client, own, again=attempt > 0)
        info, fds = client.call_with_files("perception.call", timeout=timeout + 15, **request)
        if not info.get("missing"):
            break
    else:
        raise Unavailable("the host does not keep the pictures that it was sent")
    return _output(info, fds)


def _as_list(things: Any) -> list[Any]:
    if isinstance(things, Frames | list | tuple):
        return list(things)
    if isinstance(things, np.ndarray) and things.ndim == 4:
        return list(things)
    return [things]


def _reference(thing: Any, own: dict[str, npt.NDArray[np.uint8]]) -> dict[str, Any]:
    """How the host finds a picture; pictures that it does not have are added to `own`."""
    if isinstance(thing, Frame):
        for sequence, frames in enumerate(context.sequences()):
            for position, frame in enumerate(frames):
                if frame.same_picture(thing):
                    return {"sequence": sequence, "position": position}
        thing = thing.image
    image: npt.NDArray[Any] = np.asarray(thing)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise TypeError(f"a picture is (H, W, 3) uint8 RGB, this is {image.shape} {image.dtype}")
    if image.nbytes > MAX_IMAGE:
        raise TooMuch(
            f"a picture of {image.shape[1]}x{image.shape[0]} is too large to send",
            hint=f"one of at most {MAX_IMAGE // 3_000_000} megapixels (cv2.resize)",
        )
    image = np.ascontiguousarray(image)
    digest = hashlib.sha256(b"%dx%dx3\n" % image.shape[:2])
    digest.update(image.data)
    own[digest.hexdigest()] = image
    return {"sha256": digest.hexdigest(), "height": image.shape[0], "width": image.shape[1]}


def _send(client: Any, own: dict[str, npt.NDArray[np.uint8]], *, again: bool) -> None:
    for name, image in own.items():
        if again or name not in _sent:
            height, width = image.shape[:2]
            client.call("perception.put", height=height, width=width, data=image.tobytes())
            _sent.add(name)


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.size > 64


def _array(value: npt.NDArray[Any]) -> dict[str, Any]:
    array = np.ascontiguousarray(value)
    if array.dtype == np.float16:
        array = array.astype(np.float32)
    return {"dtype": array.dtype.name, "shape": list(array.shape), "data": array.tobytes()}


def _plain(value: Any) -> Any:
    """Arrays and numbers of numpy as lists and plain numbers, at any depth."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_plain(item) for item in value]
    return value


def _output(info: dict[str, Any], fds: list[int]) -> ModelOutput:
    from spatialclaw.perception.packed import unpack

    if not fds:
        raise PrimitiveError("the host answered without a result")
    try:
        size = os.fstat(fds[0]).st_size
        view = mmap.mmap(fds[0], size, mmap.MAP_SHARED, mmap.PROT_READ)
    finally:
        for fd in fds:
            os.close(fd)
    found = unpack(view)
    return ModelOutput(
        found.arrays,
        found.meta,
        found.model,
        cached=bool(info.get("cached")),
        seconds=float(info.get("seconds", 0.0)),
        rounding=found.rounding,
        notes=tuple(str(note) for note in info.get("notes", ())),
    )
