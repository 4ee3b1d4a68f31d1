"""The phases of one episode: plan, cells, the last reply; nothing is loaded or started here."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, Protocol

from spatialclaw.agent.answers import CheckedAnswer
from spatialclaw.agent.budget import Budget, Limits
from spatialclaw.agent.final_text import literal_submit, read_final_text
from spatialclaw.agent.judging import Judge
from spatialclaw.agent.ledger import Ledger
from spatialclaw.agent.metering import MeteredChat
from spatialclaw.agent.observation import cell_text, describe_budget
from spatialclaw.agent.opening import first_observation, limits_of
from spatialclaw.agent.parser import ParsedReply, parse_reply, strip_thoughts
from spatialclaw.agent.pictures import resized
from spatialclaw.agent.prompts import Prompts
from spatialclaw.agent.record import NoRecord, Record, picture_records, record_cell
from spatialclaw.agent.scoring import score_answer
from spatialclaw.agent.tool_calls import read_calls
from spatialclaw.agent.types import Answer, Observation, Task
from spatialclaw.errors import KernelError
from spatialclaw.kernel.results import CellResult, Shown

if TYPE_CHECKING:
    from spatialclaw.backends.base import ChatClient, Message

__all__ = ["LAST_CELL_SECONDS", "Episode", "Executor"]

Phase = Literal["new", "plan", "cell", "answer_now", "done"]
LAST_CELL_SECONDS = 30.0


class Executor(Protocol):
    """What the loop needs of a kernel; `spatialclaw.kernel.Kernel` is one."""

    async def execute(self, code: str, timeout: float) -> CellResult:  # noqa: ASYNC109
        """Runs a cell; its failures are in the result.

        Raises:
            KernelError: There is no kernel any more and none could be started.
        """
        ...


class Episode:
    """One question worked on: what is expected next, what was taken, and how it ends.

    Args:
        prompts: Templates.

    Attributes:
        task: The question, after it began.
        media: Loaded media, or None.
        record: Where the episode is recorded.
        budget: What it took and may take.
        chat: The VLM of `locate` and `look`, counted and recorded, or None.
        interface: "code", "tools", "single-pass" or "direct".
        seed: Seed of everything random.
        options: Further settings for policies, such as {"route": "auto"}.
        backend: Name of who writes the replies, for the answer.
        model: Its model, or None.
        answer: The answer, once the episode is done.
        format_errors: Replies without a usable cell.
    """

    def __init__(self, prompts: Prompts) -> None:
        self.prompts = prompts
        self.task: Task | None = None
        self.media: Any = None
        self.record: Record = NoRecord()
        self.budget = Budget(Limits())
        self.chat: ChatClient | None = None
        self.interface = "code"
        self.seed = 0
        self.options: dict[str, Any] = {}
        self.backend = ""
        self.model: str | None = None
        self._clear()

    def _clear(self) -> None:
        """Forgets the episode before."""
        self.answer: Answer | None = None
        self.format_errors = 0
        self._kernel: Executor | None = None
        self._phase: Phase = "new"
        self._errors_in_a_row = 0
        self._failed: dict[tuple[str, str], int] = {}
        self._judge: Judge | None = None
        self._returned: CheckedAnswer | None = None
        self._ended_by = ""
        self._inputs: list[Shown] = []

    async def _begin(self, limits: Limits, chat: ChatClient | None) -> Observation:
        """Begins: task, media, kernel, record, interface and seed are set."""
        self.budget = Budget(limits_of(self.interface, limits))
        returns = self.budget.limits.verify
        self._judge = Judge(self._task(), self.prompts, self.record, returns=returns)
        self.chat = None if chat is None else self._metered(chat)
        await self._restrict()
        if self.interface == "direct":
            self._phase = "answer_now"
        else:
            self._phase = "plan" if self.budget.limits.plan else "cell"
        return await self._first()

    async def astep(self, reply: str) -> Observation:
        """Takes a reply: a plan first, then a cell each time.

        Args:
            reply: As written, Markdown with one fenced Python cell.

        Raises:
            RuntimeError: The episode has not begun or is over.
        """
        if self._phase in ("new", "done"):
            raise RuntimeError("reset the environment first" if self._phase == "new" else
                               "the episode is over; reset the environment")  # fmt: skip
        self.record.event("reply", purpose="step", phase=self._phase, text=reply)
        if self._phase == "plan":
            return self._plan(reply)
        if self._phase == "answer_now":
            return await self._last(reply)
        return await self._cell(reply)

    async def aexpire(self, reason: str) -> Observation:
        """Ends the episode without a further reply, with the best that is known."""
        return self._give_best(reason)

    def ask_for_answer(self, reason: str) -> Observation:
        """Asks for the best answer now: the policy cannot pay for a further step."""
        return self._ask_for_answer("", reason=reason)

    async def agive_up(self, reason: str) -> Observation:
        """Ends the episode without an answer, because the policy says it has none."""
        return self._fail(reason)

    @property
    def ledger(self) -> Ledger:
        """The evidence of the episode."""
        return self._judging().ledger

    def score(self) -> dict[str, Any]:
        """How good the answer is: a pure function of task, answer and record.

        Returns:
            See `spatialclaw.agent.scoring.score_answer`; further the figures of the episode: steps,
            format_errors, tokens.
        """
        if self.task is None:
            raise RuntimeError("reset the environment first")
        facts = {
            "steps": self.budget.steps,
            "format_errors": self.format_errors,
            "tokens": self.budget.tokens,
        }
        return score_answer(self.task, self.answer, facts)

    # ----------------------------------------------------------------- phases

    async def _first(self) -> Observation:
        earlier = self.options.get("earlier")
        for cell in earlier.cells if earlier is not None else ():
            self._judging().ledger.add_cell(cell.number, cell.result)
        first = await first_observation(
            self.prompts,
            self._task(),
            self.media,
            interface=self.interface,
            phase=self._phase,
            form=self._judging().form,
            budget=self.budget,
            earlier=earlier,
            available=""
            if self.options.get("primitives")
            else str(self.options.get("available", "")),
        )
        self._inputs = list(first.images)
        return self._observe(first)

    def _plan(self, reply: str) -> Observation:
        text, thought, _ = strip_thoughts(reply)
        self.record.event("plan", text=text.strip() or thought)
        self._phase = "cell"
        begin = self.prompts.render(
            "begin",
            planned=bool(text.strip()),
            interface=self.interface,
            left=describe_budget(self.budget),
        )
        return self._observe(Observation("cell", begin))

    async def _cell(self, reply: str) -> Observation:
        parsed = self._read(reply)
        if not parsed.ok:
            return self._no_cell(parsed)
        self._errors_in_a_row = 0
        if self.budget.seconds_left <= 0:
            return self._ask_for_answer("")
        result = await self._execute(parsed.code, self.budget.limits.cell_timeout)
        if isinstance(result, Observation):
            return result
        number = self._record_cell(parsed.code, result)
        self.budget.steps += 1
        result = await self._sized(result)
        problems: list[str] = []
        if result.submission is not None and not result.ok:
            problems = ["the cell failed after it submitted"]
        elif result.submission is not None:
            checked = self._judging().check(result.submission)
            if checked.ok:
                return await self._accept(checked, result)
            problems = checked.problems
        text = cell_text(
            self.prompts,
            result,
            number=number,
            code=parsed.code,
            notes=parsed.notes,
            problems=problems,
            repeated=self._repeated(parsed.code, result, number),
            budget=self.budget,
        )
        one_pass = self.interface == "single-pass" and result.ok and not problems
        if one_pass or self.budget.exhausted():
            reason = "the program ended without submitting" if one_pass else None
            return self._ask_for_answer(text, result, reason=reason)
        return self._observe(Observation("cell", text, list(result.images), cell=result))

    async def _accept(self, checked: CheckedAnswer, cell: CellResult) -> Observation:
        """Takes an answer of the right form, or sends it back with the reason."""
        reasons: list[str] = []
        if not self.budget.exhausted():
            frames = sum(len(f) for f in getattr(self.media, "sequences", None) or [])
            reasons = await self._judging().review(checked, self.chat, self._inputs, frames)
        if not reasons:
            return self._finish(checked, "submitted", cell=cell)
        text = self.prompts.render(
            "returned", answer=checked.text, reasons=reasons, left=describe_budget(self.budget)
        )
        self._returned = checked
        return self._observe(Observation("cell", text, list(cell.images), cell=cell))

    def _read(self, reply: str) -> ParsedReply:
        if self.interface != "tools":
            return parse_reply(reply)
        from spatialclaw.primitives.namespace import VOCABULARY

        return read_calls(reply, {*VOCABULARY, "frames", "videos"})

    def _no_cell(self, parsed: ParsedReply) -> Observation:
        self.format_errors += 1
        self._errors_in_a_row += 1
        limit = self.budget.limits.format_errors
        self.record.event("error", where="format", reading=parsed.kind, count=self.format_errors,
                          message=f"the reply had no usable cell ({parsed.kind})")  # fmt: skip
        if self._errors_in_a_row > limit or self.budget.exhausted():
            return self._ask_for_answer(
                "", reason=f"{self._errors_in_a_row} replies without a cell"
            )
        text = self.prompts.render(
            "format_error",
            kind=parsed.kind,
            interface=self.interface,
            problem=parsed.notes[0] if parsed.notes else "",
            count=self._errors_in_a_row,
            limit=limit,
            left=describe_budget(self.budget),
        )
        return self._observe(Observation("format_error", text))

    def _ask_for_answer(
        self, before: str, cell: CellResult | None = None, *, reason: str | None = None
    ) -> Observation:
        self._phase = "answer_now"
        self._ended_by = reason or self.budget.describe_end()
        text = self.prompts.render(
            "answer_now",
            observation=before,
            reason=self._ended_by,
            form=self._judging().form,
        )
        images = list(cell.images) if cell else []
        return self._observe(Observation("answer_now", text, images, cell=cell))

    async def _last(self, reply: str) -> Observation:
        """The one reply after the budget: a line of text, or a cell that only submits."""
        task = self._task()
        parsed = parse_reply(reply)
        if parsed.ok and "submit" in parsed.code:
            submission = literal_submit(parsed.code)
            if submission is None:
                result = await self._execute(parsed.code, LAST_CELL_SECONDS)
                if isinstance(result, Observation):
                    return result
                self._record_cell(parsed.code, result)
                submission = result.submission
        else:
            submission = read_final_text(task, strip_thoughts(reply)[0])
        direct = self.interface == "direct"
        if submission is not None:
            checked = self._judging().check(submission)
            if checked.ok or checked.soft:
                checked = replace(checked, problems=[])
                if direct:
                    return self._finish(checked, "submitted")
                return self._finish(checked, "best_guess", why=self._ended_by)
        if direct and self.format_errors < self.budget.limits.format_errors:
            return self._no_answer()
        return self._give_best(self._ended_by or self.budget.describe_end())

    def _no_answer(self) -> Observation:
        """The direct interface again: the reply had no line with an answer of the right form."""
        self.format_errors += 1
        refused = self._judging().refused
        problems = refused.problems if refused is not None else []
        self.record.event("error", where="format", reading="no_answer", count=self.format_errors,
                          message="the reply had no answer of the right form")  # fmt: skip
        text = self.prompts.render("direct_again", problems=problems, form=self._judging().form)
        return self._observe(Observation("answer_now", text))

    def _give_best(self, reason: str) -> Observation:
        """The best that is known without asking: an answer that only its wording kept out."""
        refused = self._returned or self._judging().refused
        if refused is not None and (refused.ok or refused.soft):
            return self._finish(replace(refused, problems=[]), "best_guess", why=reason)
        return self._fail(f"no answer: {reason}")

    def _fail(self, reason: str) -> Observation:
        kind = self._judging().answer_type
        return self._end(Answer(None, "", answer_type=kind, status="failed", reason=reason))

    # ---------------------------------------------------------------- helpers

    async def _execute(self, code: str, seconds: float) -> CellResult | Observation:
        assert self._kernel is not None
        budget = max(1.0, self.budget.seconds_left) if self._phase == "cell" else seconds
        try:
            result = await self._kernel.execute(code, timeout=min(seconds, budget))
            if result.lost:
                await self._restrict()
            return result
        except KernelError as error:
            self.record.event("error", where="kernel", message=str(error))
            return self._give_best(str(error))

    def _finish(
        self,
        checked: CheckedAnswer,
        status: Literal["submitted", "best_guess"],
        *,
        why: str = "",
        cell: CellResult | None = None,
    ) -> Observation:
        return self._end(
            Answer(
                checked.value,
                checked.text,
                unit=checked.unit,
                answer_type=checked.answer_type,
                confidence=checked.confidence,
                status=status,
                evidence=self._judging().evidence,
                reason=why,
            ),
            cell,
        )

    def _end(self, answer: Answer, cell: CellResult | None = None) -> Observation:
        answer.steps = self.budget.steps
        answer.seconds = self.budget.seconds
        answer.usage = replace(self.budget.usage)
        answer.interface = self.interface
        answer.run = getattr(self.record, "run_dir", None)
        answer.backend = self.backend
        answer.model = self.model
        if answer.model is None and self.chat is not None and self.backend == "openai":
            # Named by the server, when the settings named none.
            answer.model = self.chat.model
        from spatialclaw.traces import answer_json

        self.record.answer(answer_json(answer))
        self.answer = answer
        self._phase = "done"
        text = answer.text or answer.reason
        return self._observe(Observation("done", text, done=True, cell=cell))

    def _record_cell(self, code: str, result: CellResult) -> int:
        number = record_cell(self.record, code, result, step=self.budget.steps + 1)
        self._judging().ledger.add_cell(number, result)
        return number

    async def _sized(self, result: CellResult) -> CellResult:
        """The result with pictures as large as they are sent, so that what is said fits them."""
        edge = self.budget.limits.shown_edge
        if all(max(p.width, p.height) <= edge for p in result.images):
            return result
        images = await asyncio.to_thread(lambda: [resized(p, edge) for p in result.images])
        return replace(result, images=images)

    def _repeated(self, code: str, result: CellResult, number: int) -> int | None:
        if result.ok:
            return None
        message = result.error.message if result.error else result.status
        key = (" ".join(code.split()), message)
        before = self._failed.get(key)
        self._failed.setdefault(key, number)
        return before

    def _observe(self, observation: Observation) -> Observation:
        info = {
            "step": self.budget.steps,
            "left": self.budget.left(),
            "format_errors": self.format_errors,
            "phase": self._phase,
        }
        observation = replace(observation, info={**info, **observation.info})
        self.record.event(
            "observation",
            expects=observation.kind,
            text=observation.text,
            images=picture_records(self.record, observation.images),
            done=observation.done,
            info=observation.info,
        )
        return observation

    def _judging(self) -> Judge:
        assert self._judge is not None
        return self._judge

    def _task(self) -> Task:
        assert self.task is not None
        return self.task

    def _metered(self, chat: ChatClient) -> ChatClient:
        if isinstance(chat, MeteredChat):
            return chat
        # A pool of endpoints gives each run one of its own.
        for_run = getattr(chat, "for_run", None)
        chat = chat if for_run is None else for_run()
        return MeteredChat(chat, self.record, self.budget, heard=self._heard, seed=self.seed)

    def _heard(self, purpose: str, messages: list[Message], reply: str) -> None:
        if purpose in ("look", "locate"):
            self.ledger.add_look(purpose, messages, reply)

    async def _restrict(self) -> None:
        """Leaves a cell only the primitives that `options` names, for comparisons."""
        kept = self.options.get("primitives")
        if not kept or self._kernel is None:
            return
        from spatialclaw.primitives.namespace import VOCABULARY

        gone = sorted(set(VOCABULARY) - {*kept, "show", "submit"})
        code = f"for _name in {gone!r}:\n    globals().pop(_name, None)\ndel _name"
        await self._kernel.execute(code, timeout=LAST_CELL_SECONDS)
