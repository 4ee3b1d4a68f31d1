"""`spatialclaw compare DIR DIR...`: evaluations side by side."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from spatialclaw.cli.app import app
from spatialclaw.errors import UsageError

__all__: list[str] = []


@app.command()
def compare(
    folders: Annotated[
        list[Path],
        typer.Argument(metavar="DIR DIR...", help="folders of evaluations; the first is the base"),
    ],
    as_json: Annotated[
        bool, typer.Option("--json", help="print one JSON object and nothing else")
    ] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="print CSV")] = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="print Markdown")] = False,
    seed: Annotated[int, typer.Option("--seed", help="seed of the resampling")] = 0,
) -> None:
    """Compare evaluations: what differs in their making, paired differences, flipped questions."""
    from spatialclaw.evaluation import compare as comparing

    if as_json + as_csv + as_markdown > 1:
        raise UsageError("choose one of --json, --csv and --markdown")
    comparison = comparing.compare(folders, seed=seed)
    if as_json:
        print(json.dumps(comparison, ensure_ascii=False), flush=True)
        return
    if as_csv:
        print(comparing.comparison_csv(comparison), end="", flush=True)
        return
    if as_markdown:
        print(comparing.comparison_markdown(comparison), end="", flush=True)
        return
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    for title, (head, rows) in comparing.comparison_tables(comparison):
        table = Table(box=None, padding=(0, 1, 0, 0), title=title, title_justify="left")
        for number, column in enumerate(head):
            table.add_column(
                column,
                overflow="fold",
                no_wrap=number > 0 and len(head) > 5,
                min_width=12 if number == 0 else 1,
            )
        for row in rows:
            table.add_row(*row)
        console.print(table if rows else f"{title}: nothing")
        console.print()
