"""Every error a user of the engine can meet.

::

    SpatialclawError                 exit status
    ├── UsageError                   2  bad arguments or bad input
    │   ├── ConfigError              2  a setting is unknown or malformed
    │   └── MediaError               2  a picture, video or capture cannot be used
    ├── RunError                     2  a run folder cannot be read or written
    ├── ConfinementError             2  the confinement asked for cannot be had here
    ├── BackendError                 3  the model's server
    │   ├── BackendUnreachable       3  no connection, or it went away
    │   ├── BackendRejected          3  it answers, and refuses (key, model, request)
    │   └── BackendReplyError        3  it answers, and what it says is no reply
    ├── PerceptionError              3  the perception service
    └── KernelError                  1
        ├── KernelStartError         1
        └── KernelDied               1  carries the signal or exit code
    BudgetExceeded                   1  which of steps, seconds, tokens or cost, value, cap

A message is one line: what happened, with which value, and what to do.
"""

from __future__ import annotations

from typing import ClassVar, Literal

__all__ = [
    "BackendError",
    "BackendRejected",
    "BackendReplyError",
    "BackendUnreachable",
    "BudgetExceeded",
    "ConfigError",
    "ConfinementError",
    "KernelDied",
    "KernelError",
    "KernelStartError",
    "MediaError",
    "PerceptionError",
    "RunError",
    "SpatialclawError",
    "UsageError",
]


class SpatialclawError(Exception):
    """Base of all errors of the engine.

    Args:
        message: One line: what happened, with which value.
        hint: What to do about it; printed after the message.
    """

    exit_status: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        if not self.hint:
            return self.message
        return f"{self.message.rstrip('.')}. {self.hint}"


class UsageError(SpatialclawError):
    """Bad arguments or bad input."""

    exit_status = 2


class ConfigError(UsageError):
    """A setting is unknown or malformed."""


class MediaError(UsageError):
    """A picture, video or capture cannot be used."""


class RunError(SpatialclawError):
    """A run folder cannot be read or written."""

    exit_status = 2


class ConfinementError(SpatialclawError):
    """The confinement asked for cannot be had here."""

    exit_status = 2


class BackendError(SpatialclawError):
    """The model's server failed us."""

    exit_status = 3


class BackendUnreachable(BackendError):
    """No connection to the server, or it went away."""


class BackendRejected(BackendError):
    """The server answers and refuses: wrong key, unknown model, bad request."""


class BackendReplyError(BackendError):
    """The server answers, and what it says is no reply."""


class PerceptionError(SpatialclawError):
    """The perception service failed us."""

    exit_status = 3


class KernelError(SpatialclawError):
    """The kernel failed us."""


class KernelStartError(KernelError):
    """No kernel could be started."""


class KernelDied(KernelError):
    """The kernel's process ended.

    Args:
        message: One line for the user and the model.
        signal: The signal's number when one killed it.
        exit_code: The exit code otherwise.
        hint: What to do about it.
    """

    def __init__(
        self,
        message: str,
        *,
        signal: int | None = None,
        exit_code: int | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.signal = signal
        self.exit_code = exit_code


class BudgetExceeded(SpatialclawError):
    """A cap was reached.

    Args:
        kind: Which cap.
        value: What was used.
        cap: What was allowed.
    """

    def __init__(
        self, kind: Literal["steps", "seconds", "tokens", "cost"], value: float, cap: float
    ) -> None:
        super().__init__(f"the budget of {kind} is used up ({value:g} of {cap:g})")
        self.kind = kind
        self.value = value
        self.cap = cap
