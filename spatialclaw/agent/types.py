"""The records that the loop, the policies and the user share."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from spatialclaw.kernel.results import CellResult, Shown

__all__ = [
    "Answer",
    "AnswerStatus",
    "AnswerType",
    "Observation",
    "ObservationKind",
    "Task",
    "Usage",
]

AnswerType = Literal["number", "choice", "yes_no", "text", "point", "box"]
AnswerStatus = Literal["submitted", "best_guess", "failed"]
ObservationKind = Literal["plan", "cell", "format_error", "answer_now", "done"]


@dataclass(frozen=True)
class Task:
    """A question about media.

    Attributes:
        question: The text, without the options.
        media: Paths as the user gave them.
        choices: Letter -> text, or None.
        answer_type: Asked for or inferred; None leaves it to the answer.
        unit: The unit the answer is wanted in, or None.
        truth: The true answer, for `score()` only; never shown to a policy or a kernel.
        tolerance: How far a number may be off (absolute, or relative when `relative_tolerance`).
        relative_tolerance: Whether `tolerance` is a fraction of the truth.
        id: Name of the question in its set.
    """

    question: str
    media: tuple[Path, ...] = ()
    choices: dict[str, str] | None = None
    answer_type: AnswerType | None = None
    unit: str | None = None
    truth: Any = None
    tolerance: float | None = None
    relative_tolerance: bool = False
    id: str = ""


@dataclass
class Usage:
    """What the model calls of a run took; cost is None while no price is known."""

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    images: int = 0
    cost_usd: float | None = None

    def add(self, other: Usage) -> None:
        """Adds another usage to this one."""
        self.requests += other.requests
        self.input_tokens += other.input_tokens
        self.output_tokens += other.output_tokens
        self.images += other.images
        if other.cost_usd is not None:
            self.cost_usd = (self.cost_usd or 0.0) + other.cost_usd


@dataclass(frozen=True)
class Observation:
    """What the policy sees after `reset` or `step`.

    Attributes:
        kind: What is expected next: a plan; a cell (after one ran, or after the plan); the same
            again because the reply had no usable cell; the best answer now; nothing ("done").
        text: All of it as text, ready for a model.
        images: Pictures that go with the text, in order.
        done: Whether the episode is over.
        info: For programs: step, remaining budget, how the reply was read.
        cell: The result of the cell that just ran, or None.
    """

    kind: ObservationKind
    text: str
    images: list[Shown] = field(default_factory=list)
    done: bool = False
    info: dict[str, Any] = field(default_factory=dict)
    cell: CellResult | None = None


@dataclass
class Answer:
    """An answer with what it rests on.

    Attributes:
        value: float or int, choice letter, "yes"/"no", text, (x, y) or (x0, y0, x1, y1); None if
            failed.
        text: The answer as one would say it, with unit.
        unit: "m", "m^2", "deg", "count" and so on, or None.
        answer_type: How `value` is to be read.
        confidence: 0..1 or None when nobody said.
        status: "submitted"; "best_guess" (a budget ended first); "failed".
        evidence: What it rests on, JSON values.
        steps: Cells that ran.
        seconds: Wall time.
        usage: What the model calls took.
        backend: Who wrote the cells.
        model: Its model, or None.
        interface: "code", "tools", "single-pass" or "direct".
        run: The run folder.
        reason: Why it failed or is only a guess, one line, else "".
    """

    value: Any
    text: str
    unit: str | None = None
    answer_type: AnswerType = "text"
    confidence: float | None = None
    status: AnswerStatus = "submitted"
    evidence: list[Any] = field(default_factory=list)
    steps: int = 0
    seconds: float = 0.0
    usage: Usage = field(default_factory=Usage)
    backend: str = ""
    model: str | None = None
    interface: str = "code"
    run: Path | None = None
    reason: str = ""

    def _repr_html_(self) -> str:
        from spatialclaw.notebook.answers import answer_html

        return answer_html(self)
