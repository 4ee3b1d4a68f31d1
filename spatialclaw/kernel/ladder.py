"""One cell from its start to a known end: interrupt, terminate, kill, whatever it takes.

The deadline is the host's. The cell's reply, the deadline and the life of the process are raced; a
cell that does not heed the interrupt within the grace loses its process.
"""

from __future__ import annotations

import asyncio
import signal
import time
from dataclasses import dataclass, replace
from typing import Any, Literal

from spatialclaw.kernel.collect import Collector
from spatialclaw.kernel.deaths import describe_exit
from spatialclaw.kernel.options import KernelOptions
from spatialclaw.kernel.results import CellError, CellResult
from spatialclaw.kernel.tree import Live, Tree

__all__ = ["Ending", "run_cell"]

_LAST_WORDS_SECONDS = 0.05
_TERM_SECONDS = 0.1
_KILL_SECONDS = 0.25


@dataclass
class Ending:
    """How a cell ended.

    Attributes:
        how: "ok"; "error" (it raised); "late" (over its time, the process lives); "hung" (its
            process was killed); "died" (its process ended).
        collector: What it sent.
        allowed: Seconds it had.
        seconds: Seconds it took, as the host saw it.
        was_late: Whether the deadline had passed.
        error: The death, for "died".
    """

    how: Literal["ok", "error", "late", "hung", "died"]
    collector: Collector
    allowed: float
    seconds: float
    was_late: bool
    error: CellError | None = None

    @property
    def process_lives(self) -> bool:
        """Whether the kernel is still there."""
        return self.how in ("ok", "error", "late")

    def result(self, lost: str) -> CellResult:
        """The cell's result; `lost` says what of the state is gone."""
        if self.was_late:
            result = self.collector.finish("timeout", seconds=self.seconds, lost=lost)
            return replace(result, error=_timeout(self.allowed, result.error))
        if self.how == "died":
            result = self.collector.finish("died", seconds=self.seconds, lost=lost)
            return replace(result, error=self.error)
        status: Literal["ok", "error"] = "ok" if self.how == "ok" else "error"
        return self.collector.finish(status, seconds=self.seconds, lost=lost)


async def run_cell(
    tree: Tree, live: Live, code: str, *, seconds: float, options: KernelOptions
) -> Ending:
    """Runs a cell until it has ended one way or another; never longer than a second over."""
    began = time.monotonic()
    collector = Collector(options.max_output, options.max_images)
    raw: list[Any] = [None, None]

    async def raw_output() -> None:
        raw[:] = await tree.raw_output()

    cell: asyncio.Future[str] = asyncio.ensure_future(
        live.channel.cell(code, collector, raw_output)
    )
    both: set[asyncio.Future[Any]] = {cell, live.exited}
    late = False

    def ending(how: Literal["ok", "error", "late", "hung", "died"]) -> Ending:
        return Ending(how, collector, seconds, time.monotonic() - began, late)

    try:
        await asyncio.wait(both, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if not cell.done() and live.alive:
            late = True
            await tree.interrupt(live)
            await asyncio.wait(both, timeout=options.grace, return_when=asyncio.FIRST_COMPLETED)
        if cell.done():
            ok = cell.result() == "ok"
            collector.raw(*raw)
            return ending("late" if late else "ok" if ok else "error")
        if live.alive:
            await tree.signal(live, signal.SIGTERM)
            await asyncio.wait({live.exited}, timeout=_TERM_SECONDS)
            if live.alive and not await tree.kill(live, seconds=_KILL_SECONDS):
                tree.launched.kill()
            return ending("hung")
        # what it had sent before it ended is still coming in
        await asyncio.wait({cell}, timeout=_LAST_WORDS_SECONDS)
        found = ending("died")
        exit_ = live.exited.result()
        collector.raw(exit_.out, exit_.err)
        said = f"{exit_.err.get('head', '')}{exit_.err.get('tail', '')}".strip()
        found.error = CellError("KernelDied", str(describe_exit(exit_)), traceback=said[-2000:])
        return found
    finally:
        if not cell.done():
            cell.cancel()
            await asyncio.gather(cell, return_exceptions=True)


def _timeout(seconds: float, inner: CellError | None) -> CellError:
    line = inner.line if inner is not None else None
    where = f" (in line {line})" if line else ""
    return CellError(
        "Timeout",
        f"the cell was ended after {seconds:g} s{where}",
        traceback=inner.traceback if inner is not None and line else "",
        line=line,
    )
