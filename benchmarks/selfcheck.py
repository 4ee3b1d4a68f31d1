"""Asks the questions of the examples the way a user would, and counts right answers.

    python -m benchmarks.selfcheck [--limit N] [--family F] [--id ID] [--json FILE] [--jobs N]

Each question of ``examples/questions.jsonl`` goes through `spatialclaw.aask` with the builtin
backend: media, kernel, loop and checks are those of ``spatialclaw ask``. Prints a table per family
and ends with status 1 when less than 90 % is right. A number is right within the question's
tolerance, after conversion to its unit; a choice or a yes or no when it is the same.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from spatialclaw.errors import SpatialclawError, UsageError

__all__ = ["Outcome", "check", "grade", "main", "read_questions", "summary"]

BAR = 0.9
QUESTIONS = Path(__file__).resolve().parent.parent / "examples" / "questions.jsonl"


@dataclass(frozen=True)
class Outcome:
    """How one question went.

    Attributes:
        id: Of the question.
        family: Of the question.
        question: Its text.
        truth: The true answer.
        answer: What was answered, or None.
        unit: Of the answer.
        status: "submitted", "best_guess", "failed", or "error" when asking itself failed.
        right: Whether it counts.
        seconds: Wall time.
        reason: Why there is no answer, or "".
        run: The run folder, or "".
    """

    id: str
    family: str
    question: str
    truth: Any
    answer: Any
    unit: str | None
    status: str
    right: bool
    seconds: float
    reason: str = ""
    run: str = ""


def read_questions(path: Path) -> list[dict[str, Any]]:
    """The questions of a file, one JSON object a line.

    Raises:
        UsageError: The file is missing or a line is no question.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise UsageError(
            f"cannot read {path}: {error.strerror}",
            hint="In a checkout, `python examples/make.py` makes the questions.",
        ) from error
    questions = []
    for number, line in enumerate(lines, start=1):
        try:
            question = json.loads(line)
            missing = {"id", "media", "question", "truth", "family"} - set(question)
        except (json.JSONDecodeError, TypeError) as error:
            raise UsageError(f"{path}, line {number}: no JSON object") from error
        if missing:
            raise UsageError(f"{path}, line {number}: lacks {', '.join(sorted(missing))}")
        questions.append(question)
    return questions


def grade(question: dict[str, Any], value: Any, unit: str | None) -> bool:
    """Whether an answer is right.

    Args:
        question: As in the file.
        value: The answer.
        unit: Its unit; converted to the question's where both are of one kind.
    """
    from spatialclaw.agent.units import canonical_unit, convert, dimension

    truth = question["truth"]
    if isinstance(truth, str):
        return isinstance(value, str) and value.strip().casefold() == truth.casefold()
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    given, wanted = canonical_unit(unit), canonical_unit(question.get("unit"))
    number = float(value)
    if given and wanted and given != wanted:
        if dimension(given) != dimension(wanted):
            return False
        number = convert(number, given, wanted)
    allowed = float(question.get("tolerance") or 0.0)
    if question.get("relative"):
        allowed *= abs(truth)
    return bool(abs(number - truth) <= allowed + 1e-9)


async def check(
    questions: Sequence[dict[str, Any]],
    root: Path,
    *,
    runs_dir: Path,
    jobs: int = 1,
    progress: bool = False,
    **settings: Any,
) -> list[Outcome]:
    """Asks all questions; outcomes in their order.

    Args:
        questions: As `read_questions` gives them.
        root: Folder that their media are relative to.
        runs_dir: Where the run folders go.
        jobs: How many are asked at a time.
        progress: Whether each is reported on stderr when it ends.
        **settings: Further settings, such as ``backend``.
    """
    gate = asyncio.Semaphore(jobs)

    async def one(question: dict[str, Any]) -> Outcome:
        async with gate:
            outcome = await _ask(question, root, runs_dir=runs_dir, **settings)
        if progress:
            mark = "right" if outcome.right else "WRONG"
            said = outcome.reason or f"{outcome.answer} {outcome.unit or ''}".strip()
            line = f"{mark} {outcome.id} ({outcome.seconds:.1f} s): {outcome.question} -> {said}"
            print(f"{line} (truth {outcome.truth})", file=sys.stderr, flush=True)
        return outcome

    return list(await asyncio.gather(*(one(question) for question in questions)))


