"""What is asked of a kernel's start, and what is handed back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

__all__ = ["Confine", "LaunchOptions", "Layout"]

Confine = Literal["strict", "process", "off"]

MIB = 1 << 20
GIB = 1 << 30


@dataclass(frozen=True)
class LaunchOptions:
    """How one kernel process is started and what it may use.

    Attributes:
        scratch: Folder of this kernel alone; made (mode 0700) when missing. Below it, `start` makes
            `ipc` (Unix sockets, the only thing host and kernel share) and `work` (the kernel's
            current folder, TMPDIR and HOME; under "strict" a file system of the kernel's own that
            the host does not see and that is gone with the kernel).
        read_only: Files and folders besides Python and the package that the kernel may read, at
            their own paths.
        confine: "strict", "process" or "off".
        memory_bytes: Address space of each process (RLIMIT_AS), and of all together where a
            cgroup can be had; None for no limit.
        processes: How many processes and threads; None for no limit.
        file_bytes: Largest single file.
        work_bytes: Size of the kernel's own file systems (work, /tmp, /dev/shm), "strict" only.
        open_files: Open files of one process.
        cpu_seconds: Processor time of one process; None for no limit.
        env: Variables added to the allow-list; names that look like secrets are refused.
        fork: True: from the template or KernelStartError; False: a fresh interpreter; None: from
            the template where the machine has fork, else a fresh interpreter.
    """

    scratch: Path
    read_only: tuple[Path, ...] = ()
    confine: Confine = "strict"
    memory_bytes: int | None = 8 * GIB
    processes: int | None = 256
    file_bytes: int | None = 512 * MIB
    work_bytes: int = 1 * GIB
    open_files: int | None = 1024
    cpu_seconds: int | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    fork: bool | None = None


@dataclass(frozen=True)
class Layout:
    """Where things lie in a kernel's scratch.

    Attributes:
        scratch: The folder itself.
        ipc: Folder of Unix sockets, seen by host and kernel. Inside "strict" nothing but sockets
            can be made in it. When the host is root the kernel is another user: a socket that
            the host listens on has to be made with mode 0666 (the folder keeps others out).
        work: The kernel's current folder.
        connection: Jupyter's connection file; written by the host before `start`, read by `start`
            and shown to the kernel at the same path.
    """

    scratch: Path
    ipc: Path
    work: Path
    connection: Path

    @classmethod
    def of(cls, scratch: Path) -> Layout:
        """The layout of a scratch folder."""
        return cls(scratch, scratch / "ipc", scratch / "work", scratch / "connection.json")

    def sockets(self) -> dict[str, Any]:
        """Connection information of Jupyter for sockets in `ipc`: transport, ip and ports."""
        return {
            "transport": "ipc",
            "ip": str(self.ipc / "k"),
            "shell_port": 1,
            "iopub_port": 2,
            "stdin_port": 3,
            "control_port": 4,
            "hb_port": 5,
        }
