"""Which runs are worth learning from: right, executable, reflective."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from spatialclaw.errors import UsageError
from spatialclaw.traces.read import Run

__all__ = ["Judgement", "Judges", "executable", "key_of", "reflective"]

_MEASURED = frozenset({"Measurement", "Points", "Mask", "Masks", "Box3D", "Plane", "Track"})


@dataclass(frozen=True)
class Judgement:
    """Whether a run's answer is right, None when nobody knows, and what says so."""

    right: bool | None = None
    by: str = ""


class Judges:
    """Knows which answers are right: by an evaluation's scores, by truths, by corrections.

    Args:
        folders: Where runs are; one that is an evaluation brings its scores, and one in which
            answers were accepted or corrected in the viewer brings these.
        truths: JSON lines. Each names runs by ``run`` (folder name), ``id`` or ``question`` and
            has ``truth`` (with ``unit``, ``tolerance``, ``relative`` if need be) or what somebody
            said of the answer: ``accepted`` (true or false) or ``correction`` (the right answer).
            The last line about a run counts.

    Raises:
        UsageError: `truths` is no such file.
    """

    def __init__(self, folders: Sequence[Path], truths: Path | None = None) -> None:
        self._scores = _scores(folders)
        self._lines = _verdicts(folders) + (_lines(truths) if truths is not None else [])
        self.known = bool(self._scores or self._lines)

    def judge(self, run: Run) -> Judgement:
        """What is known about the answer of a run."""
        for line in reversed(self._lines):
            if _about(line, run):
                return _by_line(line, run)
        score = self._scores.get(run.path.resolve())
        if score is not None:
            return Judgement(score >= 0.5, "evaluation")
        return Judgement()


def _scores(folders: Iterable[Path]) -> dict[Path, float]:
    scores: dict[Path, float] = {}
    for folder in folders:
        from spatialclaw.evaluation.store import RESULTS, read_results

        if not (folder / RESULTS).is_file():
            continue
        for result in read_results(folder):
            if result.run and result.score is not None:
                scores[(folder / result.run).resolve()] = result.score
    return scores


def _verdicts(folders: Iterable[Path]) -> list[dict[str, Any]]:
    """What was said in the viewer over these folders."""
    files = (folder / "corrections.jsonl" for folder in folders)
    return [
        line for path in files if path.is_file() and not path.is_symlink() for line in _lines(path)
    ]


def _lines(path: Path) -> list[dict[str, Any]]:
    try:
        texts = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from None
    lines = []
    for number, text in enumerate(texts, 1):
        if not text.strip():
            continue
        try:
            line = json.loads(text)
        except ValueError:
            line = None
        if not isinstance(line, dict):
            raise UsageError(f"{path}, line {number}: no JSON object")
        lines.append(line)
    return lines


def _about(line: dict[str, Any], run: Run) -> bool:
    if line.get("run"):
        return Path(str(line["run"])).name == run.path.resolve().name
    if line.get("id") and run.facts.get("id"):
        return bool(line["id"] == run.facts["id"])
    return bool(line.get("question")) and _plain(line["question"]) == _plain(run.question)


def _plain(text: Any) -> str:
    return " ".join(str(text).split()).casefold()


def _by_line(line: dict[str, Any], run: Run) -> Judgement:
    if line.get("verdict") == "accepted":
        return Judgement(True, "a person")
    if line.get("verdict") == "corrected":
        return Judgement(_scored(line, line.get("value"), run), "a person")
    for name in ("accepted", "correct"):
        if isinstance(line.get(name), bool):
            return Judgement(line[name], "a person")
    for name, by in (("correction", "a person"), ("corrected", "a person"), ("truth", "truth")):
        if line.get(name) is not None:
            return Judgement(_scored(line, line[name], run), by)
    return Judgement()


def _scored(line: dict[str, Any], truth: Any, run: Run) -> bool:
    from spatialclaw.agent.scoring import score_answer
    from spatialclaw.agent.types import Answer, Task
    from spatialclaw.agent.units import convert, parse_quantity

    recorded, unit = run.answer or {}, line.get("unit")
    if isinstance(truth, str) and recorded.get("answer_type") == "number":
        quantity = parse_quantity(truth)  # a person wrote "0.1 m"
        if quantity is None:
            return False
        truth, unit = quantity[0], quantity[1] or unit or recorded.get("unit")
    choices = run.facts.get("choices")
    task = Task(
        run.question,
        choices=choices,
        answer_type=line.get("answer_type") or recorded.get("answer_type"),
        unit=unit,
        truth=truth,
        tolerance=line.get("tolerance"),
        relative_tolerance=bool(line.get("relative")),
    )
    answer = Answer(
        recorded.get("answer"),
        str(recorded.get("text") or ""),
        unit=recorded.get("unit"),
        status=recorded.get("status") or "failed",
    )
    if isinstance(answer.value, int | float) and answer.unit and task.unit:
        try:
            answer.value = convert(float(answer.value), answer.unit, task.unit)
        except ValueError:
            return False  # it is an answer to another question
    return bool(score_answer(task, answer)["correct"])


def executable(run: Run) -> bool:
    """Whether there are cells and every one of them ran to its end."""
    cells = run.cells
    return bool(cells) and all((c.get("result") or {}).get("status") == "ok" for c in cells)


def reflective(run: Run) -> bool:
    """Whether the run revised something: a measurement or mark of an earlier cell, or an answer.

    A name that held a measurement, points, a mask or a box and got another value in a later cell
    counts, and so does a submission that differs from the one before, or was sent back.
    """
    submitted: list[Any] = []
    held: dict[str, str] = {}
    for event in run.events("cell", "verdict"):
        result = event.get("result") or {}
        for variable in result.get("variables") or []:
            name, kind = variable.get("name"), variable.get("type")
            if kind not in _MEASURED:
                continue
            summary = str(variable.get("summary"))
            if variable.get("change") == "changed" and held.get(name) not in (None, summary):
                return True
            held[name] = summary
        submission = result.get("submission")
        if isinstance(submission, dict):
            submitted.append([submission.get("value"), submission.get("unit")])
    return any(a != b for a, b in pairwise(submitted))


def key_of(run: Run) -> str:
    """The same for runs of the same question about the same media."""
    facts = run.facts
    media = [item.get("sha256") or item.get("path") for item in facts.get("media") or []]
    asked = [_plain(run.question), facts.get("choices"), media]
    return json.dumps(asked, sort_keys=True, default=str)
