"""Scorers for questions of one's own: what is meant, never guessed from stray letters."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from spatialclaw.evaluation.scorers.base import Scored, no_answer, scorer, tag_content

__all__: list[str] = []

Args = Mapping[str, Any]
_NOTHING = Scored(0.0, None)
_NUMBER = r"[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+)?(?:[eE][-+]?\d+)?"


def _said(reply: str) -> str:
    """The content of the last tag or box, what follows "answer is" or "answer:", or all of it."""
    tags = re.findall(r"<answer>(.*?)</answer>", reply, re.DOTALL | re.IGNORECASE)
    boxes = re.findall(r"boxed\{([^{}]*)\}", reply)
    said = re.findall(r"answer\s*(?:is|:)\s*:?\s*([^\n]+)", reply, re.IGNORECASE)
    return str((tags or boxes or said or [tag_content(reply) or reply])[-1]).strip()


@scorer("choice")
def choice(reply: str, truth: str, args: Args) -> Scored:
    """The letter, the text or the number of an option, and nothing else.

    "B", "(b)", "B. left", "option B", "left" and "2" are read; "Both are left" is not.

    Args of the row: ``options``: letter to text.
    """
    options = {str(k).upper(): str(v) for k, v in dict(args.get("options") or {}).items()}
    text = _said(reply)
    if no_answer(text):
        return _NOTHING
    plain = " ".join(text.lower().rstrip(". ").split())
    texts = [key for key, value in options.items() if value.lower().rstrip(". ") == plain]
    match = re.fullmatch(
        r"(?:option\s+)?[(\[]?([A-Za-z])[)\]]?(?:[.:)]\s*(.*))?", text.rstrip(". "), re.DOTALL
    )
    letter = None
    if len(texts) == 1:
        letter = texts[0]
    elif match and (not options or match.group(1).upper() in options):
        letter = match.group(1).upper()
    elif plain.isdigit() and 1 <= int(plain) <= len(options):
        letter = list(options)[int(plain) - 1]
    return Scored(float(letter is not None and letter == truth.strip().upper()), letter)


@scorer("exact")
def exact(reply: str, truth: str, args: Args) -> Scored:
    """The same words, whatever the case, blanks and the last full stop."""
    if no_answer(reply):
        return _NOTHING

    def plain(text: str) -> str:
        return " ".join(text.lower().rstrip(". ").split())

    read = plain(_said(reply))
    return Scored(float(bool(read) and read == plain(truth)), read)


@scorer("tolerance")
def tolerance(reply: str, truth: str, args: Args) -> Scored:
    """1 for a number within a tolerance of the truth, else 0; its only number is read.

    Args of the row: ``tolerance``: absolute, or a fraction of the truth with ``relative``.
    """
    wanted = _float(truth)
    numbers = [m for m in re.findall(_NUMBER, _said(reply)) if re.search(r"\d", m)]
    value = _float(numbers[0]) if len(numbers) == 1 else None
    if value is None or wanted is None:
        return _NOTHING
    allowed = float(args.get("tolerance") or 0.0)
    allowed *= abs(wanted) if args.get("relative") else 1.0
    return Scored(float(abs(value - wanted) <= allowed + 1e-9 * max(1.0, abs(wanted))), value)


@scorer("yes-no")
def yes_no(reply: str, truth: str, args: Args) -> Scored:
    """Yes or no at the beginning of what is said."""
    match = re.match(r"\W*(yes|no)\b", _said(reply), re.IGNORECASE)
    read = match.group(1).lower() if match else None
    return Scored(float(read is not None and read == truth.strip().lower()), read)


@scorer("region")
def region(reply: str, truth: str, args: Args) -> Scored:
    """A point within the true box (x0, y0, x1, y1), or boxes by intersection over union.

    The truth is four numbers, in the unit of the reply.
    """
    if no_answer(reply):
        return _NOTHING
    values = [float(v) for v in re.findall(r"-?\d+(?:\.\d+)?", _said(reply))]
    wanted = [float(v) for v in re.findall(r"-?\d+(?:\.\d+)?", truth)]
    if len(values) == 2 and len(wanted) == 4:
        inside = wanted[0] <= values[0] <= wanted[2] and wanted[1] <= values[1] <= wanted[3]
        return Scored(float(inside), values)
    if len(values) != 4 or len(wanted) != 4:
        return _NOTHING
    width = max(0.0, min(values[2], wanted[2]) - max(values[0], wanted[0]))
    height = max(0.0, min(values[3], wanted[3]) - max(values[1], wanted[1]))
    areas = [abs((b[2] - b[0]) * (b[3] - b[1])) for b in (values, wanted)]
    union = sum(areas) - width * height
    return Scored(width * height / union if union > 0 else 0.0, values)


def _float(text: str) -> float | None:
    try:
        return float(text.replace(",", ""))
    except ValueError:
        return None
