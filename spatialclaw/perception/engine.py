"""What the service does with a call: cache, lane, worker, cache again; and what it keeps to."""

from __future__ import annotations

import asyncio
import contextlib
import mmap
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from spatialclaw.errors import SpatialclawError
from spatialclaw.perception import registry
from spatialclaw.perception.adapter import Adapter
from spatialclaw.perception.cache import ResultCache, result_key
from spatialclaw.perception.lanes import Done, Job, Lane
from spatialclaw.perception.pictures import Blob, Picture
from spatialclaw.perception.places import Limits
from spatialclaw.perception.processes import ModelProcess, Refused
from spatialclaw.perception.wire import share
from spatialclaw.primitives.errors import PrimitiveError

__all__ = ["Engine", "Request", "Result"]

MAX_SECONDS = 3600.0
_ARRAY_KINDS = frozenset(("bool", "uint8", "uint16", "int32", "int64", "float32", "float64"))


@dataclass(frozen=True)
class Request:
    """One call.

    Attributes:
        method: Such as "depth".
        model: A model by name, or None for the best there is.
        run: Whose call it is.
        pictures: What it is about.
        params: Arguments, as msgpack carries them.
        arrays: Array arguments: {"dtype", "shape", "data"}.
        timeout: Seconds that the caller waits.
        alone: Not in a batch with others.
        fresh: Compute it even if it is known.
        together: Calls that the run has out at the moment, this one included.
    """

    method: str
    model: str | None
    run: str
    pictures: list[Picture]
    params: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, Any] = field(default_factory=dict)
    timeout: float = 120.0
    alone: bool = False
    fresh: bool = False
    together: int = 1


@dataclass(frozen=True)
class Result:
    """What a call gave.

    Attributes:
        blob: The packed result.
        info: What is said beside: model, revision, cached, seconds, batch, bytes, notes.
    """

    blob: Blob
    info: dict[str, Any]


