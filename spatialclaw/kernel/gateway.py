"""The host's side of the gateway: the one way a cell reaches perception, the VLM and more frames.

What comes in is untrusted. A frame is size-limited before it is read, decoded as msgpack with
limits, validated by the method's pydantic model, counted against the run's quotas, and recorded.
No path from a cell is opened and nothing is unpickled. Files go out as read-only descriptors of
files that the handler chose.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgpack
from pydantic import BaseModel, ValidationError

from spatialclaw.errors import SpatialclawError
from spatialclaw.primitives.errors import PrimitiveError

__all__ = ["MAX_FRAME", "Call", "Gateway", "WithFiles", "encode_reply"]

MAX_FRAME = 32 * 1024 * 1024
_MAX_ITEMS = 100_000
_REFUSALS = 100
_REFUSED_SECONDS = 0.05


@dataclass(frozen=True)
class Call:
    """One request of a cell, for the record.

    Attributes:
        method: Which.
        params: As validated; bytes are replaced by their number.
        ok: Whether it was answered.
        error: Why not, or "".
        seconds: Wall time.
        bytes_in: Size of the request.
        bytes_out: Size of the reply.
        result: The result, bytes replaced by their number; None when it failed.
    """

    method: str
    params: dict[str, Any]
    ok: bool
    error: str
    seconds: float
    bytes_in: int
    bytes_out: int
    result: Any = None


@dataclass
class WithFiles:
    """A result and files that go along as descriptors.

    Attributes:
        result: What msgpack can carry.
        files: Paths, opened read-only; or descriptors, which are closed once they are sent.
    """

    result: Any
    files: Sequence[Path | int] = ()


Handler = Callable[[Any], Awaitable[Any] | Any]


@dataclass
class _Method:
    params: type[BaseModel]
    handler: Handler
    quota: int | None
    used: int = 0
    recorded: bool = True


class Gateway:
    """The methods that the cells of one run may call.

    Args:
        record: Called with each `Call` after it was answered.
        max_calls: Requests of the whole run.
        max_bytes: Bytes that the run may send.
        max_concurrent: Requests answered at the same time.

    Example:
        >>> class Params(BaseModel):
        ...     text: str
        >>> gateway = Gateway()
        >>> gateway.register("echo", Params, lambda p: p.text)
    """

    def __init__(
        self,
        *,
        record: Callable[[Call], None] | None = None,
        max_calls: int = 2_000,
        max_bytes: int = 4 * 1024**3,
        max_concurrent: int = 4,
    ) -> None:
        self.record = record
        self.max_calls = max_calls
        self.max_bytes = max_bytes
        self.calls = 0
        self.bytes = 0
        self.refused = 0
        self._methods: dict[str, _Method] = {}
        self._slots = asyncio.Semaphore(max_concurrent)

    def register(
        self,
        method: str,
        params: type[BaseModel],
        handler: Handler,
        *,
        quota: int | None = None,
        recorded: bool = True,
    ) -> None:
        """Adds a method, or replaces it.

        Args:
            method: Name such as "vlm.look".
            params: Model that validates the parameters; forbid what you do not know.
            handler: Takes the model, returns what msgpack can carry or `WithFiles`; plain or async.
                A `PrimitiveError` or `SpatialclawError` it raises reaches the cell as it is.
            quota: Calls of this method in the run.
            recorded: Whether to record its calls.
        """
        self._methods[method] = _Method(params, handler, quota, recorded=recorded)

    @property
    def methods(self) -> list[str]:
        """Names of the methods there are."""
        return sorted(self._methods)

    async def answer(self, frame: bytes) -> tuple[bytes, list[Path | int]]:
        """Answers one frame.

        Returns:
            The reply's frame without its length, and the files to send with it.

        Raises:
            ValueError: The frame is no request at all; the connection is not worth keeping.
        """
        started = time.perf_counter()
        if self.refused > _REFUSALS:  # a cell that does not stop shall not keep the host busy
            await asyncio.sleep(_REFUSED_SECONDS)
        request = decode_request(frame)
        number, name = request["id"], request["method"]
        files: list[Path | int] = []
        params: dict[str, Any] = {}
        error: dict[str, Any] | None = None
        result: Any = None
        method = self._methods.get(name)
        try:
            if method is None:
                self.refused += 1
                raise PrimitiveUnavailable(name, self.methods)
            self._charge(method, name, len(frame))
            model = method.params.model_validate(request["params"], strict=False)
            params = _without_bytes(model.model_dump())
            async with self._slots:
                result = method.handler(model)
                if hasattr(result, "__await__"):
                    result = await result
            if isinstance(result, WithFiles):
                files, result = list(result.files), result.result
        except ValidationError as invalid:
            error = {"type": "PrimitiveError", "message": f"{name}: {_first(invalid)}"}
        except PrimitiveError as refused:
            error = {
                "type": type(refused).__name__,
                "message": refused.message,
                "hint": refused.hint,
                "candidates": [str(c)[:200] for c in getattr(refused, "candidates", [])][:20],
            }
        except SpatialclawError as failed:
            error = {"type": "Unavailable", "message": failed.message, "hint": failed.hint}
        except asyncio.CancelledError:
            raise
        except Exception as failed:  # a bug of a handler must not end the run's gateway
            error = {"type": "PrimitiveError", "message": f"{name}: {type(failed).__name__}"}
        reply = encode_reply(number, result, error)
        if len(reply) > MAX_FRAME:
            error = {"type": "TooMuch", "message": f"{name}: the reply has {len(reply)} bytes"}
            for file in files:
                if isinstance(file, int):
                    os.close(file)
            reply, files = encode_reply(number, None, error), []
        # what is refused costs the cell nothing: the record must not grow with it without end
        recorded = method.recorded if method is not None else True
        if self.record is not None and recorded and self.refused <= _REFUSALS:
            self.record(
                Call(
                    method=name[:80],
                    params=params,
                    ok=error is None,
                    error=str(error["message"]) if error else "",
                    seconds=time.perf_counter() - started,
                    bytes_in=len(frame),
                    bytes_out=len(reply),
                    result=_without_bytes(result) if error is None else None,
                )
            )
        return reply, files

    def _charge(self, method: _Method, name: str, size: int) -> None:
        from spatialclaw.primitives.errors import TooMuch

        hint = None
        if self.calls >= self.max_calls:
            refusal = f"the run's {self.max_calls} calls to the host are used up"
        elif method.quota is not None and method.used >= method.quota:
            refusal = f"{name}: the run's {method.quota} calls are used up"
            hint = "work with what the earlier calls returned"
        elif self.bytes + size > self.max_bytes:
            refusal = f"the run's {self.max_bytes / 1e6:.0f} MB to the host are used up"
        else:
            self.calls += 1
            method.used += 1
            self.bytes += size
            return
        self.refused += 1
        raise TooMuch(refusal, hint=hint)


class PrimitiveUnavailable(PrimitiveError):
    """The method does not exist here; reaches the cell as `Unavailable`."""

    def __init__(self, name: str, known: list[str]) -> None:
        super().__init__(
            f"{name[:80]!r} is not available in this run",
            hint=f"one of {', '.join(known)}" if known else None,
        )


PrimitiveUnavailable.__name__ = "Unavailable"


def decode_request(frame: bytes) -> dict[str, Any]:
    try:
        request = msgpack.unpackb(
            frame,
            raw=False,
            strict_map_key=True,
            max_array_len=_MAX_ITEMS,
            max_map_len=_MAX_ITEMS,
            max_ext_len=0,
        )
    except Exception as error:  # msgpack raises a dozen kinds, RecursionError among them
        raise ValueError("no msgpack") from error
    if not isinstance(request, dict) or set(request) != {"id", "method", "params"}:
        raise ValueError("no request")
    if type(request["id"]) is not int or not 0 <= request["id"] < 2**53:
        raise ValueError("no id")
    if not isinstance(request["method"], str) or not isinstance(request["params"], dict):
        raise ValueError("no method")
    return request


def encode_reply(number: int | None, result: Any, error: dict[str, Any] | None) -> bytes:
    """A reply as a frame without its length."""
    message: dict[str, Any] = {"id": number, "ok": error is None}
    if error is None:
        message["result"] = result
    else:
        message["error"] = error
    packed: bytes = msgpack.packb(message, use_bin_type=True)
    return packed


def _first(invalid: ValidationError) -> str:
    first = invalid.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}" if where else str(first["msg"])


def _without_bytes(value: Any) -> Any:
    if isinstance(value, bytes | bytearray):
        return f"<{len(value)} bytes>"
    if isinstance(value, dict):
        return {str(k): _without_bytes(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_without_bytes(v) for v in value]
    return value
