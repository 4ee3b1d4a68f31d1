"""The loop with the policy taken out: phases, budgets, form checks and honest endings."""

from __future__ import annotations

import asyncio

import pytest
from support.doubles import FakeMedia, LocalExecutor, cell

from spatialclaw.agent.budget import Limits
from spatialclaw.agent.environment import Environment
from spatialclaw.agent.record import NoRecord
from spatialclaw.agent.types import Observation, Task

QUESTION = Task("How far is the cup from the jug?", unit="m", truth=2.0)


async def begin(
    task: Task = QUESTION, limits: Limits | None = None, **names: object
) -> tuple[Environment, Observation, LocalExecutor, NoRecord]:
    environment = Environment()
    kernel, record = LocalExecutor(**names), NoRecord()
    observation = await environment.areset(
        task, media=FakeMedia(), kernel=kernel, recorder=record, limits=limits or Limits(plan=False)
    )
    return environment, observation, kernel, record


async def test_plan_cells_answer() -> None:
    environment, first, _, record = await begin(limits=Limits())
    assert first.kind == "plan"
    assert "How far is the cup from the jug?" in first.text
    assert "one number, in m" in first.text
    assert len(first.images) == 2
    second = await environment.astep("1. depth 2. distance")
    assert second.kind == "cell"
    third = await environment.astep(cell("x = 1 + 1\nprint('x', x)"))
    assert third.kind == "cell"
    assert "x 2" in third.text
    assert "- x: 2" in third.text
    assert "29 cells" in third.text
    last = await environment.astep(cell("submit(x, 'm', confidence=0.8, evidence=['x'])"))
    assert last.done
    assert environment.answer is not None
    assert environment.answer.text == "2 m"
    assert environment.answer.status == "submitted"
    assert environment.answer.evidence == ["x"]
    assert environment.score()["correct"] is True
    kinds = [event["kind"] for event in record.events]
    assert kinds[:4] == ["observation", "reply", "plan", "observation"]


async def test_an_error_names_the_line_and_keeps_every_line_of_its_message() -> None:
    environment, *_ = await begin()
    seen = await environment.astep(
        cell("a = 1\nraise ValueError('first line\\nTry: the second line')\nb = 2")
    )
    assert "at line 2" in seen.text
    assert "first line\nTry: the second line" in seen.text
    assert "raise ValueError" in seen.text
    assert "- a: 1" in seen.text


async def test_the_same_failing_cell_is_noticed() -> None:
    environment, *_ = await begin()
    await environment.astep(cell("nothing_there"))
    again = await environment.astep(cell("nothing_there "))
    assert "Cell 1 was the same and failed in the same way" in again.text


async def test_a_killed_kernel_is_told() -> None:
    environment, *_ = await begin()
    seen = await environment.astep(cell("x = 1\ndie()"))
    assert "ended the kernel" in seen.text
    assert "signal 9" in seen.text
    assert "all variables are gone" in seen.text


async def test_format_errors_teach_and_eat_no_step() -> None:
    environment, *_ = await begin(limits=Limits(plan=False, format_errors=2))
    first = await environment.astep("I think it is two metres.")
    assert first.kind == "format_error"
    assert "1 of at most 2" in first.text
    assert first.info["step"] == 0
    seen = await environment.astep(cell("print(1)"))
    assert seen.kind == "cell"
    assert (await environment.astep("")).kind == "format_error"
    assert (await environment.astep("prose")).kind == "format_error"
    now = await environment.astep("more prose")
    assert now.kind == "answer_now"
    assert environment.score()["format_errors"] == 4


async def test_a_form_problem_is_said_and_can_be_mended() -> None:
    task = Task("Where is it?", choices={"A": "left", "B": "right"}, truth="B")
    environment, *_ = await begin(task)
    seen = await environment.astep(cell("submit('up')"))
    assert seen.kind == "cell"
    assert "Your answer was not taken" in seen.text
    assert "A. left; B. right" in seen.text
    done = await environment.astep(cell("submit('right')"))
    assert done.done
    assert environment.answer is not None
    assert (environment.answer.value, environment.answer.text) == ("B", "B. right")
    assert environment.score()["correct"] is True


async def test_the_last_cell_is_announced_and_then_the_answer_is_asked_for() -> None:
    environment, *_ = await begin(limits=Limits(plan=False, max_steps=2))
    seen = await environment.astep(cell("print(1)"))
    assert "last cell" in seen.text
    now = await environment.astep(cell("print('two')"))
    assert now.kind == "answer_now"
    assert "two" in now.text
    assert "2 of 2 cells" in now.text
    done = await environment.astep("ANSWER: 180 cm, confidence 0.4")
    assert done.done
    answer = environment.answer
    assert answer is not None
    assert answer.status == "best_guess"
    assert answer.value == pytest.approx(1.8)
    assert answer.unit == "m"
    assert answer.confidence == 0.4
    assert "cells" in answer.reason


