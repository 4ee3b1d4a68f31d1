"""Reads the forms in which benchmarks write options and answers."""

from __future__ import annotations

import ast
import base64
import itertools
import json
import re
from collections.abc import Mapping
from typing import Any

from spatialclaw.evaluation.rows import Truth
from spatialclaw.evaluation.source import RowProblem

__all__ = [
    "as_list",
    "choice",
    "inline_options",
    "inside",
    "interleaved",
    "number",
    "options",
    "pick",
    "point_in_mask",
    "point_in_polygon",
    "without_request",
    "yes_no",
]

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_PREFIX = re.compile(r"^\s*[(\[]?\s*([A-Z])\s*[)\]]?\s*(?:[.:)、]|(?<=[)\]]))\s*(.*)$", re.DOTALL)


def as_list(value: Any) -> list[Any]:
    """A list in any of its forms: a list, JSON or Python text of one, a lone value, or null."""
    if value is None or value == "":
        return []
    if isinstance(value, list | tuple):
        return list(value)
    if isinstance(value, str) and value.strip().startswith("["):
        for read in (json.loads, ast.literal_eval):
            try:
                found = read(value)
            except (ValueError, SyntaxError):
                continue
            if isinstance(found, list):
                return found
    return [value]


def options(value: Any) -> dict[str, str] | None:
    """Options as letter to text without its prefix; None where there are none.

    Takes lists with or without prefixes ("A. x", "(A) x", "A: x"), mappings, JSON, one option a
    line, and all of them in one string ("A: x; B: y").

    Raises:
        RowProblem: They are in no form that can be read.
    """
    if isinstance(value, str) and value.strip().startswith("{"):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise RowProblem(f"options that are no JSON: {error}") from error
    if isinstance(value, Mapping):
        found = {str(key).strip("(). "): text for key, text in value.items() if text is not None}
        return {key: str(text).strip() for key, text in found.items()} or None
    items = [str(item) for item in as_list(value) if item is not None]
    if len(items) == 1:
        items = _split(items[0])
    items = [item.strip() for item in items if item.strip()]
    if not items:
        return None
    if len(items) > len(_LETTERS):
        raise RowProblem(f"{len(items)} options")
    matches = [_PREFIX.match(item) for item in items]
    letters = [match.group(1) if match else "" for match in matches]
    if letters == list(_LETTERS[: len(items)]):
        return {m.group(1): m.group(2).strip() for m in matches if m is not None}
    if all(letters) and len(set(letters)) == len(letters) and len(items) > 1:
        raise RowProblem(f"options out of order: {', '.join(letters)}")
    return dict(zip(_LETTERS, items, strict=False))


def _split(text: str) -> list[str]:
    """One string that holds all options: a line each, or in a row."""
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) > 1:
        return lines
    marks = []
    at = 0
    for letter in _LETTERS:
        mark = re.compile(rf"(?:^|[\s;,|(\[])({letter}\s*[.:)\]])").search(text, at)
        if not mark:
            break
        marks.append(mark.start(1))
        at = mark.end()
    if len(marks) < 2:
        return [text]
    parts = [text[a:b] for a, b in zip(marks, [*marks[1:], len(text)], strict=True)]
    return [part.strip(" ;,|([\n\t") for part in parts]


_REQUEST = re.compile(
    r"\s*(?:please\s+)?(?:answer|select|choose|respond|reply|provide)\b[^\n]*?\bletters?\b"
    r"[^.\n]*(?:\.|$)(?:\s*and nothing else\.?)?\s*$",
    re.IGNORECASE,
)
_HEADING = re.compile(
    r"\s*(?:available |the )?(?:choices|options|select from the following choices)"
    r"(?: are)?\s*[:.]?\s*$",
    re.IGNORECASE,
)


def without_request(text: str) -> str:
    """A question without the sentence at its end that asks for a letter alone."""
    return _REQUEST.sub("", text).rstrip() or text


def inline_options(text: str, answer: Any = None) -> tuple[str, dict[str, str] | None]:
    """The question and the options of a text that holds both; None where none can be told.

    The last run of marks "A", "B", ... is taken; marks are followed by a full stop, colon or
    bracket. The request for a letter behind the options goes. Options without the true letter were
    not read rightly: then the text is left as it is.
    """
    plain = without_request(text)
    for start in reversed(list(re.finditer(r"(?:^|[\s;,|(\[])[(\[]?A\s*[.:)\]]", plain))):
        items = _split(plain[start.start() :].strip().replace("\n", " "))
        if len(items) > 1:
            found = options(items)
            known = answer is None or not found or letter_of(answer) in found
            if found and all(found.values()) and known:
                question = _HEADING.sub("", plain[: start.start()].rstrip(" (["))
                return question.strip() or text, found
    return plain, None


def interleaved(text: str, positions: list[Any], count: int) -> tuple[str | int, ...]:
    """A text with pictures at character positions, as texts and numbers of pictures.

    Empty, meaning pictures first, when the positions are all zero, no numbers, outside the text, or
    not as many as the pictures.
    """
    if len(positions) != count or not all(isinstance(at, int) for at in positions):
        return ()
    if not any(positions) or not all(0 <= at <= len(text) for at in positions):
        return ()
    parts: list[str | int] = []
    last = 0
    for at, picture in sorted((at, i) for i, at in enumerate(positions)):
        parts += [text[last:at], picture]
        last = at
    return tuple(part for part in [*parts, text[last:]] if part != "")


