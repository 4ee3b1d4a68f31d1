"""From a row of a benchmark to the task that the agent is given."""

from __future__ import annotations

from dataclasses import replace

from spatialclaw.agent.types import Task
from spatialclaw.evaluation.rows import Row

__all__ = ["task_of"]

_ANSWER_TYPES = {
    "letter": "choice",
    "number": "number",
    "yes_no": "yes_no",
    "point": "point",
    "box": "box",
    "word": "text",
    "text": "text",
    "points": "text",
    "json": "text",
}


def task_of(row: Row) -> Task:
    """The question as the agent is asked it; the truth stays out.

    Options named Yes and No make a yes-no question. A form that the agent does not know by itself
    (several points, JSON) is asked for in the benchmark's own words.
    """
    from spatialclaw.agent.task import make_task

    options = dict(row.options) if row.options else None
    kind = _ANSWER_TYPES[row.format]
    if options and {key.lower() for key in options} <= {"yes", "no"}:
        options, kind = None, "yes_no"
    elif options:
        kind = "choice"
    elif kind == "choice":
        kind = "text"
    question = _in_place(row)
    if row.format in ("points", "json") and row.prompt:
        parts = [row.prompt.get("prefix", ""), question, row.prompt.get("suffix", "")]
        question = "\n".join(part.strip() for part in parts if part.strip())
    task = make_task(
        question,
        [medium.path for medium in row.media],
        choices=options or None,
        answer_type=kind,
        id=row.uid,
    )
    # Options are columns of the data: what a text only looks like is part of the question.
    return replace(
        task,
        question=question.strip(),
        choices=options,
        unit=(row.unit or row.truth.unit) if kind == "number" else None,
    )


def _in_place(row: Row) -> str:
    """The question, with marks such as "[picture 2]" where the data puts media into its text."""
    first_text = next((i for i, part in enumerate(row.parts) if isinstance(part, str)), 0)
    if not any(isinstance(part, int) for part in row.parts[first_text:]):
        return row.question  # media first, then the text: nothing to mark
    numbers: dict[str, int] = {}
    marks = []
    for medium in row.media:
        kind = "video" if medium.kind == "video" else "picture"
        numbers[kind] = numbers.get(kind, 0) + 1
        marks.append(f"[{kind} {numbers[kind]}]")
    pieces = [part if isinstance(part, str) else f" {marks[part]} " for part in row.parts]
    text = " ".join("".join(pieces).split(" ")).strip()
    # The text in the data has the options too, which are given apart.
    from spatialclaw.evaluation.data import forms

    if row.options:
        text, _ = forms.inline_options(text)
    return " ".join(text.split())
