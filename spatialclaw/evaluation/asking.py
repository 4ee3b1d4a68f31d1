"""Asks one question of a benchmark: the same machinery as `spatialclaw ask`, shared by many."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from spatialclaw.agent.types import Answer, Usage
from spatialclaw.backends.base import Backend
from spatialclaw.config import Resolved
from spatialclaw.errors import (
    SpatialclawError,
)
from spatialclaw.evaluation.frames_cache import FramesCache
from spatialclaw.evaluation.no_kernel import NoKernels
from spatialclaw.evaluation.outcomes import Ended, ended_by, one_line
from spatialclaw.evaluation.posing import task_of
from spatialclaw.evaluation.rows import Row
from spatialclaw.evaluation.throttle import OutOfMoney, Purse, Throttle, ThrottledChat

__all__ = ["Asker", "Engine"]

# Beyond a question's own deadline, until it is taken for hung: a start of a kernel, decoding.
GRACE_SECONDS = 300.0


class Engine(Protocol):
    """Who answers questions: this process, or workers elsewhere."""

    @property
    def allowed(self) -> int:
        """Questions that may be under way now."""
        ...

    async def ask(self, row: Row, epoch: int, run_dir: Path) -> Ended:
        """Answers a question and records it in `run_dir`, which does not exist yet.

        Raises:
            OutOfMoney: The evaluation's cap is reached; the question was not answered.
        """
        ...

    async def aclose(self) -> None:
        """Ends what it holds."""
        ...


class Asker:
    """Answers questions in this process; `start` first.

    Args:
        resolved: The settings.
        concurrency: Questions under way at once, at most.
        purse: What the evaluation may cost.
        warm: Kernels kept ready.
    """

    def __init__(
        self, resolved: Resolved, *, concurrency: int, purse: Purse | None = None, warm: int = 2
    ) -> None:
        self.resolved = resolved
        self.concurrency = max(1, concurrency)
        self.purse = purse or Purse()
        self.throttles: list[Throttle] = []
        self.backend: Backend | None = None
        self.why = ""
        self._warm = warm
        settings = resolved.settings
        asked = resolved.sources.get("frames", "default") != "default"
        self._frames = FramesCache(settings.frames if asked else None)
        self._pool: Any = None
        self._warming: asyncio.Future[None] | None = None

    async def start(self) -> None:
        """Chooses the backend, sees that it answers, and starts warm kernels.

        Raises:
            BackendError: The model's server cannot be used.
            ConfigError: The settings name no backend that there is.
        """
        from spatialclaw.agent.assemble import kernel_pool
        from spatialclaw.backends import resolve
        from spatialclaw.backends.preflight import preflight

        settings = self.resolved.settings
        await asyncio.to_thread(_import_ahead)
        chosen = await resolve(settings, sources=self.resolved.sources)
        self.backend, self.why = chosen.backend, chosen.why
        # A wrong address, key or model is told before anything is begun.
        await preflight(self.backend.chat, pictures=True)
        self._throttle(self.backend)
        if settings.interface == "direct":
            self._pool = NoKernels()
        else:
            # Kernels start with the first question: nothing may be asked at all.
            self._pool = kernel_pool(settings, size=min(self._warm, self.concurrency))

    @property
    def allowed(self) -> int:
        """Questions that may be under way: fewer while the endpoints are overloaded."""
        if not self.throttles:
            return self.concurrency
        return max(1, min(self.concurrency, sum(int(t.limit) for t in self.throttles)))

    @property
    def identity(self) -> dict[str, Any]:
        """Who answers, for the manifest."""
        assert self.backend is not None, "start it first"
        return {"name": self.backend.name, "model": self.backend.model}

    async def ask(self, row: Row, epoch: int, run_dir: Path) -> Ended:
        """See `Engine`."""
        await self._warmed()
        started = time.monotonic()
        settings = self.resolved.settings
        patience = settings.max_seconds * settings.votes + GRACE_SECONDS
        usage = Usage()
        lost: list[str] = []
        try:
            async with asyncio.timeout(patience):
                answer = await self._answer(row, epoch, run_dir, usage, lost)
        except OutOfMoney:
            raise
        except TimeoutError:
            ended = Ended(None, "hung", f"no end within {patience:.0f} s", passing=True)
        except SpatialclawError as error:
            ended = ended_by(error)
        except (OSError, MemoryError) as error:
            ended = Ended(None, "machine", one_line(error), passing=True)
        except Exception as error:
            # A fault of ours must cost one question, not the evaluation; it is told apart.
            ended = Ended(None, "fault", one_line(error))
        else:
            if lost and answer.status != "submitted":
                ended = Ended(None, "kernel", lost[-1], passing=True)
                return replace(ended, usage=usage, seconds=time.monotonic() - started)
            ended = Ended(answer, raw=await asyncio.to_thread(_last_text, run_dir, answer))
        return replace(ended, usage=usage, seconds=time.monotonic() - started)

    async def _warmed(self) -> None:
        """Starts the template of kernels, once, before questions could wait for it one by one."""
        from spatialclaw.kernel.launch import warm

        if self._warming is None:
            direct = self.resolved.settings.interface == "direct"
            self._warming = asyncio.ensure_future(asyncio.sleep(0) if direct else warm())
        try:
            await asyncio.shield(self._warming)
        except SpatialclawError:
            self._warming = None  # a kernel's own start says what is wrong with it

    async def aclose(self) -> None:
        """Ends kernels and connections, and removes the frames."""
        if self._pool is not None:
            await self._pool.aclose()
        if self.backend is not None:
            await self.backend.aclose()
        await self._frames.aclose()

    async def _answer(
        self, row: Row, epoch: int, run_dir: Path, usage: Usage, lost: list[str]
    ) -> Answer:
        from spatialclaw import api
        from spatialclaw.agent.assemble import assemble
        from spatialclaw.evaluation.data import fetch

        assert self.backend is not None, "start it first"
        seed = self.resolved.settings.seed + epoch
        settings = self.resolved.settings.model_copy(update={"seed": seed})
        row = await asyncio.to_thread(fetch, row)
        task = task_of(row)
        async with self._frames.media(row) as media:
            recorder = await asyncio.to_thread(_recorder, run_dir, self.resolved, usage, lost)
            try:
                recorder.event("note", text=f"backend {self.backend.name}: {self.why}")
                place = f"question {row.uid} of {row.benchmark}, epoch {epoch}"
                recorder.event("note", text=place)
                parts = await assemble(
                    task,
                    settings,
                    recorder=recorder,
                    seed=seed,
                    media=media,
                    sources=self.resolved.sources,
                    pool=self._pool,
                )
                try:
                    return await api.converse(task, parts, self.backend, settings)
                finally:
                    await parts.aclose()
            finally:
                recorder.close()

    def _throttle(self, backend: Backend) -> None:
        """Puts a throttle before each endpoint."""
        from spatialclaw.backends.pool import PoolChat

        def wrapped(chat: Any) -> ThrottledChat:
            throttle = Throttle(self.concurrency)
            self.throttles.append(throttle)
            return ThrottledChat(chat, throttle, self.purse)

        chat = backend.chat
        if isinstance(chat, PoolChat):
            chat.chats = [wrapped(each) for each in chat.chats]  # type: ignore[misc]
        elif chat is not None:
            backend.chat = wrapped(chat)  # type: ignore[misc]


def _import_ahead() -> None:
    """Imports what the first question would import on the event loop, and starts the reaper."""
    import importlib
    import shutil

    from spatialclaw.kernel.folders import make_scratch

    for name in ("agent.episode", "agent.tool_calls", "agent.conversation", "agent.earlier",
                 "backends.openai", "backends.builtin", "kernel.kernel", "kernel.tree",
                 "media.loading", "perception.cells", "perception.starting", "primitives.namespace",
                 "traces"):  # fmt: skip
        importlib.import_module(f"spatialclaw.{name}")
    importlib.import_module("spatialclaw.primitives.namespace").vocabulary()
    shutil.rmtree(make_scratch(), ignore_errors=True)


def _recorder(run_dir: Path, resolved: Resolved, usage: Usage, lost: list[str]) -> Any:
    """A record that adds up what the model calls took, and notes when the kernel was lost."""
    from spatialclaw.traces import Recorder, Redactor

    key = resolved.settings.api_key
    run_dir.mkdir(parents=True)
    redactor = Redactor([key.get_secret_value()] if key else [])
    # The store syncs every result; waiting for the disk here would hold up all other questions.
    recorder = Recorder(run_dir, redactor=redactor, durable=False)

    def count(event: dict[str, Any]) -> None:
        used = event.get("usage")
        if event["kind"] == "reply" and isinstance(used, Mapping):
            usage.add(Usage(**used))
        if event["kind"] == "error" and event.get("where") == "kernel":
            lost.append(str(event.get("message")))

    recorder.listen(count)
    return recorder


def _last_text(run_dir: Path, answer: Answer) -> str:
    """The model's last text, when the answer was read out of it rather than submitted by a cell."""
    if answer.interface != "direct" and answer.status == "submitted":
        return ""
    last = ""
    path = run_dir / "events.jsonl"
    if path.is_file() and path.stat().st_size < 200_000_000:
        with path.open("rb") as file:
            for line in file:
                if b'"kind":"reply"' in line[:200]:
                    event = json.loads(line)
                    last = str(event.get("text", last)) if "phase" in event else last
    return last.strip()
