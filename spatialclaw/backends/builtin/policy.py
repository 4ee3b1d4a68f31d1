"""The policy: a plan, a look, the cells of the question's family, a check, and the answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from spatialclaw.agent.types import Observation, Task
from spatialclaw.backends.base import GiveUp
from spatialclaw.backends.builtin.answer import submission_of, submit_cell
from spatialclaw.backends.builtin.facts import LOOK, read_facts
from spatialclaw.backends.builtin.families import Inquiry, investigate
from spatialclaw.backends.builtin.language import Question, read_question
from spatialclaw.backends.builtin.plan import write_plan
from spatialclaw.backends.builtin.steps import Cell, Finding, Investigation, NotGrounded, Seen

__all__ = ["CONNECT", "BuiltinPolicy"]

CONNECT = (
    "A vision-language model can: --base-url http://localhost:8000/v1 --model NAME "
    "(or SPATIALCLAW_BASE_URL and SPATIALCLAW_MODEL)."
)


class BuiltinPolicy:
    """Writes the cells of one run without a model.

    Args:
        task: The question and its media.
    """

    def __init__(self, task: Task) -> None:
        self._task = task
        names = tuple(Path(path).name.split(".")[0] for path in task.media)
        self._names = names
        self.question: Question = read_question(task.question, task.choices, names)
        self._steps: Investigation | None = None
        self._looked = False
        self._finding: Finding | None = None
        self._last = ""
        self._submitted = 0
        self._sent_look = False

    async def reply(self, observation: Observation) -> str:
        """The plan, then a cell for each observation.

        Raises:
            GiveUp: The question is of no family it knows, or its things cannot be found.
        """
        if observation.kind == "plan":
            if self.question.family == "unknown":
                raise GiveUp(self._unread())
            return write_plan(self.question)
        if observation.kind == "format_error":
            return self._last
        if observation.kind == "answer_now":
            return self._answer_now()
        self._last = self._next(observation)
        return self._last

    def _next(self, observation: Observation) -> str:
        if self.question.family == "unknown":
            raise GiveUp(self._unread())
        if not self._sent_look:
            self._sent_look = True
            return _write(Cell("Look at what there is, and what is known about it.", LOOK))
        seen = Seen.of(observation.cell)
        try:
            if self._steps is None:
                return self._begin(seen)
            if self._submitted:
                return self._again()
            return _write(self._steps.send(seen))
        except StopIteration as stop:
            self._finding = stop.value
            return self._submit()
        except NotGrounded as lost:
            raise GiveUp(_explain(lost)) from lost

    def _begin(self, seen: Seen) -> str:
        if not seen.ok:
            raise GiveUp(f"the media cannot be looked at: {seen.error}: {seen.message}")
        inquiry = Inquiry(self.question, read_facts(seen), self._names)
        self._steps = investigate(inquiry)
        return _write(next(self._steps))

    def _submit(self) -> str:
        assert self._finding is not None
        submission = submission_of(self._finding, self.question)
        if submission is None:
            raise GiveUp(
                f"found {self._said()}, which is none of the options "
                f"({', '.join((self.question.choices or {}).values())})"
            )
        self._submitted += 1
        return _write(
            Cell("The measurements agree with the plan: submit.", submit_cell(submission))
        )

    def _again(self) -> str:
        """The form was refused: the same once more, which is taken when the value is meant."""
        if self._submitted > 2:
            raise GiveUp(f"found {self._said()}, and its form is not the one asked for")
        return self._submit()

    def _answer_now(self) -> str:
        if self._finding is None:
            raise GiveUp("the budget ended before anything was measured")
        submission = submission_of(self._finding, self.question)
        if submission is None:
            raise GiveUp(f"found {self._said()}, which is none of the options")
        return _write(Cell("The best that is known.", submit_cell(submission)))

    def _said(self) -> str:
        finding = self._finding
        assert finding is not None
        value: Any = finding.value
        if finding.kind == "item":
            value = finding.names[int(value)]
        return f"{value}{' ' + finding.unit if finding.unit else ''}"

    def _unread(self) -> str:
        return (
            "the builtin backend cannot read this question; it knows distances, sizes, counts, "
            "comparisons, directions, areas, camera motion, speeds, markers and the like, in plain "
            f"words. {CONNECT}"
        )


def _write(cell: Cell) -> str:
    return f"{cell.why}\n\n```python\n{cell.code.strip()}\n```\n"


def _explain(lost: NotGrounded) -> str:
    tried = f" Tried: {'; '.join(lost.tried)}." if lost.tried else ""
    return f"could not find {lost.looked_for}.{tried} {CONNECT}"
