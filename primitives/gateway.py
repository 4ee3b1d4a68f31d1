"""The cell's side of the gateway: typed requests to the host over a Unix socket.

One request or reply is a frame: 4 bytes big-endian length, then a msgpack map. A request is
``{"id", "method", "params"}``; a reply ``{"id", "ok", "result"}`` or ``{"id", "ok", "error":
{"type", "message", "hint"}}``. Files come as descriptors with the first bytes of a reply.
"""

from __future__ import annotations

import os
import socket
import struct
import threading
from typing import Any

import msgpack

from spatialclaw.primitives import errors
from spatialclaw.primitives.errors import PrimitiveError, TimedOut, TooMuch, Unavailable

__all__ = ["MAX_FRAME", "Client", "call"]

MAX_FRAME = 32 * 1024 * 1024
_MAX_FDS = 4


class Client:
    """A blocking connection; one request at a time, fork-safe.

    Args:
        path: Unix socket of the host.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._sock: socket.socket | None = None
        self._owner = 0
        self._count = 0

    def _connected(self) -> socket.socket:
        if self._sock is not None and self._owner != os.getpid():
            self._sock.detach()  # it belongs to the process this one was forked from
            self._sock = None
        if self._sock is None:
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                sock.connect(self.path)
            except OSError as error:
                sock.close()
                raise Unavailable(f"the host does not answer ({error.strerror})") from None
            self._sock, self._owner = sock, os.getpid()
        return self._sock

    def call(self, method: str, *, timeout: float = 300.0, **params: Any) -> Any:
        """Asks the host and waits for its reply.

        Args:
            method: Name such as "vlm.look".
            timeout: Seconds to wait.
            **params: What the method takes; bytes are sent as they are.

        Returns:
            The result.

        Raises:
            Unavailable: No host, or it has no such method.
            TooMuch: Request too large, or the run's quota is used up.
            TimedOut: No reply in time.
            PrimitiveError: The host refused; says why.
        """
        result, fds = self.call_with_files(method, timeout=timeout, **params)
        for fd in fds:
            os.close(fd)
        return result

    def call_with_files(
        self, method: str, *, timeout: float = 300.0, **params: Any
    ) -> tuple[Any, list[int]]:
        """Like `call`, and returns the descriptors of files that came with the reply."""
        with self._lock:
            self._count += 1
            request = {"id": self._count, "method": method, "params": params}
            payload = msgpack.packb(request, use_bin_type=True)
            if len(payload) > MAX_FRAME:
                raise TooMuch(
                    f"{method}: the request has {len(payload) / 1e6:.0f} MB, "
                    f"{MAX_FRAME / 1e6:.0f} MB are allowed",
                    hint="send fewer or smaller pictures",
                )
            try:
                sock = self._connected()
                sock.settimeout(timeout)
                try:
                    sock.sendall(struct.pack(">I", len(payload)) + payload)
                except BrokenPipeError:
                    self._drop()
                    sock = self._connected()
                    sock.settimeout(timeout)
                    sock.sendall(struct.pack(">I", len(payload)) + payload)
                reply, fds = self._receive(sock)
            except TimeoutError:
                self._drop()
                raise TimedOut(f"{method}: no reply in {timeout:g} s") from None
            except OSError as error:
                self._drop()
                raise Unavailable(f"{method}: the host ended the connection ({error})") from None
            except BaseException:  # an interrupt: a late reply must not be taken for the next one
                self._drop()
                raise
        if not reply.get("ok"):
            raise _error(reply.get("error") or {})
        return reply.get("result"), fds

    def _receive(self, sock: socket.socket) -> tuple[dict[str, Any], list[int]]:
        head, fds, _flags, _address = socket.recv_fds(sock, 4, _MAX_FDS)
        head = head + self._exactly(sock, 4 - len(head)) if head else b""
        if not head:
            raise ConnectionResetError("closed")
        (size,) = struct.unpack(">I", head)
        if size > MAX_FRAME:
            raise ConnectionResetError("reply too large")
        reply = msgpack.unpackb(self._exactly(sock, size), raw=False)
        return reply, list(fds)

    def _exactly(self, sock: socket.socket, size: int) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            data = sock.recv(min(size - len(parts), 1 << 20))
            if not data:
                raise ConnectionResetError("closed")
            parts += data
        return bytes(parts)

    def _drop(self) -> None:
        if self._sock is not None:
            self._sock.close()
            self._sock = None

    def __repr__(self) -> str:
        return "<connection to the host>"


def _error(description: dict[str, Any]) -> PrimitiveError:
    kind = getattr(errors, str(description.get("type", "")), PrimitiveError)
    if not (isinstance(kind, type) and issubclass(kind, PrimitiveError)):
        kind = PrimitiveError
    hint = description.get("hint")
    error = kind(str(description.get("message", "the host refused")), hint=hint)
    if isinstance(error, errors.Ambiguous):
        error.candidates = list(description.get("candidates") or [])
    return error


def call(method: str, *, timeout: float = 300.0, **params: Any) -> Any:
    """Asks the host through this process's connection; see `Client.call`."""
    from spatialclaw.primitives import runtime

    return runtime.client().call(method, timeout=timeout, **params)
