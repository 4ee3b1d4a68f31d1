"""The perception service: what a run gets from it, above all when something goes wrong."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from service_home import Home, picture, query

from spatialclaw.perception import lanes, starting
from spatialclaw.perception.cache import ResultCache
from spatialclaw.perception.client import LocalClient, Query, Shared, share_pictures
from spatialclaw.perception.engine import Engine, Request
from spatialclaw.perception.pictures import Blob, Picture
from spatialclaw.perception.places import PROTOCOL, Limits, socket_path
from spatialclaw.perception.processes import Refused
from spatialclaw.perception.wire import picture_hash, receive_blocking, send_blocking
from spatialclaw.primitives.errors import (
    NothingFound,
    PrimitiveError,
    TimedOut,
    TooMuch,
    Unavailable,
)


def service_pid() -> int:
    state = starting.status()
    assert state is not None
    return int(state["pid"])


def running(model: str) -> bool:
    """Whether the model is in the middle of a call."""
    state = starting.status() or {"models": []}
    return any(m["name"] == model and m["running"] for m in state["models"])


async def until(condition: object, seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "it did not come about"
        await asyncio.sleep(0.02)


async def test_a_call_starts_the_service_and_gives_what_the_model_computed(
    own_home: Home, shared: list[Shared]
) -> None:
    assert starting.status() is None
    client = LocalClient()
    reply = await client.call(query("test_edges", shared[:1], threshold=100))
    result = reply.unpack()
    grey = cv2.cvtColor(picture(0), cv2.COLOR_RGB2GRAY)
    expected = cv2.Laplacian(grey, cv2.CV_32F)
    assert np.array_equal(result.arrays["masks"][0], np.abs(expected) > 100)
    assert np.allclose(result.arrays["depth"], np.abs(expected) + 1, rtol=2**-11)
    assert result.meta["sum"] == picture(0).sum(dtype=int)
    assert reply.info["model"] == "test-edges"
    assert not reply.info["cached"]
    assert service_pid() != os.getpid()
    await client.aclose()


async def test_many_that_start_it_at_once_find_one_service(
    own_home: Home, shared: list[Shared]
) -> None:
    code = (
        "import asyncio\nfrom spatialclaw.perception.starting import connect\n"
        "print(asyncio.run(connect('x'))[1])"
    )
    others = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)  # noqa: ASYNC220
        for _ in range(2)
    ]
    clients = [LocalClient() for _ in range(3)]
    await asyncio.gather(*(c.call(query("test_edges", shared[:1])) for c in clients))
    pids = {int(other.communicate(timeout=60)[0]) for other in others}
    assert pids == {service_pid()}
    assert own_home.runs("test-edges") == ["load test-edges 1", "run test-edges 1"]
    for client in clients:
        await client.aclose()


async def test_a_second_evaluation_computes_nothing_even_after_a_restart(
    home: Home, shared: list[Shared]
) -> None:
    for _ in range(2):
        client = LocalClient()
        for number in range(4):
            await client.call(query("test_edges", [shared[number]], threshold=number))
        await client.aclose()
        starting.stop()
    client = LocalClient()
    reply = await client.call(query("test_edges", [shared[3]], threshold=3))
    assert reply.info["cached"]
    assert len([line for line in home.runs("test-edges") if line.startswith("run")]) == 4
    fresh = await client.call(Query("test_edges", [shared[3]], {"threshold": 3}, fresh=True))
    assert not fresh.info["cached"]
    await client.aclose()


async def test_other_weights_are_loaded_and_their_results_kept_apart(
    home: Home, shared: list[Shared]
) -> None:
    client = LocalClient()
    versions = []
    for version in ("1", "2", "1"):
        (home.folder / "test-edges.version").write_text(version)
        reply = await client.call(query("test_edges", shared[:1]))
        versions.append((reply.unpack().meta["version"], reply.info["cached"]))
    assert versions == [("1", False), ("2", False), ("1", True)]
    assert "load test-edges 2" in home.runs("test-edges")
    await client.aclose()


async def test_weights_that_change_while_calls_wait_are_not_mixed_up(
    home: Home, shared: list[Shared]
) -> None:
    (home.folder / "test-edges.version").write_text("1")
    client, other = LocalClient(), LocalClient()
    await client.call(query("test_edges", [shared[9]]))
    calls = [asyncio.ensure_future(client.call(query("test_edges", [p]))) for p in shared[:4]]
    await asyncio.sleep(0)
    (home.folder / "test-edges.version").write_text("2")
    calls += [asyncio.ensure_future(other.call(query("test_edges", [p]))) for p in shared[4:8]]
    replies = await asyncio.gather(*calls)
    for reply in replies:
        assert reply.unpack().meta["version"] == reply.info["revision"]
    assert {reply.info["revision"] for reply in replies[4:]} == {"2"}
    for each in (client, other):
        await each.aclose()


async def test_calls_of_one_run_become_one_batch(home: Home, shared: list[Shared]) -> None:
    client = LocalClient()
    await client.call(query("test_slow", [shared[15]], seconds=0))
    calls = [client.call(query("test_slow", [p], seconds=0.05)) for p in shared[:8]]
    replies = await asyncio.gather(*calls)
    assert max(reply.info["batch"] for reply in replies) > 3
    for number, reply in enumerate(replies):
        assert reply.unpack().arrays["mean"][0] == picture(number).mean()
    await client.aclose()


async def test_killed_during_calls_of_three_runs_twice(home: Home, shared: list[Shared]) -> None:
    clients = [LocalClient() for _ in range(3)]
    for turn in range(2):
        calls = [
            asyncio.ensure_future(c.call(query("test_slow", [shared[3 * turn + n]], seconds=0.8)))
            for n, c in enumerate(clients)
        ]
        await until(lambda: running("test-slow"))
        os.kill(service_pid(), signal.SIGKILL)
        for number, reply in enumerate(await asyncio.gather(*calls)):
            assert reply.unpack().arrays["mean"][0] == picture(3 * turn + number).mean()
    for client in clients:
        await client.aclose()


async def test_killed_twice_during_one_call_is_told(home: Home, shared: list[Shared]) -> None:
    client = LocalClient()
    call = asyncio.ensure_future(client.call(query("test_slow", shared[:1], seconds=5)))
    for _ in range(2):
        await until(lambda: running("test-slow"))
        os.kill(service_pid(), signal.SIGKILL)
    with pytest.raises(Unavailable, match="ended twice"):
        await call
    assert (await client.call(query("test_edges", shared[:1]))).info["model"] == "test-edges"
    await client.aclose()


async def test_a_worker_that_dies_is_started_again_and_its_call_repeated_once(
    home: Home, shared: list[Shared]
) -> None:
    client = LocalClient()
    (home.folder / "die-once").touch()
    reply = await client.call(query("test_mortal", shared[:1], how="once"))
    assert reply.unpack().arrays["mean"][0] == picture(0).mean()
    pid = service_pid()
    with pytest.raises(Unavailable, match="SIGKILL"):
        await client.call(query("test_mortal", shared[:1], how="always"))
    with pytest.raises(PrimitiveError, match="ValueError: a fault of the model's code"):
        await client.call(query("test_mortal", shared[:1], how="error"))
    assert service_pid() == pid
    await client.aclose()


async def test_a_call_that_kills_does_not_take_its_neighbours_along(
    home: Home, shared: list[Shared]
) -> None:
    clients = [LocalClient() for _ in range(4)]
    hows = ["once", "always", "once", "error"]
    calls = [
        c.call(query("test_mortal", [p], how=h))
        for c, p, h in zip(clients, shared, hows, strict=False)
    ]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    kinds = [type(answer).__name__ for answer in answers]
    assert kinds == ["Reply", "Unavailable", "Reply", "PrimitiveError"]
    for client in clients:
        await client.aclose()


async def test_a_batch_without_memory_is_halved_until_it_fits(
    home: Home, shared: list[Shared]
) -> None:
    client = LocalClient()
    await client.call(query("test_hungry", [shared[15]]))
    replies = await asyncio.gather(*(client.call(query("test_hungry", [p])) for p in shared[:8]))
    assert len(replies) == 8
    assert any(line.startswith("short") for line in home.runs())
    again = await asyncio.gather(*(client.call(query("test_hungry", [p])) for p in shared[8:15]))
    assert len(again) == 7
    assert sum(line.startswith("short") for line in home.runs()) <= 3  # it has learnt
    await client.aclose()


async def test_without_memory_for_one_call_the_error_says_what_to_try(
    home: Home, shared: list[Shared]
) -> None:
    client = LocalClient()
    large = share_pictures([picture(0, 600, 80)])
    with pytest.raises(TooMuch, match=r"out of memory.*Try: fewer or smaller pictures"):
        await client.call(query("test_hungry", large))
    with pytest.raises(TooMuch, match=r"needs .* are allowed"):
        await client.call(query("test_giant", shared[:1]))
    os.close(large[0].fd)
    await client.aclose()


async def test_a_model_that_rests_makes_room_for_another(
    own_home: Home, shared: list[Shared], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPATIALCLAW_PERCEPTION_MEMORY", "420")
    client = LocalClient()
    for method in ("test_large_a", "test_large_b"):
        await client.call(query(method, shared[:1]))
        state = starting.status()
        assert state is not None
        assert [m["name"].replace("-", "_") for m in state["models"]] == [method]
    await client.aclose()


async def test_typed_refusals_of_models_and_missing_models(
    home: Home, shared: list[Shared]
) -> None:
    client = LocalClient()
    with pytest.raises(NothingFound, match="no unicorn") as refusal:
        await client.call(query("test_edges", shared[:1], text="unicorn"))
    assert refusal.value.hint == "look(frames[0], 'unicorn?')"
    with pytest.raises(Unavailable, match="not on this machine"):
        await client.call(Query("test_absent", shared[:1], model="test-absent"))
    with pytest.raises(Unavailable, match="no model for test_nothing"):
        await client.call(query("test_nothing", shared[:1]))
    await client.aclose()


async def test_a_call_that_is_late_frees_its_place(home: Home, shared: list[Shared]) -> None:
    client = LocalClient()
    await client.call(query("test_one_by_one", [shared[15]], seconds=0))
    blocking = asyncio.ensure_future(
        client.call(query("test_one_by_one", [shared[0]], seconds=1.0))
    )
    await asyncio.sleep(0.1)
    with pytest.raises(TimedOut, match="did not answer in"):
        await client.call(query("test_one_by_one", [shared[1]], timeout=0.3, seconds=0.01))
    state = starting.status()
    assert state is not None
    assert state["waiting"] == 0
    assert (await blocking).info["model"] == "test-one-by-one"
    assert len(home.runs("test-one-by-one")) == 3  # loaded, run twice: the late one never was
    await client.aclose()


async def test_a_client_that_goes_away_frees_its_place(home: Home, shared: list[Shared]) -> None:
    client, other = LocalClient(), LocalClient()
    await client.call(query("test_one_by_one", [shared[15]], seconds=0))
    first = asyncio.ensure_future(other.call(query("test_one_by_one", [shared[0]], seconds=0.6)))
    await asyncio.sleep(0.1)
    gone = [
        asyncio.ensure_future(client.call(query("test_one_by_one", [p], seconds=0.6)))
        for p in shared[1:5]
    ]
    await until(lambda: starting.status()["waiting"] == 4)
    for task in gone:
        task.cancel()
    await asyncio.gather(*gone, return_exceptions=True)
    await until(lambda: starting.status()["waiting"] == 0, seconds=0.4)
    await first
    await client.aclose()
    await other.aclose()


async def test_runs_take_turns(home: Home, shared: list[Shared]) -> None:
    heavy, light = LocalClient("heavy"), LocalClient("light")
    await light.call(query("test_one_by_one", [shared[15]], seconds=0))
    order: list[str] = []

    async def ask(client: LocalClient, number: int) -> None:
        await client.call(query("test_one_by_one", [shared[number]], seconds=0.1))
        order.append(client.run)

    heavies = [asyncio.ensure_future(ask(heavy, n)) for n in range(8)]
    await until(lambda: starting.status()["waiting"] >= 6)
    await ask(light, 8)
    assert order.count("heavy") <= 3
    await asyncio.gather(*heavies)
    for client in (heavy, light):
        await client.aclose()


async def test_a_full_queue_pushes_back(
    own_home: Home, shared: list[Shared], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPATIALCLAW_PERCEPTION_QUEUE", "2")
    client = LocalClient()
    await client.call(query("test_one_by_one", [shared[15]], seconds=0.3))
    patient = [client.call(query("test_one_by_one", [p], seconds=0.2)) for p in shared[:6]]
    assert len(await asyncio.gather(*patient)) == 6
    hasty = [
        client.call(query("test_one_by_one", [p], timeout=0.25, seconds=0.21)) for p in shared[:6]
    ]
    answers = await asyncio.gather(*hasty, return_exceptions=True)
    refused = [a for a in answers if isinstance(a, TooMuch)]
    assert refused
    assert "calls wait" in refused[0].message
    assert all(isinstance(a, TooMuch | TimedOut) or a.info for a in answers)
    await client.aclose()


def _raw() -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(10)
    sock.connect(str(socket_path()))
    return sock


async def test_garbage_on_the_socket_ends_the_connection_and_nothing_else(
    home: Home, shared: list[Shared]
) -> None:
    client = LocalClient()
    await client.call(query("test_edges", shared[:1]))
    pid = service_pid()
    for garbage in (
        os.urandom(4000),
        struct.pack(">I", 2**31),
        struct.pack(">I", 3) + b"\xc1\xc1\xc1",
        struct.pack(">I", 1) + b"\x01",
        b"GET / HTTP/1.1\r\n\r\n",
    ):
        with _raw() as sock:
            sock.sendall(garbage)
            sock.shutdown(socket.SHUT_WR)
            with contextlib.suppress(ConnectionResetError):
                assert sock.recv(100) == b""
    hello = {"op": "hello", "protocol": PROTOCOL, "run": "x"}
    for message in (
        {"op": "nonsense"},
        {"op": "call"},
        {"op": "call", "method": 5, "pictures": [{"sha256": 7}]},
        {"op": "call", "method": "test_edges", "pictures": [[1, 2]]},
        {
            "op": "call",
            "method": "test_edges",
            "pictures": [{"sha256": "a", "height": 9, "width": 9, "blob": 4, "offset": 0}],
        },
        {"op": "call", "method": "test_edges", "pictures": [], "arrays": {"x": {"dtype": "O"}}},
    ):
        with _raw() as sock:
            send_blocking(sock, hello)
            receive_blocking(sock)
            send_blocking(sock, message)
            reply, _ = receive_blocking(sock)
            assert not reply["ok"], message
            assert reply["error"]["type"] == "PrimitiveError"
    assert (await client.call(query("test_edges", shared[1:2]))).info["model"] == "test-edges"
    assert service_pid() == pid
    await client.aclose()


async def test_a_picture_that_reaches_beyond_its_file_and_a_file_that_shrinks(
    home: Home, shared: list[Shared], tmp_path: Path
) -> None:
    client = LocalClient()
    short = Shared(shared[0].sha256, 5000, 5000, shared[0].fd)
    with pytest.raises(PrimitiveError, match="reaches beyond"):
        await client.call(query("test_edges", [short]))
    image = picture(77, 400, 400)
    file = tmp_path / "frames.bin"
    file.write_bytes(image.tobytes())
    fd = os.open(file, os.O_RDONLY)
    there = Shared(picture_hash(image), 400, 400, fd)
    await client.call(query("test_slow", [there], seconds=0))
    os.truncate(file, 100)
    with pytest.raises(PrimitiveError, match="test-slow: ValueError"):
        await client.call(query("test_slow", [there], seconds=0.01))
    await client.call(query("test_edges", shared[1:2]))
    os.close(fd)
    await client.aclose()


async def test_a_socket_left_by_a_killed_service_is_replaced(
    home: Home, shared: list[Shared]
) -> None:
    client = LocalClient()
    await client.call(query("test_edges", shared[:1]))
    pid = service_pid()
    os.kill(pid, signal.SIGKILL)
    await until(lambda: starting.status() is None)
    assert socket_path().exists()
    assert (await client.call(query("test_edges", shared[1:2]))).info["model"] == "test-edges"
    assert service_pid() != pid
    assert socket_path().stat().st_mode & 0o077 == 0
    assert socket_path().parent.stat().st_mode & 0o077 == 0
    await client.aclose()


async def test_it_ends_when_idle_and_leaves_no_socket_and_no_process(
    own_home: Home, shared: list[Shared], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPATIALCLAW_PERCEPTION_IDLE", "0.5")
    client = LocalClient()
    await client.call(query("test_edges", shared[:1]))
    state = starting.status()
    assert state is not None
    pids = [state["pid"], *(model["pid"] for model in state["models"])]
    await until(lambda: not socket_path().exists())
    for pid in pids:
        await until(lambda pid=pid: not Path(f"/proc/{pid}").exists())
    assert (await client.call(query("test_edges", shared[:1]))).info["cached"]
    await client.aclose()


async def test_pictures_go_with_the_last_connection_of_their_run(
    own_home: Home, shared: list[Shared]
) -> None:
    client = LocalClient()
    await client.call(query("test_edges", shared[:1]))
    assert starting.status()["pictures"] == 1
    await client.aclose()
    await until(lambda: starting.status()["pictures"] == 0)


async def test_the_service_gets_no_secret_and_no_torch(
    own_home: Home, shared: list[Shared], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    monkeypatch.setenv("MY_PASSWORD", "very-secret")
    client = LocalClient()
    await client.call(query("test_edges", shared[:1]))
    process = Path(f"/proc/{service_pid()}")
    assert b"very-secret" not in (process / "environ").read_bytes()
    assert "torch" not in (process / "maps").read_text()
    await client.aclose()


async def test_a_worker_whose_answer_nobody_waits_for_is_ended(
    home: Home, shared: list[Shared], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(lanes, "GRACE_SECONDS", 0.3)
    engine = Engine(Limits(), ResultCache(tmp_path, 10**6))
    blob = Blob(os.dup(shared[0].fd))
    here = Picture(shared[0].sha256, 48, 64, blob, 0)

    def request(seconds: float, timeout: float) -> Request:
        params = {"seconds": seconds}
        return Request("test_one_by_one", None, "a run", [here], params, timeout=timeout)

    await engine.call(request(0, 30))
    (model,) = engine.describe()["models"]
    with pytest.raises(Refused, match=r"did not answer in 0\.2 s"):
        await engine.call(request(30, 0.2))
    await until(lambda: not Path(f"/proc/{model['pid']}").exists(), seconds=3)
    assert (await engine.call(request(0.01, 30))).info["model"] == "test-one-by-one"
    await engine.aclose()


async def test_no_descriptor_is_left_open(own_home: Home) -> None:
    def open_files(pid: int) -> int:
        return len(os.listdir(f"/proc/{pid}/fd"))

    async def a_run(first: int) -> None:
        client = LocalClient()
        for seed in range(first, first + 10):
            pictures = share_pictures([picture(seed)])
            for _ in range(2):
                (await client.call(query("test_edges", pictures))).unpack()
            with pytest.raises(NothingFound):
                await client.call(query("test_edges", pictures, text="unicorn"))
            os.close(pictures[0].fd)
        await client.aclose()

    await a_run(0)
    state = starting.status()
    assert state is not None
    pids = [os.getpid(), state["pid"], state["models"][0]["pid"]]
    await asyncio.sleep(0.5)  # what was still being kept is kept
    before = [open_files(pid) for pid in pids]
    for turn in range(1, 4):
        await a_run(100 * turn)
    # One result may wait for its reader's goodbye; sixty calls in three runs leave no more.
    await until(lambda: all(open_files(p) <= n + 1 for p, n in zip(pids, before, strict=True)))
    await until(lambda: (starting.status() or {})["pictures"] == 0)