class Engine:
    """Lanes, cache and memory of one service.

    Args:
        limits: What to keep to.
        cache: Where results are kept.
    """

    def __init__(self, limits: Limits, cache: ResultCache) -> None:
        self.limits = limits
        self.cache = cache
        self.lanes: dict[str, Lane] = {}
        self.used = time.monotonic()
        self.calls = 0
        self.computed = 0
        self._jobs: dict[str, Job] = {}
        self._storing: set[asyncio.Task[None]] = set()
        self._said: list[str] = []
        self._loading = asyncio.Lock()
        self._memory = limits.memory_bytes or _two_thirds_of_memory()

    @property
    def busy(self) -> bool:
        """Whether anything is being computed or kept."""
        return bool(self._jobs or self._storing)

    async def call(self, request: Request) -> Result:
        """Answers one call.

        Raises:
            Refused: It gets no answer; says why and what to do.
        """
        started = time.perf_counter()
        self.used = time.monotonic()
        self.calls += 1
        check_arrays(request.arrays)
        adapter, revision = self._model(request)
        name = adapter.info.name
        key = result_key(
            method=request.method,
            model=name,
            revision=revision,
            pictures=[picture.sha256 for picture in request.pictures],
            params=request.params,
            arrays=request.arrays,
        )
        info = {"model": name, "revision": revision, "batch": 0}
        notes: list[str] = []
        if not request.fresh:
            kept, damaged = await asyncio.to_thread(self.cache.get, request.method, name, key)
            if kept is not None:
                blob = Blob(share([kept]))
                seconds = time.perf_counter() - started
                return Result(blob, {**info, **_counted(True, seconds, kept.nbytes, notes)})
            if damaged:
                notes.append("a damaged result was found in the cache and computed again")
        done = await self._computed(request, adapter, revision, key)
        notes += self._said
        self._said = []
        seconds = time.perf_counter() - started
        return Result(
            done.blob,
            {**info, **_counted(False, seconds, done.bytes, notes), "batch": done.batch},
        )

    def _model(self, request: Request) -> tuple[Adapter, str]:
        try:
            adapter = registry.choose(request.method, request.model)
            return adapter, registry.revision_of(adapter)
        except PrimitiveError as error:
            raise Refused(type(error).__name__, error.message, hint=error.hint) from error
        except SpatialclawError as error:
            raise Refused("Unavailable", error.message, hint=error.hint) from error

    async def _computed(self, request: Request, adapter: Adapter, revision: str, key: str) -> Done:
        lane = self._lane(adapter)
        job = self._jobs.get(key)
        if job is not None and job.done is not None:  # computed, and just being written
            if not request.fresh:
                return job.done
            job = None
        if job is None:
            job = Job(
                key,
                adapter.info.name,
                revision,
                request.method,
                request.pictures,
                request.params,
                request.arrays,
                request.run,
                alone=request.alone,
                together=request.together,
            )
            lane.submit(job)
            self._jobs[key] = job
        waiter: asyncio.Future[Done] = asyncio.get_running_loop().create_future()
        job.waiters.add(waiter)
        timeout = min(request.timeout, MAX_SECONDS)
        try:
            async with asyncio.timeout(timeout):
                return await waiter
        except TimeoutError:
            raise Refused(
                "TimedOut",
                f"{adapter.info.name} did not answer in {timeout:g} s",
                hint="fewer or smaller pictures, or a longer timeout",
            ) from None
        finally:
            job.waiters.discard(waiter)
            if not job.waiters and (not waiter.done() or waiter.cancelled()):
                lane.abandon(job)

    def _lane(self, adapter: Adapter) -> Lane:
        name = adapter.info.name
        lane = self.lanes.get(name)
        if lane is None:

            async def start() -> ModelProcess:
                return await self._start(adapter, self.lanes[name])

            async def more_memory() -> bool:
                return await self._unload_idle(self.lanes[name], everything=True)

            lane = self.lanes[name] = Lane(
                adapter,
                queue=self.limits.queue,
                start=start,
                finish=self._finished,
                more_memory=more_memory,
            )
        return lane

    async def _start(self, adapter: Adapter, lane: Lane) -> ModelProcess:
        """Makes room for a model and loads it."""
        needed = adapter.info.memory_bytes
        if needed > self._memory:
            raise Refused(
                "TooMuch",
                f"{adapter.info.name} needs {needed / 1e6:.0f} MB, "
                f"{self._memory / 1e6:.0f} MB are allowed",
                hint="a smaller model, or a larger SPATIALCLAW_PERCEPTION_MEMORY",
            )
        async with self._loading:
            while self._is_short(needed) and await self._unload_idle(lane):
                continue
            return await ModelProcess.start(
                adapter.info.name,
                registry.revision_of(adapter),
                device=self.limits.device,
                limit=self._memory,
            )

    def _is_short(self, needed: int = 0) -> bool:
        """Whether the models, and one more that needs so much, exceed what they may take."""
        loaded = [lane.process for lane in self.lanes.values() if lane.process is not None]
        total = max((process.gpu_total for process in loaded), default=0)
        if total and sum(process.gpu_memory for process in loaded) + needed > 0.9 * total:
            return True
        main = sum(process.memory for process in loaded)
        return main + (0 if total else needed) > self._memory

    async def _unload_idle(self, besides: Lane | None, *, everything: bool = False) -> bool:
        """Unloads the model that was used longest ago (or all that rest); whether one was."""
        resting = [
            lane
            for lane in self.lanes.values()
            if lane is not besides and lane.process is not None and not lane.running
        ]
        resting.sort(key=lambda lane: lane.used)
        for lane in resting if everything else resting[:1]:
            await lane.unload()
        return bool(resting)

    def _finished(self, job: Job, outcome: Done | BaseException) -> None:
        self.used = time.monotonic()
        if not isinstance(outcome, Done):
            self._forget(job)
            return
        self.computed += 1
        task = asyncio.ensure_future(self._store(job, outcome))
        self._storing.add(task)
        task.add_done_callback(self._storing.discard)

    async def _store(self, job: Job, done: Done) -> None:
        try:
            note = await asyncio.to_thread(self._store_now, job, done)
            if note is not None:
                self._said.append(note)
        finally:
            self._forget(job)

    def _forget(self, job: Job) -> None:
        if self._jobs.get(job.key) is job:
            del self._jobs[job.key]

    def _store_now(self, job: Job, done: Done) -> str | None:
        with mmap.mmap(done.blob.fd, done.bytes, mmap.MAP_SHARED, mmap.PROT_READ) as view:
            return self.cache.put(job.method, job.model, job.key, [view])

    async def tidy(self) -> None:
        """Unloads models that nobody has used for long, and one that took too much."""
        now = time.monotonic()
        for lane in list(self.lanes.values()):
            if lane.process is None or lane.running or lane.waiting:
                continue
            idle = now - lane.used > self.limits.model_idle_seconds
            if idle or lane.process.memory > self._memory:
                await lane.unload()
        while self._is_short() and await self._unload_idle(None):
            continue

    def describe(self) -> dict[str, Any]:
        """What there is at this moment, for people and tests."""
        return {
            "calls": self.calls,
            "computed": self.computed,
            "memory_limit": self._memory,
            "cache": {
                "folder": str(self.cache.folder),
                "hits": self.cache.hits,
                "misses": self.cache.misses,
                "damaged": self.cache.damaged,
                "trouble": self.cache.trouble,
            },
            "models": [
                {
                    "name": name,
                    "device": lane.process.device,
                    "pid": lane.process.pid,
                    "memory": lane.process.memory,
                    "gpu_memory": lane.process.gpu_memory,
                    "waiting": lane.waiting,
                    "running": len(lane.running),
                    "calls": lane.calls,
                    "batches": lane.batches,
                    "batch_limit": lane.batch_limit,
                }
                for name, lane in self.lanes.items()
                if lane.process is not None
            ],
            "waiting": sum(lane.waiting for lane in self.lanes.values()),
        }

    async def aclose(self) -> None:
        """Ends every worker, after what is being kept is kept."""
        await asyncio.gather(*self._storing, return_exceptions=True)
        for lane in list(self.lanes.values()):
            with contextlib.suppress(OSError):
                await lane.aclose()


def check_arrays(arrays: Mapping[str, Any]) -> None:
    """Looks whether array arguments are what they say.

    Raises:
        Refused: One is not.
    """
    for name, said in arrays.items():
        try:
            count = int(np.prod([int(n) for n in said["shape"]], dtype=object))
            fits = said["dtype"] in _ARRAY_KINDS and min(said["shape"], default=0) >= 0
            if not fits or len(said["data"]) != count * np.dtype(said["dtype"]).itemsize:
                raise ValueError
        except (KeyError, TypeError, ValueError):
            raise Refused("PrimitiveError", f"the argument {name!r} is no array") from None


def _counted(cached: bool, seconds: float, size: int, notes: Sequence[str]) -> dict[str, Any]:
    return {"cached": cached, "seconds": round(seconds, 5), "bytes": size, "notes": list(notes)}


def _two_thirds_of_memory() -> int:
    import psutil

    return int(psutil.virtual_memory().total * 2 / 3)
