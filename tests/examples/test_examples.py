"""The examples of the repository: complete, small, consistent, and answered offline."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spatialclaw.benchmarks.selfcheck import (
    BAR,
    check,
    grade,
    main,
    read_questions,
    summary,
)
from spatialclaw.errors import UsageError

FAMILIES = {
    "area",
    "camera movement",
    "camera turn",
    "closer",
    "count",
    "direction",
    "distance",
    "distance to camera",
    "higher",
    "in front or behind",
    "left or right",
    "marker",
    "motion",
    "order of appearance",
    "size",
    "speed",
}


@pytest.fixture(scope="module")
def questions(examples: Path) -> list[dict[str, Any]]:
    return read_questions(examples / "questions.jsonl")


def test_there_are_enough_questions_of_every_family(questions: list[dict[str, Any]]) -> None:
    assert len(questions) >= 60
    assert {q["family"] for q in questions} == FAMILIES
    assert len({q["id"] for q in questions}) == len(questions)
    assert {q["answer_type"] for q in questions} == {"number", "choice", "yes_no"}


def test_every_question_is_complete(questions: list[dict[str, Any]], examples: Path) -> None:
    for question in questions:
        assert question["question"].endswith("?") or ". " in question["question"], question
        assert all((examples / name).exists() for name in question["media"]), question
        truth = question["truth"]
        if question["answer_type"] == "number":
            assert isinstance(truth, float)
            assert question["unit"]
            assert question["tolerance"] == (0.1 if question["relative"] else 0.0)
        elif question["answer_type"] == "choice":
            assert truth in question["choices"]
            assert len(set(question["choices"].values())) == len(question["choices"]) >= 2
        else:
            assert truth in ("yes", "no")


def test_yes_and_no_and_the_letters_are_mixed(questions: list[dict[str, Any]]) -> None:
    for kind, least in (("yes_no", 0.3), ("choice", 0.1)):
        truths = [q["truth"] for q in questions if q["answer_type"] == kind]
        for value in ("yes", "no") if kind == "yes_no" else ("A", "B"):
            assert truths.count(value) >= least * len(truths), (kind, value)


def test_the_examples_stay_small(examples: Path) -> None:
    files = [path for path in examples.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 6_000_000


@pytest.mark.parametrize("name", ["room", "tabletop", "street"])
def test_depth_instances_and_poses_agree_between_views(examples: Path, name: str) -> None:
    """A thing that stands still is in the same place whichever picture it is measured in."""
    import cv2

    record = json.loads((examples / name / "transforms.json").read_text())
    middles: dict[int, list[np.ndarray]] = {}
    lens = np.array([record["cx"] - 0.5, record["cy"] - 0.5])
    for frame in record["frames"]:
        depth = cv2.imread(str(examples / name / frame["depth_file_path"]), cv2.IMREAD_UNCHANGED)
        labels = cv2.imread(
            str(examples / name / frame["instance_file_path"]), cv2.IMREAD_UNCHANGED
        )
        picture = cv2.imread(str(examples / name / frame["file_path"]))
        assert depth.dtype == labels.dtype == np.uint16
        assert depth.shape == labels.shape == picture.shape[:2] == (record["h"], record["w"])
        pose = np.array(frame["transform_matrix"])
        for thing in record["objects"]:
            y, x = np.nonzero(labels == thing["id"])
            edge = len(x) and (
                x.min() < 3 or y.min() < 3 or x.max() > record["w"] - 4 or y.max() > record["h"] - 4
            )
            if len(x) < 800 or edge:
                continue
            z = depth[y, x] / 1000
            xy = (np.stack([x, y], 1) - lens) / record["fl_x"] * z[:, None]
            points = np.stack([xy[:, 0], -xy[:, 1], -z], 1) @ pose[:3, :3].T + pose[:3, 3]
            middles.setdefault(thing["id"], []).append(np.median(points, axis=0))
    several = [np.stack(places) for places in middles.values() if len(places) > 1]
    assert several
    if name == "street":  # here they move along the road and nowhere else
        assert max(np.ptp(places[:, 0]) for places in several) > 3
        assert all(np.ptp(places[:, 1]) < 0.8 for places in several)
    else:
        # Different sides are seen: a thing's own size is the most they may differ by.
        assert all(np.ptp(places, axis=0).max() < 1.2 for places in several)


def test_a_number_is_right_within_its_tolerance_in_any_unit_of_its_kind() -> None:
    question = {"truth": 2.0, "unit": "m", "tolerance": 0.1, "relative": True}
    assert grade(question, 2.19, "m")
    assert grade(question, 181, "cm")
    assert grade(question, 2.0, None)
    assert not grade(question, 2.21, "m")
    assert not grade(question, 2.0, "deg")
    assert not grade(question, 2.0, "cm")
    for value in (None, "2.0", True, float("nan")):
        assert not grade(question, value, "m")
    exact = {"truth": 3.0, "unit": "count", "tolerance": 0.0, "relative": False}
    assert grade(exact, 3, "count")
    assert not grade(exact, 3.1, "count")


def test_a_word_is_right_only_when_it_is_the_same() -> None:
    assert grade({"truth": "A"}, "a", None)
    assert not grade({"truth": "A"}, "B", None)
    assert not grade({"truth": "yes"}, True, None)
    assert not grade({"truth": "no"}, None, None)


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "cannot read"), ("{", "line 1: no JSON"), ('{"id": "a"}', "lacks family, media")],
)
def test_a_bad_file_of_questions_is_refused_in_one_line(
    tmp_path: Path, content: str | None, message: str
) -> None:
    path = tmp_path / "questions.jsonl"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UsageError, match=message) as caught:
        read_questions(path)
    assert "\n" not in str(caught.value)


def test_the_command_says_what_is_wrong_with_its_arguments(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--family", "no such family"]) == 2
    assert "no question is left" in capsys.readouterr().err


async def test_media_that_cannot_be_read_are_counted_as_wrong(tmp_path: Path) -> None:
    question = {
        "id": "gone",
        "family": "size",
        "media": ["gone.png"],
        "question": "How tall is the lamp?",
        "truth": 1.5,
        "unit": "m",
        "tolerance": 0.1,
        "relative": True,
    }
    outcomes = await check([question], tmp_path, runs_dir=tmp_path / "runs")
    assert outcomes[0].status == "error"
    assert not outcomes[0].right
    assert "gone.png" in outcomes[0].reason
    assert summary(outcomes).splitlines()[-1].split() == ["all", "1", "0", "0.0", "1"]


@pytest.mark.kernel
@pytest.mark.parametrize("medium", ["room", "tabletop", "street", "stereo/left.png"])
async def test_one_question_about_each_capture_is_answered_rightly(
    questions: list[dict[str, Any]], examples: Path, tmp_path: Path, medium: str
) -> None:
    wanted = {"room": "count", "tabletop": "higher", "street": "motion"}.get(medium, "closer")
    chosen = [q for q in questions if q["media"][0] == medium and q["family"] == wanted]
    outcomes = await check(chosen[:1], examples, runs_dir=tmp_path)
    assert [o.right for o in outcomes] == [True], outcomes


@pytest.mark.kernel
@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_nine_of_ten_questions_are_answered_rightly(
    questions: list[dict[str, Any]], examples: Path, tmp_path: Path
) -> None:
    outcomes = await check(questions, examples, runs_dir=tmp_path, jobs=2)
    wrong = [(o.id, o.question, o.answer, o.truth) for o in outcomes if not o.right]
    assert len(wrong) <= (1 - BAR) * len(outcomes), wrong
