"""What cells cost: a kernel from the pool, round trips, snapshots.

::

    python -m spatialclaw.benchmarks.performance.kernel_cells [--json FILE] [--rounds N]

Everything is measured in one run, ours and the stock ipykernel in turn, so that the ratios hold on
a busy machine too. Nothing here is a test.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from spatialclaw.kernel import Kernel, KernelOptions, KernelPool

SHOW = "show(picture)"
MAKE_PICTURE = (
    "rng = np.random.default_rng(0)\n"
    "picture = cv2.GaussianBlur(rng.integers(0, 255, (720, 1280, 3), np.uint8), (0, 0), 3)"
)
BIG = "big = [np.ones(125_000_000 // 2) for _ in range(1)]; big[0][::1000].sum()"

Row = dict[str, Any]


def spread(values: list[float]) -> Row:
    """Median, 95th percentile and extremes, milliseconds."""
    ordered = sorted(values)
    return {
        "p50_ms": round(statistics.median(ordered) * 1e3, 2),
        "p95_ms": round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))] * 1e3, 2),
        "min_ms": round(ordered[0] * 1e3, 2),
        "n": len(ordered),
    }


class Stock:
    """A stock ipykernel over Unix sockets, driven by jupyter_client."""

    def __init__(self) -> None:
        from jupyter_client import AsyncKernelManager

        self.folder = tempfile.mkdtemp(prefix="stock-")
        self.manager = AsyncKernelManager(kernel_name="python3", transport="ipc")
        self.manager.ip = f"{self.folder}/k"
        self.client: Any = None

    async def start(self) -> None:
        """Starts it and waits as soon as possible, without the 0.2 s of `wait_for_ready`."""
        await self.manager.start_kernel()
        self.client = self.manager.client()
        self.client.start_channels(hb=False, stdin=False)
        until, sent = time.monotonic() + 60, set()
        while time.monotonic() < until:
            sent.add(self.client.kernel_info())
            if await self.client.iopub_channel.socket.poll(50):
                message = await self.client.get_iopub_msg(timeout=1)
                if message["parent_header"].get("msg_id") in sent:
                    break
        while await self.client.iopub_channel.socket.poll(60):
            await self.client.get_iopub_msg(timeout=1)
        while await self.client.shell_channel.socket.poll(10):
            await self.client.get_shell_msg(timeout=1)

    async def run(self, code: str) -> None:
        """Runs a cell until its reply and its idle status."""
        sent = self.client.execute(code, store_history=False)
        idle = reply = False
        while not (idle and reply):
            if not reply and await self.client.shell_channel.socket.poll(0 if not idle else 1000):
                message = await self.client.get_shell_msg(timeout=60)
                reply = message["parent_header"].get("msg_id") == sent
                if reply and message["content"]["status"] != "ok":
                    raise RuntimeError(message["content"])
            if not idle:
                message = await self.client.get_iopub_msg(timeout=60)
                idle = (
                    message["parent_header"].get("msg_id") == sent
                    and message["content"].get("execution_state") == "idle"
                )

    async def aclose(self) -> None:
        """Ends it."""
        if self.client is not None:
            self.client.stop_channels()
        await self.manager.shutdown_kernel(now=True)
        shutil.rmtree(self.folder, ignore_errors=True)


async def timed(work: Awaitable[Any]) -> tuple[float, Any]:
    """Seconds and result."""
    began = time.perf_counter()
    result = await work
    return time.perf_counter() - began, result


async def pool(rounds: int) -> dict[str, Row]:
    """From asking the pool to a kernel with its namespace, beside a start on demand."""
    found: dict[str, list[float]] = {"ready: on demand": [], "ready: from the pool": []}
    async with KernelPool(size=1) as warm:
        for _ in range(rounds * 2):
            await warm.filled()
            await asyncio.sleep(0.05)
            took, kernel = await timed(warm.get(KernelOptions(question="How far?")))
            found["ready: from the pool"].append(took)
            await warm.filled()
            await kernel.aclose()
            took, kernel = await timed(Kernel.start(KernelOptions(question="How far?")))
            found["ready: on demand"].append(took)
            await kernel.aclose()
    return {name: spread(values) for name, values in found.items()}


async def round_trip(rounds: int) -> dict[str, Row]:
    """A cell that does nothing, a cell that shows 1280 x 720, and the stock kernel's nothing."""
    names = (
        "cell: ours",
        "cell: ours, transactional, after a pause",
        "cell: ours, transactional, back to back",
        "cell: stock",
        "show 720p: ours",
    )
    found: dict[str, list[float]] = {name: [] for name in names}
    stock = Stock()
    await stock.start()
    async with (
        await Kernel.start(KernelOptions()) as kernel,
        await Kernel.start(KernelOptions(transactional=True)) as careful,
    ):
        await kernel.execute(MAKE_PICTURE)
        for _ in range(10):
            await kernel.execute("pass")
            await careful.execute("pass")
            await stock.run("pass")
        for _ in range(rounds * 10):
            for _ in range(5):
                found["cell: ours"].append((await timed(kernel.execute("x = 1")))[0])
                took = (await timed(careful.execute("x = 1")))[0]
                found["cell: ours, transactional, back to back"].append(took)
                found["cell: stock"].append((await timed(stock.run("x = 1")))[0])
            for _ in range(2):
                await asyncio.sleep(0.15)  # a model thinks: the snapshot is taken meanwhile
                took = (await timed(careful.execute("x = 1")))[0]
                found["cell: ours, transactional, after a pause"].append(took)
            took, result = await timed(kernel.execute(SHOW))
            assert len(result.images) == 1
            found["show 720p: ours"].append(took)
    await stock.aclose()
    return {name: spread(values) for name, values in found.items()}


