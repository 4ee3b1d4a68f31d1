"""Two questions in one: each is answered, the answers are joined."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from spatialclaw.backends.builtin.answer import submission_of
from spatialclaw.backends.builtin.inquiry import Inquiry
from spatialclaw.backends.builtin.steps import Finding, Investigation, NotGrounded

__all__ = ["investigate"]


def investigate(inquiry: Inquiry, family: Callable[[Inquiry], Investigation]) -> Investigation:
    """Runs the parts one after another."""
    texts: list[str] = []
    evidence: list[str] = []
    sure = 1.0
    for part in inquiry.question.extra["parts"]:
        finding = yield from family(replace(inquiry, question=part))
        submission = submission_of(finding, part)
        if submission is None:
            raise NotGrounded("the form of the answer")
        unit = submission.unit
        texts.append(f"{submission.value}{'' if unit in (None, 'count') else ' ' + unit}")
        evidence += submission.evidence
        sure *= submission.confidence
    return Finding("text", "; ".join(texts), confidence=sure, evidence=tuple(evidence))
