"""Kills an evaluation with SIGKILL at random moments, again and again, and compares the tables.

    python -m spatialclaw.benchmarks.performance.eval_kill [--questions 200] [--kills 50]

The same questions are evaluated twice against a scripted server that fails at random: once in
peace, once killed `kills` times and begun again with the same command. The tables must be the same,
no question may have two results, and none may be missing.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from spatialclaw.backends.scripted_server import ScriptedServer
from spatialclaw.benchmarks.performance.eval_questions import model, write_questions
from spatialclaw.evaluation.store import Store

FIGURES = (
    "questions", "pending", "answered", "model_failed", "infra_failed", "unparsable", "mean",
    "mean_of_all", "official", "lenient_mean", "tasks", "distribution",
)  # fmt: skip
__all__ = ["command", "figures", "kill_run", "main"]


def command(server: ScriptedServer, questions: Path, out: Path, *more: str) -> list[str]:
    """The evaluation's command line."""
    return [
        sys.executable, "-m", "spatialclaw", "eval", str(questions), "--out", str(out),
        "--backend", "openai", "--base-url", server.base_url, "--model", server.model,
        "--concurrency", "8", "--retry-infra", "20", "--max-retries", "6", "--confine", "process",
        "--json", "--quiet", *more,
    ]  # fmt: skip


def figures(folder: Path) -> dict[str, Any]:
    """What must be the same however the evaluation went: outcomes, scores and intervals."""
    summary = json.loads((folder / "results.json").read_text())
    kept = {}
    for name, benchmark in summary["benchmarks"].items():
        kept[name] = {key: benchmark[key] for key in FIGURES}
    return kept


def per_question(folder: Path) -> dict[str, tuple[str, float | None, str]]:
    """Uid -> (outcome, score, reply)."""
    store = Store(folder)
    try:
        return {r.uid: (r.outcome, r.score, r.reply) for r in store.results()}
    finally:
        store.close()


def kill_run(
    line: list[str],
    kills: int,
    requests: Callable[[], int],
    *,
    seed: int = 0,
    longest: float = 4.0,
) -> tuple[int, int]:
    """Runs a command, kills it so often at random moments, and lets it end at last.

    Args:
        line: The command.
        kills: How often.
        seed: Of the moments.
        requests: How many requests the server has seen: the clock starts with the first new one.
        longest: Seconds it may ask before it is killed; one kill in ten comes before it asks.

    Returns:
        Kills that hit a running process, and the last exit status.
    """
    draw = random.Random(seed)
    hit = 0
    for _ in range(kills):
        process = subprocess.Popen(
            line, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
        )
        before = requests()
        if draw.random() < 0.1:
            time.sleep(draw.uniform(0.1, 2.0))
        else:
            while process.poll() is None and requests() == before:
                time.sleep(0.01)
            time.sleep(draw.uniform(0.0, longest))
        if process.poll() is None:
            hit += 1
            os.kill(process.pid, signal.SIGKILL)
        _, said = process.communicate()
        if process.returncode not in (-9, 0, 1):
            raise SystemExit(f"it ended with {process.returncode}: {said.decode()[-500:]}")
    return hit, subprocess.run(line, stdout=subprocess.DEVNULL, check=False).returncode


def main() -> int:
    """Prints the two tables' agreement; exit status 1 when they differ."""
    parser = argparse.ArgumentParser(description="Kills an evaluation again and again.")
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--faults", type=float, default=0.1)
    parser.add_argument("--latency", type=float, default=0.5)
    parser.add_argument("--longest", type=float, default=4.0)
    parser.add_argument("--interface", default="code")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        questions = write_questions(folder / "data", options.questions)
        more = ("--interface", options.interface)
        script = model(faults=options.faults, seed=options.seed)
        with ScriptedServer(script, latency=options.latency) as server:
            started = time.monotonic()
            subprocess.run(command(server, questions, folder / "calm", *more),
                           stdout=subprocess.DEVNULL, check=False)  # fmt: skip
            calm = time.monotonic() - started
            asked = len(server.requests)
            started = time.monotonic()
            hit, status = kill_run(
                command(server, questions, folder / "killed", *more),
                options.kills,
                lambda: len(server.requests),
                seed=options.seed,
                longest=options.longest,
            )
            killed = time.monotonic() - started
            again = len(server.requests) - asked
        same = figures(folder / "calm") == figures(folder / "killed")
        rows = per_question(folder / "calm") == per_question(folder / "killed")
        aside = sum(1 for _ in (folder / "killed" / "aside").glob("*/*"))
        print(f"undisturbed: {calm:.0f} s, {asked} requests")
        print(f"killed {hit} times: {killed:.0f} s, {again} requests, last status {status}, "
              f"{aside} half-written runs set aside")  # fmt: skip
        print(f"same table: {same}; same result of every question: {rows}")
        return 0 if same and rows else 1


if __name__ == "__main__":
    sys.exit(main())
