"""How soon the viewer shows the first page of thousands of runs, and a run of them.

Run it with ``python -m spatialclaw.benchmarks.performance.viewer --runs 10000``. The runs are
copies of one whose questions, answers and times differ; the folder is removed afterwards.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import threading
import time
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

__all__ = ["main"]

CELL = "d = measure.distance(lamp, frames[0])\nprint(d)\n"


def main() -> None:
    """Prints the figures, one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--cells", type=int, default=12, help="cells of each run")
    parser.add_argument("--repeat", type=int, default=15, help="requests of each kind")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_runs(Path(folder), options.runs, options.cells)
        print(json.dumps(measure(Path(folder), options.runs, options.repeat)))


def write_runs(folder: Path, count: int, cells: int) -> None:
    """Writes runs as the recorder leaves them."""
    usage = {"requests": cells, "input_tokens": 9000, "output_tokens": 900, "cost_usd": 0.02}
    for number in range(count):
        path = folder / f"20261120-{number:06}-abcdef"
        path.mkdir()
        started = 1_790_000_000.0 + number
        question = f"How far is thing {number} from the camera in picture {number % 7}?"
        facts = {
            "schema": 1, "version": "0.1.0", "started": started, "question": question,
            "media": [{"path": "room", "kind": "folder", "bytes": 911_928, "sha256": "0" * 64}],
            "settings": {f"setting_{i}": i for i in range(40)} | {"backend": "openai"},
            "sources": {f"setting_{i}": "default" for i in range(40)}, "seed": 0,
        }  # fmt: skip
        answer = {
            "answer": number / 100, "text": f"{number / 100} m", "unit": "m", "confidence": 0.8,
            "status": "submitted" if number % 10 else "best_guess", "steps": cells,
            "seconds": 10.0 + number % 50, "usage": usage, "backend": "openai",
            "model": f"model-{number % 3}", "evidence": [], "interface": "code",
        }  # fmt: skip
        (path / "run.json").write_text(json.dumps(facts, indent=1))
        (path / "answer.json").write_text(json.dumps(answer, indent=1))
        events: list[dict[str, object]] = [{"kind": "plan", "text": "Measure it twice."}]
        for cell in range(1, cells + 1):
            text = f"Step {cell}.\n```python\n{CELL}```"
            outcome = {"status": "ok", "stdout": "3.531 m\n" * 20, "seconds": 0.03}
            events += [
                {"kind": "reply", "purpose": "step", "text": text},
                {"kind": "cell", "number": cell, "code": CELL, "result": outcome, "images": []},
                {"kind": "observation", "text": "Cell ran.\n" * 30, "images": []},
            ]
        events.append({"kind": "answer", **answer})
        lines = [
            json.dumps({"schema": 1, "seq": i, "time": started + i, **event})
            for i, event in enumerate(events)
        ]
        (path / "events.jsonl").write_text("\n".join(lines) + "\n")


def measure(folder: Path, runs: int, repeat: int) -> dict[str, Any]:
    """Milliseconds: of the first page, of others when all runs are read, of a run."""
    from spatialclaw.viewer import Viewing

    begun = time.perf_counter()
    viewing = Viewing(folder)
    thread = threading.Thread(target=viewing.run, daemon=True)
    thread.start()
    port = int(viewing.address.split(":")[2].split("/")[0])
    cookie = {"Cookie": f"spatialclaw-{port}={viewing.address.partition('token=')[2]}"}

    def ask(path: str) -> float:
        started = time.perf_counter()
        connection = HTTPConnection("127.0.0.1", port, timeout=120)
        connection.request("GET", path, headers=cookie)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        if answer.status != 200 or not body:
            raise RuntimeError(f"{path}: {answer.status}")
        return 1000 * (time.perf_counter() - started)

    def median(path: str) -> float:
        return round(statistics.median(ask(path) for _ in range(repeat)), 1)

    try:
        ask("/")
        first = 1000 * (time.perf_counter() - begun)
        viewing.index.wait()
        whole = 1000 * (time.perf_counter() - begun)
        return {
            "runs": runs,
            "start_to_first_page_ms": round(first),
            "start_to_all_read_ms": round(whole),
            "list_ms": median("/"),
            "last_page_ms": median(f"/?page={-(-runs // 50)}"),
            "search_ms": median(f"/?q=thing+{runs // 2}"),
            "filter_ms": median("/?status=best_guess&model=model-1"),
            "run_ms": median(f"/run/20261120-{runs // 2:06}-abcdef"),
        }
    finally:
        viewing.stop()
        thread.join(timeout=10)


if __name__ == "__main__":
    main()
