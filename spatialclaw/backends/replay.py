"""A recorded run answers again: its replies in order, and what its VLM said."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict, deque
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spatialclaw.agent.types import Observation, Task, Usage
from spatialclaw.backends.base import ChatClient, ChatReply, GiveUp, Message, Policy, Purpose
from spatialclaw.errors import RunError

if TYPE_CHECKING:
    from spatialclaw.traces import Run

__all__ = ["RecordedChat", "ReplayBackend", "ReplayPolicy", "recorded_chat"]


class ReplayBackend:
    """Replays one run.

    Args:
        run: The run folder.
        strict: Whether a question to the VLM has to be the recorded one in every word; else the
            next reply of its kind is given.

    Raises:
        RunError: There is no run there, or it holds no replies.
    """

    name = "replay"

    def __init__(self, run: str | Path, *, strict: bool = True) -> None:
        from spatialclaw.traces import Run

        self.run = Run(run)
        events = list(self.run.events())
        self._replies = [
            str(event.get("text", ""))
            for event in events
            if event["kind"] == "reply" and event.get("purpose") == "step"
        ]
        if not self._replies:
            raise RunError(
                f"{run} holds no replies to replay",
                hint="It ended before the first one; choose another run.",
            )
        self._policy: ReplayPolicy | None = None
        models = [event.get("model") for event in events if event["kind"] == "reply"]
        self.model: str | None = next((m for m in models if m), None)
        calls = _calls(events)
        self.chat: ChatClient | None = RecordedChat(calls, self.model, strict) if calls else None

    def policy(self, task: Task) -> Policy:
        """The recorded replies; a second policy (a further vote) goes on where the first ended."""
        if self._policy is None:
            answer = self.run.answer or {}
            gave_up = str(answer.get("reason", "")) if answer.get("status") == "failed" else None
            self._policy = ReplayPolicy(self._replies, str(self.run.path), gave_up=gave_up)
        return self._policy

    async def aclose(self) -> None:
        """Nothing is held open."""


class ReplayPolicy:
    """Gives recorded replies in order.

    Args:
        replies: In order.
        source: Where they come from, for the error when they run out.
        gave_up: The reason with which the recorded run ended without an answer, or None.
    """

    def __init__(
        self, replies: Iterable[str], source: str = "the record", *, gave_up: str | None = None
    ) -> None:
        self._gave_up = gave_up
        self._replies = deque(replies)
        self._count = len(self._replies)
        self._source = source

    async def reply(self, observation: Observation) -> str:
        """The next reply.

        Raises:
            GiveUp: There is none left, and the recorded run gave up here.
            RunError: There is none left: this run went another way than the recorded one.
        """
        if not self._replies and self._gave_up is not None:
            raise GiveUp(self._gave_up)
        if not self._replies:
            raise RunError(
                f"{self._source} holds {self._count} replies, and this run asks for one more",
                hint="Something answered differently; compare the observations of both runs.",
            )
        return self._replies.popleft()


class RecordedChat:
    """Gives the VLM's recorded replies to `locate`, `look` and the verifier.

    Args:
        calls: (purpose, digest of the request, reply) in order.
        model: The model's name.
        strict: See `ReplayBackend`.
    """

    def __init__(
        self, calls: list[tuple[str, str, ChatReply]], model: str | None, strict: bool
    ) -> None:
        self.model = model
        self._strict = strict
        self._queues: dict[tuple[str, str], deque[ChatReply]] = defaultdict(deque)
        for purpose, digest, reply in calls:
            self._queues[(purpose, digest if strict else "")].append(reply)

    async def complete(
        self,
        messages: list[Message],
        *,
        purpose: Purpose,
        max_tokens: int | None = None,
        temperature: float | None = None,
        seed: int | None = None,
    ) -> ChatReply:
        """The recorded reply to this request.

        Raises:
            RunError: It was not asked in the recorded run, or not as often.
        """
        digest = _digest([_plain(message) for message in messages]) if self._strict else ""
        queue = self._queues.get((purpose, digest))
        if not queue:
            raise RunError(
                f"the recorded run holds no (further) {purpose} call with this text",
                hint="Replay it with the code and prompts it was recorded with.",
            )
        return queue.popleft()

    async def aclose(self) -> None:
        """Nothing is held open."""


def recorded_chat(run: Run) -> RecordedChat | None:
    """What the VLM said to the cells of a run; None when it was never asked."""
    calls = _calls(list(run.events()))
    return RecordedChat(calls, None, True) if calls else None


def _calls(events: list[dict[str, Any]]) -> list[tuple[str, str, ChatReply]]:
    """The calls that cells and the verifier made, with digests of what was asked."""
    requests: dict[int, str] = {}
    calls: list[tuple[str, str, ChatReply]] = []
    for event in events:
        if event["kind"] == "request" and event.get("purpose") in ("locate", "look", "verify"):
            requests[event["request"]] = _digest(event.get("messages", []))
        if event["kind"] == "reply" and event.get("request") in requests:
            usage = event.get("usage") or {}
            names = Usage.__dataclass_fields__
            calls.append(
                (
                    event["purpose"],
                    requests[event["request"]],
                    ChatReply(
                        event.get("text", ""),
                        event.get("thought", ""),
                        event.get("finish", "stop"),
                        Usage(**{k: v for k, v in usage.items() if k in names}),
                    ),
                )
            )
    return calls


def _plain(message: Message) -> dict[str, Any]:
    parts = [
        {"text": part} if isinstance(part, str) else {"width": part.width, "height": part.height}
        for part in message.parts
    ]
    return {"role": message.role, "parts": parts}


def _digest(messages: list[Any]) -> str:
    """A digest of the words and the sizes of the pictures (encoders differ between versions)."""
    plain = [
        [
            message["role"],
            [part.get("text") or f"{part.get('width')}x{part.get('height')}"
             for part in message["parts"]],
        ]
        for message in messages
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(plain).encode()).hexdigest()
