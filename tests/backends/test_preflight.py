"""A server that cannot be used is told in one line before anything is started."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spatialclaw as sc
from spatialclaw.backends import openai as client
from spatialclaw.backends.capabilities import CapabilityStore
from spatialclaw.backends.openai import OpenAIChat, OpenAIOptions
from spatialclaw.backends.pool import PoolChat
from spatialclaw.backends.preflight import alongside, preflight
from spatialclaw.backends.scripted_server import FAULTS, Reply, ScriptedServer
from spatialclaw.errors import (
    BackendError,
    BackendRejected,
    BackendReplyError,
    BackendUnreachable,
)


@pytest.fixture(autouse=True)
def _forget() -> None:
    client._passed.clear()


def refuse(message: str, status: int = 400) -> Reply:
    return Reply(status=status, body=json.dumps({"error": {"message": message}}))


def blind(request: dict[str, Any]) -> Reply | None:
    shown = "data:image/" in str(request["messages"])
    return refuse("image input is not supported - hint: provide the mmproj", 500) if shown else None


async def check(
    server: ScriptedServer, *, pictures: bool = True, store: CapabilityStore | None = None,
    **options: Any,
) -> OpenAIChat:  # fmt: skip
    given = {"base_url": server.base_url, "model": server.model, **options}
    chat = OpenAIChat(OpenAIOptions(**given), store=store)
    try:
        await preflight(chat, pictures=pictures)
    finally:
        await chat.aclose()
    return chat


UNUSABLE: dict[str, tuple[dict[str, Any], dict[str, Any], type[BackendError], str]] = {
    "wrong key": (
        {"api_key": "right"}, {"api_key": "wrong-key"}, BackendRejected, "key is refused",
    ),
    "no key": ({"api_key": "right", "list_models": False}, {}, BackendRejected, "wants a key"),
    "unknown model": (
        {"models": ["qwen3-vl-8b"]}, {"model": "qwen3-vl"}, BackendRejected, "has no model",
    ),
    "unknown model, models not listed": (
        {"list_models": False}, {"model": "nobody"}, BackendRejected, "does not exist",
    ),
    "several models, none named": (
        {"models": ["a", "b"]}, {"model": None}, BackendRejected, "has 2 models",
    ),
    "blind model": ({"check": blind}, {}, BackendRejected, "takes no pictures"),
    "a web page": ({"check": lambda r: FAULTS["html"]}, {}, BackendReplyError, "HTML"),
    "no money left": (
        {"check": lambda r: FAULTS["429 quota"]}, {}, BackendRejected, "payment",
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("server", "options", "error", "says"),
    [pytest.param(*row, id=name) for name, row in UNUSABLE.items()],
)
async def test_what_cannot_work_is_told_in_one_line(
    server: dict[str, Any], options: dict[str, Any], error: type[BackendError], says: str
) -> None:
    started = time.monotonic()
    with ScriptedServer([], **server) as running, pytest.raises(error) as raised:
        await check(running, **options)
    assert time.monotonic() - started < 10
    text = f"{raised.value} {raised.value.hint or ''}"
    assert says in text
    assert "\n" not in str(raised.value)
    assert running.requests == []


async def test_a_blind_server_is_good_enough_without_pictures() -> None:
    with ScriptedServer([], check=blind) as server:
        await check(server, pictures=False)


async def test_nobody_there_is_told_at_once() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    chat = OpenAIChat(OpenAIOptions(url, model="m"))
    with pytest.raises(BackendUnreachable, match="no connection"):
        await preflight(chat, pictures=True)
    await chat.aclose()


@pytest.mark.parametrize("reply", [FAULTS["500"], FAULTS["503"], FAULTS["429"], FAULTS["dropped"]])
async def test_a_server_that_is_only_busy_passes(reply: Reply) -> None:
    with ScriptedServer([], check=lambda request: reply) as server:
        await check(server)


async def test_what_is_known_is_not_asked_again(tmp_path: Path) -> None:
    with ScriptedServer([]) as server:
        first = await check(server, store=CapabilityStore(tmp_path))
        await check(server, store=CapabilityStore(tmp_path))
        assert len(server.checks) == 1
        assert first.capabilities.vision is True
        client._passed.clear()
        await check(server, store=CapabilityStore(tmp_path))
        assert len(server.checks) == 1
        # With another key it has to be asked anew.
        await check(server, store=CapabilityStore(tmp_path), api_key="another-key")
        assert len(server.checks) == 2


async def test_a_reasoning_model_that_needs_another_parameter_passes() -> None:
    def openai(request: dict[str, Any]) -> Reply | None:
        if "max_tokens" in request:
            return refuse(
                "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
                "'max_completion_tokens' instead."
            )
        return Reply("", finish="length")

    with ScriptedServer([], check=openai) as server:
        chat = await check(server)
        assert len(server.checks) == 2
        assert chat.capabilities.token_parameter == "max_completion_tokens"


async def test_one_endpoint_of_several_is_enough() -> None:
    with ScriptedServer([]) as good, ScriptedServer([], api_key="k") as bad:
        chats = [OpenAIChat(OpenAIOptions(s.base_url, model=s.model)) for s in (bad, good)]
        pool = PoolChat(chats)
        await preflight(pool, pictures=True)
        assert pool.pick() == 1
        await pool.aclose()
    with ScriptedServer([], api_key="k") as bad:
        pool = PoolChat([OpenAIChat(OpenAIOptions(bad.base_url, model=bad.model))] * 2)
        with pytest.raises(BackendRejected):
            await preflight(pool, pictures=True)


async def test_work_goes_on_beside_the_check_and_is_ended_by_its_failure() -> None:
    ended: list[str] = []

    async def work(seconds: float) -> str:
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise
        return "done"

    async def undo(result: str) -> None:
        ended.append(f"undone {result}")

    async def checked(seconds: float, error: Exception | None = None) -> None:
        await asyncio.sleep(seconds)
        if error:
            raise error

    assert await alongside(checked(0.5), lambda: work(0.01), undo) == "done"
    wrong = BackendRejected("no")
    with pytest.raises(BackendRejected):
        await alongside(checked(0.5, wrong), lambda: work(9), undo)
    assert ended == ["cancelled"]
    with pytest.raises(BackendRejected):
        await alongside(checked(0.5, wrong), lambda: work(0.01), undo)
    assert ended == ["cancelled", "undone done"]

    async def failing() -> str:
        raise ValueError("work")

    with pytest.raises(ValueError, match="work"):
        await alongside(checked(9), failing, undo)


@pytest.mark.parametrize("wrong", ["key", "model", "blind", "nobody"])
def test_no_kernel_starts_for_a_server_that_cannot_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    from PIL import Image

    from spatialclaw.kernel import Kernel

    started = threading.Event()

    async def start(*args: Any, **options: Any) -> Any:
        started.set()
        raise AssertionError("a kernel was started")

    for name in ("start", "start_bare"):
        monkeypatch.setattr(Kernel, name, start)
    Image.fromarray(np.zeros((48, 64, 3), np.uint8)).save(tmp_path / "photo.png")
    options: dict[str, Any] = {"backend": "openai", "runs_dir": tmp_path / "runs"}
    server = ScriptedServer(
        [], api_key="right" if wrong == "key" else None, check=blind if wrong == "blind" else None
    )
    with server:
        options |= {"base_url": server.base_url, "model": server.model}
        if wrong == "model":
            options["model"] = "other"
        if wrong == "nobody":
            options["base_url"] = "http://127.0.0.1:9/v1"
        with pytest.raises(BackendError):
            sc.ask(tmp_path / "photo.png", "How far?", **options)
    assert not started.is_set()
