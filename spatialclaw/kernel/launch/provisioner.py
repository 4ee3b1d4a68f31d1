"""Jupyter's way to our kernels: any Jupyter client can start a forked, confined kernel.

A kernelspec chooses it with ``metadata.kernel_provisioner.provisioner_name``
"spatialclaw-provisioner"; ``config`` there may set `confine` and the limits. The transport becomes
ipc whatever the client had in mind: a strict kernel has no network.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_client.kernelspec import KernelSpec
from jupyter_client.provisioning import LocalProvisioner
from traitlets import Enum, Int, List, Unicode

from spatialclaw.kernel.launch.launched import Launched
from spatialclaw.kernel.launch.options import LaunchOptions, Layout
from spatialclaw.kernel.launch.start import prepare, start
from spatialclaw.kernel.launch.stock import scratch_of_our_own

if TYPE_CHECKING:
    from spatialclaw.notebook.host import NotebookHost

__all__ = ["NAME", "KernelProvisioner", "kernelspec"]

NAME = "spatialclaw-provisioner"


def kernelspec(confine: str = "strict", **config: Any) -> KernelSpec:
    """A kernelspec that chooses the provisioner, in memory; its `to_json` is a ``kernel.json``.

    Its command line starts a kernel that is confined alike, for those who know no provisioners.
    """
    return KernelSpec(
        argv=[
            sys.executable,
            "-m",
            "spatialclaw.kernel.launch.stock",
            "-f",
            "{connection_file}",
            "--confine",
            confine,
        ],
        display_name="spatialclaw",
        language="python",
        interrupt_mode="signal",
        metadata={
            "kernel_provisioner": {
                "provisioner_name": NAME,
                "config": {"confine": confine, **config},
            }
        },
    )


def _hand_over(connection_file: Path, layout: Layout) -> str:
    text = connection_file.read_text(encoding="utf-8")
    layout.connection.touch(mode=0o600)
    layout.connection.write_text(text, encoding="utf-8")
    return text


class KernelProvisioner(LocalProvisioner):  # type: ignore[misc]  # jupyter_client is untyped
    """Starts kernels from the template, confined."""

    confine = Enum(["strict", "process", "off"], "strict", config=True)
    memory_bytes = Int(LaunchOptions.memory_bytes, config=True)
    processes = Int(LaunchOptions.processes, config=True)
    file_bytes = Int(LaunchOptions.file_bytes, config=True)
    work_bytes = Int(LaunchOptions.work_bytes, config=True)
    folders = List(Unicode(), config=True, help="where media may lie; anywhere when empty")

    launched: Launched | None = None
    layout: Layout | None = None
    host: NotebookHost | None = None

    @property
    def has_process(self) -> bool:
        """Whether a kernel was started and not yet cleaned up."""
        return self.launched is not None

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """Puts the connection on Unix sockets in the kernel's scratch."""
        if self.layout is None:
            self.layout = scratch_of_our_own()
        manager = self.parent
        if manager.transport != "ipc":
            manager.transport = "ipc"
            for name in ("shell", "iopub", "stdin", "hb", "control"):
                setattr(manager, f"{name}_port", 0)
        manager.ip = str(self.layout.ipc / "k")
        manager.cache_ports = False
        return dict(await super().pre_launch(**kwargs))

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        """Forks, confines and runs a kernel; `cmd` is what the stock way would have executed."""
        assert self.layout is not None
        prepare(self.layout.scratch)
        connection = _hand_over(Path(self.parent.connection_file), self.layout)
        options = LaunchOptions(
            self.layout.scratch,
            confine=self.confine,
            memory_bytes=self.memory_bytes,
            processes=self.processes,
            file_bytes=self.file_bytes,
            work_bytes=self.work_bytes,
        )
        argv = ["-f", str(self.layout.connection), "--namespace"]
        argv += ["--gateway", str(self._serve(Path(kwargs.get("cwd") or Path.cwd())))]
        self.launched = await start(options, argv)
        self.pid, self.pgid = self.launched.pid, None
        self.cwd = str(self.layout.work)
        self.connection_info = {**json.loads(connection), "key": self.parent.session.key}
        return self.connection_info

    def _serve(self, folder: Path) -> Path:
        """Starts what answers this kernel's requests for media; gives its socket."""
        from spatialclaw.notebook.host import NotebookHost

        assert self.layout is not None
        if self.host is not None:
            self.host.close()
        socket = self.layout.ipc / "gate"
        self.host = NotebookHost(socket, folder, [Path(f).expanduser() for f in self.folders])
        return socket

    async def poll(self) -> int | None:
        """None while it runs."""
        return 0 if self.launched is None else self.launched.poll()

    async def wait(self) -> int | None:
        """Waits for its end."""
        return 0 if self.launched is None else await self.launched.wait()

    async def send_signal(self, signum: int) -> None:
        """Passes a signal on."""
        if self.launched is None or self.launched.poll() is not None:
            return
        if signum == signal.SIGKILL:
            self.launched.kill()
        else:
            self.launched.send_signal(signum)

    async def kill(self, restart: bool = False) -> None:
        """Ends it and everything below it."""
        if self.launched is not None:
            self.launched.kill()

    async def terminate(self, restart: bool = False) -> None:
        """Asks it to end."""
        await self.send_signal(signal.SIGTERM)

    async def cleanup(self, restart: bool = False) -> None:
        """Removes what belongs to the ended kernel; the scratch only when it is not restarted."""
        if self.launched is not None:
            launched, self.launched = self.launched, None
            await launched.aclose()
        if self.host is not None:
            host, self.host = self.host, None
            await asyncio.to_thread(host.close)
        if not restart and self.layout is not None:
            layout, self.layout = self.layout, None
            await asyncio.to_thread(shutil.rmtree, layout.scratch, ignore_errors=True)
