"""A started kernel process as the host sees it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import time
from typing import Any

from spatialclaw.errors import ConfinementError, KernelStartError, SpatialclawError
from spatialclaw.kernel.launch import host
from spatialclaw.kernel.launch.confine import cgroups
from spatialclaw.kernel.launch.options import LaunchOptions, Layout

__all__ = ["UNCONFINED", "Launched"]

UNCONFINED = ("the kernel is not confined: cells can do whatever you can",)

_START_SECONDS = 30.0


class Launched:
    """A started kernel process (the guard, when there is one) as the host sees it.

    Attributes:
        pid: Process id in the host's view; of the pid namespace's first process under "strict".
        layout: Its folders.
        confine: The level that is in force.
        forked: Whether it came from the template.
        layers: Names of the confinement layers in force.
        notes: What was not as asked, in words for the user.
        seconds: From the fork to the last layer.
        returncode: Exit status once known (negative: signal), else None.
    """

    def __init__(
        self,
        line: host.Line,
        layout: Layout,
        options: LaunchOptions,
        *,
        own: host.Template | None,
    ) -> None:
        self._line = line
        self._own = own
        self._group: cgroups.Group | None = None
        self.layout = layout
        self.confine = options.confine
        self.forked = own is None
        self.pid = 0
        self.layers: tuple[str, ...] = ()
        self.notes: tuple[str, ...] = ()
        self.seconds = 0.0
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """The exit status when the process has ended, else None; never blocks."""
        while self.returncode is None:
            message = self._line.receive()
            if message is None:
                break
            self._take(message)
        return self.returncode

    def _take(self, message: dict[str, Any]) -> None:
        if "pid" in message:
            self.pid = int(message["pid"])
        elif "exit" in message:
            self.returncode = int(message["exit"])

    async def join(self, options: LaunchOptions) -> None:
        """Puts the process into a group of its own before it does anything."""
        while self.poll() is None and self.pid == 0:
            await self._line.readable(1.0)
        try:
            self._group = cgroups.Group(options.memory_bytes, options.processes)
            self._group.add(self.pid)
        except OSError as error:
            self.notes += (f"no control group for the kernel ({error.strerror})",)
        else:
            self.layers += ("cgroups",)

    async def confined(self) -> None:
        """Waits until every layer is in force.

        Raises:
            ConfinementError, KernelStartError: It is not.
        """
        loop = asyncio.get_running_loop()
        data = b""
        for _ in range(2):  # closed with our plan unread, the socket says so before its last word
            try:
                receiving = loop.sock_recv(self._line.talk, 65536)
                data = await asyncio.wait_for(receiving, _START_SECONDS)
                break
            except ConnectionResetError:
                continue
            except (TimeoutError, OSError):
                break
        self._line.talk.close()
        if not data:
            words = self.last_words().strip().splitlines()
            why = f": {words[-1]}" if words else ""
            raise KernelStartError(f"the kernel's process ended before it was confined{why}")
        message = json.loads(data)
        if "failed" in message:
            raise _refusal(message, self.confine)
        self.layers += tuple(message["confined"])
        self.notes += tuple(message["notes"])
        self.seconds = float(message["seconds"])
        while self.poll() is None and self.pid == 0:
            await self._line.readable(1.0)

    async def wait(self, seconds: float | None = None) -> int | None:
        """Waits for the end; None when it is still alive after `seconds`."""
        until = None if seconds is None else time.monotonic() + seconds
        while self.poll() is None:
            left = None if until is None else until - time.monotonic()
            if left is not None and left <= 0:
                return None
            await self._line.readable(left)
        return self.returncode

    def kill(self) -> None:
        """Kills the process and everything below it; returns at once. Safe to call twice."""
        self._line.hang_up()

    def send_signal(self, number: int) -> None:
        """Sends a signal to the process (the guard, when there is one); none once it has ended."""
        if self.poll() is None and self.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def last_words(self) -> str:
        """What the process wrote to its standard error before the kernel took it over."""
        with contextlib.suppress(OSError):
            return os.read(self._line.stderr, 65536).decode("utf-8", "replace")
        return ""

    def release(self) -> None:
        """Frees what the host holds of it: sockets, group, a template of its own."""
        self._line.close()
        if self._group is not None:
            self._group.remove()
        if self._own is not None:
            self._own.stop()

    async def aclose(self) -> None:
        """Kills, waits until nothing is left, and removes what `start` made in the scratch."""
        self.kill()
        await self.wait(10)
        await asyncio.to_thread(self.release)
        for made in (self.layout.ipc, self.layout.work):
            await asyncio.to_thread(shutil.rmtree, made, ignore_errors=True)
        (self.layout.scratch / "owner").unlink(missing_ok=True)
        host.own(str(self.layout.scratch), yes=False)


def _refusal(message: dict[str, Any], level: str) -> SpatialclawError:
    layer, text = message["failed"], message["message"]
    if layer == "start":
        return KernelStartError(f"the kernel's process cannot be started: {text}")
    from spatialclaw.kernel.launch.probing import REMEDIES

    remedy = REMEDIES[layer]
    return ConfinementError(
        f"the confinement {level!r} cannot be had here: {layer}: {text}",
        hint=f"{remedy[:1].upper()}{remedy[1:]}; or choose a weaker level with --confine process",
    )
