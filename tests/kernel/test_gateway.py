"""The gateway: what cells may ask the host, and what happens to everything else."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgpack
import pytest
from pydantic import BaseModel, ConfigDict

from spatialclaw.errors import BackendUnreachable
from spatialclaw.kernel import Call, Gateway, Kernel, KernelOptions, LocateParams, LookParams
from spatialclaw.kernel import gateway_server as module
from spatialclaw.kernel.gateway import WithFiles
from spatialclaw.kernel.gateway_server import GatewayServer
from spatialclaw.kernel.methods import DecodeParams
from spatialclaw.primitives.errors import (
    Ambiguous,
    NothingFound,
    PrimitiveError,
    TimedOut,
    TooMuch,
    Unavailable,
)
from spatialclaw.primitives.gateway import Client


class Text(BaseModel):
    model_config = ConfigDict(extra="forbid")
    text: str = ""
    count: int = 1
    data: bytes = b""


@pytest.fixture
def calls() -> list[Call]:
    return []


@pytest.fixture
async def server(tmp_path: Path, calls: list[Call]) -> AsyncIterator[GatewayServer]:
    gateway = Gateway(record=calls.append, max_calls=20, max_bytes=1_000_000)

    async def slow(params: Text) -> str:
        await asyncio.sleep(5)
        return "late"

    def fails(params: Text) -> None:
        raise {
            "nothing": NothingFound("no mug here", hint="look(frame, 'mug')"),
            "several": Ambiguous("two mugs", candidates=["left mug", "right mug"]),
            "offline": BackendUnreachable("the server is down", hint="Start it."),
            "bug": ZeroDivisionError("secret /host/path"),
        }[params.text]

    gateway.register("echo", Text, lambda p: {"text": p.text * p.count, "data": p.data})
    gateway.register("slow", Text, slow)
    gateway.register("fails", Text, fails)
    gateway.register("twice", Text, lambda p: "yes", quota=2)
    gateway.register("huge", Text, lambda p: b"x" * (module.MAX_FRAME + 1))
    server = GatewayServer(tmp_path / "g", gateway)
    server.start()
    yield server
    await server.aclose()


async def ask(server: GatewayServer, method: str, seconds: float = 5, **params: Any) -> Any:
    client = Client(str(server.path))
    return await asyncio.to_thread(client.call, method, timeout=seconds, **params)


def raw_socket(server: GatewayServer) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(5)
    sock.connect(str(server.path))
    return sock


def frame(payload: bytes) -> bytes:
    return struct.pack(">I", len(payload)) + payload


async def still_answers(server: GatewayServer) -> None:
    assert (await ask(server, "echo", text="hi"))["text"] == "hi"


async def test_a_request_with_raw_bytes(server: GatewayServer, calls: list[Call]) -> None:
    data = os.urandom(100_000)
    answer = await ask(server, "echo", text="ab", count=2, data=data)
    assert answer == {"text": "abab", "data": data}
    (call,) = calls
    assert call.ok
    assert call.method == "echo"
    assert call.params == {"text": "ab", "count": 2, "data": "<100000 bytes>"}
    assert call.result == {"text": "abab", "data": "<100000 bytes>"}
    assert call.bytes_in > 100_000


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("nothing", NothingFound, "no mug here. Try: look(frame, 'mug')"),
        ("several", Ambiguous, "two mugs"),
        ("offline", Unavailable, "the server is down. Try: Start it."),
        ("bug", PrimitiveError, "fails: ZeroDivisionError"),
    ],
)
async def test_errors_reach_the_cell_as_what_they_are(
    server: GatewayServer, calls: list[Call], text: str, kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind) as caught:
        await ask(server, "fails", text=text)
    assert str(caught.value) == message
    assert not calls[0].ok
    if isinstance(caught.value, Ambiguous):
        assert caught.value.candidates == ["left mug", "right mug"]


async def test_unknown_methods_and_parameters(server: GatewayServer) -> None:
    with pytest.raises(Unavailable, match=r"'os\.system' is not available"):
        await ask(server, "os.system", text="rm")
    with pytest.raises(PrimitiveError, match="extra"):
        await ask(server, "echo", text="x", extra=1)
    with pytest.raises(PrimitiveError, match="count"):
        await ask(server, "echo", count="many")


async def test_quotas_of_a_method_of_calls_and_of_bytes(server: GatewayServer) -> None:
    for _ in range(2):
        assert await ask(server, "twice") == "yes"
    with pytest.raises(TooMuch, match="2 calls are used up"):
        await ask(server, "twice")
    with pytest.raises(TooMuch, match="MB to the host are used up"):
        await ask(server, "echo", data=bytes(1_000_000))
    for _ in range(18):
        await ask(server, "echo")
    with pytest.raises(TooMuch, match="20 calls to the host"):
        await ask(server, "echo")


async def test_a_call_that_takes_too_long_and_the_next_one(server: GatewayServer) -> None:
    client = Client(str(server.path))
    with pytest.raises(TimedOut):
        await asyncio.to_thread(client.call, "slow", timeout=0.2)
    # the late answer to the first is not taken for the answer to the second
    answer = await asyncio.to_thread(client.call, "echo", text="second")
    assert answer["text"] == "second"


async def test_an_answer_too_large(server: GatewayServer) -> None:
    with pytest.raises(TooMuch, match="reply"):
        await ask(server, "huge")


async def test_a_request_too_large_is_refused_before_it_is_sent(server: GatewayServer) -> None:
    with pytest.raises(TooMuch, match="34 MB"):
        await ask(server, "echo", data=bytes(34_000_000))


async def test_a_host_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="does not answer"):
        Client(str(tmp_path / "nobody")).call("echo")


GARBAGE = {
    "no msgpack": frame(b"\xc1\xc1\xc1"),
    "empty frame": frame(b""),
    "a list": frame(msgpack.packb([1, 2])),
    "a number": frame(msgpack.packb(7)),
    "keys missing": frame(msgpack.packb({"id": 1})),
    "keys too many": frame(msgpack.packb({"id": 1, "method": "echo", "params": {}, "sudo": 1})),
    "id is text": frame(msgpack.packb({"id": "1", "method": "echo", "params": {}})),
    "id is a bool": frame(msgpack.packb({"id": True, "method": "echo", "params": {}})),
    "id is negative": frame(msgpack.packb({"id": -1, "method": "echo", "params": {}})),
    "method is a list": frame(msgpack.packb({"id": 1, "method": ["echo"], "params": {}})),
    "params is text": frame(msgpack.packb({"id": 1, "method": "echo", "params": "x"})),
    "trailing bytes": frame(msgpack.packb({"id": 1, "method": "echo", "params": {}}) + b"\x00"),
    "extension type": frame(
        msgpack.packb(
            {"id": 1, "method": "echo", "params": {"data": msgpack.ExtType(5, b"cos\nsystem")}}
        )
    ),
    "deep nesting": frame(b"\x91" * 100_000 + b"\x01"),
    "claims a huge list": frame(b"\xdd\xff\xff\xff\xff"),
    "claims huge bytes": frame(b"\xc6\xff\xff\xff\xff"),
    "a pickle": frame(b"\x80\x04\x95\x1f\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix"),
    "http": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 4,
    "zeros": bytes(4096),
    "bad text": frame(b"\x83\xa2id\x01\xa6method\xa4\xff\xfe\xfd\xfc\xa6params\x80"),
}


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE.keys())
async def test_garbage_ends_its_connection_and_nothing_else(
    server: GatewayServer, calls: list[Call], garbage: bytes
) -> None:
    other = Client(str(server.path))
    assert (await asyncio.to_thread(other.call, "echo", text="a"))["text"] == "a"
    sock = raw_socket(server)
    sock.sendall(garbage)
    data = await asyncio.to_thread(drain, sock)
    assert len(data) < 1000
    assert (await asyncio.to_thread(other.call, "echo", text="b"))["text"] == "b"
    await still_answers(server)
    assert [c.method for c in calls] == ["echo"] * 3


def drain(sock: socket.socket) -> bytes:
    data = b""
    try:
        while part := sock.recv(65536):
            data += part
    except ConnectionResetError:
        pass
    finally:
        sock.close()
    return data


async def test_an_oversize_frame_is_refused_unread(server: GatewayServer) -> None:
    sock = raw_socket(server)
    sock.sendall(struct.pack(">I", module.MAX_FRAME + 1) + b"x" * 1000)
    data = await asyncio.to_thread(drain, sock)
    if data:  # the reply, unless the reset overtook it
        assert msgpack.unpackb(data[4:])["error"]["type"] == "TooMuch"
    await still_answers(server)


async def test_half_frames(server: GatewayServer) -> None:
    for part in (b"", b"\x00", b"\x00\x00\x10", frame(b"x" * 100)[:50]):
        sock = raw_socket(server)
        sock.sendall(part)
        sock.close()
    await still_answers(server)


async def test_a_sender_that_never_finishes(
    server: GatewayServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FRAME_SECONDS", 0.3)
    sock = raw_socket(server)
    sock.sendall(struct.pack(">I", 1000) + b"x")
    assert await asyncio.to_thread(drain, sock) == b""
    await still_answers(server)


async def test_a_reader_that_never_reads(
    server: GatewayServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FRAME_SECONDS", 0.3)
    server.gateway.register("big", Text, lambda p: b"x" * 20_000_000)
    sock = raw_socket(server)
    sock.sendall(frame(msgpack.packb({"id": 1, "method": "big", "params": {}})))
    await asyncio.sleep(0.6)
    await still_answers(server)
    assert server.refused == 1
    sock.close()


async def test_many_connections_do_not_starve_the_one_that_works(server: GatewayServer) -> None:
    client = Client(str(server.path))
    await asyncio.to_thread(client.call, "echo", text="first")
    idle = [await asyncio.to_thread(raw_socket, server) for _ in range(60)]
    await asyncio.sleep(0.2)
    assert server.refused >= 60 - module.MAX_CONNECTIONS
    answer = await asyncio.to_thread(client.call, "echo", text="second")
    assert answer["text"] == "second"
    for sock in idle:
        sock.close()
    await asyncio.sleep(0.1)
    await still_answers(server)


async def test_calls_of_several_threads_do_not_mix(server: GatewayServer) -> None:
    client = Client(str(server.path))
    answers: dict[int, str] = {}

    def one(number: int) -> None:
        answers[number] = client.call("echo", text=str(number))["text"]

    threads = [threading.Thread(target=one, args=(n,)) for n in range(10)]
    for thread in threads:
        thread.start()
    await asyncio.to_thread(lambda: [t.join() for t in threads])
    assert answers == {n: str(n) for n in range(10)}


async def test_files_come_as_read_only_descriptors(server: GatewayServer, tmp_path: Path) -> None:
    path = tmp_path / "frames.bin"
    path.write_bytes(b"pixels")
    server.gateway.register("file", Text, lambda p: WithFiles("here", [path]))
    client = Client(str(server.path))
    result, fds = await asyncio.to_thread(client.call_with_files, "file")
    assert result == "here"
    (fd,) = fds
    assert os.read(fd, 100) == b"pixels"
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.write(fd, b"changed")
    os.close(fd)


def test_what_the_methods_take() -> None:
    with pytest.raises(ValueError, match="exactly one"):
        DecodeParams(video=0)
    assert DecodeParams(times=[0.5]).times == [0.5]
    with pytest.raises(ValueError, match="no PNG"):
        LocateParams.model_validate(
            {
                "image": {
                    "data": b"x" * 100,
                    "media_type": "image/png",
                    "width": 5,
                    "height": 5,
                },
                "what": "mug",
            }
        )


@pytest.mark.kernel
async def test_locate_and_look_from_a_cell(manifest: Path, calls: list[Call]) -> None:
    seen: list[LookParams] = []

    def locate(params: LocateParams) -> dict[str, Any]:
        if params.what == "unicorn":
            return {"points": [], "note": "only grey"}
        return {"points": [{"x": params.image.width / 2, "y": 3}]}

    def look(params: LookParams) -> dict[str, Any]:
        seen.append(params)
        return {"text": f"{len(params.images)} pictures"}

    gateway = Gateway(record=calls.append)
    gateway.register("vlm.locate", LocateParams, locate)
    gateway.register("vlm.look", LookParams, look)
    options = KernelOptions(manifest=manifest, gateway=gateway)
    async with await Kernel.start(options) as kernel:
        result = await kernel.execute("p = locate(frames[1], 'mug'); p.tolist(), p.ref")
        assert result.result == "([[20.0, 3.0]], 'pixel 1')"
        result = await kernel.execute("locate(frames[1], 'unicorn')")
        assert result.error is not None
        assert result.error.name == "NothingFound"
        assert "only grey" in result.error.message
        result = await kernel.execute("look(frames, 'what?'), look(np.zeros((9, 9)), 'and?')")
        assert result.result == "('2 pictures', '1 pictures')"
        assert seen[0].images[0].width == 40
        await kernel.snapshot("s")
        await kernel.restore("s")
        assert (await kernel.execute("look(frames, 'again')")).result == "'2 pictures'"
    assert [c.method for c in calls] == ["vlm.locate"] * 2 + ["vlm.look"] * 3


@pytest.mark.kernel
async def test_a_cell_without_a_vlm_is_told_so(kernel: Kernel) -> None:
    result = await kernel.execute("look(np.zeros((9, 9, 3), np.uint8), 'what?')")
    assert result.error is not None
    assert result.error.name == "Unavailable"
    assert "vlm.look" in result.error.message
