"""Listens on this machine and says where."""

from __future__ import annotations

import secrets
import socket
from contextlib import suppress
from pathlib import Path

import uvicorn

from spatialclaw.errors import UsageError
from spatialclaw.viewer.app import make_app
from spatialclaw.viewer.corrections import Corrections
from spatialclaw.viewer.guard import Guard
from spatialclaw.viewer.index import Index

__all__ = ["Viewing"]


class Viewing:
    """A viewer that listens on 127.0.0.1 from its making on; `run` answers until `stop`.

    Args:
        folder: A run folder, a folder of runs, an evaluation's folder, or a folder of those.
        port: 0 takes a free one.

    Attributes:
        address: What to open, token included.

    Raises:
        UsageError: There is no such folder, or the port is taken.
    """

    def __init__(self, folder: Path, *, port: int = 0) -> None:
        if not folder.is_dir():
            raise UsageError(
                f"{folder} is no folder",
                hint="Name a folder of runs, such as the --runs-dir of `spatialclaw ask`.",
            )
        self._listener = _listen(port)
        chosen = self._listener.getsockname()[1]
        self.index = Index(folder)
        self.index.refresh()
        # Verdicts about a single run lie beside it, not in it.
        root = self.index.root
        beside = root.parent if (root / "events.jsonl").exists() else root
        token = secrets.token_urlsafe(24)
        self.address = f"http://127.0.0.1:{chosen}/?token={token}"
        app = make_app(self.index, Corrections(beside), stopping=self._stopping)
        config = uvicorn.Config(
            Guard(app, token=token, port=chosen),
            log_level="warning",
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)

    def _stopping(self) -> bool:
        return self._server.should_exit

    def run(self) -> None:
        """Answers until stopped or interrupted."""
        try:
            # uvicorn raises the interruption again when it has ended in good order.
            with suppress(KeyboardInterrupt):
                self._server.run(sockets=[self._listener])
        finally:
            self.index.close()
            self._listener.close()

    def stop(self) -> None:
        """Lets `run` return; from any thread."""
        self._server.should_exit = True


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise UsageError(
            f"port {port} of this machine cannot be used: {(error.strerror or '').lower()}",
            hint="Leave --port out to take a free one.",
        ) from error
    return listener
