"""Writes a typed answer as the text that the benchmark's own scorer wants.

A submitted answer is typed, so no point is to be lost to wording. Free text of a model without
tools goes to the scorer as it is.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from spatialclaw.evaluation.benchmark import find_benchmark
from spatialclaw.evaluation.rows import Row

__all__ = ["written_reply"]


def written_reply(row: Row, answer: Any) -> str:
    """The answer as its benchmark's scorer reads it.

    A choice is a bare capital; a number a plain decimal without unit, sign (unless negative) or
    separators; yes or no are spelt as in the data; points are ``[(x, y)]``; around it stands what
    the benchmark asks for, such as ``<answer>...</answer>``.

    Args:
        row: The question.
        answer: A typed value, or an `Answer`, whose value is taken and converted to the row's unit.
            Points in pixels of the row's picture are divided by its size where the benchmark wants
            fractions.

    Returns:
        The text; "" for no answer.
    """
    value = getattr(answer, "value", answer)
    if value is None or value == "":
        return ""
    value = _in_unit(value, getattr(answer, "unit", None), row.unit or row.truth.unit)
    form = find_benchmark(row.benchmark).form
    return form.replace("{}", _plain(row, value))


def _in_unit(value: Any, unit: str | None, wanted: str | None) -> Any:
    """A number in the unit that is asked for, where both are known and of one kind."""
    from spatialclaw.agent.units import canonical_unit, convert, dimension

    own, target = canonical_unit(unit), canonical_unit(wanted)
    if not own or not target or own == target or isinstance(value, bool):
        return value
    if not isinstance(value, int | float) or dimension(own) != dimension(target):
        return value
    return convert(float(value), own, target)


def _plain(row: Row, value: Any) -> str:
    if row.truth.type in ("choice", "yes_no"):
        return _choice(row, value)
    if row.format in ("point", "points") and not isinstance(value, str):
        return _points(row, value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return _number(value, whole=row.truth.type == "integer")
    if row.truth.type == "motion5" and isinstance(value, Mapping):
        return ",".join(f"{key}:{_number(float(amount))}" for key, amount in value.items())
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, Mapping) and set(value) == {"letter", "map"}:
        # A letter with a map drawn beside it: both are scored.
        return f"{value['letter']}.\n{json.dumps(value['map'], ensure_ascii=False)}"
    return json.dumps(value, ensure_ascii=False)


def _choice(row: Row, value: Any) -> str:
    """A letter as a capital, or yes or no as the options or the data spell it."""
    word = {True: "yes", False: "no"}.get(value, value) if isinstance(value, bool) else value
    text = str(word).strip()
    for key in row.options or {}:
        if text.lower() == key.lower():
            return key
    if text.lower() in ("yes", "no"):
        # How a word is spelt is not what is asked: take the spelling that the data uses.
        spelt = row.truth.text if row.truth.text.lower() in ("yes", "no") else "yes"
        return text.lower() if spelt.islower() else text.lower().capitalize()
    return text.upper() if len(text) == 1 else text


def _number(value: float, *, whole: bool = False) -> str:
    if isinstance(value, int):
        return str(value)
    if not math.isfinite(value):
        return ""
    if whole and value == int(value):
        return str(int(value))
    text = f"{value:.10f}".rstrip("0")
    return text + "0" if text.endswith(".") else text


def _points(row: Row, value: Sequence[Any]) -> str:
    pairs = value if value and isinstance(value[0], Sequence) else [value]
    points = [(float(pair[0]), float(pair[1])) for pair in pairs]
    if any(abs(number) > 1 for point in points for number in point):
        width, height = _size(row)
        points = [((x + 0.5) / width, (y + 0.5) / height) for x, y in points]
    return "[" + ", ".join(f"({_number(x)}, {_number(y)})" for x, y in points) + "]"


def _size(row: Row) -> tuple[int, int]:
    from PIL import Image

    picture = next(medium for medium in row.media if medium.kind == "image")
    with Image.open(picture.path) as opened:
        return opened.size
