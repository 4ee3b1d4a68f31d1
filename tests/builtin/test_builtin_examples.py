"""The example captures, one question of each family, asked through the public door."""

from __future__ import annotations

from pathlib import Path

import pytest

pytestmark = [pytest.mark.kernel, pytest.mark.slow]


async def test_nine_of_ten_families_are_answered_right(examples: Path, tmp_path: Path) -> None:
    from spatialclaw.benchmarks.selfcheck import check, read_questions, summary

    file = examples / "questions.jsonl"
    if not file.is_file():
        pytest.fail("the examples have no questions: run python examples/make.py")
    questions = {row["family"]: row for row in read_questions(file)}
    outcomes = await check(list(questions.values()), examples, runs_dir=tmp_path, jobs=1)
    assert len(outcomes) >= 12
    assert sum(outcome.right for outcome in outcomes) >= 0.9 * len(outcomes), summary(outcomes)


@pytest.mark.parametrize(
    ("question", "same_as"),
    [
        ("How far is the sofa from the wardrobe, in centimetres?", "What is the distance in cm between the wardrobe and the sofa?"),
        ("How tall is the lamp?", "What is the height of the lamp?"),
        ("How many chairs are there?", "Count the chairs in the room."),
        ("Which is nearer to the door: the sofa or the plant? A. sofa B. plant", "Is the sofa or the plant closer to the door? A. sofa B. plant"),
        ("If I stand at the door facing the sofa, is the tv on my left or my right? A. left B. right",
         "For someone who stands at the door and faces the sofa, is the tv on the left or on the right? A. left B. right"),
    ],
)  # fmt: skip
def test_other_words_give_the_same_answer(question: str, same_as: str, ask, examples: Path) -> None:  # type: ignore[no-untyped-def]
    first, second = ask(examples / "room", question), ask(examples / "room", same_as)
    assert first.status == second.status == "submitted", (first.reason, second.reason)
    assert first.value == second.value


def test_what_the_capture_does_not_name_is_said(ask, examples: Path) -> None:  # type: ignore[no-untyped-def]
    answer = ask(examples / "room", "How far is the piano from the door?")
    assert answer.status == "failed"
    assert "piano" in answer.reason
    assert "the capture names" in answer.reason
    assert "--base-url" in answer.reason
