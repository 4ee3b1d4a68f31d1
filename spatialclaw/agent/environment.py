"""The loop with the policy taken out: reset to an observation, step with a reply, score, close."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from spatialclaw.agent.budget import Limits, limits_from
from spatialclaw.agent.episode import Episode, Executor
from spatialclaw.agent.prompts import Prompts
from spatialclaw.agent.record import NoRecord, Record
from spatialclaw.agent.sync import LoopThread
from spatialclaw.agent.types import Observation, Task

if TYPE_CHECKING:
    from spatialclaw.backends.base import ChatClient
    from spatialclaw.kernel.pool import KernelPool

__all__ = ["Environment", "Executor"]


class Environment(Episode):
    """One episode at a time: a question, a kernel, a budget, and whoever writes the replies.

    ``reset`` and ``step`` have async twins, ``areset`` and ``astep``; use one kind or the other. An
    environment holds no global state; many live side by side in one process.

    Args:
        settings: `spatialclaw.config.Settings`; used when ``reset`` is to load the media and start
            a kernel itself; then a run folder is written too.
        prompts: Templates; the packaged ones by default.
        pool: Warm kernels of this event loop, for episodes that start a kernel themselves.
        **fields: Fields of the settings, instead of `settings`.
    """

    def __init__(
        self,
        settings: Any = None,
        *,
        prompts: Prompts | None = None,
        pool: KernelPool | None = None,
        **fields: Any,
    ) -> None:
        super().__init__(prompts or Prompts())
        if fields:
            from spatialclaw.config import resolve_settings

            settings = resolve_settings(fields).settings
        self._settings = settings
        self._pool = pool
        self._cleanup: list[Callable[[], Awaitable[None]]] = []
        self._thread: LoopThread | None = None

    async def areset(
        self,
        task: Task,
        *,
        media: Any = None,
        kernel: Executor | None = None,
        recorder: Record | None = None,
        limits: Limits | None = None,
        chat: ChatClient | None = None,
        seed: int = 0,
        interface: str | None = None,
    ) -> Observation:
        """Begins an episode.

        Args:
            task: The question.
            media: Loaded media (`describe()`, `sequences`); by default `task.media` is loaded.
            kernel: A kernel whose namespace is set; by default one is started and owned.
            recorder: Where to record; by default in memory (or a run folder when settings were
                given and this environment starts the kernel).
            limits: Budgets.
            chat: The VLM that `locate` and `look` ask, counted and recorded from here on.
            seed: Seed of everything random.
            interface: "code", "tools", "single-pass" or "direct".

        Raises:
            MediaError: The media cannot be used.
            KernelStartError: No kernel could be started.
        """
        await self._release()
        self._clear()
        self.task, self.seed = task, seed
        self.interface = interface or getattr(self._settings, "interface", None) or "code"
        if recorder is None and kernel is None and self._settings is not None:
            recorder = await self._own_recorder()
        self.record = recorder if recorder is not None else NoRecord()
        self.media, self._kernel = media, kernel
        own = None
        if kernel is None:
            from spatialclaw.agent.assemble import assemble

            own = await assemble(
                task, self._settings, recorder=recorder, seed=seed, media=media, pool=self._pool
            )
            self.media, self._kernel, self.record = own.media, own.kernel, own.record
            self._cleanup.append(own.aclose)
            chat = chat or own.chat
        first = await self._begin(limits or limits_from(self._settings), chat)
        if own is not None:
            own.tools.chat = self.chat
        return first

    async def aclose(self) -> None:
        """Ends the kernel if this environment started it."""
        await self._release()
        self._phase = "new"

    def reset(self, task: Task, seed: int = 0, **parts: Any) -> Observation:
        """`areset` for code that is not async."""
        return self._loop().call(self.areset(task, seed=seed, **parts))

    def step(self, reply: str) -> Observation:
        """`astep` for code that is not async."""
        return self._loop().call(self.astep(reply))

    def close(self) -> None:
        """`aclose` for code that is not async."""
        self._loop().call(self.aclose())
        if self._thread is not None:
            self._thread.close()
            self._thread = None

    def __enter__(self) -> Environment:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _loop(self) -> LoopThread:
        if self._thread is None:
            self._thread = LoopThread()
        return self._thread

    async def _own_recorder(self) -> Record:
        from spatialclaw.traces import Recorder, new_run_dir

        folder = await asyncio.to_thread(new_run_dir, self._settings.runs_dir)
        recorder = Recorder(folder)

        async def close() -> None:
            recorder.close()

        self._cleanup.append(close)
        return recorder

    async def _release(self) -> None:
        while self._cleanup:
            await asyncio.shield(self._cleanup.pop()())