async def snapshots(rounds: int) -> dict[str, Row]:
    """Snapshot, restore, and a failing transactional cell, with 500 MB of arrays."""
    found: dict[str, list[float]] = {"snapshot, 500 MB": [], "restore, 500 MB": []}
    async with await Kernel.start(KernelOptions()) as kernel:
        result = await kernel.execute(BIG)
        assert result.ok, result.error
        for number in range(rounds * 2):
            await kernel.execute(f"big[0][{number}] = 5")
            took, why = await timed(kernel.snapshot("s"))
            assert why == "", why
            found["snapshot, 500 MB"].append(took)
            await kernel.execute("big[0][7] = 6")
            took, how = await timed(kernel.restore("s"))
            assert how == "", how
            found["restore, 500 MB"].append(took)
    found["failing cell undone"] = []
    async with await Kernel.start(KernelOptions(transactional=True)) as kernel:
        for _ in range(rounds * 2):
            await kernel.execute("x = 1")
            await asyncio.sleep(0.1)
            took, result = await timed(kernel.execute("1 / 0"))
            assert "state unchanged" in result.lost, result.lost
            found["failing cell undone"].append(took)
    return {name: spread(values) for name, values in found.items()}


PARTS: dict[str, Callable[[int], Awaitable[dict[str, Row]]]] = {
    "pool": pool,
    "round_trip": round_trip,
    "snapshots": snapshots,
}


def show_table(table: dict[str, Row]) -> None:
    """Prints it."""
    from rich.console import Console
    from rich.table import Table

    columns = list(dict.fromkeys(key for row in table.values() for key in row))
    grid = Table("what", *columns)
    for name, row in table.items():
        grid.add_row(name, *(str(row.get(column, "")) for column in columns))
    Console(width=140).print(grid)


async def main(arguments: list[str]) -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--only", nargs="*", choices=list(PARTS), default=list(PARTS))
    options = parser.parse_args(arguments)
    table: dict[str, Row] = {}
    for name in options.only:
        table |= await PARTS[name](options.rounds)
    show_table(table)
    if options.json:
        machine = {
            "python": platform.python_version(),
            "system": platform.platform(),
            "cores": os.cpu_count(),
            "load": os.getloadavg()[0],
        }
        content = {"machine": machine, "figures": table}
        options.json.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
