"""What the loop costs: time added per step, tokens sent again, and throughput of many runs.

Run one or all of them::

    python -m spatialclaw.benchmarks.performance.loop [overhead|context|throughput ...]
"""

from __future__ import annotations

import asyncio
import gc
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import numpy as np

from spatialclaw.agent.budget import Limits
from spatialclaw.agent.conversation import ModelPolicy, system_prompt
from spatialclaw.agent.environment import Environment
from spatialclaw.agent.loop import context_of
from spatialclaw.agent.record import NoRecord
from spatialclaw.agent.types import Task
from spatialclaw.backends.openai import OpenAIChat, OpenAIOptions
from spatialclaw.backends.scripted_server import ScriptedServer

__all__ = ["context", "main", "overhead", "throughput"]

TASK = Task("How far is the red thing from the blue thing?", unit="m")


def _cell(code: str) -> str:
    return f"I look.\n\n```python\n{code}\n```\n"


async def overhead(steps: int = 200) -> dict[str, Any]:
    """Time a step adds to a bare round trip of the same cell in the same kernel.

    Bare and through the loop alternate, so that both meet the same noise of the machine. The loop
    parses the reply, checks budgets, writes the record to disk and renders the observation.
    """
    from spatialclaw.kernel import Kernel, KernelOptions
    from spatialclaw.traces import Recorder

    code = "value = 3.5 * 2\nprint('value', value)"
    reply = _cell(code)
    bare: list[float] = []
    stepped: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        kernel = await Kernel.start(KernelOptions(confine="process"))
        recorder = Recorder(Path(folder))
        try:
            environment = Environment()
            await environment.areset(
                TASK, kernel=kernel, recorder=recorder,
                limits=Limits(plan=False, max_steps=steps + 20),
            )  # fmt: skip
            for number in range(steps + 10):
                start = time.perf_counter()
                await kernel.execute(code, timeout=10)
                middle = time.perf_counter()
                await environment.astep(reply)
                end = time.perf_counter()
                if number >= 10:
                    bare.append((middle - start) * 1e3)
                    stepped.append((end - middle) * 1e3)
        finally:
            recorder.close()
            await kernel.aclose()
    added = [s - b for s, b in zip(stepped, bare, strict=True)]
    return {
        "steps": steps,
        "bare_ms_p50": round(statistics.median(bare), 2),
        "step_ms_p50": round(statistics.median(stepped), 2),
        "added_ms_p50": round(statistics.median(added), 2),
        "bar_ms": 3.0,
    }


async def context(steps: int = 20, shown: int = 12) -> dict[str, Any]:
    """Tokens sent over a long run, against resending everything at every step.

    The run shows twelve pictures of 1280 x 720 and prints a table in each cell. "Everything" is
    every reply, every observation in full and every picture at the size it was shown.
    """
    picture = (
        "img = np.full((720, 1280, 3), {n}, np.uint8)\nimg[:, ::7] = 200\n"
        "show(img, title='picture {n}')"
    )
    table = "\nfor i in range(100): print('object', i, 'at', round(i * 1.37, 2), 'm, score', i % 7)"
    script = ["1. depth 2. distance"]
    for number in range(steps):
        script.append(_cell((picture.format(n=number) if number < shown else "x = 1") + table))
    script.append(_cell("submit(2.0, 'm')"))
    ours, everything = await _counted(script, steps)
    half = len(ours) // 2
    return {
        "steps": steps,
        "pictures": shown,
        "first_request": ours[0],
        "tokens_sent": sum(ours),
        "tokens_resending_everything": sum(everything),
        "ratio": round(sum(ours) / sum(everything), 3),
        "bar_ratio": 0.4,
        "largest_request": max(ours),
        "largest_resending_everything": max(everything),
        "second_half_over_first": round(sum(ours[half:]) / sum(ours[:half]), 2),
        "everything_second_half_over_first": round(
            sum(everything[half:]) / sum(everything[:half]), 2
        ),
    }


