# ruff: noqa: E501  (error texts of servers, as they come)
"""The client against real HTTP: what servers say, and what the user gets."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import pytest
from support.doubles import picture

from spatialclaw.backends.base import ChatReply, Message
from spatialclaw.backends.capabilities import CapabilityStore
from spatialclaw.backends.openai import ContextTooLong, OpenAIChat, OpenAIOptions, endpoint
from spatialclaw.backends.scripted_server import FAULTS, Reply, ScriptedServer, fault
from spatialclaw.errors import (
    BackendError,
    BackendRejected,
    BackendReplyError,
    BackendUnreachable,
)

HELLO = [Message("system", ("Be brief.",)), Message("user", ("Hello",))]
LOOK = [Message("user", ("What is this?", picture(title="first"), picture(title="second")))]
FOUR = [Message("user", ("These:", *(picture(title=f"p{i}") for i in range(4))))]


def error(message: str, status: int = 400) -> Reply:
    return Reply(status=status, body=json.dumps({"error": {"message": message}}))


class Asked:
    """A reply, or the error, with the pauses and the requests that led to it."""

    def __init__(self) -> None:
        self.reply: ChatReply | None = None
        self.error: BackendError | None = None
        self.pauses: list[float] = []
        self.requests: list[dict[str, Any]] = []
        self.chat: OpenAIChat | None = None


async def ask(
    server: ScriptedServer, messages: list[Message] = HELLO, *, times: int = 1, **options: Any
) -> Asked:
    asked = Asked()

    async def sleep(seconds: float) -> None:
        asked.pauses.append(seconds)

    options = {"model": server.model, "timeout": 5.0, **options}
    chat = OpenAIChat(OpenAIOptions(server.base_url, **options), sleep=sleep)
    asked.chat = chat
    try:
        for _ in range(times):
            asked.reply = await chat.complete(messages, purpose="act")
    except BackendError as raised:
        asked.error = raised
    finally:
        await chat.aclose()
    asked.requests = server.requests
    return asked


async def test_a_reply_has_text_usage_and_time() -> None:
    with ScriptedServer(["Hi there"]) as server:
        asked = await ask(server, LOOK)
    assert asked.reply is not None
    assert asked.reply.text == "Hi there"
    assert asked.reply.usage.requests == 1
    assert asked.reply.usage.images == 2
    assert asked.reply.usage.input_tokens > 1600
    assert asked.reply.usage.cost_usd is None
    assert asked.reply.seconds > 0


async def test_pictures_go_as_data_urls_of_the_right_kind() -> None:
    with ScriptedServer(["ok"]) as server:
        await ask(server, LOOK)
        parts = server.requests[0]["messages"][0]["content"]
    assert [part["type"] for part in parts] == ["text", "image_url", "image_url"]
    url = parts[1]["image_url"]["url"]
    assert url.startswith("data:image/jpeg;base64,")
    assert base64.b64decode(url.split(",")[1])[:2] == b"\xff\xd8"


async def test_text_alone_goes_as_a_string() -> None:
    with ScriptedServer(["ok"]) as server:
        await ask(server)
        assert [m["content"] for m in server.requests[0]["messages"]] == ["Be brief.", "Hello"]


PASSING = [
    ("429", 1), ("503", 1), ("500", 1), ("502 html", 1), ("html", 1), ("truncated", 1),
    ("empty body", 1), ("no choices", 1), ("error in 200", 1), ("dropped", 1),
    ("dropped within", 1), ("429", 4), ("500", 4),
]  # fmt: skip


@pytest.mark.parametrize(("name", "count"), PASSING)
async def test_a_fault_that_passes_is_tried_again(name: str, count: int) -> None:
    with ScriptedServer([FAULTS[name]] * count + ["at last"]) as server:
        asked = await ask(server)
    assert asked.reply is not None, asked.error
    assert asked.reply.text == "at last"
    assert asked.reply.retries == count


LASTING: list[tuple[str, type[BackendError], str]] = [
    ("429", BackendUnreachable, "answered 429"),
    ("500", BackendUnreachable, "answered 500"),
    ("503", BackendUnreachable, "overloaded"),
    ("502 html", BackendUnreachable, "502 Bad Gateway"),
    ("html", BackendReplyError, "an HTML page (502 Bad Gateway)"),
    ("truncated", BackendReplyError, "JSON that is cut off"),
    ("empty body", BackendReplyError, "an empty body"),
    ("no choices", BackendReplyError, "without choices"),
    ("error in 200", BackendReplyError, "Provider returned error"),
    ("dropped", BackendUnreachable, "no connection"),
]


@pytest.mark.parametrize(("name", "kind", "words"), LASTING)
async def test_a_fault_that_stays_is_one_line(
    name: str, kind: type[BackendError], words: str
) -> None:
    with ScriptedServer(lambda request: FAULTS[name]) as server:
        asked = await ask(server, max_retries=2)
        tries = len(server.requests)
    assert type(asked.error) is kind
    assert words in str(asked.error)
    assert "\n" not in str(asked.error)
    assert asked.error.exit_status == 3
    assert tries == 3


AT_ONCE = [
    ("401", "SPATIALCLAW_API_KEY"),
    ("403", "SPATIALCLAW_API_KEY"),
    ("429 quota", "wants payment"),
    ("404 path", "answered 404"),
]


@pytest.mark.parametrize(("name", "words"), AT_ONCE)
async def test_a_refusal_is_not_repeated(name: str, words: str) -> None:
    with ScriptedServer(lambda request: FAULTS[name], list_models=name != "404 path") as server:
        started = time.monotonic()
        asked = await ask(server)
        tries = len(server.requests)
    assert type(asked.error) is BackendRejected
    assert words in str(asked.error)
    assert tries == 1
    assert time.monotonic() - started < 5


async def test_a_wrong_key_is_not_repeated_and_never_shown() -> None:
    with ScriptedServer(["hi"], api_key="right") as server:
        asked = await ask(server, api_key="sk-wrong-secret")
    assert type(asked.error) is BackendRejected
    assert "sk-wrong-secret" not in str(asked.error)


async def test_a_key_that_the_server_repeats_is_not_shown() -> None:
    refusal = error("Incorrect API key provided: sk-very-secret.", 401)
    with ScriptedServer(lambda request: refusal) as server:
        asked = await ask(server, api_key="sk-very-secret")
    assert "sk-very-secret" not in str(asked.error)
    assert "[key]" in str(asked.error)


async def test_a_mistyped_model_is_told_with_the_near_ones() -> None:
    with ScriptedServer(["hi"], models=["qwen3-vl-8b", "gemma-3-27b", "llava"]) as server:
        asked = await ask(server, model="qwen3-vl-8")
    assert type(asked.error) is BackendRejected
    assert "no model 'qwen3-vl-8'" in str(asked.error)
    assert "It has: qwen3-vl-8b" in str(asked.error)


async def test_no_server_is_told_in_seconds() -> None:
    chat = OpenAIChat(OpenAIOptions("http://127.0.0.1:9/v1", model="m"))
    started = time.monotonic()
    with pytest.raises(BackendUnreachable, match="no connection to") as raised:
        await chat.complete(HELLO, purpose="act")
    assert "Is the server running?" in str(raised.value)
    assert time.monotonic() - started < 10


async def test_retry_after_is_honoured_and_capped() -> None:
    with ScriptedServer([fault("429", headers={"Retry-After": "7"}), "ok"]) as server:
        asked = await ask(server)
    assert asked.pauses == [7.0]
    with ScriptedServer([fault("429", headers={"Retry-After": "3600"}), "ok"]) as server:
        asked = await ask(server)
    assert asked.pauses == []
    assert "asks to wait 3600 s" in str(asked.error)


async def test_retry_after_may_be_a_date_or_milliseconds() -> None:
    with ScriptedServer(
        [
            fault("429", headers={"retry-after-ms": "250"}),
            fault("503", headers={"Retry-After": "Thu, 01 Jan 2015 00:00:00 GMT"}),
            "ok",
        ]
    ) as server:
        asked = await ask(server)
    assert asked.pauses == [0.25, 0.05]


async def test_a_slow_server_is_told() -> None:
    with ScriptedServer(lambda request: Reply("late", delay=1.5)) as server:
        asked = await ask(server, timeout=0.2, max_retries=4)
        assert len(server.requests) <= 2
    assert "no reply within 0.2 s" in str(asked.error)


async def test_the_only_model_is_taken_when_none_is_named() -> None:
    with ScriptedServer(["hi"], model="the-one") as server:
        asked = await ask(server, model=None)
        assert server.requests[0]["model"] == "the-one"
    assert asked.reply is not None
    with ScriptedServer(["hi"], models=["a-vl", "b-vl", "text-embed"]) as server:
        asked = await ask(server, model=None)
    assert "has 2 models" in str(asked.error)
    assert "--model a-vl" in str(asked.error)


def chunk(finish: str | None = None, **delta: Any) -> str:
    body = {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
    return f"data: {json.dumps(body)}\n\n"


USED = {"choices": [], "usage": {"prompt_tokens": 70, "completion_tokens": 3}}
STREAM = (
    chunk(role="assistant") + chunk(reasoning_content="h") + chunk(reasoning_content="m")
    + chunk(content="h") + chunk(content="i") + chunk("stop")
    + f"data: {json.dumps(USED)}\n\ndata: [DONE]\n\n"
)  # fmt: skip


async def test_a_stream_is_read_with_its_usage_and_its_calls() -> None:
    call = {"index": 0, "id": "c", "function": {"name": "submit", "arguments": '{"va'}}
    rest = {"index": 0, "function": {"arguments": 'lue": 2}'}}
    calls = chunk(tool_calls=[call]) + chunk(tool_calls=[rest]) + chunk("tool_calls")
    with ScriptedServer([Reply(body=STREAM), Reply(body=calls + "data: [DONE]\n\n")]) as server:
        first = (await ask(server)).reply
        second = (await ask(server)).reply
    assert first is not None
    assert second is not None
    assert (first.text, first.thought, first.usage.input_tokens) == ("hi", "hm", 70)
    assert '{"name": "submit", "arguments": "{\\"value\\": 2}"}' in second.text
    assert second.finish == "tool_calls"


@pytest.mark.parametrize(
    "body",
    [
        chunk(content="hal"),
        chunk(content="hal") + 'data: {"choices": [{"del',
        chunk(content="hal") + 'data: {"error": {"message": "out of memory"}}\n\n',
    ],
)
async def test_a_stream_that_breaks_off_is_tried_again(body: str) -> None:
    with ScriptedServer([Reply(body=body), "ok"]) as server:
        asked = await ask(server)
    assert asked.error is None
    assert asked.reply is not None
    assert asked.reply.text == "ok"


# name, refusal of the first request, what the second one is like
LESSONS: list[tuple[str, str, int, Any]] = [
    (
        "openai: max_completion_tokens",
        "Unsupported parameter: 'max_tokens' is not supported with this model. "
        "Use 'max_completion_tokens' instead.",
        400,
        lambda r: "max_completion_tokens" in r and "max_tokens" not in r,
    ),
    (
        "openai: temperature",
        "Unsupported value: 'temperature' does not support 0.2 with this model.",
        400,
        lambda r: "temperature" not in r,
    ),
    (
        "dashscope: stream",
        "This model only support stream mode, please enable the stream parameter.",
        400,
        lambda r: r["stream"] is True and r["stream_options"] == {"include_usage": True},
    ),
    ("mistral: seed", "extra_forbidden: body.seed: Extra inputs are not permitted", 422,
     lambda r: "seed" not in r),
    (
        "vllm: images",
        "At most 2 image(s) may be provided in one request.",
        400,
        lambda r: pictures(r) == 2,
    ),
    (
        "vllm: images, newer",
        "At most 1 image(s) may be provided in one prompt. Set `--limit-mm-per-prompt`.",
        400,
        lambda r: pictures(r) == 1,
    ),
    ("groq: images", "Too many images provided. This model supports up to 3 images", 400,
     lambda r: pictures(r) == 3),
    (
        "gemma: system role",
        "System role not supported",
        400,
        lambda r: [m["role"] for m in r["messages"]] == ["user"],
    ),
    (
        "mistral template: alternation",
        "Conversation roles must alternate user/assistant/user/assistant/...",
        400,
        lambda r: True,
    ),
    (
        "gateway: too large",
        "Request Entity Too Large",
        413,
        lambda r: pictures(r) == 4,
    ),
    (
        "vllm: context",
        "This model's maximum context length is 4096 tokens. However, you requested 9292 tokens "
        "(1100 in the messages, 8192 in the completion). Please reduce the length.",
        400,
        lambda r: r["max_tokens"] <= 4096 - 1100,
    ),
    (
        "anthropic-like: reply length",
        "max_tokens: 8192 > 4096, which is the maximum allowed number: max_tokens must be at most "
        "4096",
        400,
        lambda r: r["max_tokens"] == 4096,
    ),
]  # fmt: skip


def pictures(request: dict[str, Any]) -> int:
    return sum(
        part.get("type") == "image_url"
        for message in request["messages"]
        if isinstance(message["content"], list)
        for part in message["content"]
    )


@pytest.mark.parametrize(
    ("refusal", "status", "fits"),
    [pytest.param(text, status, fits, id=name) for name, text, status, fits in LESSONS],
)
async def test_a_refusal_teaches_once(refusal: str, status: int, fits: Any) -> None:
    messages = [Message("system", ("Be brief.",)), *FOUR]
    with ScriptedServer([error(refusal, status), "ok", "ok again"]) as server:
        asked = await ask(server, messages, times=2, temperature=0.2, seed=1)
        requests = server.requests
    assert asked.error is None
    assert asked.pauses == []
    assert len(requests) == 3
    assert fits(requests[1]), {k: v for k, v in requests[1].items() if k != "messages"}
    assert fits(requests[2])


async def test_pictures_beyond_the_limit_share_a_numbered_sheet() -> None:
    import io

    from PIL import Image

    refusal = error("At most 2 image(s) may be provided in one request.")
    with ScriptedServer([refusal, "ok"]) as server:
        await ask(server, FOUR)
        parts = server.requests[1]["messages"][0]["content"]
    texts = [part["text"] for part in parts if part["type"] == "text"]
    assert texts[1:] == [f"[p{i}: number {i + 1} on the sheet]" for i in range(3)]
    urls = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
    assert len(urls) == 2
    with Image.open(io.BytesIO(base64.b64decode(urls[0].split(",")[1]))) as sheet:
        assert max(sheet.size) <= 1024
        assert sheet.size[0] * sheet.size[1] > 3 * 32 * 24


async def test_a_server_of_one_picture_gets_all_on_one_sheet() -> None:
    with ScriptedServer([error("At most 1 image(s) may be provided in one request."), "ok"]) as s:
        await ask(s, FOUR)
        parts = s.requests[1]["messages"][0]["content"]
    assert sum(part["type"] == "image_url" for part in parts) == 1
    assert "[p3: number 4 on the sheet]" in str(parts)


async def test_a_body_too_large_makes_pictures_smaller() -> None:
    large = [Message("user", ("?", picture(1600, 1200)))]
    with ScriptedServer([fault("500", status=413), "ok"]) as server:
        await ask(server, large)
        assert len(server.bodies[1]) < len(server.bodies[0])


BLIND = [
    "gpt-oss-20b is not a multimodal model",
    "image input is not supported - hint: if this is unexpected, you may need to provide the mmproj",
    "Invalid content type. image_url is only supported by certain models.",
    "No endpoints found that support image input",
    "This model does not support image inputs.",
    "At most 0 image(s) may be provided in one prompt.",
]


@pytest.mark.parametrize("text", BLIND)
async def test_a_blind_model_is_told_in_one_line(text: str) -> None:
    status = 404 if text.startswith("No endpoints") else 400
    with ScriptedServer(lambda request: error(text, status)) as server:
        asked = await ask(server, LOOK)
        assert len(server.requests) == 1
    assert type(asked.error) is BackendRejected
    assert "takes no pictures" in str(asked.error)
    assert "--model" in str(asked.error)


async def test_a_request_longer_than_the_context_says_so() -> None:
    text = (
        "This model's maximum context length is 2048 tokens. However, your messages resulted in "
        "5400 tokens in the messages."
    )
    with ScriptedServer(lambda request: error(text)) as server:
        asked = await ask(server)
    assert isinstance(asked.error, ContextTooLong)
    assert asked.error.context == 2048


async def test_other_refusals_carry_the_servers_words() -> None:
    with ScriptedServer(lambda request: error("logit_bias is malformed")) as server:
        asked = await ask(server)
        assert len(server.requests) == 1
    assert "refused the request (400): logit_bias is malformed" in str(asked.error)


# name, message, text, thought
READINGS: list[tuple[str, Reply, str, str]] = [
    ("plain", Reply("hi"), "hi", ""),
    ("vllm reasoning", Reply("hi", message={"reasoning": "hm"}), "hi", "hm"),
    ("deepseek reasoning_content", Reply("hi", message={"reasoning_content": "hm"}), "hi", "hm"),
    (
        "openrouter reasoning_details",
        Reply("hi", message={"reasoning_details": [{"type": "reasoning.text", "text": "hm"}]}),
        "hi",
        "hm",
    ),
    ("think tags", Reply("<think>hm</think>\nhi"), "hi", "hm"),
    ("a stream", Reply(body=STREAM), "hi", "hm"),
    ("a stream with comments", Reply(body=": wait\n\n" + STREAM.replace("\n\n", "\r\n\r\n")),
     "hi", "hm"),
    ("only the end of think", Reply("hm</think>hi"), "hi", "hm"),
    (
        "mistral parts",
        Reply(
            message={
                "content": [
                    {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
                    {"type": "text", "text": "hi"},
                ]
            }
        ),
        "hi",
        "hm",
    ),
    ("parts of text", Reply(message={"content": [{"type": "text", "text": "hi"}]}), "hi", ""),
    (
        "ollama: all in reasoning",
        Reply("", message={"reasoning": "so:\n```python\nx = 1\n```"}),
        "so:\n```python\nx = 1\n```",
        "",
    ),
    ("refusal", Reply(None, message={"refusal": "I cannot"}), "I cannot", ""),
    ("null", Reply(None), "", ""),
    ("no finish", Reply("hi", finish=""), "hi", ""),
    ("in a list", Reply(body=json.dumps([{"choices": [{"message": {"content": "hi"}}]}])), "hi", ""),
    ("completion style", Reply(body=json.dumps({"choices": [{"text": "hi"}]})), "hi", ""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("reply", "text", "thought"), [pytest.param(*row[1:], id=row[0]) for row in READINGS]
)
async def test_replies_of_many_servers_are_read(reply: Reply, text: str, thought: str) -> None:
    with ScriptedServer([reply]) as server:
        asked = await ask(server)
    assert asked.reply is not None, asked.error
    assert asked.reply.text.strip() == text
    assert asked.reply.thought == thought


async def test_a_thought_that_eats_the_reply_gets_more_room_once() -> None:
    empty = Reply("", finish="length", message={"reasoning": "long"})
    with ScriptedServer([empty, "done"]) as server:
        asked = await ask(server)
        limits = [request["max_tokens"] for request in server.requests]
    assert asked.reply is not None
    assert asked.reply.text == "done"
    assert limits[1] == 2 * limits[0]
    assert asked.reply.usage.requests == 2
    with ScriptedServer([empty, empty]) as server:
        asked = await ask(server)
    assert asked.reply is not None
    assert (asked.reply.text, asked.reply.finish) == ("", "length")


async def test_a_cut_reply_is_marked() -> None:
    with ScriptedServer([Reply("```python\nx =", finish="length")]) as server:
        asked = await ask(server)
    assert asked.reply is not None
    assert asked.reply.finish == "length"


async def test_money_comes_from_the_provider_then_from_prices_then_is_unknown() -> None:
    with ScriptedServer([Reply("hi", usage={"cost": 0.25})]) as server:
        asked = await ask(server, price_input=1.0, price_output=1.0)
    assert asked.reply is not None
    assert asked.reply.usage.cost_usd == 0.25
    usage = {"prompt_tokens": 1000, "completion_tokens": 500}
    with ScriptedServer([Reply("hi", usage=usage)]) as server:
        asked = await ask(server, price_input=2.0, price_output=4.0)
    assert asked.reply is not None
    assert asked.reply.usage.cost_usd == pytest.approx(0.004)


async def test_tokens_are_estimated_where_the_server_is_silent() -> None:
    with ScriptedServer([Reply("hello " * 50, usage=None)]) as server:
        asked = await ask(server, LOOK)
    assert asked.reply is not None
    assert asked.reply.usage.input_tokens > 1600
    assert asked.reply.usage.output_tokens > 50


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("http://localhost:8000", "http://localhost:8000/v1"),
        ("localhost:8000", "http://localhost:8000/v1"),
        ("http://localhost:8000/v1/", "http://localhost:8000/v1"),
        ("https://h/api/v1/chat/completions", "https://h/api/v1"),
        ("https://g/v1beta/openai/", "https://g/v1beta/openai"),
        ("api.example.org", "https://api.example.org/v1"),
    ],
)
def test_addresses_are_completed(given: str, url: str) -> None:
    assert endpoint(given)[0] == url


async def test_azure_gets_its_version_and_key() -> None:
    with ScriptedServer(["hi"]) as server:
        base = server.base_url.replace("/v1", "/openai/deployments/m?api-version=2024-10-21")
        chat = OpenAIChat(OpenAIOptions(base, model=server.model, api_key="k"))
        assert (await chat.complete(HELLO, purpose="act")).text == "hi"
        await chat.aclose()
        assert server.headers[0]["api-key"] == "k"


async def test_what_was_learnt_outlives_the_client(tmp_path: Any) -> None:
    text = "Use 'max_completion_tokens' instead; 'max_tokens' is not supported."
    with ScriptedServer([error(text), "ok", "ok"]) as server:
        for _ in range(2):
            chat = OpenAIChat(
                OpenAIOptions(server.base_url, model=server.model), store=CapabilityStore(tmp_path)
            )
            await chat.complete(HELLO, purpose="act")
            await chat.aclose()
        assert len(server.requests) == 3


def test_a_broken_cache_is_learnt_anew(tmp_path: Any) -> None:
    store = CapabilityStore(tmp_path)
    store.get("u", "m").max_images = 3
    store.save("u", "m")
    assert CapabilityStore(tmp_path).get("u", "m").max_images == 3
    next(tmp_path.glob("*.json")).write_text("{")
    assert CapabilityStore(tmp_path).get("u", "m").max_images is None


async def test_a_cache_of_prefixes_is_noticed() -> None:
    usage = {"prompt_tokens": 90, "prompt_tokens_details": {"cached_tokens": 64}}
    with ScriptedServer([Reply("hi", usage=usage)]) as server:
        asked = await ask(server)
    assert asked.chat is not None
    assert asked.chat.capabilities.seen["prefix_cache"] is True
