"""Executes a recorded run's cells again in a fresh kernel and compares what they give."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spatialclaw.config import Settings
from spatialclaw.errors import RunError
from spatialclaw.kernel.results import CellResult
from spatialclaw.traces.jsonable import jsonable
from spatialclaw.traces.read import Run

__all__ = ["CellComparison", "media_paths", "replay_run"]

_ADDRESS = re.compile(r"0x[0-9a-fA-F]+")
# What counts: what a cell printed, gave, raised, submitted and changed; not how long it took.
_COMPARED = ("status", "stdout", "result", "error", "submission", "variables")


@dataclass(frozen=True)
class CellComparison:
    """One cell, then and now.

    Attributes:
        number: Of the cell, from 1.
        code: The cell.
        differences: What differs: (field, then, now) as text.
        then: The recorded result as JSON values.
        now: The result of the replay as JSON values.
    """

    number: int
    code: str
    differences: list[tuple[str, str, str]]
    then: dict[str, Any] = field(repr=False)
    now: dict[str, Any] = field(repr=False)

    @property
    def same(self) -> bool:
        """Whether nothing that counts differs."""
        return not self.differences


async def replay_run(run: Run, settings: Settings) -> list[CellComparison]:
    """Executes the cells of a run again.

    What `locate` and `look` said is taken from the record; no model is asked.

    Args:
        run: The recorded run.
        settings: For the kernel; the number of frames is that of the record.

    Returns:
        One comparison for each cell, in order.

    Raises:
        RunError: It has no cells, or its media changed since.
        MediaError: Its media cannot be read any more.
    """
    from spatialclaw.agent.assemble import assemble
    from spatialclaw.agent.types import Task
    from spatialclaw.backends.replay import ReplayBackend

    if not run.cells:
        raise RunError(f"{run.path} holds no cells to execute again")
    recorded = run.facts.get("settings") or {}
    settings = settings.model_copy(
        update={"frames": recorded.get("frames", settings.frames), "seed": run.facts.get("seed", 0)}
    )
    task = Task(run.question, media_paths(run), choices=run.facts.get("choices"))
    parts = await assemble(task, settings)
    try:
        if any(run.events("reply")):
            parts.tools.chat = ReplayBackend(run.path).chat
        comparisons = []
        for event in run.events("cell", "snapshot"):
            if event["kind"] == "snapshot":
                act = parts.kernel.snapshot if event["action"] == "keep" else parts.kernel.restore
                await act(event["name"])
                continue
            result = await parts.kernel.execute(event["code"], timeout=settings.cell_timeout)
            comparisons.append(_compare(event, result))
        return comparisons
    finally:
        await parts.aclose()


def media_paths(run: Run) -> tuple[Path, ...]:
    """Where the media of a run are now.

    Raises:
        RunError: One is missing, or is another file than the recorded one.
    """
    paths = []
    for item in run.facts.get("media") or []:
        candidates = [Path(p) for p in (item.get("absolute"), item.get("path")) if p]
        path = next((p for p in candidates if p.exists()), None)
        if path is None:
            raise RunError(
                f"the run was about {item.get('path')}, which is not there any more",
                hint="Put it back, or run the command from the folder where it was asked.",
            )
        digest = item.get("sha256")
        if digest and path.is_file() and _sha256(path) != digest:
            raise RunError(f"{path} changed since the run: its sha256 is another")
        paths.append(path)
    return tuple(paths)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _compare(event: dict[str, Any], result: CellResult) -> CellComparison:
    then = event.get("result") or {}
    now = jsonable(result)
    differences = []
    for name in _COMPARED:
        old, new = _plain(name, then.get(name)), _plain(name, now.get(name))
        if old != new:
            differences.append((name, old, new))
    return CellComparison(event["number"], event["code"], differences, then, now)


def _plain(name: str, value: Any) -> str:
    if name == "error" and isinstance(value, dict):
        value = [value.get("name"), value.get("message")]
    if name == "variables" and isinstance(value, list):
        value = sorted(f"{v.get('change')} {v.get('name')}: {v.get('summary')}" for v in value)
    text = value if isinstance(value, str) else repr(value)
    return _ADDRESS.sub("0x", text)
