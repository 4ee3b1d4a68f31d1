"""The form of an answer: what is asked for, and whether a submission fits."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Any

from spatialclaw.agent.types import AnswerType, Task
from spatialclaw.agent.units import canonical_unit, convert, dimension, parse_quantity
from spatialclaw.kernel.results import Submission

__all__ = ["CheckedAnswer", "check_submission", "describe_form", "format_number"]

_YES = frozenset({"yes", "y", "true", "correct", "right"})
_NO = frozenset({"no", "n", "false", "incorrect", "wrong"})
_NEVER_NEGATIVE = frozenset({"length", "area", "volume", "time"})


@dataclass(frozen=True)
class CheckedAnswer:
    """A submission as the form check read it.

    Attributes:
        value: In the form the answer type has; None when it has problems.
        unit: Canonical unit, or as given when unknown, or None.
        text: As one would say it.
        answer_type: How `value` is to be read.
        confidence: 0..1 or None.
        problems: What is wrong, one line each; empty when the form is right.
        soft: Whether all problems are only about a form that the wording suggests, so that the same
            submission is accepted when it comes again.
    """

    value: Any
    unit: str | None
    text: str
    answer_type: AnswerType
    confidence: float | None = None
    problems: list[str] = field(default_factory=list)
    soft: bool = False

    @property
    def ok(self) -> bool:
        """Whether the form is right."""
        return not self.problems


class _Wrong(Exception):
    """The value does not have the form; the message says why."""


def check_submission(
    task: Task,
    submission: Submission,
    *,
    suggested: AnswerType | None = None,
    suggested_unit: str | None = None,
) -> CheckedAnswer:
    """Checks a submission against what the task asks for.

    Args:
        task: Its `answer_type` and `unit` are binding.
        submission: As the cell passed it.
        suggested: The type the wording suggests; used when the task names none.
        suggested_unit: Likewise for the unit.
    """
    wanted: AnswerType | None = "choice" if task.choices else task.answer_type
    binding = wanted is not None
    kind: AnswerType = wanted or suggested or _natural_type(submission.value)
    unit = task.unit or suggested_unit
    try:
        value, given_unit, text = _read(task, kind, submission, unit)
        confidence = _confidence(submission.confidence)
    except _Wrong as wrong:
        natural = _natural_type(submission.value)
        fallback = _plain(submission.value)
        if not binding and natural != kind and fallback:
            try:
                sure = _confidence(submission.confidence)
            except _Wrong:
                sure = None
            return CheckedAnswer(
                submission.value if natural != "text" else fallback,
                submission.unit,
                fallback,
                natural,
                sure,
                [str(wrong)],
                soft=True,
            )
        return CheckedAnswer(None, submission.unit, fallback, kind, None, [str(wrong)])
    return CheckedAnswer(value, given_unit, text, kind, confidence)


def _read(
    task: Task, kind: AnswerType, submission: Submission, unit: str | None
) -> tuple[Any, str | None, str]:
    value = submission.value
    if value is None:
        raise _Wrong("the value is None")
    if kind == "choice":
        letter = _choice(task.choices or {}, value, submission.unit)
        return letter, None, f"{letter}. {(task.choices or {}).get(letter, '')}".rstrip(". ")
    if kind == "yes_no":
        word = _yes_no(value)
        return word, None, word
    if kind == "number":
        return _number(value, submission.unit, unit)
    if kind in ("point", "box"):
        numbers = _coordinates(value, 2 if kind == "point" else 4)
        if kind == "box" and (numbers[0] >= numbers[2] or numbers[1] >= numbers[3]):
            raise _Wrong(f"a box is (x0, y0, x1, y1) with x0 < x1 and y0 < y1, not {numbers}")
        text = f"({', '.join(format_number(number) for number in numbers)})"
        return numbers, submission.unit, text
    text = _plain(value)
    if not text:
        raise _Wrong("the value is empty")
    if submission.unit and isinstance(value, int | float):
        text = f"{text} {submission.unit}"
    return text, submission.unit, text


def _natural_type(value: Any) -> AnswerType:
    if isinstance(value, bool):
        return "yes_no"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str) and value.strip().lower().rstrip(".") in ("yes", "no"):
        return "yes_no"
    if isinstance(value, list | tuple) and all(isinstance(item, int | float) for item in value):
        return "point" if len(value) == 2 else "box" if len(value) == 4 else "text"
    return "text"


def _plain(value: Any) -> str:
    if isinstance(value, str):
        return " ".join(value.split())
    if isinstance(value, bool) or value is None:
        return "" if value is None else ("yes" if value else "no")
    if isinstance(value, int | float):
        return format_number(value)
    return str(value)


def format_number(value: float) -> str:
    """A number as one would write it: four significant digits, no exponent for usual sizes."""
    if isinstance(value, int) or (
        math.isfinite(value) and value == int(value) and abs(value) < 1e9
    ):
        return str(int(value))
    return f"{value:.4g}" if abs(value) >= 1e-4 and abs(value) < 1e9 else f"{value:.3e}"


def _number(
    value: Any, given: str | None, wanted: str | None
) -> tuple[float | int, str | None, str]:
    number, unit = _quantity(value)
    if given is not None and given.strip():
        unit = canonical_unit(given) or given.strip()
    if not math.isfinite(number):
        raise _Wrong(f"the value is {number}, which is no finite number")
    target = canonical_unit(wanted) or wanted
    if target == "px" and canonical_unit(unit) == "count":
        # Pixels that were counted.
        unit = "px"
    if target == "count":
        if unit is not None and canonical_unit(unit) not in (None, "count"):
            raise _Wrong(f"a count has no unit, and {unit!r} was given")
        if abs(number - round(number)) > 1e-6 or number < 0:
            raise _Wrong(f"a count is a whole number of 0 or more, not {format_number(number)}")
        return round(number), "count", str(round(number))
    if target and unit and canonical_unit(target) and canonical_unit(unit):
        try:
            number = convert(number, str(canonical_unit(unit)), target)
        except ValueError as error:
            raise _Wrong(f"the answer is wanted in {target}: {error}") from None
        unit = target
    elif target and unit and unit != target:
        raise _Wrong(f"the answer is wanted in {target}, and {unit!r} is no known unit")
    unit = unit or target
    if number < 0 and unit and dimension(canonical_unit(unit) or "px") in _NEVER_NEGATIVE:
        raise _Wrong(f"{number:g} {unit} is negative; say which way in words, give the amount")
    shown = format_number(number)
    text = shown if unit in (None, "count", "ratio") else f"{shown} {unit}"
    whole = isinstance(value, int) and not isinstance(value, bool) and number == value
    return (value if whole else float(number)), unit, text


def _quantity(value: Any) -> tuple[float, str | None]:
    if isinstance(value, bool):
        raise _Wrong(f"a number is wanted, not {value}")
    if isinstance(value, int | float):
        return float(value), None
    if isinstance(value, dict) and isinstance(value.get("value"), int | float):
        unit = value.get("unit")
        return float(value["value"]), unit if isinstance(unit, str) else None
    if isinstance(value, str):
        lowered = value.strip().lower()
        if lowered in ("nan", "inf", "-inf", "infinity"):
            return float(lowered), None
        read = parse_quantity(value)
        if read is None:
            raise _Wrong(f"one number is wanted, not {_short(value)}")
        return read
    if isinstance(value, list | tuple) and len(value) == 1:
        return _quantity(value[0])
    raise _Wrong(f"one number is wanted, not {_short(value)}")


def _yes_no(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        words = re.findall(r"[a-z]+", value.lower())
        if words and words[0] in _YES:
            return "yes"
        if words and words[0] in _NO:
            return "no"
    raise _Wrong(f"yes or no is wanted, not {_short(value)}")


def _choice(choices: dict[str, str], value: Any, unit: str | None) -> str:
    options = "; ".join(f"{letter}. {text}" for letter, text in choices.items())
    if isinstance(value, bool):
        value = "yes" if value else "no"
    if isinstance(value, int | float):
        return _nearest_choice(choices, value, unit, options)
    if not isinstance(value, str) or not value.strip():
        raise _Wrong(f"one of the letters is wanted ({options}), not {_short(value)}")
    given = _fold(value)
    texts = {letter: _fold(text) for letter, text in choices.items()}
    for letter, text in texts.items():
        if given == text:
            return letter
    match = re.fullmatch(
        r"[\s*_`(\[]*(?:option|answer|choice)?[\s:(\[]*([A-Za-z])[\s)\]*_`]*(?:[.:)\-]\s*(.*))?",
        value.strip(), re.IGNORECASE | re.DOTALL,
    )  # fmt: skip
    if match and match.group(1).upper() in choices:
        letter = match.group(1).upper()
        rest = _fold(match.group(2) or "")
        if not rest or rest == texts[letter] or texts[letter] in rest or rest in texts[letter]:
            return letter
        raise _Wrong(f"the letter {letter} stands for {choices[letter]!r}, not {match.group(2)!r}")
    holding = [letter for letter, text in texts.items() if _holds(given, text)]
    if len(holding) > 1:
        # "front left" holds "left" too: the longest option decides when it covers the others.
        longest = max(holding, key=lambda letter: len(texts[letter]))
        if all(texts[letter] in texts[longest] for letter in holding):
            holding = [longest]
    if len(holding) == 1:
        return holding[0]
    held = [letter for letter, text in texts.items() if _holds(text, given)]
    if not holding and len(held) == 1:
        return held[0]
    quantity = parse_quantity(value)
    if quantity is not None:
        return _nearest_choice(choices, quantity[0], quantity[1], options)
    raise _Wrong(f"one of the letters is wanted ({options}), not {_short(value)}")


def _nearest_choice(choices: dict[str, str], value: float, unit: str | None, options: str) -> str:
    amounts: dict[str, float] = {}
    unit = canonical_unit(unit)
    for letter, text in choices.items():
        read = parse_quantity(text)
        if read is None:
            raise _Wrong(f"one of the letters is wanted ({options}), not {format_number(value)}")
        number, own = read
        if own and unit and dimension(own) == dimension(unit):
            number = convert(number, own, unit)
        amounts[letter] = number
    same = [k for k, number in amounts.items() if math.isclose(number, value, rel_tol=1e-6)]
    if len(same) == 1:
        return same[0]
    nearest = min(amounts, key=lambda letter: abs(amounts[letter] - value))
    raise _Wrong(
        f"one of the letters is wanted ({options}); {format_number(value)} is none of them, "
        f"the nearest is {nearest}"
    )


def _fold(text: str) -> str:
    return re.sub(r"[^\w./+-]+", " ", text.casefold()).strip(" .")


def _holds(text: str, part: str) -> bool:
    return bool(part) and re.search(rf"(?<!\w){re.escape(part)}(?!\w)", text) is not None


def _coordinates(value: Any, count: int) -> list[float]:
    name = "a point (x, y)" if count == 2 else "a box (x0, y0, x1, y1)"
    if isinstance(value, dict):
        keys = ("x", "y") if count == 2 else ("x0", "y0", "x1", "y1")
        value = [value.get(key) for key in keys]
    if isinstance(value, str):
        value = [float(n) for n in re.findall(r"-?\d+(?:\.\d+)?", value)]
    if isinstance(value, list | tuple) and len(value) == 1 and isinstance(value[0], list | tuple):
        value = value[0]
    numeric = isinstance(value, list | tuple) and all(
        isinstance(n, int | float) and not isinstance(n, bool) and math.isfinite(n) for n in value
    )
    if not numeric or len(value) != count:
        raise _Wrong(f"{name} of {count} finite numbers is wanted, not {_short(value)}")
    return [float(number) for number in value]


def _confidence(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise _Wrong(f"confidence is a number from 0 to 1, not {_short(value)}")
    return float(value)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:100]} ..."


def describe_form(
    task: Task, suggested: AnswerType | None = None, suggested_unit: str | None = None
) -> str:
    """One line that says what form the answer has, for the model; "" when it is open."""
    kind = "choice" if task.choices else task.answer_type or suggested
    unit = task.unit or suggested_unit
    if kind == "choice":
        return "one letter"
    if kind == "yes_no":
        return '"yes" or "no"'
    if kind == "number":
        if unit == "count":
            return "a whole number"
        return f"one number, in {unit}" if unit else "one number, with its unit"
    if kind == "point":
        return "a point (x, y), in pixels of the picture unless the question says otherwise"
    if kind == "box":
        return "a box (x0, y0, x1, y1), in pixels unless the question says otherwise"
    return "a short text" if kind == "text" else ""
