"""Limits of the process: memory, processes, file size, open files, processor time."""

from __future__ import annotations

import contextlib
import os
import resource
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Limits", "apply", "processes_of", "sacrifice"]


@dataclass(frozen=True)
class Limits:
    """See `LaunchOptions`; None means no limit."""

    memory_bytes: int | None = None
    processes: int | None = None
    file_bytes: int | None = None
    open_files: int | None = None
    cpu_seconds: int | None = None


def processes_of(uid: int) -> int:
    """How many threads of a user run now (what RLIMIT_NPROC counts)."""
    count = 0
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):  # it ended meanwhile
                if entry.stat().st_uid == uid:
                    count += len(list((entry / "task").iterdir()))
    return count


def sacrifice() -> None:
    """Makes this process, and what it forks, the first to go when the machine runs out of memory.

    Raises:
        OSError: Refused.
    """
    Path("/proc/self/oom_score_adj").write_text("1000")


def apply(limits: Limits, *, own_namespace: bool) -> None:
    """Sets the limits, soft and hard, for this process and what it starts.

    Args:
        limits: Which.
        own_namespace: Whether processes are counted in a user namespace of our own. Otherwise
            those of the whole user count, and the limit is put on top of what runs now (and
            does not bind root).

    Raises:
        OSError: A limit is refused.
    """
    processes = limits.processes
    if processes is not None and not own_namespace:
        processes = processes + processes_of(os.getuid()) if os.getuid() else None
    wanted = {
        resource.RLIMIT_CORE: 1,  # 0 would still feed a machine's handler of core dumps; 1 does not
        resource.RLIMIT_AS: limits.memory_bytes,
        resource.RLIMIT_NPROC: processes,
        resource.RLIMIT_FSIZE: limits.file_bytes,
        resource.RLIMIT_NOFILE: limits.open_files,
        resource.RLIMIT_CPU: limits.cpu_seconds,
    }
    for kind, value in wanted.items():
        if value is None:
            continue
        hard = resource.getrlimit(kind)[1]
        if hard != resource.RLIM_INFINITY:
            value = min(value, hard)
        resource.setrlimit(kind, (value, value))
