"""`spatialclaw explore MEDIA...`: a console on a live kernel, or a notebook."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from spatialclaw.cli.app import app
from spatialclaw.cli.options import shared_options
from spatialclaw.config import Resolved
from spatialclaw.errors import UsageError

__all__: list[str] = []


@app.command()
@shared_options
def explore(
    resolved: Resolved,
    media: Annotated[
        list[Path], typer.Argument(metavar="MEDIA...", help="pictures, videos, a folder, a capture")
    ],
    notebook: Annotated[
        bool, typer.Option("--notebook", help="write a notebook, and open it where JupyterLab is")
    ] = False,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="with --notebook: the file to write")
    ] = Path("explore.ipynb"),
    graphics: Annotated[
        str, typer.Option(help="pictures in the terminal: auto, kitty, iterm, sixel or off")
    ] = "auto",
) -> int:
    """Open a console on a live kernel over the media; /help lists what it can do besides Python.

    Reads cells from a pipe, too; the exit status is then 1 when one of them failed.
    """
    if graphics not in ("auto", "kitty", "iterm", "sixel", "off"):
        raise UsageError(f"--graphics {graphics}", hint="auto, kitty, iterm, sixel or off.")
    if notebook:
        return _notebook(media, out)
    from spatialclaw.cli.console import Console
    from spatialclaw.notebook.explorer import Explorer
    from spatialclaw.notebook.prompting import converse
    from spatialclaw.notebook.terminal_pictures import protocol_of

    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    shown: Any = graphics if graphics != "auto" else protocol_of() if terminal else "off"
    console = Console()
    with console.live():
        session = _session(media, resolved)
    explorer = Explorer(
        session,
        graphics=shown,
        on_event=console.event,
        colour=sys.stdout.isatty() and not os.environ.get("NO_COLOR"),
    )
    try:
        if terminal:
            print(f"{_told(session)}\nRecorded in {session.run_dir}. /help, Ctrl-D leaves.")
        converse(explorer, sys.stdin)
    finally:
        explorer.close()
    return 1 if explorer.failed and not terminal else 0


def _session(media: list[Path], resolved: Resolved) -> Any:
    from spatialclaw.api import Session

    return Session.of_resolved(media, resolved).open()


def _told(session: Any) -> str:
    return str(session.read("frames"))


def _notebook(media: list[Path], out: Path) -> int:
    from spatialclaw.traces.notebook import new_notebook

    for path in media:
        if not path.exists():
            raise UsageError(f"there is no {path}")
    if out.exists():
        raise UsageError(f"{out} is there already", hint="Choose another name with --out.")
    text = json.dumps(new_notebook(media, out.absolute().parent), ensure_ascii=False, indent=1)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {out}: {error.strerror or error}") from None
    print(out)
    lab = shutil.which("jupyter-lab")
    if lab is None or find_spec("jupyterlab") is None:
        print(
            "spatialclaw: JupyterLab is not installed here; pip install 'spatialclaw[notebook]'",
            file=sys.stderr,
        )
        return 0
    return subprocess.call([lab, str(out)])
