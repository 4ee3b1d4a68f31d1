"""The ledger of evidence, what it misses, and the second opinion."""

from __future__ import annotations

import json

import pytest
from support.doubles import FakeMedia, LocalExecutor, cell

from spatialclaw.agent.budget import Limits
from spatialclaw.agent.environment import Environment
from spatialclaw.agent.ledger import Ledger
from spatialclaw.agent.record import NoRecord
from spatialclaw.agent.types import Task
from spatialclaw.agent.verify import read_verdict
from spatialclaw.backends.base import ChatReply, Message
from spatialclaw.errors import BackendUnreachable
from spatialclaw.kernel.results import CellResult, Variable

TASK = Task("How far is the cup?", unit="m")


class Measurement:
    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return f"<Measurement {self.text}>"


def measured(name: str, text: str) -> CellResult:
    return CellResult("ok", variables=[Variable(name, "Measurement", f"<Measurement {text}>")])


def test_measurements_enter_with_value_unit_sigma_method_and_frames() -> None:
    ledger = Ledger()
    ledger.add_cell(3, measured("d", "2.31 +- 0.04 m by rgbd: cup in frame 2; jug in frame 4"))
    entry = ledger.entries[0]
    assert (entry.id, entry.name, entry.value, entry.unit, entry.sigma) == (
        "m1",
        "d",
        2.31,
        "m",
        0.04,
    )
    assert (entry.method, entry.frames, entry.cell) == ("rgbd", (2, 4), 3)
    assert ledger.resolve(["d", "plain"])[0]["id"] == "m1"
    assert ledger.resolve(["d", "plain"])[1] == "plain"


def test_a_printed_measurement_enters_once() -> None:
    ledger = Ledger()
    ledger.add_cell(1, CellResult("ok", stdout="<Measurement 3 count>\n<Measurement 3 count>\n"))
    assert [e.text for e in ledger.entries] == ["<Measurement 3 count>"]


@pytest.mark.parametrize(
    ("texts", "value", "frames", "hint"),
    [
        ([], 2.0, 3, "no measurement stands behind"),
        (["2.0 +- 0.1 m by rgbd: frame 1"], 2.0, 3, "frame 1 alone"),
        (["2.0 +- 0.1 m by rgbd: frame 1"], 3.5, 1, "no measurement gives this number"),
        (["2.0 +- 0.1 m", "3.0 +- 0.1 m"], 3.0, 1, "contradict each other"),
        (["2.0 +- 0.1 m by a: frame 1; frame 2"], 2.0, 3, ""),
        (["200 +- 10 cm"], 2.0, 1, ""),
    ],
)
def test_what_is_missing_is_hinted_at(
    texts: list[str], value: float, frames: int, hint: str
) -> None:
    ledger = Ledger()
    for number, text in enumerate(texts, start=1):
        ledger.add_cell(number, measured("d", text))
    hints = ledger.hints(value, "m", "number", frames)
    assert (hint in "; ".join(hints)) if hint else hints == []


@pytest.mark.parametrize(
    ("text", "stands"),
    [
        ('{"verdict": "refuted", "why": "wrong frame"}', False),
        ('```json\n{"verdict": "stands", "why": "fine"}\n```', True),
        ('<think>hm {"verdict": "refuted"}</think>{"verdict": "unsure", "why": ""}', True),
        ("**Refuted**: the mask misses the cup.", False),
        ("Stands. All fine.", True),
        ("The answer looks wrong to some.", True),
        ("", True),
        ('{"verdict": 3}', True),
    ],
)
def test_verdicts_are_read_and_doubt_lets_stand(text: str, stands: bool) -> None:
    assert read_verdict(text).stands is stands


class Verifier:
    """A chat client that gives fixed verdicts."""

    model = "v"

    def __init__(self, *replies: str) -> None:
        self.replies = list(replies)
        self.asked: list[list[Message]] = []

    async def complete(self, messages: list[Message], **options: object) -> ChatReply:
        self.asked.append(messages)
        if not self.replies:
            raise BackendUnreachable("gone")
        return ChatReply(self.replies.pop(0))

    async def aclose(self) -> None:
        pass


