"""The host's end of the life line: what becomes of a kernel's processes, orders to its guard."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Exit", "LifeLine"]

_MAX_LINE = 1 << 20


@dataclass(frozen=True)
class Exit:
    """How a kernel process ended.

    Attributes:
        code: Exit code, or minus the signal's number.
        out: What it wrote past Python to descriptor 1 (head, tail, dropped).
        err: Likewise for descriptor 2.
    """

    code: int
    out: dict[str, Any]
    err: dict[str, Any]


class LifeLine:
    """Listens for one guard and then talks to it.

    Args:
        path: Unix socket to listen on; gone as soon as the guard has connected.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.guard_pid: int | None = None
        self.lost: asyncio.Event = asyncio.Event()
        self.on_gone: Callable[[str], None] | None = None
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        path.chmod(0o666)  # the folder keeps others out; the kernel may be another user
        self._listener.listen(1)
        self._listener.setblocking(False)
        self._sock: socket.socket | None = None
        self._reader: asyncio.Task[None] | None = None
        self._count = 0
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._ready: dict[int, asyncio.Future[None]] = {}
        self._exits: dict[int, asyncio.Future[Exit]] = {}
        self._snaps: dict[str, asyncio.Future[str]] = {}

    async def accept(self) -> None:
        """Waits for the guard."""
        loop = asyncio.get_running_loop()
        try:
            self._sock, _ = await loop.sock_accept(self._listener)
            self._sock.setblocking(False)
        finally:
            self._listener.close()
            with contextlib.suppress(FileNotFoundError):
                self.path.unlink()
        self._reader = asyncio.ensure_future(self._read(self._sock))

    def ready(self, gen: int) -> asyncio.Future[None]:
        """Done when that generation's sockets are bound."""
        if gen not in self._ready:
            self._ready[gen] = asyncio.get_running_loop().create_future()
        return self._ready[gen]

    def exited(self, gen: int) -> asyncio.Future[Exit]:
        """Done when that generation's process has ended, or nobody can tell any more."""
        if gen not in self._exits:
            self._exits[gen] = asyncio.get_running_loop().create_future()
            if self.lost.is_set():
                self._exits[gen].set_result(Exit(-9, {}, {}))
        return self._exits[gen]

    def snapped(self, name: str) -> asyncio.Future[str]:
        """Done with "" when the snapshot sleeps, or with the reason why there is none."""
        if name not in self._snaps:
            self._snaps[name] = asyncio.get_running_loop().create_future()
        return self._snaps[name]

    def forget(self, name: str) -> None:
        """Makes room for a newer snapshot of the same name."""
        self._snaps.pop(name, None)

    async def post(self, op: str, **what: Any) -> None:
        """Orders something without waiting until it is done.

        Raises:
            ConnectionError: The guard is gone.
        """
        if self._sock is None or self.lost.is_set():
            raise ConnectionError("the guard is gone")
        line = json.dumps({"op": op, "n": 0, **what}).encode() + b"\n"
        try:
            await asyncio.get_running_loop().sock_sendall(self._sock, line)
        except OSError as error:
            raise ConnectionError("the guard is gone") from error

    async def order(self, op: str, *, seconds: float = 5.0, **what: Any) -> dict[str, Any]:
        """Orders something and waits until it is done.

        Raises:
            ConnectionError: The guard is gone.
            TimeoutError: It does not answer.
        """
        loop = asyncio.get_running_loop()
        if self._sock is None or self.lost.is_set():
            raise ConnectionError("the guard is gone")
        self._count += 1
        number = self._count
        answer: asyncio.Future[dict[str, Any]] = loop.create_future()
        self._waiting[number] = answer
        try:
            line = json.dumps({"op": op, "n": number, **what}).encode() + b"\n"
            await loop.sock_sendall(self._sock, line)
            return await asyncio.wait_for(answer, seconds)
        except OSError as error:
            if isinstance(error, TimeoutError):
                raise
            raise ConnectionError("the guard is gone") from error
        finally:
            self._waiting.pop(number, None)

    async def _read(self, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        buffer = bytearray()
        try:
            while True:
                data = await loop.sock_recv(sock, 65536)
                if not data:
                    break
                buffer += data
                *lines, rest = buffer.split(b"\n")
                buffer = bytearray(rest)
                if len(buffer) > _MAX_LINE:
                    break
                for line in lines:
                    self._heard(json.loads(line))
        except (OSError, ValueError, KeyError, TypeError):
            pass  # it died, or it is no guard any more: either way nothing it says counts
        finally:
            sock.close()
            self._end()

    def _heard(self, message: dict[str, Any]) -> None:
        event = message["e"]
        if event == "hello":
            self.guard_pid = int(message["pid"])
        elif event == "ready":
            _settle(self.ready(int(message["gen"])), None)
        elif event == "exit":
            ending = Exit(int(message["code"]), dict(message["out"]), dict(message["err"]))
            _settle(self.exited(int(message["gen"])), ending)
        elif event == "snap":
            _settle(self.snapped(str(message["name"])), "" if message["ok"] else message["why"])
        elif event == "gone":
            name = str(message["name"])
            _settle(self.snapped(name), "it ended")
            self._snaps.pop(name, None)
            if self.on_gone:
                self.on_gone(name)
        elif event == "done":
            waiting = self._waiting.get(int(message["n"]))
            if waiting:
                _settle(waiting, message)

    def _end(self) -> None:
        self.lost.set()
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(ConnectionError("the guard is gone"))
        for exit_ in self._exits.values():
            _settle(exit_, Exit(-9, {}, {}))
        for snap in self._snaps.values():
            _settle(snap, "the guard is gone")

    async def aclose(self) -> None:
        """Closes the line: the guard kills everything below it and ends."""
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)
        elif self._sock is None:
            self._listener.close()
        if self._sock is not None:
            self._sock.close()
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()


def _settle(future: asyncio.Future[Any], value: Any) -> None:
    if not future.done():
        future.set_result(value)
