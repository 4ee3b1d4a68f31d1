"""Warm kernels: a few are started ahead, so that a run has one at once."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from dataclasses import replace
from types import TracebackType

from spatialclaw.errors import SpatialclawError
from spatialclaw.kernel.kernel import Kernel
from spatialclaw.kernel.options import KernelOptions

__all__ = ["KernelPool"]


class KernelPool:
    """Keeps kernels ready and bounds how many start at the same time.

    Args:
        options: What the warm kernels are started with; what a run is about is given by `get`.
        size: Kernels kept ready.
        starts: Starts at the same time.

    Example:
        >>> async with KernelPool(KernelOptions(), size=2) as pool:
        ...     kernel = await pool.get(KernelOptions(question="How far?"))
        ...     try:
        ...         await kernel.execute("question")
        ...     finally:
        ...         await kernel.aclose()
    """

    def __init__(
        self, options: KernelOptions | None = None, *, size: int = 2, starts: int = 4
    ) -> None:
        if size < 0 or starts < 1:
            raise ValueError(f"size {size} must not be negative and starts {starts} at least 1")
        self.options = options or KernelOptions()
        self.size = size
        self._slots = asyncio.Semaphore(starts)
        self._ready: deque[Kernel] = deque()
        self._starting: set[asyncio.Task[None]] = set()
        self._error: BaseException | None = None
        self._closed = False

    async def __aenter__(self) -> KernelPool:
        self.fill()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    @property
    def ready(self) -> int:
        """Kernels that wait."""
        return len(self._ready)

    def fill(self) -> None:
        """Starts what is missing, in the background."""
        while not self._closed and len(self._ready) + len(self._starting) < self.size:
            task = asyncio.ensure_future(self._add())
            self._starting.add(task)
            task.add_done_callback(self._starting.discard)

    async def filled(self) -> None:
        """Waits until the pool is full.

        Raises:
            SpatialclawError: A kernel did not start.
        """
        while len(self._ready) < self.size:
            self.fill()
            await asyncio.gather(*self._starting)
            if self._error is not None:
                error, self._error = self._error, None
                raise error

    async def _add(self) -> None:
        try:
            async with self._slots:
                kernel = await Kernel.start_bare(self.options)
        except SpatialclawError as error:
            self._error = error  # `get` starts one itself and meets the same error, if it stays
            return
        if self._closed:
            await kernel.aclose()
        else:
            self._ready.append(kernel)

    async def get(self, options: KernelOptions) -> Kernel:
        """A kernel for a run; warm when one is ready that was started the same way.

        The caller ends it with `aclose`.

        Raises:
            KernelStartError: None could be started.
            ConfinementError: The confinement asked for cannot be had.
        """
        kernel: Kernel | None = None
        while self._ready and kernel is None and _same_start(self.options, options):
            kernel = self._ready.popleft()
            if not kernel.alive:
                await kernel.aclose()
                kernel = None
        try:
            if kernel is None:
                async with self._slots:
                    return await Kernel.start(options)
            try:
                await kernel.assign(options)
            except BaseException:
                await kernel.aclose()
                raise
            return kernel
        finally:
            asyncio.get_running_loop().call_later(0.05, self.fill)

    async def aclose(self) -> None:
        """Ends the kernels that nobody took."""
        self._closed = True
        for task in list(self._starting):
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*self._starting, return_exceptions=True)
        while self._ready:
            await self._ready.popleft().aclose()


def _same_start(ours: KernelOptions, theirs: KernelOptions) -> bool:
    def process(options: KernelOptions) -> KernelOptions:
        start = KernelOptions()
        return replace(
            options,
            manifest=None,
            question="",
            choices=None,
            gateway=None,
            transactional=False,
            grace=start.grace,
            max_output=start.max_output,
            max_images=start.max_images,
            max_snapshots=start.max_snapshots,
            max_snapshot_bytes=start.max_snapshot_bytes,
            start_seconds=start.start_seconds,
        )

    return process(ours) == process(theirs)
