"""Starting a kernel's process from the host."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from spatialclaw.errors import KernelStartError
from spatialclaw.kernel.launch import host, view
from spatialclaw.kernel.launch.confine import cgroups, environment
from spatialclaw.kernel.launch.confine.limits import Limits
from spatialclaw.kernel.launch.launched import UNCONFINED, Launched
from spatialclaw.kernel.launch.options import LaunchOptions, Layout
from spatialclaw.kernel.launch.plain import start_plain
from spatialclaw.kernel.launch.reaping import owner

__all__ = ["Launched", "disown", "own", "prepare", "start", "stop_templates", "warm"]


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
    if not host.CAN_FORK:
        return start_plain(options, plan, layout)
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
        launched.notes += UNCONFINED
    try:
        if options.confine != "off" and cgroups.home() is not None:
            await launched.join(options)
        line.tell(plan)
        await launched.confined()
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
    if not host.CAN_FORK:
        return
    await asyncio.to_thread(_template, fork=True)


def stop_templates() -> None:
    """Ends the template process and every kernel forked from it."""
    host.stop()
