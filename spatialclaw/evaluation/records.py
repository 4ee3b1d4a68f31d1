"""What is kept of one question of an evaluation."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from hashlib import sha256
from typing import Any, Literal

__all__ = ["Key", "Outcome", "Result", "run_name"]

Outcome = Literal["answered", "model_failed", "infra_failed"]
Key = tuple[str, str, int]
"""(benchmark, uid, epoch): what names a result."""


@dataclass(frozen=True)
class Result:
    """One question of one epoch, when it has ended.

    Everything that a score or a figure is made of is here: no data set and no model is needed to
    score it again.

    Attributes:
        benchmark: Our name.
        uid: Of the question.
        epoch: From 0.
        outcome: "answered"; "model_failed" (the model gave no answer; scores 0); "infra_failed"
            (a server, a kernel or a file failed; counted apart).
        failure: Kind of failure in a word or two, "" when answered.
        detail: The failure in one line.
        score: 0..1 as the benchmark reads the reply; None when its rule is not known or nothing
            was asked (infra_failed).
        lenient: The same with the lenient reading.
        reply: What the scorer was given.
        raw: The model's last text, untouched; "" when a cell submitted the answer.
        read: What the scorer read; None when nothing.
        scorer: Its name.
        scorer_version: Its version.
        truth: The truth as the scorer's text.
        extra: The columns that the scorer reads.
        index: Position in file order.
        task: Question type as in the data.
        group: Intervals are clustered by it.
        group_path: For trees and levels.
        tags: For break-downs.
        format: Requested form of the answer.
        answer: `spatialclaw.traces.answer_json` of the answer, or None.
        seconds: Wall time of the last attempt.
        steps: Cells.
        usage: requests, input_tokens, output_tokens, images, cost_usd; of all attempts.
        attempts: How often it was begun.
        run: The run folder, relative to the evaluation.
        started: Seconds since the epoch.
        finished: Likewise.
        note: Anything else, such as "taken over from a finished run".
        judge: Who judged a free answer: model, version of the prompt, what was said; else None.
    """

    benchmark: str
    uid: str
    epoch: int
    outcome: Outcome
    failure: str = ""
    detail: str = ""
    score: float | None = None
    lenient: float | None = None
    reply: str = ""
    raw: str = ""
    read: Any = None
    scorer: str = ""
    scorer_version: int = 0
    truth: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)
    index: int = 0
    task: str = ""
    group: str = ""
    group_path: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    format: str = ""
    answer: Mapping[str, Any] | None = None
    seconds: float = 0.0
    steps: int = 0
    usage: Mapping[str, Any] = field(default_factory=dict)
    attempts: int = 1
    run: str = ""
    started: float = 0.0
    finished: float = 0.0
    note: str = ""
    judge: Mapping[str, Any] | None = None

    @property
    def key(self) -> Key:
        """(benchmark, uid, epoch)."""
        return self.benchmark, self.uid, self.epoch

    @property
    def unparsable(self) -> bool:
        """Whether there was a reply that the scorer could read nothing out of."""
        return self.outcome == "answered" and self.read is None and self.score is not None

    @property
    def cost(self) -> float | None:
        """US dollars, where prices are known."""
        value = self.usage.get("cost_usd")
        return None if value is None else float(value)

    def record(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Result:
        """The result that `record` was made of; unknown fields of later versions are left out."""
        known = {f.name for f in fields(cls)}
        values = {name: value for name, value in record.items() if name in known}
        values["group_path"] = tuple(values.get("group_path") or ())
        return cls(**values)


def run_name(uid: str, epoch: int) -> str:
    """A folder's name for a question: readable, safe on every file system, never the same twice."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", uid).strip("-.")[:60] or "question"
    mark = "" if plain == uid else "-" + sha256(uid.encode()).hexdigest()[:8]
    return f"{plain}{mark}.e{epoch}"
