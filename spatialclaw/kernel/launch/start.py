"""Starting a kernel's process from the host."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from spatialclaw.errors import ConfinementError, KernelStartError, SpatialclawError
from spatialclaw.kernel.launch import host, view
from spatialclaw.kernel.launch.confine import cgroups, environment
from spatialclaw.kernel.launch.confine.limits import Limits
from spatialclaw.kernel.launch.options import LaunchOptions, Layout
from spatialclaw.kernel.launch.reaping import owner

__all__ = ["Launched", "disown", "own", "prepare", "start", "stop_templates", "warm"]

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

    async def _join(self, group: cgroups.Group) -> None:
        """Puts the process into a group before it does anything."""
        self._group = group
        while self.poll() is None and self.pid == 0:
            await self._line.readable(1.0)
        group.add(self.pid)
        self.layers += ("cgroups",)

    async def _confined(self) -> None:
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

    async def aclose(self) -> None:
        """Kills, waits until nothing is left, and removes what `start` made in the scratch."""
        self.kill()
        await self.wait(10)
        self._line.close()
        if self._group is not None:
            self._group.remove()
        if self._own is not None:
            await asyncio.to_thread(self._own.stop)
        for made in (self.layout.ipc, self.layout.work):
            await asyncio.to_thread(shutil.rmtree, made, ignore_errors=True)
        disown(self.layout.scratch)


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


def prepare(scratch: Path) -> Layout:
    """Makes the folders of a scratch; `start` does it too."""
    layout = Layout.of(scratch.absolute())
    layout.scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
    for folder in (layout.ipc, layout.work):
        folder.mkdir(mode=0o700, exist_ok=True)
    own(layout.scratch)
    return layout


def own(folder: Path) -> None:
    """Marks a temporary folder as this process's: it goes when the process dies by whatever death.

    The template removes it, where one runs then; else `reap` does. Call `disown` for a folder that
    is to be kept.
    """
    (folder / "owner").write_text(owner(), encoding="utf-8")
    host.own(str(folder.absolute()))


def disown(folder: Path) -> None:
    """Takes back `own`."""
    (folder / "owner").unlink(missing_ok=True)
    host.own(str(folder.absolute()), yes=False)


def _plan(options: LaunchOptions, layout: Layout, argv: Sequence[str]) -> dict[str, Any]:
    strict = options.confine == "strict"
    room: dict[str, Any] | None = None
    if strict:
        room = {
            "read": view.further(options.read_only),
            "scratch": str(layout.scratch),
            "work_bytes": options.work_bytes,
            "files": {},
        }
        if layout.connection.exists():
            room["files"][layout.connection.name] = layout.connection.read_text(encoding="utf-8")
    limits = Limits(
        memory_bytes=options.memory_bytes,
        processes=options.processes,
        file_bytes=options.file_bytes,
        open_files=options.open_files,
        cpu_seconds=options.cpu_seconds,
    )
    return {
        "argv": list(argv),
        "env": environment.build(options.env, work=str(layout.work)),
        "cwd": str(layout.work),
        "room": room,
        "landlock": view.landlock_rules(room["read"]) if room else None,
        "seccomp": strict,
        "limits": asdict(limits) if options.confine != "off" else None,
    }


async def start(options: LaunchOptions, argv: Sequence[str]) -> Launched:
    """Starts a confined process that runs ``spatialclaw.kernel.inside.main(argv)``.

    Raises:
        ConfinementError: The level asked for cannot be had here; says what to install.
        KernelStartError: The process ended before it was confined.
    """
    layout = prepare(options.scratch)
    plan = _plan(options, layout, argv)
    own: host.Template | None = None
    template = await asyncio.to_thread(_template, fork=options.fork is not False)
    if options.fork is False:
        own = template
    try:
        line = template.request(isolated=options.confine == "strict")
    except KernelStartError:
        if own is not None:
            own.stop()
        raise
    launched = Launched(line, layout, options, own=own)
    if options.confine == "off":
        launched.notes += ("the kernel is not confined: cells can do whatever you can",)
    try:
        if options.confine != "off" and cgroups.home() is not None:
            await launched._join(cgroups.Group(options.memory_bytes, options.processes))
        line.tell(plan)
        await launched._confined()
    except BaseException:
        await launched.aclose()
        raise
    return launched


def _template(*, fork: bool) -> host.Template:
    template = host.shared() if fork else host.Template(preload=False)
    template.ready()
    return template


async def warm() -> None:
    """Starts the template process now, so that the first kernel need not wait for it.

    Raises:
        KernelStartError: It does not start.
    """
    await asyncio.to_thread(_template, fork=True)


def stop_templates() -> None:
    """Ends the template process and every kernel forked from it."""
    host.stop()
