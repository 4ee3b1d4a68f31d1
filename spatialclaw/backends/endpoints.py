"""What a server is told and says beside the messages: options, addresses, waits and counts."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from spatialclaw.agent.prompts import estimate_tokens
from spatialclaw.backends.base import Message
from spatialclaw.kernel.results import Shown

__all__ = [
    "OPENAI_URL",
    "OpenAIOptions",
    "count_pictures",
    "endpoint",
    "estimated_tokens",
    "model_names",
    "out_of_credit",
    "retry_after",
]

OPENAI_URL = "https://api.openai.com/v1"
# Tokens that one picture takes, when a server does not count for us.
PICTURE_TOKENS = 800
MAX_REPLY = 8192


@dataclass(frozen=True)
class OpenAIOptions:
    """How to reach a server.

    Attributes:
        base_url: With its ``/v1``; added when the address has no path.
        model: Its name there; None takes the only one the server has.
        api_key: Or None for servers without keys.
        timeout: Seconds one request may take.
        connect_timeout: Seconds until a connection stands.
        max_retries: Repetitions of a request that failed in a way that passes.
        retry_seconds: Time that waiting for repetitions may take in all.
        temperature: Or None to leave it to the server.
        seed: Or None.
        price_input: US dollars a million input tokens, or None.
        price_output: US dollars a million output tokens, or None.
        max_reply: Tokens of a reply.
    """

    base_url: str = OPENAI_URL
    model: str | None = None
    api_key: str | None = None
    timeout: float = 180.0
    connect_timeout: float = 5.0
    max_retries: int = 4
    retry_seconds: float = 120.0
    temperature: float | None = None
    seed: int | None = None
    price_input: float | None = None
    price_output: float | None = None
    max_reply: int = MAX_REPLY


def endpoint(base_url: str) -> tuple[str, dict[str, str]]:
    """An address in the form clients take, and its query: ``localhost:8000`` -> ``http://...``/v1."""
    text = base_url.strip()
    if "://" not in text:
        local = text.split(":")[0].split("/")[0] in ("localhost", "127.0.0.1", "0.0.0.0", "[")  # noqa: S104
        text = f"{'http' if local else 'https'}://{text}"
    parts = urlsplit(text)
    path = parts.path.rstrip("/")
    for ending in ("/chat/completions", "/completions", "/models"):
        path = path.removesuffix(ending)
    if not path:
        path = "/v1"
    return urlunsplit((parts.scheme, parts.netloc, path, "", "")), dict(parse_qsl(parts.query))


def estimated_tokens(messages: list[Message]) -> int:
    """Tokens of a request, estimated."""
    return sum(
        PICTURE_TOKENS if isinstance(part, Shown) else estimate_tokens(part)
        for message in messages
        for part in message.parts
    )


def count_pictures(messages: list[Message]) -> int:
    """Pictures in a request."""
    return sum(isinstance(part, Shown) for message in messages for part in message.parts)


def out_of_credit(text: str) -> bool:
    """Whether a refusal is about money."""
    low = text.lower()
    return any(word in low for word in ("insufficient_quota", "exceeded your current quota",
                                        "billing", "out of credit"))  # fmt: skip


def retry_after(headers: Any) -> float | None:
    """Seconds a server asks to wait: Retry-After in seconds or as a date, or retry-after-ms."""
    from email.utils import parsedate_to_datetime

    milliseconds = headers.get("retry-after-ms")
    value = headers.get("retry-after")
    try:
        if milliseconds is not None:
            return max(0.0, float(milliseconds) / 1000)
        return None if value is None else max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(str(value)).timestamp() - time.time())
    except (TypeError, ValueError):
        return None


def model_names(body: str) -> list[str]:
    """The names in a list of models."""
    try:
        data = json.loads(body)
    except ValueError:
        return []
    items = data.get("data", data.get("models")) if isinstance(data, dict) else data
    if not isinstance(items, list):
        return []
    names = [
        item.get("id") or item.get("name") if isinstance(item, dict) else item for item in items
    ]
    return [name for name in names if isinstance(name, str)]
