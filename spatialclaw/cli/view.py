"""`spatialclaw view [DIR]`: a local web page over runs and evaluations."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from spatialclaw.cli.app import app, complain
from spatialclaw.config import resolve_settings
from spatialclaw.errors import UsageError

__all__: list[str] = []


@app.command()
def view(
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="[DIR]",
            help="a run, a folder of runs, or an evaluation (by default the --runs-dir in use)",
            show_default=False,
        ),
    ] = None,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="port of 127.0.0.1; 0 takes a free one")
    ] = 0,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="print the address only")
    ] = False,
    rerun: Annotated[
        bool,
        typer.Option("--rerun", help="write the scenes of the run DIR for Rerun, and end"),
    ] = False,
) -> int:
    """Look at runs and evaluations in the browser, live while they run.

    Only this machine can open the page, with the token in the address that goes to stdout.
    Interrupt it to end it.
    """
    chosen = folder or resolve_settings({}).settings.runs_dir
    if rerun:
        from spatialclaw.traces.read import Run
        from spatialclaw.traces.rerun import write_rrd

        run = Run(chosen)
        print(write_rrd(run, Path(f"{run.path.resolve().name}.rrd")))
        return 0
    if find_spec("starlette") is None or find_spec("uvicorn") is None:
        raise UsageError(
            "the viewer is not installed", hint="Install it with: pip install 'spatialclaw[viewer]'"
        )
    from spatialclaw.viewer import Viewing

    viewing = Viewing(chosen, port=port)
    print(viewing.address, flush=True)
    complain(f"shows {chosen}; interrupt (Ctrl-C) ends it")
    if not no_browser and _has_display():
        import webbrowser

        webbrowser.open(viewing.address)
    viewing.run()
    return 0


def _has_display() -> bool:
    import sys

    if sys.platform in ("darwin", "win32"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