async def test_the_last_reply_may_be_a_cell_that_submits() -> None:
    environment, _, kernel, _ = await begin(limits=Limits(plan=False, max_steps=1))
    await environment.astep(cell("d = 2.5"))
    await environment.astep(cell("submit(d, 'm')"))
    assert environment.answer is not None
    assert (environment.answer.value, environment.answer.status) == (2.5, "best_guess")
    assert len(kernel.cells) == 2


async def test_no_answer_is_a_failure_that_says_why() -> None:
    environment, *_ = await begin(limits=Limits(plan=False, max_steps=1))
    await environment.astep(cell("print(1)"))
    await environment.astep("I could not\nfind out, there are\nmany unknowns")
    assert environment.answer is not None
    assert environment.answer.status == "failed"
    assert "1 of 1 cells" in environment.answer.reason
    assert environment.score()["score"] == 0.0


async def test_a_suggested_form_can_be_insisted_against() -> None:
    environment, *_ = await begin(Task("How far is the nearest chair?"))
    seen = await environment.astep(cell("submit('at arm length')"))
    assert "one number is wanted" in seen.text
    assert (await environment.astep(cell("submit('at arm length')"))).done
    assert environment.answer is not None
    assert environment.answer.value == "at arm length"


async def test_seconds_hold_and_bound_the_cell() -> None:
    environment, _, kernel, _ = await begin(
        limits=Limits(plan=False, max_seconds=0.5, cell_timeout=60)
    )
    await asyncio.sleep(0.1)
    await environment.astep(cell("print(1)"))
    assert kernel.timeouts[0] <= 1.0
    await asyncio.sleep(0.5)
    now = await environment.astep(cell("print(2)"))
    assert now.kind == "answer_now"
    assert len(kernel.cells) == 1


async def test_a_step_after_the_end_is_refused() -> None:
    environment, *_ = await begin()
    await environment.astep(cell("submit(1, 'm')"))
    with pytest.raises(RuntimeError, match="over"):
        await environment.astep(cell("print(1)"))


async def test_floods_are_cut_in_the_middle_with_the_count() -> None:
    environment, *_ = await begin()
    seen = await environment.astep(cell("for i in range(5000): print('line', i)"))
    assert "line 0\n" in seen.text
    assert "line 4999" in seen.text
    assert "lines" in seen.text
    assert "left out" in seen.text
    assert len(seen.text) < 7000


async def test_pictures_come_with_how_to_read_their_pixels() -> None:
    environment, first, _, _ = await begin()
    assert "[1] frame 0: 64x48, pixels of frames[0]" in first.text
    seen = await environment.astep(cell("show(1, title='the mask')"))
    assert len(seen.images) == 1
    assert "[1] the mask: 32x24" in seen.text


async def test_many_episodes_live_side_by_side() -> None:
    async def episode(value: int) -> float:
        environment, *_ = await begin()
        await environment.astep(cell(f"x = {value}"))
        await environment.astep(cell("submit(x, 'm')"))
        assert environment.answer is not None
        return float(environment.answer.value)

    assert await asyncio.gather(*(episode(i + 1) for i in range(20))) == [i + 1 for i in range(20)]


def test_the_sync_twins_work() -> None:
    with Environment() as environment:
        first = environment.reset(
            QUESTION, seed=3, media=FakeMedia(), kernel=LocalExecutor(), limits=Limits(plan=False)
        )
        assert first.kind == "cell"
        assert environment.step(cell("submit('2.1 m')")).done
        assert environment.score()["correct"] is True


async def test_a_reset_forgets_the_episode_before() -> None:
    environment, *_ = await begin()
    await environment.astep(cell("submit(1, 'm')"))
    again = await environment.areset(
        QUESTION, media=FakeMedia(), kernel=LocalExecutor(), limits=Limits(plan=False)
    )
    assert again.kind == "cell"
    assert environment.answer is None
    assert environment.score()["steps"] == 0


async def test_a_large_picture_is_made_smaller_and_its_line_says_so() -> None:
    from support.doubles import picture

    class Large(LocalExecutor):
        def _show(self, *things: object, title: str = "") -> None:
            from dataclasses import replace

            source = {"kind": "frame", "frame": 3, "scale": 0.5, "offset": [0, 0]}
            self.pictures.append(replace(picture(2048, 1024, title="big"), source=source))

    environment = Environment()
    await environment.areset(QUESTION, media=FakeMedia(), kernel=Large(), limits=Limits(plan=False))
    seen = await environment.astep(cell("show(1)"))
    assert (seen.images[0].width, seen.images[0].height) == (1024, 512)
    assert "big: 1024x512; pixel of frames[3] = pixel here / 0.25" in seen.text
