"""`spatialclaw benchmarks`: what there is, and scoring of predictions made elsewhere."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console
from rich.table import Table

from spatialclaw.cli.app import app
from spatialclaw.errors import SpatialclawError
from spatialclaw.evaluation.benchmark import Benchmark, all_benchmarks, use_folder

if TYPE_CHECKING:
    from spatialclaw.evaluation.rows import Dataset

__all__: list[str] = []

BenchmarksDir = Annotated[
    Path | None, typer.Option(help="folder with benchmarks of your own: .py files")
]

group = typer.Typer(no_args_is_help=True, help="Public benchmarks: what they are, and scoring.")
app.add_typer(group, name="benchmarks")


@group.command("list")
def list_benchmarks(
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON array")] = False,
    benchmarks_dir: BenchmarksDir = None,
) -> None:
    """List the benchmarks."""
    if benchmarks_dir is not None:
        use_folder(benchmarks_dir)
    found = all_benchmarks().values()
    if as_json:
        print(json.dumps([{"name": b.name, "hub": b.hub, "questions": b.count} for b in found]))
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("name", "questions", "input", "answers", "data"):
        table.add_column(column, overflow="fold", no_wrap=column == "name")
    for b in found:
        count = "" if b.count is None else f"{b.count:,}"
        table.add_row(b.name, count, b.inputs, b.answers, b.hub)
    console = Console(soft_wrap=True)
    if not console.is_terminal:
        console.width = 160
    console.print(table)


@group.command()
def show(
    name: Annotated[str, typer.Argument(help="a benchmark")],
    benchmarks_dir: BenchmarksDir = None,
) -> None:
    """Show what a benchmark is, where its data is, how replies are read, what others published."""
    from spatialclaw.evaluation.data import resolve_name
    from spatialclaw.evaluation.published import published_lines

    if benchmarks_dir is not None:
        use_folder(benchmarks_dir)
    b, subset = resolve_name(name)
    full = f"{b.name}@{subset}" if subset else b.name
    facts = {
        "name": full,
        "title": b.title,
        "data": f"https://huggingface.co/datasets/{b.hub}" if b.hub else "",
        "paper": f"arXiv {b.paper}" if b.paper else "",
        "questions": "" if b.count is None else f"{b.count:,}",
        "input": b.inputs,
        "answers": b.answers,
        "licence": b.licence,
        "scoring": " ".join((b.rule.__doc__ or "").split()) if b.rule else "not known",
        "note": b.note,
        "also": ", ".join(b.aliases),
        **_source_facts(b, subset),
    }
    for key, value in facts.items():
        if value:
            print(f"{key:10}{value}")
    for number, line in enumerate(published_lines(full)):
        print(f"{'published' if number == 0 else '':10}{line}")


def _source_facts(b: Benchmark, subset: str) -> dict[str, str]:
    """Where the data lies: tables, media, size, revision, subsets, and what is prepared here."""
    from spatialclaw.evaluation.data import cache_folder
    from spatialclaw.evaluation.data.hub import Lock, human

    source = b.source
    if source is None:
        return {}
    part = source.subset(subset)
    lock = Lock(cache_folder() / b.name / "prepared.json")
    prepared = ""
    if lock.files:
        size = sum(int(entry["size"]) for entry in lock.files.values())
        prepared = f"{len(lock.files)} files, {human(size)}, revision {lock.revision[:12]}"
    subsets = [
        f"{b.name}@{key}" + (f" ({one.count:,})" if one.count else "")
        for key, one in source.subsets.items()
    ]
    return {
        "tables": "; ".join(part.tables),
        "media": ", ".join(part.media) or "in the tables",
        "download": f"about {source.gigabytes:g} GB" if source.gigabytes else "",
        "revision": source.revision or "the newest when first prepared; kept from then on",
        "subsets": ", ".join(subsets),
        "prepared": prepared or f"no: `spatialclaw benchmarks prepare {b.name}`",
    }


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
    benchmarks_dir: BenchmarksDir = None,
) -> None:
    """Fetch what benchmarks need, prove it whole, count it; afterwards all is offline."""
    from spatialclaw.evaluation.data.prepare import prepare as prepare_one

    if benchmarks_dir is not None:
        use_folder(benchmarks_dir)

    def confirm(question: str) -> bool:
        return yes or (sys.stdin.isatty() and typer.confirm(question))

    status = 0
    for name in names:
        try:
            prepared = prepare_one(
                name,
                data_dir=data_dir,
                revision=revision,
                limit=limit,
                check=check,
                tell=lambda line: print(line, file=sys.stderr, flush=True),
                confirm=confirm,
            )
        except SpatialclawError as error:
            if len(names) == 1:
                raise
            # The others are prepared all the same.
            print(f"{name}: {error}", file=sys.stderr)
            status = status or error.exit_status
            continue
        _say_prepared(prepared.dataset, prepared.folder)
    if status:
        raise typer.Exit(status)


def _say_prepared(dataset: Dataset, folder: Path) -> None:
    """One line, then what the user should know, then the rows that are left out."""
    revised = dataset.revision[:20]
    print(f"{dataset.benchmark}: {len(dataset.rows):,} questions, {revised}, {folder}")
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
    summary: Annotated[
        Path | None, typer.Option(help="write the figures of each benchmark there, as JSON")
    ] = None,
    benchmarks_dir: BenchmarksDir = None,
) -> None:
    """Score predictions made elsewhere: a JSON line with id, score and read for each.

    The figures of each benchmark, as its authors make them, go to standard error.
    """
    from spatialclaw.evaluation.score_file import figures, read_predictions, score_prediction

    if benchmarks_dir is not None:
        use_folder(benchmarks_dir)
    # Everything is read before the first line is printed: a bad line leaves no half result.
    predictions = list(read_predictions(file))
    scored = [
        score_prediction(prediction, reading=reading, folder=file.parent)
        for prediction in predictions
    ]
    for line in scored:
        print(json.dumps(line, ensure_ascii=False))
    made = figures(predictions, scored)
    for name, values in made.items():
        print(f"{name}: {_said(values)}", file=sys.stderr)
    if summary is not None:
        text = json.dumps({"reading": reading, "benchmarks": made}, indent=1)
        summary.write_text(text + "\n", encoding="utf-8")


def _said(values: dict[str, Any]) -> str:
    parts = [f"{values['questions']} questions"]
    parts += [f"{values[key]} {said}" for key, said in _COUNTS.items() if values[key]]
    if values["mean"] is not None:
        parts.append(f"mean {values['mean']:.2f}")
    parts += [f"{name} {value:.2f}" for name, value in values["official"].items()]
    return ", ".join(parts)


_COUNTS = {
    "no_answer": "without an answer",
    "unreadable": "unreadable",
    "open": "not scored",
}
