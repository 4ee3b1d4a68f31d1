"""Options written into a question, and the form its wording asks for."""

from __future__ import annotations

import pytest

from spatialclaw.agent.question import infer_form, letters, split_choices
from spatialclaw.errors import UsageError

WITH = [
    ("Which is nearer? A. the cup B. the jug", "Which is nearer?", ["the cup", "the jug"]),
    (
        "Which?\nA) left\nB) right\nC) behind\n\nAnswer with the letter.",
        "Which?",
        ["left", "right", "behind"],
    ),
    ("Where is it? (A) left (B) right (C) up", "Where is it?", ["left", "right", "up"]),
    (
        "Where is the lamp? Options:\nA. left\nB. right\nAnswer with the option's letter.",
        "Where is the lamp?",
        ["left", "right"],
    ),
    (
        "How far is it? A. 3 m B. 4 m. Answer with the letter only.",
        "How far is it?",
        ["3 m", "4 m"],
    ),
    ("How far is it?\nA: 3.2 m\nB: 4.1 m", "How far is it?", ["3.2 m", "4.1 m"]),
    ("Which?\n(a) cup\n(b) jug", "Which?", ["cup", "jug"]),
    (
        "Which point is closer, A or B? (A) A is closer (B) B is closer",
        "Which point is closer, A or B?",
        ["A is closer", "B is closer"],
    ),
    ("Pick. [A] one [B] two", "Pick.", ["one", "two"]),
    ("What is it?\n**A.** a door\n**B.** a window", "What is it?", ["a door", "a window"]),
    ("Is it A. left, B. right, or C. behind?", "Is it", ["left", "right", "behind?"]),
]
WITHOUT = [
    "How far is the chair from A. Smith's desk?",
    "From A to B, how far is it?",
    "Point A: is it higher than point B: ?",
    "Which is closest to the bottle of vitamin C?",
    "How tall is the door?",
    "A. left B. right",
    "",
]


@pytest.mark.parametrize(("text", "stem", "options"), WITH)
def test_options_in_the_question_are_found(text: str, stem: str, options: list[str]) -> None:
    question, found = split_choices(text)
    assert question == stem
    assert found is not None
    assert list(found.values()) == options
    assert list(found) == list("ABCDEFG"[: len(options)])


@pytest.mark.parametrize("text", WITHOUT)
def test_nothing_is_taken_for_options(text: str) -> None:
    assert split_choices(text) == (text.strip(), None)


def test_options_get_letters_and_keep_their_texts() -> None:
    assert letters(["left", "right"]) == {"A": "left", "B": "right"}
    assert letters(["A. left", "B. right"]) == {"A": "left", "B": "right"}
    assert letters(["B. right", "A. left"]) == {"A": "B. right", "B": "A. left"}


@pytest.mark.parametrize(
    "options", [[], ["one"], ["a", " "], ["a", "A"], [str(i) for i in range(27)]]
)
def test_options_that_are_none_are_told(options: list[str]) -> None:
    with pytest.raises(UsageError):
        letters(options)


@pytest.mark.parametrize(
    ("question", "kind", "unit"),
    [
        ("How many chairs are there?", "number", "count"),
        ("How far is the cup from the jug?", "number", None),
        ("How far is the cup from the jug in cm?", "number", "cm"),
        ("What is the height of the door in metres?", "number", "m"),
        ("What is the approximate distance between them, in feet?", "number", "ft"),
        ("What is the area of the floor in square meters?", "number", "m^2"),
        ("By what angle, in degrees, did the camera turn?", None, "deg"),
        ("Is the cup left of the jug?", "yes_no", None),
        ("Is the cup left or right of the jug?", None, None),
        ("Which chair is nearest?", None, None),
        ("Give the pixel coordinates of the cup.", "point", None),
        ("Draw the bounding box of the cup.", "box", None),
        ("I stand at the door. How tall is it?", "number", None),
        ("How many times did he jump?", "number", "count"),
    ],
)
def test_the_wording_suggests_a_form(question: str, kind: str | None, unit: str | None) -> None:
    assert infer_form(question) == (kind, unit)


@pytest.mark.parametrize(
    ("question", "form"),
    [
        ("How many chairs are there and is the door open?", (None, None)),
        ("How far is the cup, and what colour is it?", (None, None)),
        ("How tall and wide is the door?", (None, None)),
        ("Which is nearer? How far is it?", (None, None)),
        ("How many of the chairs are red and are facing the door?", ("number", "count")),
        ("How many people and cars are there?", ("number", "count")),
        ("What is the distance between the man and the woman?", ("number", None)),
        ("In the third picture, how far is the bowl from the camera?", ("number", None)),
        ("In the tenth picture, is the sofa behind the table?", ("yes_no", None)),
        ("Measuring from the closest point, what is the distance in metres?", ("number", "m")),
    ],
)
def test_two_questions_in_one_have_no_single_form(
    question: str, form: tuple[str | None, str | None]
) -> None:
    assert infer_form(question) == form
