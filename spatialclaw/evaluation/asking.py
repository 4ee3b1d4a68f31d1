"""Asks one question of a benchmark: the same machinery as `spatialclaw ask`, shared by many."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from spatialclaw.agent.types import Answer, Task, Usage
from spatialclaw.backends.base import Backend
from spatialclaw.config import Resolved
from spatialclaw.errors import (
    BackendError,
    BackendRejected,
    KernelError,
    MediaError,
    PerceptionError,
    RunError,
    SpatialclawError,
)
from spatialclaw.evaluation.frames_cache import FramesCache
from spatialclaw.evaluation.no_kernel import NoKernels
from spatialclaw.evaluation.records import Result
from spatialclaw.evaluation.rows import Row
from spatialclaw.evaluation.throttle import OutOfMoney, Purse, Throttle, ThrottledChat

__all__ = ["Asker", "Ended", "Engine", "answer_from_json", "as_result", "task_of"]

# Beyond a question's own deadline, until it is taken for hung: a start of a kernel, decoding.
GRACE_SECONDS = 300.0

_ANSWER_TYPES = {
    "letter": "choice",
    "number": "number",
    "yes_no": "yes_no",
    "point": "point",
    "box": "box",
    "word": "text",
    "text": "text",
    "points": "text",
    "json": "text",
}


@dataclass(frozen=True)
class Ended:
    """How one attempt at a question ended.

    Attributes:
        answer: The answer, failed ones too; None when the infrastructure failed.
        failure: Kind of infrastructure failure, or "".
        detail: One line.
        passing: Whether another attempt may go better.
        raw: The model's last text, when that was the answer.
        usage: What the model calls took, failed ones too.
        seconds: Wall time.
    """

    answer: Answer | None
    failure: str = ""
    detail: str = ""
    passing: bool = False
    raw: str = ""
    usage: Usage | None = None
    seconds: float = 0.0


class Engine(Protocol):
    """Who answers questions: this process, or workers elsewhere."""

    @property
    def allowed(self) -> int:
        """Questions that may be under way now."""
        ...

    async def ask(self, row: Row, epoch: int, run_dir: Path) -> Ended:
        """Answers a question and records it in `run_dir`, which does not exist yet.

        Raises:
            OutOfMoney: The evaluation's cap is reached; the question was not answered.
        """
        ...

    async def aclose(self) -> None:
        """Ends what it holds."""
        ...


def task_of(row: Row) -> Task:
    """The question as the agent is asked it; the truth stays out.

    Options named Yes and No make a yes-no question. A form that the agent does not know by itself
    (several points, JSON) is asked for in the benchmark's own words.
    """
    from spatialclaw.agent.task import make_task

    options = dict(row.options) if row.options else None
    kind = _ANSWER_TYPES[row.format]
    if options and {key.lower() for key in options} <= {"yes", "no"}:
        options, kind = None, "yes_no"
    elif options:
        kind = "choice"
    elif kind == "choice":
        kind = "text"
    question = _in_place(row)
    if row.format in ("points", "json") and row.prompt:
        parts = [row.prompt.get("prefix", ""), question, row.prompt.get("suffix", "")]
        question = "\n".join(part.strip() for part in parts if part.strip())
    task = make_task(
        question,
        [medium.path for medium in row.media],
        choices=options or None,
        answer_type=kind,
        id=row.uid,
    )
    # Options are columns of the data: what a text only looks like is part of the question.
    return replace(
        task,
        question=question.strip(),
        choices=options,
        unit=(row.unit or row.truth.unit) if kind == "number" else None,
    )


class Asker:
    """Answers questions in this process; `start` first.

    Args:
        resolved: The settings.
        concurrency: Questions under way at once, at most.
        purse: What the evaluation may cost.
        warm: Kernels kept ready.
    """

    def __init__(
        self, resolved: Resolved, *, concurrency: int, purse: Purse | None = None, warm: int = 2
    ) -> None:
        self.resolved = resolved
        self.concurrency = max(1, concurrency)
        self.purse = purse or Purse()
        self.throttles: list[Throttle] = []
        self.backend: Backend | None = None
        self.why = ""
        self._warm = warm
        settings = resolved.settings
        asked = resolved.sources.get("frames", "default") != "default"
        self._frames = FramesCache(settings.frames if asked else None)
        self._pool: Any = None
        self._warming: asyncio.Future[None] | None = None

    async def start(self) -> None:
        """Chooses the backend, sees that it answers, and starts warm kernels.

        Raises:
            BackendError: The model's server cannot be used.
            ConfigError: The settings name no backend that there is.
        """
        from spatialclaw.agent.assemble import kernel_pool
        from spatialclaw.backends import resolve
        from spatialclaw.backends.preflight import preflight

        settings = self.resolved.settings
        await asyncio.to_thread(_import_ahead)
        chosen = await resolve(settings, sources=self.resolved.sources)
        self.backend, self.why = chosen.backend, chosen.why
        # A wrong address, key or model is told before anything is begun.
        await preflight(self.backend.chat, pictures=True)
        self._throttle(self.backend)
        if settings.interface == "direct":
            self._pool = NoKernels()
        else:
            # Kernels start with the first question: nothing may be asked at all.
            self._pool = kernel_pool(settings, size=min(self._warm, self.concurrency))

    @property
    def allowed(self) -> int:
        """Questions that may be under way: fewer while the endpoints are overloaded."""
        if not self.throttles:
            return self.concurrency
        return max(1, min(self.concurrency, sum(int(t.limit) for t in self.throttles)))

    @property
    def identity(self) -> dict[str, Any]:
        """Who answers, for the manifest."""
        assert self.backend is not None, "start it first"
        return {"name": self.backend.name, "model": self.backend.model}

    async def ask(self, row: Row, epoch: int, run_dir: Path) -> Ended:
        """See `Engine`."""
        await self._warmed()
        started = time.monotonic()
        settings = self.resolved.settings
        patience = settings.max_seconds * settings.votes + GRACE_SECONDS
        usage = Usage()
        lost: list[str] = []
        try:
            async with asyncio.timeout(patience):
                answer = await self._answer(row, epoch, run_dir, usage, lost)
        except OutOfMoney:
            raise
        except TimeoutError:
            ended = Ended(None, "hung", f"no end within {patience:.0f} s", passing=True)
        except SpatialclawError as error:
            ended = _ended(error)
        except (OSError, MemoryError) as error:
            ended = Ended(None, "machine", _line(error), passing=True)
        except Exception as error:
            # A fault of ours must cost one question, not the evaluation; it is told apart.
            ended = Ended(None, "fault", _line(error))
        else:
            if lost and answer.status != "submitted":
                ended = Ended(None, "kernel", lost[-1], passing=True)
                return replace(ended, usage=usage, seconds=time.monotonic() - started)
            ended = Ended(answer, raw=await asyncio.to_thread(_last_text, run_dir, answer))
        return replace(ended, usage=usage, seconds=time.monotonic() - started)

    async def _warmed(self) -> None:
        """Starts the template of kernels, once, before questions could wait for it one by one."""
        from spatialclaw.kernel.launch import warm

        if self._warming is None:
            direct = self.resolved.settings.interface == "direct"
            self._warming = asyncio.ensure_future(asyncio.sleep(0) if direct else warm())
        try:
            await asyncio.shield(self._warming)
        except SpatialclawError:
            self._warming = None  # a kernel's own start says what is wrong with it

    async def aclose(self) -> None:
        """Ends kernels and connections, and removes the frames."""
        if self._pool is not None:
            await self._pool.aclose()
        if self.backend is not None:
            await self.backend.aclose()
        await self._frames.aclose()

    async def _answer(
        self, row: Row, epoch: int, run_dir: Path, usage: Usage, lost: list[str]
    ) -> Answer:
        from spatialclaw import api
        from spatialclaw.agent.assemble import assemble
        from spatialclaw.evaluation.data import fetch

        assert self.backend is not None, "start it first"
        seed = self.resolved.settings.seed + epoch
        settings = self.resolved.settings.model_copy(update={"seed": seed})
        row = await asyncio.to_thread(fetch, row)
        task = task_of(row)
        async with self._frames.media(row) as media:
            recorder = await asyncio.to_thread(_recorder, run_dir, self.resolved, usage, lost)
            try:
                recorder.event("note", text=f"backend {self.backend.name}: {self.why}")
                place = f"question {row.uid} of {row.benchmark}, epoch {epoch}"
                recorder.event("note", text=place)
                parts = await assemble(
                    task,
                    settings,
                    recorder=recorder,
                    seed=seed,
                    media=media,
                    sources=self.resolved.sources,
                    pool=self._pool,
                )
                try:
                    return await api.converse(task, parts, self.backend, settings)
                finally:
                    await parts.aclose()
            finally:
                recorder.close()

    def _throttle(self, backend: Backend) -> None:
        """Puts a throttle before each endpoint."""
        from spatialclaw.backends.pool import PoolChat

        def wrapped(chat: Any) -> ThrottledChat:
            throttle = Throttle(self.concurrency)
            self.throttles.append(throttle)
            return ThrottledChat(chat, throttle, self.purse)

        chat = backend.chat
        if isinstance(chat, PoolChat):
            chat.chats = [wrapped(each) for each in chat.chats]  # type: ignore[misc]
        elif chat is not None:
            backend.chat = wrapped(chat)  # type: ignore[misc]


def _import_ahead() -> None:
    """Imports what the first question would import on the event loop, and starts the reaper."""
    import importlib
    import shutil

    from spatialclaw.kernel.folders import make_scratch

    for name in ("agent.episode", "agent.tool_calls", "agent.conversation", "agent.earlier",
                 "backends.openai", "backends.builtin", "kernel.kernel", "kernel.tree",
                 "media.loading", "perception.cells", "perception.starting", "primitives.namespace",
                 "traces"):  # fmt: skip
        importlib.import_module(f"spatialclaw.{name}")
    importlib.import_module("spatialclaw.primitives.namespace").vocabulary()
    shutil.rmtree(make_scratch(), ignore_errors=True)


def _recorder(run_dir: Path, resolved: Resolved, usage: Usage, lost: list[str]) -> Any:
    """A record that adds up what the model calls took, and notes when the kernel was lost."""
    from spatialclaw.traces import Recorder, Redactor

    key = resolved.settings.api_key
    run_dir.mkdir(parents=True)
    redactor = Redactor([key.get_secret_value()] if key else [])
    # The store syncs every result; waiting for the disk here would hold up all other questions.
    recorder = Recorder(run_dir, redactor=redactor, durable=False)

    def count(event: dict[str, Any]) -> None:
        used = event.get("usage")
        if event["kind"] == "reply" and isinstance(used, Mapping):
            usage.add(Usage(**used))
        if event["kind"] == "error" and event.get("where") == "kernel":
            lost.append(str(event.get("message")))

    recorder.listen(count)
    return recorder


def _ended(error: SpatialclawError) -> Ended:
    """Whose fault an error is, and whether trying again may help."""
    from spatialclaw.backends.openai import ContextTooLong

    line = _line(error)
    if isinstance(error, ContextTooLong):
        return Ended(Answer(None, "", status="failed", reason=line), "context", line)
    if isinstance(error, BackendRejected):
        return Ended(None, "refused", line)
    kinds: list[tuple[type[SpatialclawError], str, bool]] = [
        (BackendError, "server", True),
        (MediaError, "media", False),
        (PerceptionError, "perception", True),
        (KernelError, "kernel", True),
        (RunError, "disk", True),
    ]
    for kind, name, passing in kinds:
        if isinstance(error, kind):
            return Ended(None, name, line, passing)
    return Ended(None, "fault", line)


def _in_place(row: Row) -> str:
    """The question, with marks such as "[picture 2]" where the data puts media into its text."""
    first_text = next((i for i, part in enumerate(row.parts) if isinstance(part, str)), 0)
    if not any(isinstance(part, int) for part in row.parts[first_text:]):
        return row.question  # media first, then the text: nothing to mark
    numbers: dict[str, int] = {}
    marks = []
    for medium in row.media:
        kind = "video" if medium.kind == "video" else "picture"
        numbers[kind] = numbers.get(kind, 0) + 1
        marks.append(f"[{kind} {numbers[kind]}]")
    pieces = [part if isinstance(part, str) else f" {marks[part]} " for part in row.parts]
    text = " ".join("".join(pieces).split(" ")).strip()
    # The text in the data has the options too, which are given apart.
    from spatialclaw.evaluation.data import forms

    if row.options:
        text, _ = forms.inline_options(text)
    return " ".join(text.split())


def as_result(row: Row, epoch: int, ended: Ended, *, run: str, attempts: int) -> Result:
    """The result of an attempt, not scored yet."""
    usage = asdict(ended.usage or Usage())
    common: dict[str, Any] = {
        "benchmark": row.benchmark,
        "uid": row.uid,
        "epoch": epoch,
        "raw": ended.raw,
        "seconds": round(ended.seconds, 3),
        "usage": usage,
        "attempts": attempts,
        "run": run,
        "finished": time.time(),
        "started": time.time() - ended.seconds,
    }
    answer = ended.answer
    if answer is None:
        return Result(outcome="infra_failed", failure=ended.failure, detail=ended.detail, **common)
    from spatialclaw.traces import answer_json

    common |= {"answer": answer_json(answer), "steps": answer.steps}
    if answer.status == "failed" or answer.value is None:
        kind = ended.failure or "no answer"
        return Result(outcome="model_failed", failure=kind, detail=answer.reason, **common)
    return Result(outcome="answered", **common)


def answer_from_json(record: Mapping[str, Any]) -> Answer:
    """The answer that ``answer.json`` holds."""
    usage = record.get("usage") or {}
    names = ("unit", "confidence", "steps", "seconds", "backend", "model", "interface")
    known = {name: record[name] for name in names if record.get(name) is not None}
    return Answer(
        _tuple(record.get("answer")),
        str(record.get("text") or ""),
        answer_type=record.get("answer_type") or "text",
        status=record.get("status") or "failed",
        evidence=list(record.get("evidence") or []),
        usage=Usage(**{k: v for k, v in usage.items() if k in Usage.__dataclass_fields__}),
        run=Path(record["run_dir"]) if record.get("run_dir") else None,
        reason=str(record.get("reason") or ""),
        **known,
    )


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _last_text(run_dir: Path, answer: Answer) -> str:
    """The model's last text, when the answer was read out of it rather than submitted by a cell."""
    if answer.interface != "direct" and answer.status == "submitted":
        return ""
    last = ""
    path = run_dir / "events.jsonl"
    if path.is_file() and path.stat().st_size < 200_000_000:
        with path.open("rb") as file:
            for line in file:
                if b'"kind":"reply"' in line[:200]:
                    event = json.loads(line)
                    last = str(event.get("text", last)) if "phase" in event else last
    return last.strip()


def _line(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    known = isinstance(error, SpatialclawError)
    return text[:500] if known else f"{type(error).__name__}: {text}"[:500]
