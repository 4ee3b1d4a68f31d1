"""A persistent kernel as the loop sees it: cells in, typed results out, never in doubt."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

import zmq.asyncio

from spatialclaw.errors import KernelDied, KernelError, KernelStartError
from spatialclaw.kernel.collect import Collector
from spatialclaw.kernel.folders import make_scratch
from spatialclaw.kernel.gateway import Gateway, WithFiles
from spatialclaw.kernel.ladder import Ending, run_cell
from spatialclaw.kernel.methods import Nothing
from spatialclaw.kernel.options import KernelOptions
from spatialclaw.kernel.results import CellResult
from spatialclaw.kernel.tree import Live, Tree

__all__ = ["Kernel", "Value"]

RERUN_SECONDS = 600.0
KEEP_AFTER_SECONDS = 0.05
"""When nothing has happened for so long after a cell, the model thinks: time for a snapshot."""


class Value(dict[str, Any]):
    """A variable as the kernel describes it: type, summary, and value when `exact`."""


class Kernel:
    """A kernel. Make one with `await Kernel.start(options)`; use it as an async context manager.

    Attributes:
        options: What it was started with.
        cells: Code of the cells that make up the present state, in order.
        notes: What the user should know about how it was started, one line each.
    """

    def __init__(self, options: KernelOptions) -> None:
        self.options = options
        self.cells: list[str] = []
        self.notes: list[str] = []
        self._context = zmq.asyncio.Context()
        self._gateway = options.gateway or Gateway()
        self._root: Path | None = options.scratch
        self._tree: Tree | None = None
        self._live: Live | None = None
        self._lock = asyncio.Lock()
        self._pending: asyncio.Task[None] | None = None
        self._due: asyncio.TimerHandle | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._unkept = ""
        self._abandoned = ""
        self._histories: dict[str, list[str]] = {}
        self._starts = 0
        self._executing = self._interrupted = self._closed = False

    # -- start and end -------------------------------------------------------------------------
    @classmethod
    async def start(cls, options: KernelOptions | None = None, **changes: Any) -> Kernel:
        """Starts a kernel with its namespace.

        Args:
            options: How.
            **changes: Fields of `KernelOptions`, instead of or on top of `options`.

        Raises:
            KernelStartError: None could be started.
            ConfinementError: The confinement asked for cannot be had.
        """
        kernel = cls(replace(options or KernelOptions(), **changes))
        try:
            await kernel._begin()
            await kernel._setup()
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
        """Gives a bare kernel its media, question and gateway."""
        self.options = options
        self._gateway = options.gateway or Gateway()
        if self._tree is not None:
            self._tree.server.gateway = self._gateway
        await self._setup()

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
        if self._root is None:
            self._root = make_scratch()
        self._starts += 1
        scratch = self._root / str(self._starts)
        self._tree, self._live = await Tree.start(
            self._context, self.options, scratch, self._gateway
        )
        self._note(self._tree.launched.notes)

    async def _setup(self) -> None:
        """Builds the namespace from the options."""
        tree, live = self._there()
        self._gateway.register("kernel.setup", Nothing, self._setup_reply, recorded=False)
        reply = await tree.request(live, "setup", seconds=self.options.start_seconds)
        if reply.get("status") != "ok":
            raise KernelStartError(f"the namespace could not be built: {reply.get('error')}")
        self._note([str(note)[:300] for note in list(reply.get("notes") or [])[:30]])

    def _note(self, lines: Iterable[str]) -> None:
        self.notes += [line for line in lines if line not in self.notes]

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
        if self._due is not None:
            self._due.cancel()
        for task in (self._pending, self._keeping):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        await self._end()
        self._context.destroy(linger=0)
        if self._root is not None and self.options.scratch is None:
            await asyncio.to_thread(shutil.rmtree, self._root, ignore_errors=True)

    async def _end(self) -> None:
        tree, live = self._tree, self._live
        self._tree = self._live = None
        if live is not None:
            live.channel.close()
        if tree is not None:
            if tree.users > 1 and live is not None:
                await tree.kill(live)
            await tree.aclose()

    def _there(self) -> tuple[Tree, Live]:
        if self._closed or self._tree is None or self._live is None:
            raise KernelError("the kernel is closed")
        return self._tree, self._live

    @property
    def _before(self) -> str:
        """Name of the snapshot of the present state, to which transactional cells go back."""
        return f"{id(self)}:before:{len(self.cells)}"

    @property
    def alive(self) -> bool:
        """Whether the kernel's process is running."""
        return self._live is not None and self._live.alive

    @property
    def pid(self) -> int | None:
        """Process id of the first process of its tree, as the host sees it."""
        return self._tree.launched.pid if self._tree else None

    # -- cells ---------------------------------------------------------------------------------
    async def execute(self, code: str, timeout: float = 60.0) -> CellResult:  # noqa: ASYNC109
        """Runs a cell.

        Args:
            code: Python, as in a notebook cell.
            timeout: Seconds until it is ended.

        Returns:
            What it did, whatever it did: status "error" when it raised, "timeout" at the deadline,
            "died" when the process ended. After the last two a fresh kernel (or the state before
            the cell, if transactional) is there or on its way; `lost` says what is gone.

        Raises:
            KernelStartError: The fresh kernel that an earlier cell made necessary did not start.
            KernelError: The kernel is closed.
        """
        async with self._lock:
            await self._settle()
            tree, live = self._there()
            self._executing, self._interrupted = True, False
            try:
                ending = await run_cell(tree, live, code, seconds=timeout, options=self.options)
            except asyncio.CancelledError:
                self._abandoned = code
                raise
            finally:
                self._executing = False
            result = ending.result(await self._book(code, ending))
            if ending.how == "ok" or (ending.process_lives and not self.options.transactional):
                return result
            return replace(result, variables=[])  # they are gone with the cell

    async def _book(self, code: str, ending: Ending) -> str:
        """Enters a cell in the history, goes back if need be; returns what is lost."""
        if ending.how == "ok":
            self.cells.append(code)
            if self.options.transactional:
                await self._kept()
                loop = asyncio.get_running_loop()
                self._due = loop.call_later(KEEP_AFTER_SECONDS, self._keep_now)
            return ""
        if not ending.process_lives:
            hung = ending.how == "hung"
            why = "the cell did not stop and was killed" if hung else "the kernel's process ended"
            return await self._back(why, dead=True)
        if self.options.transactional:
            return await self._back("the cell was undone", files=ending.collector.files)
        self.cells.append(code)  # what it did before it failed is part of the state
        if ending.how == "late" or self._interrupted:
            return "the cell was interrupted; what it did until then stays"
        return ""

    async def _abandon(self) -> None:
        """Ends a cell that nobody waits for any more; keeps the state if the cell heeds that."""
        tree, live = self._there()
        self._abandoned = ""
        await tree.interrupt(live)
        try:
            await tree.request(live, "ping", seconds=self.options.grace)
            self._note(["a cell was abandoned and interrupted; what it did until then stays"])
        except (TimeoutError, KernelDied):
            await tree.kill(live)
            self._note([await self._back("an abandoned cell was killed", dead=True)])

    # -- going back ----------------------------------------------------------------------------
    async def _back(
        self, why: str, *, dead: bool = False, files: Sequence[str] | None = None
    ) -> str:
        """To the state before the cell, or as near to it as can be had; says which.

        Args:
            why: What happened.
            dead: Whether the process has ended.
            files: What the cell wrote into its folder; None when that is not known.
        """
        await self._kept()
        tree, live = self._tree, self._live
        count = len(self.cells)
        plural = "s" * (count != 1)
        if not self.options.transactional:
            self.cells = []
            self._pending = asyncio.ensure_future(self._fresh([]))
            if not count:
                return f"{why}; nothing else was in it, a fresh kernel is there"
            return (
                f"{why}; a fresh kernel is there, and every variable of the {count} earlier "
                f"cell{plural} is gone"
            )
        if tree is not None and live is not None and self._before in tree.snapshots:
            if not dead:
                await tree.kill(live, wait=False)
            if await self._wake(self._before):
                kept = "; files that it wrote stay" if files is None else ""
                kept = f", except for files that it wrote: {', '.join(files)}" if files else kept
                return f"{why}; state unchanged since cell {count}{kept}"
        cells, self.cells = self.cells, []
        self._pending = asyncio.ensure_future(self._fresh(cells))
        reason = f" ({self._unkept})" if self._unkept else ""
        if not count:
            return f"{why}, its names are gone; nothing ran before it"
        return (
            f"{why}; no snapshot was kept{reason}: the {count} earlier cell{plural} "
            f"{'are' if count != 1 else 'is'} run again in a fresh kernel before the next"
        )

    async def _wake(self, name: str) -> bool:
        tree, live = self._tree, self._live
        woken = await tree.wake(name, self._context) if tree is not None else None
        if woken is None:
            return False
        if live is not None:
            live.channel.close()
        self._live = woken
        return True

    async def _fresh(self, cells: list[str]) -> None:
        """A fresh kernel in which these cells were run."""
        await self._end()
        await self._begin()
        await self._setup()
        until = time.monotonic() + RERUN_SECONDS
        for code in cells:
            tree, live = self._there()
            left = max(0.1, until - time.monotonic())
            await tree.race(live, live.channel.cell(code, Collector()), left)
            self.cells.append(code)
        if cells and self.options.transactional:
            await self._keep_before()

    def _keep_now(self) -> None:
        """Has the snapshot taken that is due: before anything else happens in the kernel."""
        due, self._due = self._due, None
        if due is not None:
            due.cancel()
            self._keeping = asyncio.ensure_future(self._keep_before())

    async def _keep_before(self) -> None:
        """Keeps the present state for the next cell, and no older one."""
        name = self._before
        try:
            self._unkept = await self._keep(name)
        except KernelDied as death:  # the next cell will meet the dead kernel
            self._unkept = death.message
        tree = self._tree
        if tree is not None:
            for old in [n for n in tree.snapshots if n.startswith(f"{id(self)}:before:")]:
                if old != name:
                    await tree.drop(old)

    async def _kept(self) -> None:
        """Waits for a snapshot that is being taken."""
        keeping, self._keeping = self._keeping, None
        if keeping is not None:
            await asyncio.gather(keeping, return_exceptions=True)

    async def _keep(self, name: str) -> str:
        tree, live = self._there()
        most = self.options.max_snapshots + 2 * self.options.transactional
        most_bytes = self.options.max_snapshot_bytes
        return await tree.keep(live, name, most=most, most_bytes=most_bytes)

    async def _settle(self) -> None:
        """Waits for a fresh kernel that is on its way; has a snapshot taken that is due."""
        self._keep_now()
        pending, self._pending = self._pending, None
        if pending is not None:
            await pending
        if self._abandoned and not self._closed:
            await self._abandon()
        if self._live is not None and not self._live.alive and not self._closed:
            # it died between two cells: a thread that a cell left, or somebody killed it
            self._note([await self._back("the kernel died between two cells", dead=True)])
        pending, self._pending = self._pending, None
        if pending is not None:
            await pending

    async def interrupt(self) -> None:
        """Interrupts the running cell (KeyboardInterrupt in it); nothing happens without one."""
        if self._executing and self._tree is not None and self._live is not None:
            self._interrupted = True
            await self._tree.interrupt(self._live)

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
            await self._settle()
            tree, live = self._there()
            reply = await tree.request(live, "read", name=name)
        if reply.get("status") == "missing":
            raise KeyError(name)
        if reply.get("status") != "ok":
            raise KernelError(f"{name} cannot be read: {str(reply.get('error'))[:300]}")
        value = Value(
            type=str(reply.get("type", ""))[:100],
            summary=str(reply.get("summary", ""))[:400],
            exact=reply.get("exact") is True,
        )
        if value["exact"]:
            value["value"] = reply.get("value")
        return value

    async def complete(self, code: str, cursor: int) -> tuple[int, list[str]]:
        """What could stand at a place of a cell that is being written: untrusted text.

        Args:
            code: The cell so far.
            cursor: The place, in characters.

        Returns:
            Where the completions begin, and the completions.
        """
        async with self._lock:
            await self._settle()
            tree, live = self._there()
            reply = await tree.request(live, "complete", seconds=3.0, code=code, cursor=cursor)
        start, matches = reply.get("start"), reply.get("matches")
        if reply.get("status") != "ok" or not isinstance(matches, list):
            return cursor, []
        words = [m[:200] for m in matches[:200] if isinstance(m, str) and m.isprintable()]
        return (start if isinstance(start, int) and 0 <= start <= cursor else cursor), words

    # -- snapshots -----------------------------------------------------------------------------
    async def snapshot(self, name: str) -> str:
        """Keeps the whole state under a name; any Python object, in milliseconds.

        Files in the working folder are not part of it.

        Returns:
            "" when a sleeping copy keeps it; else why there is none (threads left running, no
            process to be had): `restore` then runs the cells again.
        """
        async with self._lock:
            await self._settle()
            await self._kept()
            self._histories[name] = list(self.cells)
            return await self._keep(self._own(name))

    async def restore(self, name: str) -> str:
        """Goes back to a snapshot, which stays.

        Returns:
            "" when the sleeping copy was woken; else how the state was had: "ran 3 cells again".

        Raises:
            KeyError: No snapshot of that name was taken.
            KernelStartError: Neither the copy nor a fresh kernel could be had.
        """
        async with self._lock:
            await self._settle()
            cells = list(self._histories[name])
            await self._kept()
            tree, live = self._there()
            if self._own(name) in tree.snapshots:
                await tree.kill(live, wait=False)
                if await self._wake(self._own(name)):
                    self.cells = cells
                    if self.options.transactional:
                        self._keeping = asyncio.ensure_future(self._keep_before())
                    return ""
            self.cells = []
            await self._fresh(cells)
            return f"ran {len(cells)} cell{'s' * (len(cells) != 1)} again"

    async def branch(self, name: str | None = None, *, gateway: Gateway | None = None) -> Kernel:
        """Another kernel that starts from a snapshot, or from the present state.

        Both live on independently; they share the working folder, and the gateway with its quotas
        unless the new one is given another.

        Args:
            name: Of the snapshot; None for the present state.
            gateway: Methods that cells of the new kernel may call.

        Raises:
            KeyError: No snapshot of that name was taken.
            KernelStartError: Neither the copy nor a fresh kernel could be had.
        """
        async with self._lock:
            await self._settle()
            await self._kept()
            tree, _live = self._there()
            cells = list(self.cells if name is None else self._histories[name])
            key = self._own(name if name is not None else "branch")
            if name is None:
                await self._keep(key)
            other = Kernel(
                replace(self.options, scratch=None, gateway=gateway or self.options.gateway)
            )
            other._gateway = gateway or self._gateway
            woken = await tree.wake(key, other._context, gateway=gateway)
            if name is None:
                await tree.drop(key)
            try:
                if woken is None:
                    await other._fresh(cells)
                    return other
                tree.users += 1
                other._tree, other._live, other.cells = tree, woken, cells
                if other.options.transactional:
                    await other._keep_before()
            except BaseException:
                await other.aclose()
                raise
            return other

    def _own(self, name: str) -> str:
        return f"{id(self)}:user:{name}"
