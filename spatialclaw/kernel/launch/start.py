"""Starting a kernel's process from the host."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from spatialclaw.kernel.launch.options import LaunchOptions, Layout

__all__ = ["Launched", "prepare", "start", "stop_templates", "warm"]


class Launched:
    """A started kernel process (the guard, when there is one) as the host sees it.

    Attributes:
        pid: Process id in the host's view; of the pid namespace's first process under "strict".
        layout: Its folders.
        confine: The level that is in force.
        forked: Whether it came from the template.
        layers: Names of the confinement layers in force.
        notes: What was not as asked, in words for the user.
        returncode: Exit status once known (negative: signal), else None.
    """

    pid: int
    layout: Layout
    confine: str
    forked: bool
    layers: tuple[str, ...]
    notes: tuple[str, ...]
    returncode: int | None

    def poll(self) -> int | None:
        """The exit status when the process has ended, else None; never blocks."""
        raise NotImplementedError

    async def wait(self, timeout: float | None = None) -> int | None:
        """Waits for the end; None when it is still alive after `timeout` seconds."""
        raise NotImplementedError

    def kill(self) -> None:
        """Kills the process and everything below it; returns at once. Safe to call twice."""
        raise NotImplementedError

    async def aclose(self) -> None:
        """Kills, waits until nothing is left, and removes what `start` made in the scratch."""
        raise NotImplementedError


def prepare(scratch: Path) -> Layout:
    """Makes the folders of a scratch; `start` does it too."""
    raise NotImplementedError


async def start(options: LaunchOptions, argv: Sequence[str]) -> Launched:
    """Starts a confined process that runs ``spatialclaw.kernel.inside.main(argv)``.

    Raises:
        ConfinementError: The level asked for cannot be had here; says what to install.
        KernelStartError: The process ended before it was confined.
    """
    raise NotImplementedError


async def warm() -> None:
    """Starts the template process now, so that the first kernel need not wait for it."""
    raise NotImplementedError


def stop_templates() -> None:
    """Ends the template process and every kernel forked from it."""
    raise NotImplementedError
