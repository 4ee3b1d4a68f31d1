"""Which frames a run is about: a result's `frame` (a position) leads back to its `Frame`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from spatialclaw.primitives.errors import Unavailable
from spatialclaw.primitives.frames import Frame, Frames

__all__ = ["all_frames", "frame_from_ref", "frame_of", "sequences", "use_sequences"]

_sequences: list[Frames] = []


def use_sequences(sequences: Sequence[Frames]) -> None:
    """Sets the sequences of this process; the builder of the cell namespace calls it once.

    Args:
        sequences: ``[frames]``, or ``videos`` when there are several.
    """
    _sequences[:] = list(sequences)


def sequences() -> list[Frames]:
    """The sequences of this process, in the order in which the host has them."""
    return list(_sequences)


def all_frames() -> list[Frame]:
    """The frames of all sequences of this process."""
    return [frame for sequence in _sequences for frame in sequence]


def frame_of(thing: Any, frame: Frame | int | None = None) -> Frame:
    """The `Frame` that a result belongs to.

    Args:
        thing: A `Frame`, a result with `source` (a Frame) or `frame` (a position), or None.
        frame: The frame, or its position, when the caller says it.

    Raises:
        Unavailable: Nothing says which frame it is.
    """
    if isinstance(frame, Frame):
        return frame
    if isinstance(thing, Frame):
        return thing
    source = getattr(thing, "source", None)
    if frame is None and isinstance(source, Frame):
        return source
    position = frame if frame is not None else getattr(thing, "frame", None)
    if isinstance(position, Frame):
        return position
    if position is None:
        raise Unavailable(
            f"which frame does this {type(thing).__name__} belong to?",
            hint="the argument frame=frames[0]",
        )
    siblings = getattr(source, "siblings", None)
    sequence = siblings if siblings is not None else (_sequences[0] if _sequences else None)
    if sequence is None:
        raise Unavailable(
            f"frame {position} is not known here", hint=f"the argument frame=frames[{position}]"
        )
    for candidate in sequence:
        if candidate.position == position:
            return candidate
    raise Unavailable(
        f"there is no frame {position} among {len(sequence)} frames", hint="frame=frames[0]"
    )


def frame_from_ref(ref: str) -> Frame | None:
    """The frame that "camera 3" or "pixel 1:3" speaks of, or None when it is not known here."""
    kind, _, number = ref.partition(" ")
    if kind not in ("camera", "pixel") or not number:
        return None
    head, _, tail = number.rpartition(":")
    sequence, position = int(head or 0), int(tail)
    if sequence >= len(_sequences):
        return None
    return next((frame for frame in _sequences[sequence] if frame.position == position), None)
