"""Which cells of a run make up the state in which it answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from spatialclaw.traces.read import Run

__all__ = ["Step", "steps_of"]


@dataclass
class Step:
    """A cell of a run.

    Attributes:
        event: As recorded.
        said: The reply of the model that held the cell, or "".
        calls: What the cell asked the host: events of the kind "perception".
        kept: Whether it is part of the state in which the run answered; a cell that failed was
            undone, and so was one before a return to an older state.
    """

    event: dict[str, Any]
    said: str = ""
    calls: list[dict[str, Any]] = field(default_factory=list)
    kept: bool = False

    @property
    def code(self) -> str:
        """The cell."""
        return str(self.event.get("code") or "")

    @property
    def result(self) -> dict[str, Any]:
        """What it did; empty when the record is damaged."""
        result = self.event.get("result")
        return result if isinstance(result, dict) else {}

    @property
    def stands(self) -> bool:
        """Whether what it did was not undone at once: it ran, or failed where nobody undoes."""
        status = self.result.get("status", "ok")
        return status == "ok" or (status == "error" and not self.result.get("lost"))

    @property
    def submission(self) -> dict[str, Any] | None:
        """What it submitted, or None."""
        found = self.result.get("submission")
        return found if isinstance(found, dict) else None


def steps_of(run: Run) -> list[Step]:
    """The cells in order, each with what belongs to it.

    Where a run went back to older states (votes, branches), the last path that submitted its
    answer is the one that is kept.
    """
    steps: list[Step] = []
    path: list[Step] = []
    paths: list[list[Step]] = []
    named: dict[str, list[Step]] = {}
    said, calls = "", []
    for event in run.events("reply", "perception", "cell", "snapshot"):
        kind = event["kind"]
        if kind == "reply" and event.get("purpose") == "step":
            said = str(event.get("text") or "")
        elif kind == "perception":
            calls.append(event)
        elif kind == "snapshot":
            name = str(event.get("name"))
            if event.get("action") == "keep":
                named[name] = list(path)
            else:
                paths.append(path)
                path = list(named.get(name, []))
        elif kind == "cell":
            step = Step(event, said, calls)
            said, calls = "", []
            steps.append(step)
            if step.stands:
                path = [*path, step]
    paths.append(path)
    for step in _answering(paths, (run.answer or {}).get("answer")):
        step.kept = True
    return steps


def _answering(paths: Sequence[list[Step]], answer: Any) -> list[Step]:
    for path in reversed(paths):
        submitted = [step.submission for step in path if step.submission]
        if submitted and submitted[-1] is not None and submitted[-1].get("value") == answer:
            return path
    return paths[-1]
