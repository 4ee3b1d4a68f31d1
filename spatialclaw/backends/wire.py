"""Between our messages and the JSON of a chat completion."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from spatialclaw.agent.parser import strip_thoughts
from spatialclaw.agent.pictures import contact_sheet, resized
from spatialclaw.agent.types import Usage
from spatialclaw.backends.base import Message
from spatialclaw.backends.capabilities import Capabilities
from spatialclaw.kernel.results import Shown

__all__ = [
    "Completion",
    "NoCompletion",
    "error_text",
    "needs_drawing",
    "read_completion",
    "wire_messages",
]


class NoCompletion(Exception):
    """A body that is no chat completion; the message says what it is instead."""


@dataclass(frozen=True)
class Completion:
    """A chat completion, read.

    Attributes:
        text: The visible reply.
        thought: Reasoning from a field of its own or from tags.
        finish: "stop", "length", "content_filter" and so on.
        usage: Tokens and, where the provider says, money; tokens 0 when it says nothing.
        reasoning_field: Name of the field the reasoning came in, or None.
        cached: Input tokens that the server's cache held, or None when it does not say.
        calls: Whether it holds native tool calls; they are in the text too.
    """

    text: str
    thought: str
    finish: str
    usage: Usage
    reasoning_field: str | None = None
    cached: int | None = None
    calls: bool = False


def wire_messages(messages: Sequence[Message], caps: Capabilities) -> list[dict[str, Any]]:
    """The messages as the endpoint takes them.

    Pictures beyond the number it takes are put on one sheet, oldest first, where the newest of them
    stood; larger ones than it takes are made smaller; roles are folded and merged where it insists.
    """
    pictures = [part for message in messages for part in message.parts if isinstance(part, Shown)]
    surplus = 0
    if caps.max_images is not None and len(pictures) > caps.max_images:
        # One place is the sheet's.
        surplus = len(pictures) - caps.max_images + 1
    seen = 0
    turns: list[tuple[str, list[str | Shown]]] = []
    for message in messages:
        parts: list[str | Shown] = []
        for part in message.parts:
            if isinstance(part, Shown) and seen < surplus:
                seen += 1
                parts.append(f"[{part.title or 'picture'}: number {seen} on the sheet]")
                if seen == surplus:
                    parts.append(contact_sheet(pictures[:surplus], caps.max_edge))
            else:
                parts.append(part)
        role = "user" if message.role == "system" and not caps.system_role else message.role
        if turns and turns[-1][0] == role and (caps.alternating or not caps.system_role):
            turns[-1][1].extend(parts)
        else:
            turns.append((role, parts))
    return [{"role": role, "content": _content(parts, caps)} for role, parts in turns]


def _content(parts: list[str | Shown], caps: Capabilities) -> str | list[dict[str, Any]]:
    if all(isinstance(part, str) for part in parts):
        return "\n\n".join(str(part) for part in parts)
    content: list[dict[str, Any]] = []
    for part in parts:
        if isinstance(part, str):
            content.append({"type": "text", "text": part})
        else:
            picture = resized(part, caps.max_edge)
            url = _data_url(picture.data, picture.media_type)
            content.append({"type": "image_url", "image_url": {"url": url}})
    return content


@lru_cache(maxsize=256)
def _data_url(data: bytes, media_type: str) -> str:
    """A picture in text; made once, for it is sent again with every step."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode('ascii')}"


def needs_drawing(messages: Sequence[Message], caps: Capabilities) -> bool:
    """Whether pictures have to be made smaller or put on a sheet before they are sent."""
    pictures = [part for message in messages for part in message.parts if isinstance(part, Shown)]
    if caps.max_images is not None and len(pictures) > caps.max_images:
        return True
    return any(max(p.width, p.height) > caps.max_edge for p in pictures)


def read_completion(body: str) -> Completion:
    """Reads the body of a successful response.

    Raises:
        NoCompletion: It is HTML, cut, an error in disguise, or has no choice in it.
    """
    data = _json(body)
    if isinstance(data, list) and len(data) == 1:
        data = data[0]
    if not isinstance(data, dict):
        raise NoCompletion(f"JSON of another kind: {body[:80]!r}")
    if data.get("error"):
        raise NoCompletion(f"an error: {_message(data) or data['error']}")
    choices = data.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise NoCompletion("a completion without choices")
    choice = choices[0]
    if isinstance(choice.get("error"), dict):
        raise NoCompletion(f"an error: {choice['error'].get('message', choice['error'])}")
    message = choice.get("message")
    if not isinstance(message, dict):
        message = {"content": choice.get("text")}
    text = _text(message.get("content")) or _text(message.get("refusal"))
    name, reasoning = _reasoning(message)
    text, thought, open_thought = strip_thoughts(text)
    text = _with_calls(text, message.get("tool_calls"))
    thought = "\n".join(part for part in (reasoning, thought) if part)
    finish = str(choice.get("finish_reason") or ("length" if open_thought else "stop"))
    if not text.strip() and finish == "stop" and _has_content(reasoning):
        # Some servers put the whole reply into the reasoning and leave the content empty.
        text, thought = reasoning, ""
    return Completion(
        text.strip("\n"),
        thought,
        finish,
        _usage(data.get("usage")),
        name,
        _cached(data),
        bool(message.get("tool_calls")),
    )


def _with_calls(text: str, calls: Any) -> str:
    """The text with native tool calls written out as the JSON that the loop reads."""
    if not isinstance(calls, list):
        return text
    written = [c["function"] for c in calls if isinstance(c, dict) and "function" in c]
    return f"{text}\n```json\n{json.dumps(written)}\n```".lstrip() if written else text


