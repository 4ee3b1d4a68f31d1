# ruff: noqa: E501  (refusals of servers, as they come)
"""Structured calls over servers that take function schemas, and over those that do not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.doubles import FakeMedia, LocalExecutor

from spatialclaw.agent.budget import Limits
from spatialclaw.agent.environment import Environment
from spatialclaw.agent.loop import run
from spatialclaw.agent.prompts import estimate_tokens
from spatialclaw.agent.record import NoRecord
from spatialclaw.agent.types import Answer, Task
from spatialclaw.backends.openai import OpenAIBackend, OpenAIChat, OpenAIOptions
from spatialclaw.backends.scripted_server import Reply, ScriptedServer

TASK = Task("How far is the cup?", unit="m")


def native(name: str, **arguments: Any) -> Reply:
    call = {
        "id": "1",
        "type": "function",
        "function": {"name": name, "arguments": json.dumps(arguments)},
    }
    return Reply(None, message={"tool_calls": [call]}, finish="tool_calls")


class Measure:
    @staticmethod
    def distance(a: Any) -> float:
        return 2.0


async def ask(server: ScriptedServer, interface: str = "tools") -> tuple[Answer, NoRecord, Any]:
    chat = OpenAIChat(OpenAIOptions(server.base_url, model=server.model))
    backend, environment, record = OpenAIBackend(chat), Environment(), NoRecord()
    first = await environment.areset(
        TASK, media=FakeMedia(), kernel=LocalExecutor(frames=[1, 2], measure=Measure),
        recorder=record, limits=Limits(), chat=chat, interface=interface,
    )  # fmt: skip
    answer = await run(backend.policy(TASK), environment, first, backend="openai")
    await backend.aclose()
    return answer, record, chat.capabilities


async def test_schemas_are_sent_and_native_calls_are_made() -> None:
    script = [
        "Plan.",
        native("call_primitive", call="measure.distance", args={"a": "$frames[0]"}, **{"as": "d"}),
        native("submit", value="$d", unit="m"),
    ]
    with ScriptedServer(script) as server:
        answer, record, caps = await ask(server)
        requests = server.requests
    assert (answer.value, answer.interface) == (2.0, "tools")
    names = [tool["function"]["name"] for tool in requests[0]["tools"]]
    assert names == ["call_primitive", "submit"]
    assert caps.tools is True
    system = requests[0]["messages"][0]["content"]
    assert "`call_primitive`" in system
    assert "`depth(frame" in system
    assert estimate_tokens(system) + estimate_tokens(json.dumps(requests[0]["tools"])) < 6000
    assert all(r["messages"][0] == requests[0]["messages"][0] for r in requests)
    assert all(r["tools"] == requests[0]["tools"] for r in requests)
    assert [e["tools"] for e in record.events if e["kind"] == "request"] == [len(names)] * 3


REFUSALS = {
    "vllm": (400, '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'),
    "ollama": (400, "registry.ollama.ai/library/gemma3:4b does not support tools"),
    "llama.cpp": (500, "tools param requires --jinja flag"),
    "openrouter": (404, "No endpoints found that support tool use. To learn more about provider routing, visit: ..."),
    "strict": (422, "Unexpected fields in the request: {'tools'}"),
    "proxy": (400, "Unrecognized request argument supplied: tools"),
    "deepseek": (400, "deepseek-reasoner does not support Function Calling"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSALS)
async def test_a_server_without_them_gets_the_calls_as_json_in_the_text(name: str) -> None:
    status, text = REFUSALS[name]

    def refuse(request: dict[str, Any]) -> Reply | None:
        body = json.dumps({"error": {"message": text}})
        return Reply(status=status, body=body) if "tools" in request else None

    written = '```json\n[{"call": "measure.distance", "args": {"a": "$frames[0]"}, "as": "d"}]\n```'
    last = '```json\n[{"call": "submit", "args": {"value": "$d", "unit": "m"}}]\n```'
    with ScriptedServer(["Plan.", written, last], check=refuse) as server:
        answer, _, caps = await ask(server)
        requests = server.requests
    assert answer.value == 2.0
    assert caps.tools is False
    assert ["tools" in request for request in requests] == [True, False, False, False]
    assert "call_primitive" not in requests[1]["messages"][0]["content"]
    assert '"call": "depth"' in requests[1]["messages"][0]["content"]


async def test_other_interfaces_send_none() -> None:
    with ScriptedServer(["Plan.", "```python\nsubmit(2, 'm')\n```"]) as server:
        await ask(server, "code")
        assert all("tools" not in request for request in server.requests)
