"""Errors of the primitives: what went wrong, and the next thing to try.

::

    PrimitiveError
    ├── FrameOfReferenceError   coordinates of different frames were mixed
    ├── ScaleUnknown            metres were asked for and nothing gives the scale
    ├── NothingFound            the thing is not in the picture, as far as the method can tell
    ├── Ambiguous               several things fit; carries the candidates
    ├── Unavailable             no method for this here (weights, depth, intrinsics or VLM missing)
    ├── TooMuch                 out of memory, over a quota or too many items
    └── TimedOut                the call took longer than allowed
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = [
    "Ambiguous",
    "FrameOfReferenceError",
    "NothingFound",
    "PrimitiveError",
    "ScaleUnknown",
    "TimedOut",
    "TooMuch",
    "Unavailable",
]


class PrimitiveError(Exception):
    """Base of the errors of the primitives.

    Args:
        message: What happened, with which value.
        hint: The next thing to try, as an expression where possible.
    """

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message if not hint else f"{message.rstrip('.')}. Try: {hint}")
        self.message = message
        self.hint = hint


class FrameOfReferenceError(PrimitiveError, ValueError):
    """Coordinates of different frames of reference were mixed."""


class ScaleUnknown(PrimitiveError):
    """Metres were asked for and nothing gives the scale."""


class NothingFound(PrimitiveError):
    """The thing is not in the picture, as far as the method can tell."""


class Ambiguous(PrimitiveError):
    """Several things fit.

    Args:
        message: What happened.
        candidates: What fits, as printable things.
        hint: The next thing to try.
    """

    def __init__(
        self, message: str, *, candidates: Sequence[Any] = (), hint: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.candidates = list(candidates)


class Unavailable(PrimitiveError):
    """No method for this is available here."""


class TooMuch(PrimitiveError):
    """Out of memory, over a quota or too many items."""


class TimedOut(PrimitiveError):
    """The call took longer than allowed."""
