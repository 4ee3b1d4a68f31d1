"""A cheap look before planning, and several branches made one answer."""

from __future__ import annotations

import json

import pytest
from support.doubles import FakeMedia, LocalExecutor, cell

from spatialclaw.agent.budget import Limits
from spatialclaw.agent.conversation import ModelPolicy
from spatialclaw.agent.environment import Environment
from spatialclaw.agent.loop import run
from spatialclaw.agent.record import NoRecord
from spatialclaw.agent.routing import has_to_be_measured, read_route
from spatialclaw.agent.types import Answer, Task, Usage
from spatialclaw.agent.votes import combine
from spatialclaw.backends.openai import OpenAIBackend, OpenAIChat, OpenAIOptions
from spatialclaw.backends.scripted_server import ScriptedServer

COLOUR = Task("Which colour is the cup?", choices={"A": "red", "B": "blue"}, truth="A")
FAR = Task("How far is the cup?", unit="m")


async def ask(task: Task, replies: list[str], route: str) -> tuple[Answer, NoRecord, list[str]]:
    record = NoRecord()
    with ScriptedServer(replies) as server:
        backend = OpenAIBackend(OpenAIChat(OpenAIOptions(server.base_url, model=server.model)))
        environment = Environment()
        environment.options["route"] = route
        first = await environment.areset(
            task, media=FakeMedia(), kernel=LocalExecutor(), recorder=record,
            limits=Limits(), chat=backend.chat,
        )  # fmt: skip
        answer = await run(backend.policy(task), environment, first, backend="openai")
        await backend.aclose()
    purposes = [e["purpose"] for e in record.events if e["kind"] == "request"]
    return answer, record, purposes


def route(way: str, confidence: float = 0.9, answer: object = None) -> str:
    return json.dumps(
        {"route": way, "confidence": confidence, "answer": answer, "why": "it is red"}
    )


async def test_what_is_plain_to_see_is_answered_with_one_call() -> None:
    answer, record, purposes = await ask(COLOUR, [route("direct", 0.95, "red")], "auto")
    assert (answer.value, answer.confidence, answer.status) == ("A", 0.95, "submitted")
    assert purposes == ["route"]
    assert answer.evidence == ["plain to see: it is red"]
    note = next(e for e in record.events if e["kind"] == "note")
    assert (note["route"], note["confidence"]) == ("direct", 0.95)


@pytest.mark.parametrize(
    "first",
    [
        route("direct", 0.5, "red"),
        route("look"),
        route("investigate"),
        "no json",
        route("direct", 0.9, "green"),
    ],
)
async def test_anything_else_is_investigated(first: str) -> None:
    answer, _, purposes = await ask(COLOUR, [first, "Plan.", cell("submit('B')")], "auto")
    assert answer.value == "B"
    assert purposes == ["route", "plan", "act"]


async def test_amounts_are_measured_without_asking() -> None:
    replies = ["Plan.", cell("submit(2, 'm')")]
    assert (await ask(FAR, replies, "auto"))[2] == ["plan", "act"]
    assert (await ask(FAR, [route("look"), *replies], "always"))[2] == ["route", "plan", "act"]
    assert (await ask(COLOUR, ["Plan.", cell("submit('A')")], "never"))[2] == ["plan", "act"]


def test_counts_may_be_plain_to_see() -> None:
    assert not has_to_be_measured(Task("How many cups are there?"))
    assert has_to_be_measured(Task("How tall is the door?"))
    assert not has_to_be_measured(COLOUR)


def test_a_direct_answer_has_to_have_the_form() -> None:
    assert read_route(route("direct", 0.9, "green"), COLOUR).way == "investigate"
    assert read_route(route("direct", 0.9, "A"), COLOUR).answer == "A"


def answer(
    value: object,
    confidence: float | None = None,
    unit: str | None = None,
    status: str = "submitted",
) -> Answer:
    return Answer(
        value, f"{value}", unit=unit, confidence=confidence, status=status,  # type: ignore[arg-type]
        steps=2, seconds=1.0, usage=Usage(1, 10, 5),
    )  # fmt: skip


def failed() -> Answer:
    return Answer(None, "", status="failed")


def test_the_majority_wins_and_agreement_is_the_confidence() -> None:
    result = combine([answer("A", 0.9), answer("B", 0.3), answer("B", 0.4)])
    assert result.value == "B"
    assert result.confidence == pytest.approx(2 / 3, abs=1e-3)
    assert (result.steps, result.usage.requests) == (6, 3)
    assert result.evidence[-1] == {"votes": ["A", "B", "B"]}


def test_among_as_many_votes_confidence_decides() -> None:
    assert combine([answer("A", 0.2), answer("B", 0.9)]).value == "B"


def test_numbers_give_the_weighted_median_in_one_unit() -> None:
    result = combine([answer(2.0, 0.9, "m"), answer(210.0, 0.9, "cm"), answer(9.0, 0.1, "m")])
    assert result.value == pytest.approx(2.1)
    assert result.unit == "m"
    assert result.confidence == pytest.approx(2 / 3, abs=1e-3)


def test_a_failed_branch_lowers_the_confidence_only() -> None:
    result = combine([answer(2.0, unit="m"), failed()])
    assert (result.value, result.confidence) == (2.0, 0.5)
    assert combine([failed(), failed()]).status == "failed"


async def test_a_model_policy_without_a_model_says_so() -> None:
    from spatialclaw.errors import SpatialclawError

    environment = Environment()
    first = await environment.areset(FAR, media=FakeMedia(), kernel=LocalExecutor())
    with pytest.raises(SpatialclawError, match="chat client"):
        await run(ModelPolicy(FAR), environment, first)
