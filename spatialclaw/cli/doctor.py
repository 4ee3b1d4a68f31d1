"""`spatialclaw doctor`: what works here, and what to do about the rest."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from spatialclaw.checks import Check, run_checks
from spatialclaw.cli.app import app
from spatialclaw.cli.options import shared_options
from spatialclaw.config import Resolved

__all__: list[str] = []

_MARK = {"ok": ("ok", "green"), "partly": ("partly", "yellow"), "no": ("no", "red")}


@app.command()
@shared_options
def doctor(
    resolved: Resolved,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
    vlm: Annotated[
        bool, typer.Option("--vlm", help="ask the VLM about a drawn picture (three requests)")
    ] = False,
    reap: Annotated[
        bool, typer.Option("--reap", help="end what earlier runs left behind, and only that")
    ] = False,
) -> int:
    """Try what a question needs: kernel, confinement, backend, models; and print the settings."""
    if reap:
        return _reap()
    checks = asyncio.run(run_checks(resolved, vlm=vlm))
    needed = [c for c in checks if c.state == "no" and c.group in ("kernel", "files")]
    if as_json:
        print(
            json.dumps(
                {
                    "checks": [asdict(check) for check in checks],
                    "settings": {
                        name: {"value": value, "source": resolved.sources[name]}
                        for name, value in resolved.settings.public().items()
                    },
                    "unknown_environment": resolved.unknown_environment,
                }
            )
        )
    else:
        _print(checks, resolved)
    return 1 if needed else 0


def _print(checks: list[Check], resolved: Resolved) -> None:
    console = Console(soft_wrap=True, highlight=False)
    width = max(len(f"{c.group}: {c.name}") for c in checks)
    for check in checks:
        word, colour = _MARK[check.state]
        line = Text(f"{word:7}", style=colour)
        line.append(f"{check.group + ': ' + check.name:{width + 2}}", style="bold")
        line.append(check.detail)
        console.print(line)
        if check.remedy:
            console.print(Text(" " * (width + 9) + f"-> {check.remedy}", style="yellow"))
    table = Table(title="settings", title_justify="left", box=None, padding=(0, 2, 0, 0))
    for column in ("name", "value", "from"):
        table.add_column(column, overflow="fold")
    for name, value in resolved.settings.public().items():
        table.add_row(name, str(value), resolved.sources[name])
    console.print(table)
    for name in resolved.unknown_environment:
        console.print(Text(f"the environment sets {name}, which means nothing", style="yellow"))


def _reap() -> int:
    from spatialclaw.kernel.launch import reap

    found = reap()
    for leftover in found:
        print(leftover)
    print(f"{len(found)} leftover{'s' * (len(found) != 1)} of earlier runs ended")
    return 0
