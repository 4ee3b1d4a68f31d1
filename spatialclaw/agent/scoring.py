"""The score of an answer: a pure function of the task and the answer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from spatialclaw.agent.answers import check_submission
from spatialclaw.agent.types import Answer, Task
from spatialclaw.kernel.results import Submission

__all__ = ["RELATIVE_TOLERANCE", "score_answer"]

# How far a number may be off when the task gives no tolerance.
RELATIVE_TOLERANCE = 0.1


def score_answer(
    task: Task, answer: Answer | None, facts: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Scores an answer.

    Args:
        task: With its `truth`; without one, `score` and `correct` are None.
        answer: None counts as failed.
        facts: Figures of the record to pass on, such as the number of format errors.

    Returns:
        score (1.0, 0.0 or None), correct, error (absolute) and relative_error for numbers, status,
        and `facts`.
    """
    result: dict[str, Any] = {
        "score": None,
        "correct": None,
        "error": None,
        "relative_error": None,
        "status": answer.status if answer else "failed",
        **dict(facts or {}),
    }
    if task.truth is None:
        return result
    result.update(_compare(task, answer))
    result["score"] = float(bool(result["correct"]))
    return result


def _compare(task: Task, answer: Answer | None) -> dict[str, Any]:
    if answer is None or answer.status == "failed" or answer.value is None:
        return {"correct": False}
    truth = check_submission(task, Submission(task.truth, unit=task.unit))
    value: Any = truth.value if truth.ok else task.truth
    if isinstance(value, int | float) and not isinstance(value, bool):
        if isinstance(answer.value, bool) or not isinstance(answer.value, int | float):
            return {"correct": False}
        error = abs(float(answer.value) - float(value))
        relative = error / abs(value) if value else (0.0 if error == 0 else math.inf)
        if task.tolerance is None:
            right = error == 0 if truth.unit == "count" else relative <= RELATIVE_TOLERANCE
        else:
            right = (relative if task.relative_tolerance else error) <= task.tolerance
        return {"correct": right, "error": error, "relative_error": relative}
    if truth.answer_type == "point":
        return _compare_points(task, answer.value, value)
    if truth.answer_type == "box":
        overlap = _overlap(answer.value, value)
        return {"correct": overlap >= 0.5, "error": 1 - overlap}
    return {"correct": str(answer.value).strip().casefold() == str(value).strip().casefold()}


def _compare_points(task: Task, given: Any, truth: Any) -> dict[str, Any]:
    if not isinstance(given, list | tuple) or len(given) != 2:
        return {"correct": False}
    error = math.dist(given, truth)
    allowed = task.tolerance if task.tolerance is not None else 10.0
    return {"correct": error <= allowed, "error": error}


def _overlap(given: Any, truth: Any) -> float:
    """Intersection over union of two boxes."""
    if not isinstance(given, list | tuple) or len(given) != 4:
        return 0.0
    width = min(given[2], truth[2]) - max(given[0], truth[0])
    height = min(given[3], truth[3]) - max(given[1], truth[1])
    shared = max(0.0, width) * max(0.0, height)
    areas = sum((b[2] - b[0]) * (b[3] - b[1]) for b in (given, truth))
    return float(shared / (areas - shared)) if areas > shared else 0.0
