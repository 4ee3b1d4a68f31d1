"""The process tree below this process: listing it and ending it, fork bombs included."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import signal
import time
import warnings
from collections.abc import Iterable
from pathlib import Path

__all__ = [
    "descendants",
    "die_with_guard",
    "die_with_parent",
    "end_all",
    "fork_detached",
    "private_bytes",
    "subreaper",
]

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def _prctl(option: int, value: int) -> bool:
    try:
        return int(ctypes.CDLL(None).prctl(option, value, 0, 0, 0)) == 0
    except (OSError, AttributeError):  # no prctl: not Linux
        return False


def die_with_parent() -> bool:
    """Has the kernel of the machine kill this process when its parent ends (Linux only)."""
    return _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def subreaper() -> bool:
    """Makes this process the parent of every orphan below it (Linux only)."""
    return _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _children(pid: int) -> list[int]:
    found: list[int] = []
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += [int(p) for p in (task / "children").read_text().split()]
    except OSError:
        return found  # it ended meanwhile, or there is no /proc
    return found


def descendants(root: int, *, spare: Iterable[int] = ()) -> list[int]:
    """All processes below `root`, without the spared ones and what is below those."""
    spared = set(spare)
    found: list[int] = []
    todo = _children(root)
    while todo:
        pid = todo.pop()
        if pid in spared:
            continue
        found.append(pid)
        todo += _children(pid)
    return found


def private_bytes(pid: int) -> int:
    """Memory that would be free if this process ended; 0 where that cannot be read."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Private_"))


def end_all(root: int, *, spare: Iterable[int] = (), seconds: float = 2.0) -> bool:
    """Kills everything below `root`; stops them first so that nothing forks meanwhile.

    Returns:
        Whether nothing is left (zombies that others have to reap do not count).
    """
    spared = set(spare)
    until = time.monotonic() + seconds
    while True:
        alive = descendants(root, spare=spared)
        if not alive:
            return True
        for sig in (signal.SIGSTOP, signal.SIGKILL):
            for pid in alive:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, sig)
        _reap(alive)
        if time.monotonic() > until:
            return not descendants(root, spare=spared)
        time.sleep(0.002)


def _reap(pids: list[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


def fork_detached() -> int:
    """Forks a process that belongs to the nearest subreaper and not to the caller.

    Returns:
        0 in the new process, 1 in the caller.

    Raises:
        OSError: No process can be had.
    """
    with warnings.catch_warnings():
        # "multi-threaded, fork() may lead to deadlocks": the copy touches none of those threads
        warnings.simplefilter("ignore", DeprecationWarning)
        middle = os.fork()
        if middle:
            _pid, status = os.waitpid(middle, 0)
            if status:
                raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
            return 1
        middle = os.getpid()
        try:
            child = os.fork()
        except OSError:
            os._exit(1)
    if child:
        os._exit(0)
    return 0


def die_with_guard(guard: int) -> None:
    """To be called by a detached process once it has done what is urgent.

    Its parent is the middle process of the fork for a while, whose memory takes time to go.

    Args:
        guard: Process id of the guard.
    """
    until = time.monotonic() + 5
    while os.getppid() != guard and time.monotonic() < until:
        time.sleep(0.0005)
    die_with_parent()