def _has_content(reasoning: str) -> bool:
    return "```" in reasoning or re.search(r"^ANSWER\s*:", reasoning, re.MULTILINE) is not None


def _json(body: str) -> Any:
    text = body.strip()
    if not text:
        raise NoCompletion("an empty body")
    if text[0] == "<":
        title = re.search(r"<title>\s*(.*?)\s*</title>", text, re.IGNORECASE | re.DOTALL)
        raise NoCompletion(f"an HTML page{f' ({title.group(1)[:80]})' if title else ''}")
    if text.startswith(("data:", "event:", ":")):
        return _joined(text)
    try:
        return json.loads(text, strict=False)
    except ValueError:
        what = "JSON that is cut off" if text[0] in "{[" else f"no JSON: {text[:80]!r}"
        raise NoCompletion(what) from None


def _joined(stream: str) -> dict[str, Any]:
    """A completion out of the chunks of a stream of server-sent events.

    Raises:
        NoCompletion: The stream broke off before its end, or holds an error.
    """
    message: dict[str, Any] = {}
    calls: dict[int, dict[str, str]] = {}
    finish, usage, ended = None, None, False
    for line in stream.splitlines():
        name, _, data = line.partition(":")
        if name != "data" or not data.strip():
            continue
        if data.strip() == "[DONE]":
            ended = True
            break
        try:
            chunk = json.loads(data, strict=False)
        except ValueError:
            raise NoCompletion("a stream that is cut off") from None
        if not isinstance(chunk, dict):
            continue
        if chunk.get("error"):
            raise NoCompletion(f"an error: {_message(chunk) or chunk['error']}")
        usage = chunk.get("usage") or usage
        choices = chunk.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else {}
        finish = choice.get("finish_reason") or finish
        delta = choice.get("delta") or choice.get("message") or {}
        for key in ("content", "reasoning", "reasoning_content", "refusal"):
            if isinstance(delta.get(key), str):
                message[key] = message.get(key, "") + delta[key]
        for part in delta.get("tool_calls") or ():
            function = part.get("function") or {}
            call = calls.setdefault(int(part.get("index") or 0), {"name": "", "arguments": ""})
            call["name"] += function.get("name") or ""
            call["arguments"] += function.get("arguments") or ""
    if not ended and finish is None:
        raise NoCompletion("a stream that is cut off")
    if calls:
        message["tool_calls"] = [{"function": call} for _, call in sorted(calls.items())]
    return {"choices": [{"message": message, "finish_reason": finish}], "usage": usage}


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        texts = [
            part if isinstance(part, str) else str(part.get("text") or "")
            for part in content
            if isinstance(part, str) or (isinstance(part, dict) and part.get("type") != "thinking")
        ]
        return "".join(texts)
    return ""


def _reasoning(message: dict[str, Any]) -> tuple[str | None, str]:
    for name in ("reasoning", "reasoning_content"):
        if isinstance(message.get(name), str) and message[name].strip():
            return name, message[name]
    details = message.get("reasoning_details")
    if isinstance(details, list):
        dicts = [d for d in details if isinstance(d, dict)]
        texts = [str(d.get("text") or d.get("summary") or "") for d in dicts]
        if any(texts):
            return "reasoning_details", "\n".join(text for text in texts if text)
    content = message.get("content")
    if isinstance(content, list):
        blocks = [p for p in content if isinstance(p, dict) and p.get("type") == "thinking"]
        texts = [_text(block.get("thinking")) for block in blocks]
        if any(texts):
            return "thinking", "\n".join(texts)
    return None, ""


def _cached(data: dict[str, Any]) -> int | None:
    usage = data.get("usage")
    details = usage.get("prompt_tokens_details") if isinstance(usage, dict) else None
    cached = details.get("cached_tokens") if isinstance(details, dict) else None
    return cached if isinstance(cached, int) else None


def _usage(usage: Any) -> Usage:
    if not isinstance(usage, dict):
        return Usage(requests=1)

    def count(*names: str) -> int:
        for name in names:
            value = usage.get(name)
            if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
                return int(value)
        return 0

    # Some gateways leave what the cache held out of the count.
    uncounted = count("cache_read_input_tokens") + count("cache_creation_input_tokens")
    cost = usage.get("cost", usage.get("total_cost"))
    return Usage(
        requests=1,
        input_tokens=count("prompt_tokens", "input_tokens") + uncounted,
        output_tokens=count("completion_tokens", "output_tokens"),
        cost_usd=float(cost) if isinstance(cost, int | float) and cost >= 0 else None,
    )


def error_text(body: str) -> str:
    """The message in the body of a refusal, in one line."""
    text = body.strip()
    try:
        data = json.loads(text, strict=False)
    except ValueError:
        if text.startswith("<"):
            title = re.search(r"<title>\s*(.*?)\s*</title>", text, re.IGNORECASE | re.DOTALL)
            return title.group(1).strip() if title else "an HTML page"
        return " ".join(text.split())[:300]
    if isinstance(data, list) and data:
        data = data[0]
    return _message(data) or " ".join(text.split())[:300]


def _message(data: Any) -> str:
    """The text in one of the forms servers give errors in."""
    if isinstance(data, str):
        return " ".join(data.split())[:600]
    if isinstance(data, list):
        return "; ".join(filter(None, (_message(item) for item in data[:3])))
    if not isinstance(data, dict):
        return ""
    for name in ("error", "message", "detail", "msg", "error_message", "errors"):
        if data.get(name):
            found = _message(data[name])
            if found:
                metadata = data.get("metadata")
                raw = metadata.get("raw") if isinstance(metadata, dict) else None
                return f"{found}: {_message(raw)}" if isinstance(raw, str) else found
    return ""
