"""Makes a `Task` of what a user gave."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast, get_args

from spatialclaw.agent.question import letters, split_choices
from spatialclaw.agent.types import AnswerType, Task
from spatialclaw.errors import UsageError

__all__ = ["MAX_QUESTION", "make_task"]

MAX_QUESTION = 20_000


def make_task(
    question: str,
    media: Sequence[str | os.PathLike[str]] = (),
    *,
    choices: Sequence[str] | Mapping[str, str] | None = None,
    answer_type: str | None = None,
    id: str = "",
) -> Task:
    """A task of a question, its media and its options.

    Args:
        question: The text; without `choices`, options written into it are found.
        media: Paths.
        choices: Texts in the order of their letters, or letter -> text.
        answer_type: One of `AnswerType`, or None.
        id: Name of the question in its set.

    Raises:
        UsageError: An empty or far too long question, bad options, an unknown answer type, or a
            choice wanted without options.
    """
    text = question.strip()
    if not text:
        raise UsageError("the question is empty", hint="Put it last, in quotes.")
    if len(text) > MAX_QUESTION:
        raise UsageError(
            f"the question has {len(text)} characters, at most {MAX_QUESTION} are read",
            hint="Shorten it.",
        )
    known = get_args(AnswerType)
    kind = answer_type.replace("-", "_") if answer_type else None
    if kind is not None and kind not in known:
        raise UsageError(f"no answer type {answer_type!r}", hint=f"There are {', '.join(known)}.")
    options: dict[str, str] | None
    if choices:
        options = dict(choices) if isinstance(choices, Mapping) else letters(list(choices))
    else:
        text, options = split_choices(text)
        if not text.strip():
            raise UsageError("there are choices and no question", hint="Put the question first.")
    if kind == "choice" and not options:
        raise UsageError(
            "the answer type is choice and there are no choices",
            hint="Give --choice once for each option.",
        )
    return Task(
        text,
        tuple(Path(path) for path in media),
        choices=options,
        answer_type=cast("AnswerType | None", kind),
        id=id,
    )
