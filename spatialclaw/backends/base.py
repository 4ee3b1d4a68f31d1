"""The seam between the loop and whoever writes the cells."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol

from spatialclaw.agent.types import Observation, Task, Usage
from spatialclaw.kernel.results import Shown

__all__ = ["Backend", "ChatClient", "ChatReply", "Message", "Policy", "Purpose"]

Purpose = Literal[
    "plan", "act", "answer_now", "verify", "route", "locate", "look", "judge", "probe"
]


@dataclass(frozen=True)
class Message:
    """One turn: text and pictures, in order (`parts` holds str and `Shown`)."""

    role: Literal["system", "user", "assistant"]
    parts: tuple[str | Shown, ...]


@dataclass(frozen=True)
class ChatReply:
    """What a model said.

    Attributes:
        text: The visible reply.
        thought: Its reasoning, when the server sends it apart.
        finish: Why it stopped: "stop", "length" and so on.
        usage: What it took.
        seconds: Wall time.
        retries: Requests that failed before this one.
    """

    text: str
    thought: str = ""
    finish: str = "stop"
    usage: Usage = field(default_factory=Usage)
    seconds: float = 0.0
    retries: int = 0


class ChatClient(Protocol):
    """A VLM. Every model call of the product goes through one of these, on the host."""

    model: str | None

    async def complete(
        self,
        messages: list[Message],
        *,
        purpose: Purpose,
        max_tokens: int | None = None,
        temperature: float | None = None,
    ) -> ChatReply:
        """Asks the model; retries what is worth retrying.

        Raises:
            BackendUnreachable: No connection after the retries.
            BackendRejected: Wrong key, unknown model, request refused.
            BackendReplyError: Not a chat completion.
        """
        ...

    async def aclose(self) -> None:
        """Closes the connections."""
        ...


class Policy(Protocol):
    """Writes the replies of one run: a plan first, then a cell per step."""

    async def reply(self, observation: Observation) -> str:
        """The reply to an observation, as text (Markdown with one fenced Python cell)."""
        ...


class Backend(Protocol):
    """Who writes the cells.

    Attributes:
        name: "openai", "builtin", "replay" or "human".
        model: The model's name, or None.
        chat: The VLM that `locate`, `look` and the verifier ask; None where there is none.
    """

    name: str
    model: str | None
    chat: ChatClient | None

    def policy(self, task: Task) -> Policy:
        """A policy for one run; runs do not share state."""
        ...

    async def aclose(self) -> None:
        """Ends what it holds open."""
        ...
