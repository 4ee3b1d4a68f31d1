"""Perception on other machines: the client of `spatialclaw serve`."""

from __future__ import annotations

import asyncio
import json
import os
import time
import uuid
from typing import TYPE_CHECKING, Any

import msgpack

from spatialclaw.errors import PerceptionError
from spatialclaw.perception.client import Query, Reply, Shared, typed
from spatialclaw.perception.packed import MAGIC
from spatialclaw.perception.processes import Refused
from spatialclaw.perception.wire import share

if TYPE_CHECKING:
    import httpx2

__all__ = ["INFO_HEADER", "TYPE", "Directory", "RemoteClient", "addresses"]

TYPE = "application/msgpack"
INFO_HEADER = "x-spatialclaw-info"
CONNECT_SECONDS = 5.0
REST_SECONDS = 20.0
"""How long a server that did not answer is asked last."""
_REMEDY = "Start one there with `spatialclaw serve`, or unset SPATIALCLAW_PERCEPTION_URL"
_MAX_RESULT = 2 * 1024**3


class _Elsewhere(Exception):
    """This server cannot help; another one may."""


class RemoteClient:
    """Calls of one run to the first of several servers that answers.

    Args:
        urls: Servers, in the order of preference.
        token: What they ask for.
        run: Names the run towards them.
    """

    def __init__(self, urls: list[str], token: str, run: str | None = None) -> None:
        self.run = run or uuid.uuid4().hex
        self._urls = [url.rstrip("/") for url in urls]
        self._token = token
        self._down: dict[str, float] = {}
        self._http: httpx2.AsyncClient | None = None

    async def call(self, query: Query) -> Reply:
        """Answers a call, on another server where one fails.

        Raises:
            PrimitiveError: A typed refusal.
            PerceptionError: No server answers, or none takes the token.
        """
        until = time.monotonic() + query.timeout
        failures = []
        now = time.monotonic()
        order = sorted(self._urls, key=lambda url: self._down.get(url, 0) > now)
        for url in order:
            try:
                return await self._ask(url, query, until)
            except _Elsewhere as failure:
                self._down[url] = time.monotonic() + REST_SECONDS
                failures.append(f"{url}: {failure}")
        raise PerceptionError(
            f"no perception server answers ({'; '.join(failures)})",
            hint=_REMEDY,
        )

    async def _ask(self, url: str, query: Query, until: float) -> Reply:
        sent = False
        while True:
            left = max(until - time.monotonic(), 0.001)
            response = await self._post(url, "/v1/calls", _body(query, self.run, left), left)
            if response.status_code == 200:
                return _reply(response)
            said = _said(response)
            if response.status_code == 409 and not sent:
                missing = set(said.get("missing") or ())
                for picture in query.pictures:
                    if picture.sha256 in missing:
                        await self._put(url, picture, left)
                        missing.discard(picture.sha256)
                sent = True
                continue
            if response.status_code in (401, 403):
                raise _Elsewhere("it does not take the token (SPATIALCLAW_PERCEPTION_TOKEN)")
            if "error" not in said:
                raise _Elsewhere(f"it answers with status {response.status_code}")
            refused = Refused.from_description(said["error"])
            if refused.retry or response.status_code == 502:
                raise _Elsewhere(refused.message)
            after = refused.retry_after
            if after is None or time.monotonic() + after > until:
                raise typed(refused)
            await asyncio.sleep(after)

    async def _put(self, url: str, picture: Shared, seconds: float) -> None:
        size = 3 * picture.height * picture.width
        data = await asyncio.to_thread(os.pread, picture.fd, size, picture.offset)
        said = {"run": self.run, "height": picture.height, "width": picture.width, "data": data}
        response = await self._post(url, "/v1/pictures", msgpack.packb(said), seconds)
        if response.status_code != 200:
            error = _said(response).get("error")
            if error and response.status_code == 413:
                raise typed(Refused.from_description(error))
            raise _Elsewhere(f"it answers with status {response.status_code}")

    async def _post(self, url: str, path: str, body: bytes, seconds: float) -> httpx2.Response:
        import httpx2

        if self._http is None:
            self._http = httpx2.AsyncClient(headers={"authorization": f"Bearer {self._token}"})
        timeout = httpx2.Timeout(seconds + 10.0, connect=CONNECT_SECONDS)
        try:
            return await self._http.post(
                url + path, content=body, headers={"content-type": TYPE}, timeout=timeout
            )
        except httpx2.TimeoutException as error:
            raise _Elsewhere("no answer in time") from error
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            raise _Elsewhere(" ".join(str(error).split()) or type(error).__name__) from error

    async def aclose(self) -> None:
        """Ends the connections."""
        if self._http is not None:
            await self._http.aclose()
            self._http = None


class Directory:
    """Which models the servers have, asked at most every half a minute.

    Args:
        urls: Servers.
        token: What they ask for.
    """

    def __init__(self, urls: list[str], token: str) -> None:
        self._urls = [url.rstrip("/") for url in urls]
        self._token = token
        self._known: dict[str, tuple[str | None, str]] = {}
        self._asked = 0.0

    def offer(self, method: str) -> tuple[str | None, str]:
        """The model that answers a method there, or the command that brings one."""
        if not self._asked or time.monotonic() - self._asked > 30:
            self._known = self.ask()
            self._asked = time.monotonic()
        if not self._known:
            return None, f"spatialclaw serve (none answers on {', '.join(self._urls)})"
        return self._known.get(method, (None, f"a model for {method} on the perception server"))

    def require(self) -> None:
        """Asks the servers now.

        Raises:
            PerceptionError: None answers, or none takes the token.
        """
        self._known = self.ask()
        self._asked = time.monotonic()
        if not self._known:
            raise PerceptionError(
                f"no perception server answers, or none takes the token: {', '.join(self._urls)}",
                hint=_REMEDY,
            )

    def ask(self) -> dict[str, tuple[str | None, str]]:
        """What each method has there: model or None, and command; empty when none answers."""
        import httpx2

        known: dict[str, tuple[str | None, str]] = {}
        for url in self._urls:
            try:
                response = httpx2.get(
                    f"{url}/v1/models",
                    headers={"authorization": f"Bearer {self._token}"},
                    timeout=CONNECT_SECONDS,
                )
                offers = response.json()["offers"] if response.status_code == 200 else []
            except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError, KeyError):
                continue  # the next one may answer; if none does, `offer` says so
            for said in offers:
                method = str(said["method"])
                if known.get(method, (None, ""))[0] is None:
                    known[method] = (said["model"], str(said["command"]))
        return known


def addresses(said: str | None) -> list[str]:
    """The servers of the setting `perception_url`."""
    return [url.strip() for url in (said or "").split(",") if url.strip()]


def _body(query: Query, run: str, seconds: float) -> bytes:
    body: bytes = msgpack.packb(
        {
            "run": run,
            "method": query.method,
            "model": query.model,
            "pictures": [
                {"sha256": p.sha256, "height": p.height, "width": p.width} for p in query.pictures
            ],
            "params": dict(query.params),
            "arrays": dict(query.arrays),
            "timeout": seconds,
            "fresh": query.fresh,
        }
    )
    return body


def _reply(response: httpx2.Response) -> Reply:
    body = response.content
    try:
        info = json.loads(response.headers.get(INFO_HEADER, ""))
    except ValueError:
        info = None
    if not isinstance(info, dict) or body[:4] != MAGIC or len(body) > _MAX_RESULT:
        raise _Elsewhere("what it answers is no result")
    return Reply(share([body]), info)


def _said(response: httpx2.Response) -> dict[str, Any]:
    try:
        said = response.json()
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}
