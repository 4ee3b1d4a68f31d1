"""Scorers of numbers: mean relative accuracy and the readers of the benchmarks.

MRA(p, t) = 1/10 * #{c in 0.50, 0.55, ..., 0.95 : |p - t| / t <= 1 - c} (Yang et al., "Thinking in
Space", arXiv 2412.14171). The arithmetic is that of the published code, errors on a threshold too.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np

from spatialclaw.evaluation.scorers.base import Scored, no_answer, scorer, tag_content

__all__ = ["mra", "relative_accuracy"]

Args = Mapping[str, Any]
_NOTHING = Scored(0.0, None)
_THRESHOLDS = np.linspace(0.5, 0.95, int((0.95 - 0.5) / 0.05 + 2))


def relative_accuracy(error: float, *, strict: bool = False) -> float:
    """The share of the ten thresholds that a relative error keeps.

    Args:
        error: |p - t| / t, 0 or more; NaN scores 0.
        strict: Compare with < instead of <=.
    """
    if math.isnan(error):
        return 0.0
    kept = error < 1 - _THRESHOLDS if strict else error <= 1 - _THRESHOLDS
    return float(kept.mean())


def mra(
    predicted: float,
    truth: float,
    *,
    strict: bool = False,
    zero: Literal["absolute", "exact"] = "exact",
) -> float:
    """Mean relative accuracy of a prediction, 0..1.

    Args:
        predicted: The number read.
        truth: The true number; its absolute value normalises.
        strict: Omni3D's comparison with <.
        zero: For a truth of 0: "absolute" takes |p - t| itself as the error (SPAR); "exact" scores
            1 for a prediction of 0 and 0 otherwise.
    """
    if not math.isfinite(predicted):
        return 0.0
    if truth == 0:
        if zero == "exact":
            return float(predicted == 0)
        return relative_accuracy(abs(predicted), strict=strict)
    return relative_accuracy(abs(predicted - truth) / abs(truth), strict=strict)


def _float(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def read_first_token(text: str) -> float | None:
    """The token before the first blank, full stops at its end removed, as a whole (VSI, VSTI)."""
    return _float(text.split(" ")[0].rstrip(".").strip())


_WORDS = (
    *("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen"),
    *("eighteen", "nineteen", "twenty"),
)
_TENS = ("thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_WORD_VALUES: dict[str, float] = {
    **{word: float(i) for i, word in enumerate(_WORDS, 1)},
    **{word: 10.0 * i for i, word in enumerate(_TENS, 3)},
    "zero": 0.0,
    "a": 1.0,
    "an": 1.0,
}


def read_first_anywhere(text: str) -> float | None:
    """The first number, in digits or in English words (community harness for VSI)."""
    words = "|".join(word for word in _WORD_VALUES if word not in ("a", "an"))
    match = re.search(rf"-?\d+(?:\.\d+)?|\b(?:{words})\b", text.lower())
    if not match:
        return None
    return _WORD_VALUES.get(match.group(0)) or _float(match.group(0))


def read_words_first(text: str) -> float | None:
    """A number word in the order of the own code's list, else the first digits (SPBench)."""
    content = tag_content(text)
    lowered = (text if content is None else content).lower()
    for word, value in _WORD_VALUES.items():
        if re.search(rf"\b{word}\b", lowered):
            return value
    match = re.search(r"\d+(?:\.\d+)?", lowered)
    return _float(match.group(0)) if match else None


def _spar_numbers(text: str) -> list[str]:
    return re.findall(r"(?<![\^\d.])\d+(?:\.\d+)?", text)


def read_spar_single(text: str) -> float | None:
    """The first unsigned decimal that does not follow ^ (SPAR)."""
    found = _spar_numbers(text)
    return _float(found[0]) if found else 0.0


def read_spar_multi(text: str) -> float | None:
    """The last unsigned decimal that does not follow ^ (SPAR, several views); none reads -1."""
    found = _spar_numbers(text)
    return _float(found[-1]) if found else -1.0


def read_last(text: str) -> float | None:
    """The last number, commas removed, sign kept (OSI)."""
    found = re.findall(r"-?\d+(?:\.\d+)?", text.replace(",", ""))
    return _float(found[-1]) if found else None


def read_first_signed(text: str) -> float | None:
    """The first number, commas removed, sign kept (SpatialTree)."""
    match = re.search(r"-?\d+(?:\.\d+)?", text.replace(",", ""))
    return _float(match.group(0)) if match else None


