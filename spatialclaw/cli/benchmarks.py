"""`spatialclaw benchmarks`: what there is, and scoring of predictions made elsewhere."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table

from spatialclaw.cli.app import app
from spatialclaw.evaluation.benchmark import all_benchmarks, find_benchmark, use_folder

__all__: list[str] = []

group = typer.Typer(no_args_is_help=True, help="Public benchmarks: what they are, and scoring.")
app.add_typer(group, name="benchmarks")


@group.command("list")
def list_benchmarks(
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON array")] = False,
) -> None:
    """List the benchmarks."""
    found = all_benchmarks().values()
    if as_json:
        print(json.dumps([{"name": b.name, "hub": b.hub, "questions": b.count} for b in found]))
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("name", "questions", "input", "answers", "data"):
        table.add_column(column, overflow="fold")
    for b in found:
        count = "" if b.count is None else f"{b.count:,}"
        table.add_row(b.name, count, b.inputs, b.answers, b.hub)
    Console(soft_wrap=True).print(table)


@group.command()
def show(name: Annotated[str, typer.Argument(help="a benchmark")]) -> None:
    """Show what a benchmark is and how its replies are read."""
    b = find_benchmark(name)
    facts = {
        "name": b.name,
        "title": b.title,
        "data": b.hub,
        "paper": f"arXiv {b.paper}" if b.paper else "",
        "questions": "" if b.count is None else f"{b.count:,}",
        "input": b.inputs,
        "answers": b.answers,
        "licence": b.licence,
        "scoring": " ".join((b.rule.__doc__ or "").split()) if b.rule else "not known",
        "note": b.note,
        "also": ", ".join(b.aliases),
    }
    for key, value in facts.items():
        if value:
            print(f"{key:10}{value}")


@group.command()
def prepare(
    names: Annotated[
        list[str], typer.Argument(help="benchmarks, also with a subset: vsi-bench@debiased")
    ],
    data_dir: Annotated[
        Path | None,
        typer.Option(help="a copy in the publisher's own layout; nothing is fetched"),
    ] = None,
    revision: Annotated[
        str | None, typer.Option(help="branch, tag or commit of the data; default: as before")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="fetch loose media of so many questions only")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check/--no-check", help="decode the media, to find broken ones")
    ] = True,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="fetch however much it is")] = False,
    benchmarks_dir: Annotated[
        Path | None, typer.Option(help="folder with benchmarks of your own")
    ] = None,
) -> None:
    """Fetch what benchmarks need, prove it whole, count it; afterwards all is offline."""
    from spatialclaw.evaluation.data.prepare import prepare as prepare_one

    if benchmarks_dir is not None:
        use_folder(benchmarks_dir)

    def confirm(question: str) -> bool:
        return yes or (sys.stdin.isatty() and typer.confirm(question))

    for name in names:
        prepared = prepare_one(
            name,
            data_dir=data_dir,
            revision=revision,
            limit=limit,
            check=check,
            tell=lambda line: print(line, file=sys.stderr, flush=True),
            confirm=confirm,
        )
        dataset = prepared.dataset
        revised = dataset.revision[:20]
        print(f"{dataset.benchmark}: {len(dataset.rows):,} questions, {revised}, {prepared.folder}")
        for note in dataset.notes:
            print(f"  note: {note}")
        for line in dataset.missing[:10]:
            print(f"  left out: {line}")
        if len(dataset.missing) > 10:
            print(f"  left out: {len(dataset.missing) - 10:,} more")


@group.command()
def score(
    file: Annotated[
        Path,
        typer.Argument(
            help="JSONL lines with id, benchmark, question_type, prediction, truth, extra"
        ),
    ],
    reading: Annotated[
        Literal["official", "lenient"],
        typer.Option(help="as the benchmark's own code reads a reply, or what it plainly says"),
    ] = "official",
) -> None:
    """Score predictions made elsewhere: a JSON line with id, score and read for each."""
    from spatialclaw.evaluation.score_file import read_predictions, score_prediction

    # Everything is read before the first line is printed: a bad line leaves no half result.
    scored = [
        score_prediction(prediction, reading=reading, folder=file.parent)
        for prediction in read_predictions(file)
    ]
    for line in scored:
        print(json.dumps(line, ensure_ascii=False))
