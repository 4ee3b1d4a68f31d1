# ruff: noqa: E501, S105
# E501: error texts of servers, as regular expressions; S105: tokens here are words, not secrets.
"""What one endpoint can do: learnt from its answers and its error texts, kept for the next run."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

__all__ = ["Capabilities", "CapabilityStore", "Lesson", "learn"]

KEPT_SECONDS = 14 * 86400.0
LOCAL_SECONDS = 86400.0
PixelConvention = Literal["pixels", "resized", "0-1000", "0-1"]


@dataclass
class Capabilities:
    """The record of one endpoint and model.

    Attributes:
        token_parameter: How the cap of a reply is called.
        dropped: Request parameters that the server refuses.
        system_role: Whether messages may have the role "system".
        alternating: Whether user and assistant must alternate strictly.
        vision: Whether it takes pictures; None until known.
        max_images: Pictures in one request, at most; None when no limit is known.
        max_edge: Longer edge of a picture, pixels.
        max_body: Bytes of a request, at most; None when no limit is known.
        context: Tokens of request and reply together, as the server applies it, or None.
        tools: Whether it takes function schemas for native tool calls; None until known.
        stream: Whether replies have to be asked for as a stream.
        reasoning: Name of the field that carries reasoning, or None.
        pixels: In which convention it gives coordinates; None until probed.
        seen: Names of checks that were made, with their outcome, for `doctor`.
    """

    token_parameter: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    dropped: list[str] = field(default_factory=list)
    system_role: bool = True
    alternating: bool = False
    vision: bool | None = None
    max_images: int | None = None
    max_edge: int = 1024
    max_body: int | None = None
    context: int | None = None
    tools: bool | None = None
    stream: bool = False
    reasoning: str | None = None
    pixels: PixelConvention | None = None
    seen: dict[str, Any] = field(default_factory=dict)


class CapabilityStore:
    """Keeps the records of endpoints in a folder; without one, for this process only.

    Args:
        folder: Made when first needed; a record that cannot be read or written is learnt anew.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._known: dict[str, Capabilities] = {}

    def get(self, base_url: str, model: str | None) -> Capabilities:
        """The record of an endpoint, shared by all who ask for it."""
        key = self._key(base_url, model)
        if key not in self._known:
            self._known[key] = self._load(key)
        return self._known[key]

    def save(self, base_url: str, model: str | None) -> None:
        """Writes a record to the folder."""
        if self._folder is None:
            return
        key = self._key(base_url, model)
        record = {"base_url": base_url, "model": model, **asdict(self._known[key])}
        path = self._folder / f"{key}.json"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            temporary = path.with_suffix(f".{os.getpid()}")
            temporary.write_text(json.dumps(record, indent=1), encoding="utf-8")
            temporary.replace(path)
        except OSError:
            # A cache only: what is not kept is learnt again by the next process.
            return

    def _load(self, key: str) -> Capabilities:
        if self._folder is None:
            return Capabilities()
        try:
            path = self._folder / f"{key}.json"
            record = json.loads(path.read_text(encoding="utf-8"))
            # A server of one's own is started anew with other limits sooner than a public one.
            local = re.match(r"https?://(?:127\.|localhost|\[::1\])", str(record.get("base_url")))
            if time.time() - path.stat().st_mtime > (LOCAL_SECONDS if local else KEPT_SECONDS):
                return Capabilities()
            names = Capabilities.__dataclass_fields__
            return Capabilities(**{name: record[name] for name in names if name in record})
        except (OSError, ValueError, TypeError):
            return Capabilities()

    @staticmethod
    def _key(base_url: str, model: str | None) -> str:
        return hashlib.sha256(f"{base_url}\0{model}".encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Lesson:
    """What an error text taught.

    Attributes:
        what: One line for the record.
        retry: Whether the same request, sent as the record now says, is worth a try.
        prompt_tokens: Tokens of the refused request, when the text says.
        shorter_reply: Whether to ask for half as long a reply.
    """

    what: str
    retry: bool = True
    prompt_tokens: int | None = None
    shorter_reply: bool = False


_OPTIONAL = ("temperature", "seed", "top_p", "stop", "stream_options", "logprobs")


def learn(caps: Capabilities, status: int, text: str, sent: dict[str, Any]) -> Lesson | None:
    """Changes the record by what a refusal says.

    Args:
        caps: The record; changed in place.
        status: HTTP status.
        text: The server's error message.
        sent: The parameters of the refused request, messages left out, with ``images``: their
            number, and ``max_edge``: the longer edge of its pictures.

    Returns:
        What was learnt, or None when the text teaches nothing new.
    """
    low = " ".join(text.lower().split())
    for rule in (_tools, _stream, _tokens_name, _images, _body, _roles, _context, _parameters):
        lesson = rule(caps, status, low, sent)
        if lesson is not None:
            return lesson
    return None


_NO_TOOLS = re.compile(
    r"support(?:s|ed|ing)? (?:for )?(?:tools?|function)\b|tool[ _](?:use|choice|calls?)\b|tool-call-"
    r"parser|--jinja|\btools?\b[^.]{0,40}(?:not|un)\s?(?:supported|recognized|permitted|allowed|"
    r"expected)|(?:unrecognized|unknown|unexpected|extra)[^.]{0,60}\btools?\b"
)


def _tools(caps: Capabilities, status: int, text: str, sent: dict[str, Any]) -> Lesson | None:
    if "tools" not in sent or status not in (400, 404, 422, 500, 501):
        return None
    if not _NO_TOOLS.search(text):
        return None
    caps.tools = False
    return Lesson("calls are written as JSON in the text", retry=False)


def _stream(caps: Capabilities, status: int, text: str, sent: dict[str, Any]) -> Lesson | None:
    if "stream" in sent or status not in (400, 422):
        return None
    if re.search(r"only supports? (?:the )?stream|stream(?:ing)?\W+(?:mode )?(?:must|has to) be "
                 r"(?:true|enabled|set)|(?:set|use|enable)\W{0,3}stream(?:ing)?\b", text):  # fmt: skip
        caps.stream = True
        return Lesson("replies are asked for as a stream")
    return None


def _tokens_name(caps: Capabilities, status: int, text: str, sent: dict[str, Any]) -> Lesson | None:
    if status not in (400, 422):
        return None
    refused = r"unsupported|not supported|unrecognized|unknown|unexpected|extra|not permitted|use "
    if caps.token_parameter == "max_tokens" and "max_completion_tokens" in text:
        if "max_tokens" in text and re.search(refused, text):
            caps.token_parameter = "max_completion_tokens"
            return Lesson("the server wants max_completion_tokens")
    elif "max_completion_tokens" in text and re.search(refused, text):
        caps.token_parameter = "max_tokens"
        return Lesson("the server wants max_tokens")
    limit = re.search(r"max_(?:completion_)?tokens.{0,80}?(?:at most|<=|less than or equal to|"
                      r"maximum(?: of| is| value)?|up to)\D{0,12}(\d{2,7})", text)  # fmt: skip
    asked = sent.get("max_tokens") or 0
    if limit and 0 < int(limit.group(1)) < asked:
        caps.seen["max_reply"] = int(limit.group(1))
        return Lesson(f"a reply has at most {limit.group(1)} tokens")
    return None


_COUNT = re.compile(
    r"(?:at most|maximum(?: number)?(?: of)?|up to|more than|limit(?: is| of)?|exceeds?(?: the)?)"
    r"\D{0,30}?(\d+)\s*(?:\(?s\)?)?\s*(?:images?|image\(s\)|pictures?)"
    r"|(?:at most|limit of|maximum of|only)\s+(one|a single)\s+image"
    r"|too many images.{0,60}?(\d+)\s*(?:>|max|allowed|limit)?"
    r"|images? (?:per (?:prompt|request)|limit|count).{0,30}?(\d+)"
)
_BLIND = re.compile(
    r"not a multimodal model|does not support (?:image|vision|multimodal)|no(?:t)? support.{0,20}"
    r"image (?:input|url)|image input is not supported|image_url is only supported|only supports? "
    r"text|is not multimodal|mmproj|vision is not (?:enabled|supported)|unsupported content type.{0,"
    r"20}image|(?:content|type)\W+image_url\W+(?:is not|not) (?:supported|allowed)|invalid content "
    r"type.{0,20}image_url|found that support image|model does not support images|unknown variant `?image_url"
)


def _images(caps: Capabilities, status: int, text: str, sent: dict[str, Any]) -> Lesson | None:
    images = int(sent.get("images") or 0)
    if not images or status not in (400, 404, 413, 415, 422, 500, 501):
        return None
    found = _COUNT.search(text)
    if found and images > 1:
        words = [group for group in found.groups() if group]
        number = 1 if words[0] in ("one", "a single") else int(words[0])
        if 0 < number < images:
            caps.max_images = number
            return Lesson(f"a request may hold {number} pictures")
        if number == 0:
            caps.vision = False
            return Lesson("the model takes no pictures", retry=False)
    if _BLIND.search(text):
        caps.vision = False
        return Lesson("the model takes no pictures", retry=False)
    return None


def _body(caps: Capabilities, status: int, text: str, sent: dict[str, Any]) -> Lesson | None:
    large = status == 413 or re.search(
        r"(?:request|payload|body|entity|image)\w*(?: size)?(?: is| was)? too large|exceeds the "
        r"(?:maximum|limit).{0,30}(?:bytes|mb)|larger than.{0,20}mb", text)  # fmt: skip
    if not large or not sent.get("images"):
        return None
    edge = int(sent.get("max_edge") or caps.max_edge)
    if edge <= 256:
        images = int(sent["images"])
        if images <= 1:
            return None
        caps.max_images = max(1, images // 2)
        return Lesson(f"a request may hold {caps.max_images} pictures")
    caps.max_edge = max(256, int(edge * 0.7))
    return Lesson(f"pictures are made {caps.max_edge} pixels large: the request was too big")


def _roles(caps: Capabilities, status: int, text: str, sent: dict[str, Any]) -> Lesson | None:
    if caps.system_role and re.search(
        r"system (?:role|message|prompt)s?.{0,30}(?:not|un)\s?(?:supported|allowed)|does not support "
        r"(?:the )?system|developer instruction is not enabled|role.{0,10}system.{0,30}(?:invalid|not)",
        text):  # fmt: skip
        caps.system_role = False
        caps.alternating = True
        return Lesson("the system text goes into the first user message")
    if not caps.alternating and re.search(r"roles? must alternate|alternat\w+ user", text):
        caps.alternating = True
        # Templates that insist on alternation often count the system message as a turn too.
        caps.system_role = "system" not in text and caps.system_role
        return Lesson("turns must alternate")
    return None


def _context(caps: Capabilities, status: int, text: str, sent: dict[str, Any]) -> Lesson | None:
    if status not in (400, 413, 422, 500):
        return None
    about = re.search(r"context (?:length|size|window)|context_length|maximum model length|max_model"
                      r"_len|too many tokens|prompt is too long|exceed\w* .{0,30}context", text)  # fmt: skip
    if not about:
        return None
    numbers = [int(n.replace(",", "")) for n in re.findall(r"\d[\d,]{2,}", text)]
    context = re.search(
        r"(?:context (?:length|size|window)|model length|max_model_len|n_ctx)\D{0,40}(\d[\d,]{2,})"
        r"|(\d[\d,]{2,})\D{0,20}context", text)  # fmt: skip
    if context:
        caps.context = int((context.group(1) or context.group(2)).replace(",", ""))
    elif numbers:
        caps.context = min(numbers)
    if caps.context is None:
        return Lesson("the request is longer than the context", retry=False)
    prompt = re.search(
        r"(\d[\d,]{2,})\s*(?:tokens?)?\s*(?:in|from) (?:the |your )?(?:messages|input|prompt)"
        r"|(\d[\d,]{2,})\s*(?:input|prompt) tokens"
        r"|(?:prompt|input)\D{0,40}?(\d[\d,]{2,}) tokens",
        text,
    )
    found = next((group for group in prompt.groups() if group), None) if prompt else None
    tokens = int(found.replace(",", "")) if found else None
    what = f"the context has {caps.context} tokens"
    if tokens is None:
        # It does not say how long the request was: try with room for a shorter reply.
        return Lesson(what, retry=int(sent.get("max_tokens") or 0) > 1024, shorter_reply=True)
    return Lesson(what, retry=tokens + 512 <= caps.context, prompt_tokens=tokens)


def _parameters(caps: Capabilities, status: int, text: str, sent: dict[str, Any]) -> Lesson | None:
    if status not in (400, 422):
        return None
    for name in _OPTIONAL:
        if name in sent and name not in caps.dropped and re.search(rf"\b{name}\b", text):
            caps.dropped.append(name)
            return Lesson(f"{name} is left out")
    return None
