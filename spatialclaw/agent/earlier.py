"""Cells that are executed before the loop starts: a run that is continued, a notebook taken up.

Everything the agent is told of them comes from executing them now, not from the record.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spatialclaw.agent.budget import Budget, Limits
from spatialclaw.agent.metering import MeteredChat
from spatialclaw.agent.observation import clip, picture_line
from spatialclaw.agent.prompts import Prompts
from spatialclaw.agent.record import record_cell
from spatialclaw.errors import KernelStartError, RunError, UsageError
from spatialclaw.kernel.results import CellResult, Shown

if TYPE_CHECKING:
    from spatialclaw.agent.assemble import Parts
    from spatialclaw.backends.base import ChatClient

__all__ = ["Earlier", "EarlierCell", "EarlierCells", "execute_earlier"]

PICTURES = 4
# Characters of code and of output that the model is told of a cell, by how recent it is.
RECENT = 4
_WHOLE, _SHORT = (6_000, 4_000), (600, 400)
_UNDONE = ("timeout", "died")


@dataclass(frozen=True)
class Earlier:
    """What is executed before the loop starts, and where it comes from.

    Attributes:
        source: "run" or "notebook".
        path: Of the run folder or of the file.
        step: How many of its cells are taken.
        events: In the form of the run folder's events: cells (``kind``, ``code``, perhaps
            ``number`` and the recorded ``result``) and snapshots (``kind``, ``action``, ``name``).
        question: What had been asked, or "".
        plan: The plan that had been made, or "".
        media: Where the media are now.
        facts: What else is known of the recorded run (`run.json`).
        chat: Answers `locate` and `look` of these cells from the record, or None.
    """

    source: str
    path: Path
    step: int
    events: tuple[dict[str, Any], ...]
    question: str = ""
    plan: str = ""
    media: tuple[Path, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict, repr=False)
    chat: ChatClient | None = field(default=None, repr=False)

    @classmethod
    def of_run(cls, path: str | Path, step: int | None = None) -> Earlier:
        """The first cells of a recorded run.

        Args:
            path: The run folder.
            step: How many cells; all of them when None, none with 0.

        Raises:
            RunError: There is no run there, or its media are gone or changed.
            UsageError: It has fewer cells.
        """
        from spatialclaw.backends.replay import recorded_chat
        from spatialclaw.traces import Run
        from spatialclaw.traces.replay import media_paths

        run = Run(path)
        count = len(run.cells)
        step = count if step is None else step
        if not 0 <= step <= count:
            cells = f"{count} cell{'s' * (count != 1)}"
            raise UsageError(
                f"{path} has {cells}, there is no step {step}", hint=f"Choose 0 to {count}."
            )
        events: list[dict[str, Any]] = []
        plan, taken = "", 0
        for event in run.events("plan", "cell", "snapshot"):
            if event["kind"] == "plan":
                if taken < step:
                    plan = str(event.get("text") or "")
                continue
            if event["kind"] == "cell":
                if taken == step:
                    break
                taken += 1
            events.append(event)
        return cls(
            "run",
            run.path.resolve(),
            step,
            tuple(events),
            question=run.question,
            plan=plan,
            media=media_paths(run),
            facts=run.facts,
            chat=recorded_chat(run),
        )

    @classmethod
    def of_cells(
        cls, cells: Iterable[str], path: str | Path, media: Iterable[str | Path] = ()
    ) -> Earlier:
        """Code cells of a notebook or a script.

        Args:
            cells: In order; empty ones are passed over.
            path: Where they come from, for the record.
            media: What they are about.
        """
        events = tuple({"kind": "cell", "code": code} for code in cells if code.strip())
        paths = tuple(Path(item) for item in media)
        return cls("notebook", Path(path).resolve(), len(events), events, media=paths)

    def describe(self) -> dict[str, Any]:
        """For `run.json`: what a run continues."""
        return {self.source: str(self.path), "step": self.step}


@dataclass(frozen=True)
class EarlierCell:
    """A cell that was executed before the loop started."""

    number: int
    code: str
    result: CellResult


@dataclass(frozen=True)
class EarlierCells:
    """What the loop starts from.

    Attributes:
        earlier: Where they come from.
        cells: As they ran now.
    """

    earlier: Earlier
    cells: list[EarlierCell]

    @property
    def pictures(self) -> list[Shown]:
        """The last few that they showed."""
        return [picture for cell in self.cells for picture in cell.result.images][-PICTURES:]

    def text(self, prompts: Prompts, *, question: str, first_picture: int = 1) -> str:
        """What the model is told of them.

        Args:
            prompts: Templates.
            question: What is asked now.
            first_picture: Number of the first of `pictures` in the message.
        """
        cells = []
        for place, cell in enumerate(self.cells):
            code, output = _WHOLE if len(self.cells) - place <= RECENT else _SHORT
            result = cell.result
            cells.append(
                {
                    "number": cell.number,
                    "code": clip(cell.code, code),
                    "stdout": clip(result.stdout, output),
                    "result": clip(result.result or "", output),
                    "error": clip(f"{result.error.name}: {result.error.message}", output)
                    if result.error
                    else "",
                    "lost": result.lost,
                    "variables": [v for v in result.variables if v.change != "deleted"][:20],
                    "shown": len(result.images),
                }
            )
        asked = self.earlier.question
        return prompts.render(
            "earlier",
            source=self.earlier.source,
            asked="" if asked.strip() == question.strip() else asked,
            plan=clip(self.earlier.plan, 3_000),
            cells=cells,
            pictures=[picture_line(i, p) for i, p in enumerate(self.pictures, first_picture)],
        )


async def execute_earlier(parts: Parts, earlier: Earlier, *, seconds: float) -> EarlierCells:
    """Executes earlier cells in a kernel and records them.

    A cell that was ended at its time limit or took the kernel with it is left out: its effects were
    undone then. What comes out otherwise than in the record is noted.

    Args:
        parts: Media, kernel and record of the new run.
        earlier: What to execute.
        seconds: That a cell may take.

    Raises:
        RunError: The kernel could not be had again after one of them.
    """
    chat, done, others = parts.tools.chat, [], []
    if earlier.chat is not None:
        parts.tools.chat = MeteredChat(earlier.chat, parts.record, Budget(Limits()))
    try:
        for event in earlier.events:
            if event["kind"] == "snapshot":
                await _snapshot(parts, event)
                continue
            code, then = str(event["code"]), event.get("result") or {}
            if then.get("status") in _UNDONE:
                text = f"cell {event.get('number')} is left out: it {_WHY[then['status']]} then"
                parts.record.event("note", text=text)
                continue
            result = await parts.kernel.execute(code, timeout=seconds)
            number = record_cell(parts.record, code, result)
            done.append(EarlierCell(number, code, result))
            if then and (then.get("status"), then.get("stdout")) != (result.status, result.stdout):
                others.append(number)
    except KernelStartError as error:
        raise RunError(f"the cells of {earlier.path} cannot be executed again: {error}") from error
    finally:
        parts.tools.chat = chat
    count = f"{len(done)} cell{'s' * (len(done) != 1)}"
    parts.record.event("note", text=f"continues {earlier.path}: executed {count} of it again")
    if others:
        which = ", ".join(map(str, others))
        parts.record.event("note", text=f"not as in the record: cell {which}")
    return EarlierCells(earlier, done)


_WHY = {"timeout": "reached its time limit", "died": "took the kernel with it"}


async def _snapshot(parts: Parts, event: dict[str, Any]) -> None:
    act = parts.kernel.snapshot if event["action"] == "keep" else parts.kernel.restore
    said = await act(event["name"])
    parts.record.event("snapshot", action=event["action"], name=event["name"], text=said)
