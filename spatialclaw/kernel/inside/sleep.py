"""Snapshots: a forked copy of the kernel that sleeps until it is wanted.

The fork happens in the main thread while no cell is executing. The copy
keeps the Python objects and nothing else: descriptors of the old sockets and pipes are closed and
never used, threads do not exist in it. When it is woken it forks again: it sleeps on itself, and
the new process becomes the kernel, which builds new sockets around the old namespace.
"""

from __future__ import annotations

import mmap
import os
import signal
import socket
import stat
import threading
import warnings
from typing import Any

from spatialclaw.kernel.inside.tree import fork_detached
from spatialclaw.kernel.inside.wire import Tie, receive, transmit

__all__ = ["Refused", "Woken", "snapshot"]

_copies: list[int] = []
"""Sleeping copies that are children of this process."""

OWN_THREADS = frozenset({"MainThread", "IOPub", "Control", "Heartbeat", "Shell channel"})


class Refused(Exception):
    """This state cannot be kept; says why."""


class Woken(SystemExit):
    """A snapshot was woken: this process is the kernel now.

    Raised where the snapshot was taken. It is a SystemExit because that is what gets past event
    loops, which end on its way.

    Args:
        tie: To the guard.
        connection: Connection information of the new sockets.
        guard: Process id of the guard.
        gateway: Socket of a gateway of its own, or None.
    """

    def __init__(
        self, tie: Tie, connection: dict[str, Any], guard: int, gateway: str | None
    ) -> None:
        super().__init__(0)
        self.tie = tie
        self.connection = connection
        self.guard = guard
        self.gateway = gateway


def foreign_threads() -> list[str]:
    """Names of the threads that cells left running."""
    return [
        t.name
        for t in threading.enumerate()
        if t.name not in OWN_THREADS and not getattr(t, "pydev_do_not_trace", False)
    ]


def snapshot(name: str, tie: Tie | None) -> None:
    """Leaves a sleeping copy of this process behind.

    Raises:
        Woken: In the copy, when it is woken, much later.
        Refused: Threads are running whose work would be lost, or there is no guard.
    """
    if tie is None:
        raise Refused("this kernel has no guard")
    threads = foreign_threads()
    if threads:
        raise Refused(f"a cell left threads running ({', '.join(threads[:3])})")
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    _reap()
    try:
        child = _fork()
    except OSError as error:
        ours.close()
        theirs.close()
        raise Refused(f"no process for it: {error.strerror}") from None
    if child:
        _copies.append(child)
        ours.close()
        transmit(tie.channel, {"say": "snapshot", "name": name}, [theirs.fileno()])
        theirs.close()
        return
    _close_all_but(ours.fileno())
    os.setpgid(0, 0)
    raise _sleep(ours, tie.drained)


def _fork() -> int:
    with warnings.catch_warnings():
        # "multi-threaded, fork() may lead to deadlocks": the copy touches none of those threads
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def _reap() -> None:
    """Collects copies that were dropped, so that they do not stay as zombies of the kernel."""
    for pid in list(_copies):
        try:
            gone, _status = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            gone = pid
        if gone:
            _copies.remove(pid)


def _sleep(channel: socket.socket, drained: mmap.mmap | None) -> Woken:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    transmit(channel, {"pid": os.getpid()})
    while True:
        order, fds = receive(channel)
        if order is None:
            os._exit(0)  # dropped, or the guard is gone
        try:
            woken = not fork_detached()
        except OSError:
            woken = False  # no process to be had: whoever gave the order sees the tie close
        if not woken:
            for fd in fds:
                os.close(fd)
            continue
        channel.close()
        os.setpgid(0, 0)
        _copies.clear()
        tie = Tie(socket.socket(fileno=fds[0]), int(order["gen"]), drained)
        tie.say(say="awake", pid=os.getpid())
        return Woken(tie, order["connection"], int(order["guard"]), order.get("gateway"))


def _close_all_but(keep: int) -> None:
    """Closes inherited sockets, pipes and event descriptors; files that cells opened stay open.

    The Python objects that own the closed descriptors are not told: `App.reopen` buries them.
    """
    for entry in os.listdir("/proc/self/fd"):  # noqa: PTH208 (the less is done here the better)
        fd = int(entry)
        if fd <= 2 or fd == keep:
            continue
        try:
            kind = stat.S_IFMT(os.fstat(fd).st_mode)
        except OSError:
            continue  # the descriptor of the listing itself
        if kind in (stat.S_IFSOCK, stat.S_IFIFO, 0):
            os.close(fd)
