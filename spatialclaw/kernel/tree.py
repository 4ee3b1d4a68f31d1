"""The processes of a kernel as the host sees them: a guard, the kernel, its sleeping copies."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import shutil
import signal
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zmq.asyncio

from spatialclaw.errors import KernelDied, KernelStartError
from spatialclaw.kernel.channel import Channel, connection_info
from spatialclaw.kernel.deaths import describe_exit
from spatialclaw.kernel.gateway import Gateway
from spatialclaw.kernel.gateway_server import GatewayServer
from spatialclaw.kernel.launch import Launched, Layout, prepare, start
from spatialclaw.kernel.life import Exit, LifeLine
from spatialclaw.kernel.options import KernelOptions

__all__ = ["Live", "Tree"]


@dataclass
class Live:
    """One process that is a kernel now.

    Attributes:
        gen: Its number in the tree.
        channel: The host's sockets to it.
        exited: Done when it has ended.
    """

    gen: int
    channel: Channel
    exited: asyncio.Future[Exit]

    @property
    def alive(self) -> bool:
        """Whether it is running."""
        return not self.exited.done()


class Tree:
    """A started process tree. Kernels that branched off each other share one.

    Attributes:
        users: Kernels that use it.
        snapshots: Names of the sleeping copies, oldest first.
        launched: Its first process.
        server: The gateway's socket.
    """

    def __init__(
        self,
        layout: Layout,
        life: LifeLine,
        launched: Launched,
        server: GatewayServer,
        key: str,
    ) -> None:
        self._key = key
        self._gens = 0
        self.layout = layout
        self.life = life
        self.launched = launched
        self.server = server
        self.users = 1
        self.snapshots: list[str] = []
        self._servers = [server]
        life.on_gone = self._gone

    @classmethod
    async def start(
        cls, context: zmq.asyncio.Context, options: KernelOptions, scratch: Path, gateway: Gateway
    ) -> tuple[Tree, Live]:
        """Starts a tree and connects to its kernel.

        Raises:
            KernelStartError: It ended while it started, or took too long.
            ConfinementError: The confinement asked for cannot be had.
        """
        layout = prepare(scratch)
        key = secrets.token_hex(16)
        info = connection_info(str(layout.ipc / "k0"), key)
        layout.connection.write_text(json.dumps(info), encoding="utf-8")
        life = LifeLine(layout.ipc / "life")
        server = GatewayServer(layout.ipc / "gate", gateway)
        server.start()
        argv = ["-f", str(layout.connection), "--life", str(life.path)]
        argv += ["--gateway", str(server.path)]
        launched: Launched | None = None
        channel: Channel | None = None
        try:
            async with asyncio.timeout(options.start_seconds):
                launched = await start(options.launch(scratch), argv)
                await _until_ready(life, launched)
                channel = Channel(context, info)
                await channel.welcome()
        except BaseException as error:
            if channel is not None:
                channel.close()
            await life.aclose()
            await server.aclose()
            if launched is not None:
                await launched.aclose()
            if isinstance(error, TimeoutError):
                raise KernelStartError(
                    f"the kernel was not ready in {options.start_seconds:g} s",
                    hint="See `spatialclaw doctor`.",
                ) from None
            raise
        tree = cls(layout, life, launched, server, key)
        return tree, Live(0, channel, life.exited(0))

    async def aclose(self) -> None:
        """One user less; with the last one all processes end and the folders go."""
        self.users -= 1
        if self.users > 0:
            return
        for server in self._servers:
            await server.aclose()
        await self.life.aclose()
        await self.launched.wait(0.5)
        await self.launched.aclose()
        await asyncio.to_thread(shutil.rmtree, self.layout.scratch, ignore_errors=True)

    # -- one live kernel -----------------------------------------------------------------------
    async def race(self, live: Live, work: Coroutine[Any, Any, Any], seconds: float) -> Any:
        """Awaits something, but no longer than the kernel lives.

        Raises:
            KernelDied: The process ended.
            TimeoutError: It took too long.
        """
        task: asyncio.Future[Any] = asyncio.ensure_future(work)
        both: set[asyncio.Future[Any]] = {task, live.exited}
        try:
            await asyncio.wait(both, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            if live.exited.done():
                raise describe_exit(live.exited.result())
            raise TimeoutError(f"no answer in {seconds:g} s")
        finally:
            if not task.done():
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    async def request(
        self, live: Live, op: str, *, seconds: float = 10.0, **what: Any
    ) -> dict[str, Any]:
        """One request that is no cell, and the kernel's reply: untrusted.

        Raises:
            KernelDied: The process ended.
            TimeoutError: No answer.
        """
        number = live.channel.send("spatialclaw_request", {"op": op, **what})
        reply: dict[str, Any] = await self.race(live, live.channel.reply(number), seconds)
        return reply

    async def signal(self, live: Live, number: signal.Signals) -> None:
        """Signals the kernel's process group."""
        with contextlib.suppress(ConnectionError):
            await self.life.post("signal", signal=int(number), gen=live.gen)

    async def interrupt(self, live: Live) -> None:
        """Raises KeyboardInterrupt in the cell that runs."""
        await self.signal(live, signal.SIGINT)

    async def kill(self, live: Live, *, seconds: float = 2.0, wait: bool = True) -> bool:
        """Kills the kernel and what it started, not its sleeping copies.

        Returns:
            Whether it is known to have ended.
        """
        with contextlib.suppress(ConnectionError):
            await self.life.post("kill", gen=live.gen)
            if wait:
                await asyncio.wait({live.exited}, timeout=seconds)
        return live.exited.done()

    async def raw_output(self) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
        """What was written past Python to descriptors 1 and 2 since the last call."""
        with contextlib.suppress(ConnectionError, TimeoutError):
            report = await self.life.order("flush", seconds=1.0)
            return report.get("out"), report.get("err")
        return None, None

    # -- snapshots -----------------------------------------------------------------------------
    def _gone(self, name: str) -> None:
        if name in self.snapshots:
            self.snapshots.remove(name)

    async def keep(self, live: Live, name: str, *, most: int, most_bytes: int) -> str:
        """Leaves a sleeping copy of the kernel; the oldest go when there are too many.

        Returns:
            "" or why there is none.

        Raises:
            KernelDied: The process ended meanwhile.
        """
        self.life.forget(name)
        done = self.life.snapped(name)
        # the guard tells how it went; nobody has to wait for the reply, and cells may follow at
        # once: the kernel takes what it is asked in order
        live.channel.send("spatialclaw_snapshot", {"name": name})

        async def kept() -> str:
            return await done

        try:
            why = str(await self.race(live, kept(), 10.0))
        except TimeoutError:
            why = "it took too long"
        if why:
            return why
        if name in self.snapshots:
            self.snapshots.remove(name)
        self.snapshots.append(name)
        while len(self.snapshots) > max(1, most):
            await self.drop(self.snapshots[0])
        if len(self.snapshots) > 2:  # the last two are of the present and of the cell before
            await self._bound(most_bytes)
        return ""

    async def _bound(self, most_bytes: int) -> None:
        """Drops the oldest copies as long as they together hold too much memory alone."""
        with contextlib.suppress(ConnectionError, TimeoutError):
            report = await self.life.order("sizes")
            sizes = dict(report["sizes"])
            while len(self.snapshots) > 1:
                if sum(int(sizes.get(name, 0)) for name in self.snapshots) <= most_bytes:
                    return
                await self.drop(self.snapshots[0])

    async def drop(self, name: str) -> None:
        """Ends a sleeping copy."""
        self._gone(name)
        with contextlib.suppress(ConnectionError, TimeoutError):
            await self.life.order("drop", name=name)

    async def wake(
        self, name: str, context: zmq.asyncio.Context, *, gateway: Gateway | None = None
    ) -> Live | None:
        """Makes a sleeping copy a kernel (another one sleeps on in its place); None if it fails.

        With a gateway of its own, that of the copy is another from here on.
        """
        if name not in self.snapshots or self.life.lost.is_set():
            return None
        self._gens += 1
        gen = self._gens
        info = connection_info(str(self.layout.ipc / f"k{gen}"), self._key)
        ready, exited = self.life.ready(gen), self.life.exited(gen)
        channel: Channel | None = None
        own: dict[str, Any] = {}
        if gateway is not None:
            server = GatewayServer(self.layout.ipc / f"gate{gen}", gateway)
            server.start()
            self._servers.append(server)
            own = {"gateway": str(server.path)}
        try:
            answer = await self.life.order("wake", name=name, gen=gen, connection=info, **own)
            if not answer.get("ok"):
                return None
            both: set[asyncio.Future[Any]] = {ready, exited}
            await asyncio.wait(both, timeout=5.0, return_when=asyncio.FIRST_COMPLETED)
            if not ready.done():
                return None
            channel = Channel(context, info)
            live = Live(gen, channel, exited)
            await self.race(live, channel.welcome(), 5.0)
        except (ConnectionError, TimeoutError, KernelDied):
            if channel is not None:
                channel.close()
            return None
        return live


async def _until_ready(life: LifeLine, launched: Launched) -> None:
    accepted: asyncio.Future[Any] = asyncio.ensure_future(life.accept())
    ended: asyncio.Future[Any] = asyncio.ensure_future(launched.wait())
    try:
        await asyncio.wait({accepted, ended}, return_when=asyncio.FIRST_COMPLETED)
        if not accepted.done():
            words = launched.last_words().strip().splitlines()
            raise KernelStartError(
                f"the kernel's process ended with {ended.result()} while it started"
                + (f" ({words[-1][:300]})" if words else ""),
                hint="See `spatialclaw doctor`.",
            )
        await accepted
        ready: asyncio.Future[Any] = life.ready(0)
        exited: asyncio.Future[Any] = life.exited(0)
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
