"""Memory, disk, processes, files and time of a kernel end where they should; the kernel goes on."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from spatialclaw.kernel import Kernel
from spatialclaw.kernel.launch.confine import cgroups

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(sys.platform != "linux", reason="the limits are Linux's"),
]

MIB = 1 << 20
LEVELS = ["strict", "process"]


def owner(pid: int | None) -> int:
    return int(Path(f"/proc/{pid}/status").read_text().split("Uid:")[1].split()[0])


@pytest.mark.parametrize("level", LEVELS)
async def test_a_memory_bomb_is_a_memory_error(level: str) -> None:
    async with await Kernel.start(confine=level, memory_bytes=6000 * MIB) as kernel:
        result = await kernel.execute("x = bytearray(7000 * 2**20)")
        assert result.error is not None
        assert result.error.name == "MemoryError"
        assert (await kernel.execute("len(bytearray(2**20))")).result == str(MIB)


@pytest.mark.parametrize("level", LEVELS)
async def test_a_file_cannot_be_larger_than_allowed(level: str) -> None:
    async with await Kernel.start(confine=level, file_bytes=4 * MIB) as kernel:
        result = await kernel.execute("open('big', 'wb').write(bytes(8 * 2**20))")
        assert result.error is not None
        assert result.error.name == "OSError"
        assert (await kernel.execute("1")).ok


@pytest.mark.parametrize("place", ["", "/tmp/", "/dev/shm/"])
async def test_many_files_cannot_fill_the_machine(place: str) -> None:
    code = f"""
    written = 0
    try:
        for i in range(1000):
            with open('{place}%d' % i, 'wb') as f:
                written += f.write(bytes(2**20))
    except OSError as error:
        print(error.strerror, written >> 20)
    """
    async with await Kernel.start(confine="strict", work_bytes=16 * MIB) as kernel:
        result = await kernel.execute("if True:\n" + code)
        assert result.stdout.startswith("No space left")
        assert int(result.stdout.split()[-1]) <= 16


async def test_shared_memory_cannot_get_around_the_limit() -> None:
    code = """
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    libc.shmget(0, 1 << 20, 0o1600), libc.memfd_create(b"x", 0)
    """
    async with await Kernel.start(confine="strict") as kernel:
        result = await kernel.execute("if True:\n" + code)
        assert result.ok
        result = await kernel.execute("libc.shmget(0, 4096, 0o1600), libc.memfd_create(b'x', 0)")
        assert result.result == "(-1, -1)"


async def test_a_fork_bomb_ends_at_the_limit() -> None:
    bomb = """
    import os, time
    count = 0
    try:
        while count < 500:
            if os.fork() == 0:
                time.sleep(600)
            count += 1
    except OSError as error:
        print(error.strerror, count)
    """
    async with await Kernel.start(confine="strict", processes=60) as kernel:
        result = await kernel.execute("if True:\n" + bomb, timeout=30)
        assert "unavailable" in result.stdout
        assert 10 < int(result.stdout.split()[-1]) < 60
        assert (await kernel.execute("1 + 1")).result == "2"


async def test_open_files_end_at_the_limit() -> None:
    async with await Kernel.start() as kernel:
        result = await kernel.execute("fs = [open('/dev/null') for _ in range(5000)]")
        assert result.error is not None
        assert "Too many open files" in result.error.message
        assert (await kernel.execute("1")).ok


async def test_processor_time_ends_the_kernel() -> None:
    async with await Kernel.start(cpu_seconds=2) as kernel:
        result = await kernel.execute("while True: pass", timeout=60)
        assert result.status == "died"


async def test_when_the_machine_is_out_of_memory_kernels_go_first() -> None:
    async with await Kernel.start() as kernel:
        result = await kernel.execute("print(open('/proc/self/oom_score_adj').read())")
        assert result.stdout.strip() == "1000"
        result = await kernel.execute("open('/proc/self/oom_score_adj', 'w').write('0')")
        assert not result.ok


async def test_root_is_bound_by_the_limit_on_processes() -> None:
    async with await Kernel.start(confine="strict") as kernel:
        result = await kernel.execute("import os; print(os.getuid())")
        assert result.stdout.strip() == "1000"
        uid = owner(kernel.pid)
        assert (uid != 0) if os.geteuid() == 0 else (uid == os.geteuid())


async def test_a_delegated_group_holds_the_whole_kernel() -> None:
    if cgroups.home() is None:
        pytest.skip(cgroups.why_not())
    before = set(groups())
    async with await Kernel.start(memory_bytes=2048 * MIB, processes=100) as kernel:
        assert (await kernel.execute("1")).ok
        (group,) = set(groups()) - before
        assert (group / "memory.max").read_text().strip() == str(2048 * MIB)
        assert (group / "pids.max").read_text().strip() == "100"
        assert str(kernel.pid) in (group / "cgroup.procs").read_text().split()
    assert set(groups()) == before


def groups() -> list[Path]:
    home = cgroups.home()
    return list(home.glob("spatialclaw-*")) if home else []
