"""The perception service: one process for a user's runs, on a Unix socket only the user can reach.

A client says hello with the name of its run, then sends one message at a time (see `wire`):

* ``{"op": "call", "method", "model", "pictures", "params", "arrays", "timeout", "alone", "fresh",
  "together"}`` with descriptors of the memory or file that new pictures lie in. The reply is
  ``{"ok": true, "info"}`` and a descriptor of the packed result, or ``{"ok": false, "missing":
  [hashes]}``, or ``{"ok": false, "error"}``.
* ``{"op": "status"}`` and ``{"op": "stop"}``.

A connection that ends takes its waiting call with it; with the last connection of a run the
pictures go that it has sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import struct
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from spatialclaw._version import __version__
from spatialclaw.perception.cache import ResultCache
from spatialclaw.perception.engine import Engine, Request
from spatialclaw.perception.pictures import Pictures
from spatialclaw.perception.places import PROTOCOL, Limits, cache_folder, limits
from spatialclaw.perception.processes import Refused
from spatialclaw.perception.wire import Closed, readable, receive, send

__all__ = ["Service", "serve"]

MAX_CONNECTIONS = 512
MAX_PICTURES = 1024


class Service:
    """Answers clients on one socket until it is told to stop or has nothing to do.

    Args:
        keep: Its limits.
        cache: Where results are kept.
    """

    def __init__(self, keep: Limits, cache: ResultCache) -> None:
        self.engine = Engine(keep, cache)
        self.pictures = Pictures()
        self.stopping = asyncio.Event()
        self._keep = keep
        self._runs: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._started = time.time()

    async def run(self, listener: socket.socket) -> None:
        """Serves until it is over."""
        accepting = asyncio.ensure_future(self._accept(listener))
        watching = asyncio.ensure_future(self._watch())
        try:
            await self.stopping.wait()
        finally:
            tasks = [accepting, watching, *self._tasks]
            for task in (accepting, watching):
                task.cancel()
            await self.engine.aclose()  # who waits hears of it before the connection ends
            await asyncio.sleep(0)
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch(self) -> None:
        """Unloads what rests and ends the service when all of it does."""
        pause = max(0.2, min(15.0, self._keep.idle_seconds / 4, self._keep.model_idle_seconds / 4))
        while True:
            await asyncio.sleep(pause)
            await self.engine.tidy()
            idle = time.monotonic() - self.engine.used
            if idle > self._keep.idle_seconds and not self.engine.busy:
                self.stopping.set()

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                sock, _ = await loop.sock_accept(listener)
            except OSError:  # no descriptors left: wait until some are free again
                await asyncio.sleep(0.1)
                continue
            sock.setblocking(False)
            if len(self._tasks) >= MAX_CONNECTIONS or not _is_ours(sock):
                sock.close()
                continue
            task = asyncio.ensure_future(self._serve(sock))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _serve(self, sock: socket.socket) -> None:
        run = ""
        try:
            hello, fds = await receive(sock)
            _close(fds)
            run = str(hello.get("run", ""))[:200]
            if hello.get("op") != "hello" or hello.get("protocol") != PROTOCOL or not run:
                return
            self._runs[run] += 1
            await send(sock, {"ok": True, "version": __version__, "pid": os.getpid()})
            while True:
                message, fds = await receive(sock)
                try:
                    await self._answer(sock, run, message, fds)
                finally:
                    _close(fds)
        except (Closed, OSError, ValueError):
            return  # it went away, or speaks another language: nothing is owed to it
        finally:
            sock.close()
            if self._runs[run] > 0:
                self._runs[run] -= 1
            if not self._runs[run]:
                del self._runs[run]
                self.pictures.forget(run)

    async def _answer(
        self, sock: socket.socket, run: str, message: dict[str, Any], fds: list[int]
    ) -> None:
        op = message.get("op")
        if op == "status":
            await send(sock, {"ok": True, **self.describe()})
        elif op == "stop":
            await send(sock, {"ok": True})
            self.stopping.set()
        elif op == "call":
            await self._call(sock, run, message, fds)
        else:
            await send(sock, _refusal(Refused("PrimitiveError", "no such operation")))

    async def _call(
        self, sock: socket.socket, run: str, message: dict[str, Any], fds: list[int]
    ) -> None:
        try:
            request, missing = self._request(run, message, fds)
        except Refused as refused:
            await send(sock, _refusal(refused))
            return
        except (KeyError, TypeError, ValueError, IndexError, AttributeError):
            await send(sock, _refusal(Refused("PrimitiveError", "a malformed call")))
            return
        if request is None:
            await send(sock, {"ok": False, "missing": missing})
            return
        answering = asyncio.ensure_future(self.engine.call(request))
        leaving = asyncio.ensure_future(readable(sock))
        try:
            await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if not answering.done():
                raise Closed("the client went away")
            try:
                result = answering.result()
            except Refused as refused:
                await send(sock, _refusal(refused))
                return
            await send(sock, {"ok": True, "info": result.info}, [result.blob.fd])
        finally:
            for task in (answering, leaving):
                task.cancel()
            await asyncio.gather(answering, leaving, return_exceptions=True)

    def _request(
        self, run: str, message: dict[str, Any], fds: list[int]
    ) -> tuple[Request | None, list[str]]:
        if len(message["pictures"]) > MAX_PICTURES:
            raise Refused("TooMuch", f"{len(message['pictures'])} pictures, at most {MAX_PICTURES}")
        pictures, missing = self.pictures.receive(run, message["pictures"], fds)
        if missing:
            return None, missing
        model = message.get("model")
        return Request(
            method=str(message["method"])[:100],
            model=None if model is None else str(model)[:200],
            run=run,
            pictures=pictures,
            params=dict(message.get("params") or {}),
            arrays=dict(message.get("arrays") or {}),
            timeout=float(message.get("timeout", 120.0)),
            alone=bool(message.get("alone")),
            fresh=bool(message.get("fresh")),
            together=min(max(int(message.get("together", 1)), 1), 64),
        ), []

    def describe(self) -> dict[str, Any]:
        """What there is at this moment."""
        return {
            "version": __version__,
            "pid": os.getpid(),
            "seconds": round(time.time() - self._started, 1),
            "runs": len(self._runs),
            "pictures": len(self.pictures),
            **self.engine.describe(),
        }


def _is_ours(sock: socket.socket) -> bool:
    """Whether the other side is the same user; the folder keeps others out already."""
    if not hasattr(socket, "SO_PEERCRED"):
        return True
    said = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return bool(struct.unpack("3i", said)[1] == os.getuid())


def _refusal(refused: Refused) -> dict[str, Any]:
    return {"ok": False, "error": refused.description()}


def _close(fds: list[int]) -> None:
    while fds:
        with contextlib.suppress(OSError):
            os.close(fds.pop())


async def serve(path: Path, ready: int) -> None:
    """Listens on `path`, says so on the descriptor `ready`, and serves.

    The caller holds the lock of the path.
    """
    _many_descriptors()
    keep = limits()
    service = Service(keep, ResultCache(cache_folder(), keep.cache_bytes))
    with _listening(path) as listener:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, service.stopping.set)
        os.write(ready, b"ready\n")
        os.close(ready)
        await service.run(listener)


@contextlib.contextmanager
def _listening(path: Path) -> Iterator[socket.socket]:
    path.unlink(missing_ok=True)  # of a service that was killed: whoever lives holds the lock
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
        path.chmod(0o600)
        listener.listen(128)
        listener.setblocking(False)
        yield listener
    finally:
        path.unlink(missing_ok=True)
        listener.close()


def _many_descriptors() -> None:
    if sys.platform != "win32":
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = 65536 if hard == resource.RLIM_INFINITY else hard
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
