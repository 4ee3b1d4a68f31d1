"""Leftovers of ours, and only ours: processes, scratch folders and groups whose owner is dead.

Everything that we start or make carries its owner, a process id with its start time and the
machine's boot: processes in their initial environment, scratch folders in a file ``owner``.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import tempfile
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from spatialclaw.kernel.launch.confine import cgroups

__all__ = ["MARK", "Leftover", "owner", "reap"]

MARK = "SPATIALCLAW_OWNER"
PREFIX = "spatialclaw-"


@dataclass(frozen=True)
class Leftover:
    """Something that outlived its owner.

    Attributes:
        kind: "process", "folder" or "group".
        what: Process id or path.
        detail: Its command, or its size.
        ended: Whether it is gone now.
    """

    kind: str
    what: str
    detail: str
    ended: bool

    def __str__(self) -> str:
        return f"{'ended' if self.ended else 'found'}: {self.kind} {self.what} ({self.detail})"


@cache
def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:8]
    except OSError:
        return "0"


def _started(pid: int) -> str | None:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
    except (OSError, IndexError):
        return None


def owner() -> str:
    """This process as an owner: id, start, boot."""
    pid = os.getpid()
    return f"{pid}.{_started(pid)}.{_boot()}"


def _alive(mark: str) -> bool:
    """Whether an owner lives; a mark that is not understood counts as alive."""
    parts = mark.strip().split(".")
    if len(parts) != 3 or not parts[0].isdigit():
        return True
    return parts[2] == _boot() and _started(int(parts[0])) == parts[1]


def reap(*, end: bool = True) -> list[Leftover]:
    """Finds what is left of owners that have died.

    Args:
        end: Whether to end and remove it; False only lists it.
    """
    return [*_processes(end), *_folders(end), *_groups(end)]


def _processes(end: bool) -> list[Leftover]:
    found = []
    pattern = re.compile(rb"(?:^|\0)" + MARK.encode() + rb"=([^\0]*)")
    for entry in Path("/proc").glob("[0-9]*"):
        pid = int(entry.name)
        try:
            mark = pattern.search((entry / "environ").read_bytes())
            if mark is None or pid == os.getpid() or _alive(mark[1].decode("ascii", "replace")):
                continue
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue  # it ended meanwhile, or belongs to somebody else
        found.append(Leftover("process", str(pid), command[:60].strip(), end and _kill(pid)))
    return found


def _kill(pid: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    until = time.monotonic() + 2
    while time.monotonic() < until:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            return True
        if state == "Z":  # its parent has to collect it
            return True
        time.sleep(0.01)
    return False


def _folders(end: bool) -> list[Leftover]:
    found = []
    for root in {Path("/dev/shm"), Path(tempfile.gettempdir())}:  # noqa: S108
        for folder in root.glob(f"{PREFIX}*"):
            try:
                if folder.is_symlink() or folder.stat().st_uid != os.getuid():
                    continue
                marks = [m.read_text() for m in (*folder.glob("owner"), *folder.glob("*/owner"))]
            except OSError:
                continue  # it went away meanwhile, or belongs to somebody else
            if not marks or any(_alive(mark) for mark in marks):
                continue
            size = sum(f.lstat().st_size for f in folder.rglob("*") if f.is_file())
            if end:
                shutil.rmtree(folder, ignore_errors=True)
            gone = end and not folder.exists()
            found.append(Leftover("folder", str(folder), f"{size} bytes", gone))
    return found


def _groups(end: bool, place: cgroups.Place = cgroups.MACHINE) -> list[Leftover]:
    parent = cgroups.home(place)
    found = []
    for group in parent.glob(f"{PREFIX}*") if parent else ():
        pid = group.name.removeprefix(PREFIX).split("-")[0]
        if not pid.isdigit() or _started(int(pid)) is not None:
            continue
        if end:
            with contextlib.suppress(OSError):  # older kernels have no such file
                (group / "cgroup.kill").write_text("1")
            with contextlib.suppress(OSError):  # still emptying
                group.rmdir()
        gone = end and not group.exists()
        found.append(Leftover("group", str(group), "control group", gone))
    return found
