"""Finding the service of this user, and starting it when there is none."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from spatialclaw._version import __version__
from spatialclaw.errors import PerceptionError
from spatialclaw.perception.places import PROTOCOL, socket_path
from spatialclaw.perception.wire import Closed, receive, receive_blocking, send, send_blocking

__all__ = ["connect", "log_path", "status", "stop"]

START_SECONDS = 60.0
HELLO_SECONDS = 10.0
_LOG_BYTES = 1_000_000
_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL", re.IGNORECASE)


def log_path() -> Path:
    """What the service writes to."""
    return socket_path().with_suffix(".log")


async def connect(run: str) -> tuple[socket.socket, int]:
    """A connection to the service for a run, and the number of the service's process.

    Raises:
        PerceptionError: It could not be started.
    """
    path = await asyncio.to_thread(socket_path)
    until = time.monotonic() + START_SECONDS
    started = False
    while True:
        found = await _greet(path, run)
        if found is not None:
            sock, hello = found
            if hello.get("version") == __version__ or started:
                return sock, int(hello["pid"])
            # One of another version, in the same place: an upgrade happened under it.
            await send(sock, {"op": "stop"})
            with contextlib.suppress(Closed):
                await receive(sock)
            sock.close()
            await asyncio.sleep(0.05)
            continue
        if time.monotonic() > until:
            raise PerceptionError(
                f"the perception service does not answer on {path}", hint=f"See {log_path()}"
            )
        said = await asyncio.to_thread(_start, path)
        started = True
        if said == "busy":
            await asyncio.sleep(0.05)
        elif said != "ready":
            raise PerceptionError(
                f"the perception service did not start ({said})", hint=f"See {log_path()}"
            )


async def _greet(path: Path, run: str) -> tuple[socket.socket, dict[str, Any]] | None:
    loop = asyncio.get_running_loop()
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.setblocking(False)
    try:
        await loop.sock_connect(sock, str(path))
        await send(sock, {"op": "hello", "protocol": PROTOCOL, "run": run})
        async with asyncio.timeout(HELLO_SECONDS):
            hello, _ = await receive(sock)
    except (OSError, TimeoutError):
        sock.close()
        return None
    except BaseException:
        sock.close()
        raise
    return sock, hello


def _start(path: Path) -> str:
    """Starts a service; what it says: "ready", "busy", or what is wrong."""
    reading, writing = os.pipe()
    log = path.with_suffix(".log")
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
    with contextlib.suppress(OSError):
        if log.stat().st_size > _LOG_BYTES:
            log.unlink()
    try:
        with (
            os.fdopen(os.open(log, flags, 0o600), "ab") as output,
            os.fdopen(reading, "rb") as words,
        ):
            try:
                subprocess.run(
                    [
                        *(sys.executable, "-P", "-m", "spatialclaw.perception.daemon"),
                        *(str(path), str(writing)),
                    ],
                    pass_fds=(writing,),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    cwd="/",
                    env=_environment(),
                    check=False,
                    timeout=START_SECONDS,
                )
            finally:
                os.close(writing)
            return words.readline().decode(errors="replace").strip() or "it ended at once"
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)


def _environment() -> dict[str, str]:
    """Ours, without anything that looks like a secret: models need none once they are here."""
    kept = {name: value for name, value in os.environ.items() if not _SECRET.search(name)}
    if "PYTHONPATH" in kept:
        parts = [str(Path(p).absolute()) for p in kept["PYTHONPATH"].split(os.pathsep) if p]
        kept["PYTHONPATH"] = os.pathsep.join(parts)
    return kept | {"HF_HUB_OFFLINE": "1"}


def _ask(message: dict[str, Any], seconds: float) -> dict[str, Any] | None:
    """One message to the service if there is one, without starting any."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(seconds)
        try:
            sock.connect(str(socket_path()))
            send_blocking(sock, {"op": "hello", "protocol": PROTOCOL, "run": f"ask {os.getpid()}"})
            receive_blocking(sock)
            send_blocking(sock, message)
            return receive_blocking(sock)[0]
        except OSError:
            return None


def status(seconds: float = 2.0) -> dict[str, Any] | None:
    """What the service says of itself, or None when none runs; starts nothing."""
    return _ask({"op": "status"}, seconds)


def stop(seconds: float = 20.0) -> bool:
    """Ends the service if one runs, and waits for it; whether one did."""
    path = socket_path()
    if _ask({"op": "stop"}, seconds) is None:
        return False
    until = time.monotonic() + seconds
    # The lock is let go when the process is gone, whoever has to notice its end.
    with path.with_suffix(".lock").open("r+b") as lock:
        while time.monotonic() < until:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(0.01)
    return True
