"""From an answer to a score: written out, read by the benchmark's rule, compared with the truth."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from spatialclaw.agent.types import Answer
from spatialclaw.errors import UsageError
from spatialclaw.evaluation.benchmark import find_benchmark
from spatialclaw.evaluation.records import Result
from spatialclaw.evaluation.rows import Row
from spatialclaw.evaluation.score_file import Prediction, score_prediction
from spatialclaw.evaluation.scorers import REGISTRY

__all__ = ["rescored", "scorer_versions", "truth_text", "with_score"]


def truth_text(row: Row) -> str:
    """The truth as the text that the official rule compares with."""
    if row.truth.text:
        return row.truth.text
    value = row.truth.value
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def with_score(result: Result, row: Row, answer: Answer | None) -> Result:
    """The result with what its row says and, if there is an answer, its score.

    An answer is typed and is written out as the benchmark's scorer wants it, so that no point is
    lost to wording. No answer scores 0, whatever the benchmark's own code makes of silence.
    """
    result = replace(
        result,
        truth=truth_text(row),
        extra=_plain(row.extra),
        index=row.index,
        task=row.task,
        group=row.group,
        group_path=tuple(row.group_path),
        tags=dict(row.tags),
        format=row.format,
    )
    if result.outcome == "answered" and answer is not None:
        from spatialclaw.evaluation.replies import written_reply

        result = replace(result, reply=written_reply(row, answer))
    return rescored(result)


def rescored(result: Result) -> Result:
    """The result scored with the scorers of now; needs no data and no model.

    What a judge scored stays as it is.

    Raises:
        UsageError: The benchmark is unknown now, or its scorer cannot use the columns.
    """
    if result.judge is not None and result.scorer == "judge":
        return result
    if result.outcome == "infra_failed":
        return replace(result, score=None, lenient=None, read=None)
    lines = {
        reading: score_prediction(_prediction(result), reading=reading)
        for reading in ("official", "lenient")
    }
    official = lines["official"]
    name = str(official["scorer"])
    if result.outcome == "model_failed":
        zero = None if official["score"] is None else 0.0
        return replace(
            result, score=zero, lenient=zero, read=None, scorer=name, scorer_version=_version(name)
        )
    return replace(
        result,
        score=official["score"],
        lenient=lines["lenient"]["score"],
        read=_readable(official["read"]),
        scorer=name,
        scorer_version=_version(name),
    )


def scorer_versions(names: set[str]) -> dict[str, int]:
    """The versions of scorers by name."""
    return {name: _version(name) for name in sorted(names) if name}


def _version(name: str) -> int:
    return REGISTRY[name][0] if name in REGISTRY else 0


def _prediction(result: Result) -> Prediction:
    return Prediction(
        id=result.uid,
        benchmark=result.benchmark,
        question_type=result.task,
        prediction=result.reply,
        truth=result.truth,
        extra=dict(result.extra),
    )


def _readable(value: Any) -> Any:
    """What was read, as a JSON value."""
    try:
        return json.loads(json.dumps(value, default=str))
    except ValueError:
        return str(value)


def _plain(extra: Mapping[str, Any]) -> dict[str, Any]:
    """The columns as JSON values; bytes, such as a mask's picture, in base64."""
    import base64

    def plain(value: Any) -> Any:
        if isinstance(value, bytes):
            return base64.b64encode(value).decode("ascii")
        if isinstance(value, Mapping):
            return {str(key): plain(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [plain(item) for item in value]
        if value is None or isinstance(value, str | int | float | bool):
            return value
        if hasattr(value, "tolist"):
            return plain(value.tolist())
        return str(value)

    return {str(key): plain(value) for key, value in extra.items()}


def check_rule(row: Row) -> str:
    """The scorer of a row, so that one that cannot work is known before a model is asked.

    Raises:
        UsageError: The benchmark has no rule for such a row.
    """
    benchmark = find_benchmark(row.benchmark)
    if benchmark.rule is None:
        return "open"
    try:
        name, _ = benchmark.rule(row.task, row.extra)
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(
            f"question {row.uid} of {row.benchmark}: no scorer ({type(error).__name__}: {error})"
        ) from error
    return name
