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
_PING_MILLISECONDS = 20
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

    async def outputs(self, request: str, collector: Collector) -> None:
        """Collects the outputs of a request until its idle status."""
        turn = time.monotonic()
        while True:
            if time.monotonic() - turn > _TURN_SECONDS:
                await asyncio.sleep(0)  # a flood is always ready: others have to have their turn
                turn = time.monotonic()
            message = await self._receive(self._iopub)
            if message is None or message["parent_header"].get("msg_id") != request:
                continue
            kind, content = message["header"]["msg_type"], message["content"]
            if kind != "status":
                collector.add(str(kind), content)
            elif content.get("execution_state") == "idle":
                return

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
            meanwhile: Done between the reply and the end of the outputs.

        Returns:
            The status of the reply: "ok", "error" or "aborted".
        """
        content = {
            "code": code,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": False,
        }
        request = self.send("execute_request", content)
        idle = asyncio.ensure_future(self.outputs(request, collector))
        try:
            reply = await self.reply(request)
            if meanwhile is not None:
                await meanwhile()
            if not idle.done():
                await asyncio.wait({idle}, timeout=_IDLE_SECONDS)
            if not idle.done():
                collector.note("the end of the output is missing")
                idle.cancel()
                await asyncio.gather(idle, return_exceptions=True)
                await self._reconnected()
            else:
                idle.result()
            return str(reply.get("status"))
        finally:
            if not idle.done():
                idle.cancel()
                await asyncio.gather(idle, return_exceptions=True)

    async def _reconnected(self) -> None:
        """Waits until outputs come through again: a message over the limit ends the connection."""
        try:
            async with asyncio.timeout(_RECONNECT_SECONDS):
                await self.welcome()
        except TimeoutError:
            return  # the next cell says so itself: its output is missing too

    def close(self) -> None:
        """Closes the sockets."""
        self._shell.close()
        self._iopub.close()
