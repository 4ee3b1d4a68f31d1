"""One lane a model: calls wait in it, run by run in turn, and go to the worker in batches."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from spatialclaw.perception.adapter import Adapter
from spatialclaw.perception.pictures import Blob, Picture
from spatialclaw.perception.processes import Crashed, ModelProcess, Refused

__all__ = ["Done", "Job", "Lane"]

GATHER_SECONDS = 0.003
"""How long a batch waits at least for a run that was at work a moment ago."""
MOST_GATHER_SECONDS = 0.02
"""How long at most: a tenth of a batch's time, a quarter for calls that were announced."""
ACTIVE_SECONDS = 1.0
"""How long a run counts as at work after its last answer."""
GRACE_SECONDS = 10.0
"""How long a batch that nobody waits for may go on before its worker is ended."""
DEFAULT_BATCH = 8
_MAX_WAITING = 1024


@dataclass(frozen=True)
class Done:
    """What a call gave.

    Attributes:
        blob: The packed result.
        bytes: Its size.
        seconds: What its batch took.
        batch: Calls in that batch.
    """

    blob: Blob
    bytes: int
    seconds: float
    batch: int


@dataclass(eq=False)
class Job:
    """One computation that one or several callers wait for.

    Attributes:
        key: Names the result.
        model: Who is to answer.
        revision: With which weights.
        method: Of the call.
        pictures: Of the call.
        params: Of the call.
        arrays: Of the call, as they are sent.
        run: Who asked first.
        alone: Not to be put into a batch with others.
        together: Calls that its run has out at the moment, this one included.
        waiters: Those who wait.
        again: Whether it was tried before.
        done: The result, once there is one.
    """

    key: str
    model: str
    revision: str
    method: str
    pictures: list[Picture]
    params: Mapping[str, Any]
    arrays: Mapping[str, Any]
    run: str
    alone: bool = False
    together: int = 1
    waiters: set[asyncio.Future[Done]] = field(default_factory=set)
    again: bool = False
    done: Done | None = None

    def settle(self, outcome: Done | BaseException) -> None:
        """Tells everybody who waits."""
        self.done = outcome if isinstance(outcome, Done) else None
        for waiter in self.waiters:
            if waiter.done():
                continue
            if isinstance(outcome, Done):
                waiter.set_result(outcome)
            else:
                waiter.set_exception(outcome)


