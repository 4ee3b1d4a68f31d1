"""What the perception service costs: batches, cached calls, frames in, neighbours, bytes.

Run one or all of them; a table for people, or one JSON object a measurement with ``--json``::

    python -m spatialclaw.benchmarks.performance.perception [batch|cached|frames|neighbour|bytes]

The service, its cache and its models are this script's own: a model whose time goes into reading
its weights (a batch costs little more than one call, as on a GPU), one that takes calls one by one,
and one that answers at once.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from spatialclaw.perception.adapter import Adapter, Call, ModelInfo, Output

__all__ = ["adapters", "main"]

HEIGHT, WIDTH = 720, 1280


class _Reader:
    """Multiplies pictures with weights of 8 bits, which it widens once for all calls of a batch."""

    info = ModelInfo("bench-reader", ("bench_reader",), memory_bytes=200_000_000)

    def available(self) -> str | None:
        """Always there."""
        return None

    def fingerprint(self) -> str:
        """Of the weights, which are drawn from a seed."""
        return "1"

    def load(self, device: str) -> None:
        """Draws the weights."""
        random = np.random.default_rng(0)
        self.layers = [random.integers(-127, 128, (1024, 1024), np.int8) for _ in range(48)]

    def unload(self) -> None:
        """Lets go of them."""
        self.layers = []

    def run(self, calls: Sequence[Call]) -> list[Output]:
        """A vector for each picture."""
        rows = [np.resize(c.images[0][::40, ::20], 1024).astype(np.float32) for c in calls]
        value = np.stack(rows) / 255
        for layer in self.layers:
            wide = layer.astype(np.float32)
            wide -= wide.mean(axis=0)
            wide /= wide.std(axis=0) * 32
            value = np.tanh(value @ wide)
        return [Output({"value": row}) for row in value]


class _OneByOne(_Reader):
    """The same, one call at a time."""

    info = ModelInfo("bench-one", ("bench_one",), memory_bytes=200_000_000)
    max_batch = 1


class _Touch(_Reader):
    """Looks at one pixel of every picture; with ``depth``, gives a depth map."""

    info = ModelInfo("bench-touch", ("bench_touch",), memory_bytes=1_000_000)

    def load(self, device: str) -> None:
        return

    def run(self, calls: Sequence[Call]) -> list[Output]:
        outputs = []
        for call in calls:
            arrays = {"first": np.array([int(image[0, 0, 0]) for image in call.images])}
            if call.params.get("depth"):
                arrays["depth"] = call.images[0][..., 0].astype(np.float32) / 64 + 1
            outputs.append(Output(arrays))
        return outputs


def adapters() -> list[Adapter]:
    """The models of this script, for the service."""
    return [_Reader(), _OneByOne(), _Touch()]


@contextmanager
def _own_service() -> Iterator[None]:
    """A service with the models of this script, in folders that are removed afterwards."""
    from spatialclaw.perception import starting

    folder = Path(tempfile.mkdtemp(prefix="sc-"))
    info = folder / "bench-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bench\nVersion: 1.0\n")
    entry = f"[spatialclaw.models]\nbench = {adapters.__module__}:adapters\n"
    if adapters.__module__ == "__main__":
        entry = (
            "[spatialclaw.models]\nbench = spatialclaw.benchmarks.performance.perception:adapters\n"
        )
    (info / "entry_points.txt").write_text(entry)
    before = dict(os.environ)
    os.environ["PYTHONPATH"] = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    os.environ["SPATIALCLAW_PERCEPTION_RUNTIME"] = str(folder)
    os.environ["SPATIALCLAW_PERCEPTION_CACHE"] = str(folder / "cache")
    try:
        yield
    finally:
        starting.stop()
        os.environ.clear()
        os.environ.update(before)
        shutil.rmtree(folder, ignore_errors=True)


def _pictures(count: int, seed: int = 0) -> list[Any]:
    random = np.random.default_rng(seed)
    return [random.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8) for _ in range(count)]


def _ms(seconds: Sequence[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    p95 = ordered[min(len(ordered) - 1, round(0.95 * (len(ordered) - 1)))]
    return {
        "p50_ms": round(1e3 * statistics.median(ordered), 2),
        "p95_ms": round(1e3 * p95, 2),
        "least_ms": round(1e3 * ordered[0], 2),
    }


async def batch(rounds: int = 12) -> dict[str, Any]:
    """One call, and eight different ones at once, in turn."""
    from spatialclaw.perception.client import LocalClient, Query, share_pictures

    client = LocalClient()
    shared = share_pictures(_pictures(8))
    queries = [Query("bench_reader", [picture], fresh=True) for picture in shared]
    await asyncio.gather(*(client.call(query) for query in queries))
    single, eight, sizes = [], [], []
    for _ in range(rounds):
        started = time.perf_counter()
        os.close((await client.call(queries[0])).fd)
        single.append(time.perf_counter() - started)
        started = time.perf_counter()
        replies = await asyncio.gather(*(client.call(query) for query in queries))
        eight.append(time.perf_counter() - started)
        sizes.append(max(reply.info["batch"] for reply in replies))
        for reply in replies:
            os.close(reply.fd)
    await client.aclose()
    ratio = statistics.median(eight) / statistics.median(single)
    return {
        "one_call": _ms(single),
        "eight_calls": _ms(eight),
        "largest_batch": statistics.median(sizes),
        "ratio": round(ratio, 2),
        "bar": 1.5,
    }


async def cached(rounds: int = 200) -> dict[str, Any]:
    """A depth map of 720p that is known, from asking to having the array."""
    from spatialclaw.perception.client import LocalClient, Query, share_pictures

    client = LocalClient()
    query = Query("bench_touch", share_pictures(_pictures(1)), {"depth": True})
    await client.call(query)
    await asyncio.sleep(0.3)
    seconds: list[float] = []
    size = 0
    for _ in range(rounds):
        started = time.perf_counter()
        reply = await client.call(query)
        result = reply.unpack()
        seconds.append(time.perf_counter() - started)
        assert reply.info["cached"]
        assert result.arrays["depth"].shape == (HEIGHT, WIDTH)
        size = int(reply.info["bytes"])
    await client.aclose()
    return {**_ms(seconds), "result_bytes": size, "bar_p50_ms": 5.0}


async def frames(rounds: int = 15) -> dict[str, Any]:
    """32 frames of 720p in a run's array file until a model has looked at each of them."""
    from spatialclaw.perception.client import LocalClient, Query, Shared
    from spatialclaw.perception.wire import picture_hash

    images = _pictures(32)
    with tempfile.TemporaryFile() as file:
        for image in images:
            file.write(image.data)
        file.flush()
        started = time.perf_counter()
        names = [picture_hash(image) for image in images]
        hashing = time.perf_counter() - started
        size = images[0].nbytes
        shared = [
            Shared(name, HEIGHT, WIDTH, file.fileno(), i * size) for i, name in enumerate(names)
        ]
        query = Query("bench_touch", shared, fresh=True)
        first, again = [], []
        for _ in range(rounds + 1):
            client = LocalClient()
            await client.call(Query("bench_touch", [_first(shared, images)], fresh=True))
            started = time.perf_counter()
            os.close((await client.call(query)).fd)
            first.append(time.perf_counter() - started)
            started = time.perf_counter()
            os.close((await client.call(query)).fd)
            again.append(time.perf_counter() - started)
            await client.aclose()
    return {
        "sent": _ms(first[1:]),
        "known_already": _ms(again[1:]),
        "hashing_once_ms": round(1e3 * hashing, 1),
        "bar_p50_ms": 10.0,
    }


