"""When the host is killed, everything it started is gone within two seconds."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.kernel

HOST = """
import asyncio, sys
from spatialclaw.kernel import Kernel, KernelOptions

async def main():
    kernel = await Kernel.start(KernelOptions(confine=sys.argv[1], fork=sys.argv[2] == "fork"))
    await kernel.execute("import subprocess; subprocess.Popen(['sleep', '555'])")
    await kernel.snapshot("s")
    print("ready", flush=True)
    await kernel.execute(sys.argv[3], timeout=600)

asyncio.run(main())
"""


def tree_of(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)


SLEEPS = "import time; time.sleep(600)"
SPINS = "import signal\nfor s in (1, 2, 15): signal.signal(s, signal.SIG_IGN)\nwhile True: pass"


@pytest.mark.parametrize(
    ("confine", "cell"),
    [("strict", SLEEPS), ("process", SPINS), ("off", SPINS)],
    ids=["strict", "process", "off"],
)
def test_after_kill_9_of_the_host(confine: str, cell: str, tmp_path: Path) -> None:
    script = tmp_path / "host.py"
    script.write_text(HOST, encoding="utf-8")
    host = subprocess.Popen(
        [sys.executable, script, confine, "fork", cell], stdout=subprocess.PIPE, text=True
    )
    assert host.stdout is not None
    assert host.stdout.readline() == "ready\n"
    time.sleep(0.2)
    tree = tree_of(host.pid)
    assert len(tree) >= 4  # template, guard, kernel, sleeping copy, the cell's child
    os.kill(host.pid, signal.SIGKILL)
    host.wait()
    _gone, alive = psutil.wait_procs(tree, timeout=2)
    alive = [p for p in alive if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
    assert alive == []
    host.stdout.close()
