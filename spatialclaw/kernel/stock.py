"""A kernel's process started the stock way: a fresh interpreter, unconfined."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from spatialclaw.kernel.launch import Launched, LaunchOptions, Layout

__all__ = ["start_stock"]


class Stock(Launched):
    """A process started by exec."""

    def __init__(self, layout: Layout, process: asyncio.subprocess.Process) -> None:
        self.layout = layout
        self.process = process
        self.pid = process.pid
        self.confine, self.forked, self.layers, self.notes = "off", False, (), ()

    @property
    def returncode(self) -> int | None:  # type: ignore[override]
        """Exit status."""
        return self.process.returncode

    def poll(self) -> int | None:
        """Exit status or None."""
        return self.process.returncode

    async def wait(self, timeout: float | None = None) -> int | None:
        """Waits for the end."""
        try:
            return await asyncio.wait_for(self.process.wait(), timeout)
        except TimeoutError:
            return None

    def kill(self) -> None:
        """Kills the group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    async def aclose(self) -> None:
        """Kills and waits."""
        if self.process.returncode is None:
            self.kill()
            await self.process.wait()


def prepare(scratch: Path) -> Layout:
    """Makes the folders."""
    layout = Layout.of(scratch)
    for folder in (layout.scratch, layout.ipc, layout.work):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return layout


async def start_stock(options: LaunchOptions, argv: Sequence[str]) -> Launched:
    """Starts ``python -m spatialclaw.kernel.inside``."""
    layout = prepare(options.scratch)
    env = {"PATH": os.environ.get("PATH", ""), "HOME": str(layout.work), "TMPDIR": str(layout.work)}
    env.update(IPYTHONDIR=str(layout.work), MPLCONFIGDIR=str(layout.work), **options.env)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "spatialclaw.kernel.inside", *argv,
        cwd=layout.work, env=env, stdin=asyncio.subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    return Stock(layout, process)
