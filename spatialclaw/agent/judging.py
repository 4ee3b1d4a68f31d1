"""Decides about submissions: their form, what is missing behind them, and a second opinion."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from spatialclaw.agent.answers import CheckedAnswer, check_submission, describe_form
from spatialclaw.agent.ledger import Ledger
from spatialclaw.agent.prompts import Prompts
from spatialclaw.agent.question import infer_form
from spatialclaw.agent.record import Record
from spatialclaw.agent.types import AnswerType, Task
from spatialclaw.errors import BackendError, BudgetExceeded
from spatialclaw.kernel.results import Shown, Submission

if TYPE_CHECKING:
    from spatialclaw.backends.base import ChatClient

__all__ = ["Judge"]


class Judge:
    """Judges the submissions of one run.

    Args:
        task: What was asked.
        prompts: Templates.
        record: Where submissions and verdicts are recorded.
        returns: How often an answer of the right form may be sent back.

    Attributes:
        ledger: The evidence so far.
        refused: The last submission that was not taken, or None.
        evidence: Of the last submission, entries of the ledger resolved.
    """

    def __init__(self, task: Task, prompts: Prompts, record: Record, *, returns: int = 0) -> None:
        self._task = task
        self._prompts = prompts
        self._record = record
        self._returns = returns
        self._refused_value: Any = None
        self.ledger = Ledger()
        self.refused: CheckedAnswer | None = None
        self.evidence: list[Any] = []
        suggested, unit = infer_form(task.question, task.choices)
        self.kind: AnswerType | None = task.answer_type or suggested
        self.unit = task.unit or unit

    @property
    def form(self) -> str:
        """What form the answer has, in words; "" when it is open."""
        return describe_form(self._task, self.kind, self.unit)

    @property
    def answer_type(self) -> AnswerType:
        """The type an answer has when there is none."""
        return "choice" if self._task.choices else self.kind or "text"

    def check(self, submission: Submission) -> CheckedAnswer:
        """Checks the form; a suggested form can be insisted against by submitting again."""
        checked = check_submission(
            self._task, submission, suggested=self.kind, suggested_unit=self.unit
        )
        insisted = self.refused is not None and submission.value == self._refused_value
        if checked.soft and insisted:
            checked = replace(checked, problems=[], soft=False)
        self._record.event(
            "submit",
            value=submission.value,
            unit=submission.unit,
            confidence=submission.confidence,
            evidence=submission.evidence,
            accepted=checked.ok,
            problems=checked.problems,
        )
        self.evidence = self.ledger.resolve(submission.evidence)
        if not checked.ok:
            self.refused, self._refused_value = checked, submission.value
        return checked

    async def review(
        self, checked: CheckedAnswer, chat: ChatClient | None, inputs: list[Shown], frames: int
    ) -> list[str]:
        """Reasons to send an answer of the right form back; none when returns are used up.

        Args:
            checked: The answer.
            chat: The VLM for the second opinion, or None for the ledger's hints alone.
            inputs: Pictures of the input.
            frames: How many frames the input has.
        """
        if self._returns < 1:
            return []
        reasons = self.ledger.hints(checked.value, checked.unit, checked.answer_type, frames)
        hints = list(reasons)
        if chat is not None:
            from spatialclaw.agent.verify import verify

            try:
                verdict = await verify(
                    chat, self._prompts, self._task, checked, self.ledger, inputs
                )
            except (BackendError, BudgetExceeded) as error:
                # A second opinion that cannot be had must not cost the answer.
                self._record.event("verdict", stands=True, text=f"no verdict: {error}", hints=hints)
                return []
            if not verdict.stands:
                reasons.append(verdict.why)
            self._record.event("verdict", stands=verdict.stands, text=verdict.why, hints=hints)
            # Hints alone do not send back what a second pair of eyes let stand.
            reasons = reasons if not verdict.stands else []
        else:
            self._record.event("verdict", stands=not hints, text="; ".join(hints), hints=hints)
        if reasons:
            self._returns -= 1
        return reasons
