"""What lies in a folder: runs and evaluations, read little by little, kept up to date.

The newest runs are read at once and the others behind, so that the first page of ten thousand runs
does not wait for the last of them. Links are not followed.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from spatialclaw.evaluation.manifest import MANIFEST
from spatialclaw.traces.html.text import as_number, one_line
from spatialclaw.traces.record import SCHEMA_VERSION
from spatialclaw.viewer.evaluations import Evaluation
from spatialclaw.viewer.files import Unreadable, read_json

__all__ = ["FIRST", "Index", "Row"]

FIRST = 150
_DEEPEST = 5
_ALIVE = 120.0
_AGAIN = 1.0


@dataclass
class Row:
    """A run in the list.

    Attributes:
        key: Its folder, relative to the root, with slashes.
        path: Its folder.
        question: As asked.
        answer: As text, or "".
        status: "submitted", "best_guess", "failed", "running", "unfinished" or "unreadable".
        backend: Name.
        model: Name, or "".
        benchmark: Of the evaluation that asked it, or "".
        outcome: "right", "wrong", "partly", "model_failed", "infra_failed" or "".
        task: Category within the benchmark.
        truth: Of the evaluation, or "".
        started: Seconds since 1970.
        seconds: How long it took, or None.
        steps: Cells.
        cost: US dollars, or None.
        evaluation: Key of the evaluation that asked it, or "".
        problem: Why it is unreadable.
        text: What is searched, in lower case.
    """

    key: str
    path: Path
    question: str = ""
    answer: str = ""
    status: str = "unfinished"
    backend: str = ""
    model: str = ""
    benchmark: str = ""
    outcome: str = ""
    task: str = ""
    truth: str = ""
    started: float = 0.0
    seconds: float | None = None
    steps: int = 0
    cost: float | None = None
    evaluation: str = ""
    problem: str = ""
    text: str = field(default="", repr=False)

    @property
    def failed(self) -> bool:
        """Whether it is worth a look because something went wrong."""
        return self.status in ("failed", "unreadable") or self.outcome in (
            "wrong",
            "model_failed",
            "infra_failed",
        )


@dataclass(frozen=True)
class _Found:
    key: str
    path: Path
    changed: int
    evaluation: str = ""


class Index:
    """The runs and evaluations of a folder.

    Args:
        root: A run folder, a folder of runs, an evaluation's folder, or a folder of those.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.evaluations: dict[str, Evaluation] = {}
        self.total = 0
        self._rows: dict[str, Row] = {}
        self._changed: dict[str, int] = {}
        self._looked = 0.0
        self._lock = threading.RLock()
        self._behind: threading.Thread | None = None
        self._stop = threading.Event()

    def refresh(self, *, force: bool = False) -> None:
        """Looks for what is new and what changed; waits for the first runs only."""
        with self._lock:
            if not force and time.monotonic() - self._looked < _AGAIN:
                return
            if self._behind is not None and self._behind.is_alive():
                return
            if self._rows:
                self._read_later(self._stale())
            else:
                first = list(islice(self._walk(), FIRST + 1))
                self._refresh_evaluations()
                for one in first[:FIRST]:
                    self._read(one)
                self.total = len(first)
                if len(first) > FIRST:
                    self._start(lambda: self._read_all(self._stale()))
            self._looked = time.monotonic()

    def _stale(self) -> list[_Found]:
        """What is to be read again, the newest change first; what is gone is forgotten."""
        found = list(self._walk())
        self.total = len(found)
        with self._lock:
            for key in self._rows.keys() - {f.key for f in found}:
                del self._rows[key], self._changed[key]
        self._refresh_evaluations()
        stale = [f for f in found if self._is_stale(f)]
        stale.sort(key=lambda f: f.changed, reverse=True)
        return stale

    def _read_later(self, stale: list[_Found]) -> None:
        for one in stale[:FIRST]:
            self._read(one)
        if len(stale) > FIRST:
            self._start(lambda: self._read_all(stale[FIRST:]))

    def _start(self, work: Callable[[], None]) -> None:
        self._behind = threading.Thread(target=work, daemon=True)
        self._behind.start()

    def _refresh_evaluations(self) -> None:
        for evaluation in list(self.evaluations.values()):
            evaluation.refresh()

    def close(self) -> None:
        """Ends what still reads."""
        self._stop.set()
        if self._behind is not None:
            self._behind.join(timeout=5)

    def wait(self, seconds: float = 60.0) -> None:
        """Until every run has been read."""
        if self._behind is not None:
            self._behind.join(timeout=seconds)

    @property
    def read(self) -> int:
        """How many runs have been read."""
        return len(self._rows)

    def rows(self) -> list[Row]:
        """All runs read so far, newest first."""
        with self._lock:
            rows = list(self._rows.values())
        rows.sort(key=lambda row: (row.started, row.key), reverse=True)
        return rows

    def row(self, key: str) -> Row | None:
        """The run of that key; None when there is none."""
        found = self._rows.get(key)
        if found is None:
            self.refresh(force=True)
            self.wait()
            found = self._rows.get(key)
        return found

    def _read_all(self, rest: list[_Found]) -> None:
        for one in rest:
            if self._stop.is_set():
                return
            self._read(one)

    def _is_stale(self, found: _Found) -> bool:
        row = self._rows.get(found.key)
        unsettled = row is not None and row.status in ("running", "unfinished")
        evaluated = found.evaluation and row is not None and not row.outcome
        return bool(unsettled or evaluated or self._changed.get(found.key) != found.changed)

    def _walk(self) -> Iterator[_Found]:
        yield from self._folder(self.root, "", 0, "")

    def _folder(self, path: Path, key: str, depth: int, evaluation: str) -> Iterator[_Found]:
        try:
            with os.scandir(path) as listing:
                # Names of runs begin with their time: the newest come first.
                entries = sorted(listing, key=lambda entry: entry.name, reverse=True)
        except OSError:  # it went away, or may not be read
            return
        names = {entry.name for entry in entries}
        if "run.json" in names or "events.jsonl" in names:
            try:
                changed = path.stat().st_mtime_ns
            except OSError:
                return
            yield _Found(key or self.root.name, path, changed, evaluation)
            return
        if MANIFEST in names and "results.sqlite" in names:
            evaluation = key or self.root.name
            self.evaluations.setdefault(evaluation, Evaluation(evaluation, path))
        if depth >= _DEEPEST:
            return
        for entry in entries:
            if not _is_plain(entry):
                continue
            below = f"{key}/{entry.name}" if key else entry.name
            known = self._changed.get(below)
            if known is not None and known == _changed_at(entry):
                yield _Found(below, Path(entry.path), known, evaluation)
                continue
            yield from self._folder(Path(entry.path), below, depth + 1, evaluation)

    def _read(self, found: _Found) -> None:
        row = _row_of(found)
        evaluation = self.evaluations.get(found.evaluation)
        result = evaluation.result_of(found.path) if evaluation is not None else None
        if result is not None:
            row.benchmark, row.task = one_line(result.benchmark, 80), one_line(result.task, 80)
            row.truth = one_line(result.truth, 200)
            row.outcome = _outcome(result)
        with self._lock:
            self._rows[found.key] = row
            self._changed[found.key] = found.changed


