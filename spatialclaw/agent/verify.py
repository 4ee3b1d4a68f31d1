"""A second opinion: a fresh conversation sees the evidence and tries to refute the answer."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from spatialclaw.agent.answers import CheckedAnswer
from spatialclaw.agent.ledger import Ledger
from spatialclaw.agent.parser import strip_thoughts
from spatialclaw.agent.prompts import Prompts
from spatialclaw.agent.types import Task
from spatialclaw.backends.base import ChatClient, Message
from spatialclaw.kernel.results import Shown

__all__ = ["Verdict", "read_verdict", "verify"]


@dataclass(frozen=True)
class Verdict:
    """What the verifier says.

    Attributes:
        stands: False only when it refutes the answer; doubt lets it stand.
        why: Its reason, one line or a few.
    """

    stands: bool
    why: str


async def verify(
    chat: ChatClient,
    prompts: Prompts,
    task: Task,
    checked: CheckedAnswer,
    ledger: Ledger,
    inputs: list[Shown],
) -> Verdict:
    """Asks for a refutation.

    Args:
        chat: The VLM.
        prompts: Templates.
        task: The question.
        checked: The answer.
        ledger: The evidence; its pictures are shown.
        inputs: Pictures of the input.
    """
    pictures = [*inputs[:4], *ledger.pictures]
    text = prompts.render(
        "verify",
        question=task.question,
        choices=task.choices,
        answer=checked.text,
        ledger=ledger.describe(),
        pictures=[p.title or f"{p.width}x{p.height}" for p in pictures],
    )
    reply = await chat.complete(
        [Message("user", (text, *pictures))], purpose="verify", max_tokens=2048
    )
    return read_verdict(reply.text)


def read_verdict(text: str) -> Verdict:
    """Reads a verdict; what cannot be read is no refutation."""
    text = strip_thoughts(text)[0].strip()
    for match in re.finditer(r"\{", text):
        try:
            value, _ = json.JSONDecoder(strict=False).raw_decode(text[match.start() :])
        except ValueError:
            continue
        if isinstance(value, dict) and isinstance(value.get("verdict"), str):
            refuted = value["verdict"].strip().lower().startswith(("refut", "wrong", "reject"))
            return Verdict(not refuted, str(value.get("why") or value.get("reason") or "").strip())
    first = re.match(r"[\W_]*(refuted|wrong|stands|unsure)\b[\W_]*(.*)", text, re.I | re.DOTALL)
    if first:
        why = first.group(2).strip()
        return Verdict(first.group(1).lower() not in ("refuted", "wrong"), why)
    return Verdict(True, "the verifier's reply could not be read")
