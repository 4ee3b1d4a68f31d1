"""The three sockets of the host to one generation of a kernel."""

from __future__ import annotations

import asyncio
from typing import Any

import zmq
import zmq.asyncio
from jupyter_client.session import Session

__all__ = ["Channel", "connection_info"]

MAX_MESSAGE = 64 * 1024 * 1024


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
    """Shell and iopub of a kernel, by Jupyter's wire protocol.

    Args:
        context: The context of this event loop.
        info: Connection information.
    """

    def __init__(self, context: zmq.asyncio.Context, info: dict[str, Any]) -> None:
        self.session = Session(
            key=info["key"].encode(), signature_scheme=info["signature_scheme"], username="host"
        )
        self.info = info
        self.shell = self._connect(context, zmq.DEALER, info["shell_port"])
        self.iopub = self._connect(context, zmq.SUB, info["iopub_port"])
        self.iopub.setsockopt(zmq.SUBSCRIBE, b"")

    def _connect(self, context: zmq.asyncio.Context, kind: int, port: int) -> zmq.asyncio.Socket:
        socket: zmq.asyncio.Socket = context.socket(kind)
        socket.linger = 0
        socket.setsockopt(zmq.MAXMSGSIZE, MAX_MESSAGE)
        if kind == zmq.DEALER:
            socket.identity = self.session.bsession
        else:
            socket.rcvhwm = 500
        socket.connect(f"ipc://{self.info['ip']}-{port}")
        return socket

    async def welcome(self) -> None:
        """Waits until the kernel's iopub knows of us."""
        while True:
            message = await self.receive(self.iopub)
            if message is not None and message["header"]["msg_type"] == "iopub_welcome":
                return

    def send(self, msg_type: str, content: dict[str, Any]) -> str:
        """Sends a request on the shell channel and returns its id."""
        message = self.session.msg(msg_type, content)
        asyncio.ensure_future(self.shell.send_multipart(self.session.serialize(message)))
        return str(message["header"]["msg_id"])

    async def receive(self, socket: zmq.asyncio.Socket) -> dict[str, Any] | None:
        """The next message; None when it was no valid one."""
        parts = await socket.recv_multipart()
        try:
            _identities, frames = self.session.feed_identities(parts)
            message: dict[str, Any] = self.session.deserialize(frames, content=True)
        except Exception:  # a forged or broken message: it counts as none
            return None
        return message

    def close(self) -> None:
        """Closes the sockets."""
        self.shell.close()
        self.iopub.close()
