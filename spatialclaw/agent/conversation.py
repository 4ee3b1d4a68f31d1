"""The policy that a model drives: what it is sent at each step, and what is left out.

The conversation grows at its end only, so that the server's cache of the prefix holds. When the
part that was not condensed yet grows beyond a budget, or holds more pictures than fit, the older
steps are condensed at once, to a third of it: the only moment at which something already sent
changes. In append-only mode it never does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from spatialclaw.agent.api_text import api_text, results_text
from spatialclaw.agent.metering import PICTURE_TOKENS, projected_tokens
from spatialclaw.agent.observation import clip
from spatialclaw.agent.parser import CUT_MARK
from spatialclaw.agent.prompts import Prompts, estimate_tokens
from spatialclaw.agent.routing import DIRECT_CONFIDENCE, Route, ask_route, has_to_be_measured
from spatialclaw.agent.tool_schemas import SCHEMAS
from spatialclaw.agent.types import Observation, Task
from spatialclaw.backends.base import (
    ChatClient,
    ChatReply,
    Message,
    Purpose,
    RunContext,
    ToolsRefused,
)
from spatialclaw.errors import BackendRejected, SpatialclawError
from spatialclaw.kernel.results import Shown

__all__ = ["ContextBudget", "Conversation", "ModelPolicy", "system_prompt"]

# Characters of reply and observation of a condensed step, by its level.
_LIMITS = {1: (480, 420), 2: (200, 160)}
# Condensed steps at level 1; older ones are at level 2.
IN_SHORT = 4
# With none of these, drawing is what there is to reason with.
_MEASURING = frozenset(
    {"depth", "measure", "geometry", "segment", "detect", "track", "reconstruct", "flow", "match"}
)
_PURPOSES: dict[str, Purpose] = {"plan": "plan", "answer_now": "answer_now"}


@dataclass(frozen=True)
class ContextBudget:
    """How much of a conversation is sent again.

    Attributes:
        tokens: Of the steps that are sent whole, pictures included; estimated.
        pictures: Shown by cells and sent again, at most.
        pinned: Pinned pictures of condensed steps that are sent again, at most; the newest stay.
        append_only: Never condense anything (for training).
    """

    tokens: int = 6_000
    pictures: int = 6
    pinned: int = 4
    append_only: bool = False


@dataclass
class _Step:
    """A reply and the observation that followed it."""

    reply: str
    text: str = ""
    pictures: list[Shown] = field(default_factory=list)
    level: int = 0
    unpinned: bool = False

    @property
    def condensed(self) -> bool:
        """Whether it is sent in short."""
        return self.level > 0

    @property
    def tokens(self) -> int:
        text = estimate_tokens(self.reply) + estimate_tokens(self.text)
        return text + PICTURE_TOKENS * len(self.pictures)

    @property
    def pinned(self) -> list[Shown]:
        """Pictures that stay when it is condensed."""
        return [] if self.unpinned else [p for p in self.pictures if p.pinned]

    def messages(self) -> list[Message]:
        reply, text, pictures = self.reply, self.text, self.pictures
        if self.condensed:
            reply_limit, text_limit = _LIMITS[self.level]
            reply, text = clip(reply, reply_limit), clip(text, text_limit)
            pinned = self.pinned
            gone = [p for p in pictures if p not in pinned]
            if gone:
                titles = "; ".join(p.title or f"{p.width}x{p.height}" for p in gone)
                text = f"{text}\n[pictures no longer sent ({titles}): call show again to see them]"
            if pinned:
                titles = "; ".join(p.title or f"{p.width}x{p.height}" for p in pinned)
                text = f"{text}\n[pinned: {titles}]"
            pictures = pinned
        parts: tuple[str | Shown, ...] = (text, *pictures) if text or pictures else ()
        messages = [Message("assistant", (reply or "(empty)",))]
        return [*messages, Message("user", parts)] if parts else messages


class Conversation:
    """The messages of one run.

    Args:
        system: The system prompt.
        budget: What is sent again.
    """

    def __init__(self, system: str, budget: ContextBudget | None = None) -> None:
        self.budget = budget or ContextBudget()
        self.condensations = 0
        self._head = [Message("system", (system,))]
        self._steps: list[_Step] = []

    def begin(self, observation: Observation) -> None:
        """Adds the task."""
        self._head.append(Message("user", (observation.text, *observation.images)))

    def add(self, reply: str, observation: Observation) -> None:
        """Adds a reply and what came of it."""
        self._steps.append(_Step(reply, observation.text, list(observation.images)))
        whole = [step for step in self._steps if not step.condensed]
        tokens = sum(step.tokens for step in whole)
        pictures = sum(len(step.pictures) for step in whole)
        if tokens > self.budget.tokens or pictures > self.budget.pictures:
            self.condense(self.budget.tokens // 3, self.budget.pictures // 3)

    def condense(self, tokens: int, pictures: int, *, keep: int = 1) -> bool:
        """Condenses old steps until the rest fits; the newest `keep` stay whole.

        Returns:
            Whether anything changed.
        """
        if self.budget.append_only:
            return False
        changed = False
        for position, step in enumerate(self._steps[: max(0, len(self._steps) - keep)]):
            whole = [s for s in self._steps[position:] if not s.condensed]
            fits = sum(s.tokens for s in whole) <= tokens
            if fits and sum(len(s.pictures) for s in whole) <= pictures:
                break
            changed = changed or not step.condensed
            step.level = max(step.level, 1)
        if changed:
            for step in [s for s in self._steps if s.condensed][:-IN_SHORT]:
                step.level = 2
            self._unpin(self.budget.pinned)
        self.condensations += changed
        return changed

    def shorten(self) -> bool:
        """Makes the next request shorter by the mildest means left; whether there was one."""
        if self.budget.append_only:
            return False
        return (
            self.condense(0, 0, keep=2)
            or self.condense(0, 0, keep=1)
            or self._shorten_old()
            or self._unpin(0)
            or self.drop_inputs()
            or self.condense(0, 0, keep=0)
        )

    def _unpin(self, most: int) -> bool:
        """Lets go of the oldest pinned pictures of condensed steps; whether there were any."""
        held = 0
        gone = False
        for step in reversed([s for s in self._steps if s.condensed and s.pinned]):
            held += len(step.pinned)
            if held > most:
                step.unpinned = gone = True
        return gone

    def _shorten_old(self) -> bool:
        old = [step for step in self._steps if step.level == 1]
        for step in old:
            step.level = 2
        return bool(old)

    def drop_inputs(self) -> bool:
        """Leaves out every other picture of the task, for servers with little room."""
        task = self._head[1]
        pictures = [part for part in task.parts if isinstance(part, Shown)]
        if len(pictures) < 2:
            return False
        gone = {id(picture) for picture in pictures[1::2]}
        parts = tuple(part for part in task.parts if id(part) not in gone)
        self._head[1] = Message(task.role, parts)
        return True

    def replace_system(self, text: str) -> None:
        """Sends another system prompt from here on."""
        self._head[0] = Message("system", (text,))

    def messages(self) -> list[Message]:
        """What is sent next."""
        return [*self._head, *(m for step in self._steps for m in step.messages())]

    def tokens(self) -> int:
        """Estimate of what is sent next."""
        return projected_tokens(self.messages())


class ModelPolicy:
    """Lets a VLM write the replies of one run.

    Args:
        task: The question.
        budget: What of the conversation is sent again.
    """

    def __init__(self, task: Task, *, budget: ContextBudget | None = None) -> None:
        self._task = task
        self._budget = budget
        self._run: RunContext | None = None
        self._conversation: Conversation | None = None
        self._last_reply: str | None = None
        self._direct: Route | None = None
        self._first: Observation | None = None
        self._submitted = False
        self._tools: Sequence[Mapping[str, Any]] | None = None

    def bind(self, run: RunContext) -> None:
        """Takes the run's chat and record."""
        self._run = run

    @property
    def conversation(self) -> Conversation | None:
        """The messages so far."""
        return self._conversation

    async def reply(self, observation: Observation) -> str:
        """Asks the model.

        Raises:
            BackendError: The server failed.
            BudgetExceeded: Tokens or money are used up.
        """
        run = self._run
        if run is None or run.chat is None:
            raise SpatialclawError("a model policy needs a chat client; bind it to a run first")
        if self._first is None:
            self._first = observation
            await self._choose_route(observation, run)
        if self._direct is not None and observation.kind in ("plan", "cell"):
            known = self._direct_reply(observation, self._direct)
            if known is not None:
                self._last_reply = known
                return known
        conversation = self._take(observation, run)
        purpose = _PURPOSES.get(observation.kind, "act")
        reply = await self._ask(run.chat, conversation, purpose)
        text = reply.text
        if reply.finish == "length":
            text = f"{text}\n{CUT_MARK}"
        self._last_reply = text
        return text

    def assume(self, observation: Observation, reply: str) -> None:
        """Takes a plan that another branch made for its own.

        Args:
            observation: The first, which asked for it.
            reply: The plan.
        """
        self._first, self._last_reply = observation, reply

    async def _choose_route(self, observation: Observation, run: RunContext) -> None:
        """Lets a cheap look decide, where the settings and the wording leave it open."""
        mode = run.settings.get("route", "never")
        if run.chat is None or run.interface != "code" or mode == "never":
            return
        if not observation.images or not _sees(run.chat) or self._settled(run):
            # There is nothing to look at or nobody who can, or work was done already.
            return
        if mode == "auto" and has_to_be_measured(self._task):
            return
        prompts = run.settings.get("prompts") or Prompts()
        route = await ask_route(run.chat, prompts, self._task, list(observation.images))
        run.record.event(
            "note",
            text=f"route: {route.way} ({route.confidence:.2f}) {route.why}".strip(),
            route=route.way,
            confidence=route.confidence,
        )
        if route.way == "direct" and route.confidence >= DIRECT_CONFIDENCE:
            self._direct = route

    @staticmethod
    def _settled(run: RunContext) -> bool:
        return run.settings.get("earlier") is not None

    def _direct_reply(self, observation: Observation, route: Route) -> str | None:
        """A plan that says it is plain to see, then a cell that submits; each once."""
        if observation.kind == "plan":
            return f"Plain to see, nothing to measure: {route.why}"
        if self._submitted:
            # It was sent back: the ordinary way from here on.
            self._direct = None
            return None
        self._submitted = True
        evidence = [f"plain to see: {route.why}"]
        call = f"submit({route.answer!r}, confidence={route.confidence}, evidence={evidence!r})"
        return f"```python\n{call}\n```"

    def _take(self, observation: Observation, run: RunContext) -> Conversation:
        if self._conversation is None:
            prompts = run.settings.get("prompts") or Prompts()
            budget = self._budget or run.settings.get("context") or ContextBudget()
            only = run.settings.get("primitives") or None
            self._tools = _native_tools(run)
            system = system_prompt(
                prompts, interface=run.interface, only=only, native=self._tools is not None
            )
            self._conversation = Conversation(system, budget)
            self._conversation.begin(self._first or observation)
            if self._first is not None and observation is not self._first:
                self._conversation.add(self._last_reply or "", observation)
        else:
            before = self._conversation.condensations
            self._conversation.add(self._last_reply or "", observation)
            if self._conversation.condensations != before:
                run.record.event("note", text="older steps are sent in short from here on")
        return self._conversation

    def _described(self) -> str:
        assert self._run is not None
        settings = self._run.settings
        return system_prompt(
            settings.get("prompts") or Prompts(),
            interface=self._run.interface,
            only=settings.get("primitives") or None,
        )

    async def _ask(
        self, chat: ChatClient, conversation: Conversation, purpose: Purpose
    ) -> ChatReply:
        """Sends the conversation; makes it shorter when the server says it is too long."""
        while True:
            tools: dict[str, Any] = {} if self._tools is None else {"tools": self._tools}
            if purpose == "answer_now":
                tools = {}
            try:
                return await chat.complete(conversation.messages(), purpose=purpose, **tools)
            except ToolsRefused:
                # From here on the calls are described in the prompt and written as JSON.
                self._tools = None
                conversation.replace_system(self._described())
            except BackendRejected as error:
                if not hasattr(error, "context") or not conversation.shorten():
                    raise


