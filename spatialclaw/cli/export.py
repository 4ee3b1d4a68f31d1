"""`spatialclaw export RUN --to notebook|sft|png|html`: what is made from the record of a run."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from spatialclaw.cli.app import app
from spatialclaw.errors import UsageError
from spatialclaw.traces.read import Run

__all__: list[str] = []


def _forms() -> list[str]:
    forms = ["notebook", "sft", "png"]
    if find_spec("spatialclaw.traces.html") is not None:
        forms.insert(1, "html")
    return forms


@app.command()
def export(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="run folders", show_default=False)
    ],
    to: Annotated[str, typer.Option("--to", help="notebook, html, sft or png")],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="file or folder to write (by default here, by the run's name)"),
    ] = None,
) -> int:
    """Make a notebook, a report, training data or pictures from the record of a run.

    The path of what was written goes to stdout.
    """
    forms = _forms()
    if to not in forms:
        raise UsageError(f"--to {to}: there is no such form", hint=f"One of {', '.join(forms)}.")
    if len(runs) > 1:
        raise UsageError(f"--to {to} takes one run, {len(runs)} are given")
    print(_ONE[to](Run(runs[0]), out))
    return 0


def _notebook(run: Run, out: Path | None) -> Path:
    from spatialclaw.traces.notebook import write_notebook

    return write_notebook(run, _target(run, out, ".ipynb"))


def _html(run: Run, out: Path | None) -> Path:
    from spatialclaw.traces.html import write_html

    target = _target(run, out, ".html")
    write_html(run, target)
    return target


def _target(run: Run, out: Path | None, suffix: str) -> Path:
    name = f"{run.path.resolve().name}{suffix}"
    if out is None:
        return Path(name)
    return out / name if out.is_dir() else out


_ONE: dict[str, Callable[[Run, Path | None], Path]] = {"notebook": _notebook, "html": _html}
