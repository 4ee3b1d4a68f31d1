"""How many requests an endpoint gets at once: found by trying, and what they may cost in all."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from spatialclaw.backends.base import ChatClient, ChatReply, Message, Purpose
from spatialclaw.errors import BackendReplyError, BackendUnreachable, SpatialclawError

__all__ = ["OutOfMoney", "Purse", "Throttle", "ThrottledChat"]


class OutOfMoney(SpatialclawError):
    """The evaluation has spent what it may; the questions under way are not counted."""


class Purse:
    """Counts what the requests of an evaluation cost.

    Args:
        cap: US dollars in all, or None.
        spent: What was spent before.
    """

    def __init__(self, cap: float | None = None, spent: float = 0.0) -> None:
        self.cap = cap
        self.spent = spent

    @property
    def empty(self) -> bool:
        """Whether nothing more may be asked."""
        return self.cap is not None and self.spent >= self.cap

    def check(self) -> None:
        """Refuses a further request when the cap is reached.

        Raises:
            OutOfMoney: It is.
        """
        if self.empty:
            raise OutOfMoney(
                f"the evaluation has cost {self.spent:.2f} of {self.cap:.2f} US dollars",
                hint="Raise --max-total-cost; the same command then goes on.",
            )

    def pay(self, cost: float | None) -> None:
        """Counts what a request cost."""
        self.spent += cost or 0.0


class Throttle:
    """Additive increase, multiplicative decrease (as TCP does) on the requests under way.

    Every `limit` requests that pass raise the limit by one. A request that was refused for load,
    failed, or came back far slower than quick ones do multiplies the limit by `decrease`, once in
    the time of a reply.

    Args:
        ceiling: Most requests at once.
        decrease: Factor on congestion.
        slow: A reply is congested when it takes so many times the usual time of the quick ones.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        ceiling: int,
        *,
        decrease: float = 0.7,
        slow: float = 6.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.ceiling = max(1, ceiling)
        self.limit = float(self.ceiling)
        self.in_flight = 0
        self.cuts = 0
        self._decrease = decrease
        self._slow = slow
        self._clock = clock
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._quick: float | None = None  # seconds of a quick reply: a low-pass of the fast side
        self._cut_at = float("-inf")

    async def acquire(self) -> None:
        """Waits until a request may begin."""
        while self.in_flight >= int(self.limit):
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            try:
                await turn
            finally:
                if turn in self._waiting:
                    self._waiting.remove(turn)
        self.in_flight += 1

    def release(self, *, seconds: float, congested: bool) -> None:
        """Takes a request back and learns from it.

        Args:
            seconds: What it took.
            congested: Whether the server refused it for load, or failed, at least once.
        """
        self.in_flight -= 1
        if not congested:
            quick = seconds if self._quick is None else self._quick
            # Falls at once, rises slowly: slow replies hardly move what "quick" means.
            self._quick = min(seconds, quick * 1.02)
            congested = seconds > max(2.0, self._slow * self._quick)
        if congested:
            now = self._clock()
            # One cut in the time of a reply: the other refusals of a volley are its echo.
            if now - self._cut_at >= (self._quick or 1.0):
                self._cut_at = now
                self.cuts += 1
                self.limit = max(1.0, self.limit * self._decrease)
        else:
            self.limit = min(float(self.ceiling), self.limit + 1.0 / self.limit)
        free = int(self.limit) - self.in_flight
        while free > 0 and self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                free -= 1


class ThrottledChat:
    """A `ChatClient` that asks another one through a throttle and pays from a purse.

    Args:
        chat: The endpoint's client.
        throttle: Of that endpoint.
        purse: Of the evaluation.
    """

    def __init__(self, chat: ChatClient, throttle: Throttle, purse: Purse) -> None:
        self._chat = chat
        self.throttle = throttle
        self._purse = purse

    @property
    def model(self) -> str | None:
        """The model's name."""
        return self._chat.model

    @property
    def capabilities(self) -> Any:
        """What is known of the endpoint."""
        return getattr(self._chat, "capabilities", None)

    async def complete(
        self,
        messages: list[Message],
        *,
        purpose: Purpose,
        max_tokens: int | None = None,
        temperature: float | None = None,
        seed: int | None = None,
    ) -> ChatReply:
        """Asks when it is this request's turn.

        Raises:
            OutOfMoney: The evaluation's cap is reached.
            BackendError: As the client behind.
        """
        self._purse.check()
        await self.throttle.acquire()
        started = time.monotonic()
        congested = False
        try:
            reply = await self._chat.complete(
                messages,
                purpose=purpose,
                max_tokens=max_tokens,
                temperature=temperature,
                seed=seed,
            )
            congested = reply.retries > 0
            self._purse.pay(reply.usage.cost_usd)
            return reply
        except (BackendUnreachable, BackendReplyError):
            congested = True
            raise
        finally:
            self.throttle.release(seconds=time.monotonic() - started, congested=congested)

    async def aclose(self) -> None:
        """Closes the client behind."""
        await self._chat.aclose()