def system_prompt(
    prompts: Prompts,
    *,
    interface: str = "code",
    vocabulary: dict[str, Any] | None = None,
    chat: bool = True,
    only: Sequence[str] | None = None,
    native: bool = False,
) -> str:
    """The system prompt of an interface, with what is available here.

    Args:
        prompts: Templates.
        interface: "code", "tools", "single-pass" or "direct".
        vocabulary: The primitives; those of this installation by default.
        chat: Whether a VLM answers `locate` and `look`.
        only: Names of the primitives there are; all by default.
        native: Whether function schemas are sent, so that calls need not be written as text.
    """
    if interface == "direct":
        return prompts.render("direct")
    names = (*only, "show", "submit") if only else None
    if vocabulary is None:
        api = _own_api(chat, names)
    else:
        api = api_text(vocabulary, chat=chat, only=names)
    drawing = only is not None and "draw" in only and not _MEASURING & set(only)
    return prompts.render(
        "system",
        interface=interface,
        api=api,
        results=results_text(names),
        drawing=drawing,
        native=native,
        asking=chat and (names is None or bool({"look", "locate"} & set(names))),
    )


def _sees(chat: ChatClient) -> bool:
    """Whether a model takes pictures, as far as it is known."""
    capabilities = getattr(getattr(chat, "inner", chat), "capabilities", None)
    return getattr(capabilities, "vision", None) is not False


def _native_tools(run: RunContext) -> Sequence[Mapping[str, Any]] | None:
    """Function schemas, where the interface is that of calls and the client takes them."""
    client = getattr(run.chat, "inner", run.chat)
    capabilities = getattr(client, "capabilities", None)
    if run.interface != "tools" or getattr(capabilities, "tools", False) is False:
        return None
    return SCHEMAS


@lru_cache(maxsize=8)
def _own_api(chat: bool, only: tuple[str, ...] | None) -> str:
    """What this installation has: made once, for it costs 20 ms."""
    from spatialclaw.primitives.namespace import vocabulary

    return api_text(vocabulary(), chat=chat, only=only)
