"""Reads the forms in which benchmarks write options and answers."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from typing import Any

from spatialclaw.evaluation.rows import Truth
from spatialclaw.evaluation.source import RowProblem

__all__ = ["as_list", "choice", "number", "options", "pick", "yes_no"]

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
