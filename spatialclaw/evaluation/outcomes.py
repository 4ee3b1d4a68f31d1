"""How an attempt at a question ended: whose fault it was, and the result that is kept of it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from spatialclaw.agent.types import Answer, Usage
from spatialclaw.errors import (
    BackendError,
    BackendRejected,
    ConfigError,
    ConfinementError,
    KernelError,
    PerceptionError,
    RunError,
    SpatialclawError,
    UsageError,
)
from spatialclaw.evaluation.records import Result
from spatialclaw.evaluation.rows import Row

__all__ = ["Ended", "answer_from_json", "as_result", "ended_by", "one_line"]


@dataclass(frozen=True)
class Ended:
    """How one attempt at a question ended.

    Attributes:
        answer: The answer, failed ones too; None when the infrastructure failed.
        failure: Kind of infrastructure failure, or "".
        detail: One line.
        passing: Whether another attempt may go better.
        raw: The model's last text, when that was the answer.
        usage: What the model calls took, failed ones too.
        seconds: Wall time.
    """

    answer: Answer | None
    failure: str = ""
    detail: str = ""
    passing: bool = False
    raw: str = ""
    usage: Usage | None = None
    seconds: float = 0.0


def ended_by(error: SpatialclawError) -> Ended:
    """Whose fault an error is, and whether trying again may help."""
    from spatialclaw.backends.openai import ContextTooLong

    line = one_line(error)
    if isinstance(error, ContextTooLong):
        return Ended(Answer(None, "", status="failed", reason=line), "context", line)
    if isinstance(error, BackendRejected):
        return Ended(None, "refused", line)
    kinds: list[tuple[type[SpatialclawError], str, bool]] = [
        (BackendError, "server", True),
        (ConfigError, "settings", False),
        (ConfinementError, "confinement", False),
        (UsageError, "media", False),  # damaged archives of the data too
        (PerceptionError, "perception", True),
        (KernelError, "kernel", True),
        (RunError, "disk", True),
    ]
    for kind, name, passing in kinds:
        if isinstance(error, kind):
            return Ended(None, name, line, passing)
    return Ended(None, "fault", line)


def as_result(row: Row, epoch: int, ended: Ended, *, run: str, attempts: int) -> Result:
    """The result of an attempt, not scored yet."""
    usage = asdict(ended.usage or Usage())
    common: dict[str, Any] = {
        "benchmark": row.benchmark,
        "uid": row.uid,
        "epoch": epoch,
        "raw": ended.raw,
        "seconds": round(ended.seconds, 3),
        "usage": usage,
        "attempts": attempts,
        "run": run,
        "finished": time.time(),
        "started": time.time() - ended.seconds,
    }
    answer = ended.answer
    if answer is None:
        return Result(outcome="infra_failed", failure=ended.failure, detail=ended.detail, **common)
    from spatialclaw.traces import answer_json

    common |= {"answer": answer_json(answer), "steps": answer.steps}
    if answer.status == "failed" or answer.value is None:
        kind = ended.failure or "no answer"
        return Result(outcome="model_failed", failure=kind, detail=answer.reason, **common)
    return Result(outcome="answered", **common)


def answer_from_json(record: Mapping[str, Any]) -> Answer:
    """The answer that ``answer.json`` holds."""
    usage = record.get("usage") or {}
    names = ("unit", "confidence", "steps", "seconds", "backend", "model", "interface")
    known = {name: record[name] for name in names if record.get(name) is not None}
    return Answer(
        _tuple(record.get("answer")),
        str(record.get("text") or ""),
        answer_type=record.get("answer_type") or "text",
        status=record.get("status") or "failed",
        evidence=list(record.get("evidence") or []),
        usage=Usage(**{k: v for k, v in usage.items() if k in Usage.__dataclass_fields__}),
        run=Path(record["run_dir"]) if record.get("run_dir") else None,
        reason=str(record.get("reason") or ""),
        **known,
    )


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def one_line(error: BaseException) -> str:
    """An error in one line, without its class where it is one of ours."""
    text = " ".join(str(error).split()) or type(error).__name__
    known = isinstance(error, SpatialclawError)
    return text[:500] if known else f"{type(error).__name__}: {text}"[:500]
