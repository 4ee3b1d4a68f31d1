"""`reap` ends what dead owners of ours left, and touches nothing else; `probe` tries the layers."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from spatialclaw.kernel.launch import probe, reap
from spatialclaw.kernel.launch.reaping import MARK, owner

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc")


@pytest.fixture
def dead() -> str:
    """The mark of an owner that has ended."""
    code = "from spatialclaw.kernel.launch.reaping import owner; print(owner())"
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()


def sleeper(mark: str | None) -> subprocess.Popen[bytes]:
    return subprocess.Popen(["sleep", "600"], env={MARK: mark} if mark else {})


@pytest.fixture
def sleepers(dead: str) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    started = {"dead": sleeper(dead), "living": sleeper(owner()), "none": sleeper(None)}
    yield started
    for process in started.values():
        process.kill()
        process.wait()


def folder(mark: str | None) -> Path:
    made = Path(tempfile.mkdtemp(prefix="spatialclaw-", dir="/dev/shm"))
    (made / "1").mkdir()
    (made / "1" / "data").write_bytes(bytes(100))
    if mark:
        (made / "1" / "owner").write_text(mark)
    return made


def test_processes_of_a_dead_owner_end(sleepers: dict[str, subprocess.Popen[bytes]]) -> None:
    listed = {found.what for found in reap(end=False)}
    assert str(sleepers["dead"].pid) in listed
    assert sleepers["dead"].poll() is None, "listing ends nothing"
    found = {f.what: f for f in reap()}
    assert found[str(sleepers["dead"].pid)].ended
    assert "sleep 600" in str(found[str(sleepers["dead"].pid)])
    assert sleepers["dead"].wait(5) == -9
    for name in ("living", "none"):
        assert str(sleepers[name].pid) not in found
        assert sleepers[name].poll() is None


def test_folders_of_a_dead_owner_go(dead: str) -> None:
    made = {"dead": folder(dead), "living": folder(owner()), "none": folder(None)}
    try:
        found = {f.what for f in reap()}
        assert str(made["dead"]) in found
        assert {name for name, path in made.items() if path.exists()} == {"living", "none"}
    finally:
        for path in made.values():
            subprocess.run(["rm", "-rf", str(path)], check=True)


def test_a_reused_process_id_is_no_owner() -> None:
    pid, _started, boot = owner().split(".")
    left = folder(f"{pid}.1.{boot}")
    assert str(left) in {f.what for f in reap()}
    assert not left.exists()


HOST = """
import asyncio, json, sys
from spatialclaw.kernel import Kernel
from spatialclaw.kernel.launch import host
async def main():
    said = []
    for level in ("strict", "process"):
        kernel = await Kernel.start(confine=level)
        await kernel.execute("import os, time\\nif os.fork() == 0: os.setsid(); time.sleep(600)")
        said.append(kernel.pid)
    print(json.dumps([host.shared().process.pid, *said]), flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""


def marked(mark: bytes) -> set[int]:
    """Processes that carry an owner's mark."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if mark in path.read_bytes():
                found.add(int(path.parent.name))
    return found


@pytest.mark.kernel
def test_what_is_left_when_host_and_template_are_killed_together() -> None:
    host = subprocess.Popen([sys.executable, "-c", HOST], stdout=subprocess.PIPE)
    assert host.stdout is not None
    try:
        template, strict, _process = json.loads(host.stdout.readline())
        mark = f"{MARK}={host.pid}.".encode()
        assert len(marked(mark)) >= 7  # the template, two guards, two kernels, two children
        os.kill(host.pid, signal.SIGSTOP)
        os.kill(template, signal.SIGKILL)
    finally:
        host.kill()
        host.wait()
        host.stdout.close()
    until = time.monotonic() + 2
    while len(marked(mark)) > 1 and time.monotonic() < until:
        time.sleep(0.02)
    assert len(marked(mark)) <= 1, "only the child that left the group of the process level"
    assert strict not in marked(mark)
    found = reap()
    assert all(leftover.ended for leftover in found)
    assert not marked(mark)


@pytest.mark.kernel
def test_layers_are_tried() -> None:
    layers = {layer.name: layer for layer in probe()}
    assert {"environment", "limits", "namespaces", "landlock", "seccomp", "cgroups"} <= set(layers)
    for layer in layers.values():
        assert layer.detail
        assert layer.holds or layer.remedy
    assert os.path.exists("/proc/self/ns/user") or not layers["namespaces"].holds


@pytest.mark.kernel
def test_a_layer_that_cannot_be_had_says_so() -> None:
    code = (
        "from spatialclaw.kernel.launch.confine import seccomp; seccomp.load()\n"
        "from spatialclaw.kernel.launch import probe\n"
        "for layer in probe(): print(layer.name, layer.holds, layer.remedy)"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    assert "namespaces False let this user make user namespaces" in said
    assert "landlock True" in said
