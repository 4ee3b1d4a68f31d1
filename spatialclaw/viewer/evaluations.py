"""An evaluation's results, read without writing to it."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any
from urllib.parse import quote

from spatialclaw.errors import SpatialclawError
from spatialclaw.evaluation.manifest import read_manifest
from spatialclaw.evaluation.records import Result
from spatialclaw.evaluation.store import RESULTS
from spatialclaw.traces.html.text import one_line

__all__ = ["Evaluation"]

_MOST_LABELS = 12


class Evaluation:
    """The results of one evaluation, as its file says at the moment.

    Args:
        key: Its folder relative to the root.
        path: Its folder.
    """

    def __init__(self, key: str, path: Path) -> None:
        self.key = key
        self.path = path
        self.results: list[Result] = []
        self.problem = ""
        self._state: tuple[Any, ...] = ()
        self._by_run: dict[str, Result] = {}
        self._summary: dict[str, Any] | None = None

    def refresh(self) -> None:
        """Reads the results again when their file changed."""
        state = tuple(_stamp(self.path / name) for name in (RESULTS, f"{RESULTS}-wal"))
        if state == self._state:
            return
        self._state, self._summary, self.problem = state, None, ""
        try:
            self.results = _read(self.path / RESULTS)
        except (sqlite3.Error, ValueError, TypeError, OSError) as error:
            self.results, self.problem = [], f"{RESULTS} cannot be read: {error}"
        self.results.sort(key=lambda r: (r.benchmark, r.index, r.uid, r.epoch))
        self._by_run = {result.run: result for result in self.results if result.run}

    def result_of(self, run: Path) -> Result | None:
        """The result that a run folder belongs to, or None."""
        return self._by_run.get(run.relative_to(self.path).as_posix())

    def summary(self) -> dict[str, Any]:
        """The figures, as `spatialclaw eval` writes them; {"problem"} when that fails."""
        if self._summary is None:
            from spatialclaw.evaluation.summary import summarise

            try:
                figures = summarise(self.results, read_manifest(self.path))
                self._summary = {"problem": "", **figures}
            except (SpatialclawError, KeyError, TypeError, ValueError) as error:
                self._summary = {"problem": one_line(str(error)), "benchmarks": {}}
        return self._summary

    def confusions(self) -> list[dict[str, Any]]:
        """Answers against truths, by category: {"title", "labels", "rows": [(truth, counts)]}.

        Of choices and yes-no questions; labels beyond the commonest are put together.
        """
        tables: dict[tuple[str, str], Counter[tuple[str, str]]] = defaultdict(Counter)
        for result in self.results:
            if result.format not in ("letter", "yes_no") or result.outcome == "infra_failed":
                continue
            said = "no answer" if result.outcome == "model_failed" else one_line(result.read, 40)
            tables[result.benchmark, result.task][one_line(result.truth, 40), said or "unread"] += 1
        return [_confusion(key, counts) for key, counts in sorted(tables.items())]


def _confusion(key: tuple[str, str], counts: Counter[tuple[str, str]]) -> dict[str, Any]:
    truths = sorted({truth for truth, _ in counts})[:_MOST_LABELS]
    common = Counter(said for _, said in counts.elements()).most_common(_MOST_LABELS)
    labels = sorted({said for said, _ in common}, key=lambda s: (s in ("no answer", "unread"), s))
    rows = [(truth, [counts[truth, said] for said in labels]) for truth in truths]
    title = " \N{MIDDLE DOT} ".join(filter(None, (one_line(k, 80) for k in key)))
    return {"title": title, "labels": labels, "rows": rows}


def _read(path: Path) -> list[Result]:
    if path.is_symlink() or not path.is_file():
        raise OSError("it is no plain file")
    found = []
    base = f"file:{quote(str(path))}?mode=ro"
    # Without a write-ahead log nobody is writing; opened in the usual way, SQLite would make one.
    quiet = not path.with_name(f"{RESULTS}-wal").exists()
    try:
        rows = _records(f"{base}&immutable=1" if quiet else base)
    except sqlite3.OperationalError:  # a folder that nobody may write to, locks included
        rows = _records(f"{base}&immutable=1")
    for record in rows:
        found.append(Result.from_record(json.loads(record)))
    return found


def _records(uri: str) -> list[str]:
    connection = sqlite3.connect(uri, uri=True, timeout=2)
    try:
        return [record for (record,) in connection.execute("SELECT record FROM results")]
    finally:
        connection.close()


def _stamp(path: Path) -> tuple[int, int]:
    try:
        facts = path.stat()
    except OSError:
        return 0, 0
    return facts.st_mtime_ns, facts.st_size
