"""Text of a model in Markdown and outputs of a notebook: shown as it is, never taken for markup."""

from __future__ import annotations

import re

__all__ = ["clean", "clip", "fenced", "plain_markdown"]

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-_])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_CODE = re.compile(r"(^```.*?^```[^\n]*$|`[^`\n]+`)", re.MULTILINE | re.DOTALL)
_MARKUP = re.compile(r"([\[\]$\\<>&!])")
_ESCAPED = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}


def clean(text: str) -> str:
    """Without terminal sequences, control characters and overrides of the reading direction."""
    return _CONTROL.sub("", _ANSI.sub("", text.replace("\r\n", "\n")))


def clip(text: str, limit: int) -> str:
    """At most so many characters: head and tail, with a line about what is missing."""
    if len(text) <= limit:
        return text
    head, tail = limit * 3 // 4, limit // 4
    return f"{text[:head]}\n[... {len(text) - head - tail} characters left out ...]\n{text[-tail:]}"


def plain_markdown(text: str, limit: int = 20_000) -> str:
    """Markdown that keeps lists, emphasis and code, but no HTML, link, picture or formula."""
    parts = _CODE.split(clip(clean(text), limit))
    return "".join(part if i % 2 else _without_markup(part) for i, part in enumerate(parts))


def _without_markup(text: str) -> str:
    lines = text.split("\n")
    escaped = [_MARKUP.sub(lambda m: _ESCAPED.get(m[0], f"\\{m[0]}"), line) for line in lines]
    # a quotation's mark at the start of a line is no danger, and lists stay as they are
    return "\n".join(escaped)


def fenced(text: str, language: str = "", limit: int = 20_000) -> str:
    """A fenced block that `text` cannot end."""
    body = clip(clean(text), limit)
    longest = max((len(run) for run in re.findall(r"`{3,}", body)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{body.rstrip()}\n{fence}"
