"""Puts a finding into the form that the question asks for: the cell that submits."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from spatialclaw.agent.units import canonical_unit, convert, dimension, parse_quantity
from spatialclaw.backends.builtin.language import Question
from spatialclaw.backends.builtin.language.normal import NUMBER_WORDS
from spatialclaw.backends.builtin.language.things import singular, split_list
from spatialclaw.backends.builtin.language.words import directions_in
from spatialclaw.backends.builtin.steps import Finding

__all__ = ["Submission", "match_option", "submission_of", "submit_cell"]

_SAME = {
    "back": {"back", "backward", "behind", "down"},
    "backward": {"back", "backward"},
    "front": {"front", "forward", "up"},
    "forward": {"front", "forward"},
    "up": {"up", "above", "top", "front"},
    "above": {"up", "above"},
    "down": {"down", "below", "back"},
    "below": {"down", "below"},
}


@dataclass(frozen=True)
class Submission:
    """What to submit: a literal, its unit, how sure and why."""

    value: object
    unit: str | None
    confidence: float
    evidence: tuple[str, ...]


def submission_of(finding: Finding, question: Question) -> Submission | None:
    """The submission for a finding; None when no option fits it."""
    confidence, value, unit = finding.confidence, finding.value, finding.unit
    if finding.kind == "number" and question.limit is not None:
        held, sure = _against_limit(finding, question)
        finding = Finding("yes_no", held, confidence=sure, evidence=finding.evidence)
        value, confidence = held, sure
    if question.choices:
        letter, sure = match_option(finding, question.choices)
        if letter is None:
            return None
        return Submission(letter, None, min(confidence, sure), finding.evidence)
    if finding.kind == "yes_no":
        return Submission("yes" if value else "no", None, confidence, finding.evidence)
    if finding.kind == "item":
        name = finding.names[int(value)]
        return Submission(name, None, confidence, finding.evidence)
    if finding.kind == "order":
        text = ", ".join(finding.names[int(i)] for i in value)
        return Submission(text, None, confidence, finding.evidence)
    if finding.kind == "numbers":
        text = ", ".join(str(number) for number in value)
        return Submission(text, None, confidence, finding.evidence)
    if finding.kind == "number" and isinstance(value, float):
        unit = canonical_unit(unit) or unit
        wanted = canonical_unit(question.unit)
        if wanted and unit and wanted != unit and dimension(wanted) == dimension(unit):
            value, unit = convert(value, unit, wanted), wanted
        value = float(f"{value:.4g}")
    return Submission(value, unit, confidence, finding.evidence)


def submit_cell(submission: Submission) -> str:
    """The code that submits."""
    lines = [f"    {line!r}," for line in submission.evidence if line]
    evidence = "[\n" + "\n".join(lines) + "\n]" if lines else "None"
    unit = f", unit={submission.unit!r}" if submission.unit else ""
    return (
        f"evidence = {evidence}\n"
        f"submit({submission.value!r}{unit}, confidence={round(submission.confidence, 2)}, "
        "evidence=evidence)"
    )


def _against_limit(finding: Finding, question: Question) -> tuple[bool, float]:
    assert question.limit is not None
    said, amount, unit = question.limit
    unit = canonical_unit(unit) or unit
    value = float(finding.value)
    if finding.unit and dimension(unit) == dimension(finding.unit):
        amount = convert(amount, unit, finding.unit)
    less = re.match(r"less|small|short|clos|near|within|at most|under|lower|narrow|thinn", said)
    held = value < amount if less else value > amount
    if finding.unit == "count":
        at = re.match(r"at (?:least|most)|within", said)
        held = (
            value == amount
            if re.match(r"exactly|only|just", said)
            else held or (bool(at) and value == amount)
        )
        return held, finding.confidence
    sigma = finding.sigma or 0.05 * abs(value) + 1e-6
    return held, min(finding.confidence + 0.1, _normal(abs(value - amount) / sigma), 0.98)


def match_option(finding: Finding, choices: dict[str, str]) -> tuple[str | None, float]:
    """The option that a finding means, and how sure the choice among them is."""
    if finding.kind == "number":
        return _nearest_number(finding, choices)
    if finding.kind == "yes_no":
        return _yes_no(bool(finding.value), choices)
    if finding.kind == "word":
        return _word(str(finding.value), choices)
    if finding.kind == "item":
        return _item(finding, choices)
    if finding.kind == "order":
        return _order(finding, choices)
    if finding.kind == "numbers":
        return _numbers([float(n) for n in finding.value], choices)
    if finding.kind == "point":
        return _point(finding.value, choices)
    return _text(str(finding.value), choices)


def _normal(z: float) -> float:
    return 0.5 * (1 + math.erf(z / math.sqrt(2)))


def _amount(text: str, unit: str | None) -> float | None:
    lowered = text.strip().lower()
    if lowered in NUMBER_WORDS:
        return float(NUMBER_WORDS[lowered])
    first = re.match(rf"(?:{'|'.join(NUMBER_WORDS)})\b", lowered)
    if first and not re.search(r"\d", lowered):
        return float(NUMBER_WORDS[first[0]])
    read = parse_quantity(text)
    if read is None:
        digits = re.search(r"-?\d+(?:\.\d+)?", text)
        return float(digits[0]) if digits else None
    number, own = read
    own = canonical_unit(own)
    if own and unit and dimension(own) == dimension(unit):
        return float(convert(number, own, unit))
    return float(number)


def _nearest_number(finding: Finding, choices: dict[str, str]) -> tuple[str | None, float]:
    unit = canonical_unit(finding.unit) or finding.unit
    amounts = {letter: _amount(text, unit) for letter, text in choices.items()}
    known = {letter: amount for letter, amount in amounts.items() if amount is not None}
    if not known:
        return None, 0.0
    value = float(finding.value)
    ranked = sorted(known, key=lambda letter: abs(known[letter] - value))
    best = ranked[0]
    if len(ranked) == 1:
        return best, 0.5
    border = (known[best] + known[ranked[1]]) / 2
    sigma = finding.sigma or max(0.05 * abs(value), 1e-6)
    return best, max(0.3, _normal(abs(border - value) / sigma))


def _yes_no(value: bool, choices: dict[str, str]) -> tuple[str | None, float]:
    wanted = ("yes", "true", "correct") if value else ("no", "false", "incorrect")
    for letter, text in choices.items():
        if re.match(rf"(?:{'|'.join(wanted)})\b", text.strip().lower()):
            return letter, 1.0
    return None, 0.0


def _word(word: str, choices: dict[str, str]) -> tuple[str | None, float]:
    said = {letter: directions_in(text) for letter, text in choices.items()}
    for letter, words in said.items():
        if words and words[0] == word:
            return letter, 1.0
    for letter, words in said.items():
        if words and words[0] in _SAME.get(word, set()):
            return letter, 0.9
    parts = re.split(r"[- ]", word)
    for letter, words in said.items():
        if set(words) == set(parts):
            return letter, 0.9
    return _text(word, choices)


def _words(text: str) -> set[str]:
    found = re.findall(r"[a-z0-9]+", text.lower())
    return {singular(w) for w in found} - {"the", "a", "an", "of", "on", "in", "one", "is", "and"}


def _overlap(a: str, b: str) -> float:
    first, second = _words(a), _words(b)
    if not first or not second:
        return 0.0
    return len(first & second) / min(len(first), len(second)) + 0.1 * len(first & second)


def _item(finding: Finding, choices: dict[str, str]) -> tuple[str | None, float]:
    name = finding.names[int(finding.value)]
    for letter, text in choices.items():
        if name.strip().lower() == text.strip(" .").lower():
            return letter, 1.0
    scores = {letter: _overlap(name, text) for letter, text in choices.items()}
    best = max(scores, key=lambda letter: scores[letter])
    if scores[best] <= 0:
        return None, 0.0
    rivals = [letter for letter in scores if scores[letter] >= scores[best] - 1e-9]
    return (best, 1.0) if len(rivals) == 1 else (None, 0.0)


def _order(finding: Finding, choices: dict[str, str]) -> tuple[str | None, float]:
    wanted = [finding.names[int(i)] for i in finding.value]
    best: tuple[float, str | None] = (0.0, None)
    for letter, text in choices.items():
        parts = split_list(re.sub(r"\s*(?:->|>|→|then)\s*", ", ", text))
        if len(parts) != len(wanted):
            continue
        agree = sum(_meant(b, wanted) == i for i, b in enumerate(parts)) / len(parts)
        if agree > best[0]:
            best = (agree, letter)
    return (best[1], best[0]) if best[1] and best[0] > 0.99 else (best[1], 0.4 * best[0])


def _meant(text: str, names: Sequence[str]) -> int | None:
    """Which of the names a text means, None when two fit as well."""
    scores = [_overlap(text, name) for name in names]
    best = max(scores)
    fitting = [i for i, score in enumerate(scores) if score >= best - 1e-9]
    return fitting[0] if best > 0 and len(fitting) == 1 else None


def _numbers(numbers: Sequence[float], choices: dict[str, str]) -> tuple[str | None, float]:
    for letter, text in choices.items():
        if sorted(float(n) for n in re.findall(r"\d+(?:\.\d+)?", text)) == sorted(numbers):
            return letter, 1.0
    return None, 0.0


def _point(value: Sequence[float], choices: dict[str, str]) -> tuple[str | None, float]:
    away: dict[str, float] = {}
    for letter, text in choices.items():
        numbers = [float(n) for n in re.findall(r"-?\d+(?:\.\d+)?", text)]
        if len(numbers) == 2:
            away[letter] = math.dist(numbers, value)
    if not away:
        return None, 0.0
    ranked = sorted(away, key=lambda letter: away[letter])
    if len(ranked) == 1:
        return ranked[0], 0.5
    return ranked[0], 1 - 0.5 * away[ranked[0]] / max(away[ranked[1]], 1e-6)


def _text(text: str, choices: dict[str, str]) -> tuple[str | None, float]:
    numbers = re.findall(r"\d+(?:\.\d+)?", text)
    for letter, option in choices.items():
        if numbers and re.findall(r"\d+(?:\.\d+)?", option) == numbers:
            return letter, 1.0
    for letter, option in choices.items():
        if text.strip().lower() == option.strip(" .").lower():
            return letter, 1.0
    if numbers:
        return None, 0.0
    scores = {letter: _overlap(text, option) for letter, option in choices.items()}
    best = max(scores, key=lambda letter: scores[letter])
    return (best, 0.8) if scores[best] > 0.5 else (None, 0.0)
