"""How fast questions go through `spatialclaw eval` while a model takes a second a reply.

    python -m spatialclaw.benchmarks.performance.eval_rate [--questions 1000] [--concurrency 64]

The model is scripted and serves any number of requests at once: nothing but our own work can keep
the rate below ideal (questions under way, divided by the seconds that the replies of one take).
Prints the rate, its ratio to the ideal one, how the memory of the process and of its kernels grew,
and the longest time that the event loop did not turn.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import tempfile
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path

import psutil

from spatialclaw.backends.scripted_server import ScriptedServer
from spatialclaw.benchmarks.performance.eval_questions import model, write_questions
from spatialclaw.config import resolve_settings
from spatialclaw.evaluation import evaluate as evaluation
from spatialclaw.evaluation.asking import Asker
from spatialclaw.evaluation.records import Result
from spatialclaw.evaluation.store import read_results

__all__ = ["main"]


class LoopWatch:
    """The longest times that an event loop did not turn.

    Args:
        every: Seconds between two looks.
    """

    def __init__(self, every: float = 0.005) -> None:
        self._every = every
        self.late: list[float] = []

    async def run(self) -> None:
        """Looks until cancelled."""
        while True:
            before = time.perf_counter()
            await asyncio.sleep(self._every)
            self.late.append(time.perf_counter() - before - self._every)


class MemoryWatch(threading.Thread):
    """Memory (PSS) and processor time of this process and its children, sampled.

    Args:
        every: Seconds between two looks at the processor time; memory takes ten times as long.
        besides: A child that is not looked at.
    """

    def __init__(self, every: float = 0.5, *, besides: int = 0) -> None:
        super().__init__(daemon=True)
        self._every = every
        self._besides = besides
        self._done = threading.Event()
        self._processor: dict[int, float] = {}
        self.samples: list[tuple[float, float, float]] = []

    def run(self) -> None:
        """Samples until `end`."""
        started = time.monotonic()
        looks = 0
        while not self._done.wait(self._every):
            looks += 1
            own = psutil.Process()
            children = [c for c in own.children(recursive=True) if c.pid != self._besides]
            kernels = 0.0
            for process in (own, *children):
                try:
                    times = process.cpu_times()
                    self._processor[process.pid] = times.user + times.system
                    if looks % 10 == 0 and process is not own:
                        kernels += process.memory_full_info().pss / 1e6
                except psutil.Error:
                    continue  # it has just ended
            if looks % 10 == 0:
                now = time.monotonic() - started
                self.samples.append((now, own.memory_info().rss / 1e6, kernels))

    @property
    def processor_seconds(self) -> tuple[float, float]:
        """Of this process, and of its children as far as they were seen."""
        total = dict(self._processor)
        own = total.pop(psutil.Process().pid, 0.0)
        return own, sum(total.values())

    def end(self) -> None:
        """Ends it."""
        self._done.set()
        self.join()


def main() -> None:
    """Prints what was measured."""
    parser = argparse.ArgumentParser(description="Measures the rate of an evaluation.")
    parser.add_argument("--questions", type=int, default=1000)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--latency", type=float, default=1.0)
    parser.add_argument("--steps", type=int, default=3, help="cells before the one that submits")
    parser.add_argument("--interface", default="code")
    options = parser.parse_args()
    replies = 1 if options.interface == "direct" else options.steps + 2
    watch = LoopWatch()
    finished: list[float] = []
    begin = Asker.start

    async def start(asker: Asker) -> None:
        await begin(asker)
        asker.watch = asyncio.create_task(watch.run())  # type: ignore[attr-defined]

    Asker.start = start  # type: ignore[method-assign,assignment]
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    # A process of its own: what the server takes is not the evaluation's.
    server = spawn.Process(
        target=_serve, args=(theirs, options.steps, options.latency), daemon=True
    )
    server.start()
    base_url, name = ours.recv()
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        questions = write_questions(folder / "data", options.questions)
        resolved = resolve_settings(
            {"backend": "openai", "base_url": base_url, "model": name,
             "interface": options.interface}
        )  # fmt: skip
        memory = MemoryWatch(besides=server.pid or 0)
        memory.start()
        evaluation.evaluate(
            evaluation.Plan(
                [str(questions)], resolved, out=folder / "out", concurrency=options.concurrency,
                line_seconds=30,
            )
        )  # fmt: skip
        memory.end()
        results = read_results(folder / "out")
        finished = sorted(r.finished for r in results)
        _print(options, replies, results, finished, memory, watch)
    ours.send(None)
    server.join(10)


def _serve(pipe: Connection, steps: int, latency: float) -> None:
    with ScriptedServer(model(steps=steps), latency=latency) as server:
        pipe.send((server.base_url, server.model))
        pipe.recv()


def _print(
    options: argparse.Namespace,
    replies: int,
    results: list[Result],
    finished: list[float],
    memory: MemoryWatch,
    watch: LoopWatch,
) -> None:
    started = min(r.started for r in results)
    seconds = finished[-1] - started
    # The last round is not full: whole rounds of questions, one reply after the other.
    rounds = -(-options.questions // options.concurrency)
    ideal = rounds * replies * options.latency
    print(f"{len(results)} questions, {options.concurrency} at once, {replies} replies of "
          f"{options.latency:g} s each: {seconds:.1f} s")  # fmt: skip
    print(f"rate {len(results) / seconds:.2f}/s, ideal {options.questions / ideal:.2f}/s, "
          f"ratio {100 * ideal / seconds:.0f} %")  # fmt: skip
    own, kernels = (1000 * part / len(results) for part in memory.processor_seconds)
    print(f"processor time a question: {own:.0f} ms here, {kernels:.0f} ms in kernels")
    if len(memory.samples) > 3:
        third = len(memory.samples) // 3
        for name, column in (("this process", 1), ("kernels", 2)):
            values = [sample[column] for sample in memory.samples]
            print(f"memory of {name}: {values[third]:.0f} MB after a third, {values[-1]:.0f} MB "
                  f"at the end, {max(values):.0f} MB at most")  # fmt: skip
    late = sorted(watch.late)
    if late:
        middle, most = late[len(late) // 2], late[int(0.99 * len(late))]
        print(f"event loop late: p50 {1000 * middle:.1f} ms, p99 {1000 * most:.1f} ms, "
              f"longest {1000 * late[-1]:.0f} ms")  # fmt: skip


if __name__ == "__main__":
    main()
