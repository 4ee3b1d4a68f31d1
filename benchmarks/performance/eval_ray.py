"""The same evaluation in one process and on a Ray cluster of local workers, one of them killed.

    python -m spatialclaw.benchmarks.performance.eval_ray [--questions 200] [--workers 2]

Prints both times and whether the tables and the results of every question are the same.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from spatialclaw.backends.scripted_server import ScriptedServer
from spatialclaw.benchmarks.performance.eval_kill import command, figures, per_question
from spatialclaw.benchmarks.performance.eval_questions import model, write_questions

__all__ = ["kill_one_worker", "main", "run_with_a_kill"]


def kill_one_worker(driver: int) -> int | None:
    """Kills one of the Ray workers that a driver's own cluster runs; gives its process id."""
    for process in psutil.Process(driver).children(recursive=True):
        try:
            if "ray::Worker" in " ".join(process.cmdline()):
                process.kill()
                return int(process.pid)
        except psutil.Error:
            continue  # it has just ended
    return None


def run_with_a_kill(line: list[str], server: ScriptedServer, after: int) -> tuple[int, int | None]:
    """Runs a command and kills a worker once the server has had so many further requests.

    Returns:
        The exit status, and the process that was killed.
    """
    before = len(server.requests)
    process = subprocess.Popen(line, stdout=subprocess.DEVNULL)
    killed = None
    while process.poll() is None:
        if killed is None and len(server.requests) - before >= after:
            killed = kill_one_worker(process.pid)
        time.sleep(0.05)
    return process.returncode, killed


def main() -> int:
    """Prints the comparison; exit status 1 when the tables differ."""
    parser = argparse.ArgumentParser(description="Compares an evaluation with one on Ray.")
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--latency", type=float, default=0.5)
    parser.add_argument("--interface", default="code")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as text, ScriptedServer(
        model(), latency=options.latency
    ) as server:  # fmt: skip
        folder = Path(text)
        questions = write_questions(folder / "data", options.questions)
        more = ("--interface", options.interface)
        started = time.monotonic()
        subprocess.run(command(server, questions, folder / "one", *more),
                       stdout=subprocess.DEVNULL, check=False)  # fmt: skip
        print(f"one process: {time.monotonic() - started:.0f} s")
        started = time.monotonic()
        line = command(server, questions, folder / "ray", *more, "--engine", "ray",
                       "--ray-workers", str(options.workers))  # fmt: skip
        status, killed = run_with_a_kill(line, server, options.questions // 4)
        print(f"{options.workers} Ray workers, process {killed} killed: "
              f"{time.monotonic() - started:.0f} s, status {status}")  # fmt: skip
        same = figures(folder / "one") == figures(folder / "ray")
        rows = per_question(folder / "one") == per_question(folder / "ray")
        print(f"same table: {same}; same result of every question: {rows}")
        return 0 if same and rows and killed else 1


if __name__ == "__main__":
    sys.exit(main())
