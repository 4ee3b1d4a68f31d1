"""`spatialclaw eval BENCHMARK...`: evaluates; the same command again goes on where it ended."""

from __future__ import annotations

import json
import re
import signal
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from spatialclaw.cli.app import Interrupted, app, complain
from spatialclaw.cli.options import shared_options
from spatialclaw.config import Resolved
from spatialclaw.errors import UsageError

__all__: list[str] = []


@app.command("eval")
@shared_options
def evaluate_command(
    resolved: Resolved,
    benchmarks: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="BENCHMARK...",
            help="names of benchmarks, or files of questions of your own",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="the evaluation's folder (default: by name)")
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option("--limit", help="ask at most so many of each: shuffled with seed 42, cut"),
    ] = None,
    epochs: Annotated[int, typer.Option("--epochs", help="ask each question so often")] = 1,
    concurrency: Annotated[
        int, typer.Option("--concurrency", help="questions under way at once, at most")
    ] = 8,
    subset_seed: Annotated[
        int, typer.Option("--subset-seed", help="seed of the shuffle before --limit cuts")
    ] = 42,
    shard: Annotated[
        str | None, typer.Option("--shard", help="ask part i of n only, such as 0/8")
    ] = None,
    data_dir: Annotated[
        Path | None,
        typer.Option("--data-dir", help="a copy of the data in the publisher's own layout"),
    ] = None,
    retry_infra: Annotated[
        int, typer.Option("--retry-infra", help="further attempts when a server or kernel fails")
    ] = 3,
    max_total_cost: Annotated[
        float | None, typer.Option("--max-total-cost", help="US dollars for all questions together")
    ] = None,
    fork: Annotated[
        bool, typer.Option("--fork", help="take a new folder when the settings differ")
    ] = False,
    engine: Annotated[
        Literal["local", "ray"], typer.Option("--engine", help="this process, or a Ray cluster")
    ] = "local",
    ray_address: Annotated[
        str | None, typer.Option("--ray-address", help="of the cluster (default: this machine)")
    ] = None,
    ray_workers: Annotated[
        int | None, typer.Option("--ray-workers", help="workers that answer questions")
    ] = None,
    judge_model: Annotated[
        str | None,
        typer.Option("--judge-model", help="judges free answers for which there is no rule"),
    ] = None,
    judge_base_url: Annotated[
        str | None, typer.Option("--judge-base-url", help="its server (default: --base-url)")
    ] = None,
    rescore: Annotated[
        Path | None,
        typer.Option("--rescore", help="score this evaluation's records anew; asks no model"),
    ] = None,
    merge: Annotated[
        Path | None, typer.Option("--merge", help="put the shards in this folder together")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="print one JSON object and nothing else")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="no progress")] = False,
) -> int:
    """Evaluate on benchmarks; the same command again goes on where it ended.

    Results lie in one file in the evaluation's folder, a run folder beside it for each question.
    Exit status: 0 all questions have ended; 1 some have not, or their infrastructure failed.
    """
    from spatialclaw.evaluation.evaluate import Plan, evaluate
    from spatialclaw.evaluation.judge import JudgeOptions

    if rescore is not None or merge is not None:
        if benchmarks or (rescore is not None and merge is not None):
            raise UsageError("--rescore and --merge stand alone, each with its folder")
        return _again(rescore, merge, as_json=as_json)
    if not benchmarks:
        raise UsageError("no benchmark named", hint="`spatialclaw benchmarks list` names them.")
    plan = Plan(
        names=benchmarks,
        resolved=resolved,
        out=out,
        limit=limit,
        epochs=epochs,
        concurrency=concurrency,
        subset_seed=subset_seed,
        shard=_shard(shard),
        fork=fork,
        retries=retry_infra,
        max_total_cost=max_total_cost,
        data_dir=data_dir,
        engine=engine,
        ray_address=ray_address,
        ray_workers=ray_workers,
        judge=JudgeOptions(judge_model, judge_base_url) if judge_model else None,
        quiet=quiet,
    )
    # A scheduler that ends the job is answered as Ctrl-C is: what has ended is kept.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        ended = evaluate(plan)
    except KeyboardInterrupt:
        raise Interrupted(
            "interrupted; what has ended is kept, and the same command goes on"
        ) from None
    _print(ended.folder, ended.summary, ended.manifest, as_json=as_json)
    for note in ended.notes:
        complain(note)
    if ended.stopped is not None:
        complain(str(ended.stopped))
        return ended.stopped.status
    return 0 if ended.summary["complete"] else 1


def _shard(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    found = re.fullmatch(r"(\d+)/(\d+)", text.strip())
    if not found or int(found[1]) >= int(found[2]):
        raise UsageError(f"--shard {text}", hint="Say 0/8 for the first of 8, up to 7/8.")
    return int(found[1]), int(found[2])


def _again(rescore: Path | None, merge: Path | None, *, as_json: bool) -> int:
    from spatialclaw.evaluation.maintain import merge_shards, rescore_folder

    if rescore is not None:
        changed, summary, manifest = rescore_folder(rescore)
        _print(rescore, summary, manifest, as_json=as_json)
        complain(f"{changed} scores changed")
        return 0
    assert merge is not None
    summary, manifest = merge_shards(merge)
    _print(merge, summary, manifest, as_json=as_json)
    return 0 if summary["complete"] else 1


def _print(folder: Path, summary: object, manifest: object, *, as_json: bool) -> None:
    from typing import Any, cast

    from spatialclaw.evaluation.report import figures_table, tasks_table

    figures = cast("dict[str, Any]", summary)
    if as_json:
        print(json.dumps({"folder": str(folder), **figures}, ensure_ascii=False), flush=True)
        return
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else 160)
    tables = [("", figures_table(figures))]
    for name, benchmark in figures["benchmarks"].items():
        tasks = tasks_table(benchmark)
        if tasks is not None:
            tables.append((name, tasks))
    for title, (head, rows) in tables:
        table = Table(box=None, padding=(0, 1, 0, 0), title=title or None, title_justify="left")
        for number, column in enumerate(head):
            table.add_column(
                column, overflow="fold", no_wrap=number > 0, min_width=12 if number == 0 else 1
            )
        for row in rows:
            table.add_row(*row)
        console.print(table)
    for name, benchmark in figures["benchmarks"].items():
        for line in benchmark.get("published") or ():
            console.print(f"{name}, published: {line}", highlight=False)
    console.print(f"\n{folder / 'report.md'}", highlight=False)
