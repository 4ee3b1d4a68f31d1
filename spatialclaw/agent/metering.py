"""The one door to a model: every call is counted against the budget and recorded."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from spatialclaw.agent.budget import Budget, BudgetKind
from spatialclaw.agent.prompts import estimate_tokens
from spatialclaw.agent.record import Record, picture_records
from spatialclaw.backends.base import ChatClient, ChatReply, Message, Purpose
from spatialclaw.errors import BudgetExceeded, SpatialclawError
from spatialclaw.kernel.results import Shown

__all__ = ["PICTURE_TOKENS", "MeteredChat", "projected_tokens"]

# These may be asked after the budget ended: they end the run.
_LAST_WORDS = frozenset({"answer_now"})


PICTURE_TOKENS = 800


def projected_tokens(messages: list[Message]) -> int:
    """What a request will take, estimated before it is sent."""
    return sum(
        PICTURE_TOKENS if isinstance(part, Shown) else estimate_tokens(part)
        for message in messages
        for part in message.parts
    )


class MeteredChat:
    """A `ChatClient` of one run: passes calls on, counts what they took, writes them down.

    In the record, a request holds the messages that the conversation of its purpose did not hold
    at its last request (``from`` says how many stay), and its reply follows with the same number.

    Args:
        chat: The client that all runs share.
        record: Where this run is recorded.
        budget: What this run may take.
        heard: Called with purpose, messages and text of each reply.
        seed: Of this run's calls; that of the client when None.
        temperature: Likewise.
    """

    def __init__(
        self,
        chat: ChatClient,
        record: Record,
        budget: Budget,
        *,
        heard: Callable[[str, list[Message], str], None] | None = None,
        seed: int | None = None,
        temperature: float | None = None,
    ) -> None:
        self._chat = chat
        self._record = record
        self._budget = budget
        self._heard = heard
        self._seed = seed
        self._temperature = temperature
        self._sent: dict[str, list[Message]] = {}
        self._number = 0

    @property
    def model(self) -> str | None:
        """The model's name."""
        return self._chat.model

    @property
    def inner(self) -> ChatClient:
        """The client behind."""
        return self._chat

    async def complete(
        self,
        messages: list[Message],
        *,
        purpose: Purpose,
        max_tokens: int | None = None,
        temperature: float | None = None,
        seed: int | None = None,
        tools: Sequence[Mapping[str, Any]] | None = None,
    ) -> ChatReply:
        """Asks the model.

        Args:
            messages: The conversation.
            purpose: What for.
            max_tokens: Of the reply.
            temperature: Instead of that of the run.
            seed: Instead of that of the run.
            tools: Function schemas, for a client that takes them.

        Raises:
            BudgetExceeded: Tokens or money are used up.
            BackendError: As the client behind.
        """
        further: dict[str, Any] = {} if tools is None else {"tools": tools}
        schemas = estimate_tokens(json.dumps(list(tools))) if tools else 0
        spent = self._over(messages, schemas)
        if spent and purpose not in _LAST_WORDS:
            raise BudgetExceeded(*spent)
        self._number += 1
        number = self._number
        self._write_request(number, messages, purpose, len(tools or ()), schemas)
        started = time.monotonic()
        try:
            reply = await self._chat.complete(
                messages,
                purpose=purpose,
                max_tokens=max_tokens,
                temperature=self._temperature if temperature is None else temperature,
                seed=self._seed if seed is None else seed,
                **further,
            )
        except SpatialclawError as error:
            self._record.event(
                "error",
                where="model",
                request=number,
                purpose=purpose,
                type=type(error).__name__,
                message=str(error),
                seconds=round(time.monotonic() - started, 4),
            )
            raise
        self._budget.spend(reply.usage)
        self._record.event(
            "reply",
            request=number,
            purpose=purpose,
            model=self.model,
            text=reply.text,
            thought=reply.thought,
            finish=reply.finish,
            usage=reply.usage,
            seconds=round(reply.seconds, 4),
            retries=reply.retries,
        )
        if self._heard is not None:
            self._heard(purpose, messages, reply.text)
        return reply

    async def aclose(self) -> None:
        """Nothing: the client behind belongs to all runs."""

    def _over(
        self, messages: list[Message], schemas: int
    ) -> tuple[BudgetKind, float, float] | None:
        """The cap that this request would break, if one."""
        limits, usage = self._budget.limits, self._budget.usage
        tokens = self._budget.tokens
        cap = limits.max_tokens
        if cap is not None and tokens + schemas + projected_tokens(messages) > cap:
            return "tokens", tokens, cap
        if limits.max_cost is not None and (usage.cost_usd or 0.0) >= limits.max_cost:
            return "cost", usage.cost_usd or 0.0, limits.max_cost
        return None

    def _write_request(
        self, number: int, messages: list[Message], purpose: Purpose, tools: int, schemas: int
    ) -> None:
        thread = "main" if purpose in ("plan", "act", "answer_now") else f"{number}"
        before = self._sent.get(thread, [])
        same = 0
        for old, new in zip(before, messages, strict=False):
            if old is not new and old != new:
                break
            same += 1
        self._sent[thread] = list(messages)
        self._record.event(
            "request",
            request=number,
            purpose=purpose,
            model=self.model,
            thread=thread,
            **{"from": same},
            messages=[self._message(message) for message in messages[same:]],
            images=sum(isinstance(p, Shown) for message in messages for p in message.parts),
            projected_tokens=schemas + projected_tokens(messages),
            **({"tools": tools} if tools else {}),
        )

    def _message(self, message: Message) -> dict[str, Any]:
        parts = [
            {"text": part} if isinstance(part, str) else picture_records(self._record, [part])[0]
            for part in message.parts
        ]
        return {"role": message.role, "parts": parts}
