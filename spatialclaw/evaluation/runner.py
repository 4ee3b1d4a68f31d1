"""Runs an evaluation: every question of every epoch once, whatever happens on the way."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from spatialclaw.errors import BackendRejected, BackendUnreachable, RunError, SpatialclawError
from spatialclaw.evaluation.asking import Engine
from spatialclaw.evaluation.outcomes import Ended, answer_from_json, as_result
from spatialclaw.evaluation.records import Result, run_name
from spatialclaw.evaluation.rows import Row
from spatialclaw.evaluation.scoring import with_score
from spatialclaw.evaluation.store import Store
from spatialclaw.evaluation.throttle import OutOfMoney

__all__ = ["Job", "Listener", "Runner", "Stopped", "select"]

RUNS = "runs"
ASIDE = "aside"
Listener = Callable[[Result], None]


def select(
    rows: Sequence[Row], limit: int | None, seed: int = 42, shard: tuple[int, int] | None = None
) -> list[Row]:
    """The questions that are asked.

    Args:
        rows: All, in file order.
        limit: At most so many: the list is shuffled with Python's `random` and cut, as the
            published evaluations do; None for all, in file order.
        seed: Of the shuffle.
        shard: (number from 0, of how many): every so many-th of them.
    """
    chosen = list(rows)
    if limit is not None and limit < len(chosen):
        random.Random(seed).shuffle(chosen)
        chosen = chosen[:limit]
    return chosen if shard is None else chosen[shard[0] :: shard[1]]


@dataclass(order=True)
class Job:
    """A question of an epoch that has to be asked.

    Attributes:
        due: Monotonic second before which it is not begun.
        order: Its place in the queue.
        row: The question.
        epoch: From 0.
        attempts: How often it was begun.
    """

    due: float
    order: int
    row: Row = field(compare=False)
    epoch: int = field(compare=False, default=0)
    attempts: int = field(compare=False, default=0)


class Stopped(SpatialclawError):
    """The evaluation ended before its last question; the same command goes on with it.

    Args:
        message: Why, in one line.
        hint: What to do.
        status: Exit status of the program.
    """

    def __init__(self, message: str, *, hint: str | None = None, status: int = 1) -> None:
        super().__init__(message, hint=hint)
        self.status = status


class Runner:
    """Takes questions from a queue, lets an engine answer them, and keeps what comes.

    A question whose infrastructure fails goes back into the queue, to be asked again after a pause
    that doubles; after `retries` of these it is kept as failed, and apart from the model's own
    failures. Many failures in a row without any answer, repetitions among them, end the evaluation:
    then nothing works.

    Args:
        folder: The evaluation's folder.
        store: Where results are kept.
        engine: Who answers.
        retries: Further attempts at a question whose infrastructure failed.
        pause: Seconds before the first of them.
        listener: Told each result that is kept.
        votes: Branches of a question; the record of one of several is not taken for its answer.
    """

    def __init__(
        self,
        folder: Path,
        store: Store,
        engine: Engine,
        *,
        retries: int = 3,
        pause: float = 2.0,
        listener: Listener | None = None,
        votes: int = 1,
    ) -> None:
        self.folder = folder
        self.store = store
        self.engine = engine
        self.retries = retries
        self.active = 0
        self.adopted = 0
        self._pause = pause
        self._listener = listener
        self._votes = votes
        self._queue: list[Job] = []
        self._numbers = itertools.count()
        self._failures = 0  # in a row, without an answer between
        self._exhausted = 0  # of these, questions whose attempts are used up
        self._answers = 0
        self._last: Ended | None = None

    async def run(self, rows: Sequence[Row], epochs: int = 1) -> None:
        """Asks what the store does not hold yet.

        Raises:
            Stopped: Money is used up, or nothing works any more.
            RunError: Results cannot be written.
        """
        done = await asyncio.to_thread(self.store.done)
        for epoch in range(epochs):
            for row in rows:
                if (row.benchmark, row.uid, epoch) not in done:
                    self._push(Job(0.0, 0, row, epoch))
        tasks: set[asyncio.Task[None]] = set()
        try:
            while self._queue or tasks:
                wait = self._begin(tasks)
                finished, tasks = await asyncio.wait(
                    tasks, timeout=wait, return_when=asyncio.FIRST_COMPLETED
                ) if tasks else (await _rest(wait), tasks)  # fmt: skip
                for task in finished:
                    task.result()
                self._judge()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _push(self, job: Job) -> None:
        heapq.heappush(self._queue, replace(job, order=next(self._numbers)))

    def _begin(self, tasks: set[asyncio.Task[None]]) -> float | None:
        """Begins what may begin now; gives the seconds until the next one may, or None."""
        now = time.monotonic()
        while self._queue and self._queue[0].due <= now and len(tasks) < self.engine.allowed:
            job = heapq.heappop(self._queue)
            tasks.add(asyncio.create_task(self._work(job)))
        self.active = len(tasks)
        if not self._queue or len(tasks) >= self.engine.allowed:
            return 5.0 if self._queue else None
        return max(0.01, self._queue[0].due - now)

    async def _work(self, job: Job) -> None:
        place = self._place(job)
        found = await asyncio.to_thread(self._finished_run, job, place)
        if found is not None:
            await self._keep(found)
            self.adopted += 1
            return
        await asyncio.to_thread(self._set_aside, place)
        try:
            ended = await self.engine.ask(job.row, job.epoch, place)
        except OutOfMoney as error:
            await asyncio.to_thread(self._set_aside, place)
            raise Stopped(error.message, hint=error.hint) from error
        job = replace(job, attempts=job.attempts + 1)
        if ended.answer is None:
            if ended.failure != "media":  # a damaged file says nothing about the others
                self._failures += 1
                self._last = ended
            key = (job.row.benchmark, job.row.uid, job.epoch)
            cost = ended.usage.cost_usd if ended.usage else None
            await asyncio.to_thread(self.store.note_attempt, key, ended.failure, ended.detail, cost)
            if ended.passing and job.attempts <= self.retries:
                pause = self._pause * 2 ** (job.attempts - 1) * random.uniform(0.75, 1.25)
                self._push(replace(job, due=time.monotonic() + pause))
                return
            self._exhausted += ended.failure != "media"
        else:
            self._failures = self._exhausted = 0
            self._answers += 1
        await self._end(job, ended, place)

    async def _end(self, job: Job, ended: Ended, place: Path, note: str = "") -> None:
        run = place.relative_to(self.folder).as_posix()
        result = as_result(job.row, job.epoch, ended, run=run, attempts=job.attempts)
        # Scorers may decode a mask or search long text.
        scored = await asyncio.to_thread(with_score, result, job.row, ended.answer)
        await self._keep(replace(scored, note=note))

    async def _keep(self, result: Result) -> None:
        # Once begun, a row is written: a cancelled evaluation loses no answer that it has.
        kept = await asyncio.shield(asyncio.to_thread(self.store.add, result))
        if kept and self._listener is not None:
            self._listener(result)

    def _judge(self) -> None:
        """Ends the evaluation when nothing works any more."""
        if not self._exhausted or self._last is None:
            return
        refused = self._last.failure == "refused" and not self._answers
        if self._failures < (3 if refused else max(8, 2 * self.engine.allowed)):
            return
        error = BackendRejected if refused else BackendUnreachable
        raise Stopped(
            f"{self._failures} questions in a row failed: {self._last.detail}",
            hint="The same command goes on from here.",
            status=error.exit_status if self._last.failure in ("server", "refused") else 1,
        )

    def _place(self, job: Job) -> Path:
        return (
            self.folder
            / RUNS
            / job.row.benchmark.replace("/", "-").replace(":", "-")
            / run_name(job.row.uid, job.epoch)
        )

    def _finished_run(self, job: Job, place: Path) -> Result | None:
        """The answer of a run that ended just before its row could be written, or None."""
        from spatialclaw.traces import Run

        if self._votes > 1 or not (place / "answer.json").is_file():
            return None
        try:
            record: Any = Run(place).answer
        except RunError:
            return None
        if not record or record.get("status") not in ("submitted", "best_guess"):
            return None
        answer = answer_from_json(record)
        ended = Ended(answer, usage=answer.usage, seconds=answer.seconds)
        run = place.relative_to(self.folder).as_posix()
        result = as_result(job.row, job.epoch, ended, run=run, attempts=1)
        return replace(with_score(result, job.row, answer), note="taken over from a finished run")

    def _set_aside(self, place: Path) -> None:
        """Moves the folder of a run that did not end out of the way; it stays readable."""
        if not place.exists():
            return
        aside = self.folder / ASIDE / place.parent.name
        try:
            aside.mkdir(parents=True, exist_ok=True)
            for number in itertools.count(1):
                target = aside / f"{place.name}.{number}"
                if not target.exists():
                    place.rename(target)
                    return
        except OSError as error:
            raise RunError(f"{place} cannot be moved aside: {error.strerror}") from error


async def _rest(seconds: float | None) -> set[asyncio.Task[None]]:
    await asyncio.sleep(min(seconds or 0.01, 5.0))
    return set()
