"""IPython's kernel application, with one thread less and able to come back on new sockets."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ipykernel.debugger
import zmq
from ipykernel.iostream import IOPubThread
from ipykernel.ipkernel import IPythonKernel
from ipykernel.kernelapp import IPKernelApp
from ipykernel.zmqshell import ZMQInteractiveShell
from jupyter_client.session import Session
from tornado.ioloop import IOLoop
from traitlets import Type
from traitlets.config import Config

from spatialclaw.kernel.inside.cell import CellWatch
from spatialclaw.kernel.inside.guard import Tie
from spatialclaw.kernel.inside.sleep import Woken
from spatialclaw.kernel.inside.stream import CappedStream
from spatialclaw.kernel.inside.trace import describe

__all__ = ["App", "Order", "make"]

_buried: list[Any] = []
"""Objects of a life before a snapshot: their descriptors are closed, they must never be freed."""


@dataclass
class Order:
    """What to do when the event loop has stopped."""

    name: str


class Shell(ZMQInteractiveShell):  # type: ignore[misc]
    """IPython's shell; its tracebacks are short plain text about the cell."""

    last_error: dict[str, Any] | None = None

    def showtraceback(self, *_args: Any, **_kwargs: Any) -> None:
        """Keeps a description of the exception for the cell's report; prints nothing."""
        etype, value, trace = sys.exc_info()
        if value is None:
            etype, value, trace = sys.last_type, sys.last_value, sys.last_traceback
        self._keep(etype, value, trace)

    def showsyntaxerror(self, *_args: Any, **_kwargs: Any) -> None:
        """Likewise for a cell that is no Python."""
        self._keep(*sys.exc_info())

    showindentationerror = showsyntaxerror

    def _keep(self, etype: Any, value: Any, trace: Any) -> None:
        self.last_error = describe(etype, value, trace, self.compile)
        self._last_traceback = [self.last_error["traceback"]]


class Kernel(IPythonKernel):  # type: ignore[misc]
    """IPython's kernel with our report after each cell and our requests on the shell channel."""

    shell_class = Type(Shell)
    _execute_sleep = 0

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.shell_handlers["spatialclaw_request"] = self.spatialclaw_request
        self.watch: CellWatch | None = None

    async def do_execute(self, code: str, silent: bool, *args: Any, **kwargs: Any) -> Any:
        """Runs a cell between the two halves of the watch."""
        if silent or self.watch is None:
            return await super().do_execute(code, silent, *args, **kwargs)
        self.shell.last_error = None
        self.watch.before(code)
        reply: dict[str, Any] = {}
        try:
            reply = await super().do_execute(code, silent, *args, **kwargs)
        finally:
            self.watch.after(self.shell.last_error)
        return reply

    def spatialclaw_request(self, stream: Any, ident: Any, parent: Any) -> None:
        """Answers a request of the host that is no cell."""
        from spatialclaw.kernel.inside.requests import answer

        content = answer(self, parent["content"])
        self.session.send(stream, "spatialclaw_reply", content, parent, ident=ident)


