"""The host's side: asks the service of this machine, or one elsewhere, and says what went wrong."""

from __future__ import annotations

import asyncio
import os
import socket
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from spatialclaw.errors import PerceptionError
from spatialclaw.perception.packed import Packed, unpack
from spatialclaw.perception.processes import Refused
from spatialclaw.perception.starting import connect, log_path
from spatialclaw.perception.wire import Closed, picture_hash, receive, send, share
from spatialclaw.primitives import errors
from spatialclaw.primitives.errors import PrimitiveError

__all__ = ["Client", "LocalClient", "Query", "Reply", "Shared", "share_pictures", "typed"]

PATIENCE = 5.0
"""Seconds beyond the call's own that a client waits for the service to say that it is late."""
_CONNECTIONS = 8


@dataclass(frozen=True)
class Shared:
    """A picture that other processes can map.

    Attributes:
        sha256: `wire.picture_hash` of it.
        height: Pixels.
        width: Pixels.
        fd: Descriptor of the memory or file it lies in; whoever made it closes it.
        offset: Bytes from the start.
    """

    sha256: str
    height: int
    width: int
    fd: int
    offset: int = 0


@dataclass(frozen=True)
class Query:
    """One call.

    Attributes:
        method: Such as "depth".
        pictures: What it is about.
        params: JSON-able arguments.
        arrays: Array arguments: {"dtype", "shape", "data"}.
        model: A model by name, or None for the best there is.
        timeout: Seconds to wait.
        fresh: Compute it even if it is known.
    """

    method: str
    pictures: Sequence[Shared]
    params: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, Any] = field(default_factory=dict)
    model: str | None = None
    timeout: float = 120.0
    fresh: bool = False


@dataclass
class Reply:
    """What came back.

    Attributes:
        fd: Descriptor of the packed result, sealed; the caller's to close or to hand on.
        info: model, revision, cached, seconds, batch, bytes, notes.
    """

    fd: int
    info: dict[str, Any]

    def unpack(self) -> Packed:
        """Reads the result and closes the descriptor."""
        size = os.fstat(self.fd).st_size
        try:
            data = os.pread(self.fd, size, 0)
            while len(data) < size and (more := os.pread(self.fd, size - len(data), len(data))):
                data += more
        finally:
            os.close(self.fd)
        return unpack(data)


class Client(Protocol):
    """Who answers calls: `LocalClient`, or `remote.RemoteClient`."""

    async def call(self, query: Query) -> Reply:
        """Answers a call.

        Raises:
            PrimitiveError: A typed refusal.
            PerceptionError: Nobody answers.
        """

    async def aclose(self) -> None:
        """Lets go of everything."""


def share_pictures(images: Sequence[npt.NDArray[np.uint8]]) -> list[Shared]:
    """Puts pictures into shared memory; close `fd` of the first (it is that of all) afterwards."""
    if not images:
        return []
    fd = share([np.ascontiguousarray(image).data for image in images])
    made, offset = [], 0
    for image in images:
        made.append(Shared(picture_hash(image), image.shape[0], image.shape[1], fd, offset))
        offset += image.nbytes
    return made


def typed(refused: Refused) -> PrimitiveError:
    """The error of a cell for a refusal."""
    kind = getattr(errors, refused.kind, None)
    if not (isinstance(kind, type) and issubclass(kind, PrimitiveError)):
        kind = PrimitiveError
    error = kind(refused.message, hint=refused.hint)
    if isinstance(error, errors.Ambiguous):
        error.candidates = list(refused.candidates)
    return error


