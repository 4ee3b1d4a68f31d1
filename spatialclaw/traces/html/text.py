"""Text out of a record, made fit for a page: no terminal codes, no controls, bounded length."""

from __future__ import annotations

import json
import math
import re
from typing import Any

__all__ = ["as_number", "as_text", "duration", "one_line", "short_json"]

# Escape sequences of terminals: CSI, OSC (to BEL or ST) and the two-byte ones.
_ANSI = re.compile(
    r"\x1b\[[0-9;:?<=>]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?"
    r"|\x1b[@-Z\\^_]|\x9b[0-9;?]*[@-~]"
)
# Controls, and the marks that turn the direction of text around.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def as_text(value: Any, limit: int = 20_000) -> str:
    r"""A value of a record as text for a page; what is too long keeps its head and its tail.

    Args:
        value: Text, None (gives ""), or any other JSON value.
        limit: Characters kept.

    Example:
        >>> as_text("\x1b[31mred\x1b[0m")
        'red'
    """
    if value is None:
        return ""
    if not isinstance(value, str):
        value = short_json(value, limit)
    left = 0
    if len(value) > limit:
        half = max(1, limit // 2)
        left = len(value) - 2 * half
        value = f"{value[:half]}\n[... {left} characters left out ...]\n{value[-half:]}"
    text = _ANSI.sub("", value).replace("\r\n", "\n").replace("\r", "\n")
    return _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", text)


def one_line(value: Any, limit: int = 300) -> str:
    """A value as one line of text."""
    line = " ".join(as_text(value, 4 * limit).split())
    return line if len(line) <= limit else f"{line[:limit]}\N{HORIZONTAL ELLIPSIS}"


def as_number(value: Any) -> float | None:
    """A finite number, or None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def short_json(value: Any, limit: int = 2000) -> str:
    """A JSON value as text, cut at a length."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= limit else f"{text[:limit]}\N{HORIZONTAL ELLIPSIS}"


def duration(seconds: Any) -> str:
    """Seconds as people say them.

    Example:
        >>> duration(0.0312), duration(75)
        ('31 ms', '1 min 15 s')
    """
    number = as_number(seconds)
    if number is None or number < 0:
        return ""
    if number < 1:
        return f"{number * 1000:.0f} ms"
    if number < 60:
        return f"{number:.1f} s"
    minutes, rest = divmod(round(number), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