class Lane:
    """The calls to one model.

    Args:
        adapter: The model.
        queue: Calls of one run that may wait.
        start: Makes a process with the model loaded.
        finish: Told of each job and its outcome.
        more_memory: Asked when the model ran out of memory; whether there is more now.
    """

    def __init__(
        self,
        adapter: Adapter,
        *,
        queue: int,
        start: Callable[[], Awaitable[ModelProcess]],
        finish: Callable[[Job, Done | BaseException], None],
        more_memory: Callable[[], Awaitable[bool]],
    ) -> None:
        self.adapter = adapter
        self.batch_limit = max(1, int(getattr(adapter, "max_batch", DEFAULT_BATCH)))
        self.process: ModelProcess | None = None
        self.running: list[Job] = []
        self.used = time.monotonic()
        self.calls = 0
        self.batches = 0
        self._queue = queue
        self._start, self._finish, self._more_memory = start, finish, more_memory
        self._waiting: OrderedDict[str, deque[Job]] = OrderedDict()
        self._answered: dict[str, float] = {}
        self._arrived = asyncio.Event()
        self._seconds = 0.0
        self._task = asyncio.ensure_future(self._serve())

    @property
    def waiting(self) -> int:
        """Calls that wait."""
        return sum(len(jobs) for jobs in self._waiting.values())

    def submit(self, job: Job) -> None:
        """Puts a job in the queue of its run.

        Raises:
            Refused: The queue is full; says when to come again.
        """
        jobs = self._waiting.get(job.run, ())
        if len(jobs) >= self._queue or self.waiting >= _MAX_WAITING:
            after = max(0.05, self._seconds * (self.waiting // self.batch_limit + 1))
            raise Refused(
                "TooMuch",
                f"{self.adapter.info.name}: {self.waiting} calls wait, {len(jobs)} of this run",
                hint=f"the same in {after:.2g} s, or fewer calls at once",
                retry_after=round(after, 3),
            )
        self._waiting.setdefault(job.run, deque()).append(job)
        self._arrived.set()

    def abandon(self, job: Job) -> None:
        """Nobody waits for the job any more: its place is free, its worker soon."""
        jobs = self._waiting.get(job.run)
        if jobs is not None and job in jobs:
            jobs.remove(job)
            self._drop_empty()
            self._finish(job, asyncio.CancelledError())
        elif job in self.running:
            batch = self.running
            asyncio.get_running_loop().call_later(GRACE_SECONDS, self._kill_if_unwanted, batch)

    def _kill_if_unwanted(self, batch: list[Job]) -> None:
        unwanted = self.running is batch and not any(job.waiters for job in batch)
        if unwanted and self.process is not None:
            self.process.kill()

    async def _serve(self) -> None:
        while True:
            while not self._waiting:
                self._arrived.clear()
                await self._arrived.wait()
            await self._gather()
            self.running = self._take()
            if self.running:
                try:
                    await self._execute(self.running)
                except Exception as error:  # a fault of ours must not leave callers waiting
                    traceback.print_exc()
                    fault = Refused("Unavailable", f"the perception service: {error!r}")
                    self._settle_all(self.running, fault)
                now = time.monotonic()
                self._answered.update((job.run, now) for job in self.running)
                self.running, self.used = [], now

    def _absent(self) -> bool:
        """Whether a run that was at work a moment ago has no call waiting."""
        now = time.monotonic()
        self._answered = {
            run: at for run, at in self._answered.items() if now - at < ACTIVE_SECONDS
        }
        return any(run not in self._waiting for run in self._answered)

    async def _gather(self) -> None:
        """Waits a little for calls that are announced, and for runs whose turn it would be."""
        now = time.monotonic()
        latest = now + max(GATHER_SECONDS, min(self._seconds / 4, MOST_GATHER_SECONDS))
        until = now + max(GATHER_SECONDS, min(self._seconds / 10, MOST_GATHER_SECONDS))
        while True:
            announced = sum(max(job.together for job in jobs) for jobs in self._waiting.values())
            complete = self.waiting >= min(announced, self.batch_limit)
            if complete and not self._absent():
                return
            left = (until if complete else latest) - time.monotonic()
            if left <= 0:
                return
            self._arrived.clear()
            try:
                async with asyncio.timeout(left):
                    await self._arrived.wait()
            except TimeoutError:
                return

    def _take(self) -> list[Job]:
        """The next batch: one call of each run in turn, then again until it is full.

        While a run that was at work is absent, only one round: a long batch would keep it waiting.
        """
        if not self._waiting:
            return []
        first = next(iter(self._waiting.values()))[0]
        rounds_left = 1 if self._absent() and len(self._answered) > 1 else self.batch_limit
        batch: list[Job] = []
        while rounds_left > 0 and len(batch) < self.batch_limit:
            before = len(batch)
            for run in list(self._waiting):
                jobs = self._waiting[run]
                if not jobs or (batch and not _alike(first, jobs[0])):
                    continue
                batch.append(jobs.popleft())
                self._waiting.move_to_end(run)
                if len(batch) >= self.batch_limit or not _alike(first, first):
                    break
            rounds_left -= 1
            if len(batch) == before or not _alike(first, first):
                break
        self._drop_empty()
        return batch

    def _drop_empty(self) -> None:
        for run in [run for run, jobs in self._waiting.items() if not jobs]:
            del self._waiting[run]

    async def _execute(self, batch: list[Job]) -> None:
        started = time.perf_counter()
        try:
            wanted = batch[0].revision
            ready = self.process is not None and self.process.alive
            if not ready or self.process is None or self.process.revision != wanted:
                await self.unload()
                self.process = await self._start()
            if self.process.revision != wanted:
                name = self.adapter.info.name
                raise Refused("Unavailable", f"the weights of {name} were changed", retry=True)
            started = time.perf_counter()
            reply, fds = await self.process.request(*_request(batch))
        except Crashed as crash:
            await self.unload()
            self._settle_all(batch, Refused("Unavailable", str(crash), retry=True))
            return
        except Refused as refused:
            if refused.kind == "MemoryError" and await self._once_more(batch):
                return
            self._settle_all(batch, _as_told(refused))
            return
        except (OSError, ValueError) as error:
            self._settle_all(batch, Refused("Unavailable", f"{self.adapter.info.name}: {error}"))
            return
        seconds = time.perf_counter() - started
        self._seconds = seconds if not self._seconds else 0.7 * self._seconds + 0.3 * seconds
        self.batches += 1
        self.calls += len(batch)
        if reply["fits"]:
            self.batch_limit = int(reply["fits"])
        blobs = iter([Blob(fd) for fd in fds])
        for job, result in zip(batch, reply["results"], strict=True):
            if result["ok"]:
                done = Done(next(blobs), int(result["bytes"]), seconds, len(batch))
                self._settle(job, done)
                continue
            failure = Refused.from_description(result["error"])
            if failure.kind == "MemoryError" and await self._once_more([job]):
                continue
            self._settle(job, _as_told(failure))

    async def _once_more(self, batch: list[Job]) -> bool:
        """Puts calls that found no memory back in front, once, if there is more memory now."""
        if any(job.again for job in batch) or not await self._more_memory():
            return False
        for job in reversed(batch):
            job.again = job.alone = True
            self._waiting.setdefault(job.run, deque()).appendleft(job)
        return True

    def _settle_all(self, batch: list[Job], outcome: Done | BaseException) -> None:
        for job in batch:
            self._settle(job, outcome)

    def _settle(self, job: Job, outcome: Done | BaseException) -> None:
        job.settle(outcome)
        self._finish(job, outcome)

    async def unload(self) -> None:
        """Ends the process with the model, if there is one."""
        process, self.process = self.process, None
        if process is not None:
            await process.end()

    async def aclose(self) -> None:
        """Ends everything; who waits is told so."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        gone = Refused("Unavailable", "the perception service is ending", retry=True)
        self._settle_all([*self.running, *(j for q in self._waiting.values() for j in q)], gone)
        self._waiting.clear()
        await self.unload()


def _alike(first: Job, other: Job) -> bool:
    """Whether both may be in one batch."""
    single = not other.alone and len(other.pictures) == 1
    same = first.method == other.method and first.revision == other.revision
    return single and same and not first.alone and len(first.pictures) == 1


def _request(batch: list[Job]) -> tuple[dict[str, Any], list[int]]:
    numbers: dict[int, int] = {}
    calls = []
    for job in batch:
        images = []
        for picture in job.pictures:
            number = numbers.setdefault(picture.blob.fd, len(numbers))
            images.append(
                {
                    "blob": number,
                    "offset": picture.offset,
                    "height": picture.height,
                    "width": picture.width,
                }
            )
        calls.append(
            {
                "method": job.method,
                "images": images,
                "params": dict(job.params),
                "arrays": dict(job.arrays),
            }
        )
    return {"op": "run", "calls": calls}, list(numbers)


def _as_told(refused: Refused) -> Refused:
    if refused.kind != "MemoryError":
        return refused
    return Refused(
        "TooMuch",
        refused.message,
        hint="fewer or smaller pictures at once, or a smaller model",
    )
