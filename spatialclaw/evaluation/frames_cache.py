"""Frames of questions' media: decoded once, though many questions show the same video."""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from spatialclaw.evaluation.rows import Row
from spatialclaw.evaluation.scratch import Scratch

if TYPE_CHECKING:
    from spatialclaw.media.loading import Media, VideoPart

__all__ = ["FramesCache", "frames_wanted"]

IDLE_BYTES = 1024**3
Plan = tuple[tuple[Path, ...], int, tuple[tuple[Path, "VideoPart"], ...]]


def frames_wanted(row: Row, frames: int | None) -> int:
    """Frames of each video of a question: as asked for, else the benchmark's usual number.

    A question that names frames ("frame 4 of 32") has the benchmark's number in any case: another
    one would change what it asks.
    """
    return row.sampling.n if frames is None or row.frame_refs else frames


def plan_of(row: Row, frames: int | None) -> Plan:
    """What has to be decoded for a question."""
    from spatialclaw.media.loading import VideoPart

    parts: dict[Path, VideoPart] = {}
    for medium in row.media:
        start, stop = medium.clip or (None, None)
        part = VideoPart(start, stop, medium.frame_indices, row.sampling.max_fps)
        if medium.kind == "video" and part != VideoPart():
            parts[medium.path] = part
    paths = tuple(dict.fromkeys(medium.path for medium in row.media))
    return paths, frames_wanted(row, frames), tuple(parts.items())


@dataclass
class _Entry:
    media: asyncio.Future[Media]
    folder: Path | None = None
    users: int = 0
    bytes: int = 0


class FramesCache:
    """Decodes media in threads and keeps the frames while a question uses them, and a while longer.

    Args:
        frames: Frames of each video; None for the benchmark's usual number.
        idle_bytes: Room for frames that no question uses at the moment.
    """

    def __init__(self, frames: int | None = None, *, idle_bytes: int = IDLE_BYTES) -> None:
        self._frames = frames
        self._idle_bytes = idle_bytes
        self._entries: OrderedDict[Plan, _Entry] = OrderedDict()
        self.decoded = 0
        self._scratch: Scratch | None = None
        self._making = threading.Lock()

    @asynccontextmanager
    async def media(self, row: Row) -> AsyncIterator[Media]:
        """The media of a question, with a working folder of this use alone.

        Raises:
            MediaError: They cannot be used.
        """
        plan = plan_of(row, self._frames)
        entry = self._entries.get(plan)
        if entry is None:
            entry = self._entries[plan] = _Entry(asyncio.ensure_future(self._decode(plan)))
        self._entries.move_to_end(plan)
        entry.users += 1
        try:
            shared = await asyncio.shield(entry.media)
            workdir = await asyncio.to_thread(self._folder)
            try:
                # Further frames that a cell asks for go into this question's folder and quota.
                yield replace(shared, workdir=workdir, notes=list(shared.notes), _further=0,
                              _further_bytes=0)  # fmt: skip
            finally:
                await asyncio.to_thread(shutil.rmtree, workdir, ignore_errors=True)
        finally:
            entry.users -= 1
            if entry.media.done() and (entry.media.cancelled() or entry.media.exception()):
                self._entries.pop(plan, None)
            await self._evict()

    async def aclose(self) -> None:
        """Removes all frames."""
        entries = list(self._entries.values())
        self._entries.clear()
        for entry in entries:
            entry.media.cancel()
        await asyncio.gather(*(e.media for e in entries), return_exceptions=True)
        if self._scratch is not None:
            await asyncio.to_thread(self._scratch.remove)
            self._scratch = None

    def _folder(self) -> Path:
        with self._making:
            if self._scratch is None:
                self._scratch = Scratch()
        return self._scratch.folder()

    async def _decode(self, plan: Plan) -> Media:
        from spatialclaw.media import load

        paths, frames, parts = plan
        folder = await asyncio.to_thread(self._folder)
        entry = self._entries[plan]
        entry.folder = folder
        try:
            media = await asyncio.to_thread(
                load, list(paths), frames=frames, workdir=folder / "frames", parts=dict(parts)
            )
            entry.bytes = await asyncio.to_thread(_size, folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        self.decoded += 1
        return media

    async def _evict(self) -> None:
        """Removes the frames used longest ago, until the idle ones fit into their room."""
        idle = [(plan, e) for plan, e in self._entries.items() if not e.users and e.media.done()]
        room = sum(entry.bytes for _, entry in idle)
        for plan, entry in idle:
            if room <= self._idle_bytes:
                break
            room -= entry.bytes
            self._entries.pop(plan, None)
            await self._drop(entry)

    @staticmethod
    async def _drop(entry: _Entry) -> None:
        if entry.folder is not None:
            await asyncio.to_thread(shutil.rmtree, entry.folder, ignore_errors=True)


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