def _is_plain(entry: os.DirEntry[str]) -> bool:
    """A folder that is no link, not hidden, and whose name can be shown."""
    shown = entry.name.isprintable() and not entry.name.startswith(".")
    return shown and entry.is_dir(follow_symlinks=False)


def _changed_at(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat(follow_symlinks=False).st_mtime_ns
    except OSError:  # it went away
        return -1


def _outcome(result: Any) -> str:
    if result.outcome != "answered" or result.score is None:
        return "" if result.outcome == "answered" else str(result.outcome)
    return "right" if result.score >= 1 else "partly" if result.score > 0 else "wrong"


def _row_of(found: _Found) -> Row:
    row = Row(found.key, found.path, evaluation=found.evaluation)
    row.started = found.changed / 1e9
    try:
        facts = read_json(found.path / "run.json")
        answer = read_json(found.path / "answer.json")
    except Unreadable as error:
        row.status, row.problem = "unreadable", str(error)
        row.text = found.key.lower()
        return row
    schema = facts.get("schema", SCHEMA_VERSION)
    if not isinstance(schema, int) or schema > SCHEMA_VERSION:
        row.status, row.problem = "unreadable", f"of version {one_line(schema, 20)}"
    settings = facts.get("settings")
    settings = settings if isinstance(settings, dict) else {}
    row.question = one_line(facts.get("question"), 400)
    row.started = as_number(facts.get("started")) or row.started
    row.backend = one_line(answer.get("backend") or settings.get("backend"), 60)
    row.model = one_line(answer.get("model") or settings.get("model"), 80)
    if answer and row.status != "unreadable":
        row.answer = one_line(answer.get("text") or answer.get("answer"), 200)
        status = answer.get("status")
        row.status = status if status in ("submitted", "best_guess", "failed") else "failed"
        row.seconds = as_number(answer.get("seconds"))
        row.steps = int(as_number(answer.get("steps")) or 0)
        usage = answer.get("usage")
        row.cost = as_number(usage.get("cost_usd")) if isinstance(usage, dict) else None
    elif row.status != "unreadable":
        row.status = "running" if _is_alive(found.path) else "unfinished"
    row.text = f"{row.question}\n{row.answer}\n{found.key}".lower()
    return row


def _is_alive(path: Path) -> bool:
    try:
        facts = (path / "events.jsonl").lstat()
    except OSError:
        return False
    return time.time() - facts.st_mtime < _ALIVE
