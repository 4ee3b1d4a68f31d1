"""stdout and stderr of a cell, with a limit on what leaves the process."""

from __future__ import annotations

from typing import Any

from ipykernel.iostream import OutStream

__all__ = ["CappedStream"]

HEAD = 1_000_000
TAIL = 100_000


class CappedStream(OutStream):  # type: ignore[misc]
    """Publishes the first megabyte of a cell and the last 100 kB; counts what it drops."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._sent = 0
        self._fresh = False
        self._tail: list[str] = []
        self._tail_size = 0
        self.dropped = 0

    def write(self, string: str) -> Any:
        """Writes, up to the limit."""
        if not isinstance(string, str):
            raise TypeError(f"write() argument must be str, not {type(string).__name__}")
        self._fresh = True
        size = len(string)
        room = HEAD - self._sent
        if room >= size:
            self._sent += size
            return super().write(string)
        if room > 0:
            self._sent = HEAD
            super().write(string[:room])
        self._keep(string[max(room, 0) :])
        return size

    def flush(self) -> None:
        """Sends what is buffered; costs nothing when nothing was written since the last cell."""
        if self._fresh:
            self._fresh = False
            super().flush()

    def close(self) -> None:
        """Does not close: what a cell closes, the next one needs."""
        self.flush()

    def _keep(self, rest: str) -> None:
        if len(rest) > TAIL:
            self.dropped += self._tail_size + len(rest) - TAIL
            self._tail, self._tail_size = [rest[-TAIL:]], TAIL
            return
        self._tail.append(rest)
        self._tail_size += len(rest)
        if self._tail_size > 2 * TAIL:
            text = "".join(self._tail)
            self.dropped += len(text) - TAIL
            self._tail, self._tail_size = [text[-TAIL:]], TAIL

    def end_of_cell(self) -> int:
        """Publishes the tail, starts afresh and returns the number of characters dropped."""
        text = "".join(self._tail)
        self.dropped += max(0, len(text) - TAIL)
        dropped, text = self.dropped, text[-TAIL:]
        self._sent, self._tail, self._tail_size, self.dropped = 0, [], 0, 0
        if text:
            self._fresh = True
            if dropped:
                super().write(f"\n[... {dropped} characters left out ...]\n")
            super().write(text)
        return dropped
