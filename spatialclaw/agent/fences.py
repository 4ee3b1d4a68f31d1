"""Fenced code blocks in Markdown, as models write them rather than as the standard has them."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Block", "find_blocks"]

_OPEN = re.compile(
    r"^(?P<indent>[ \t>]*)(?P<lead>(?:[-*+]|\d+[.)])[ \t]+)?"
    r"(?P<fence>`{3,}|~{3,})(?P<info>[^\n`]*)$"
)
# A fence that opens after text on its line: "Code: ```python".
_OPEN_LATE = re.compile(
    r"^(?P<text>.*\S.*?)(?P<fence>`{3,}|~{3,})(?P<info>(?:python|py)\w*)[ \t]*$"
)
# All on one line: ```python x = 1```
_ONE_LINE = re.compile(r"^[ \t]*`{3,}(?P<tag>[A-Za-z0-9_{}-]*)[ \t]+(?P<body>\S.*?)`{3,}[ \t]*$")
_CONTAINERS = frozenset({"markdown", "md", "text", "txt", ""})


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        tag: First word after the fence, in lower case; "" when there is none.
        body: What stands between the fences.
        start: Offset of the opening fence.
        end: Offset after the closing fence.
        closed: Whether there is a closing fence.
    """

    tag: str
    body: str
    start: int
    end: int
    closed: bool


def find_blocks(text: str, parses: Callable[[str], bool]) -> list[Block]:
    """The fenced blocks of a text, outermost Markdown wrappings opened.

    Args:
        text: The reply, thoughts taken off.
        parses: Whether a text is valid Python; decides where a block ends that has fences inside.
    """
    lines = text.split("\n")
    offsets = [0]
    for line in lines:
        offsets.append(offsets[-1] + len(line) + 1)
    blocks: list[Block] = []
    position = 0
    while position < len(lines):
        single = _ONE_LINE.match(lines[position])
        if single:
            end = offsets[position] + len(lines[position])
            tag = single["tag"].lower()
            blocks.append(Block(tag, single["body"], offsets[position], end, True))
            position += 1
            continue
        opened = _OPEN.match(lines[position]) or _OPEN_LATE.match(lines[position])
        if opened is None:
            position += 1
            continue
        close = _closing(lines, position, opened["fence"], _tag(opened["info"]), parses)
        last = len(lines) if close is None else close
        body = _body(lines[position + 1 : last], opened.groupdict().get("indent") or "")
        tag = _tag(opened["info"])
        end = min(offsets[last] + (len(lines[last]) if close is not None else 0), len(text))
        inner = find_blocks(body, parses) if tag in _CONTAINERS and "```" in body else []
        if inner and not parses(body):
            # A wrapping such as ```markdown: its blocks count, at the place of the whole.
            closed = close is not None
            blocks += [
                Block(b.tag, b.body, offsets[position], end, b.closed and closed) for b in inner
            ]
        else:
            blocks.append(Block(tag, body, offsets[position], end, close is not None))
        position = last + 1
    return blocks


def _tag(info: str) -> str:
    words = info.strip().lower().split()
    if not words:
        return ""
    return re.split(r"[:;,]", words[0])[0] if not words[0].startswith("{") else "{code-cell}"


def _body(lines: list[str], indent: str) -> str:
    if ">" in indent:
        lines = [re.sub(r"^[ \t]*>[ \t]?", "", line) for line in lines]
    return textwrap.dedent("\n".join(lines))


def _closing(
    lines: list[str], opening: int, fence: str, tag: str, parses: Callable[[str], bool]
) -> int | None:
    """The line that closes a fence.

    A closing fence may stand inside a string of the code, so the first one that leaves valid Python
    is taken; when none does, the first one.
    """
    pattern = re.compile(rf"^[ \t>]*{re.escape(fence[0])}{{{len(fence)},}}[ \t]*$")
    glued = re.compile(rf"^.*\S[ \t]*{re.escape(fence[0])}{{{len(fence)},}}[ \t]*$")
    depth_open = re.compile(rf"^[ \t>]*{re.escape(fence[0])}{{{len(fence)},}}[ \t]*\w")
    candidates: list[int] = []
    for number in range(opening + 1, len(lines)):
        if pattern.match(lines[number]):
            candidates.append(number)
        elif depth_open.match(lines[number]) and candidates and tag not in _CONTAINERS:
            # A new block begins: the one before ended at the last closing fence.
            break
    if not candidates:
        late = [n for n in range(opening + 1, len(lines)) if glued.match(lines[n])]
        if late and "#" not in lines[late[0]]:
            lines[late[0]] = re.sub(r"[`~]{3,}[ \t]*$", "", lines[late[0]])
            lines.insert(late[0] + 1, fence)
            return late[0] + 1
        return None
    if tag in ("markdown", "md"):
        return candidates[-1]
    for number in candidates:
        if parses(_body(lines[opening + 1 : number], "")):
            return number
    return candidates[0]