def _first(shared: Sequence[Any], images: Sequence[Any]) -> Any:
    """A small part of the first picture, to open the connection with."""
    from spatialclaw.perception.client import Shared
    from spatialclaw.perception.wire import picture_hash

    return Shared(picture_hash(images[0][:1]), 1, WIDTH, shared[0].fd, 0)


async def neighbour(rounds: int = 30) -> dict[str, Any]:
    """A run that asks call after call, alone and beside one that has eight at once all the time."""
    return {
        "batching_model": await _beside("bench_reader", rounds),
        "one_by_one_model": await _beside("bench_one", rounds),
        "bar": 2.0,
    }


async def _beside(method: str, rounds: int) -> dict[str, Any]:
    from spatialclaw.perception.client import LocalClient, Query, share_pictures

    shared = share_pictures(_pictures(9))
    light, heavy = LocalClient("light"), LocalClient("heavy")

    async def ask(client: LocalClient, number: int) -> float:
        started = time.perf_counter()
        reply = await client.call(Query(method, [shared[number]], fresh=True))
        os.close(reply.fd)
        return time.perf_counter() - started

    await ask(light, 8)
    alone = [await ask(light, 8) for _ in range(rounds)]

    async def flood(number: int) -> None:
        while True:
            await ask(heavy, number)

    floods = [asyncio.ensure_future(flood(number)) for number in range(8)]
    await asyncio.sleep(0.5)
    beside = [await ask(light, 8) for _ in range(rounds)]
    for task in floods:
        task.cancel()
    await asyncio.gather(*floods, return_exceptions=True)
    for client in (light, heavy):
        await client.aclose()
    ratio = _ms(beside)["p95_ms"] / _ms(alone)["p95_ms"]
    return {"alone": _ms(alone), "beside_a_heavy_run": _ms(beside), "p95_ratio": round(ratio, 2)}


