"""What cells may send towards perception, and what comes of what they may not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest
from service_home import Home, picture

from spatialclaw.config import Settings
from spatialclaw.kernel.gateway import Call, Gateway
from spatialclaw.media import load
from spatialclaw.perception import starting
from spatialclaw.perception.cells import PerceptionTools, perception_tools
from spatialclaw.perception.wire import picture_hash

FRAME = {"sequence": 0, "position": 0}


class Run:
    """A run's gateway, spoken to as a cell does."""

    def __init__(self, tools: PerceptionTools) -> None:
        self.events: list[Call] = []
        self.gateway = Gateway(record=self.events.append)
        tools.register(self.gateway)

    async def ask(self, method: str, **params: Any) -> dict[str, Any]:
        import os

        frame = msgpack.packb({"id": 1, "method": method, "params": params})
        reply, files = await self.gateway.answer(frame)
        for file in files:
            assert isinstance(file, int)
            os.close(file)
        said: dict[str, Any] = msgpack.unpackb(reply)
        return {**said, "files": len(files)}


@pytest.fixture
async def run(home: Home, tmp_path: Path) -> AsyncIterator[Run]:
    from PIL import Image

    for number in range(2):
        Image.fromarray(picture(number)).save(tmp_path / f"{number}.png")
    media = load([tmp_path / "0.png", tmp_path / "1.png"], workdir=tmp_path / "frames")
    tools = perception_tools(media, Settings())
    yield Run(tools)
    await tools.aclose()


async def test_a_frame_and_a_picture_of_the_cell_reach_the_model(run: Run) -> None:
    mine = picture(9)
    name = picture_hash(mine)
    where = {"sha256": name, "height": 48, "width": 64}
    before = await run.ask("perception.call", task="test_edges", pictures=[FRAME, where])
    assert before["result"] == {"missing": [name]}
    put = await run.ask("perception.put", height=48, width=64, data=mine.tobytes())
    assert put["result"] == {"sha256": name}
    answer = await run.ask("perception.call", task="test_edges", pictures=[FRAME, where])
    assert answer["ok"]
    assert answer["files"] == 1
    assert answer["result"]["model"] == "test-edges"
    assert answer["result"]["method"] == "test_edges"
    kept = run.events[-1]
    assert kept.params["task"] == "test_edges"
    assert set(kept.result) >= {"model", "method", "seconds", "cached", "bytes", "revision"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pictures": []}, "pictures"),
        ({"pictures": [{"sequence": 0, "position": 2}]}, "no frame 2 in sequence 0"),
        ({"pictures": [{"sequence": 7, "position": 0}]}, "no frame 0 in sequence 7"),
        ({"pictures": [{"sequence": -1, "position": 0}]}, "pictures"),
        ({"pictures": [{"path": "/etc/passwd"}]}, "pictures"),
        ({"pictures": ["/etc/passwd"]}, "pictures"),
        ({"pictures": [{"sha256": "x", "height": 1, "width": 1}]}, "pictures"),
        ({"pictures": [FRAME] * 300}, "pictures"),
        ({"task": "../x"}, "task"),
        ({"task": "test_edges", "params": {"a": b"bytes"}}, "no argument"),
        ({"params": {"a": [[[[[[[[[[1]]]]]]]]]]}}, "too deep"),
        ({"params": {"a": list(range(30_000))}}, "too many"),
        ({"params": {"a": "x" * 30_000}}, "too long"),
        ({"arrays": {"a": {"dtype": "object", "shape": [1], "data": b"x"}}}, "dtype"),
        ({"arrays": {"a": {"dtype": "float32", "shape": [9], "data": b"x"}}}, "size"),
        ({"arrays": {"a": {"dtype": "uint8", "shape": [-1], "data": b"x"}}}, "shape"),
        ({"seconds": 1e9}, "seconds"),
        ({"seconds": float("nan")}, "seconds"),
        ({"command": "rm"}, "command"),
    ],
)
async def test_what_no_cell_may_send_is_refused_before_anything_starts(
    run: Run, changes: dict[str, Any], message: str
) -> None:
    starting.stop()
    said = {"task": "test_edges", "pictures": [FRAME], **changes}
    answer = await run.ask("perception.call", **said)
    assert not answer["ok"]
    assert message in answer["error"]["message"]
    assert starting.status() is None