READERS: dict[str, Callable[[str], float | None]] = {
    "first-token": read_first_token,
    "first-anywhere": read_first_anywhere,
    "words-first": read_words_first,
    "spar-single": read_spar_single,
    "spar-multi": read_spar_multi,
    "last": read_last,
    "first-signed": read_first_signed,
}


@scorer("mra")
def score_mra(reply: str, truth: str, args: Args) -> Scored:
    """Mean relative accuracy.

    Args of the row: ``reader``: a name of `READERS`; ``zero``: "absolute", "exact" or a threshold h
    (a prediction below it scores 1 for a truth of 0, else h takes the truth's place, OSI);
    ``strict``; ``tagged``: read the content of ``<answer>`` when there is one.
    """
    wanted = _float(str(truth).strip())
    if no_answer(reply) or wanted is None:
        return _NOTHING
    text = ((tag_content(reply) or reply) if args.get("tagged") else reply).strip()
    value = READERS[str(args.get("reader", "first-token"))](text)
    if value is None:
        return _NOTHING
    zero = args.get("zero", "exact")
    strict = bool(args.get("strict"))
    if wanted == 0 and isinstance(zero, int | float):
        score = 1.0 if value < zero else mra(value, float(zero), strict=strict)
    else:
        score = mra(value, wanted, strict=strict, zero=zero)
    return Scored(score, value)


@scorer("typed-omni3d")
def typed_omni3d(reply: str, truth: str, args: Args) -> Scored:
    """By ``answer_type``: int exact, str exact in lower case, float strict MRA (Omni3D-Bench)."""
    if no_answer(reply):
        return _NOTHING
    kind = str(args.get("answer_type", "str"))
    text = reply.strip()
    if kind == "int":
        try:
            value = int(text)
        except ValueError:
            return _NOTHING
        return Scored(float(value == _float(str(truth))), value)
    if kind == "float":
        number, wanted = _float(text), _float(str(truth))
        if number is None or wanted is None:
            return _NOTHING
        return Scored(mra(number, wanted, strict=True), number)
    return Scored(float(text.lower() == str(truth).strip().lower()), text.lower())


_AXES = (
    ("move_right", "move_left"),
    ("move_up", "move_down"),
    ("move_forward", "move_backward"),
    ("rotate_right", "rotate_left"),
    ("rotate_up", "rotate_down"),
)


def _motion(text: str) -> list[float] | None:
    values: dict[str, float] = {}
    for part in text.split(","):
        key, colon, value = part.partition(":")
        number = _float(value.strip())
        if not colon or number is None:
            return None
        values[key] = number
    return [values.get(plus, 0.0) - values.get(minus, 0.0) for plus, minus in _AXES]


def _vci(numerators: list[float], normalisers: list[float]) -> float:
    scores = [
        relative_accuracy(abs(p - t) if t == 0 else abs(p - t) / abs(t))
        for p, t in zip(numerators, normalisers, strict=True)
    ]
    return sum(scores) / len(scores)


@scorer("vci")
def vci(reply: str, truth: str, args: Args) -> Scored:
    """View-change accuracy over five axes (SPAR).

    The own code normalises by the prediction; args of the row: ``normaliser``: "prediction" or
    "truth" (ViLaSR). The other one is in ``extra``.
    """
    predicted, wanted = _motion(reply.strip()), _motion(truth.strip())
    if predicted is None or wanted is None:
        return _NOTHING
    by_prediction, by_truth = _vci(wanted, predicted), _vci(predicted, wanted)
    if args.get("normaliser", "prediction") == "truth":
        return Scored(by_truth, predicted, {"by_prediction": by_prediction})
    return Scored(by_prediction, predicted, {"by_truth": by_truth})


@scorer("number-same-form")
def number_same_form(reply: str, truth: str, args: Args) -> Scored:
    """Both with or both without a decimal point or comma, equal to two decimals (ViLaSR)."""
    text = (tag_content(reply) or reply).strip()
    wanted = (tag_content(truth) or truth).strip()
    value, number = _float(text.replace(",", "")), _float(wanted.replace(",", ""))
    if value is None or number is None:
        return _NOTHING
    same = bool(re.search(r"[.,]", text)) == bool(re.search(r"[.,]", wanted))
    return Scored(float(same and round(value, 2) == round(number, 2)), value)
