"""Runs as the recorder writes them, and a viewer that serves them."""

from __future__ import annotations

import base64
import io
import json
import struct
import threading
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from PIL import Image

from spatialclaw.traces import Recorder

CODE = 'width = measure.width(masks[0])\nprint(f"{width}")  # a < b & c\n'


def picture(shade: int = 120, size: tuple[int, int] = (320, 240)) -> bytes:
    """A JPEG of one shade."""
    out = io.BytesIO()
    Image.new("RGB", size, (shade, 90, 160)).save(out, "JPEG")
    return out.getvalue()


def scene() -> dict[str, Any]:
    """A cube of points, a camera, a box and a measured line."""
    from spatialclaw.kernel.scene import check_scene

    grid = range(0, 65536, 4369)
    points = [struct.pack("<3H", x, y, z) for x in grid for y in grid for z in (0, 30000)]
    return check_scene(
        {
            "ref": "world",
            "unit": "m",
            "cameras": [{"pose": [1, 0, 0, 0, 0, 0, 1, -3, 0, -1, 0, 1], "label": "first"}],
            "boxes": [
                {"center": [0, 0, 0.5], "axes": [1, 0, 0, 0, 1, 0, 0, 0, 1],
                 "extent": [0.5, 0.5, 1], "label": "<b>bin</b>"},
            ],
            "lines": [{"a": [-1, 0, 0], "b": [1, 0, 0], "label": "2.00 m"}],
            "marks": [],
            "cloud_data": {
                "low": [-2, -2, 0],
                "high": [2, 2, 2],
                "xyz": base64.b64encode(b"".join(points)).decode(),
                "rgb": base64.b64encode(bytes([200, 120, 60]) * len(points)).decode(),
            },
        }
    )  # fmt: skip


def result(**changes: Any) -> dict[str, Any]:
    """What a cell did, as it is recorded."""
    plain = {
        "status": "ok", "stdout": "0.52 m\n", "stderr": "", "result": None, "error": None,
        "variables": [{"name": "width", "type": "Measurement", "summary": "<Measurement 0.52 m>",
                       "change": "new"}],
        "measurements": [{"name": "width", "value": 0.52, "unit": "m", "sigma": 0.01,
                          "method": "rgbd", "evidence": []}],
        "submission": None, "seconds": 0.031, "lost": "", "truncated_bytes": 0,
    }  # fmt: skip
    return {**plain, **changes}


FAILED = {
    "name": "NameError",
    "message": "name 'heigth' is not defined",
    "traceback": "line 1",
    "line": 1,
}


def write_run(folder: Path, name: str = "20261120-100000-aaaaaa", **options: Any) -> Path:
    """Writes a run as the loop does.

    Options: question, answer (None leaves it unfinished), status, backend, model, started, text (of
    the plan), stdout, scene (whether a cell made one), failing (whether a cell failed).
    """
    path = folder / name
    path.mkdir(parents=True)
    started = options.get("started", 1_790_000_000.0)
    recorder = Recorder(path, clock=lambda: started)
    backend, model = options.get("backend", "openai"), options.get("model", "small-vlm")
    recorder.start(
        question=options.get("question", "How wide is the bin?"),
        choices=options.get("choices"),
        media=[{"path": "room.jpg", "kind": "image", "bytes": 12_345, "sha256": "ab" * 32}],
        settings={"backend": backend, "model": model, "frames": 8},
        sources={"frames": "flag"},
        seed=0,
    )
    image = recorder.image(picture(), "image/jpeg")
    shown = {"image": image, "width": 320, "height": 240, "title": "the room", "source": {}}
    recorder.event("observation", expects="plan", text="# Question", images=[shown], done=False)
    recorder.event("request", request=1, purpose="plan", messages=[])
    usage = {"input_tokens": 1200, "output_tokens": 80}
    plan = options.get("text", "Measure the bin twice.")
    recorder.event("reply", request=1, purpose="plan", model=model, text=plan, usage=usage,
                   seconds=1.4)  # fmt: skip
    recorder.event("plan", text=plan)
    if options.get("failing"):
        bad = {"status": "error", "error": FAILED, "stdout": "", "variables": []}
        number = recorder.cell("heigth\n")
        recorder.event("cell", number=number, step=1, code="heigth\n", result=result(**bad),
                       images=[])  # fmt: skip
    recorder.event("reply", purpose="step", text=f"Now I measure.\n```python\n{CODE}```\n")
    second = recorder.image(picture(200), "image/jpeg")
    recorder.event(
        "cell",
        number=recorder.cell(CODE),
        step=1,
        code=CODE,
        result=result(stdout=options.get("stdout", "0.52 m\n")),
        images=[{**shown, "image": second, "title": "the bin"}],
        **({"scenes": [recorder.scene(scene())]} if options.get("scene") else {}),
    )
    recorder.event("observation", expects="cell", text="Cell 1 ran.", images=[], done=False)
    answer = options.get("answer", "0.52 m")
    if answer is not None:
        recorder.answer(
            {
                "answer": 0.52, "text": answer, "unit": "m", "answer_type": "number",
                "confidence": 0.8, "status": options.get("status", "submitted"),
                "evidence": ["width = 0.52 m"], "steps": 1, "seconds": options.get("seconds", 3.2),
                "usage": {"requests": 2, "input_tokens": 1200, "output_tokens": 80, "images": 1,
                          "cost_usd": 0.0123},
                "backend": backend, "model": model, "interface": "code", "run_dir": str(path),
                "version": "0.1.0",
            }
        )  # fmt: skip
    recorder.close()
    return path


