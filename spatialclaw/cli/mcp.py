"""`spatialclaw mcp`: ask, run_cell, show and measure for any MCP client, over stdio."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from spatialclaw.cli.app import app
from spatialclaw.cli.options import shared_options
from spatialclaw.config import Resolved
from spatialclaw.errors import UsageError

__all__: list[str] = []


@app.command()
@shared_options
def mcp(
    resolved: Resolved,
    root: Annotated[
        list[Path] | None,
        typer.Option(
            "--root", help="a folder that media may lie below (the current one by default)"
        ),
    ] = None,
) -> int:
    """Serve the tools ask, run_cell, show and measure to an MCP client on stdin and stdout.

    Their cells run in the same confined kernels as those of `ask`.
    """
    if find_spec("mcp") is None:
        raise UsageError("the MCP SDK is not installed", hint="pip install 'spatialclaw[mcp]'")
    roots = root or [Path()]
    for folder in roots:
        if not folder.is_dir():
            raise UsageError(f"--root {folder} is not a folder")
    from spatialclaw.mcp_server import serve

    serve(resolved, roots)
    return 0
