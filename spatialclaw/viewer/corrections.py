"""What people said about answers: one line of JSON each, beside the runs, never in them."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path
from typing import Any, Literal

from spatialclaw.errors import RunError
from spatialclaw.traces.html.text import as_number
from spatialclaw.viewer.files import Unreadable, read_small

__all__ = ["NAME", "Corrections", "Verdict"]

NAME = "corrections.jsonl"
Verdict = Literal["accepted", "corrected", "withdrawn"]
_VERDICTS = ("accepted", "corrected", "withdrawn")
_MOST_BYTES = 50_000_000


class Corrections:
    """The file of verdicts; the last line about a run counts.

    Args:
        folder: Where the runs lie.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        self._lock = threading.Lock()
        self._stamp: tuple[int, int] = (-1, -1)
        self._latest: dict[str, dict[str, Any]] = {}

    def add(self, run: str, verdict: Verdict, facts: dict[str, Any]) -> dict[str, Any]:
        """Adds a line.

        Args:
            run: Key of the run.
            verdict: What was said.
            facts: question, answer, value, unit, note and so on.

        Raises:
            RunError: The file cannot be written.
        """
        line = {"schema": 1, "time": round(time.time(), 3), "run": run, "verdict": verdict, **facts}
        data = json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode("utf-8") + b"\n"
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        with self._lock:
            try:
                descriptor = os.open(self.path, flags, 0o644)
                try:
                    # One write to the end of a file is whole, also with two viewers at work.
                    if os.write(descriptor, data) != len(data):
                        raise OSError(28, "no space left on device")
                finally:
                    os.close(descriptor)
            except OSError as error:
                reason = (error.strerror or str(error)).lower()
                raise RunError(f"cannot write {self.path}: {reason}") from error
        return line

    def latest(self) -> dict[str, dict[str, Any]]:
        """The line that counts for each run, by its key; withdrawn ones are left out."""
        with self._lock:
            try:
                facts = self.path.stat()
                stamp = facts.st_mtime_ns, facts.st_size
            except OSError:
                self._latest = {}
                return {}
            if stamp != self._stamp:
                self._latest, self._stamp = self._read(), stamp
            return dict(self._latest)

    def export(self) -> str:
        """The lines that count, as JSONL."""
        lines = sorted(self.latest().values(), key=lambda line: as_number(line.get("time")) or 0)
        return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)

    def _read(self) -> dict[str, dict[str, Any]]:
        try:
            data = read_small(self.path, _MOST_BYTES) or b""
        except Unreadable:
            return {}
        found: dict[str, dict[str, Any]] = {}
        for text in data.split(b"\n"):
            try:
                line = json.loads(text)
            except (ValueError, RecursionError):
                continue
            if not isinstance(line, dict) or not isinstance(line.get("run"), str):
                continue
            if line.get("verdict") == "withdrawn":
                found.pop(line["run"], None)
            elif line.get("verdict") in _VERDICTS:
                found[line["run"]] = line
        return found
