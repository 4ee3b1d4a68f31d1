"""Control groups, version 2: limits for all processes of a kernel, where groups are delegated.

Not needed by any level. Limits of single processes hold everywhere; a group adds a limit for all
processes of a kernel together. Nothing outside the group that was delegated is touched.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from functools import cache
from pathlib import Path

__all__ = ["Group", "home", "why_not"]

_ROOT = Path("/sys/fs/cgroup")
_WANTED = frozenset({"memory", "pids"})


def _own() -> Path | None:
    """Our group in the unified hierarchy, when there is one with the controllers we want."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
        path = next(line[3:] for line in lines if line.startswith("0::"))
        group = _ROOT / path.lstrip("/")
        controllers = set((group / "cgroup.controllers").read_text().split())
    except (OSError, StopIteration):
        return None
    return group if controllers >= _WANTED else None


@cache
def home() -> Path | None:
    """The group below which groups for kernels can be made; found by making one."""
    own = _own()
    if own is None:
        return None
    for candidate in (own, own.parent):
        try:
            if set((candidate / "cgroup.subtree_control").read_text().split()) < _WANTED:
                continue
            trial = candidate / f"spatialclaw-{os.getpid()}-{secrets.token_hex(4)}"
            trial.mkdir()
            trial.rmdir()
        except OSError:
            continue
        return candidate
    return None


def why_not() -> str:
    """Why there is no home, in words."""
    if _own() is None:
        return "no unified hierarchy with memory and pids here; single processes are limited"
    return "the group of this process is not delegated to it; single processes are limited"


class Group:
    """The group of one kernel.

    Args:
        memory_bytes: For all processes together, swap included; None for no limit.
        processes: How many processes and threads; None for no limit.

    Raises:
        OSError: No group can be made.
    """

    def __init__(self, memory_bytes: int | None, processes: int | None) -> None:
        parent = home()
        if parent is None:
            raise OSError(1, why_not())
        self.path = parent / f"spatialclaw-{os.getpid()}-{secrets.token_hex(4)}"
        self.path.mkdir()
        for name, value in (
            ("memory.max", memory_bytes),
            ("memory.swap.max", 0 if memory_bytes else None),
            ("pids.max", processes),
        ):
            if value is not None and (self.path / name).exists():
                (self.path / name).write_text(str(value))

    def add(self, pid: int) -> None:
        """Puts a process, and whatever it forks from now on, into the group.

        Raises:
            OSError: Refused.
        """
        (self.path / "cgroup.procs").write_text(str(pid))

    def remove(self) -> None:
        """Kills what is left in it and removes it."""
        with contextlib.suppress(OSError):  # older kernels have no such file
            (self.path / "cgroup.kill").write_text("1")
        with contextlib.suppress(OSError):  # still emptying: `reap` finds it
            self.path.rmdir()
