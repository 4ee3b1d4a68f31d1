"""An answer as a notebook shows it."""

from __future__ import annotations

import html
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spatialclaw.agent.types import Answer

__all__ = ["answer_html"]


def answer_html(answer: Answer) -> str:
    """The answer, how sure, what it rests on and where the record lies; all of it escaped."""
    guess = " (best guess)" if answer.status == "best_guess" else ""
    if answer.status == "failed":
        head = f"<b>no answer</b>: {_text(answer.reason)}"
    else:
        head = f'<span style="font-size:1.3em"><b>{_text(answer.text)}</b></span>{guess}'
    sure = "" if answer.confidence is None else f"confidence {answer.confidence:.2f}, "
    who = f"{answer.backend} {answer.model}" if answer.model else answer.backend
    cells = f"{answer.steps} cell{'s' * (answer.steps != 1)} in {answer.seconds:.1f} s"
    evidence = "".join(f"<li>{_text(item)}</li>" for item in answer.evidence[:20])
    listed = f'<ul style="margin:.2em 0">{evidence}</ul>' if evidence else ""
    where = f", <code>{_text(str(answer.run))}</code>" if answer.run else ""
    return (
        f"<div>{head}</div>{listed}<div><small>{sure}{cells} by {_text(who)}{where}</small></div>"
    )


def _text(thing: Any) -> str:
    text = thing if isinstance(thing, str) else json.dumps(thing, ensure_ascii=False, default=str)
    return html.escape(text if len(text) <= 2_000 else f"{text[:2_000]} ...")