@pytest.mark.parametrize(
    "said",
    [
        {"height": 4, "width": 4, "data": b"x" * 47},
        {"height": 0, "width": 4, "data": b"x" * 48},
        {"height": 20_000, "width": 1, "data": b"x" * 60_000},
        {"height": 3000, "width": 4000, "data": b"x" * 36_000_000},
    ],
)
async def test_a_picture_of_the_wrong_size(run: Run, said: dict[str, Any]) -> None:
    assert not (await run.ask("perception.put", **said))["ok"]


async def test_pictures_are_kept_within_a_limit(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from spatialclaw.perception import cells

    monkeypatch.setattr(cells, "MAX_KEPT", 30_000)
    names = []
    for seed in range(5):
        data = picture(seed).tobytes()
        put = await run.ask("perception.put", height=48, width=64, data=data)
        names.append(put["result"]["sha256"])
    pictures = [{"sha256": name, "height": 48, "width": 64} for name in names]
    answer = await run.ask("perception.call", task="test_edges", pictures=pictures)
    assert answer["result"] == {"missing": names[:2]}


async def test_offers_start_nothing(run: Run) -> None:
    starting.stop()
    there = await run.ask("perception.offer", task="test_edges")
    assert there["result"] == {"model": "test-edges", "command": ""}
    absent = (await run.ask("perception.offer", task="test_absent"))["result"]
    assert absent["model"] is None
    assert absent["command"]
    call = await run.ask("perception.call", task="test_absent", pictures=[FRAME])
    assert call["error"]["type"] == "Unavailable"
    assert call["error"]["hint"] == absent["command"]
    assert starting.status() is None


async def test_refusals_reach_the_cell_with_their_type_and_hint(run: Run) -> None:
    answer = await run.ask(
        "perception.call", task="test_edges", pictures=[FRAME], params={"text": "unicorn"}
    )
    assert answer["error"]["type"] == "NothingFound"
    assert answer["error"]["hint"] == "look(frames[0], 'unicorn?')"
    late = await run.ask(
        "perception.call",
        task="test_slow",
        pictures=[FRAME],
        seconds=0.2,
        params={"seconds": 3},
    )
    assert late["error"]["type"] == "TimedOut"
    assert not run.events[-1].ok


async def test_a_cell_that_is_interrupted_takes_its_call_with_it(run: Run, tmp_path: Path) -> None:
    import socket
    import struct

    from spatialclaw.kernel.gateway_server import GatewayServer

    server = GatewayServer(tmp_path / "gateway.sock", run.gateway)
    server.start()
    params = {"task": "test_one_by_one", "pictures": [FRAME], "params": {"seconds": 5}}
    frame = msgpack.packb({"id": 1, "method": "perception.call", "params": params})
    busy = {**params, "params": {"seconds": 1.5}}
    first = asyncio.ensure_future(run.ask("perception.call", **busy))
    await asyncio.sleep(0.3)
    with socket.socket(socket.AF_UNIX) as cell:
        cell.connect(str(tmp_path / "gateway.sock"))
        cell.sendall(struct.pack(">I", len(frame)) + frame)
        await _until(lambda: (starting.status() or {}).get("waiting") == 1)
    await _until(lambda: (starting.status() or {}).get("waiting") == 0, seconds=1.0)
    assert (await first)["ok"]
    await server.aclose()


async def _until(condition: Any, seconds: float = 10.0) -> None:
    for _ in range(int(seconds / 0.02)):
        if condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not come about")


async def test_arrays_go_along(run: Run) -> None:
    values = np.arange(200, dtype=np.float32)
    sent = {"dtype": "float32", "shape": [200], "data": values.tobytes()}
    answer = await run.ask(
        "perception.call", task="test_edges", pictures=[FRAME], arrays={"weights": sent}
    )
    assert answer["ok"]
    changed = {**sent, "data": (values + 1).tobytes()}
    other = await run.ask(
        "perception.call", task="test_edges", pictures=[FRAME], arrays={"weights": changed}
    )
    assert not other["result"]["cached"]
