"""The first observation: the question, what the input is, and what to write."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from spatialclaw.agent.budget import Budget, Limits
from spatialclaw.agent.earlier import EarlierCells
from spatialclaw.agent.observation import describe_budget, picture_line
from spatialclaw.agent.pictures import frame_pictures
from spatialclaw.agent.prompts import Prompts
from spatialclaw.agent.types import Observation, ObservationKind, Task
from spatialclaw.kernel.results import Shown

__all__ = ["first_observation", "limits_of"]

# As many key frames as the published comparisons show a model without tools.
DIRECT_FRAMES = 32
_KINDS: dict[str, ObservationKind] = {"plan": "plan", "answer_now": "answer_now"}


def limits_of(interface: str, limits: Limits) -> Limits:
    """The limits of an interface: one program has one repair, and only cells have a plan.

    Where no cell runs, what is shown first is all that is ever seen: then it is more.
    """
    if interface == "single-pass":
        return replace(limits, plan=False, max_steps=min(2, limits.max_steps))
    if interface == "direct":
        return replace(limits, plan=False, shown_frames=max(DIRECT_FRAMES, limits.shown_frames))
    return limits


async def first_observation(
    prompts: Prompts,
    task: Task,
    media: Any,
    *,
    interface: str,
    phase: str,
    form: str,
    budget: Budget,
    earlier: EarlierCells | None = None,
    available: str = "",
) -> Observation:
    """What the policy sees first.

    Args:
        prompts: Templates.
        task: The question.
        media: Loaded media, or None.
        interface: How the policy acts.
        phase: "plan", "cell" or "answer_now".
        form: The form of the answer in words, or "".
        budget: What is left.
        earlier: Cells that ran in this kernel before, or None.
        available: What answers for this input, a line for each primitive, or "".
    """
    limits = budget.limits
    sequences = getattr(media, "sequences", None) or []
    # Encoding takes some 5 ms a picture, in which other runs should go on.
    pictures = await asyncio.to_thread(
        frame_pictures, sequences, limits.shown_frames, limits.frame_edge
    )
    left = describe_budget(budget)
    if phase == "plan":
        ask = prompts.render("plan", left=left)
    elif phase == "answer_now":
        ask = prompts.render("direct_ask", form=form)
    else:
        ask = prompts.render("begin", planned=False, interface=interface, left=left)
    before, told = "", list(pictures)
    if earlier is not None:
        first = len(pictures) + 1
        before = earlier.text(prompts, question=task.question, first_picture=first)
        pictures = [*pictures, *earlier.pictures]
    total = sum(len(frames) for frames in sequences)
    text = prompts.render(
        "task",
        interface=interface,
        shown=len(told),
        hidden=max(0, total - len(told)),
        other=_not_shown(sequences, told),
        question=task.question,
        choices=task.choices,
        form=form,
        media=media.describe() if media is not None else "No pictures.",
        pictures=[picture_line(i, p) for i, p in enumerate(told, start=1)],
        earlier=before,
        available=_in_reach(available) if interface != "direct" else "",
        ask=ask,
    )
    return Observation(_KINDS.get(phase, "cell"), text, pictures)


def _in_reach(available: str) -> str:
    """What answers, without what only the user could install."""
    return "\n".join(line.split("; more: ")[0] for line in available.splitlines())


def _not_shown(sequences: Any, shown: list[Shown]) -> str:
    """How a cell calls the first frame that is not among the pictures."""
    seen = {(p.source.get("sequence", 0), p.source.get("frame")) for p in shown}
    for number, frames in enumerate(sequences):
        for frame in frames:
            if (frame.sequence, frame.position) not in seen:
                return (
                    f"frames[{frame.position}]"
                    if len(sequences) == 1
                    else f"videos[{number}][{frame.position}]"
                )
    return "frames[0]"
