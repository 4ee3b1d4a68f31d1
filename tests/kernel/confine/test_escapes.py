"""No cell gets out of a strict kernel; the same cells do get out of an unconfined one."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from spatialclaw.kernel import Kernel
from spatialclaw.kernel.launch import Layout
from spatialclaw.kernel.results import CellResult

sys.path.insert(0, str(Path(__file__).parent))
from attempts import ATTEMPTS, PRELUDE, Attempt
from targets import Targets

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(sys.platform != "linux", reason="strict confinement is Linux's"),
]

T = TypeVar("T")


class Rig:
    """A kernel at some level, another kernel beside it, and what there is to reach."""

    def __init__(self, level: str, folder: Path) -> None:
        self.level = level
        self.targets = Targets(folder)
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.roots = [Path(tempfile.mkdtemp(prefix="sc-", dir="/dev/shm")) for _ in range(2)]
        self.kernel = self.do(Kernel.start(confine=level, scratch=self.roots[0]))
        self.other = self.do(Kernel.start(confine=level, scratch=self.roots[1]))

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(120)

    def layout(self, root: Path) -> Layout:
        """Of the process tree that is the kernel now."""
        ipc = max(root.rglob("ipc"), key=lambda path: path.stat().st_mtime)
        return Layout.of(ipc.parent)

    def attempt(self, attempt: Attempt) -> CellResult:
        alive = self.do(self.kernel.execute("1", timeout=30))  # a fresh one if the last died
        assert alive.status == "ok", alive
        own, other = (self.layout(root) for root in self.roots)
        known = self.targets.describe() | {
            "ipc": str(own.ipc),
            "other": str(other.scratch),
            "other_shell": str(next(other.ipc.glob("*-1"))),
            "other_pid": self.other.pid,
            "root": str(self.roots[1].parent),
        }
        code = f"{PRELUDE}\nimport json\nT = json.loads({json.dumps(known)!r})\n{attempt.code}"
        return self.do(self.kernel.execute(code, timeout=20))

    def close(self) -> None:
        for kernel in (self.kernel, self.other):
            self.do(kernel.aclose())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()
        self.targets.close()
        for root in self.roots:
            shutil.rmtree(root)


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    rig = Rig("strict", tmp_path_factory.mktemp("strict"))
    yield rig
    rig.close()


@pytest.fixture(scope="module")
def unconfined(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    rig = Rig("off", tmp_path_factory.mktemp("off"))
    yield rig
    rig.close()


def must_succeed_unconfined(attempt: Attempt) -> bool:
    return attempt.unconfined == "yes" or (attempt.unconfined == "root" and os.geteuid() == 0)


def test_there_are_enough_attempts() -> None:
    names = [a.name for a in ATTEMPTS]
    assert len(set(names)) == len(names) >= 60
    assert sum(a.unconfined == "yes" for a in ATTEMPTS) >= 50


@pytest.mark.parametrize("attempt", ATTEMPTS, ids=lambda a: a.name)
def test_a_strict_kernel_holds(attempt: Attempt, strict: Rig, unconfined: Rig) -> None:
    if must_succeed_unconfined(attempt):
        free = unconfined.attempt(attempt)
        assert "ESCAPED" in free.stdout, f"proves nothing: {free.status} {free.error}"
    held = strict.attempt(attempt)
    assert "ESCAPED" not in held.stdout
    assert held.status != "timeout"