async def _ask(question: dict[str, Any], root: Path, *, runs_dir: Path, **settings: Any) -> Outcome:
    from spatialclaw import aask

    start = time.monotonic()
    facts = {key: question[key] for key in ("id", "family", "question", "truth")}
    try:
        answer = await aask(
            [root / name for name in question["media"]],
            question["question"],
            choices=question.get("choices"),
            answer_type=question.get("answer_type"),
            runs_dir=runs_dir,
            **{"backend": "builtin", **settings},
        )
    except SpatialclawError as error:
        seconds = time.monotonic() - start
        return Outcome(**facts, answer=None, unit=None, status="error", right=False,
                       seconds=seconds, reason=f"{type(error).__name__}: {error}")  # fmt: skip
    right = answer.status != "failed" and grade(question, answer.value, answer.unit)
    return Outcome(
        **facts,
        answer=answer.value,
        unit=answer.unit,
        status=answer.status,
        right=right,
        seconds=time.monotonic() - start,
        reason=answer.reason if answer.status == "failed" else "",
        run=str(answer.run or ""),
    )


def summary(outcomes: Sequence[Outcome]) -> str:
    """A table: a line a family, and all."""
    families = list(dict.fromkeys(outcome.family for outcome in outcomes))
    width = max([len(name) for name in families] + [6])
    lines = [f"{'family':{width}}  {'n':>4}  {'right':>5}  {'%':>5}  {'unanswered':>10}"]
    groups = [(name, [o for o in outcomes if o.family == name]) for name in families]
    for name, group in [*groups, ("all", list(outcomes))]:
        right = sum(o.right for o in group)
        unanswered = sum(o.status in ("failed", "error") for o in group)
        share = 100 * right / max(len(group), 1)
        lines.append(f"{name:{width}}  {len(group):4d}  {right:5d}  {share:5.1f}  {unanswered:10d}")
    lines.insert(-1, "-" * len(lines[0]))
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.selfcheck",
        description="Asks the questions of the examples and counts right answers.",
    )
    parser.add_argument(
        "--questions", type=Path, default=QUESTIONS, help="another file of questions"
    )
    parser.add_argument("--limit", type=int, help="at most so many, spread over the file")
    parser.add_argument("--family", action="append", help="only this family; repeat it")
    parser.add_argument("--id", action="append", help="only the questions whose id begins so")
    parser.add_argument("--json", type=Path, help="write the outcomes here")
    parser.add_argument("--jobs", type=int, default=1, help="questions at a time")
    parser.add_argument("--runs-dir", type=Path, help="keep the run folders here")
    options = parser.parse_args(arguments)
    try:
        chosen = _choose(read_questions(options.questions), options)
    except SpatialclawError as error:
        print(f"selfcheck: {error}", file=sys.stderr)
        return error.exit_status
    with tempfile.TemporaryDirectory() as scratch:
        outcomes = asyncio.run(
            check(
                chosen,
                options.questions.resolve().parent,
                runs_dir=options.runs_dir or Path(scratch),
                jobs=max(1, options.jobs),
                progress=True,
            )
        )
    print(summary(outcomes))
    if options.json:
        rows = [asdict(outcome) for outcome in outcomes]
        options.json.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n")
    return 0 if sum(o.right for o in outcomes) >= BAR * len(outcomes) else 1


def _choose(questions: list[dict[str, Any]], options: argparse.Namespace) -> list[dict[str, Any]]:
    if options.family:
        questions = [q for q in questions if q["family"] in options.family]
    if options.id:
        questions = [q for q in questions if q["id"].startswith(tuple(options.id))]
    if options.limit is not None and 0 < options.limit < len(questions):
        step = len(questions) / options.limit
        questions = [questions[int(k * step)] for k in range(options.limit)]
    if not questions:
        raise UsageError("no question is left to ask", hint="See --family, --id and --limit.")
    return questions


if __name__ == "__main__":
    sys.exit(main())
