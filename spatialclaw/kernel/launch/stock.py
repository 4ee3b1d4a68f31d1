"""A confined kernel for whoever starts kernels by their command line: VS Code, any Jupyter.

``python -m spatialclaw.kernel.launch.stock -f CONNECTION_FILE`` starts a kernel in a scratch of its
own and passes bytes between the frontend's sockets and the kernel's. The kernel has no network: it
knows only the Unix sockets in its scratch.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from spatialclaw.errors import SpatialclawError
from spatialclaw.kernel.launch.launched import Launched
from spatialclaw.kernel.launch.options import LaunchOptions, Layout
from spatialclaw.kernel.launch.reaping import PREFIX
from spatialclaw.kernel.launch.start import prepare, start

__all__ = ["main", "scratch_of_our_own"]

_CHANNELS = ("shell", "iopub", "stdin", "control", "hb")
_BIND_SECONDS = 60.0


def scratch_of_our_own() -> Layout:
    """A new scratch, in memory where the machine has a place for that."""
    shm = Path("/dev/shm")  # noqa: S108
    root = shm if shm.is_dir() else Path(tempfile.gettempdir())
    return prepare(Path(tempfile.mkdtemp(prefix=PREFIX, dir=root)))


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a kernel until it ends; the exit status is the kernel's."""
    parser = argparse.ArgumentParser(prog="spatialclaw.kernel.launch.stock")
    parser.add_argument("-f", dest="connection", type=Path, required=True)
    parser.add_argument("--confine", choices=["strict", "process", "off"], default="strict")
    parser.add_argument("--memory", type=int, help="MiB")
    parser.add_argument("--folder", type=Path, action="append", default=[])
    given = parser.parse_args(argv)
    try:
        return asyncio.run(_run(given))
    except SpatialclawError as error:
        print(f"spatialclaw: {error}", file=sys.stderr)
        return error.exit_status


async def _run(given: argparse.Namespace) -> int:
    from spatialclaw.notebook.host import NotebookHost

    outer = json.loads(await asyncio.to_thread(given.connection.read_text, encoding="utf-8"))
    layout = scratch_of_our_own()
    host = None
    try:
        layout.connection.touch(mode=0o600)
        layout.connection.write_text(json.dumps({**outer, **layout.sockets()}), encoding="utf-8")
        gate = layout.ipc / "gate"
        host = await asyncio.to_thread(NotebookHost, gate, Path.cwd(), given.folder)
        options = LaunchOptions(layout.scratch, confine=given.confine)
        if given.memory:
            options = LaunchOptions(
                layout.scratch, confine=given.confine, memory_bytes=given.memory * 1024**2
            )
        argv = ["-f", str(layout.connection), "--gateway", str(gate), "--namespace"]
        launched = await start(options, argv)
        try:
            return await _serve(launched, outer, layout.sockets())
        finally:
            await launched.aclose()
    finally:
        if host is not None:
            await asyncio.to_thread(host.close)
        await asyncio.to_thread(shutil.rmtree, layout.scratch, ignore_errors=True)


async def _serve(launched: Launched, outer: dict[str, Any], inner: dict[str, Any]) -> int:
    """Passes bytes and signals until the kernel ends, or whoever started this has gone."""
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, launched.send_signal, signal.SIGINT)
    for number in (signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, launched.kill)
    servers = [await _listen(outer, inner, f"{name}_port") for name in _CHANNELS]
    orphaned = asyncio.ensure_future(_end_with_parent(launched, os.getppid()))
    try:
        status = await launched.wait()
        return 0 if status is None else status
    finally:
        orphaned.cancel()
        for server in servers:
            server.close()


async def _end_with_parent(launched: Launched, parent: int) -> None:
    while os.getppid() == parent:  # noqa: ASYNC110 (nobody tells of it)
        await asyncio.sleep(1.0)
    launched.kill()


async def _listen(outer: dict[str, Any], inner: dict[str, Any], port: str) -> asyncio.Server:
    path = f"{inner['ip']}-{inner[port]}"

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _join(reader, writer, path)

    if outer.get("transport") == "ipc":
        return await asyncio.start_unix_server(connected, f"{outer['ip']}-{outer[port]}")
    return await asyncio.start_server(connected, outer["ip"], outer[port])


async def _join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str) -> None:
    """Connects a frontend's stream with the kernel's socket; ends with either."""
    try:
        inside = await _kernels_side(path)
    except OSError:
        writer.close()  # the kernel is gone; the frontend will try again or notice
        return
    ways = [
        asyncio.ensure_future(_pass(reader, inside[1])),
        asyncio.ensure_future(_pass(inside[0], writer)),
    ]
    await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    for way in ways:
        way.cancel()
    for end in (writer, inside[1]):
        end.close()


async def _kernels_side(path: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    until = asyncio.get_running_loop().time() + _BIND_SECONDS
    while True:
        try:
            return await asyncio.open_unix_connection(path)
        except OSError:
            if asyncio.get_running_loop().time() > until:
                raise
            await asyncio.sleep(0.02)  # the kernel has not bound it yet


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()


if __name__ == "__main__":
    sys.exit(main())
