"""IPython's kernel application, with one thread less and able to come back on new sockets."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import sys
import threading
from pathlib import Path
from typing import Any

import comm
import ipykernel.debugger
import zmq
from ipykernel.iostream import BackgroundSocket, IOPubThread
from ipykernel.ipkernel import IPythonKernel
from ipykernel.kernelapp import IPKernelApp
from ipykernel.kernelbase import Kernel as KernelBase
from ipykernel.zmqshell import ZMQInteractiveShell
from jupyter_client.session import Session
from traitlets import Type
from traitlets.config import Config

from spatialclaw.kernel.inside import plain
from spatialclaw.kernel.inside.cell import CellWatch
from spatialclaw.kernel.inside.sleep import Refused, Woken, snapshot
from spatialclaw.kernel.inside.stream import CappedStream
from spatialclaw.kernel.inside.trace import describe
from spatialclaw.kernel.inside.wire import Tie

__all__ = ["App", "prewarm"]

_buried: list[Any] = []
"""Objects of a life before a snapshot: their descriptors are closed, they must never be freed."""


class NoThread:
    """In place of the thread for subshells: false, but knows the main thread."""

    parent_thread = threading.main_thread()

    def __bool__(self) -> bool:
        return False


async def _tick() -> None:
    """Keeps the event loop turning: a cell that awaits is interrupted at its next turn."""
    while True:  # noqa: ASYNC110 (it is the turning that is wanted)
        await asyncio.sleep(0.05)


class Shell(ZMQInteractiveShell):  # type: ignore[misc]
    """IPython's shell; its tracebacks are short plain text about the cell.

    It needs no kernel to come to life: a template process makes it before it forks.
    """

    last_error: dict[str, Any] | None = None
    displayhook_class = Type(plain.DisplayHook)

    def init_profile_dir(self, profile_dir: Any) -> None:
        """None: nothing of these kernels is kept in the user's folders."""
        self.profile_dir = None

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

    def _format_exception_for_storage(self, exception: Any, *_args: Any, **_kwargs: Any) -> Any:
        """For a history that is not kept; IPython's takes a third of a second."""
        return {"ename": type(exception).__name__, "evalue": "", "traceback": []}

    def _keep(self, etype: Any, value: Any, trace: Any) -> None:
        if self.last_error is not None:
            return  # only the first one is the cell's
        self.last_error = describe(etype, value, trace, self.compile)
        lines = self.last_error["traceback"].splitlines()
        self._last_traceback = lines
        self._showtraceback(etype, value, lines)


