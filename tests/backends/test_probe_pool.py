"""Whether a server sees, in which numbers it points, and how several share the load."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from spatialclaw.backends.base import Message
from spatialclaw.backends.capabilities import CapabilityStore
from spatialclaw.backends.openai import OpenAIChat, OpenAIOptions
from spatialclaw.backends.pool import PoolChat
from spatialclaw.backends.probe import Probe, draw_picture, probe
from spatialclaw.backends.resolve import resolve
from spatialclaw.backends.scripted_server import FAULTS, Reply, ScriptedServer
from spatialclaw.config import Settings
from spatialclaw.errors import BackendUnreachable

HELLO = [Message("user", ("Hello",))]
PICTURE = draw_picture(5)


def seen(**changes: Any) -> str:
    facts = {"colour": PICTURE.colour, "count": PICTURE.count, "number": PICTURE.number}
    return json.dumps({**facts, **changes})


async def ask(replies: Any) -> tuple[Probe, OpenAIChat]:
    with ScriptedServer(replies) as server:
        chat = OpenAIChat(
            OpenAIOptions(server.base_url, model=server.model), store=CapabilityStore()
        )
        result = await probe(chat, seed=5)
        await chat.aclose()
    return result, chat


X, Y = PICTURE.ring
POINTS = [
    (f'[{{"point_2d": [{X}, {Y}]}}]', "pixels"),
    (f'[{{"point_2d": [{X * 1000 // 1024}, {Y * 1000 // 768}]}}]', "0-1000"),
    (f"[[{X / 1024:.3f}, {Y / 768:.3f}]]", "0-1"),
    (f"The ring is at ({X + 9}, {Y - 6}).", "pixels"),
    ('[{"point_2d": [20, 700]}]', None),
    ("I cannot say.", None),
]


@pytest.mark.parametrize(("reply", "convention"), POINTS)
async def test_the_convention_of_a_server_is_found(reply: str, convention: str | None) -> None:
    result, chat = await ask([seen(), reply, "six"])
    assert result.sees
    assert result.convention == convention
    assert chat.capabilities.vision is True
    assert chat.capabilities.pixels == convention


@pytest.mark.parametrize(
    ("reply", "sees"),
    [
        (seen(), True),
        (seen(count=99), True),
        (f"```json\n{seen()}\n```", True),
        (seen(count=99, number=1), False),
        ("I see a picture with some shapes.", False),
        ("", False),
    ],
)
async def test_a_server_that_guesses_is_blind(reply: str, sees: bool) -> None:
    result, _ = await ask([reply, "[]", "six"] if sees else [reply])
    assert result.sees is sees


async def test_a_limit_on_pictures_is_learnt() -> None:
    limit = json.dumps({"error": {"message": "At most 4 image(s) may be provided in one prompt."}})
    result, _ = await ask([seen(), "[]", Reply(status=400, body=limit), "four"])
    assert result.max_images == 4


async def test_a_server_that_refuses_pictures_is_told() -> None:
    text = json.dumps({"error": {"message": "This model does not support image inputs."}})
    result, _ = await ask(lambda request: Reply(status=400, body=text))
    assert not result.sees
    assert "takes no pictures" in result.error


def test_the_picture_is_another_one_each_time() -> None:
    pictures = {(p.colour, p.count, p.number, p.ring) for p in map(draw_picture, range(20))}
    assert len(pictures) == 20


def pool(*servers: ScriptedServer) -> PoolChat:
    async def no_sleep(seconds: float) -> None:
        return

    return PoolChat(
        [
            OpenAIChat(OpenAIOptions(s.base_url, model=s.model, max_retries=0), sleep=no_sleep)
            for s in servers
        ]
    )


async def test_runs_stay_with_their_endpoint_and_spread_over_all() -> None:
    with ScriptedServer(lambda r: "a") as one, ScriptedServer(lambda r: "b") as two:
        chat = pool(one, two)
        runs = [chat.for_run() for _ in range(6)]
        rounds = []
        for _ in range(3):
            replies = await asyncio.gather(*(r.complete(HELLO, purpose="act") for r in runs))
            rounds.append([reply.text for reply in replies])
        assert sorted(rounds[0]) == ["a"] * 3 + ["b"] * 3
        assert rounds[0] == rounds[1] == rounds[2]
        await chat.aclose()
    assert len(one.requests) == len(two.requests) == 9


async def test_a_failed_endpoint_rests_while_others_take_over() -> None:
    with ScriptedServer(lambda r: FAULTS["500"]) as bad, ScriptedServer(lambda r: "ok") as good:
        chat = pool(bad, good)
        for _ in range(5):
            assert (await chat.for_run().complete(HELLO, purpose="act")).text == "ok"
        await chat.aclose()
    assert len(bad.requests) == 1


async def test_when_all_fail_the_error_is_told() -> None:
    with (
        ScriptedServer(lambda r: FAULTS["500"]) as one,
        ScriptedServer(lambda r: FAULTS["503"]) as two,
    ):
        chat = pool(one, two)
        with pytest.raises(BackendUnreachable):
            await chat.for_run().complete(HELLO, purpose="act")
        await chat.aclose()


async def test_several_addresses_make_a_pool() -> None:
    chosen = await resolve(
        Settings(backend="openai", base_url="http://a:1/v1, http://b:2/v1", model="m")
    )
    assert isinstance(chosen.backend.chat, PoolChat)
    assert [c.base_url for c in chosen.backend.chat.chats] == ["http://a:1/v1", "http://b:2/v1"]


async def test_doctor_says_what_the_server_sees() -> None:
    from spatialclaw.checks import run_checks
    from spatialclaw.config import resolve_settings

    def answer(request: dict[str, Any]) -> str:
        return '{"colour": "no idea", "count": 0, "number": 0}'

    with ScriptedServer(answer) as server:
        resolved = resolve_settings(
            {"backend": "openai", "base_url": server.base_url, "model": server.model}, environ={}
        )
        checks = {check.name: check for check in await run_checks(resolved, vlm=True)}
    assert checks["vlm sees"].state == "no"
    assert "vision model" in checks["vlm sees"].remedy
