"""The ledger of evidence, what it misses, and the second opinion."""

from __future__ import annotations

import json
from typing import Any

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
from spatialclaw.kernel.results import CellResult, Measured
from spatialclaw.primitives.measure import Measurement

TASK = Task("How far is the cup?", unit="m")


def measured(name: str, value: float, unit: str = "m", **known: Any) -> CellResult:
    return CellResult("ok", measurements=[Measured(name, value, unit, **known)])


def test_measurements_enter_with_value_unit_sigma_method_and_frames() -> None:
    ledger = Ledger()
    lines = ["cup in frame 2", "jug in frame 4"]
    ledger.add_cell(3, measured("d", 2.31, sigma=0.04, method="rgbd", evidence=lines))
    entry = ledger.entries[0]
    assert (entry.id, entry.name, entry.value, entry.unit, entry.sigma) == (
        "m1",
        "d",
        2.31,
        "m",
        0.04,
    )
    assert (entry.method, entry.frames, entry.cell) == ("rgbd", (2, 4), 3)
    assert entry.text == "d = 2.31 +- 0.04 m by rgbd: cup in frame 2; jug in frame 4"
    assert ledger.resolve(["d", "plain"])[0]["id"] == "m1"
    assert ledger.resolve(["d", "plain"])[1] == "plain"


def test_a_printed_measurement_enters_once() -> None:
    ledger = Ledger()
    three = Measured("", 3.0, "count")
    ledger.add_cell(1, CellResult("ok", measurements=[three, three]))
    ledger.add_cell(2, CellResult("ok", measurements=[three]))
    assert [e.text for e in ledger.entries] == ["3 count"]


@pytest.mark.kernel
async def test_what_a_cell_measures_enters_whatever_it_prints() -> None:
    from spatialclaw.kernel import Kernel, KernelOptions

    setup = (
        "from spatialclaw.primitives.measure import Measurement as M\nM.__repr__ = lambda self: '?'"
    )
    ledger = Ledger()
    async with await Kernel.start(KernelOptions(confine="process")) as kernel:
        await kernel.execute(setup)
        ledger.add_cell(1, await kernel.execute("d = M(2.0, 'm', 0.1, ('frame 1',))\nd"))
        ledger.add_cell(2, await kernel.execute("ws = [M(1.0, 'm'), M(3.0, 'm')]; print(d)"))
        ledger.add_cell(
            3, await kernel.execute("print(f'{M(7.0, chr(109)) * 2}')\nd = M(2.5, 'm', 0.1)")
        )
        ledger.add_cell(4, await kernel.execute("x = 3"))
    found = [(e.cell, e.name, e.value, e.sigma, e.frames) for e in ledger.entries]
    assert found == [
        (1, "d", 2.0, 0.1, (1,)),
        (2, "ws[0]", 1.0, None, ()),
        (2, "ws[1]", 3.0, None, ()),
        (3, "d", 2.5, 0.1, ()),
        (3, "", 14.0, None, ()),
    ]


FRAME_1 = {"sigma": 0.1, "method": "rgbd", "evidence": ["frame 1"]}


@pytest.mark.parametrize(
    ("cells", "value", "frames", "hint"),
    [
        ([], 2.0, 3, "no measurement stands behind"),
        ([measured("d", 2.0, **FRAME_1)], 2.0, 3, "frame 1 alone"),
        ([measured("d", 2.0, **FRAME_1)], 3.5, 1, "no measurement gives this number"),
        ([measured("d", 2.0, sigma=0.1), measured("d", 3.0, sigma=0.1)], 3.0, 1, "contradict"),
        ([measured("d", 2.0, sigma=0.1, evidence=["frame 1", "frame 2"])], 2.0, 3, ""),
        ([measured("d", 200.0, "cm", sigma=10.0)], 2.0, 1, ""),
    ],
)
def test_what_is_missing_is_hinted_at(
    cells: list[CellResult], value: float, frames: int, hint: str
) -> None:
    ledger = Ledger()
    for number, result in enumerate(cells, start=1):
        ledger.add_cell(number, result)
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
    await environment.astep(
        cell("d = Measurement(2.0, 'm', 0.1, ('frame 0',), 'rgbd')\nsecret = 7")
    )
    back = await environment.astep(cell("submit(2.0, 'm', evidence=['d'])"))
    assert back.kind == "cell"
    assert "the mask misses the cup" in back.text
    done = await environment.astep(cell("submit(2.2, 'm')"))
    assert done.done
    assert len(chat.asked) == 1
    shown = str(chat.asked[0][0].parts[0])
    assert "d = 2 +- 0.1 m by rgbd: frame 0" in shown
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


def test_pinned_pictures_stay_key_pictures() -> None:
    from dataclasses import replace

    from support.doubles import picture

    ledger = Ledger()
    for number in range(12):
        shown = replace(picture(title=f"p{number}"), pinned=number in (1, 3))
        ledger.add_cell(number, CellResult("ok", images=[shown]))
    titles = [p.title for p in ledger.pictures]
    assert titles == ["p1", "p3", "p8", "p9", "p10", "p11"]
    for number in range(7):
        pinned = replace(picture(title=f"q{number}"), pinned=True)
        ledger.add_cell(20 + number, CellResult("ok", images=[pinned]))
    assert [p.title for p in ledger.pictures] == [f"q{n}" for n in range(1, 7)]