def write_evaluation(folder: Path, name: str, right: list[bool], **options: Any) -> Path:
    """Writes an evaluation of questions with yes or no as the runner does."""
    from spatialclaw.evaluation.records import Result
    from spatialclaw.evaluation.store import Store

    path = folder / name
    path.mkdir(parents=True)
    ids = [f"q{i}" for i in range(len(right))]
    store = Store(path, create=True)
    for i, good in enumerate(right):
        run = f"runs/toy/{ids[i]}.e0"
        write_run(path, run, question=f"Is thing {i} taller?", started=1_790_000_000.0 + i,
                  answer="yes" if good else "no", **options)  # fmt: skip
        store.add(
            Result(
                "toy", ids[i], 0, "answered", score=float(good), lenient=float(good),
                reply="yes" if good else "no", read="yes" if good else "no", scorer="yes-no",
                truth="yes", index=i, task="height" if i % 2 else "width", format="yes_no",
                usage={"cost_usd": 0.01}, seconds=2.0, steps=1, run=run,
            )
        )  # fmt: skip
    store.close()
    manifest = {
        "schema": 1, "version": "0.1.0", "epochs": 1, "settings": {"interface": "code"},
        "backend": {"name": "openai", "model": options.get("model", "small-vlm")},
        "benchmarks": [{"name": "toy", "ids": ids, "revision": "1", "scorers": {"yes-no": 1}}],
    }  # fmt: skip
    (path / "evaluation.json").write_text(json.dumps(manifest), encoding="utf-8")
    return path


class Viewer:
    """A viewer of a folder, in a thread of this process."""

    def __init__(self, folder: Path) -> None:
        from spatialclaw.viewer import Viewing

        self._viewing = Viewing(folder)
        self.address = self._viewing.address
        self.port = int(self.address.split(":")[2].split("/")[0])
        self.root = f"http://127.0.0.1:{self.port}"
        self.token = self.address.partition("token=")[2]
        self._thread = threading.Thread(target=self._viewing.run, daemon=True)
        self._thread.start()

    def ask(
        self, path: str, *, method: str = "GET", body: str | None = None, **headers: str
    ) -> tuple[int, dict[str, str], str]:
        """Status, headers and text of an answer; with the cookie of the viewer unless given."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        sent = {"Cookie": f"spatialclaw-{self.port}={self.token}"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connection.request(method, path, body=body, headers=sent)
            answer = connection.getresponse()
            told = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, told, answer.read().decode("utf-8", "replace")
        finally:
            connection.close()

    def close(self) -> None:
        """Ends it."""
        self._viewing.stop()
        self._thread.join(timeout=10)
