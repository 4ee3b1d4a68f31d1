"""What a kernel is started with."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from spatialclaw.kernel.launch.options import Confine, LaunchOptions

if TYPE_CHECKING:
    from spatialclaw.kernel.gateway import Gateway

__all__ = ["Confine", "KernelOptions"]


@dataclass(frozen=True)
class KernelOptions:
    """How to start a kernel, and what it is for.

    Attributes:
        scratch: Folder of this kernel, short enough for Unix sockets; None: a temporary one, on
            tmpfs when there is room, removed at the end.
        manifest: ``frames.json`` that the host wrote, or None. Its array file reaches the kernel as
            a read-only descriptor.
        question: Text that the namespace holds.
        choices: Letter -> text, or None.
        confine: Level of confinement.
        memory_bytes: Address space of each process of the kernel, or None for no limit.
        processes: Processes and threads, or None.
        file_bytes: Largest single file, or None.
        work_bytes: Size of the kernel's own file systems under "strict".
        cpu_seconds: Processor time of one process, or None.
        gateway: Methods that cells may call; None: none.
        transactional: A cell that raises or runs into its deadline leaves the state as it was.
        grace: Seconds between an interrupt and what follows it.
        max_output: Characters kept of stdout and of stderr of a cell (half head, half tail).
        max_images: Pictures kept of a cell.
        max_snapshots: Sleeping copies kept; the oldest goes first.
        max_snapshot_bytes: Memory that the copies together may hold alone.
        env: Additional environment variables of the kernel.
        fork: None: from the template where the machine can; False: a fresh interpreter.
        start_seconds: How long a start may take.
    """

    scratch: Path | None = None
    manifest: Path | None = None
    question: str = ""
    choices: dict[str, str] | None = None
    confine: Confine = "strict"
    memory_bytes: int | None = 8 * 1024**3
    processes: int | None = 256
    file_bytes: int | None = 512 * 1024**2
    work_bytes: int = 1024**3
    cpu_seconds: int | None = None
    gateway: Gateway | None = None
    transactional: bool = False
    grace: float = 0.35
    max_output: int = 100_000
    max_images: int = 32
    max_snapshots: int = 8
    max_snapshot_bytes: int = 2 * 1024**3
    env: dict[str, str] = field(default_factory=dict)
    fork: bool | None = None
    start_seconds: float = 60.0

    def launch(self, scratch: Path) -> LaunchOptions:
        """The part that concerns the process."""
        return LaunchOptions(
            scratch,
            confine=self.confine,
            memory_bytes=self.memory_bytes,
            processes=self.processes,
            file_bytes=self.file_bytes,
            work_bytes=self.work_bytes,
            cpu_seconds=self.cpu_seconds,
            env=self.env,
            fork=self.fork,
        )
