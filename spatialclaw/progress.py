"""How far long work is: a bar with the time left on a terminal and in a notebook, quiet in pipes.

>>> with task("decoding", total=2, unit="frames") as advance:
...     advance(1)
...     advance(1)
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

__all__ = ["State", "shown_by", "task"]

DELAY = 0.4
"""Seconds before anything is shown: short work shows nothing."""
_EVERY = 0.1
_WIDTH = 24


@dataclass
class State:
    """How far one piece of work is.

    Attributes:
        what: In a few words.
        total: How much there is, or None when nobody knows.
        unit: Of what; "B" is shown as megabytes.
        done: How much is done.
        before: How much was done when it began (a download that goes on).
        started: `time.monotonic()` of its begin.
    """

    what: str
    total: float | None = None
    unit: str = ""
    done: float = 0.0
    before: float = 0.0
    started: float = field(default_factory=time.monotonic)

    @property
    def left(self) -> float | None:
        """Seconds left at the pace so far; None while that cannot be told."""
        seconds, gained = time.monotonic() - self.started, self.done - self.before
        if self.total is None or gained <= 0:
            return None
        return max(0.0, (self.total - self.done) * seconds / gained)

    @property
    def line(self) -> str:
        """One line: what, a bar, how much, how long it still takes."""
        if self.total is None or self.total <= 0:
            return f"{self.what}: {self._amount(self.done)}"
        part = min(1.0, self.done / self.total)
        full = round(part * _WIDTH)
        left = self.left
        tail = "" if left is None else f", {_seconds(left)} left"
        return (
            f"{self.what} {'█' * full}{'░' * (_WIDTH - full)} "
            f"{self._number(self.done)}/{self._amount(self.total)}{tail}"
        )

    def _number(self, value: float) -> str:
        return f"{value / 1e6:.1f}" if self.unit == "B" else f"{value:g}"

    def _amount(self, value: float) -> str:
        return f"{self._number(value)} {'MB' if self.unit == 'B' else self.unit}".rstrip()


Show = Callable[[State | None], None]
"""Takes each state that is worth showing, and None at the end."""

_show: ContextVar[Show | None] = ContextVar("spatialclaw_progress", default=None)


@contextmanager
def shown_by(show: Show) -> Iterator[None]:
    """Lets `show` take the states of all work within, instead of terminal or notebook."""
    token = _show.set(show)
    try:
        yield
    finally:
        _show.reset(token)


@contextmanager
def task(
    what: str, *, total: float | None = None, unit: str = "", done: float = 0.0
) -> Iterator[Callable[[float], None]]:
    """Shows how far the work within is; yields what to call with each further amount.

    Args:
        what: In a few words.
        total: How much there is, None when unknown.
        unit: Of what, such as "frames"; "B" for bytes.
        done: How much of it is done already.
    """
    state = State(what, total, unit, done, done)
    show: Show | None = None
    at = state.started + DELAY

    def advance(amount: float = 1.0) -> None:
        nonlocal show, at
        state.done += amount
        now = time.monotonic()
        if now < at:
            return
        at = now + _EVERY
        show = show or _show.get() or _default()
        show(state)

    try:
        yield advance
    finally:
        if show is not None:
            show(None)


def _seconds(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _default() -> Show:
    from spatialclaw.primitives import rich, runtime

    if runtime.in_kernel():
        return _notebook() if rich.enabled() else _quiet
    return _terminal if sys.stderr is not None and sys.stderr.isatty() else _quiet


def _quiet(_state: State | None) -> None:
    """For pipes, and for the kernels where a model would read it."""


def _terminal(state: State | None) -> None:
    """One line that is overwritten, on stderr."""
    import shutil

    columns = shutil.get_terminal_size().columns
    text = "" if state is None else state.line[: columns - 1]
    sys.stderr.write(f"\r\x1b[2K{text}")
    sys.stderr.flush()


def _notebook() -> Show:
    from IPython.display import display

    handle = display({"text/plain": ""}, raw=True, display_id=True)

    def show(state: State | None) -> None:
        if handle is not None:
            handle.update({"text/plain": state.line if state else ""}, raw=True)

    return show
