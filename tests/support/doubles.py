"""Doubles for the loop: media made of arrays and an executor that runs cells in this process."""

from __future__ import annotations

import io
import time
import traceback
from contextlib import redirect_stdout
from dataclasses import replace
from typing import Any

import numpy as np

from spatialclaw.kernel.results import (
    CellError,
    CellResult,
    Measured,
    Shown,
    Submission,
    Variable,
)
from spatialclaw.primitives.frames import Frame, Frames


def frame(
    number: int = 0, *, width: int = 64, height: int = 48, time: float | None = None
) -> Frame:
    """A frame with a gradient."""
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 0] = np.linspace(0, 255, width, dtype=np.uint8)
    image[..., 1] = (number * 37) % 256
    record = {
        "index": number,
        "position": number,
        "name": f"frame {number}",
        "width": width,
        "height": height,
        "image_offset": 0,
        "time": time,
    }
    return Frame(record, image.reshape(-1))


class FakeMedia:
    """What the loop reads of loaded media."""

    def __init__(self, count: int = 2, **options: Any) -> None:
        self.sequences = [Frames([frame(i, **options) for i in range(count)], name="test")]
        self.inputs: list[dict[str, Any]] = []
        self.notes: list[str] = []

    def describe(self) -> str:
        return f"{len(self.sequences[0])} pictures, 64x48."


class Died(BaseException):
    """A cell that kills its kernel."""


class LocalExecutor:
    """Runs cells with `exec`: the loop's own tests need no process."""

    def __init__(self, **names: Any) -> None:
        self.cells: list[str] = []
        self.timeouts: list[float] = []
        self.pictures: list[Shown] = []
        self.submission: Submission | None = None
        self.namespace: dict[str, Any] = {
            "submit": self._submit,
            "show": self._show,
            "sleep": time.sleep,
            "die": self._die,
            **names,
        }

    def _submit(
        self, value: Any, unit: Any = None, confidence: Any = None, evidence: Any = None
    ) -> None:
        listed = evidence if isinstance(evidence, list) else [evidence] if evidence else []
        self.submission = Submission(value, unit, confidence, listed)

    def _show(self, *things: Any, title: str = "", pin: bool = False) -> None:
        for _ in things or [None]:
            self.pictures.append(replace(picture(title=title or "shown"), pinned=pin))

    @staticmethod
    def _die() -> None:
        raise Died

    async def execute(self, code: str, timeout: float) -> CellResult:  # noqa: ASYNC109
        self.cells.append(code)
        self.timeouts.append(timeout)
        self.pictures, self.submission = [], None
        before = set(self.namespace)
        out = io.StringIO()
        started = time.perf_counter()
        error = None
        status: Any = "ok"
        lost = ""
        try:
            with redirect_stdout(out):
                exec(compile(code, "<cell>", "exec"), self.namespace)
        except Died:
            status, lost = "died", "all variables are gone"
            error = CellError("KernelDied", "the kernel was killed by signal 9 (SIGKILL)")
        except Exception as raised:
            status = "error"
            lines = traceback.extract_tb(raised.__traceback__)
            line = next((f.lineno for f in lines if f.filename == "<cell>"), None)
            line = getattr(raised, "lineno", None) if isinstance(raised, SyntaxError) else line
            error = CellError(type(raised).__name__, str(raised), "", line)
        new = sorted(set(self.namespace) - before - {"__builtins__"})
        variables = [
            Variable(n, type(self.namespace[n]).__name__, repr(self.namespace[n])[:80]) for n in new
        ]
        measured = [
            Measured(name, **self.namespace[name].as_record())
            for name in new
            if hasattr(self.namespace[name], "as_record")
        ]
        return CellResult(
            status, out.getvalue(), "", None, error, self.pictures, variables,
            self.submission if status == "ok" else None, time.perf_counter() - started, lost,
            measurements=measured,
        )  # fmt: skip


def picture(width: int = 32, height: int = 24, *, title: str = "", value: int = 90) -> Shown:
    """A small JPEG."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (width, height), (value, 120, 200)).save(buffer, "JPEG")
    return Shown(buffer.getvalue(), "image/jpeg", width, height, title, {"kind": "array"})


def cell(code: str) -> str:
    """A reply with one cell."""
    return f"I do this.\n\n```python\n{code}\n```\n"
