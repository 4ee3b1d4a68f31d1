"""What a kernel and its guard say to each other, and what came past Python."""

from __future__ import annotations

import array
import contextlib
import fcntl
import json
import mmap
import socket
import struct
import termios
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Raw", "Tie", "receive", "transmit"]

_HEAD = _TAIL = 32_768


@dataclass
class Tie:
    """What ties a kernel to its guard.

    Attributes:
        channel: Socket to the guard, one JSON object a packet.
        gen: Which generation this kernel is.
        drained: Memory shared with the guard: a count of bytes, and 1 while it reads; or None.
    """

    channel: socket.socket
    gen: int
    drained: mmap.mmap | None = None
    _seen: int = 0

    def wrote(self) -> bool:
        """Whether descriptors 1 and 2 may have been written to since the last call."""
        if self.drained is None:
            return True
        waiting = array.array("i", [0])
        for fd in (1, 2):
            try:
                fcntl.ioctl(fd, termios.FIONREAD, waiting)
            except OSError:
                return True  # a cell closed it, or put something else there
            if waiting[0]:
                return True
        # the guard sets the mark before it reads: what is not waiting is marked or counted
        count, reading = struct.unpack("QQ", self.drained[:16])
        if reading or count != self._seen:
            self._seen = count
            return True
        return False

    def say(self, **message: Any) -> None:
        """Tells the guard something; a guard that is gone is no error (we are about to die)."""
        with contextlib.suppress(OSError):
            transmit(self.channel, message)


def transmit(sock: socket.socket, message: dict[str, Any], fds: list[int] | None = None) -> None:
    """Sends one packet with file descriptors."""
    extra = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
    sock.sendmsg([json.dumps(message).encode()], extra)


def receive(sock: socket.socket) -> tuple[dict[str, Any] | None, list[int]]:
    """Receives one packet with file descriptors; None when the other end is gone."""
    fds = array.array("i")
    try:
        data, ancillary, _flags, _address = sock.recvmsg(65536, socket.CMSG_SPACE(4 * 4))
    except ConnectionError:
        return None, []
    for level, kind, payload in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(payload[: len(payload) - len(payload) % fds.itemsize])
    if not data:
        return None, list(fds)
    return json.loads(data), list(fds)


@dataclass
class Raw:
    """Head and tail of what came through a file descriptor since the last flush."""

    head: bytearray = field(default_factory=bytearray)
    tail: bytearray = field(default_factory=bytearray)
    dropped: int = 0

    def add(self, data: bytes) -> None:
        """Takes some more."""
        room = _HEAD - len(self.head)
        if room > 0:
            self.head += data[:room]
            data = data[room:]
        self.tail += data
        if len(self.tail) > _TAIL:
            self.dropped += len(self.tail) - _TAIL
            del self.tail[: len(self.tail) - _TAIL]

    def take(self) -> dict[str, Any]:
        """Gives it away and starts afresh."""
        report = {
            "head": self.head.decode("utf-8", "replace"),
            "tail": self.tail.decode("utf-8", "replace"),
            "dropped": self.dropped,
        }
        self.head, self.tail, self.dropped = bytearray(), bytearray(), 0
        return report
