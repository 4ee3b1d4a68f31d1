"""Several answers to one question, made one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from spatialclaw.agent.answers import format_number
from spatialclaw.agent.types import Answer, Task, Usage
from spatialclaw.agent.units import canonical_unit, convert, dimension

__all__ = ["combine", "failed_vote", "vote"]

# Numbers this close (relative) count as the same answer.
SAME = 0.1


async def vote(count: int, branch: Callable[[int], Awaitable[Answer]]) -> Answer:
    """Runs branches one after the other and combines their answers.

    Args:
        count: How many.
        branch: Gives the answer of branch i, from 0.
    """
    return combine([await branch(number) for number in range(count)])


def failed_vote(task: Task, reason: str) -> Answer:
    """The vote of a branch that broke off."""
    kind = "choice" if task.choices else task.answer_type or "text"
    return Answer(None, "", answer_type=kind, status="failed", reason=reason)


def combine(answers: list[Answer]) -> Answer:
    """One answer of several: the majority, or the weighted median of numbers.

    A branch weighs as much as its confidence, 0.5 when it states none; a best guess weighs half.
    The confidence of the result is the share of all branches, failed ones too, that agree with it.

    Args:
        answers: At least one.

    Returns:
        The branch's answer that won (for numbers with the median as its value), with the steps,
        seconds and usage of all.
    """
    usable = [a for a in answers if a.status != "failed" and a.value is not None]
    if not usable:
        return _totals(answers[-1], answers)
    if all(_is_number(answer.value) for answer in usable):
        winner, agreeing = _median(usable)
    else:
        winner, agreeing = _majority(usable)
    chosen = replace(winner, confidence=round(agreeing / len(answers), 4))
    chosen.evidence = [
        *winner.evidence,
        {"votes": [answer.text or answer.status for answer in answers]},
    ]
    return _totals(chosen, answers)


def _weight(answer: Answer) -> float:
    weight = 0.5 if answer.confidence is None else max(answer.confidence, 0.05)
    return weight * (0.5 if answer.status == "best_guess" else 1.0)


def _majority(answers: list[Answer]) -> tuple[Answer, int]:
    groups: dict[str, list[Answer]] = defaultdict(list)
    for answer in answers:
        groups[" ".join(str(answer.value).casefold().split())].append(answer)
    # More votes first; among as many, more weight; among equal weight, the earlier branch.
    best = max(groups.values(), key=lambda g: (len(g), sum(_weight(a) for a in g)))
    return max(best, key=_weight), len(best)


def _median(answers: list[Answer]) -> tuple[Answer, int]:
    unit = next((answer.unit for answer in answers if answer.unit), None)
    values = sorted(((_in_unit(a, unit), _weight(a), a) for a in answers), key=lambda v: v[0])
    half, passed = sum(weight for _, weight, _ in values) / 2, 0.0
    value, winner = values[-1][0], values[-1][2]
    for number, weight, answer in values:
        passed += weight
        if passed >= half:
            value, winner = number, answer
            break
    agreeing = sum(abs(n - value) <= SAME * max(abs(value), 1e-9) for n, _, _ in values)
    if value == _in_unit(winner, winner.unit) and winner.unit == unit:
        return winner, agreeing
    text = format_number(value) + ("" if unit in (None, "count") else f" {unit}")
    return replace(winner, value=value, unit=unit, text=text), agreeing


def _in_unit(answer: Answer, unit: str | None) -> float:
    own, other = canonical_unit(answer.unit), canonical_unit(unit)
    if own and other and dimension(own) == dimension(other):
        return convert(float(answer.value), own, other)
    return float(answer.value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _totals(answer: Answer, answers: list[Answer]) -> Answer:
    usage = Usage()
    for part in answers:
        usage.add(part.usage)
    return replace(
        answer,
        steps=sum(part.steps for part in answers),
        seconds=sum(part.seconds for part in answers),
        usage=usage,
    )
