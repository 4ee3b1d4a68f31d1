"""Control groups, version 2: limits for all processes of a kernel, where groups are delegated.

Not needed by any level. Limits of single processes hold everywhere; a group adds a limit for all
processes of a kernel together. Nothing outside the group that was delegated is touched.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

__all__ = ["MACHINE", "Group", "Place", "home", "why_not"]

_WANTED = frozenset({"memory", "pids"})
_PREFIX = "spatialclaw-"


@dataclass(frozen=True)
class Place:
    """Where the unified hierarchy is mounted, and where it says which group this process is in."""

    root: Path = Path("/sys/fs/cgroup")
    own: Path = Path("/proc/self/cgroup")


MACHINE = Place()


def _own(place: Place) -> Path | None:
    """Our group in the unified hierarchy, when there is one with the controllers we want."""
    try:
        lines = place.own.read_text().splitlines()
        path = next(line[3:] for line in lines if line.startswith("0::"))
        group = place.root / path.lstrip("/")
        controllers = set((group / "cgroup.controllers").read_text().split())
    except (OSError, StopIteration):
        return None
    return group if controllers >= _WANTED else None


@cache
def home(place: Place = MACHINE) -> Path | None:
    """The group below which groups for kernels can be made; found by making one.

    Our own one where it holds no process (a group with processes of its own can pass no
    controllers on), else the one above it, which systemd gives to its users.
    """
    own = _own(place)
    if own is None:
        return None
    for candidate in (own, own.parent):
        if not candidate.is_relative_to(place.root):
            continue
        try:
            passed_on = set((candidate / "cgroup.subtree_control").read_text().split())
            if not passed_on >= _WANTED:
                continue
            # who moves a process has to be allowed to write here
            if not os.access(candidate / "cgroup.procs", os.W_OK):
                continue
            trial = candidate / _name()
            trial.mkdir()
            trial.rmdir()
        except OSError:
            continue
        return candidate
    return None


def _name() -> str:
    return f"{_PREFIX}{os.getpid()}-{secrets.token_hex(4)}"


def why_not(place: Place = MACHINE) -> str:
    """Why there is no home, in words."""
    if _own(place) is None:
        return "no unified hierarchy with memory and pids here; single processes are limited"
    return "the group of this process is not delegated to it; single processes are limited"


class Group:
    """The group of one kernel.

    Args:
        memory_bytes: For all processes together, swap included; None for no limit.
        processes: How many processes and threads; None for no limit.
        place: The hierarchy.

    Raises:
        OSError: No group can be made.
    """

    def __init__(
        self, memory_bytes: int | None, processes: int | None, *, place: Place = MACHINE
    ) -> None:
        parent = home(place)
        if parent is None:
            raise OSError(1, why_not(place))
        self.path = parent / _name()
        self.path.mkdir()
        try:
            for name, value in (
                ("memory.max", memory_bytes),
                ("memory.swap.max", 0 if memory_bytes else None),
                ("pids.max", processes),
            ):
                # not every kernel counts swap; the others are there, or the group holds nothing
                if value is not None and (name != "memory.swap.max" or self._has(name)):
                    with (self.path / name).open("r+") as file:
                        file.write(str(value))
        except OSError:
            self.remove()
            raise

    def _has(self, name: str) -> bool:
        return (self.path / name).exists()

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
        for _ in range(20):
            try:
                self.path.rmdir()
            except FileNotFoundError:
                return
            except OSError:  # still emptying; what stays is found by `reap`
                time.sleep(0.002)
            else:
                return
