"""A persistent kernel as the loop sees it: cells in, typed results out, never in doubt."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import shutil
import signal
import time
from collections.abc import Awaitable
from pathlib import Path
from types import TracebackType
from typing import Any

import zmq.asyncio

from spatialclaw.errors import KernelDied, KernelError, KernelStartError
from spatialclaw.kernel.channel import Channel, connection_info
from spatialclaw.kernel.collect import Collector
from spatialclaw.kernel.deaths import describe_exit
from spatialclaw.kernel.folders import make_scratch
from spatialclaw.kernel.gateway import Gateway, GatewayServer, WithFiles
from spatialclaw.kernel.launch import Launched, Layout, start
from spatialclaw.kernel.life import Exit, LifeLine
from spatialclaw.kernel.methods import Nothing
from spatialclaw.kernel.options import KernelOptions
from spatialclaw.kernel.results import CellError, CellResult
from spatialclaw.kernel.stock import prepare, start_stock

__all__ = ["Kernel", "Value"]

BEFORE = "before the last cell"
"""Name of the snapshot that transactional cells go back to."""


class Value(dict[str, Any]):
    """A variable as the kernel describes it: type, summary, and value when `exact`."""


class _Process:
    """One tree of processes: a guard, the kernel below it, its sleeping copies."""

    def __init__(self, layout: Layout, life: LifeLine, launched: Launched, key: str) -> None:
        self.layout = layout
        self.life = life
        self.launched = launched
        self.key = key
        self.gens = 0
        self.snapshots: list[str] = []

    async def aclose(self) -> None:
        """Ends all of it and waits until it is gone."""
        await self.life.aclose()
        await self.launched.wait(0.5)
        await self.launched.aclose()


class Kernel:
    """A kernel. Make one with `await Kernel.start(options)`; use it as an async context manager.

    Attributes:
        options: What it was started with.
        cells: Code of the cells that make up the present state, in order.
        notes: What the user should know about how it was started.
    """

    def __init__(self, options: KernelOptions) -> None:
        self.options = options
        self.cells: list[str] = []
        self.notes: list[str] = []
        self._context = zmq.asyncio.Context()
        self._own_scratch: Path | None = None
        self._process: _Process | None = None
        self._channel: Channel | None = None
        self._gen = 0
        self._server: GatewayServer | None = None
        self._gateway = options.gateway or Gateway()
        self._lock = asyncio.Lock()
        self._pending: asyncio.Task[None] | None = None
        self._pending_note = ""
        self._runs: dict[str, int] = {}
        self._starts = 0
        self._closed = False
        self._interrupted = False
        self._executing = False
        self._snap_task: asyncio.Task[str] | None = None

    # -- start and end -------------------------------------------------------------------------
    @classmethod
    async def start(cls, options: KernelOptions | None = None, **changes: Any) -> Kernel:
        """Starts a kernel with its namespace.

        Args:
            options: How; `changes` are fields of `KernelOptions` when it is None.
            **changes: See there.

        Raises:
            KernelStartError: None could be started.
            ConfinementError: The confinement asked for cannot be had.
        """
        kernel = cls(options or KernelOptions(**changes))
        try:
            await kernel._begin()
            await kernel.setup()
        except BaseException:
            await kernel.aclose()
            raise
        return kernel

    @classmethod
    async def start_bare(cls, options: KernelOptions) -> Kernel:
        """Starts a kernel without its namespace, for a pool; `assign` completes it."""
        kernel = cls(options)
        try:
            await kernel._begin()
        except BaseException:
            await kernel.aclose()
            raise
        return kernel

    async def assign(self, options: KernelOptions) -> None:
        """Gives a kernel from the pool its media, question and gateway."""
        self.options = options
        self._gateway = options.gateway or Gateway()
        if self._server is not None:
            self._server.gateway = self._gateway
        await self.setup()

    async def __aenter__(self) -> Kernel:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def _begin(self) -> None:
        """Starts a process tree and connects to it."""
        if self.options.scratch is None:
            self._own_scratch = self._own_scratch or make_scratch()
            root = self._own_scratch
        else:
            root = self.options.scratch
        self._starts += 1
        scratch = root / f"{self._starts}"
        layout = prepare(scratch)
        key = secrets.token_hex(16)
        info = connection_info(str(layout.ipc / "k0"), key)
        layout.connection.write_text(json.dumps(info), encoding="utf-8")
        life = LifeLine(layout.ipc / "life")
        server = GatewayServer(layout.ipc / "gate", self._gateway)
        server.start()
        argv = ["-f", str(layout.connection), "--life", str(life.path)]
        argv += ["--gateway", str(server.path)]
        launched: Launched | None = None
        try:
            async with asyncio.timeout(self.options.start_seconds):
                try:
                    launched = await start(self.options.launch(scratch), argv)
                except NotImplementedError:
                    launched = await start_stock(self.options.launch(scratch), argv)
                await self._until_ready(life, launched)
                channel = Channel(self._context, info)
                await channel.welcome()
        except BaseException as error:
            await life.aclose()
            await server.aclose()
            if launched is not None:
                await launched.aclose()
            if isinstance(error, TimeoutError):
                raise KernelStartError(
                    f"the kernel was not ready in {self.options.start_seconds:g} s",
                    hint="See `spatialclaw doctor`.",
                ) from None
            raise
        self.notes = [*launched.notes]
        self._server, self._channel = server, channel
        self._process = _Process(layout, life, launched, key)
        self._gen = 0
        life.on_gone = self._snapshot_gone

    async def _until_ready(self, life: LifeLine, launched: Launched) -> None:
        accepted = asyncio.ensure_future(life.accept())
        ended = asyncio.ensure_future(launched.wait())
        try:
            await asyncio.wait({accepted, ended}, return_when=asyncio.FIRST_COMPLETED)
            if not accepted.done():
                raise KernelStartError(
                    f"the kernel's process ended with {ended.result()} while it started",
                    hint="See `spatialclaw doctor`.",
                )
            await accepted
            ready, exited = life.ready(0), life.exited(0)
            await asyncio.wait({ready, exited}, return_when=asyncio.FIRST_COMPLETED)
            if not ready.done():
                ending = exited.result()
                said = str(ending.err.get("tail") or ending.err.get("head") or "").strip()
                raise KernelStartError(
                    f"the kernel ended while it started: {describe_exit(ending).message}"
                    + (f" ({said.splitlines()[-1][:300]})" if said else "")
                )
        finally:
            for task in (accepted, ended):
                task.cancel()
            await asyncio.gather(accepted, ended, return_exceptions=True)

    async def setup(self) -> None:
        """(Re)builds the namespace from the options.

        Raises:
            KernelStartError: The namespace could not be built.
        """
        self._gateway.register("kernel.setup", Nothing, self._setup_reply, recorded=False)
        reply = await self._request("setup", timeout=self.options.start_seconds)
        if reply.get("status") != "ok":
            raise KernelStartError(f"the namespace could not be built: {reply.get('error')}")
        self.notes += [str(n)[:300] for n in list(reply.get("notes") or [])[:30]]
        if self.options.transactional:
            await self._keep(BEFORE)

    def _setup_reply(self, _params: Nothing) -> WithFiles:
        manifest = self.options.manifest
        result: dict[str, Any] = {
            "question": self.options.question,
            "choices": self.options.choices,
            "manifest": None,
        }
        if manifest is None:
            return WithFiles(result)
        result["manifest"] = json.loads(Path(manifest).read_text(encoding="utf-8"))
        return WithFiles(result, [Path(manifest).with_name("frames.bin")])

    async def aclose(self) -> None:
        """Ends the kernel and everything it started; removes what it left behind."""
        if self._closed:
            return
        self._closed = True
        if self._pending is not None:
            self._pending.cancel()
            await asyncio.gather(self._pending, return_exceptions=True)
        await self._end_process()
        self._context.term()
        if self._own_scratch is not None:
            shutil.rmtree(self._own_scratch, ignore_errors=True)

    async def _end_process(self) -> None:
        if self._snap_task is not None:
            self._snap_task.cancel()
            self._snap_task = None
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        if self._server is not None:
            await self._server.aclose()
            self._server = None
        if self._process is not None:
            process, self._process = self._process, None
            await process.aclose()
            shutil.rmtree(process.layout.scratch, ignore_errors=True)

    # -- cells ---------------------------------------------------------------------------------
    @property
    def alive(self) -> bool:
        """Whether the kernel's process is running."""
        process = self._process
        return process is not None and not process.life.exited(self._gen).done()

    @property
    def pid(self) -> int | None:
        """Process id of the first process of the tree, as the host sees it."""
        return self._process.launched.pid if self._process else None

    async def execute(self, code: str, timeout: float = 60.0) -> CellResult:
        """Runs a cell.

        Args:
            code: Python, as in a notebook cell.
            timeout: Seconds until it is ended.

        Returns:
            What it did. Never raises for what the cell does: status "error" when it raised,
            "timeout" at the deadline, "died" when the process ended. After the last two a fresh
            kernel (or the state before the cell, if transactional) is there, or on its way; `lost`
            says what of the state is gone.

        Raises:
            KernelStartError: The fresh kernel that an earlier cell made necessary did not start.
            KernelError: The kernel is closed.
        """
        async with self._lock:
            await self._settled()
            channel, process = self._channel, self._process
            if self._closed or channel is None or process is None:
                raise KernelError("the kernel is closed")
            self._executing, self._interrupted = True, False
            try:
                return await self._run_cell(channel, process, code, timeout)
            finally:
                self._executing = False

    async def _run_cell(
        self, channel: Channel, process: _Process, code: str, timeout: float
    ) -> CellResult:
        began = time.monotonic()
        collector = Collector(self.options.max_output, self.options.max_images)
        content = {
            "code": code,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": False,
        }
        request = channel.send("execute_request", content)
        exited = process.life.exited(self._gen)
        cell = asyncio.ensure_future(self._follow(channel, request, collector))
        try:
            await asyncio.wait({cell, exited}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            if not cell.done() and not exited.done():
                await self._interrupt(process)
                await asyncio.wait(
                    {cell, exited},
                    timeout=self.options.grace,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if not cell.done() and not exited.done():
                    return await self._hung(process, collector, timeout, began)
                if cell.done():
                    return await self._late(process, collector, timeout, began)
            if cell.done() and not cell.cancelled() and cell.exception() is None:
                return await self._ended(process, collector, cell.result(), code, began)
            return await self._died(process, collector, began)
        finally:
            cell.cancel()
            await asyncio.gather(cell, return_exceptions=True)

    async def _follow(self, channel: Channel, request: str, collector: Collector) -> str:
        """Reads until the reply and the idle status have come; returns the reply's status."""
        reply = asyncio.ensure_future(self._reply(channel, request))
        idle = asyncio.ensure_future(self._outputs(channel, request, collector))
        try:
            content = await reply
            # the idle status follows at once; a kernel that lost it is not waited for
            await asyncio.wait({idle}, timeout=2.0)
            if not idle.done():
                collector.notes.append("the end of the output is missing")
            else:
                idle.result()
            return str(content.get("status"))
        finally:
            for task in (reply, idle):
                task.cancel()
            await asyncio.gather(reply, idle, return_exceptions=True)

    async def _reply(self, channel: Channel, request: str) -> dict[str, Any]:
        while True:
            message = await channel.receive(channel.shell)
            if message is not None and message["parent_header"].get("msg_id") == request:
                return dict(message["content"])

    async def _outputs(self, channel: Channel, request: str, collector: Collector) -> None:
        while True:
            message = await channel.receive(channel.iopub)
            if message is None or message["parent_header"].get("msg_id") != request:
                continue
            kind, content = message["header"]["msg_type"], message["content"]
            if kind == "status":
                if content.get("execution_state") == "idle":
                    return
            else:
                collector.add(kind, content)

    async def _ended(
        self, process: _Process, collector: Collector, status: str, code: str, began: float
    ) -> CellResult:
        await self._flush_raw(process, collector)
        ok = status == "ok"
        lost = ""
        if ok:
            self.cells.append(code)
        elif self._interrupted:
            lost = "the cell was interrupted; what it did before that stays"
        if self.options.transactional:
            lost = await self._after_transaction(ok) or lost
        elif not ok and not lost:
            self.cells.append(code)  # what it did before it raised is part of the state
        return collector.finish(
            "ok" if ok else "error", seconds=time.monotonic() - began, lost=lost
        )

    async def _late(
        self, process: _Process, collector: Collector, timeout: float, began: float
    ) -> CellResult:
        """The cell ended when it was interrupted at its deadline."""
        await self._flush_raw(process, collector)
        lost = "the cell was interrupted; what it did before that stays, nothing else is lost"
        if self.options.transactional:
            lost = await self._after_transaction(False) or lost
        result = collector.finish("timeout", seconds=time.monotonic() - began, lost=lost)
        return _with_error(result, _timeout_error(timeout, result.error))

    async def _hung(
        self, process: _Process, collector: Collector, timeout: float, began: float
    ) -> CellResult:
        """The cell does not end when it is interrupted: its process has to go."""
        for op in ({"op": "signal", "signal": int(signal.SIGTERM)}, {"op": "kill"}):
            with contextlib.suppress(ConnectionError, TimeoutError):
                await process.life.order(**op, gen=self._gen, timeout=0.3)
            wait = 0.1 if op["op"] == "signal" else 0.4
            exited = process.life.exited(self._gen)
            await asyncio.wait({exited}, timeout=wait)
            if exited.done():
                break
        lost = await self._recover("the cell had to be killed")
        result = collector.finish("timeout", seconds=time.monotonic() - began, lost=lost)
        return _with_error(result, _timeout_error(timeout, None))

    async def _died(self, process: _Process, collector: Collector, began: float) -> CellResult:
        ending = process.life.exited(self._gen).result() if self._exit_known(process) else None
        ending = ending or Exit(-9, {}, {})
        collector.raw("stdout", ending.out)
        collector.raw("stderr", ending.err)
        death = describe_exit(ending)
        lost = await self._recover("the kernel's process ended")
        result = collector.finish("died", seconds=time.monotonic() - began, lost=lost)
        said = str(ending.err.get("tail") or ending.err.get("head") or "").strip()
        return _with_error(
            result, CellError("KernelDied", str(death), traceback=said[-2000:], line=None)
        )

    def _exit_known(self, process: _Process) -> bool:
        return process.life.exited(self._gen).done()

    async def _flush_raw(self, process: _Process, collector: Collector) -> None:
        """Takes what was written past Python since the last cell."""
        with contextlib.suppress(ConnectionError, TimeoutError):
            report = await process.life.order("flush", timeout=1.0)
            collector.raw("stdout", report.get("out"))
            collector.raw("stderr", report.get("err"))

    # -- interrupts ----------------------------------------------------------------------------
    async def interrupt(self) -> None:
        """Interrupts the running cell (KeyboardInterrupt in it); nothing happens without one."""
        if self._executing and self._process is not None:
            self._interrupted = True
            await self._interrupt(self._process)

    async def _interrupt(self, process: _Process) -> None:
        with contextlib.suppress(ConnectionError, TimeoutError):
            await process.life.order("signal", signal=int(signal.SIGINT), gen=self._gen, timeout=1)

    # -- recovery ------------------------------------------------------------------------------
    async def _recover(self, why: str) -> str:
        """After the process is gone: back to a snapshot at once, or a fresh kernel on its way."""
        if self.options.transactional and await self._wake(BEFORE):
            return f"{why}; state unchanged since cell {len(self.cells)}"
        count = len(self.cells)
        cells, self.cells = self.cells, []
        rerun = self.options.transactional and bool(cells)
        self._pending = asyncio.ensure_future(self._fresh(cells if rerun else []))
        if rerun:
            return (
                f"{why}; the {count} earlier cells are run again in a fresh kernel before the next"
            )
        if not count:
            return f"{why}; a fresh kernel is ready, nothing else was in it"
        return (
            f"{why}; a fresh kernel is ready and every variable of the {count} earlier "
            f"cell{'s' * (count != 1)} is gone"
        )

    async def _fresh(self, rerun: list[str]) -> None:
        await self._end_process()
        await self._begin()
        await self.setup()
        for code in rerun:
            await self._silently(code)
        if self.options.transactional:
            await self._keep(BEFORE)

    async def _silently(self, code: str) -> None:
        channel, process = self._channel, self._process
        if channel is None or process is None:
            return
        request = channel.send(
            "execute_request", {"code": code, "silent": False, "store_history": True}
        )
        await self._race(self._follow(channel, request, Collector()), process, 600.0)
        self.cells.append(code)

    async def _settled(self) -> None:
        """Waits for a fresh kernel that is on its way and for a snapshot being taken."""
        if self._pending is not None:
            pending, self._pending = self._pending, None
            await pending
        if self._snap_task is not None:
            task, self._snap_task = self._snap_task, None
            await asyncio.gather(task, return_exceptions=True)
        process = self._process
        if not self._closed and process is not None and self._exit_known(process):
            # it died between two cells: a thread of an earlier cell, or somebody killed it
            if not (self.options.transactional and await self._wake(BEFORE)):
                await self._fresh(self.cells if self.options.transactional else [])

    async def _race(self, work: Awaitable[Any], process: _Process, timeout: float) -> Any:
        """Awaits something, but no longer than the process lives.

        Raises:
            KernelDied: The process ended.
            TimeoutError: It took too long.
        """
        task = asyncio.ensure_future(work)
        exited = process.life.exited(self._gen)
        try:
            await asyncio.wait({task, exited}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            if exited.done():
                raise describe_exit(exited.result())
            raise TimeoutError
        finally:
            if not task.done():
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    async def _request(self, op: str, *, timeout: float = 10.0, **what: Any) -> dict[str, Any]:
        """One request that is no cell.

        Raises:
            KernelDied: The process ended.
            TimeoutError: No answer.
        """
        channel, process = self._channel, self._process
        if channel is None or process is None:
            raise KernelError("the kernel is closed")
        request = channel.send("spatialclaw_request", {"op": op, **what})
        content: dict[str, Any] = await self._race(self._reply(channel, request), process, timeout)
        return content

    # -- variables -----------------------------------------------------------------------------
    async def read(self, name: str) -> Value:
        """A variable, as the kernel describes it: untrusted data.

        Returns:
            {"type", "summary", "exact", "value"}; `value` (JSON) only when `exact`.

        Raises:
            KeyError: There is no such name.
            KernelDied: The process ended.
        """
        async with self._lock:
            await self._settled()
            reply = await self._request("read", name=name)
        if reply.get("status") == "missing":
            raise KeyError(name)
        if reply.get("status") != "ok":
            raise KernelError(f"{name} cannot be read: {str(reply.get('error'))[:300]}")
        exact = reply.get("exact") is True
        value = Value(
            type=str(reply.get("type", ""))[:100],
            summary=str(reply.get("summary", ""))[:400],
            exact=exact,
        )
        if exact:
            value["value"] = reply.get("value")
        return value

    # -- snapshots -----------------------------------------------------------------------------
    async def snapshot(self, name: str) -> str:
        """Keeps the whole state under a name; any Python object, in milliseconds.

        Returns:
            "" when a sleeping copy keeps it; else why there is none (threads left running, no
            process to be had): `restore` then runs the cells again.
        """
        async with self._lock:
            await self._settled()
            self._runs[name] = len(self.cells)
            self._histories()[name] = list(self.cells)
            return await self._keep(name)

    def _histories(self) -> dict[str, list[str]]:
        if not hasattr(self, "_history"):
            self._history: dict[str, list[str]] = {}
        return self._history

    async def _keep(self, name: str) -> str:
        process = self._process
        if process is None:
            raise KernelError("the kernel is closed")
        done = process.life.snapped(name)
        if done.done():
            process.life.forget(name)
            done = process.life.snapped(name)
        reply = await self._request("snapshot", name=name)
        if reply.get("status") != "ok":
            return str(reply.get("error"))
        why: str = await self._race(_wait(done), process, 10.0)
        if not why:
            if name in process.snapshots:
                process.snapshots.remove(name)
            process.snapshots.append(name)
            await self._trim(process)
        return why

    async def _trim(self, process: _Process) -> None:
        while len(process.snapshots) > max(1, self.options.max_snapshots):
            oldest = next((n for n in process.snapshots if n != BEFORE), None)
            if oldest is None:
                return
            process.snapshots.remove(oldest)
            with contextlib.suppress(ConnectionError, TimeoutError):
                await process.life.order("drop", name=oldest)

    def _snapshot_gone(self, name: str) -> None:
        process = self._process
        if process is not None and name in process.snapshots:
            process.snapshots.remove(name)

    async def restore(self, name: str) -> str:
        """Goes back to a snapshot, which stays.

        Returns:
            "" when the sleeping copy was woken; else how the state was had instead: "ran 3 cells
            again".

        Raises:
            KeyError: No snapshot of that name was ever taken.
            KernelStartError: Neither the copy nor a fresh kernel could be had.
        """
        async with self._lock:
            await self._settled()
            histories = self._histories()
            if name not in histories:
                raise KeyError(name)
            cells = list(histories[name])
            process = self._process
            if process is not None and name in process.snapshots:
                await self._kill_live(process)
                if await self._wake(name):
                    self.cells = cells
                    if self.options.transactional:
                        await self._keep(BEFORE)
                    return ""
            self.cells = []
            await self._fresh(cells)
            return f"ran {len(cells)} cell{'s' * (len(cells) != 1)} again"

    async def _kill_live(self, process: _Process) -> None:
        exited = process.life.exited(self._gen)
        with contextlib.suppress(ConnectionError, TimeoutError):
            await process.life.order("kill", gen=self._gen)
            await asyncio.wait({exited}, timeout=2.0)

    async def _wake(self, name: str) -> bool:
        """Makes the sleeping copy the kernel; False when that fails."""
        process = self._process
        if process is None or name not in process.snapshots or process.life.lost.is_set():
            return False
        process.gens += 1
        gen = process.gens
        info = connection_info(str(process.layout.ipc / f"k{gen}"), process.key)
        ready, exited = process.life.ready(gen), process.life.exited(gen)
        try:
            answer = await process.life.order(
                "wake", name=name, gen=gen, connection=info, keep=True
            )
            if not answer.get("ok"):
                return False
            await asyncio.wait({ready, exited}, timeout=5.0, return_when=asyncio.FIRST_COMPLETED)
            if not ready.done():
                return False
            channel = Channel(self._context, info)
            try:
                await self._race_gen(channel.welcome(), exited)
            except BaseException:
                channel.close()
                raise
        except (ConnectionError, TimeoutError, KernelDied):
            return False
        if self._channel is not None:
            self._channel.close()
        self._channel, self._gen = channel, gen
        return True

    async def _race_gen(self, work: Awaitable[Any], exited: asyncio.Future[Exit]) -> None:
        task = asyncio.ensure_future(work)
        try:
            await asyncio.wait({task, exited}, timeout=5.0, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise TimeoutError
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _after_transaction(self, ok: bool) -> str:
        """Keeps the state after a good cell; goes back after a bad one."""
        process = self._process
        if process is None:
            return ""
        if ok:
            self._snap_task = asyncio.ensure_future(self._keep(BEFORE))
            return ""
        if BEFORE in process.snapshots:
            await self._kill_live(process)
            if await self._wake(BEFORE):
                return f"state unchanged since cell {len(self.cells)}"
        return "what the cell did before it failed stays: there was no snapshot to go back to"


async def _wait(future: asyncio.Future[str]) -> str:
    return await future


def _timeout_error(timeout: float, inner: CellError | None) -> CellError:
    where = f" (line {inner.line})" if inner is not None and inner.line else ""
    return CellError(
        "Timeout",
        f"the cell was ended after {timeout:g} s{where}",
        traceback=inner.traceback if inner is not None else "",
        line=inner.line if inner is not None else None,
    )


def _with_error(result: CellResult, error: CellError) -> CellResult:
    from dataclasses import replace

    return replace(result, error=error)
