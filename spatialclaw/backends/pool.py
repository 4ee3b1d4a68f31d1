"""Several endpoints share the load: sticky per run, the least busy first, failed ones rested."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from spatialclaw.backends.base import ChatReply, Message, Purpose
from spatialclaw.backends.openai import OpenAIChat
from spatialclaw.errors import BackendError, BackendReplyError, BackendUnreachable

__all__ = ["PoolChat", "RunChat"]

REST_SECONDS = 30.0


class PoolChat:
    """A `ChatClient` over several endpoints of the same model.

    A run keeps its endpoint, so that the server's cache of its prefix is of use. An endpoint that
    cannot be reached rests for half a minute while the others take its runs.

    Args:
        chats: One client an endpoint.
        clock: Monotonic seconds.
    """

    def __init__(
        self, chats: Sequence[OpenAIChat], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        if not chats:
            raise ValueError("a pool needs at least one endpoint")
        self.chats = list(chats)
        self._clock = clock
        self._busy = dict.fromkeys(range(len(self.chats)), 0)
        self._runs = dict.fromkeys(range(len(self.chats)), 0)
        self._rested: dict[int, float] = {}

    @property
    def model(self) -> str | None:
        """The model's name, as the first endpoint knows it."""
        return self.chats[0].model

    @property
    def capabilities(self) -> Any:
        """Those of the first endpoint."""
        return self.chats[0].capabilities

    def for_run(self) -> RunChat:
        """A client of one run, which stays with one endpoint while that answers."""
        return RunChat(self)

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
        """Asks the least busy endpoint."""
        return await self.for_run().complete(
            messages,
            purpose=purpose,
            max_tokens=max_tokens,
            temperature=temperature,
            seed=seed,
            tools=tools,
        )

    async def check(self, *, pictures: bool) -> None:
        """Checks all endpoints; those that cannot be used rest.

        Raises:
            BackendError: None of them can; that of the first.
        """
        checks = (chat.check(pictures=pictures) for chat in self.chats)
        found = await asyncio.gather(*checks, return_exceptions=True)
        errors = {i: error for i, error in enumerate(found) if isinstance(error, BaseException)}
        if len(errors) == len(self.chats):
            raise errors[0]
        for index, error in errors.items():
            if not isinstance(error, BackendError):
                raise error
            self.rest(index)

    async def aclose(self) -> None:
        """Closes the connections of all."""
        for chat in self.chats:
            await chat.aclose()

    def pick(self, without: frozenset[int] = frozenset()) -> int | None:
        """The endpoint to ask: awake, with the fewest requests and then runs; None if all failed.

        When all that are left rest, the one that rests longest is woken.
        """
        left = [i for i in range(len(self.chats)) if i not in without]
        now = self._clock()
        awake = [i for i in left if self._rested.get(i, 0.0) <= now]
        if awake:
            return min(awake, key=lambda i: (self._busy[i], self._runs[i]))
        return min(left, key=lambda i: self._rested.get(i, 0.0)) if left else None

    def rest(self, index: int) -> None:
        """Leaves an endpoint alone for a while."""
        self._rested[index] = self._clock() + REST_SECONDS

    def count(self, index: int, change: int) -> None:
        """Notes a request that begins (1) or ended (-1)."""
        self._busy[index] += change
        self._runs[index] += change > 0


class RunChat:
    """The client of one run over a pool."""

    def __init__(self, pool: PoolChat) -> None:
        self._pool = pool
        self._index: int | None = None

    @property
    def model(self) -> str | None:
        """The model's name."""
        return self._pool.model

    @property
    def capabilities(self) -> Any:
        """Those of the run's endpoint."""
        return self._pool.chats[self._index or 0].capabilities

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
        """Asks the run's endpoint; another one when that fails.

        Raises:
            BackendError: The last endpoint's error, when none answers.
        """
        failed: frozenset[int] = frozenset()
        while True:
            if self._index is None:
                self._index = self._pool.pick(failed)
            index = self._index
            assert index is not None
            self._pool.count(index, 1)
            try:
                return await self._pool.chats[index].complete(
                    messages,
                    purpose=purpose,
                    max_tokens=max_tokens,
                    temperature=temperature,
                    seed=seed,
                    tools=tools,
                )
            except (BackendUnreachable, BackendReplyError):
                self._pool.rest(index)
                failed |= {index}
                self._index = None
                if len(failed) == len(self._pool.chats):
                    raise
            finally:
                self._pool.count(index, -1)

    async def aclose(self) -> None:
        """Nothing: the pool belongs to all runs."""
