"""Kernels start forked and confined, keep their limits, and leave nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from jupyter_client import AsyncKernelClient

from spatialclaw.errors import ConfinementError
from spatialclaw.kernel import Kernel
from spatialclaw.kernel.launch import Launched, LaunchOptions, prepare, start, warm
from spatialclaw.kernel.launch import host as launch_host
from spatialclaw.kernel.launch.confine import environment

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(sys.platform != "linux", reason="the template needs Linux"),
]


@pytest.fixture
async def scratch() -> AsyncIterator[Path]:
    with tempfile.TemporaryDirectory(prefix="sc-", dir="/dev/shm") as folder:
        yield Path(folder)


@contextlib.asynccontextmanager
async def launched(scratch: Path, **options: object) -> AsyncIterator[Launched]:
    """A kernel without a guard; its sockets exist once it is ready."""
    layout = prepare(scratch)
    info = {**layout.sockets(), "key": "k" * 32, "signature_scheme": "hmac-sha256"}
    layout.connection.write_text(json.dumps(info))
    process = await start(LaunchOptions(scratch, **options), ["-f", str(layout.connection)])
    try:
        await until(lambda: (layout.ipc / "k-5").exists() or process.poll() is not None)
        assert process.poll() is None, process.last_words()
        yield process
    finally:
        await process.aclose()


def read(path: str) -> bytes:
    return Path(path).read_bytes()


async def printed(process: Launched, code: str) -> str:
    """What a cell prints, or the name of the exception that it raised."""
    client = AsyncKernelClient()
    client.load_connection_info(json.loads(process.layout.connection.read_text()))
    client.start_channels(hb=False)
    try:
        await client.wait_for_ready(timeout=30)
        request, said = client.execute(code), []
        while True:
            message = await client.get_iopub_msg(timeout=30)
            content = message["content"]
            if message["parent_header"].get("msg_id") != request:
                continue
            if message["msg_type"] == "stream":
                said.append(content["text"])
            report = content.get("data", {}).get("application/vnd.spatialclaw.cell+json")
            if report and report["error"]:
                said.append(report["error"]["name"])
            if content.get("execution_state") == "idle":
                return "".join(said)
    finally:
        client.stop_channels()


async def until(true: Callable[[], bool], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came true"
        await asyncio.sleep(0.02)


def tree(pid: int) -> set[int]:
    """A process and everything below it."""
    found, todo = set(), [pid]
    while todo:
        pid = todo.pop()
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{pid}/task").iterdir():
                todo += map(int, (task / "children").read_text().split())
            found.add(pid)
    return found


def children(pid: int) -> set[int]:
    return set(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def alive(pids: set[int]) -> set[int]:
    living = set()
    for pid in pids:
        with contextlib.suppress(OSError):
            if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z":
                living.add(pid)
    return living


LEVELS = {
    "strict": {"environment", "namespaces", "landlock", "limits", "seccomp"},
    "process": {"environment", "limits"},
    "off": {"environment"},
}


@pytest.mark.parametrize("level", LEVELS)
async def test_each_level_says_what_is_in_force(level: str, scratch: Path) -> None:
    async with launched(scratch, confine=level) as process:
        assert set(process.layers) - {"cgroups"} == LEVELS[level]
        assert process.forked
        assert any("not confined" in note for note in process.notes) == (level == "off")


@pytest.mark.parametrize("level", ["strict", "process"])
async def test_a_fresh_interpreter_works_the_same(level: str, scratch: Path) -> None:
    async with launched(scratch, confine=level, fork=False) as process:
        assert set(process.layers) - {"cgroups"} == LEVELS[level]
        assert not process.forked


@pytest.mark.parametrize("level", LEVELS)
async def test_nothing_is_left_of_a_closed_kernel(level: str, scratch: Path) -> None:
    await warm()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        async with launched(scratch, confine=level) as process:
            pids = tree(process.pid)
            assert pids
        assert not alive(pids)
        assert not (scratch / "ipc").exists()
        assert not (scratch / "work").exists()
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("level", LEVELS)
async def test_processes_that_hide_from_their_group_are_found(level: str) -> None:
    hide = """
    import os, time
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            import ctypes
            ctypes.CDLL(None).prctl(15, b"hidden-sc", 0, 0, 0)
            time.sleep(600)
        os._exit(0)
    """

    def hidden() -> list[str]:
        comms = []
        for path in Path("/proc").glob("[0-9]*/comm"):
            with contextlib.suppress(OSError):
                comms.append(path.read_text().strip())
        return [c for c in comms if c == "hidden-sc"]

    kernel = await Kernel.start(confine=level)
    try:
        result = await kernel.execute(textwrap.dedent(hide))
        assert result.ok
        await until(lambda: bool(hidden()))
    finally:
        await kernel.aclose()
    await until(lambda: not hidden(), 2.0)


async def test_the_exit_status_of_a_killed_kernel_is_known(scratch: Path) -> None:
    async with launched(scratch, confine="process") as process:
        process.send_signal(signal.SIGSEGV)
        assert await process.wait(10) == -signal.SIGSEGV


async def test_kernels_draw_different_random_numbers() -> None:
    drawn = []
    for _ in range(2):
        async with await Kernel.start() as kernel:
            code = "import random; random.random(), float(np.random.rand())"
            drawn.append((await kernel.execute(code)).result)
    assert drawn[0] != drawn[1]


def test_the_environment_is_an_allow_list() -> None:
    host = {"PATH": "/bin", "OPENAI_API_KEY": "sk-x", "MY_TOKEN": "t", "LANG": "C", "OTHER": "x"}
    made = environment.build({"EXTRA": "1"}, work="/w", host=host)
    assert {"PATH", "LANG", "EXTRA"} <= set(made)
    assert not {"OPENAI_API_KEY", "MY_TOKEN", "OTHER"} & set(made)
    assert made["HOME"] == "/w"
    with pytest.raises(ValueError, match="secret"):
        environment.build({"HF_TOKEN": "x"}, work="/w", host={})


async def test_the_template_has_one_thread_and_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    template = launch_host.Template(preload=True)
    try:
        hello = await asyncio.to_thread(template.ready)
        assert hello["threads"] == 1
        assert b"sk-very-secret" not in read(f"/proc/{hello['pid']}/environ")
    finally:
        template.stop()


async def test_a_dead_template_takes_its_kernels_along_and_is_replaced(scratch: Path) -> None:
    await warm()
    async with launched(scratch / "a") as process:
        pids = tree(process.pid)
        launch_host.shared().process.kill()
        assert await process.wait(5) is not None
        await until(lambda: not alive(pids), 5)
    async with launched(scratch / "b") as process:
        assert process.poll() is None


async def settled(template: int, kernels: set[int]) -> int:
    """The spare process, once it is there and no longer being made."""
    before: set[int] = set()
    while len(before) != 1 or before != children(template) - kernels:
        before = children(template) - kernels
        await asyncio.sleep(0.3)
    return before.pop()


async def test_a_spare_process_serves_one_kernel_and_may_die(scratch: Path) -> None:
    await warm()
    async with launched(scratch / "a") as first:
        template = launch_host.shared().process.pid
        kernels = {first.pid}
        spare = await settled(template, kernels)
        async with launched(scratch / "b") as second:
            assert second.pid == spare
            kernels.add(spare)
            next_spare = await settled(template, kernels)
            os.kill(next_spare, signal.SIGKILL)
            await until(lambda: not alive({next_spare}))
            async with launched(scratch / "c") as third:
                assert third.pid not in {spare, next_spare}
                assert set(third.layers) - {"cgroups"} == LEVELS["strict"]


HOST = """
import asyncio, json, sys, tempfile
from pathlib import Path
from spatialclaw.kernel import Kernel
from spatialclaw.kernel.launch import host, own
async def main():
    own(Path(tempfile.mkdtemp(prefix="spatialclaw-")))
    kernels = [await Kernel.start(confine=level) for level in ("strict", "process")]
    await kernels[0].execute("import os\\nif os.fork() == 0: import time; time.sleep(600)")
    said = {"template": host.shared().process.pid, "folders": sorted(host._folders)}
    print(json.dumps(said), flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_nothing_outlives_a_killed_host(number: int) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOST, stdout=subprocess.PIPE, start_new_session=True
    )
    assert process.stdout is not None
    try:
        said = json.loads(await process.stdout.readline())
        pids = tree(process.pid)
        assert len(pids) >= 7  # host, template, two guards, two kernels, a child
        assert said["template"] in pids
        assert len(said["folders"]) >= 3
        assert all(map(os.path.exists, said["folders"]))
    finally:
        process.send_signal(number)
        await process.wait()
    await until(lambda: not alive(pids) and not any(map(os.path.exists, said["folders"])), 2.0)