async def _counted(script: list[str], steps: int) -> tuple[list[int], list[int]]:
    """Tokens of each request as sent, and as it would be with everything in it."""
    from spatialclaw.kernel import Kernel, KernelOptions

    everything: list[int] = []
    kernel = await Kernel.start(KernelOptions(confine="process"))
    try:
        with ScriptedServer(list(script)) as server:
            chat = OpenAIChat(OpenAIOptions(server.base_url, model=server.model))
            environment, record = Environment(), NoRecord()
            observation = await environment.areset(
                TASK,
                kernel=kernel,
                recorder=record,
                limits=Limits(max_steps=steps + 2),
                chat=chat,
            )
            policy = ModelPolicy(TASK)
            policy.bind(context_of(environment))
            total = len(system_prompt(environment.prompts)) // 4
            while not observation.done:
                total += len(observation.text) // 4
                shown = [e for e in record.events if e["kind"] == "cell"][-1:]
                total += sum(_patches(p["width"], p["height"]) for e in shown for p in e["images"])
                everything.append(total)
                reply = await policy.reply(observation)
                total += len(reply) // 4
                observation = await environment.astep(reply)
            await chat.aclose()
            return [_tokens(body) for body in server.bodies], everything
    finally:
        await kernel.aclose()


def _tokens(body: bytes) -> int:
    """Four characters of text a token; a picture by its area, 28 x 28 pixels a token."""
    import base64
    import io

    from PIL import Image

    total = 0
    for message in json.loads(body)["messages"]:
        content: Any = message["content"]
        parts: list[Any] = (
            [{"type": "text", "text": content}] if isinstance(content, str) else content
        )
        for part in parts:
            if part["type"] == "text":
                total += len(part["text"]) // 4
            else:
                data = base64.b64decode(part["image_url"]["url"].split(",")[1])
                total += _patches(*Image.open(io.BytesIO(data)).size)
    return total


def _patches(width: int, height: int) -> int:
    return -(-width // 28) * -(-height // 28)


async def throughput(
    concurrent: int = 64, rounds: int = 2, cells: int = 8, latency: float = 1.0
) -> dict[str, Any]:
    """Runs side by side against a server that takes a second for each reply.

    As many runs as `concurrent` are kept going; the ideal is that each only waits for the model.
    """
    import spatialclaw as sc

    replies = [_cell(f"x = {n} + np.ones(3).sum()\nprint(x)") for n in range(cells)]

    def script(request: dict[str, Any]) -> str:
        turn = sum(message["role"] == "assistant" for message in request["messages"])
        if turn == 0:
            return "A plan."
        return replies[turn - 1] if turn <= cells else _cell("submit(2.0, 'm')")

    slots = asyncio.Semaphore(concurrent)
    with tempfile.TemporaryDirectory() as folder, ScriptedServer(script, latency=latency) as server:
        photo = Path(folder) / "photo.png"
        _save(photo)
        options: dict[str, Any] = {
            "backend": "openai",
            "base_url": server.base_url,
            "model": server.model,
            "runs_dir": Path(folder) / "runs",
            "confine": "process",
        }

        async def one() -> str:
            async with slots:
                return (await sc.aask(photo, TASK.question, **options)).status

        await one()
        gc.collect()
        start, cpu = time.perf_counter(), time.process_time()
        statuses = await asyncio.gather(*(one() for _ in range(concurrent * rounds)))
        wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    assert set(statuses) == {"submitted"}
    requests = cells + 2
    ideal = rounds * requests * latency
    return {
        "concurrent": concurrent,
        "runs": concurrent * rounds,
        "requests_a_run": requests,
        "wall_s": round(wall, 2),
        "ideal_s": ideal,
        "of_ideal": round(ideal / wall, 3),
        "host_and_server_cpu_ms_a_request": round(1e3 * cpu / (concurrent * rounds * requests), 2),
        "bar": 0.9,
    }


def _save(path: Path) -> None:
    from PIL import Image

    Image.fromarray(np.full((480, 640, 3), 120, np.uint8)).save(path)


def main(names: list[str]) -> None:
    """Prints one JSON object a measurement."""
    measurements: dict[str, Callable[[], Coroutine[Any, Any, dict[str, Any]]]] = {
        "overhead": overhead,
        "context": context,
        "throughput": throughput,
    }
    for name in names or list(measurements):
        print(json.dumps({"measurement": name, **asyncio.run(measurements[name]())}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
