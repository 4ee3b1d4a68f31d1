"""A run while it goes on: new events as they are written, ready to be put into the page."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from spatialclaw.traces.html.story import Entry, Story, add_event

__all__ = ["follow", "tail"]

_POLL = 0.25
_BEAT = 15.0
_LONGEST_LINE = 32_000_000

Render = Callable[[Story, Entry], str]
RenderEnd = Callable[[Story], str]


class _Tail:
    """Whole lines of a growing file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._rest = b""

    def lines(self) -> list[bytes]:
        """The lines that were completed since the last call."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:  # not there yet, or not a file of the run
            return []
        with os.fdopen(descriptor, "rb") as file:
            file.seek(self._offset)
            data = file.read(_LONGEST_LINE)
        self._offset += len(data)
        *whole, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _LONGEST_LINE:
            self._rest = b""  # no event of ours is that long
        return whole


def tail(path: Path) -> Callable[[], list[dict[str, Any]]]:
    """A function that gives the events written since it was last called."""
    lines = _Tail(path)

    def events() -> list[dict[str, Any]]:
        found = []
        for line in lines.lines():
            try:
                event = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(event, dict):
                found.append(event)
        return found

    return events


async def follow(
    path: Path,
    seen: int,
    *,
    entry: Render,
    end: RenderEnd,
    gone: Callable[[], Awaitable[bool]],
    patience: float = 1800.0,
) -> AsyncIterator[str]:
    """Server-sent events about a run: "entry" for each new or changed entry, "end" with its answer.

    Args:
        path: events.jsonl.
        seen: Number of the last event that the page has.
        entry: Makes HTML of an entry.
        end: Makes HTML of the answer.
        gone: Whether the reader went away.
        patience: Seconds without any event after which it ends.
    """
    events, story = tail(path), Story()
    heard = beat = time.monotonic()
    while not await gone():
        for event in await asyncio.to_thread(events):
            heard = time.monotonic()
            made = add_event(story, event)
            number = event.get("seq")
            if not isinstance(number, int) or number <= seen:
                continue
            if made is not None:
                yield _message("entry", {"seq": made.seq, "html": entry(story, made)}, number)
            if event.get("kind") == "answer":
                yield _message("end", {"html": end(story)}, number)
                return
        now = time.monotonic()
        if now - heard > patience:
            return
        if now - beat > _BEAT:
            beat = now
            yield ": still here\n\n"
        await asyncio.sleep(_POLL)


def _message(kind: str, data: dict[str, Any], number: int) -> str:
    return f"event: {kind}\nid: {number}\ndata: {json.dumps(data)}\n\n"