async def test_without_namespaces_strict_is_refused_and_process_works() -> None:
    code = """
    import asyncio, tempfile
    from pathlib import Path
    from spatialclaw.errors import ConfinementError
    from spatialclaw.kernel import Kernel
    from spatialclaw.kernel.launch.confine import seccomp
    seccomp.load()  # unshare is refused from here on
    async def main():
        try:
            await Kernel.start(confine="strict")
        except ConfinementError as error:
            print(error)
        async with await Kernel.start(confine="process") as kernel:
            print((await kernel.execute("6 * 7")).result)
    asyncio.run(main())
    """
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=100,
    )
    refusal, answer = done.stdout.strip().splitlines()
    assert "namespaces" in refusal
    assert "max_user_namespaces" in refusal
    assert "--confine process" in refusal
    assert ConfinementError.exit_status == 2
    assert answer == "42"


async def test_where_nothing_can_be_forked_the_stock_start_works_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(launch_host, "CAN_FORK", False)
    monkeypatch.setenv("MY_API_KEY", "sk-secret")
    with pytest.raises(ConfinementError, match="needs Linux"):
        await Kernel.start(confine="strict")
    kernel = await Kernel.start(confine="process")
    try:
        code = "import os, resource; print(os.getcwd()); resource.getrlimit(resource.RLIMIT_FSIZE)"
        result = await kernel.execute(code)
        assert result.stdout.strip().endswith("/work")
        assert result.result == f"({512 << 20}, {512 << 20})"
        assert (await kernel.execute("'MY_API_KEY' in os.environ")).result == "False"
        pids = tree(kernel.pid or 0)
        assert len(pids) == 2
    finally:
        await kernel.aclose()
    assert not alive(pids)


async def test_a_path_that_does_not_exist_is_refused(scratch: Path) -> None:
    options = LaunchOptions(scratch, read_only=(Path("/nowhere/at/all"),))
    with pytest.raises(FileNotFoundError):
        await start(options, ["-f", "x"])


async def test_what_is_given_can_be_read_and_not_changed(tmp_path: Path, scratch: Path) -> None:
    given = tmp_path / "given"
    given.write_text("for you")
    given.chmod(0o644)
    (tmp_path / "beside").write_text("not for you")
    async with launched(scratch, read_only=(given,)) as process:
        assert "for you" in await printed(process, f"print(open({str(given)!r}).read())")
        assert "Error" in await printed(process, f"open({str(given)!r}, 'a')")
        assert "Error" in await printed(process, f"open({str(tmp_path / 'beside')!r})")
