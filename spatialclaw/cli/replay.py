"""`spatialclaw replay RUN`: executes a recorded run's cells again and compares."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from spatialclaw.cli.app import app
from spatialclaw.cli.options import shared_options
from spatialclaw.config import Resolved

__all__: list[str] = []


@app.command()
@shared_options
def replay(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="a run folder", show_default=False)],
    resolved: Resolved,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> int:
    """Execute a recorded run's cells again in a fresh kernel and compare what they give.

    No model is asked. Exit status 0 when every cell gives the same, 1 when one does not.
    """
    from spatialclaw.traces import Run
    from spatialclaw.traces.replay import replay_run

    comparisons = asyncio.run(replay_run(Run(run), resolved.settings))
    same = sum(c.same for c in comparisons)
    if as_json:
        cells = [
            {
                "number": c.number,
                "same": c.same,
                "differences": [
                    {"what": what, "then": then, "now": now} for what, then, now in c.differences
                ],
            }
            for c in comparisons
        ]
        print(json.dumps({"run": str(run), "cells": len(cells), "same": same, "results": cells}))
        return 0 if same == len(comparisons) else 1
    console = Console(highlight=False, soft_wrap=True)
    for comparison in comparisons:
        word = "same" if comparison.same else "differs"
        console.print(Text(f"cell {comparison.number}: {word}"))
        for what, then, now in comparison.differences:
            console.print(Text(f"  {what} then: {_short(then)}"))
            console.print(Text(f"  {what} now:  {_short(now)}"))
    console.print(Text(f"{same} of {len(comparisons)} cells give the same"))
    return 0 if same == len(comparisons) else 1


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 300 else f"{line[:300]} ..."
