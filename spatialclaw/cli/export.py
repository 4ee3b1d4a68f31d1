"""`spatialclaw export RUN --to notebook|sft|png|html`: what is made from the record of a run."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from spatialclaw.cli.app import app
from spatialclaw.errors import UsageError
from spatialclaw.traces.read import Run

__all__: list[str] = []

_SFT: dict[str, Any] = {"rich_help_panel": "Training data"}


def _forms() -> list[str]:
    forms = ["notebook", "sft", "png"]
    if find_spec("spatialclaw.traces.html") is not None:
        forms.insert(1, "html")
    return forms


@app.command()
def export(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN...",
            help="a run folder; for sft several, or an evaluation",
            show_default=False,
        ),
    ],
    to: Annotated[str, typer.Option("--to", help="notebook, html, sft or png")],
    form: Annotated[
        str, typer.Option("--format", help="sft: openai (messages) or sharegpt", **_SFT)
    ] = "openai",
    pairs: Annotated[
        bool,
        typer.Option("--pairs", help="sft: pairs of a right and a wrong run of a question", **_SFT),
    ] = False,
    right: Annotated[
        bool, typer.Option("--right", help="sft: only answers known to be right", **_SFT)
    ] = False,
    executable: Annotated[
        bool, typer.Option("--executable", help="sft: only runs all of whose cells ran", **_SFT)
    ] = False,
    reflective: Annotated[
        bool,
        typer.Option("--reflective", help="sft: only runs that revised something", **_SFT),
    ] = False,
    max_tokens: Annotated[
        int | None, typer.Option("--max-tokens", help="sft: only shorter ones (estimated)", **_SFT)
    ] = None,
    truth: Annotated[
        Path | None,
        typer.Option("--truth", help="sft: JSON lines of truths or corrections", **_SFT),
    ] = None,
    images: Annotated[
        str | None,
        typer.Option("--images", help="sft: inline or files (files for sharegpt)", **_SFT),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="file or folder to write (by default here, by the run's name)"
        ),
    ] = None,
) -> int:
    """Make a notebook, a report, training data or pictures from the record of a run.

    The path of what was written goes to stdout.
    """
    forms = _forms()
    if to not in forms:
        raise UsageError(f"--to {to}: there is no such form", hint=f"One of {', '.join(forms)}.")
    if to == "sft":
        if form not in ("openai", "sharegpt"):
            raise UsageError(f"--format {form}", hint="openai or sharegpt.")
        if images not in (None, "inline", "files"):
            raise UsageError(f"--images {images}", hint="inline or files.")
        from spatialclaw.traces.sft import SftOptions, write_sft

        options = SftOptions(
            form,  # type: ignore[arg-type]
            pairs=pairs,
            right=right,
            executable=executable,
            reflective=reflective,
            max_tokens=max_tokens,
            files=images == "files" or (images is None and form == "sharegpt"),
        )
        target = out or Path("training.jsonl")
        written = write_sft(runs, target, options, truth)
        for why, count in sorted(written.left_out.items()):
            print(f"left out: {count} {why}", file=sys.stderr)
        print(f"{written.lines} line{'s' * (written.lines != 1)}", file=sys.stderr)
        print(target)
        return 0 if written.lines else 1
    if len(runs) > 1 and out is not None and not out.is_dir():
        raise UsageError(
            f"{len(runs)} runs do not go into one file, {out}", hint="Give a folder that is there."
        )
    for path in runs:
        print(_ONE[to](Run(path), out))
    return 0


def _notebook(run: Run, out: Path | None) -> Path:
    from spatialclaw.traces.notebook import write_notebook

    return write_notebook(run, _target(run, out, ".ipynb"))


def _png(run: Run, out: Path | None) -> Path:
    from spatialclaw.traces.png import write_png

    if out is not None and (out.suffix.lower() == ".png" or not out.is_dir()):
        return write_png(run, out)
    return write_png(run, (out or Path()) / f"{run.path.resolve().name}_steps")


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


_ONE: dict[str, Callable[[Run, Path | None], Path]] = {
    "notebook": _notebook,
    "html": _html,
    "png": _png,
}