class Counted(Session):  # type: ignore[misc]
    """Counts what is published for each request, so that the host knows when it has all of it."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.published: dict[str, list[None]] = {}

    def send(self, stream: Any, *args: Any, **kwargs: Any) -> Any:
        """Sends a message."""
        message = super().send(stream, *args, **kwargs)
        if message and isinstance(stream, BackgroundSocket | IOPubThread):
            request = message["parent_header"].get("msg_id")
            if request is not None:
                self.published.setdefault(request, []).append(None)
        return message

    def count(self, request: str) -> int:
        """How many messages a request has published; forgets all that came before."""
        count = len(self.published.get(request, ()))
        self.published = {}
        return count


class Kernel(IPythonKernel):  # type: ignore[misc]
    """IPython's kernel with our report after each cell and our requests on the shell channel.

    The host runs cells with `spatialclaw_cell`, which answers with one message where Jupyter's
    `execute_request` takes five; both do the same otherwise.
    """

    _execute_sleep = 0
    _supports_kernel_subshells = False

    def __init__(self, **kwargs: Any) -> None:
        # IPythonKernel.__init__ makes a shell and a debugger and looks at every module there is;
        # the shell is there already, and all that is left is to connect it
        KernelBase.__init__(self, **kwargs)
        shell = self.shell = Shell.instance()
        shell.displayhook.session = shell.display_pub.session = self.session
        shell.displayhook.pub_socket = shell.display_pub.pub_socket = self.iopub_socket
        shell.displayhook.topic = self._topic("execute_result")
        self.comm_manager = comm.get_comm_manager()
        for kind in ("comm_open", "comm_msg", "comm_close"):
            self.shell_handlers[kind] = getattr(self.comm_manager, kind)
        self.shell_handlers["spatialclaw_request"] = self.spatialclaw_request
        self.shell_handlers["spatialclaw_cell"] = self.spatialclaw_cell
        self.shell_handlers["spatialclaw_snapshot"] = self.spatialclaw_snapshot
        self.watch: CellWatch | None = None

    def _publish_status(self, status: str, channel: str, parent: Any = None) -> None:
        """Says that it is busy or idle, but not to the host, which knows."""
        about = parent or self.get_parent(channel)
        kind = about.get("header", {}).get("msg_type") if about else None
        if kind not in ("spatialclaw_cell", "spatialclaw_snapshot"):
            super()._publish_status(status, channel, parent)

    async def do_execute(self, code: str, silent: bool, *args: Any, **kwargs: Any) -> Any:
        """Runs a cell of a Jupyter client, IPython's way, between the two halves of the watch."""
        if silent or self.watch is None:
            return await super().do_execute(code, silent, *args, **kwargs)
        self.watch.before(code)
        try:
            reply = await self._ipython(code, *args, **kwargs)
        finally:
            report = self.watch.after(self.shell.last_error)
        self.watch.publish(report)
        return reply

    async def _run(self, code: str) -> str:
        """Runs a cell of the host; "ok" or "error"."""
        self.shell.last_error = None
        made = plain.compiled(self.shell, code)
        if made is not None:
            return "ok" if plain.run(self.shell, code, made) else "error"
        return str((await self._ipython(code))["status"])

    async def _ipython(self, code: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        self.shell.last_error = None
        ticking = asyncio.ensure_future(_tick())
        try:
            reply: dict[str, Any] = await super().do_execute(code, False, *args, **kwargs)
        except (Exception, KeyboardInterrupt) as error:
            # IPython met an exception it cannot print, or was interrupted on its way out
            reply = {"status": "error", "ename": type(error).__name__, "evalue": ""}
            reply |= {"traceback": [], "user_expressions": {}, "payload": []}
            reply["execution_count"] = self.execution_count
        finally:
            ticking.cancel()
        return reply

    async def spatialclaw_cell(self, stream: Any, ident: Any, parent: Any) -> None:
        """Runs a cell for the host: one reply with its report and the number of its outputs."""
        code, watch = str(parent["content"]["code"]), self.watch
        assert watch is not None
        status = "error"
        watch.before(code)
        try:
            status = await self._run(code)
        finally:
            report = watch.after(self.shell.last_error)
            for name in ("stdout", "stderr"):
                getattr(sys, name).flush()
            content = {"status": status, "report": report, "raw": self.app.wrote_past_python()}
            content["outputs"] = self.session.count(parent["header"]["msg_id"])
            self.session.send(stream, "spatialclaw_reply", content, parent, ident=ident)

    def spatialclaw_snapshot(self, _stream: Any, _ident: Any, parent: Any) -> None:
        """Leaves a sleeping copy; the guard tells the host how it went.

        Raises:
            Woken: In the copy, much later; it ends the event loop on its way out.
        """
        name, tie = str(parent["content"]["name"]), self.app.tie
        try:
            snapshot(name, tie)
        except Refused as refusal:
            if tie is not None:
                tie.say(say="refused", name=name, why=str(refusal))

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
    shell: Any
    iopub_port: Any
    tie: Tie | None = None

    def wrote_past_python(self) -> bool:
        """Whether something may have come to descriptors 1 and 2 since the last time."""
        return self.tie is None or self.tie.wrote()

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
        self.kernel.shell_channel_thread = NoThread()
        self.kernel.watch = CellWatch(self.kernel)

    def configure_tornado_logger(self) -> None:
        """Nothing: the stock handler would be added once a life."""

    def open(self, connection: str | dict[str, Any], tie: Tie | None) -> None:
        """Opens sockets and makes the kernel around the shell that is there.

        Args:
            connection: Connection file, or its content.
            tie: To the guard.
        """
        self.tie = tie
        self.context = None
        if isinstance(connection, str):
            self.connection_file = connection
            info: dict[str, Any] = json.loads(Path(connection).read_text(encoding="utf-8"))
        else:
            info = connection
        self.session = Counted(parent=self)
        for name in ("shell", "stdin", "iopub", "hb", "control"):
            setattr(self, f"{name}_port", 0)
        self.load_connection_info(info)
        asked = [info.get(f"{n}_port") for n in ("shell", "stdin", "iopub", "control")]
        self.init_sockets()
        self.init_heartbeat()
        if not all(asked):
            self.write_connection_file()
        self._ports = {
            name: getattr(self, f"{name}_port")
            for name in ("shell", "iopub", "stdin", "hb", "control")
        }
        self.init_io()
        self.init_signal()
        shell = Shell.instance()
        self.init_kernel()
        shell.kernel = shell.parent = self.kernel
        self.shell = shell

    def reopen(self, woken: Woken) -> None:
        """Comes back on new sockets, with new threads and a new kernel around the old shell."""
        _buried.append(
            (
                self.io_loop,
                self.io_loop.asyncio_loop,
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
        asyncio.set_event_loop(asyncio.new_event_loop())
        zmq.Context._instance = None
        watch, count = self.kernel.watch, self.kernel.execution_count
        self.kernel_class.clear_instance()
        sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
        self.open(woken.connection, woken.tie)
        self.kernel.execution_count = count
        self.kernel.watch.adopt(watch)


def prewarm() -> App:
    """Makes the application and the shell, without sockets and threads; once a process."""
    ipykernel.debugger._is_debugpy_available = False
    app: App
    if App.initialized():
        app = App.instance()
        return app
    config = Config()
    config.HistoryManager.enabled = False
    config.HistoryManager.hist_file = ":memory:"
    config.InteractiveShell.cache_size = 0
    config.InteractiveShell.colors = "nocolor"
    config.InteractiveShell.automagic = False
    config.InteractiveShell.separate_in = ""
    config.IPKernelApp.capture_fd_output = False
    config.IPKernelApp.outstream_class = f"{CappedStream.__module__}.CappedStream"
    config.IPKernelApp.log_level = "ERROR"
    # above this size pyzmq sends without copying and starts a thread to free the memory
    config.Session.copy_threshold = 1 << 40
    app = App.instance(parent_handle=0, config=config)
    app.profile_dir = None
    app.init_pdb()
    hmac.new(b"", digestmod=hashlib.sha256)  # OpenSSL takes milliseconds to wake up
    Shell.instance(parent=app, config=config, user_ns={}, compiler_class=plain.Compiler)
    return app