async def begin(chat: Verifier | None) -> tuple[Environment, NoRecord]:
    environment, record = Environment(), NoRecord()
    await environment.areset(
        TASK, media=FakeMedia(), kernel=LocalExecutor(Measurement=Measurement), recorder=record,
        limits=Limits(plan=False, verify=1), chat=chat,
    )  # fmt: skip
    return environment, record


REFUTED = json.dumps({"verdict": "refuted", "why": "the mask misses the cup"})


async def test_a_refuted_answer_comes_back_once_and_no_more() -> None:
    chat = Verifier(REFUTED, REFUTED)
    environment, record = await begin(chat)
    await environment.astep(cell("d = Measurement('2.0 +- 0.1 m by rgbd: frame 0')\nsecret = 7"))
    back = await environment.astep(cell("submit(2.0, 'm', evidence=['d'])"))
    assert back.kind == "cell"
    assert "the mask misses the cup" in back.text
    done = await environment.astep(cell("submit(2.2, 'm')"))
    assert done.done
    assert len(chat.asked) == 1
    shown = str(chat.asked[0][0].parts[0])
    assert "2.0 +- 0.1 m by rgbd" in shown
    assert "secret" not in shown
    assert [e["stands"] for e in record.events if e["kind"] == "verdict"] == [False]


async def test_an_answer_that_stands_is_taken() -> None:
    environment, _ = await begin(Verifier('{"verdict": "stands", "why": "ok"}'))
    assert (await environment.astep(cell("submit(2.0, 'm')"))).done


async def test_a_verifier_that_fails_costs_no_answer() -> None:
    environment, record = await begin(Verifier())
    assert (await environment.astep(cell("submit(2.0, 'm')"))).done
    assert "no verdict" in next(e for e in record.events if e["kind"] == "verdict")["text"]


async def test_without_a_vlm_the_hints_send_back_once() -> None:
    environment, _ = await begin(None)
    back = await environment.astep(cell("submit(2.0, 'm')"))
    assert "no measurement stands behind this number" in back.text
    assert (await environment.astep(cell("submit(2.0, 'm')"))).done
    assert environment.answer is not None
    assert environment.answer.status == "submitted"


async def test_a_returned_answer_is_the_best_guess_when_the_budget_ends() -> None:
    environment = Environment()
    await environment.areset(
        TASK, media=FakeMedia(), kernel=LocalExecutor(),
        limits=Limits(plan=False, verify=1, max_steps=2), chat=Verifier(REFUTED),
    )  # fmt: skip
    await environment.astep(cell("submit(2.0, 'm')"))
    await environment.astep(cell("print(1)"))
    await environment.astep("hm\nhm")
    assert environment.answer is not None
    assert (environment.answer.value, environment.answer.status) == (2.0, "best_guess")


async def test_a_submission_of_a_failing_cell_does_not_count() -> None:
    environment = Environment()

    class Failing(LocalExecutor):
        async def execute(self, code: str, timeout: float) -> CellResult:  # noqa: ASYNC109
            result = await super().execute(code, timeout)
            from dataclasses import replace

            return replace(result, submission=self.submission)

    await environment.areset(TASK, media=FakeMedia(), kernel=Failing(), limits=Limits(plan=False))
    seen = await environment.astep(cell("submit(2.0, 'm')\nraise ValueError('no')"))
    assert seen.kind == "cell"
    assert "failed after it submitted" in seen.text


async def test_what_the_vlm_said_enters_the_ledger() -> None:
    environment, _ = await begin(Verifier("It is red."))
    assert environment.chat is not None
    await environment.chat.complete([Message("user", ("Which colour?",))], purpose="look")
    entry = environment.ledger.entries[0]
    assert (entry.id, entry.kind) == ("s1", "seen")
    assert "Which colour? -> It is red." in entry.text
