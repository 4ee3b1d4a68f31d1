# ruff: noqa: E501  (one case a line)
"""What is taken as an answer, what is refused, and what is read out of the last reply."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatialclaw.agent.answers import check_submission
from spatialclaw.agent.final_text import literal_submit, read_final_text
from spatialclaw.agent.scoring import score_answer
from spatialclaw.agent.types import Answer, Task
from spatialclaw.agent.units import canonical_unit, convert, parse_quantity
from spatialclaw.kernel.results import Submission

METRES = Task("How far?", unit="m", answer_type="number")
COUNT = Task("How many?", unit="count", answer_type="number")
OPTIONS = Task(
    "Where?", choices={"A": "left", "B": "front left", "C": "behind the sofa", "D": "right"}
)
AMOUNTS = Task("How far?", choices={"A": "1.5 m", "B": "2.5 m", "C": "3.5 m"})
YES = Task("Is it?", answer_type="yes_no")
POINT = Task("Where?", answer_type="point")
BOX = Task("Where?", answer_type="box")
OPEN = Task("What?")

TAKEN: list[tuple[Task, Any, str | None, Any]] = [
    (METRES, 2.5, None, 2.5), (METRES, 250, "cm", 2.5), (METRES, "2.5 m", None, 2.5),
    (METRES, "about 2.5 metres", None, 2.5), (METRES, "8 ft 2.4 in", None, 2.49936),
    (METRES, [2.5], None, 2.5), (METRES, {"value": 2.5, "unit": "m"}, None, 2.5), (METRES, 0, None, 0),
    (METRES, "2.5 ± 0.1 m", None, 2.5),
    (COUNT, 3, None, 3), (COUNT, 3.0, "count", 3), (COUNT, "three", None, 3), (COUNT, 0, None, 0),
    (COUNT, 4, "chairs", 4) if canonical_unit("chairs") else (COUNT, 4, "objects", 4),
    (OPTIONS, "A", None, "A"), (OPTIONS, "b", None, "B"), (OPTIONS, "(C)", None, "C"), (OPTIONS, "D.", None, "D"),
    (OPTIONS, "A. left", None, "A"), (OPTIONS, "Front Left", None, "B"), (OPTIONS, "the front left side", None, "B"),
    (OPTIONS, "behind", None, "C"), (OPTIONS, "Answer: D", None, "D"), (OPTIONS, "**B**", None, "B"),
    (AMOUNTS, 2.5, "m", "B"), (AMOUNTS, 250, "cm", "B"), (AMOUNTS, "3.5 m", None, "C"),
    (YES, True, None, "yes"), (YES, "No.", None, "no"), (YES, "Yes, it is", None, "yes"),
    (POINT, (3, 4), None, [3.0, 4.0]), (POINT, {"x": 1, "y": 2}, None, [1.0, 2.0]), (POINT, "(10, 20)", None, [10.0, 20.0]),
    (BOX, [1, 2, 3, 4], None, [1.0, 2.0, 3.0, 4.0]), (BOX, [[1, 2, 3, 4]], None, [1.0, 2.0, 3.0, 4.0]),
    (OPEN, "the red chair", None, "the red chair"), (OPEN, 2.5, "m", 2.5), (OPEN, True, None, "yes"),
]  # fmt: skip

REFUSED: list[tuple[Task, Any, str | None, str]] = [
    (METRES, None, None, "None"), (METRES, math.nan, None, "finite"), (METRES, math.inf, None, "finite"),
    (METRES, "nan", None, "finite"), (METRES, True, None, "number"), (METRES, "far away", None, "one number"),
    (METRES, "between 2 and 3 m", None, "one number"), (METRES, 90, "deg", "unit of angle"),
    (METRES, 3, "bananas", "no known unit"), (METRES, -1.0, None, "negative"), (METRES, [1, 2], None, "one number"),
    (COUNT, 2.5, None, "whole number"), (COUNT, -1, None, "whole number"), (COUNT, 3, "m", "no unit"),
    (OPTIONS, "E", None, "one of the letters"), (OPTIONS, "above", None, "one of the letters"),
    (OPTIONS, "A. right", None, "stands for 'left'"), (OPTIONS, "", None, "one of the letters"),
    (OPTIONS, 3, None, "one of the letters"), (OPTIONS, ["A"], None, "one of the letters"),
    (AMOUNTS, 2.4, "m", "nearest is B"),
    (YES, "perhaps", None, "yes or no"), (YES, 1, None, "yes or no"),
    (POINT, 3, None, "2 finite numbers"), (POINT, (1, 2, 3), None, "2 finite"), (POINT, (math.nan, 1), None, "finite"),
    (BOX, [3, 2, 1, 4], None, "x0 < x1"), (BOX, [1, 2, 3], None, "4 finite"),
    (OPEN, "  ", None, "empty"),
]  # fmt: skip


@pytest.mark.parametrize(("task", "value", "unit", "expected"), TAKEN)
def test_answers_of_the_right_form_are_taken(
    task: Task, value: Any, unit: str | None, expected: Any
) -> None:
    checked = check_submission(task, Submission(value, unit))
    assert checked.problems == []
    assert checked.value == (pytest.approx(expected) if isinstance(expected, float) else expected)


@pytest.mark.parametrize(("task", "value", "unit", "words"), REFUSED)
def test_others_are_refused_with_the_reason(
    task: Task, value: Any, unit: str | None, words: str
) -> None:
    checked = check_submission(task, Submission(value, unit))
    assert len(checked.problems) == 1
    assert words in checked.problems[0]
    assert not checked.soft


def test_confidence_is_between_0_and_1() -> None:
    assert check_submission(METRES, Submission(1, confidence=0.5)).confidence == 0.5
    assert "confidence" in check_submission(METRES, Submission(1, confidence=85)).problems[0]


def test_a_suggested_form_is_soft() -> None:
    checked = check_submission(OPEN, Submission("near"), suggested="number", suggested_unit="m")
    assert checked.soft
    assert checked.value == "near"


FINAL = [
    (METRES, "ANSWER: 3.2 m", "3.2 m"), (METRES, "Thinking...\nAnswer: **3.2 m**", "3.2 m"),
    (METRES, r"So it is \boxed{3.2}.", "3.2"), (METRES, "<answer>3.2</answer>", "3.2"),
    (METRES, "The answer is 3.2 m.", "3.2 m"), (METRES, "3.2 m", "3.2 m"), (METRES, "Final answer: 3 m, confidence 0.8", "3 m"),
    (OPTIONS, "ANSWER: B", "B"), (OPTIONS, r"\boxed{\text{B}}", "B"), (OPTIONS, "**ANSWER:** (B) front left", "(B) front left"),
    (METRES, "first ANSWER: 1 m\nthen ANSWER: 2 m", "2 m"),
    (METRES, "submit(3.2, 'm')", 3.2), (METRES, "a\nb\nc", None), (METRES, "", None),
]  # fmt: skip


@pytest.mark.parametrize(("task", "text", "value"), FINAL)
def test_the_last_reply_is_read(task: Task, text: str, value: Any) -> None:
    submission = read_final_text(task, text)
    assert (submission.value if submission else None) == value


def test_a_stated_confidence_is_read() -> None:
    for text in ("ANSWER: 3 m, confidence 0.8", "ANSWER: 3 m\nConfidence: 80%"):
        submission = read_final_text(METRES, text)
        assert submission is not None
        assert submission.confidence == 0.8


def test_only_plain_values_are_taken_from_a_call() -> None:
    submission = literal_submit("x = 1\nsubmit(2.0, unit='m', evidence=['a (b)'])")
    assert submission is not None
    assert (submission.value, submission.unit, submission.evidence) == (2.0, "m", ["a (b)"])
    assert literal_submit("submit(d, 'm')") is None
    assert literal_submit("submit(__import__('os').getpid())") is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3.2 m", (3.2, "m")), ("1,234.5 cm", (1234.5, "cm")), ("5'3\"", (5.25, "ft")), ("12 m^2", (12.0, "m^2")),
        ("12.5 square meters", (12.5, "m^2")), ("45 degrees clockwise", (45.0, "deg")), ("2.5m/s", (2.5, "m/s")),
        ("1e3 mm", (1000.0, "mm")), (".5 m", (0.5, "m")), ("-45°", (-45.0, "deg")), ("two", (2.0, None)),
        ("3 or 4", None), ("m^2", None), ("", None), ("no idea", None),
    ],
)  # fmt: skip
def test_quantities_are_read(text: str, value: Any) -> None:
    assert parse_quantity(text) == value


@given(st.floats(0.001, 1e6), st.sampled_from(["m", "cm", "mm", "km", "in", "ft", "yd", "mi"]))
def test_units_convert_there_and_back(value: float, unit: str) -> None:
    assert convert(convert(value, unit, "m"), "m", unit) == pytest.approx(value)


def test_units_of_other_kinds_do_not_convert() -> None:
    with pytest.raises(ValueError, match="unit of length"):
        convert(1.0, "m", "deg")


def scored(task: Task, value: Any, **answer: Any) -> Any:
    return score_answer(task, Answer(value, str(value), **answer))["correct"]


def test_scores_are_a_function_of_task_and_answer() -> None:
    metres = Task("How far?", unit="m", truth=2.0)
    assert scored(metres, 2.19) is True
    assert scored(metres, 2.21) is False
    assert scored(Task("?", truth=2.0, tolerance=0.5), 2.4) is True
    assert scored(Task("?", truth=2.0, tolerance=0.01, relative_tolerance=True), 2.1) is False
    assert scored(Task("?", unit="count", truth=3), 3) is True
    assert scored(Task("?", unit="count", truth=30), 31) is False
    assert scored(Task("?", choices={"A": "l", "B": "r"}, truth="r"), "B") is True
    assert scored(Task("?", truth="Yes", answer_type="yes_no"), "yes") is True
    assert scored(Task("?", truth=[5, 5], answer_type="point", tolerance=2), [6, 6]) is True
    assert scored(Task("?", truth=[0, 0, 10, 10], answer_type="box"), [0, 0, 10, 9]) is True
    assert scored(metres, None, status="failed") is False
    assert scored(Task("?"), 3) is None


def test_an_answer_of_another_form_keeps_its_confidence() -> None:
    checked = check_submission(
        Task("How far is it?"), Submission("very far", confidence=0.4), suggested="number"
    )
    assert checked.soft
    assert (checked.value, checked.confidence) == ("very far", 0.4)
