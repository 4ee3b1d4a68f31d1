"""`spatialclaw ask MEDIA... QUESTION`: answers a question about pictures, a video or a capture."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spatialclaw.agent.types import Answer
from spatialclaw.cli.app import app
from spatialclaw.cli.console import Console, shown
from spatialclaw.cli.options import shared_options
from spatialclaw.config import Resolved
from spatialclaw.errors import UsageError

if TYPE_CHECKING:
    from spatialclaw.agent.earlier import Earlier

__all__ = ["split_arguments"]

MAX_QUESTION = 20_000
_STATUS = {"submitted": 0, "best_guess": 1, "failed": 1}


@app.command()
@shared_options
def ask(
    resolved: Resolved,
    arguments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="MEDIA... QUESTION",
            help="pictures, videos, a folder or a capture; and last the question",
            show_default=False,
        ),
    ] = None,
    origin: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="RUN",
            help="a run folder to continue (its media, its cells, and its question unless "
            "another is given), or a notebook of your own",
            show_default=False,
        ),
    ] = None,
    step: Annotated[
        int | None,
        typer.Option("--step", help="with --from: go on after this cell (the last one by default)"),
    ] = None,
    choice: Annotated[
        list[str] | None,
        typer.Option("--choice", help="an option of a multiple-choice question; repeat it"),
    ] = None,
    answer_type: Annotated[
        str | None,
        typer.Option("--answer-type", help="number, choice, yes_no, text, point or box"),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="print one JSON object and nothing else")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="no progress, only the answer")
    ] = False,
) -> int:
    """Answer a question about pictures, a video, several views or a capture.

    The answer goes to stdout, everything else to stderr; the run folder explains it.
    """
    from spatialclaw.api import ask_resolved

    earlier, media = None, list[Path]()
    if origin is not None:
        if origin.suffix == ".ipynb":
            earlier, arguments = _notebook(origin, step, arguments or [], quiet=quiet)
        else:
            earlier = _earlier(origin, step)
        question = _only_question(arguments or [], earlier.question)
    elif step is not None:
        raise UsageError("--step belongs to --from", hint="Name the run: --from RUN --step 3")
    else:
        media, question = split_arguments(arguments or [])
    console = Console(quiet=quiet)
    with console.live():
        answer = ask_resolved(
            media,
            question,
            resolved=resolved,
            choices=choice,
            answer_type=answer_type,
            on_event=console.event,
            earlier=earlier,
        )
    _print_answer(answer, as_json=as_json, console=console)
    return _STATUS[answer.status]


def _earlier(origin: Path, step: int | None) -> Earlier:
    from spatialclaw.agent.earlier import Earlier

    return Earlier.of_run(origin, step)


def _notebook(
    origin: Path, step: int | None, arguments: list[str], *, quiet: bool
) -> tuple[Earlier, list[str]]:
    """The cells of a notebook, and what is left of the arguments without its media."""
    from spatialclaw.notebook.reading import read_notebook

    *media, question = arguments or [""]
    read = read_notebook(origin, [Path(path) for path in media], step)
    if not quiet:
        for note in read.notes:
            print(f"note: {' '.join(note.split())}", file=sys.stderr)
    return read.earlier, [question] if question else []


def _only_question(arguments: list[str], recorded: str) -> str:
    """The question that goes with --from; "" for the recorded one."""
    if len(arguments) > 1:
        raise UsageError(
            "with --from the media are those of the run, and there is one more argument than that",
            hint='Give at most a question, in quotes: --from RUN "How far is the cup?"',
        )
    if not arguments and not recorded.strip():
        raise UsageError(
            "the run has no question", hint='Give one: --from RUN "How far is the cup?"'
        )
    if not arguments:
        return ""
    _check_question(arguments[0])
    return arguments[0].strip()


def split_arguments(arguments: list[str]) -> tuple[list[Path], str]:
    """Splits MEDIA... QUESTION.

    Raises:
        UsageError: No media, no question, or a question that is empty or far too long.
    """
    if not arguments:
        raise UsageError(
            "no picture and no question given",
            hint='Give both: spatialclaw ask PHOTO "How far is the cup?"',
        )
    *media, question = arguments
    if not media and Path(question).exists():
        raise UsageError(
            f"no question about {question}",
            hint='Put it last: spatialclaw ask PHOTO "How far is the cup?"',
        )
    if not media:
        raise UsageError(
            "no picture, video or capture given",
            hint='Name it before the question: spatialclaw ask PHOTO "How far is the cup?"',
        )
    _check_question(question)
    return [Path(path) for path in media], question.strip()


def _check_question(question: str) -> None:
    if not question.strip():
        raise UsageError("the question is empty", hint="Put it last, in quotes.")
    if "\n" not in question and len(question) < 1000 and Path(question).exists():
        raise UsageError(
            f"the last argument is a file, {question}, where the question belongs",
            hint="Put the question last, in quotes.",
        )
    if len(question) > MAX_QUESTION:
        raise UsageError(
            f"the question has {len(question)} characters, at most {MAX_QUESTION} are read",
            hint="Shorten it.",
        )


def _print_answer(answer: Answer, *, as_json: bool, console: Console) -> None:
    from spatialclaw.traces import answer_json

    console.summary(answer)
    if as_json:
        print(json.dumps(answer_json(answer), ensure_ascii=False), flush=True)
        return
    if answer.status == "failed":
        # Nothing that could be taken for an answer goes to stdout.
        print(f"spatialclaw: no answer: {' '.join(answer.reason.split())}", file=sys.stderr)
        return
    mark = " (best guess)" if answer.status == "best_guess" else ""
    print(f"{shown(answer.text)}{mark}", flush=True)
