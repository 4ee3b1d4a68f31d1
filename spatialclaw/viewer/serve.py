"""Listens on this machine and says where."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable
from pathlib import Path

import uvicorn

from spatialclaw.errors import UsageError
from spatialclaw.viewer.app import make_app
from spatialclaw.viewer.corrections import Corrections
from spatialclaw.viewer.guard import Guard
from spatialclaw.viewer.index import Index

__all__ = ["serve"]


def serve(folder: Path, *, port: int = 0, ready: Callable[[str], None]) -> None:
    """Serves a folder until interrupted.

    Args:
        folder: A run folder, a folder of runs, an evaluation's folder, or a folder of those.
        port: Of 127.0.0.1; 0 takes a free one.
        ready: Called with the address, token included, when the viewer listens.

    Raises:
        UsageError: There is no such folder, or the port is taken.
    """
    if not folder.is_dir():
        raise UsageError(
            f"{folder} is no folder",
            hint="Name a folder of runs, such as the --runs-dir of `spatialclaw ask`.",
        )
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError as error:
            raise UsageError(
                f"port {port} of this machine cannot be used: {(error.strerror or '').lower()}",
                hint="Leave --port out to take a free one.",
            ) from error
        listener.listen(128)
        chosen = listener.getsockname()[1]
        index = Index(folder)
        index.refresh()
        # Verdicts about a single run lie beside it, not in it.
        beside = index.root.parent if (index.root / "events.jsonl").exists() else index.root
        token = secrets.token_urlsafe(24)
        app = Guard(make_app(index, Corrections(beside)), token=token, port=chosen)
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=1,
        )
        ready(f"http://127.0.0.1:{chosen}/?token={token}")
        try:
            uvicorn.Server(config).run(sockets=[listener])
        finally:
            index.close()
