"""The Unix socket on which a gateway is served."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
from pathlib import Path

from spatialclaw.kernel.gateway import MAX_FRAME, Gateway, encode_reply

__all__ = ["GatewayServer"]

MAX_CONNECTIONS = 16
FRAME_SECONDS = 20.0


class GatewayServer:
    """Serves a `Gateway` on one Unix socket.

    Args:
        path: Where to listen; in a folder that nobody else may enter.
        gateway: What to serve; may be exchanged while it runs.
    """

    def __init__(self, path: Path, gateway: Gateway) -> None:
        self.path = path
        self.gateway = gateway
        self.refused = 0
        self._listener: socket.socket | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._accepting: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Starts to listen."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(self.path))
        self.path.chmod(0o666)  # the folder keeps others out
        listener.listen(16)
        listener.setblocking(False)
        self._listener = listener
        self._accepting = asyncio.ensure_future(self._accept(listener))

    async def aclose(self) -> None:
        """Stops listening and ends every connection."""
        tasks = [t for t in (self._accepting, *self._tasks) if t is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                sock, _ = await loop.sock_accept(listener)
            except OSError:  # no descriptors left: wait until some are free again
                await asyncio.sleep(0.1)
                continue
            sock.setblocking(False)
            if len(self._tasks) >= MAX_CONNECTIONS:
                self.refused += 1
                sock.close()
                continue
            task = asyncio.ensure_future(self._serve(sock))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _serve(self, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        try:
            while True:
                head = await _exactly(loop, sock, 4)
                (size,) = struct.unpack(">I", head)
                if size > MAX_FRAME:
                    reply = encode_reply(
                        None, None, {"type": "TooMuch", "message": "frame too large"}
                    )
                    await loop.sock_sendall(sock, struct.pack(">I", len(reply)) + reply)
                    return
                # a frame that has begun has to arrive: nobody may hold memory by sending slowly
                frame = await asyncio.wait_for(_exactly(loop, sock, size), FRAME_SECONDS)
                reply, files = await self._answer(loop, sock, frame)
                await asyncio.wait_for(self._send(loop, sock, reply, files), FRAME_SECONDS)
        except (ValueError, OSError, EOFError, TimeoutError):
            self.refused += 1  # garbage, half a frame, too slow, gone: the connection ends
        finally:
            sock.close()

    async def _answer(
        self, loop: asyncio.AbstractEventLoop, sock: socket.socket, frame: bytes
    ) -> tuple[bytes, list[Path | int]]:
        """The gateway's answer; a cell that was interrupted takes its request with it."""
        answering = asyncio.ensure_future(self.gateway.answer(frame))
        heard = asyncio.Event()
        loop.add_reader(sock, heard.set)
        hearing = asyncio.ensure_future(heard.wait())
        try:
            await asyncio.wait({answering, hearing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            loop.remove_reader(sock)
            hearing.cancel()
            if not answering.done() and (not heard.is_set() or _is_over(sock)):
                answering.cancel()
        try:
            return await answering
        except asyncio.CancelledError:
            if answering.cancelled():
                raise EOFError from None
            raise

    async def _send(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        reply: bytes,
        files: list[Path | int],
    ) -> None:
        head = struct.pack(">I", len(reply))
        fds = [
            file if isinstance(file, int) else os.open(file, os.O_RDONLY | os.O_CLOEXEC)
            for file in files
        ]
        try:
            if fds:
                while True:
                    try:
                        socket.send_fds(sock, [head], fds)
                        break
                    except BlockingIOError:
                        await asyncio.sleep(0.001)
                await loop.sock_sendall(sock, reply)
            else:
                await loop.sock_sendall(sock, head + reply)
        finally:
            for fd in fds:
                os.close(fd)


def _is_over(sock: socket.socket) -> bool:
    try:
        return sock.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


async def _exactly(loop: asyncio.AbstractEventLoop, sock: socket.socket, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        data = await loop.sock_recv(sock, min(size - len(parts), 1 << 20))
        if not data:
            if parts:
                raise ValueError("half a frame")
            raise EOFError
        parts += data
    return bytes(parts)
