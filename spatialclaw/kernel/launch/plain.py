"""The stock start: a fresh interpreter, where there is no template to fork from (not Linux).

The same environment and, at the level "process", the same limits; "strict" cannot be had.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from typing import Any, NoReturn

from spatialclaw.errors import ConfinementError, KernelStartError
from spatialclaw.kernel.launch.launched import UNCONFINED, Launched
from spatialclaw.kernel.launch.options import LaunchOptions, Layout

__all__ = ["Plain", "child", "start_plain"]

_BOOT = (
    "import sys, json; sys.path[:] = json.loads(sys.argv[1])['path']; "
    "from spatialclaw.kernel.launch.plain import child; child(json.loads(sys.argv.pop(1)))"
)


class Plain(Launched):
    """A process started by exec."""

    def __init__(
        self, process: subprocess.Popen[bytes], options: LaunchOptions, layout: Layout
    ) -> None:
        self._process = process
        self.pid = process.pid
        self.layout = layout
        self.confine = options.confine
        self.forked = False
        self.layers = ("environment",) if self.confine == "off" else ("environment", "limits")
        self.notes = UNCONFINED if self.confine == "off" else ()
        self.seconds = 0.0
        self.returncode = None

    def poll(self) -> int | None:
        """The exit status when the process has ended, else None; never blocks."""
        self.returncode = self._process.poll()
        return self.returncode

    async def wait(self, seconds: float | None = None) -> int | None:
        """Waits for the end; None when it is still alive after `seconds`."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(self._process.wait, seconds)
        return self.poll()

    def kill(self) -> None:
        """Kills the process and its group; what has left the group is for the guard to end."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)

    def last_words(self) -> str:
        """Nothing: its standard error goes nowhere."""
        return ""

    def release(self) -> None:
        """Nothing is held."""


def start_plain(options: LaunchOptions, plan: dict[str, Any], layout: Layout) -> Plain:
    """Starts a fresh interpreter.

    Args:
        options: See there.
        plan: See `start.py`.
        layout: The kernel's folders.

    Raises:
        ConfinementError: "strict" was asked for.
        KernelStartError: A forked kernel was asked for, or the interpreter does not start.
    """
    if options.confine == "strict":
        raise ConfinementError(
            f"the confinement 'strict' needs Linux, and this is {sys.platform}",
            hint="Choose a weaker level with --confine process, or run in a Linux machine.",
        )
    if options.fork:
        raise KernelStartError(f"kernels are forked on Linux only, and this is {sys.platform}")
    config = {"path": [os.path.abspath(p) for p in sys.path], **plan}  # noqa: PTH100
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", "-c", _BOOT, json.dumps(config)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=plan["env"],
            cwd=plan["cwd"],
            start_new_session=True,
        )
    except OSError as error:
        raise KernelStartError(f"no process to be had ({error.strerror})") from None
    return Plain(process, options, layout)


def child(plan: dict[str, Any]) -> NoReturn:
    """What the fresh interpreter does."""
    from pathlib import Path

    from spatialclaw.kernel.inside import main
    from spatialclaw.kernel.launch.confine import limits

    if plan["limits"]:
        limits.apply(limits.Limits(**plan["limits"]), own_namespace=False)
    Path(plan["env"]["TMPDIR"]).mkdir(parents=True, exist_ok=True)
    sys.dont_write_bytecode = True
    main(plan["argv"])