async def bytes_sent(rounds: int = 5) -> dict[str, Any]:
    """Bytes and time of a call against pictures as base64 PNG in JSON."""
    import cv2

    from spatialclaw.perception.client import Query, _message, share_pictures
    from spatialclaw.perception.packed import pack
    from spatialclaw.perception.wire import _encode

    smooth = cv2.GaussianBlur(_pictures(1)[0], (0, 0), 6)
    noise = np.random.default_rng(1).normal(0, 2, smooth.shape)
    photo = np.clip(cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX) + noise, 0, 255)
    image = photo.astype(np.uint8)
    shared = share_pictures([image])
    query = Query("depth", shared, {"text": "mug"})
    ours = len(_encode(_message(query, {shared[0].sha256}, 60, False)[0]))
    os.close(shared[0].fd)
    seconds, text = [], ""
    for _ in range(rounds):
        started = time.perf_counter()
        png = cv2.imencode(".png", image)[1].tobytes()
        text = json.dumps({"method": "depth", "image": base64.b64encode(png).decode()})
        cv2.imdecode(np.frombuffer(base64.b64decode(json.loads(text)["image"]), np.uint8), 1)
        seconds.append(time.perf_counter() - started)
    depth = image[..., 0].astype(np.float32) / 50 + 1
    mask = image[..., 0] > 128
    parts = pack(
        {"depth": depth, "masks": cv2.blur(mask.astype(np.float32), (25, 25))[None] > 0.5}, {}
    )
    depth_png = cv2.imencode(".png", (depth * 1000).astype(np.uint16))[1]
    mask_png = cv2.imencode(".png", mask.astype(np.uint8) * 255)[1]
    return {
        "request_bytes": ours,
        "picture_bytes_over_http_once": int(image.nbytes),
        "json_request_bytes_every_time": len(text),
        "json_codec_ms": _ms(seconds)["p50_ms"],
        "result_bytes": sum(len(part) for part in parts),
        "json_result_bytes": 4 * (len(depth_png) + len(mask_png)) // 3,
    }


MEASUREMENTS: dict[str, Callable[[], Coroutine[Any, Any, dict[str, Any]]]] = {
    "batch": batch,
    "cached": cached,
    "frames": frames,
    "neighbour": neighbour,
    "bytes": bytes_sent,
}


def _rows(name: str, found: dict[str, Any]) -> list[str]:
    """A measurement as lines of a table."""
    rows = []
    for key, value in found.items():
        if isinstance(value, dict):
            rows += _rows(f"{name}: {key}", value)
        else:
            rows.append(f"{name + ': ' + key.replace('_', ' '):64}{value}")
    return rows


def main(arguments: list[str]) -> None:
    """Prints what was measured."""
    as_json = "--json" in arguments
    names = [name for name in arguments if name != "--json"] or list(MEASUREMENTS)
    for name in names:
        with _own_service():
            found = asyncio.run(MEASUREMENTS[name]())
        if as_json:
            print(json.dumps({"measurement": name, **found}), flush=True)
        else:
            print("\n".join(_rows(name, found)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
