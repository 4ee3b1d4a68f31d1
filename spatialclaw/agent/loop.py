"""Steps a policy against an environment until there is an answer."""

from __future__ import annotations

import asyncio

from spatialclaw.agent.environment import Environment
from spatialclaw.agent.types import Answer, Observation
from spatialclaw.backends.base import GiveUp, Policy, RunBound, RunContext
from spatialclaw.errors import BudgetExceeded, SpatialclawError

__all__ = ["context_of", "run"]


async def run(
    policy: Policy,
    environment: Environment,
    observation: Observation,
    *,
    backend: str = "",
    model: str | None = None,
) -> Answer:
    """Lets a policy answer.

    Args:
        policy: Writes the replies.
        environment: Already reset; stays open.
        observation: What its reset gave.
        backend: Name of the policy's backend, for the answer.
        model: Its model, or None.

    Returns:
        The answer, recorded; its status says whether it was submitted, is a best guess, or failed.

    Raises:
        BackendError: The model's server failed; recorded first.
        asyncio.CancelledError: The user interrupted; recorded first.
    """
    record = environment.record
    environment.backend, environment.model = backend, model
    try:
        if isinstance(policy, RunBound):
            policy.bind(context_of(environment))
        while not observation.done:
            observation = await _advance(policy, environment, observation)
    except GiveUp as reason:
        await environment.agive_up(str(reason))
    except asyncio.CancelledError:
        record.event("error", where="loop", type="Interrupted", message="interrupted")
        raise
    except SpatialclawError as error:
        record.event("error", where="loop", type=type(error).__name__, message=str(error))
        raise
    answer = environment.answer
    assert answer is not None
    return answer


async def _advance(
    policy: Policy, environment: Environment, observation: Observation
) -> Observation:
    """One reply and one step; a reply that takes longer than the budget ends the episode."""
    budget = environment.budget
    grace = budget.limits.answer_seconds
    allowed = grace if observation.kind == "answer_now" else budget.seconds_left + grace
    try:
        async with asyncio.timeout(allowed):
            reply = await policy.reply(observation)
    except TimeoutError:
        return await environment.aexpire(f"the reply took longer than the {allowed:.0f} s left")
    except BudgetExceeded as spent:
        if observation.kind == "answer_now":
            return await environment.aexpire(str(spent))
        return environment.ask_for_answer(str(spent))
    return await environment.astep(reply)


def context_of(environment: Environment) -> RunContext:
    """What a policy may use of an environment that was reset."""
    return RunContext(
        record=environment.record,
        chat=environment.chat,
        interface=environment.interface,
        media=environment.media,
        seed=environment.seed,
        settings={
            "prompts": environment.prompts,
            "limits": environment.budget.limits,
            **environment.options,
        },
    )
