"""Asking from Python: `ask`, `aask` and `Session`; the command line calls the same."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from spatialclaw.agent.assemble import Parts, assemble, run_facts
from spatialclaw.agent.converse import converse
from spatialclaw.agent.earlier import Earlier
from spatialclaw.agent.prompts import Prompts
from spatialclaw.agent.record import record_cell
from spatialclaw.agent.sync import LoopThread
from spatialclaw.agent.task import make_task
from spatialclaw.agent.types import Answer, Task
from spatialclaw.backends import Backend, resolve
from spatialclaw.backends.preflight import alongside, preflight
from spatialclaw.config import Resolved, Settings, resolve_settings
from spatialclaw.errors import SpatialclawError
from spatialclaw.kernel.kernel import Kernel
from spatialclaw.kernel.options import KernelOptions
from spatialclaw.kernel.pool import KernelPool
from spatialclaw.kernel.results import CellResult
from spatialclaw.notebook.live import LiveView, live_view
from spatialclaw.traces import Recorder, Redactor, answer_json, new_run_dir

__all__ = ["Session", "aask", "ask", "ask_resolved", "converse", "open_kernel"]

Media = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]
Listener = Callable[[dict[str, Any]], None]
T = TypeVar("T")


def ask(
    media: Media,
    question: str,
    *,
    choices: Sequence[str] | Mapping[str, str] | None = None,
    answer_type: str | None = None,
    **settings: Any,
) -> Answer:
    """Answers a question about media.

    Args:
        media: Path of a picture, a video, a folder or a capture, or several.
        question: The question; options written into it ("A. left B. right") are found.
        choices: Options of a multiple-choice question; letters in order unless given.
        answer_type: "number", "choice", "yes_no", "text", "point" or "box".
        **settings: Fields of `spatialclaw.config.Settings`, such as ``backend="builtin"``.

    Raises:
        UsageError: Bad media, question or settings.
        BackendError: The model's server cannot be used.

    Example:
        >>> answer = ask("examples/room", "How far is the lamp from the door?")  # doctest: +SKIP
        >>> answer.value, answer.unit  # doctest: +SKIP
        (3.1, 'm')
    """
    resolved = resolve_settings(settings)
    task = make_task(question, _paths(media), choices=choices, answer_type=answer_type)
    with LoopThread() as loop:
        return loop.call(_answer(task, resolved, live_view()))


async def aask(
    media: Media,
    question: str,
    *,
    choices: Sequence[str] | Mapping[str, str] | None = None,
    answer_type: str | None = None,
    pool: KernelPool | None = None,
    **settings: Any,
) -> Answer:
    """`ask` for async code; many run side by side.

    Args:
        media: As in `ask`, as are the question, the choices and the answer type.
        question: The question.
        choices: Options of a multiple-choice question.
        answer_type: What the answer is.
        pool: Warm kernels of this event loop: `spatialclaw.agent.assemble.kernel_pool`.
        **settings: Fields of `spatialclaw.config.Settings`.
    """
    task = make_task(question, _paths(media), choices=choices, answer_type=answer_type)
    return await _answer(task, resolve_settings(settings), pool=pool)


def ask_resolved(
    media: Sequence[Path],
    question: str,
    *,
    resolved: Resolved,
    choices: Sequence[str] | Mapping[str, str] | None = None,
    answer_type: str | None = None,
    on_event: Listener | None = None,
    earlier: Earlier | None = None,
) -> Answer:
    """`ask` with settings that are resolved already.

    Args:
        media: Paths; those of `earlier` when empty.
        question: The question; that of `earlier`, with its choices, when empty.
        resolved: The settings.
        choices: Options of a multiple-choice question.
        answer_type: What the answer is.
        on_event: Sees the record grow.
        earlier: What is executed before the agent goes on.
    """
    if earlier is not None:
        resolved = resolved_for(earlier, resolved)
        media = media or earlier.media
        if not question:
            question = earlier.question
            choices = choices or earlier.facts.get("choices")
            answer_type = answer_type or earlier.facts.get("answer_type")
    task = make_task(question, tuple(media), choices=choices, answer_type=answer_type)
    with LoopThread() as loop:
        return loop.call(_answer(task, resolved, on_event, earlier=earlier))


def resolved_for(earlier: Earlier, resolved: Resolved) -> Resolved:
    """The settings with as many frames as the recorded run had: its cells count on them."""
    frames = (earlier.facts.get("settings") or {}).get("frames")
    if not isinstance(frames, int):
        return resolved
    sources = {**resolved.sources, "frames": f"run {earlier.path.name}"}
    settings = resolved.settings.model_copy(update={"frames": frames})
    return resolved.model_copy(update={"settings": settings, "sources": sources})


@asynccontextmanager
async def open_kernel(settings: Settings) -> AsyncIterator[Kernel]:
    """A kernel with the primitives and no media, for trying things."""
    options = KernelOptions(confine=settings.confine, memory_bytes=settings.memory * 1024**2)
    kernel = await Kernel.start(options)
    try:
        yield kernel
    finally:
        await kernel.aclose()


class Session:
    """A live kernel over media that you and the agent share.

    Args:
        media: As in `ask`; none for a kernel without pictures.
        earlier: Cells that are executed when it opens; see `Session.from_run`.
        **settings: Fields of `spatialclaw.config.Settings`.

    Example:
        >>> with Session("examples/room") as session:  # doctest: +SKIP
        ...     session.run("show(frames[0])")
        ...     session.ask("Which chair is closest to the door?")
    """

    def __init__(
        self, media: Media | None = None, *, earlier: Earlier | None = None, **settings: Any
    ) -> None:
        self._resolved = resolve_settings(settings)
        self._media = () if media is None else _paths(media)
        self._earlier = earlier
        if earlier is not None:
            self._resolved = resolved_for(earlier, self._resolved)
            self._media = self._media or earlier.media
        self._loop: LoopThread | None = None
        self._parts: Parts | None = None
        self._backend: Backend | None = None
        self._recorder: Recorder | None = None

    @classmethod
    def from_run(
        cls, run: str | os.PathLike[str], step: int | None = None, **settings: Any
    ) -> Session:
        """A session in the state in which a recorded run was after one of its cells.

        Its media are loaded and its cells executed again.

        Args:
            run: The run folder.
            step: After which cell; the last one when None.
            **settings: Fields of `spatialclaw.config.Settings`.

        Raises:
            RunError: There is no run there, or its media are gone or changed.
            UsageError: It has fewer cells.
        """
        return cls(earlier=Earlier.of_run(os.fspath(run), step), **settings)

    @classmethod
    def of_resolved(cls, media: Media | None, resolved: Resolved) -> Session:
        """A session with settings that are resolved already.

        Args:
            media: As in `ask`.
            resolved: The settings.
        """
        session = cls(media)
        session._resolved = resolved
        return session

    @property
    def run_dir(self) -> Path | None:
        """The folder where the session is recorded."""
        return self._recorder.run_dir if self._recorder else None

    def open(self) -> Session:
        """Loads the media and starts the kernel; entering the context does it."""
        if self._parts is None:
            self._loop = LoopThread()
            try:
                self._loop.call(self._open())
            except BaseException:
                self.close()
                raise
        return self

    def run(self, code: str, *, timeout: float | None = None) -> CellResult:
        """Runs a cell.

        Args:
            code: Python; the namespace is that of the agent's cells.
            timeout: Seconds; ``cell_timeout`` of the settings when None.

        Returns:
            What it printed, showed, changed and raised; a cell that raises is a result too.
        """
        return self._call(self._run(code, timeout))

    def ask(
        self,
        question: str,
        *,
        choices: Sequence[str] | Mapping[str, str] | None = None,
        answer_type: str | None = None,
    ) -> Answer:
        """Lets the agent answer in this very kernel; its variables stay."""
        task = make_task(question, self._media, choices=choices, answer_type=answer_type)
        return self._call(self._ask(task))

    def listen(self, listener: Listener) -> None:
        """Calls `listener` with each further event of the session's record, as it is written."""
        self._open_parts()
        assert self._recorder is not None
        self._recorder.listen(listener)

    def read(self, name: str) -> Any:
        """A variable's value: plain JSON values as they are, anything else as its summary."""
        value = self._call(self._open_parts().kernel.read(name))
        return value["value"] if value.get("exact") else value["summary"]

    def complete(self, code: str, cursor: int | None = None) -> tuple[int, list[str]]:
        """Where completions of a cell in the making begin, and what they are.

        Args:
            code: The cell so far.
            cursor: The place in it; its end when None.
        """
        place = len(code) if cursor is None else cursor
        return self._call(self._open_parts().kernel.complete(code, place))

    def interrupt(self) -> None:
        """Interrupts the cell that runs in another thread's `run`."""
        self._call(self._open_parts().kernel.interrupt())

    def snapshot(self, name: str) -> str:
        """Keeps the kernel's whole state under a name; says how."""
        parts = self._open_parts()
        said = self._call(parts.kernel.snapshot(name))
        parts.record.event("snapshot", action="keep", name=name, text=said)
        return said

    def restore(self, name: str) -> str:
        """Goes back to a kept state; says how."""
        parts = self._open_parts()
        said = self._call(parts.kernel.restore(name))
        parts.record.event("snapshot", action="restore", name=name, text=said)
        return said

    def branch(self, name: str | None = None) -> Session:
        """Another session that starts from a kept state, or from the present one.

        Both go on independently, each with its own kernel and its own record; they share the frames
        and the working folder of the cells. Close each of them.

        Args:
            name: Of a snapshot; None for the present state.

        Raises:
            KeyError: There is no snapshot of that name.

        Example:
            >>> with session.branch("before") as other:  # doctest: +SKIP
            ...     other.run("scale = 2")
        """
        self._open_parts()
        assert self._loop is not None
        other = Session(earlier=self._earlier)
        other._resolved, other._media = self._resolved, self._media
        other._loop = self._loop.share()
        try:
            other._loop.call(self._branch(other, name))
        except BaseException:
            other.close()
            raise
        return other

    def close(self) -> None:
        """Ends the kernel."""
        loop, self._loop = self._loop, None
        if loop is None:
            return
        try:
            loop.call(self._close())
        finally:
            loop.close()

    def __enter__(self) -> Session:
        return self.open()

    def __exit__(self, *exc: object) -> None:
        self.close()

    async def _open(self) -> None:
        settings = self._resolved.settings
        self._recorder = await asyncio.to_thread(_recorder, settings, live_view())
        self._parts = await assemble(
            Task("", self._media),
            settings,
            recorder=self._recorder,
            seed=settings.seed,
            sources=self._resolved.sources,
            earlier=self._earlier,
        )

    async def _branch(self, other: Session, name: str | None) -> None:
        parts, settings = self._open_parts(), self._resolved.settings
        other._recorder = await asyncio.to_thread(_recorder, settings, None)
        other._parts = await parts.branch(other._recorder, Prompts(settings.prompts_dir), name)
        assert self._recorder is not None
        await asyncio.to_thread(other._recorder.branch_off, self._recorder.run_dir, name)

    async def _run(self, code: str, timeout: float | None) -> CellResult:  # noqa: ASYNC109
        parts = self._open_parts()
        limit = timeout or self._resolved.settings.cell_timeout
        result = await parts.kernel.execute(code, timeout=limit)
        record_cell(parts.record, code, result)
        return result

    async def _ask(self, task: Task) -> Answer:
        parts = self._open_parts()
        if self._backend is None:
            chosen = await resolve(self._resolved.settings, sources=self._resolved.sources)
            self._backend = chosen.backend
            parts.record.event("note", text=f"{chosen.backend.name}: {chosen.why}")
            await preflight(chosen.backend.chat, pictures=bool(self._media))
        await parts.pose(task)
        return await converse(task, parts, self._backend, self._resolved.settings)

    async def _close(self) -> None:
        if self._parts is not None:
            await self._parts.aclose()
        if self._backend is not None:
            await self._backend.aclose()
        if self._recorder is not None:
            self._recorder.close()
        self._parts = self._backend = None

    def _open_parts(self) -> Parts:
        if self._parts is None:
            raise RuntimeError("the session is not open; use it in a with statement")
        return self._parts

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        self._open_parts()
        assert self._loop is not None
        return self._loop.call(work)


