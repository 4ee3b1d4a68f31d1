"""Small models that compute something real, and models that misbehave; a package of its own.

`conftest.py` installs them for the service by an entry point, as another package's would be.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from spatialclaw.perception.adapter import Adapter, Call, ModelInfo, Output
from spatialclaw.primitives.errors import NothingFound

FOLDER = Path(os.environ.get("SC_TEST_FOLDER", "."))


def note(line: str) -> None:
    with (FOLDER / "runs.txt").open("a") as file:
        file.write(line + "\n")


class Model:
    """Writes down each run, so that tests can count them."""

    max_batch = 8
    memory = 1_000_000

    def __init__(self, name: str, *methods: str) -> None:
        self.info = ModelInfo(name, methods, memory_bytes=self.memory)
        self.loaded = False

    def available(self) -> str | None:
        return None

    def fingerprint(self) -> str:
        version = FOLDER / f"{self.info.name}.version"
        return version.read_text() if version.exists() else "1"

    def load(self, device: str) -> None:
        self.version = self.fingerprint()
        self.loaded = True
        note(f"load {self.info.name} {self.version}")

    def unload(self) -> None:
        self.loaded = False

    def run(self, calls: Sequence[Call]) -> list[Output]:
        assert self.loaded
        note(f"run {self.info.name} {len(calls)}")
        return [self.one(call) for call in calls]

    def one(self, call: Call) -> Output:
        raise NotImplementedError


class Edges(Model):
    """Strength of edges and where it is large."""

    def one(self, call: Call) -> Output:
        import cv2

        grey = cv2.cvtColor(np.ascontiguousarray(call.images[0]), cv2.COLOR_RGB2GRAY)
        strength = cv2.Laplacian(grey, cv2.CV_32F)
        if call.params.get("text") == "unicorn":
            raise NothingFound("no unicorn", hint="look(frames[0], 'unicorn?')")
        mask = np.abs(strength) > float(call.params.get("threshold", 30))
        arrays = {"masks": mask[None], "depth": np.abs(strength) + 1}
        if "weights" in call.arrays:
            arrays["weighted"] = call.arrays["weights"] * 2
        return Output(arrays, {"version": self.version, "sum": int(call.images[0].sum())})


class Slow(Model):
    """Takes `seconds` for a batch, and a little for each of its calls."""

    def run(self, calls: Sequence[Call]) -> list[Output]:
        time.sleep(max(float(c.params.get("seconds", 0.2)) for c in calls) * (1 + len(calls) / 32))
        return super().run(calls)

    def one(self, call: Call) -> Output:
        return Output({"mean": np.float64(call.images[0].mean()).reshape(1)})


class OneByOne(Slow):
    """The same without batches."""

    max_batch = 1


class Hungry(Model):
    """Has memory for three calls at once, and none for large pictures."""

    def run(self, calls: Sequence[Call]) -> list[Output]:
        if len(calls) > 3 or calls[0].images[0].shape[0] > 500:
            note(f"short {len(calls)}")
            raise MemoryError(f"{len(calls)} calls")
        return super().run(calls)

    def one(self, call: Call) -> Output:
        return Output({"mean": np.float64(call.images[0].mean()).reshape(1)})


class Mortal(Model):
    """Ends its process: always ("always"), or as long as a file is there ("once")."""

    def one(self, call: Call) -> Output:
        once = FOLDER / "die-once"
        if call.params["how"] == "always" or once.exists():
            once.unlink(missing_ok=True)
            os.kill(os.getpid(), signal.SIGKILL)
        if call.params["how"] == "error":
            raise ValueError("a fault of the model's code")
        return Output({"mean": np.float64(call.images[0].mean()).reshape(1)})


class Giant(Model):
    """Larger than any machine."""

    memory = 10**15


class Large(Edges):
    """Needs 400 MB, it says."""

    memory = 400_000_000


class Absent(Model):
    """Its weights are not here."""

    def available(self) -> str | None:
        return "the weights of test-absent are not on this machine"


def adapters() -> list[Adapter]:
    return [
        Edges("test-edges", "test_edges"),
        Slow("test-slow", "test_slow"),
        OneByOne("test-one-by-one", "test_one_by_one"),
        Hungry("test-hungry", "test_hungry"),
        Mortal("test-mortal", "test_mortal"),
        Giant("test-giant", "test_giant"),
        Large("test-large-a", "test_large_a"),
        Large("test-large-b", "test_large_b"),
        Absent("test-absent", "test_absent"),
    ]
