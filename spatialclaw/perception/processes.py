"""The service's hold on one worker process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Sequence
from typing import Any

from spatialclaw.perception.wire import Closed, receive, send

__all__ = ["Crashed", "ModelProcess", "Refused"]


class Refused(Exception):
    """A call that gets no answer, with what is told about it.

    Args:
        kind: Name of an error of `spatialclaw.primitives.errors`, or "MemoryError".
        message: What happened.
        hint: What to try.
        retry: Whether the same call, sent again, may well succeed.
        retry_after: Seconds after which it makes sense.
        candidates: Of an `Ambiguous`.
    """

    def __init__(
        self,
        kind: str,
        message: str,
        *,
        hint: str | None = None,
        retry: bool = False,
        retry_after: float | None = None,
        candidates: Sequence[str] = (),
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.hint = hint
        self.retry = retry
        self.retry_after = retry_after
        self.candidates = list(candidates)

    @classmethod
    def from_description(cls, said: dict[str, Any]) -> Refused:
        """From what a worker, or another service, says."""
        after = said.get("retry_after")
        return cls(
            str(said.get("type", "PrimitiveError")),
            str(said.get("message", "the model refused")),
            hint=None if said.get("hint") is None else str(said["hint"]),
            retry=bool(said.get("retry", False)),
            retry_after=None if after is None else float(after),
            candidates=[str(c) for c in said.get("candidates") or ()],
        )

    def description(self) -> dict[str, Any]:
        """As it is sent."""
        return {
            "type": self.kind,
            "message": self.message,
            "hint": self.hint,
            "retry": self.retry,
            "retry_after": self.retry_after,
            "candidates": self.candidates,
        }


class Crashed(Exception):
    """The worker's process ended in the middle of something."""


class ModelProcess:
    """A worker with one model loaded.

    Attributes:
        model: Name of the model.
        revision: Names the weights that it loaded.
        device: Where the model is.
        memory: Main memory of the process as it last said, bytes.
        gpu_memory: Memory of the GPU likewise.
        gpu_total: What that GPU has, 0 where the model is on none.
    """

    def __init__(
        self, model: str, revision: str, process: asyncio.subprocess.Process, sock: socket.socket
    ) -> None:
        self.model = model
        self.revision = revision
        self.device = ""
        self.memory = 0
        self.gpu_memory = 0
        self.gpu_total = 0
        self._process = process
        self._sock = sock

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    @classmethod
    async def start(cls, model: str, revision: str, *, device: str, limit: int) -> ModelProcess:
        """Starts a process and loads the model in it.

        Raises:
            Refused: The model cannot be loaded.
            Crashed: The process ended while it tried.
        """
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-P", "-m", "spatialclaw.perception.worker", str(theirs.fileno())),
                pass_fds=(theirs.fileno(),),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=sys.stderr.fileno(),
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        made = cls(model, revision, process, ours)
        try:
            load = {"op": "load", "model": model, "device": device, "limit": limit}
            reply, _ = await made.request(load)
        except BaseException:
            await made.end()
            raise
        if not reply["ok"]:
            await made.end()
            raise Refused.from_description(reply["error"])
        made.device = str(reply["device"])
        return made

    async def request(
        self, message: dict[str, Any], fds: Sequence[int] = ()
    ) -> tuple[dict[str, Any], list[int]]:
        """One message there, one back.

        Raises:
            Crashed: The process ended.
        """
        try:
            await send(self._sock, message, fds)
            reply, given = await receive(self._sock)
        except (Closed, OSError) as error:
            raise Crashed(await self._why()) from error
        self.memory = int(reply.get("memory", 0))
        self.gpu_memory = int(reply.get("gpu_memory", 0))
        self.gpu_total = int(reply.get("gpu_total", 0))
        return reply, given

    async def _why(self) -> str:
        try:
            async with asyncio.timeout(2.0):
                code = await self._process.wait()
        except TimeoutError:
            return f"the process of {self.model} does not answer"
        if code >= 0:
            return f"the process of {self.model} ended with status {code}"
        name = signal.Signals(-code).name
        more = " (out of memory?)" if name == "SIGKILL" else ""
        return f"the process of {self.model} was ended by {name}{more}"

    @property
    def alive(self) -> bool:
        """Whether the process is there."""
        return self._process.returncode is None

    def kill(self) -> None:
        """Ends the process at once, whatever it does."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGKILL)

    async def end(self) -> None:
        """Ends the process and waits until it, and what it held, is gone."""
        self.kill()
        self._sock.close()
        await self._process.wait()
