"""One question put to a backend with parts that are assembled: once, or by several branches."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from spatialclaw.agent.assemble import Parts
from spatialclaw.agent.budget import limits_from
from spatialclaw.agent.environment import Environment
from spatialclaw.agent.loop import run
from spatialclaw.agent.prompts import Prompts
from spatialclaw.agent.record import NoRecord, Record
from spatialclaw.agent.types import Answer, Observation, Task
from spatialclaw.agent.votes import combine, failed_vote, vote
from spatialclaw.backends.base import Backend, Policy, RunBound, RunContext
from spatialclaw.config import Settings
from spatialclaw.errors import SpatialclawError
from spatialclaw.traces import Recorder, Redactor, answer_json

__all__ = ["converse"]

AT_ONCE = 8
_START = "before the votes"


async def converse(task: Task, parts: Parts, backend: Backend, settings: Settings) -> Answer:
    """Lets a backend answer a question; by votes if the settings say so.

    Votes run side by side, each with a kernel of its own, where the backend can write for several
    at a time: the first branch plans, the others start from its plan; their records are run folders
    below ``votes/`` of the run. Else they run one after the other in the same kernel and record.

    Args:
        task: The question.
        parts: Media, kernel and record.
        backend: Who writes the cells.
        settings: Of the run.

    Raises:
        BackendError: The model's server failed.
    """
    if settings.votes == 1:
        return await _branch(task, parts, backend, settings, settings.seed)
    await parts.kernel.snapshot(_START)
    parts.record.event("snapshot", action="keep", name=_START, text="")
    if getattr(backend, "concurrent", False):
        answer = await _side_by_side(task, parts, backend, settings)
    else:
        answer = await _one_by_one(task, parts, backend, settings)
    answer.run = getattr(parts.record, "run_dir", None)
    parts.record.answer(answer_json(answer))
    return answer


async def _one_by_one(task: Task, parts: Parts, backend: Backend, settings: Settings) -> Answer:
    async def branch(number: int) -> Answer:
        if number:
            said = await parts.kernel.restore(_START)
            parts.record.event("snapshot", action="restore", name=_START, text=said)
        parts.record.event("note", text=f"branch {number + 1} of {settings.votes}")
        return await _branch(task, parts, backend, settings, settings.seed + number)

    return await vote(settings.votes, branch)


async def _side_by_side(task: Task, parts: Parts, backend: Backend, settings: Settings) -> Answer:
    plan: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
    slots = asyncio.Semaphore(AT_ONCE)
    errors: list[SpatialclawError] = []

    async def branch(number: int) -> Answer:
        try:
            async with slots:
                if number == 0:
                    answer = await _branch(task, parts, backend, settings, settings.seed, plan)
                else:
                    answer = await _further(task, parts, backend, settings, number, plan)
        except SpatialclawError as error:
            errors.append(error)
            answer = failed_vote(task, str(error))
        finally:
            if number == 0 and not plan.done():
                plan.set_result(None)
        said = answer.text or answer.reason
        text = f"branch {number + 1} of {settings.votes}: {said}"
        parts.record.event("note", text=text, branch=number + 1)
        return answer

    began = time.monotonic()
    tasks = [asyncio.ensure_future(branch(number)) for number in range(settings.votes)]
    try:
        answers = await asyncio.gather(*tasks)
    except BaseException:
        for task_ in tasks:
            task_.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
    if len(errors) == settings.votes:
        raise errors[0]
    return replace(combine(answers), seconds=round(time.monotonic() - began, 3))


async def _further(
    task: Task,
    parts: Parts,
    backend: Backend,
    settings: Settings,
    number: int,
    plan: asyncio.Future[str | None],
) -> Answer:
    """A branch with a kernel and a record of its own."""
    await asyncio.shield(plan)
    main: Path | None = getattr(parts.record, "run_dir", None)
    record: Record = NoRecord()
    if main is not None:
        folder = main / "votes" / str(number + 1)
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        key = settings.api_key.get_secret_value() if settings.api_key else None
        record = Recorder(folder, redactor=Redactor([key] if key else []))
    try:
        own = await parts.branch(record, Prompts(settings.prompts_dir), _START)
        try:
            if isinstance(record, Recorder) and main is not None:
                await asyncio.to_thread(record.branch_off, main, _START)
            return await _branch(task, own, backend, settings, settings.seed + number, plan)
        finally:
            await own.aclose()
    finally:
        if isinstance(record, Recorder):
            record.close()


async def _branch(
    task: Task,
    parts: Parts,
    backend: Backend,
    settings: Settings,
    seed: int,
    plan: asyncio.Future[str | None] | None = None,
) -> Answer:
    without = [name.strip() for name in settings.without.split(",") if name.strip()]
    environment = Environment(settings, prompts=Prompts(settings.prompts_dir, without=without))
    environment.options["route"] = settings.route
    kept = [name.strip() for name in settings.primitives.split(",") if name.strip()]
    environment.options["primitives"] = kept
    environment.options["earlier"] = parts.earlier
    environment.options["available"] = await parts.available()
    observation = await environment.areset(
        task,
        media=parts.media,
        kernel=parts.kernel,
        recorder=parts.record,
        limits=limits_from(settings),
        chat=backend.chat,
        seed=seed,
    )
    parts.tools.chat = environment.chat
    policy = backend.policy(task)
    return await run(
        policy if plan is None else _Planned(policy, plan),
        environment,
        observation,
        backend=backend.name,
        model=backend.model,
    )


class _Planned:
    """Shares one plan among the policies of several branches: the first makes it.

    Args:
        policy: That of the branch; it takes the plan of another if it has ``assume``.
        plan: Where the first plan is put.
    """

    def __init__(self, policy: Policy, plan: asyncio.Future[str | None]) -> None:
        self._policy = policy
        self._plan = plan

    def bind(self, run: RunContext) -> None:
        """Passes the context on."""
        if isinstance(self._policy, RunBound):
            self._policy.bind(run)

    async def reply(self, observation: Observation) -> str:
        """The shared plan where there is one; else what the policy writes."""
        if self._plan.done():
            known = self._plan.result()
            assume: Any = getattr(self._policy, "assume", None)
            if observation.kind == "plan" and known is not None and assume is not None:
                assume(observation, known)
                return known
            return await self._policy.reply(observation)
        if observation.kind != "plan":
            self._plan.set_result(None)
            return await self._policy.reply(observation)
        reply = await self._policy.reply(observation)
        self._plan.set_result(reply)
        return reply
