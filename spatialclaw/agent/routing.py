"""Before planning, a cheap look decides whether the question needs cells at all."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Literal

from spatialclaw.agent.answers import check_submission, describe_form
from spatialclaw.agent.parser import strip_thoughts
from spatialclaw.agent.prompts import Prompts
from spatialclaw.agent.question import infer_form
from spatialclaw.agent.types import Task
from spatialclaw.backends.base import ChatClient, Message
from spatialclaw.kernel.results import Shown, Submission

__all__ = ["DIRECT_CONFIDENCE", "Route", "ask_route", "has_to_be_measured", "read_route"]

# Below it, an answer that looks plain is worked out all the same.
DIRECT_CONFIDENCE = 0.8
MAX_PICTURES = 4
_WAYS = ("direct", "look", "investigate")


@dataclass(frozen=True)
class Route:
    """The way to an answer.

    Attributes:
        way: "direct" (plain to see), "look" or "investigate".
        confidence: 0..1 that it gives the right answer.
        answer: Of "direct", else None.
        why: What shows it.
    """

    way: Literal["direct", "look", "investigate"]
    confidence: float = 0.0
    answer: Any = None
    why: str = ""


def has_to_be_measured(task: Task) -> bool:
    """Whether the wording alone asks for an amount, so that a look would decide nothing."""
    kind, unit = infer_form(task.question, None)
    kind = task.answer_type or kind
    return kind in ("number", "point", "box") and (task.unit or unit) != "count"


async def ask_route(chat: ChatClient, prompts: Prompts, task: Task, pictures: list[Shown]) -> Route:
    """Asks for the way, with a few pictures and none of the tools."""
    suggested = infer_form(task.question, task.choices)
    text = prompts.render(
        "route",
        question=task.question,
        choices=task.choices,
        form=describe_form(task, *suggested),
    )
    step = max(1, -(-len(pictures) // MAX_PICTURES))
    message = Message("user", (text, *pictures[::step]))
    reply = await chat.complete([message], purpose="route", max_tokens=1024, temperature=0.0)
    return read_route(reply.text, task)


def read_route(text: str, task: Task) -> Route:
    """Reads a route; what cannot be read, or has no answer of the right form, is investigated."""
    text = strip_thoughts(text)[0]
    for match in re.finditer(r"\{", text):
        try:
            value, _ = json.JSONDecoder(strict=False).raw_decode(text[match.start() :])
        except ValueError:
            continue
        if not isinstance(value, dict) or value.get("route") not in _WAYS:
            continue
        given: Any = value.get("confidence")
        sure = type(given) in (int, float) and 0 <= given <= 1
        confidence = float(given) if sure else 0.0
        route = Route(value["route"], confidence, None, str(value.get("why", "")))
        if route.way != "direct":
            return route
        kind, unit = infer_form(task.question, task.choices)
        checked = check_submission(
            task, Submission(value.get("answer")), suggested=kind, suggested_unit=unit
        )
        if not checked.ok or checked.value in (None, ""):
            return Route("investigate", route.confidence, None, route.why)
        return Route("direct", route.confidence, checked.value, route.why)
    return Route("investigate", 0.0, None, "the reply could not be read")
