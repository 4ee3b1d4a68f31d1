"""What the builtin backend writes, step by step, and how it reads what cells print."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from spatialclaw.agent.types import Observation, Task
from spatialclaw.backends.base import GiveUp
from spatialclaw.backends.builtin import BuiltinBackend
from spatialclaw.backends.builtin.answer import match_option, submission_of
from spatialclaw.backends.builtin.facts import Facts, read_facts
from spatialclaw.backends.builtin.language import View, read_question
from spatialclaw.backends.builtin.steps import Finding, Seen, read_values
from spatialclaw.kernel.results import CellError, CellResult


def observe(stdout: str = "", error: CellError | None = None) -> Observation:
    cell = CellResult("error" if error else "ok", stdout=stdout, error=error)
    return Observation("cell", "", cell=cell)


LOOKED = """\
kind = 'rgbd'
names = ['color.png']
indices = [0]
times = [None]
sizes = [(640, 480)]
known = {'intrinsics': [0], 'depth': [0], 'pose': [], 'instances': [], 'stereo': []}
objects = []
info = []
metric = True
"""


async def test_a_plan_comes_first_then_a_look_then_cells_and_an_answer() -> None:
    policy = BuiltinBackend().policy(
        Task("How far is pixel (100, 200) from the camera?", (Path("color.png"),))
    )
    plan = await policy.reply(Observation("plan", ""))
    assert "1. Asked" in plan
    assert "```" not in plan
    look = await policy.reply(Observation("cell", ""))
    assert look.count("```python") == 1
    assert "show(" in look
    spot = await policy.reply(observe(LOOKED))
    assert "(100.0, 200.0)" in spot
    measured = await policy.reply(observe("pixel_count = 1\npixel -> [0, 0, 2]"))
    assert "measure.distance" in measured
    check = await policy.reply(observe("value = 2.0\nsigma = 0.02\nunit = 'm'"))
    assert "again" in check
    answer = await policy.reply(observe("again = 2.01"))
    assert "submit(2.0, unit='m'" in answer


async def test_what_fails_is_tried_again_or_given_up_with_what_was_looked_for() -> None:
    policy = BuiltinBackend().policy(Task("How far away is the typewriter?", (Path("a.jpg"),)))
    await policy.reply(Observation("plan", ""))
    await policy.reply(Observation("cell", ""))
    await policy.reply(observe(LOOKED))
    lost = CellError("Unavailable", "no method without weights finds 'typewriter'")
    with pytest.raises(GiveUp, match=r"typewriter.*no method without weights.*--base-url"):
        await policy.reply(observe("", lost))


@pytest.mark.parametrize(
    "text", ["What is the meaning of life?", "", "?", "Why does he go back?", "x" * 9000]
)
async def test_a_question_it_cannot_read_is_given_up_at_once(text: str) -> None:
    policy = BuiltinBackend().policy(Task(text, (Path("a.jpg"),)))
    with pytest.raises(GiveUp, match="cannot read this question"):
        await policy.reply(Observation("plan", ""))


async def test_a_refused_form_is_repeated_but_not_for_ever() -> None:
    policy = BuiltinBackend().policy(
        Task("How many inner corners does the chessboard have?", (Path("a.jpg"),))
    )
    for observation in (
        Observation("plan", ""),
        Observation("cell", ""),
        observe(LOOKED),
        observe("columns = 9\nrows = 6"),
    ):
        await policy.reply(observation)
    first = await policy.reply(observe("off = 0.2"))
    assert "submit('9 x 6'" in first
    assert "submit('9 x 6'" in await policy.reply(observe())
    await policy.reply(observe())
    with pytest.raises(GiveUp):
        await policy.reply(observe())


def test_values_are_read_from_what_a_cell_printed() -> None:
    text = "hello\nvalue = 2.5\nname = 'a = b'\npair = [1, None]\nbad = <Frame 0>\nnot_a = nan\nvalue = 3.5"
    values = read_values(text)
    assert values["value"] == 3.5
    assert values["name"] == "a = b"
    assert values["pair"] == [1, None]
    assert values["not_a"] is None
    assert Seen(True, values).number("bad") is None


@pytest.mark.parametrize(
    ("kind", "names", "view", "position"),
    [
        ("images", ("a.jpg", "b.jpg"), View("ordinal", 2), 1),
        ("images", ("a.jpg", "b.jpg"), View("ordinal", 3), None),
        (
            "images",
            ("frame-000300.color.jpg", "frame-000350.color.jpg"),
            View("number", 350, text="frame 350"),
            1,
        ),
        ("images", ("01.jpg", "02.jpg", "04.jpg"), View("number", 2, text="photo 2"), 1),
        ("images", ("x.jpg", "y.jpg"), View("number", 2, text="image 2"), 1),
        ("images", ("x.jpg", "y.jpg"), View("last"), 1),
        ("video", ("v",) * 32, View("sampled", 32, 32), 31),
        ("video", ("v",) * 32, View("number", 200, text="frame 200"), 20),
    ],
)
def test_a_picture_is_found_by_how_people_speak_of_it(
    kind: str, names: tuple[str, ...], view: View, position: int | None
) -> None:
    facts = Facts(
        kind,
        names,
        tuple(i * 10 if kind == "video" else i for i in range(len(names))),
        (None,) * len(names),
    )
    assert facts.position(view) == position


def test_facts_survive_a_look_that_printed_little() -> None:
    facts = read_facts(Seen(True, {}))
    assert facts.count == 0
    assert facts.position(View("ordinal", 1)) is None


OPTIONS: list[tuple[Finding, dict[str, str], str | None]] = [
    (Finding("number", 2.13, "m", 0.02), {"A": "1.5 m", "B": "2.1 m", "C": "4 m"}, "B"),
    (Finding("number", 2.13, "m", 0.02), {"A": "150 cm", "B": "210 cm"}, "B"),
    (Finding("number", 3, "count"), {"A": "two", "B": "three"}, "B"),
    (Finding("word", "left"), {"A": "To the right", "B": "To the left"}, "B"),
    (Finding("word", "back"), {"A": "in front of me", "B": "behind me"}, "B"),
    (Finding("word", "front-left"), {"A": "front left", "B": "front right"}, "A"),
    (Finding("word", "up"), {"A": "left", "B": "right"}, None),
    (Finding("yes_no", False), {"A": "Yes", "B": "No"}, "B"),
    (Finding("item", 1, names=("red box", "wooden mask")), {"A": "the red box", "B": "mask"}, "B"),
    (Finding("order", [1, 0, 2], names=("red car", "green car", "blue car")),
     {"A": "red car, green car, blue car", "B": "green car, red car, blue car"}, "B"),
    (Finding("numbers", [42, 24]), {"A": "24 and 66", "B": "24 and 42"}, "B"),
    (Finding("point", (384.0, 336.0)), {"A": "(100, 20)", "B": "(380, 340)"}, "B"),
    (Finding("text", "9 x 6"), {"A": "6 x 6", "B": "9x6"}, "B"),
]  # fmt: skip


@pytest.mark.parametrize(("finding", "choices", "letter"), OPTIONS)
def test_the_option_that_a_finding_means(
    finding: Finding, choices: dict[str, str], letter: str | None
) -> None:
    assert match_option(finding, choices)[0] == letter


@pytest.mark.parametrize(
    ("question", "finding", "value", "unit"),
    [
        ("How wide is the box in cm?", Finding("number", 0.5, "m"), 50.0, "cm"),
        (
            "Is the chair more than 2 m from the table?",
            Finding("number", 2.4, "m", 0.1),
            "yes",
            None,
        ),
        ("Is the ball within 50 cm of the box?", Finding("number", 0.62, "m", 0.02), "no", None),
        ("Are there more than 3 chairs in the room?", Finding("number", 3, "count"), "no", None),
        (
            "Are there at least three chairs in the room?",
            Finding("number", 3, "count"),
            "yes",
            None,
        ),
    ],
)
def test_units_and_limits_of_the_question_are_kept(
    question: str, finding: Finding, value: Any, unit: str | None
) -> None:
    submission = submission_of(finding, read_question(question))
    assert submission is not None
    assert (submission.value, submission.unit) == (value, unit)


def test_a_number_near_the_limit_is_less_sure() -> None:
    question = read_question("Is the chair more than 2 m from the table?")
    near = submission_of(Finding("number", 2.02, "m", 0.1, 0.9), question)
    far = submission_of(Finding("number", 3.0, "m", 0.1, 0.9), question)
    assert near is not None
    assert far is not None
    assert near.confidence < 0.65 < far.confidence


@pytest.mark.parametrize(
    ("text", "pixel", "unit"),
    [
        ("How far is the headlight, near pixel (535,160) of the left image?", (535, 160), None),
        ("What is the depth at x = 12.5, y = 40?", (12.5, 40), None),
        ("What is the depth at [12, 40] in feet?", (12, 40), "ft"),
        ("How many millimetres is the point at pixel 12, 40 above the floor?", (12, 40), "mm"),
        ("How far is the car at (780/210)?", (780, 210), None),
        ("How far away is the thing at row 210, column 780?", (780, 210), None),
    ],
)
def test_pixels_and_units_are_found_in_the_text(
    text: str, pixel: tuple[float, float], unit: str | None
) -> None:
    question = read_question(text)
    assert question.extra["pixels"][0] == pixel
    assert question.unit == unit


def test_file_names_count_only_where_the_question_uses_them() -> None:
    question = read_question(
        "Which pixel of graf3 shows the point (400,320) of graf1?", names=("graf1", "graf3")
    )
    assert [view.value for view in question.views] == [1, 0]
    plain = read_question("How large is the room?", names=("room",))
    assert plain.family == "area"
    assert not plain.views