class App(IPKernelApp):  # type: ignore[misc]
    """The application: no heartbeat under a guard, no shell-channel thread, no debugger."""

    kernel_class = Type(Kernel)
    kernel: Any
    context: Any
    session: Any
    iopub_port: Any
    tie: Tie | None = None
    order: Order | None = None

    def stop_for(self, order: Order) -> None:
        """Stops the loop after the current message; `start` then returns."""
        self.order = order
        IOLoop.current().call_later(0, self.io_loop.stop)

    def take_order(self) -> Order | None:
        """What the loop was stopped for; None when it ended."""
        order, self.order = self.order, None
        return order

    def init_control(self, context: Any) -> None:
        """Without the thread for subshells."""
        super().init_control(context)
        self.shell_channel_thread = None

    def init_iopub(self, context: Any) -> None:
        """Without the TCP port for forked processes of cells."""
        self.iopub_socket = context.socket(zmq.XPUB)
        self.iopub_socket.linger = 1000
        self.iopub_socket.sndhwm = 0
        self.iopub_port = self._bind_socket(self.iopub_socket, self.iopub_port)
        self.configure_tornado_logger()
        self.iopub_thread = IOPubThread(self.iopub_socket, pipe=False, session=self.session)
        self.iopub_thread.start()
        self.iopub_socket = self.iopub_thread.background_socket

    def init_heartbeat(self) -> None:
        """Only without a guard, which knows better."""
        if self.tie is None:
            super().init_heartbeat()

    def init_kernel(self) -> None:
        """Creates the kernel and its watch."""
        super().init_kernel()
        self.kernel.app = self
        self.kernel.watch = CellWatch(self.kernel)

    def log_connection_info(self) -> None:
        """Keeps the ports; nobody is told how to connect."""
        names = ("shell", "iopub", "stdin", "hb", "control")
        self._ports = {name: getattr(self, f"{name}_port") for name in names}

    def load_config_file(self, *_args: Any, **_kwargs: Any) -> None:
        """Nothing: a user's IPython settings are not for these kernels."""

    def configure_tornado_logger(self) -> None:
        """Nothing: the stock handler would be added once a life."""

    def init_gui_pylab(self) -> None:
        """Nothing: figures are published by the backend the environment names."""

    def reopen(self, woken: Woken) -> None:
        """Builds new sockets, threads and a new kernel around the old shell and namespace."""
        old_loop = asyncio.get_event_loop_policy().get_event_loop()
        _buried.append(
            (
                old_loop,
                IOLoop.current(),
                self.context,
                self.kernel,
                self.iopub_thread,
                self.control_thread,
                self.shell_socket,
                self.stdin_socket,
                self.control_socket,
                self.debugpy_socket,
                self.debug_shell_socket,
                self.heartbeat,
                sys.stdout,
                sys.stderr,
                self.session,
                self.displayhook,
                self.tie,
            )
        )
        if self.tie is not None:
            self.tie.channel.detach()
        self.tie = woken.tie
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        zmq.Context._instance = None
        self.context = None
        info = woken.connection
        self.ip, self.transport = info["ip"], info["transport"]
        for name in ("shell", "stdin", "iopub", "hb", "control"):
            setattr(self, f"{name}_port", int(info[f"{name}_port"]))
        self.session = Session(
            parent=self,
            key=info["key"].encode(),
            signature_scheme=info["signature_scheme"],
        )
        self.kernel_class.clear_instance()
        sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
        old_watch = self.kernel.watch
        count = self.kernel.execution_count
        self.init_sockets()
        self.init_io()
        shell = self.kernel.shell
        self.init_kernel()
        kernel = self.kernel
        shell.kernel = shell.parent = kernel
        kernel.execution_count = count
        if old_watch is not None:
            kernel.watch.adopt(old_watch)


def make(connection_file: str, tie: Tie | None) -> App:
    """An initialised application, ready to `start`."""
    ipykernel.debugger._is_debugpy_available = False
    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.cache_size = 0
    config.InteractiveShell.colors = "nocolor"
    config.InteractiveShell.automagic = False
    config.InteractiveShell.separate_in = ""
    config.IPKernelApp.capture_fd_output = False
    config.IPKernelApp.outstream_class = f"{CappedStream.__module__}.CappedStream"
    config.IPKernelApp.exec_PYTHONSTARTUP = False
    config.IPKernelApp.ignore_cwd = True
    config.IPKernelApp.log_level = "ERROR"
    # above this size pyzmq sends without copying and starts a thread to free the memory
    config.Session.copy_threshold = 1 << 40
    app: App = App.instance(parent_handle=0, config=config)
    app.tie = tie
    app.initialize(["-f", connection_file])
    return app


def connection(path: str) -> dict[str, Any]:
    """Reads a connection file."""
    content: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
    return content
