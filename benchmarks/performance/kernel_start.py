"""What a kernel costs: time until it is ready, memory, and what is left after many.

Run it all or in parts::

    python -m spatialclaw.benchmarks.performance.kernel_start [ready|memory|many ...]
        [--rounds 20] [--level strict] [--json FILE]

Ways to a kernel alternate within one run, so that all meet the same noise of the machine. Ready
means: the namespace is complete, and a request has been answered on both channels. The template
process, started once for each host process, is not counted; its own time is printed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Literal

__all__ = ["main", "many", "memory", "ready"]

Level = Literal["strict", "process", "off"]


def _figures(seconds: list[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    return {
        "p50_ms": round(statistics.median(ordered) * 1e3, 1),
        "p95_ms": round(ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))] * 1e3, 1),
        "min_ms": round(ordered[0] * 1e3, 1),
        "max_ms": round(ordered[-1] * 1e3, 1),
        "n": len(ordered),
    }


async def _stock(modules: list[str]) -> tuple[float, Callable[[], Awaitable[None]]]:
    """A stock ipykernel over ipc that imports what our template has imported."""
    from jupyter_client import AsyncKernelManager
    from jupyter_client.kernelspec import KernelSpec

    folder = tempfile.TemporaryDirectory(prefix="stock-")
    manager = AsyncKernelManager(transport="ipc")
    manager.ip = f"{folder.name}/k"
    manager._kernel_spec = KernelSpec(
        argv=[sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        display_name="stock",
        language="python",
    )
    began = time.perf_counter()
    await manager.start_kernel()
    client = manager.client()
    client.start_channels(hb=False)
    sent: set[str] = set()
    again = 0.0
    while True:  # `wait_for_ready` adds 200 ms; this is as early as it can be known
        if time.perf_counter() >= again:
            sent.add(client.kernel_info())
            again = time.perf_counter() + 0.05
        if await client.iopub_channel.socket.poll(5):
            message = await client.get_iopub_msg(timeout=1)
            mine = message["parent_header"].get("msg_id") in sent
            if mine and message["content"].get("execution_state") == "idle":
                break
    request = client.execute("import " + ", ".join(modules))
    while True:
        message = await client.get_shell_msg(timeout=60)
        if message["parent_header"].get("msg_id") == request:
            assert message["content"]["status"] == "ok", message["content"]
            break
    taken = time.perf_counter() - began

    async def close() -> None:
        client.stop_channels()
        await manager.shutdown_kernel(now=True)
        folder.cleanup()

    return taken, close


async def ready(level: Level = "strict", rounds: int = 20) -> dict[str, Any]:
    """Time until a kernel is ready: from the pool, forked on demand, and the stock way."""
    from spatialclaw.kernel import Kernel, KernelOptions, KernelPool
    from spatialclaw.kernel.inside.process import PRELOAD
    from spatialclaw.kernel.launch import stop_templates, warm

    options = KernelOptions(confine=level)
    stop_templates()
    began = time.perf_counter()
    await warm()
    template = time.perf_counter() - began
    times: dict[str, list[float]] = {"pool": [], "forked": [], "stock": []}
    async with KernelPool(options, size=1) as pool:
        for number in range(rounds + 2):
            await pool.filled()
            began = time.perf_counter()
            kernel = await pool.get(options)
            pooled = time.perf_counter() - began
            await pool.filled()  # it starts the next one meanwhile: not while we measure
            await kernel.aclose()

            began = time.perf_counter()
            kernel = await Kernel.start(options)
            forked = time.perf_counter() - began
            await kernel.aclose()

            stock, close = await _stock(list(PRELOAD))
            await close()
            if number >= 2:
                for name, value in zip(times, (pooled, forked, stock), strict=True):
                    times[name].append(value)
    figures = {name: _figures(values) for name, values in times.items()}
    return {
        "level": level,
        "template_s": round(template, 2),
        **figures,
        "stock_over_forked": round(figures["stock"]["p50_ms"] / figures["forked"]["p50_ms"], 1),
        "bars": {"pool_p50_ms": 15, "forked_p50_ms": 80, "forked_p95_ms": 150, "ratio": 10},
    }


def _below(pid: int) -> list[int]:
    found, todo = [], [pid]
    while todo:
        current = todo.pop()
        try:
            for task in Path(f"/proc/{current}/task").iterdir():
                todo += [int(child) for child in (task / "children").read_text().split()]
        except OSError:
            continue
        found.append(current)
    return found


def _pss(pid: int) -> float:
    """Proportional set size of a process and everything below it, in MB."""
    total = 0
    for process in _below(pid):
        try:
            text = Path(f"/proc/{process}/smaps_rollup").read_text()
        except OSError:
            continue
        total += next(int(ln.split()[1]) for ln in text.splitlines() if ln.startswith("Pss:"))
    return total / 1024


async def memory(level: Level = "strict", kernels: int = 32) -> dict[str, Any]:
    """PSS: of the template alone, and what the 1st, 8th and 32nd kernel add to the whole."""
    from spatialclaw.kernel import Kernel, KernelOptions
    from spatialclaw.kernel.launch import host, warm

    await warm()
    template = host.shared().process.pid
    alive: list[Kernel] = []
    whole = [_pss(template)]
    try:
        for _ in range(kernels):
            kernel = await Kernel.start(KernelOptions(confine=level))
            await kernel.execute("1")
            alive.append(kernel)
            whole.append(_pss(template))
        single = [round(_pss(k.pid or 0), 1) for k in alive]
    finally:
        for kernel in alive:
            await kernel.aclose()
    marks = sorted({1, min(8, kernels), kernels})
    return {
        "level": level,
        "template_alone_mb": round(whole[0], 1),
        "added_by_mb": {str(n): round(whole[n] - whole[n - 1], 1) for n in marks},
        "each_further_mb": round((whole[-1] - whole[1]) / max(1, kernels - 1), 1),
        "own_pss_mb": {str(n): single[n - 1] for n in marks},
        "bar_mb": 40,
    }


async def many(level: Level = "strict", kernels: int = 64, times: int = 5) -> dict[str, Any]:
    """Many kernels side by side, again and again: failures, and what is left afterwards."""
    from spatialclaw.errors import SpatialclawError
    from spatialclaw.kernel import Kernel, KernelOptions
    from spatialclaw.kernel.launch import host, warm
    from spatialclaw.kernel.launch.reaping import owner

    def state() -> dict[str, int]:
        gone = 0
        while any(_zombie(pid) for pid in _below(host.shared().process.pid)) and gone < 100:
            gone += 1
            time.sleep(0.02)
        return {
            "descriptors": _descriptors("self"),
            "template_descriptors": _descriptors(host.shared().process.pid),
            "processes": len(_below(host.shared().process.pid)),
            "scratches": len([m for m in _marks() if m.read_text() == owner()]),
        }

    gate = asyncio.Semaphore(4)
    failures: list[str] = []

    async def one() -> Kernel | None:
        async with gate:
            try:
                return await Kernel.start(KernelOptions(confine=level))
            except SpatialclawError as error:
                failures.append(str(error))
                return None

    await warm()
    for kernel in [await one()]:
        if kernel:
            await kernel.aclose()
    before = state()
    began = time.perf_counter()
    for _ in range(times):
        alive = [k for k in await asyncio.gather(*(one() for _ in range(kernels))) if k]
        results = await asyncio.gather(*(k.execute("6 * 7", timeout=60) for k in alive))
        failures += [r.status for r in results if r.result != "42"]
        await asyncio.gather(*(k.aclose() for k in alive))
    seconds = time.perf_counter() - began
    return {
        "level": level,
        "kernels": kernels,
        "times": times,
        "failures": failures,
        "seconds_a_kernel": round(seconds / kernels / times, 3),
        "before": before,
        "after": state(),
    }


def _marks() -> list[Path]:
    return list(Path("/dev/shm").glob("spatialclaw-*/*/owner"))


def _descriptors(pid: int | str) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def _zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return False


def _print(name: str, figures: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{name} ({figures['level']})", title_justify="left")
    table.add_column("what")
    table.add_column("figures")
    for key, value in figures.items():
        if isinstance(value, dict):
            value = "  ".join(f"{k} {v}" for k, v in value.items())
        table.add_row(key, str(value))
    Console().print(table)


def main() -> None:
    """Prints tables, and saves JSON where asked."""
    measurements: dict[str, Callable[[argparse.Namespace], Awaitable[dict[str, Any]]]] = {
        "ready": lambda a: ready(a.level, a.rounds),
        "memory": lambda a: memory(a.level),
        "many": lambda a: many(a.level),
    }
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="*", choices=[*measurements, []])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--level", default="strict", choices=["strict", "process", "off"])
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    found = {}
    for name in arguments.what or list(measurements):

        async def run(name: str = name) -> dict[str, Any]:
            return await measurements[name](arguments)

        found[name] = asyncio.run(run())
        _print(name, found[name])
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
