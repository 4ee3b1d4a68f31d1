"""A policy that says what it is told to: for tests, demonstrations and debugging."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from spatialclaw.agent.types import Observation, Task
from spatialclaw.backends.base import ChatClient, Policy
from spatialclaw.backends.replay import ReplayPolicy

__all__ = ["ScriptedBackend"]

Reply = Callable[[Observation], str]


class ScriptedBackend:
    """Gives fixed replies, or those of a function of the observation.

    Args:
        replies: Texts in order, or a function.
        chat: The VLM for `locate` and `look`, or None.
    """

    name = "scripted"
    model: str | None = None

    def __init__(self, replies: Iterable[str] | Reply, *, chat: ChatClient | None = None) -> None:
        self._replies = replies if callable(replies) else list(replies)
        self.chat = chat

    def policy(self, task: Task) -> Policy:
        """The replies, from the start."""
        if callable(self._replies):
            return _FunctionPolicy(self._replies)
        return ReplayPolicy(self._replies, "the script")

    async def aclose(self) -> None:
        """Nothing is held open."""


class _FunctionPolicy:
    def __init__(self, function: Reply) -> None:
        self._function = function

    async def reply(self, observation: Observation) -> str:
        return self._function(observation)
