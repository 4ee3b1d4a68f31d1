"""Frames between processes of one user: a length, a msgpack map, and descriptors beside it."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import os
import socket
import struct
import tempfile
from collections.abc import Sequence
from typing import Any

import msgpack
import numpy as np
import numpy.typing as npt

__all__ = [
    "MAX_FDS",
    "MAX_MESSAGE",
    "Closed",
    "picture_hash",
    "readable",
    "receive",
    "receive_blocking",
    "send",
    "send_blocking",
    "share",
]

MAX_MESSAGE = 64 * 1024 * 1024
MAX_FDS = 200
_LENGTH = struct.Struct(">I")
_CLOEXEC = getattr(socket, "MSG_CMSG_CLOEXEC", 0)


class Closed(ConnectionError):
    """The other side went away, or said what is no message."""


def picture_hash(image: npt.NDArray[np.uint8]) -> str:
    """The name of a picture by its content.

    Args:
        image: (H, W, 3) uint8 RGB.

    Returns:
        sha256 of its size and its pixels, hex.
    """
    digest = hashlib.sha256(b"%dx%dx3\n" % image.shape[:2])
    digest.update(np.ascontiguousarray(image).data)
    return digest.hexdigest()


def share(parts: Sequence[Any]) -> int:
    """A descriptor of anonymous memory with these bytes, which nobody can change any more."""
    create = getattr(os, "memfd_create", None)
    if create is None:  # not Linux: a file without a name does the same
        with tempfile.TemporaryFile() as file:
            for part in parts:
                file.write(part)
            file.flush()
            return os.dup(file.fileno())
    fd: int = create("spatialclaw", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        for part in parts:
            view = memoryview(part).cast("B")
            while len(view):
                view = view[os.write(fd, view) :]
        seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _encode(message: dict[str, Any]) -> bytes:
    payload: bytes = msgpack.packb(message, use_bin_type=True)
    if len(payload) > MAX_MESSAGE:
        raise ValueError(f"a message of {len(payload)} bytes")
    return _LENGTH.pack(len(payload)) + payload


def _decode(payload: bytes) -> dict[str, Any]:
    try:
        message = msgpack.unpackb(payload, raw=False, strict_map_key=True, max_ext_len=0)
    except Exception as error:  # msgpack raises a dozen kinds, RecursionError among them
        raise Closed("what came is no message") from error
    if not isinstance(message, dict):
        raise Closed("what came is no message")
    return message


def _size_of(head: bytes) -> int:
    (size,) = _LENGTH.unpack(head)
    if size > MAX_MESSAGE:
        raise Closed(f"a message of {size} bytes was announced")
    return int(size)


async def send(sock: socket.socket, message: dict[str, Any], fds: Sequence[int] = ()) -> None:
    """Sends a message; the descriptors stay the caller's."""
    loop = asyncio.get_running_loop()
    data = _encode(message)
    sent = 0
    while fds and not sent:
        try:
            sent = socket.send_fds(sock, [data], list(fds))
        except BlockingIOError:
            await readable(sock, writing=True)
    data = data[sent:]
    await loop.sock_sendall(sock, data)


async def receive(sock: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """A message and the descriptors that came with it, which are the caller's to close.

    Raises:
        Closed: The other side went away, or said what is no message.
    """
    loop = asyncio.get_running_loop()
    fds: list[int] = []
    head: bytes | None = None
    try:
        while head is None:
            try:
                head, fds, _, _ = socket.recv_fds(sock, 4, MAX_FDS, _CLOEXEC)
            except BlockingIOError:
                await readable(sock)
        if not head:
            raise Closed("the connection was closed")
        while len(head) < 4:
            head += await _some(loop, sock, 4 - len(head))
        size = _size_of(head)
        body = bytearray()
        while len(body) < size:
            body += await _some(loop, sock, min(size - len(body), 1 << 20))
        return _decode(bytes(body)), list(fds)
    except BaseException as error:
        for fd in fds:
            os.close(fd)
        if isinstance(error, OSError) and not isinstance(error, Closed):
            raise Closed(str(error)) from error
        raise


async def _some(loop: asyncio.AbstractEventLoop, sock: socket.socket, size: int) -> bytes:
    data = await loop.sock_recv(sock, size)
    if not data:
        raise Closed("the connection was closed in the middle of a message")
    return data


async def readable(sock: socket.socket, *, writing: bool = False) -> None:
    """Waits until a non-blocking socket can be read from (or written to)."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()
    add, remove = (
        (loop.add_writer, loop.remove_writer) if writing else (loop.add_reader, loop.remove_reader)
    )
    number = sock.fileno()
    if number < 0:
        raise Closed("the connection was closed")

    def wake() -> None:
        if not done.done():
            done.set_result(None)

    add(number, wake)
    try:
        await done
    finally:
        remove(number)


def send_blocking(sock: socket.socket, message: dict[str, Any], fds: Sequence[int] = ()) -> None:
    """Like `send`, for a socket that blocks."""
    data = _encode(message)
    if fds:
        data = data[socket.send_fds(sock, [data], list(fds)) :]
    sock.sendall(data)


def receive_blocking(sock: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """Like `receive`, for a socket that blocks."""
    fds: list[int] = []
    try:
        head, fds, _, _ = socket.recv_fds(sock, 4, MAX_FDS, _CLOEXEC)
        while head and len(head) < 4 and (more := sock.recv(4 - len(head))):
            head += more
        if len(head) < 4:
            raise Closed("the connection was closed")
        size = _size_of(head)
        body = bytearray()
        while len(body) < size:
            data = sock.recv(min(size - len(body), 1 << 20))
            if not data:
                raise Closed("the connection was closed in the middle of a message")
            body += data
        return _decode(bytes(body)), list(fds)
    except BaseException:
        for fd in fds:
            with contextlib.suppress(OSError):
                os.close(fd)
        raise
