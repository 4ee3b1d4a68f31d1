"""Forking processes that wait for their work; used by the template only.

A process in namespaces of its own takes three steps, so that its first process is our child: a
fork, which leaves our namespaces; the maps of its user ids, written by us from outside; its own
fork, whose child is adopted by us when the one between has ended.
"""

from __future__ import annotations

import array
import contextlib
import os
import socket
from dataclasses import dataclass
from typing import Any

from spatialclaw.kernel.launch import child
from spatialclaw.kernel.launch.confine import namespaces

__all__ = ["Refused", "Waiting", "fork_waiting"]


class Refused(Exception):
    """No such process can be had; the message says why.

    Args:
        layer: Which layer of confinement failed, or "start".
        message: Why.
    """

    def __init__(self, layer: str, message: str) -> None:
        super().__init__(message)
        self.layer = layer
        self.message = message


@dataclass
class Waiting:
    """A forked process that waits; it ends when `line` is closed.

    Attributes:
        pid: Its id in our namespace.
        line: Socket to it.
    """

    pid: int
    line: socket.socket

    def hand(self, talk: socket.socket) -> None:
        """Gives it its work: the socket on which the host tells what to run.

        Raises:
            OSError: It has ended.
        """
        fds = array.array("i", [talk.fileno()])
        self.line.sendmsg([b"g"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
        self.line.close()


def fork_waiting(furniture: dict[str, Any] | None) -> Waiting:
    """Forks a process that waits for its work.

    Args:
        furniture: For a process in namespaces of its own, what all of them see; None for one that
            stays in ours.

    Raises:
        Refused: There is none.
    """
    isolated = furniture is not None
    user = namespaces.choose_user() if isolated else None
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        pid = os.fork()
    except OSError as error:
        ours.close()
        theirs.close()
        raise Refused("start", f"no process to be had ({error.strerror})") from None
    if pid == 0:
        child.wait(theirs, furniture=furniture, user=user)
    theirs.close()
    if not isolated:
        return Waiting(pid, ours)
    try:
        return Waiting(_usher(ours, pid, user), ours)
    except BaseException:
        ours.close()
        raise
    finally:
        os.waitpid(pid, 0)


def _usher(ours: socket.socket, middle: int, user: int | None) -> int:
    """Maps the user ids of a process that leaves our namespaces; returns the id of its child.

    Raises:
        Refused: It fails.
    """
    said = b""
    with contextlib.suppress(OSError):  # it has ended: `said` is empty then
        said = ours.recv(4096)
    if said != b"left":
        why = said.decode("utf-8", "replace") or "the process that tried has ended"
        raise Refused("namespaces", why)
    try:
        namespaces.write_maps(middle, user)
        ours.send(b"mapped")
        return int(ours.recv(16))
    except (OSError, ValueError) as error:
        why = str(error) if isinstance(error, OSError) else "the process that tried has ended"
        raise Refused("namespaces", f"user ids cannot be mapped ({why})") from None
