# ruff: noqa: E501  (answers of servers, as they come)
"""A whole question with each kind of server: what it refuses, and how it words its replies."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from support.doubles import FakeMedia, LocalExecutor, cell

from spatialclaw.agent.budget import Limits
from spatialclaw.agent.environment import Environment
from spatialclaw.agent.loop import run
from spatialclaw.agent.types import Answer, Task
from spatialclaw.backends.openai import OpenAIBackend, OpenAIChat, OpenAIOptions
from spatialclaw.backends.scripted_server import Reply, ScriptedServer, prompt_tokens
from spatialclaw.errors import BackendRejected

TASK = Task("How far is the cup?", unit="m")
REPLIES = ["A plan.", cell("d = 2.0\nprint(d)\nshow(d)"), cell("submit(d, 'm')")]


def refuse(message: str, status: int = 400, **more: Any) -> Reply:
    return Reply(status=status, body=json.dumps({"error": {"message": message, **more}}))


def images(request: dict[str, Any]) -> int:
    return str(request["messages"]).count("data:image/")


def roles(request: dict[str, Any]) -> list[str]:
    return [message["role"] for message in request["messages"]]


def tokens(request: dict[str, Any]) -> int:
    """As many as the scripted server counts."""
    return prompt_tokens(json.dumps(request).encode())


@dataclass
class Server:
    """One kind of server: what it refuses and how it answers."""

    check: Callable[[dict[str, Any]], Reply | None] = lambda request: None
    reply: Callable[[str], Reply] = Reply
    options: dict[str, Any] = field(default_factory=dict)
    path: str = "/v1"


def vllm(request: dict[str, Any]) -> Reply | None:
    if images(request) > 1:
        return refuse(
            "At most 1 image(s) may be provided in one prompt. You can set `--limit-mm-per-prompt` to increase this limit if the model supports it.",
            type="BadRequestError",
        )
    prompt, asked = tokens(request), request["max_tokens"]
    if prompt + asked > 11_000:
        return refuse(
            f"'max_tokens' or 'max_completion_tokens' is too large: {asked}. This model's maximum "
            f"context length is 11000 tokens and your request has {prompt} input tokens "
            f"({asked} > 11000 - {prompt}).",
            type="BadRequestError",
        )
    return None


def sglang(request: dict[str, Any]) -> Reply | None:
    if "seed" in request:
        return refuse("Invalid request: seed is not supported with the current sampling backend")
    return None


def llama_cpp(request: dict[str, Any]) -> Reply | None:
    if tokens(request) + request["max_tokens"] > 12_000:
        return refuse(
            "the request exceeds the available context size (12000 tokens), try increasing it",
            type="exceed_context_size_error",
            n_ctx=12_000,
        )
    return None


def lm_studio(request: dict[str, Any]) -> Reply | None:
    urls = [u for u in str(request["messages"]).split("'") if u.startswith("data:image/")]
    if any(not u.startswith(("data:image/jpeg;base64,", "data:image/png;base64,")) for u in urls):
        return Reply(
            status=400, body=json.dumps({"error": "'url' field must be a base64 encoded image."})
        )
    return None


def transformers_serve(request: dict[str, Any]) -> Reply | None:
    if "seed" in request:
        return Reply(
            status=422, body=json.dumps({"detail": "Unexpected fields in the request: {'seed'}"})
        )
    return None


def openai(request: dict[str, Any]) -> Reply | None:
    if "max_tokens" in request:
        return refuse(
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
            code="unsupported_parameter",
            param="max_tokens",
        )
    if request.get("temperature", 1) != 1:
        return refuse(
            "Unsupported value: 'temperature' does not support 0.3 with this model. Only the default (1) value is supported.",
            code="unsupported_value",
            param="temperature",
        )
    return None


def gemini(request: dict[str, Any]) -> Reply | None:
    if "seed" in request:
        body = [
            {
                "error": {
                    "code": 400,
                    "message": 'Invalid JSON payload received. Unknown name "seed": Cannot find field.',
                    "status": "INVALID_ARGUMENT",
                }
            }
        ]
        return Reply(status=400, body=json.dumps(body))
    return None


def gemma_template(request: dict[str, Any]) -> Reply | None:
    if "system" in roles(request):
        return refuse("System role not supported", type="BadRequestError")
    if any(a == b for a, b in zip(roles(request), roles(request)[1:], strict=False)):
        return refuse(
            "Conversation roles must alternate user/assistant/user/assistant/...",
            type="BadRequestError",
        )
    return None


def gateway(request: dict[str, Any]) -> Reply | None:
    if len(json.dumps(request)) > 40_000:
        return Reply(
            status=413, body="<html><head><title>413 Request Entity Too Large</title></head></html>"
        )
    return None


def in_reasoning(text: str) -> Reply:
    return Reply("", message={"reasoning": text})


def parts(text: str) -> Reply:
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}
    return Reply(message={"content": [thought, {"type": "text", "text": text}]})


SERVERS = {
    "vllm": Server(vllm, lambda t: Reply(t, message={"reasoning": "hm", "tool_calls": []})),
    "sglang": Server(sglang, lambda t: Reply(t, message={"reasoning_content": "hm"})),
    "llama.cpp": Server(llama_cpp, lambda t: Reply(t, message={"reasoning_content": ""})),
    "ollama": Server(reply=in_reasoning),
    "ollama with think tags": Server(
        reply=lambda t: Reply(f"<think>\nhm ```x```\n</think>\n\n{t}")
    ),
    "lm studio": Server(lm_studio),
    "transformers serve": Server(transformers_serve, lambda t: Reply(t, usage=None, finish="")),
    "openai": Server(openai, options={"temperature": 0.3}),
    "gemini": Server(gemini, path="/v1beta/openai"),
    "openrouter": Server(
        reply=lambda t: Reply(
            t,
            message={"reasoning_details": [{"type": "reasoning.text", "text": "hm"}]},
            usage={"cost": 0.001},
        )
    ),
    "azure": Server(
        openai, path="/openai/deployments/m?api-version=2024-10-21", options={"api_key": "k"}
    ),
    "mistral": Server(reply=parts),
    "gemma behind a template": Server(gemma_template),
    "a gateway with small bodies": Server(gateway),
    "a deepseek reseller": Server(reply=lambda t: Reply(f"hm</think>{t}", usage=None)),
}


async def ask(kind: Server) -> tuple[Answer, ScriptedServer]:
    replies = iter([*REPLIES, REPLIES[-1]])

    def script(request: dict[str, Any]) -> Reply:
        return kind.reply(next(replies))

    with ScriptedServer(script, check=kind.check) as server:
        url = server.base_url.replace("/v1", kind.path)
        options = OpenAIOptions(url, model=server.model, seed=0, **kind.options)
        backend = OpenAIBackend(OpenAIChat(options))
        environment = Environment()
        first = await environment.areset(
            TASK, media=FakeMedia(4, width=640, height=480), kernel=LocalExecutor(),
            limits=Limits(), chat=backend.chat,
        )  # fmt: skip
        answer = await run(backend.policy(TASK), environment, first, backend="openai")
        await backend.aclose()
    return answer, server


@pytest.mark.parametrize("name", SERVERS)
async def test_a_question_is_answered_with(name: str) -> None:
    answer, server = await ask(SERVERS[name])
    assert (answer.value, answer.status) == (2.0, "submitted")
    assert answer.usage.requests >= 3
    # What a server refused once is not tried again.
    assert len(server.requests) <= 3 + 4


async def test_ollama_that_cuts_the_request_is_found_out() -> None:
    cut = Server(reply=lambda t: Reply(t, usage={"prompt_tokens": 300}))
    with pytest.raises(BackendRejected, match="read only 300 tokens") as raised:
        await ask(cut)
    assert "OLLAMA_CONTEXT_LENGTH" in str(raised.value)


async def test_azure_content_filter_is_a_reply_without_a_cell() -> None:
    replies = iter(
        [Reply("A plan."), Reply("", finish="content_filter"), Reply(REPLIES[1]), Reply(REPLIES[2])]
    )
    answer, _ = await ask(Server(reply=lambda t: next(replies)))
    assert answer.value == 2.0
