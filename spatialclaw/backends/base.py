"""The seam between the loop and whoever writes the cells."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from spatialclaw.agent.types import Observation, Task, Usage
from spatialclaw.errors import BackendRejected, SpatialclawError
from spatialclaw.kernel.results import Shown

if TYPE_CHECKING:
    from spatialclaw.agent.record import Record

__all__ = [
    "Backend",
    "ChatClient",
    "ChatReply",
    "GiveUp",
    "Message",
    "Policy",
    "Purpose",
    "RunBound",
    "RunContext",
    "ToolsRefused",
]

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

    @property
    def model(self) -> str | None:
        """The model's name, or None while it is not known."""
        ...

    async def complete(
        self,
        messages: list[Message],
        *,
        purpose: Purpose,
        max_tokens: int | None = None,
        temperature: float | None = None,
        seed: int | None = None,
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


class GiveUp(SpatialclawError):
    """A policy cannot answer and says why; the run ends as "failed" with this as its reason."""


class ToolsRefused(BackendRejected):
    """The server takes no function schemas; the same can be asked without."""


@dataclass(frozen=True)
class RunContext:
    """What a policy may use of the run it writes for.

    Attributes:
        record: Where the run is recorded.
        chat: The VLM, counted and recorded; None where there is none.
        interface: "code", "tools", "single-pass" or "direct".
        media: The loaded media (`spatialclaw.media.Media`), or None.
        seed: Seed of everything random.
        settings: Further settings by name.
    """

    record: Record
    chat: ChatClient | None = None
    interface: str = "code"
    media: Any = None
    seed: int = 0
    settings: dict[str, Any] = field(default_factory=dict)


@runtime_checkable
class RunBound(Protocol):
    """A policy that wants its `RunContext` before the first observation."""

    def bind(self, run: RunContext) -> None:
        """Takes the context; called once."""
        ...


class Policy(Protocol):
    """Writes the replies of one run: a plan first, then a cell per step.

    A policy that also has `bind` (see `RunBound`) is given its `RunContext` first. One that cannot
    go on raises `GiveUp`.
    """

    async def reply(self, observation: Observation) -> str:
        """The reply to an observation, as text (Markdown with one fenced Python cell)."""
        ...


class Backend(Protocol):
    """Who writes the cells."""

    @property
    def name(self) -> str:
        """One of "openai", "builtin", "replay" or "human"."""
        ...

    @property
    def model(self) -> str | None:
        """The model's name, or None."""
        ...

    @property
    def chat(self) -> ChatClient | None:
        """The VLM that `locate`, `look` and the verifier ask; None where there is none."""
        ...

    def policy(self, task: Task) -> Policy:
        """A policy for one run; runs do not share state."""
        ...

    async def aclose(self) -> None:
        """Ends what it holds open."""
        ...
