"""The builtin backend: an honest offline planner that writes cells without a model.

It reads the families of questions that spatial benchmarks use, grounds their nouns with what the
capture and the methods without weights offer, and says what it cannot ground. It never sees a
picture itself: it reads what its cells print.
"""

from __future__ import annotations

from spatialclaw.agent.types import Task
from spatialclaw.backends.base import ChatClient
from spatialclaw.backends.builtin.policy import BuiltinPolicy

__all__ = ["BuiltinBackend", "BuiltinPolicy"]


class BuiltinBackend:
    """Backend "builtin": no endpoint, no key, no weights."""

    name = "builtin"
    model: str | None = None
    chat: ChatClient | None = None

    def policy(self, task: Task) -> BuiltinPolicy:
        """A planner for one question."""
        return BuiltinPolicy(task)

    async def aclose(self) -> None:
        """Nothing to end."""