class LocalClient:
    """Calls of one run to the service of this machine, which is started when there is none.

    A call whose service or worker dies is sent again, once. One that finds the queue full waits
    as long as it was told, within its time.

    Args:
        run: Names the run towards the service, which is fair between runs.
    """

    def __init__(self, run: str | None = None) -> None:
        self.run = run or uuid.uuid4().hex
        self._free: list[tuple[socket.socket, int]] = []
        self._slots = asyncio.Semaphore(_CONNECTIONS)
        self._sent: dict[int, set[str]] = {}
        self._closed = False
        self._out = 0

    async def call(self, query: Query) -> Reply:
        """Answers a call; see `Client.call`."""
        until = time.monotonic() + query.timeout
        self._out += 1
        try:
            return await self._until_answered(query, until)
        finally:
            self._out -= 1

    async def _until_answered(self, query: Query, until: float) -> Reply:
        deaths = 0
        async with self._slots:
            while True:
                left = max(until - time.monotonic(), 0.001)
                try:
                    return await self._once(query, left, alone=deaths > 0)
                except Refused as refused:
                    after = refused.retry_after
                    if refused.retry and deaths == 0:
                        deaths += 1
                    elif after is not None and time.monotonic() + after < until:
                        await asyncio.sleep(after)
                    else:
                        raise typed(refused) from None
                except Closed:
                    self._drop_free()
                    deaths += 1
                    if deaths > 1:
                        raise errors.Unavailable(
                            f"the perception service ended twice during {query.method}",
                            hint=f"without a model; the reason is at the end of {log_path()}",
                        ) from None

    async def _once(self, query: Query, seconds: float, *, alone: bool) -> Reply:
        sock, pid = await self._connection()
        try:
            # Not wait_for: before Python 3.12 it may swallow that it was cancelled.
            async with asyncio.timeout(seconds + PATIENCE):
                reply, fds = await self._exchange(sock, pid, query, seconds, alone)
        except TimeoutError:
            sock.close()
            raise errors.TimedOut(
                f"{query.method}: no answer in {seconds:.3g} s", hint="a longer timeout"
            ) from None
        except OSError as error:
            sock.close()
            raise error if isinstance(error, Closed) else Closed(str(error)) from error
        except BaseException:  # cancelled: the service sees the end and frees the place
            sock.close()
            raise
        if self._closed:
            sock.close()
        else:
            self._free.append((sock, pid))
        if not reply.get("ok"):
            raise Refused.from_description(reply["error"])
        return Reply(fds[0], reply["info"])

    async def _exchange(
        self, sock: socket.socket, pid: int, query: Query, seconds: float, alone: bool
    ) -> tuple[dict[str, Any], list[int]]:
        sent = self._sent.setdefault(pid, set())
        missing = {picture.sha256 for picture in query.pictures} - sent
        while True:
            message, fds = _message(query, missing, seconds, alone)
            await asyncio.sleep(0)  # calls begun in the same turn of the loop are out by then
            message["together"] = min(self._out, _CONNECTIONS)
            await send(sock, message, fds)
            reply, given = await receive(sock)
            if "missing" not in reply:
                sent.update(missing)
                return reply, given
            again = set(reply["missing"])
            if again <= missing:
                raise Closed("the service does not take the pictures")
            missing = again

    async def _connection(self) -> tuple[socket.socket, int]:
        if self._closed:
            raise PerceptionError("this client was closed")
        while self._free:
            sock, pid = self._free.pop()
            if _is_open(sock):
                return sock, pid
            sock.close()
        sock, pid = await connect(self.run)
        if pid not in self._sent:
            self._sent = {pid: set()}
        return sock, pid

    async def aclose(self) -> None:
        """Ends the connections; the service then forgets the pictures of the run."""
        self._closed = True
        self._drop_free()

    def _drop_free(self) -> None:
        while self._free:
            self._free.pop()[0].close()


def _is_open(sock: socket.socket) -> bool:
    """Whether the other side has not closed an idle connection."""
    try:
        return sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


def _message(
    query: Query, missing: set[str], seconds: float, alone: bool
) -> tuple[dict[str, Any], list[int]]:
    fds: dict[int, int] = {}
    pictures = []
    for picture in query.pictures:
        said: dict[str, Any] = {
            "sha256": picture.sha256,
            "height": picture.height,
            "width": picture.width,
        }
        if picture.sha256 in missing:
            said["blob"] = fds.setdefault(picture.fd, len(fds))
            said["offset"] = picture.offset
        pictures.append(said)
    return {
        "op": "call",
        "method": query.method,
        "model": query.model,
        "pictures": pictures,
        "params": dict(query.params),
        "arrays": dict(query.arrays),
        "timeout": seconds,
        "alone": alone,
        "fresh": query.fresh,
    }, list(fds)