async def _answer(
    task: Task,
    resolved: Resolved,
    on_event: Listener | None = None,
    *,
    pool: KernelPool | None = None,
    earlier: Earlier | None = None,
) -> Answer:
    settings = resolved.settings
    chosen = await resolve(settings, sources=resolved.sources)
    backend = chosen.backend
    try:
        recorder = await asyncio.to_thread(_recorder, settings, on_event)
        try:
            recorder.event("note", text=f"backend {backend.name}: {chosen.why}")
            parts = await alongside(
                preflight(backend.chat, pictures=bool(task.media)),
                lambda: assemble(
                    task,
                    settings,
                    recorder=recorder,
                    seed=settings.seed,
                    sources=resolved.sources,
                    pool=pool,
                    earlier=earlier,
                ),
                Parts.aclose,
            )
            try:
                return await converse(task, parts, backend, settings)
            finally:
                await parts.aclose()
        except SpatialclawError as error:
            _record_failure(recorder, task, backend, error, resolved)
            raise
        finally:
            recorder.close()
    finally:
        await backend.aclose()


def _recorder(settings: Settings, on_event: Listener | None) -> Recorder:
    secrets = [settings.api_key.get_secret_value()] if settings.api_key else []
    recorder = Recorder(new_run_dir(settings.runs_dir), redactor=Redactor(secrets))
    if isinstance(on_event, LiveView):
        on_event.run_dir = recorder.run_dir
    if on_event is not None:
        recorder.listen(on_event)
    return recorder


def _record_failure(
    recorder: Recorder, task: Task, backend: Backend, error: SpatialclawError, resolved: Resolved
) -> None:
    answer = Answer(
        None,
        "",
        answer_type=task.answer_type or "text",
        status="failed",
        backend=backend.name,
        model=backend.model,
        run=recorder.run_dir,
        reason=str(error),
    )
    settings, sources = resolved.settings, resolved.sources
    try:
        if not (recorder.run_dir / "run.json").exists():
            # It failed before the media were read.
            recorder.start(**run_facts(task, settings, None, settings.seed, sources, None))
        recorder.event("error", where="run", type=type(error).__name__, message=str(error))
        recorder.answer(answer_json(answer))
    except SpatialclawError as second:
        # The record itself cannot be written (full disk): the first error says what matters.
        error.add_note(str(second))


def _paths(media: Media) -> tuple[Path, ...]:
    if isinstance(media, str | os.PathLike):
        return (Path(media),)
    return tuple(Path(path) for path in media)
