"""The perception service over HTTP: what `spatialclaw serve` offers to other machines.

Bodies of requests are msgpack, results are the bytes of `packed`, refusals are JSON:

* ``POST /v1/pictures`` ``{"run", "height", "width", "data"}`` (RGB, 8 bit) gives ``{"sha256"}``:
  a picture is sent once and then spoken of by its hash.
* ``POST /v1/calls`` ``{"run", "method", "model", "pictures": [{"sha256", "height", "width"}],
  "params", "arrays", "timeout", "fresh"}`` gives the packed result, and what is known of it in the
  header ``x-spatialclaw-info``; or status 409 and ``{"missing": [hashes]}``: pictures to be sent.
* ``GET /v1/models`` gives ``{"offers": [{"method", "model", "command"}]}``.
* ``GET /healthz`` and ``GET /openapi.json`` need no token.

The server computes every hash itself: what one client sends cannot pass for another's picture.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import os
import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import msgpack
import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from spatialclaw._version import __version__
from spatialclaw.errors import PerceptionError
from spatialclaw.perception.client import LocalClient, Query, Shared
from spatialclaw.perception.openapi import document
from spatialclaw.perception.packed import RESULT_TYPE
from spatialclaw.perception.params import Edge, Method, PictureReference, SentArray, bounded
from spatialclaw.perception.remote import INFO_HEADER
from spatialclaw.perception.wire import picture_hash, share
from spatialclaw.primitives.errors import PrimitiveError, TimedOut, TooMuch, Unavailable

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

__all__ = ["CallBody", "PictureBody", "make_app"]

MAX_BODY = 64 * 1024**2
MAX_RUNS = 256
RUN_SECONDS = 900.0
MAX_KEPT = 8 * 1024**3
_STATUS = {Unavailable: 503, TooMuch: 429, TimedOut: 504}

Body = TypeVar("Body", bound=BaseModel)
Run = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PictureBody(_Strict):
    """What ``POST /v1/pictures`` takes."""

    run: Run
    height: Edge
    width: Edge
    data: Annotated[bytes, Field(min_length=3, max_length=MAX_BODY)]


class CallBody(_Strict):
    """What ``POST /v1/calls`` takes."""

    run: Run
    method: Method
    pictures: Annotated[list[PictureReference], Field(min_length=1, max_length=1024)]
    params: dict[Annotated[str, Field(max_length=100)], Any] = Field(default_factory=dict)
    arrays: Annotated[dict[str, SentArray], Field(max_length=16)] = Field(default_factory=dict)
    model: Annotated[str, Field(max_length=200)] | None = None
    timeout: Annotated[float, Field(gt=0, le=3600)] = 120.0
    fresh: bool = False


@dataclass
class _RemoteRun:
    client: LocalClient
    pictures: OrderedDict[str, Shared] = field(default_factory=OrderedDict)
    bytes: int = 0
    used: float = field(default_factory=time.monotonic)
    calls: int = 0


class _Runs:
    """The runs of other machines: a connection to the service each, and what they have sent."""

    def __init__(self, max_bytes: int) -> None:
        self._runs: OrderedDict[str, _RemoteRun] = OrderedDict()
        self._max_bytes = max_bytes

    async def get(self, name: str) -> _RemoteRun:
        now = time.monotonic()
        for old in [n for n, r in self._runs.items() if now - r.used > RUN_SECONDS and not r.calls]:
            await self._end(old)
        if name not in self._runs:
            resting = [n for n, r in self._runs.items() if not r.calls]
            if len(self._runs) >= MAX_RUNS:
                if not resting:
                    raise TooMuch(f"{MAX_RUNS} runs are served already", hint="the same later")
                await self._end(resting[0])
            self._runs[name] = _RemoteRun(LocalClient(f"remote {name}"))
        run = self._runs[name]
        run.used = now
        self._runs.move_to_end(name)
        return run

    def keep(self, run: _RemoteRun, picture: Shared) -> None:
        if picture.sha256 in run.pictures:
            os.close(picture.fd)
            return
        run.pictures[picture.sha256] = picture
        run.bytes += 3 * picture.height * picture.width
        while sum(r.bytes for r in self._runs.values()) > self._max_bytes:
            fullest = max(self._runs.values(), key=lambda r: r.bytes)
            _, old = fullest.pictures.popitem(last=False)
            fullest.bytes -= 3 * old.height * old.width
            os.close(old.fd)

    async def _end(self, name: str) -> None:
        run = self._runs.pop(name)
        await run.client.aclose()
        for picture in run.pictures.values():
            os.close(picture.fd)

    async def aclose(self) -> None:
        for name in list(self._runs):
            await self._end(name)


def make_app(token: str, *, max_body: int = MAX_BODY, max_kept: int = MAX_KEPT) -> Starlette:
    """The application.

    Args:
        token: What clients have to say.
        max_body: Bytes of a request.
        max_kept: Bytes of pictures kept for all runs.
    """
    from starlette.applications import Starlette
    from starlette.routing import Route

    runs = _Runs(max_kept)

    def guarded(endpoint: Any) -> Any:
        async def answer(request: Request) -> Response:
            if not _may(request, token):
                return _json(
                    {"error": _error("PrimitiveError", "the token is missing or wrong")},
                    401,
                    {"www-authenticate": "Bearer"},
                )
            try:
                return await endpoint(request)  # type: ignore[no-any-return]
            except _BadRequest as bad:
                return _json({"error": _error(bad.kind, str(bad))}, bad.status)
            except PrimitiveError as refused:
                kind = type(refused)
                error = _error(kind.__name__, refused.message, refused.hint)
                error["candidates"] = [str(c) for c in getattr(refused, "candidates", ())]
                return _json({"error": error}, _STATUS.get(kind, 422))
            except PerceptionError as failed:
                error = _error("Unavailable", failed.message, failed.hint)
                return _json({"error": error}, 502)

        return answer

    async def pictures(request: Request) -> Response:
        body = await _body(request, PictureBody, max_body)
        size = 3 * body.height * body.width
        if len(body.data) != size:
            raise _BadRequest(422, f"the data have {len(body.data)} bytes, the picture {size}")
        image = np.frombuffer(body.data, np.uint8).reshape(body.height, body.width, 3)
        name = await asyncio.to_thread(picture_hash, image)
        fd = await asyncio.to_thread(share, [body.data])
        run = await runs.get(body.run)
        runs.keep(run, Shared(name, body.height, body.width, fd))
        return _json({"sha256": name})

    async def calls(request: Request) -> Response:
        body = await _body(request, CallBody, max_body)
        try:
            bounded(body.params)
        except ValueError as error:
            raise _BadRequest(422, str(error)) from error
        run = await runs.get(body.run)
        missing = [p.sha256 for p in body.pictures if p.sha256 not in run.pictures]
        if missing:
            return _json({"missing": missing}, 409)
        run.calls += 1
        try:
            return await _call(request, body, run)
        finally:
            run.calls -= 1

    async def models(request: Request) -> Response:
        from spatialclaw.perception.registry import all_adapters, offer

        def ask() -> list[dict[str, Any]]:
            names = sorted({m for a in all_adapters().values() for m in a.info.methods})
            found = [offer(name) for name in names]
            return [{"method": o.method, "model": o.model, "command": o.command} for o in found]

        return _json({"offers": await asyncio.to_thread(ask)})

    async def healthz(request: Request) -> Response:
        return _json({"status": "ok", "version": __version__})

    async def openapi(request: Request) -> Response:
        return _json(document(PictureBody, CallBody, max_body))

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await runs.aclose()

    return Starlette(
        routes=[
            Route("/v1/pictures", guarded(pictures), methods=["POST"]),
            Route("/v1/calls", guarded(calls), methods=["POST"]),
            Route("/v1/models", guarded(models), methods=["GET"]),
            Route("/healthz", healthz, methods=["GET"]),
            Route("/openapi.json", openapi, methods=["GET"]),
        ],
        lifespan=lifespan,
    )


async def _call(request: Request, body: CallBody, run: _RemoteRun) -> Response:
    from starlette.responses import Response

    pictures = [run.pictures[p.sha256] for p in body.pictures]
    held = {picture.fd: os.dup(picture.fd) for picture in pictures}
    query = Query(
        method=body.method,
        pictures=[Shared(p.sha256, p.height, p.width, held[p.fd], p.offset) for p in pictures],
        params=body.params,
        arrays={name: array.model_dump() for name, array in body.arrays.items()},
        model=body.model,
        timeout=body.timeout,
        fresh=body.fresh,
    )
    answering = asyncio.ensure_future(run.client.call(query))
    leaving = asyncio.ensure_future(_left(request))
    try:
        await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not answering.done():
            return Response(status_code=499)  # nobody reads it: the client went away
        reply = answering.result()
    finally:
        for task in (answering, leaving):
            task.cancel()
        await asyncio.gather(answering, leaving, return_exceptions=True)
        for fd in held.values():
            os.close(fd)
    try:
        data = await asyncio.to_thread(os.pread, reply.fd, os.fstat(reply.fd).st_size, 0)
    finally:
        os.close(reply.fd)
    headers = {INFO_HEADER: json.dumps(reply.info)}
    return Response(data, media_type=RESULT_TYPE, headers=headers)


async def _left(request: Request) -> None:
    """Returns when the client went away; its body has been read."""
    while (await request.receive())["type"] != "http.disconnect":
        continue


class _BadRequest(Exception):
    def __init__(self, status: int, message: str, kind: str = "PrimitiveError") -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind


def _may(request: Request, token: str) -> bool:
    scheme, _, said = request.headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(said.encode(), token.encode())


async def _body(request: Request, model: type[Body], limit: int) -> Body:
    """The body of a request, read no further than the limit."""
    too_large = _BadRequest(413, f"the body has more than {limit} bytes", "TooMuch")
    announced = request.headers.get("content-length", "0")
    if not announced.isdecimal() or int(announced) > limit:
        raise too_large
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > limit:
            raise too_large
    try:
        said = msgpack.unpackb(
            bytes(data), raw=False, strict_map_key=True, max_ext_len=0, max_array_len=100_000
        )
    except Exception as error:  # msgpack raises a dozen kinds, RecursionError among them
        raise _BadRequest(400, "the body is no msgpack") from error
    try:
        return model.model_validate(said)
    except ValidationError as invalid:
        first = invalid.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise _BadRequest(422, f"{where}: {first['msg']}") from invalid


def _error(kind: str, message: str, hint: str | None = None) -> dict[str, Any]:
    return {"type": kind, "message": message, "hint": hint}


def _json(
    said: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    from starlette.responses import JSONResponse

    return JSONResponse(said, status_code=status, headers=headers)
