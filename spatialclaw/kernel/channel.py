"""The sockets of the host to one kernel: shell and iopub, by Jupyter's wire protocol."""

from __future__ import annotations

import asyncio
import hmac
import json
import time
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Any

import zmq
import zmq.asyncio
from jupyter_client.session import DELIM, Session

from spatialclaw.kernel.collect import Collector

__all__ = ["Channel", "connection_info"]

MAX_MESSAGE = 24 * 1024 * 1024
_QUEUED = 50  # messages that wait in the host's memory; the rest stays in the kernel's
_TURN_SECONDS = 0.01
_IDLE_SECONDS = 2.0
_PING_MILLISECONDS = 6
_RECONNECT_SECONDS = 5.0


def connection_info(prefix: str, key: str) -> dict[str, Any]:
    """Jupyter's connection information for Unix sockets ``prefix-1`` to ``prefix-5``."""
    return {
        "transport": "ipc",
        "ip": prefix,
        "key": key,
        "signature_scheme": "hmac-sha256",
        "shell_port": 1,
        "iopub_port": 2,
        "stdin_port": 3,
        "control_port": 4,
        "hb_port": 5,
    }


class _Cell:
    """A cell that runs: how much of its output has come."""

    def __init__(self, request: str, collector: Collector) -> None:
        self.request = request
        self._collector = collector
        self._got = 0
        self._wanted: int | None = None
        self._whole = asyncio.get_running_loop().create_future()

    def take(self, kind: str, content: dict[str, Any]) -> None:
        """Takes one message."""
        self._got += 1
        if kind != "status":
            self._collector.add(kind, content)
        if self._got == self._wanted and not self._whole.done():
            self._whole.set_result(None)

    async def complete(self, count: Any) -> bool:
        """Waits until so many messages have come; whether they have."""
        self._wanted = count if type(count) is int else -1
        if self._got < self._wanted:
            await asyncio.wait({self._whole}, timeout=_IDLE_SECONDS)
        return self._got >= self._wanted >= 0


class Channel:
    """Shell and iopub of a kernel.

    Args:
        context: The context of this event loop.
        info: Connection information.
    """

    def __init__(self, context: zmq.asyncio.Context, info: dict[str, Any]) -> None:
        self.session = Session(
            key=info["key"].encode(), signature_scheme=info["signature_scheme"], username="host"
        )
        self._info = info
        self._key = info["key"].encode()
        self._shell = self._connect(context, zmq.DEALER, info["shell_port"])
        self._iopub = self._connect(context, zmq.SUB, info["iopub_port"])
        self._iopub.setsockopt(zmq.SUBSCRIBE, b"")
        self._cell: _Cell | None = None
        self._pumping: asyncio.Task[None] | None = None

    def _connect(self, context: zmq.asyncio.Context, kind: int, port: int) -> zmq.asyncio.Socket:
        socket: zmq.asyncio.Socket = context.socket(kind)
        socket.linger = 0
        socket.setsockopt(zmq.MAXMSGSIZE, MAX_MESSAGE)
        if kind == zmq.DEALER:
            socket.identity = self.session.bsession
        else:
            socket.rcvhwm = _QUEUED
        socket.connect(f"ipc://{self._info['ip']}-{port}")
        return socket

    async def welcome(self) -> None:
        """Waits until the kernel's iopub knows of us: something comes through.

        The welcome message that ipykernel sends is lost now and then (it sends on the socket past
        the stream that listens on it), so requests are sent until the status of one arrives.
        """
        while True:
            self.send("spatialclaw_request", {"op": "ping"})
            if await self._iopub.poll(_PING_MILLISECONDS):
                return

    def send(self, msg_type: str, content: dict[str, Any]) -> str:
        """Sends a request on the shell channel and returns its id."""
        message = self.session.msg(msg_type, content)
        # the high-water mark is 1000 and one request is under way at a time: this never waits
        self._shell.send_multipart(self.session.serialize(message))
        return str(message["header"]["msg_id"])

    async def _receive(self, socket: zmq.asyncio.Socket) -> dict[str, Any] | None:
        """The next message; None when it is forged or broken, whatever way."""
        parts = await socket.recv_multipart()
        try:
            start = parts.index(DELIM) + 1
            signature, header, parent, metadata, content = parts[start : start + 5]
            digest = hmac.new(self._key, digestmod=sha256)
            for part in (header, parent, metadata, content):
                digest.update(part)
            if not hmac.compare_digest(digest.hexdigest().encode(), signature):
                return None
            message = {
                "header": json.loads(header),
                "parent_header": json.loads(parent),
                "content": json.loads(content),
            }
        except (ValueError, RecursionError):
            return None
        fine = all(isinstance(part, dict) for part in message.values())
        return message if fine and "msg_type" in message["header"] else None

    async def reply(self, request: str) -> dict[str, Any]:
        """The content of the reply to a request."""
        while True:
            message = await self._receive(self._shell)
            if message is not None and message["parent_header"].get("msg_id") == request:
                return dict(message["content"])

    async def _pump(self) -> None:
        """Takes what comes on iopub, for the cell that runs; what is of no cell is dropped."""
        turn = time.monotonic()
        while True:
            if time.monotonic() - turn > _TURN_SECONDS:
                await asyncio.sleep(0)  # a flood is always ready: others have to have their turn
                turn = time.monotonic()
            message = await self._receive(self._iopub)
            cell = self._cell
            if message is None or cell is None:
                continue
            if message["parent_header"].get("msg_id") == cell.request:
                cell.take(str(message["header"]["msg_type"]), message["content"])

    async def cell(
        self,
        code: str,
        collector: Collector,
        meanwhile: Callable[[], Awaitable[None]] | None = None,
    ) -> str:
        """Runs a cell to its end.

        Args:
            code: The cell.
            collector: Takes its outputs.
            meanwhile: Done after the cell when something may have been written past Python.

        Returns:
            The status of the reply: "ok" or "error".
        """
        if self._pumping is None or self._pumping.done():
            self._pumping = asyncio.ensure_future(self._pump())
        request = self.send("spatialclaw_cell", {"code": code})
        cell = self._cell = _Cell(request, collector)
        try:
            reply = await self.reply(request)
            if meanwhile is not None and reply.get("raw") is not False:
                await meanwhile()
            if not await cell.complete(reply.get("outputs")):
                collector.note("the end of the output is missing")
                await self._stop()
                await self._reconnected()
            collector.reported(reply.get("report"))
            return str(reply.get("status"))
        finally:
            self._cell = None

    async def _stop(self) -> None:
        pumping, self._pumping = self._pumping, None
        if pumping is not None:
            pumping.cancel()
            await asyncio.gather(pumping, return_exceptions=True)

    async def _reconnected(self) -> None:
        """Waits until outputs come through again: a message over the limit ends the connection."""
        try:
            async with asyncio.timeout(_RECONNECT_SECONDS):
                await self.welcome()
        except TimeoutError:
            return  # the next cell says so itself: its output is missing too

    def close(self) -> None:
        """Closes the sockets."""
        if self._pumping is not None:
            self._pumping.cancel()
        self._shell.close()
        self._iopub.close()