def inside(marks: Mapping[str, list[int]], text: str) -> tuple[str | int, ...]:
    """A text with marks such as "<image>", each replaced by the next medium of its list.

    Empty when a mark occurs more or less often than there are media for it.
    """
    pattern = "|".join(re.escape(mark) for mark in marks)
    waiting = {mark: list(media) for mark, media in marks.items()}
    parts: list[str | int] = []
    last = 0
    for match in re.finditer(pattern, text):
        if not waiting[match.group(0)]:
            return ()
        parts += [text[last : match.start()], waiting[match.group(0)].pop(0)]
        last = match.end()
    if any(waiting.values()):
        return ()
    return tuple(part for part in [*parts, text[last:]] if part != "")


def point_in_polygon(corners: list[tuple[float, float]]) -> tuple[float, float]:
    """A point well within a polygon: its centroid, or the middle of its widest crossing there.

    Raises:
        RowProblem: It has no inside.
    """
    levels = sorted({y for _, y in corners})
    best = (0.0, (0.0, 0.0))
    for low, high in itertools.pairwise(levels):
        y = (low + high) / 2
        crossings = sorted(
            x0 + (y - y0) * (x1 - x0) / (y1 - y0)
            for (x0, y0), (x1, y1) in zip(corners, [corners[-1], *corners[:-1]], strict=True)
            if (y0 > y) != (y1 > y)
        )
        for left, right in zip(crossings[::2], crossings[1::2], strict=False):
            if right - left > best[0]:
                best = (right - left, ((left + right) / 2, y))
    if best[0] <= 0:
        raise RowProblem("the true polygon has no inside")
    return best[1]


def point_in_mask(encoded: str) -> tuple[float, float]:
    """The point of a mask that is farthest from its edge, as fractions of width and height.

    Args:
        encoded: The mask as a picture in base64.

    Raises:
        RowProblem: It is empty or no picture.
    """
    import cv2
    import numpy as np

    mask = cv2.imdecode(np.frombuffer(base64.b64decode(encoded), np.uint8), cv2.IMREAD_GRAYSCALE)
    if mask is None or not mask.any():
        raise RowProblem("the true mask is empty")
    bright = (mask == mask.max()).astype(np.uint8)
    depth = cv2.distanceTransform(cv2.copyMakeBorder(bright, 1, 1, 1, 1, 0), cv2.DIST_L2, 3)
    y, x = np.unravel_index(int(depth[1:-1, 1:-1].argmax()), mask.shape)
    return (float(x) + 0.5) / mask.shape[1], (float(y) + 0.5) / mask.shape[0]


def letter_of(value: Any) -> str:
    """The letter of an answer such as "B", "(b)" or "B. left"; "" when it is not so written."""
    text = str(value).strip()
    match = re.fullmatch(r"[(\[]?\s*([A-Za-z])\s*[)\]]?\s*[.:]?", text) or _PREFIX.match(text)
    return match.group(1).upper() if match else ""


def choice(value: Any, among: Mapping[str, str] | None, text: str | None = None) -> Truth:
    """The true letter.

    Args:
        value: Letter, letter with text, 0-based index, or the text of an option.
        among: The options; None when they are inside the question.
        text: What the official rule compares with; the letter when None.

    Raises:
        RowProblem: It is none of the options.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        letter = _LETTERS[value] if 0 <= value < len(_LETTERS) else ""
    else:
        letter = letter_of(value)
        if among and letter not in among:
            same = [k for k, v in among.items() if v.strip() == str(value).strip()]
            letter = same[0] if len(same) == 1 else letter
    if not letter or (among is not None and letter not in among):
        raise RowProblem(
            f"the answer {value!r} is not among the options"
            + (f" ({', '.join(among)})" if among else "")
        )
    return Truth("choice", letter, letter if text is None else text)


def number(value: Any, text: str | None = None, unit: str | None = None) -> Truth:
    """The true number; a whole number written without a point stays one.

    Raises:
        RowProblem: It is no finite number.
    """
    written = str(value).strip()
    if re.fullmatch(r"[-+]?\d+", written):
        return Truth("integer", int(written), written if text is None else text, unit)
    try:
        found = float(written.replace(",", ""))
    except ValueError:
        raise RowProblem(f"the answer {value!r} is no number") from None
    if found != found or found in (float("inf"), float("-inf")) or isinstance(value, bool):
        raise RowProblem(f"the answer {value!r} is no finite number")
    return Truth("number", found, written if text is None else text, unit)


def yes_no(value: Any) -> Truth:
    """The true "yes" or "no", spelt as in the data.

    Raises:
        RowProblem: It is neither.
    """
    word = str(value).strip()
    if word.lower() not in ("yes", "no"):
        raise RowProblem(f"the answer {value!r} is neither yes nor no")
    return Truth("yes_no", word.lower(), word)


def pick(rows: list[Any], limit: int | None, seed: int = 42) -> list[Any]:
    """At most so many rows: shuffled with a seed, cut, and put back into file order.

    With the seed 42 this is how the published agent figures choose their 1,000 questions, as far as
    the order before shuffling is the same.
    """
    import random

    if limit is None or limit >= len(rows):
        return rows
    order = list(range(len(rows)))
    random.Random(seed).shuffle(order)
    return [rows[i] for i in sorted(order[:limit])]
