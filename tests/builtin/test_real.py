"""Real photographs, stereo pairs, RGB-D frames, poses and videos, asked through the public door."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import find_shared_data

pytestmark = [pytest.mark.kernel, pytest.mark.slow, pytest.mark.shared_data]

# Those that need no noun of an open vocabulary: pixels, poses, motion, markers, boards, people.
ANSWERABLE = [
    "s01",
    "s03",
    "s05",
    "s06",
    "s07",
    "s16",
    "s17",
    "s18",
    "s19",
    "s20",
    "s21",
    "s22",
    "s24",
    "s25",
    "s26",
    "s27",
    "s29",
    "s36",
    "s37",
    "s39",
    "s41",
]
# Those that take eyes: no answer, or one that says how little it rests on.
OPEN = ["s02", "s04", "s09", "s10", "s30", "s34", "s35", "s40"]


def questions() -> dict[str, dict[str, Any]]:
    folder = find_shared_data()
    if folder is None:
        return {}
    rows = json.loads((folder / "questions.json").read_text(encoding="utf-8"))
    return {row["id"]: row for row in rows}


QUESTIONS = questions()


def media_of(row: dict[str, Any], folder: Path) -> list[Path]:
    paths: list[Path] = []
    for name in row["media"]:
        paths += sorted(folder.glob(name)) if "*" in name else [folder / name]
    return paths


def right(row: dict[str, Any], value: Any) -> bool:
    truth, kind = row["truth"], row["answer_type"]
    tolerance = row.get("tolerance")
    if value is None:
        return False
    if kind in ("number", "count"):
        return abs(float(value) - float(truth)) <= float(tolerance or 0)
    if isinstance(tolerance, str) and tolerance.endswith("px"):
        wanted = [float(n) for n in re.findall(r"-?[\d.]+", str(truth))]
        got = value if isinstance(value, list | tuple) else re.findall(r"-?[\d.]+", str(value))
        reach = float(tolerance.split()[0])
        return all(abs(float(a) - b) <= reach for a, b in zip(got, wanted, strict=True))
    return str(value).casefold() == str(truth).casefold()


@pytest.mark.parametrize("id", ANSWERABLE)
def test_a_question_without_open_nouns_is_answered_right(
    id: str, ask: Any, shared_data: Path
) -> None:
    row = QUESTIONS[id]
    choices = list(row["choices"].values()) if row.get("choices") else None
    answer = ask(media_of(row, shared_data), row["question"], choices=choices)
    assert answer.status == "submitted", answer.reason
    assert right(row, answer.value), (answer.value, row["truth"], answer.evidence)
    assert answer.evidence
    assert 0 < (answer.confidence or 0.5) < 1


@pytest.mark.parametrize("id", OPEN)
def test_what_takes_eyes_is_not_pretended(id: str, ask: Any, shared_data: Path) -> None:
    row = QUESTIONS[id]
    choices = list(row["choices"].values()) if row.get("choices") else None
    answer = ask(media_of(row, shared_data), row["question"], choices=choices)
    if answer.status == "failed":
        assert "--base-url" in answer.reason
        assert "could not find" in answer.reason
    else:
        assert (answer.confidence or 0) <= 0.75


PARAPHRASES: list[tuple[list[str], str, float | str, float]] = [
    (["stereo/motorcycle/left.png", "stereo/motorcycle/right.png", "stereo/motorcycle/calib.json"],
     "What is the depth at pixel (535, 160)?", 2.15, 0.15),
    (["stereo/motorcycle/left.png", "stereo/motorcycle/right.png", "stereo/motorcycle/calib.json"],
     "What is the distance between x=205, y=335 and x=590, y=375 in centimetres?", 92.0, 6.0),
    (["stereo/motorcycle/left.png", "stereo/motorcycle/right.png", "stereo/motorcycle/calib.json"],
     "Which is closer to the camera, the point (535, 160) or the point (205, 335)? A. (535, 160) B. (205, 335)", "A", 0),
    (["rgbd/tum_office/color.png", "rgbd/tum_office/depth.png", "rgbd/tum_office/intrinsics.json"],
     "How far apart are the points (148,222) and (543,212)?", 1.6, 0.1),
    (["rgbd/nyu_basement/rgb_00000.jpg", "rgbd/nyu_basement/depth_00000.png", "rgbd/nyu_basement/intrinsics.json"],
     "How high above the floor is the point at (255,108)?", 1.6, 0.12),
    (["rgbd/nyu_basement/rgb_00000.jpg", "rgbd/nyu_basement/depth_00000.png", "rgbd/nyu_basement/intrinsics.json"],
     "How far from the camera is the surface at pixel (505, 185)?", 5.8, 0.5),
    (["multiview/graf/graf1.png", "multiview/graf/graf3.png"],
     "Where in the second picture is the point (400, 320) of the first picture?", "(384, 336)", 5.0),
    (["images/calibration/chessboard_06.jpg"], "How many squares does the checkerboard have?", "10 x 7", 0),
    (["images/calibration/chessboard_03.jpg"], "How many inner corners does the chessboard have in total?", 54, 0),
    (["images/aruco_sheet.jpg"], "How many ArUco markers are there?", 5, 0),
    (["images/aruco_sheet.jpg"], "Is the marker with id 42 on the sheet?", "yes", 0),
    (["images/aruco_sheet.jpg"], "Which marker is the largest?", "66", 0),
    (["images/apriltag_swarmathon.jpg"], "Which tag family is used? A. 16h5 B. 36h11 C. 25h9", "B", 0),
    (["rgbd/redkitchen/frame-000300.color.jpg", "rgbd/redkitchen/frame-000350.color.jpg"],
     "Did the camera move to the right?", "yes", 0),
    (["stereo/kitti_drive/left/000000.png", "stereo/kitti_drive/left/000010.png"],
     "Did the car carrying the camera move forward or backward? A. backward B. forward", "B", 0),
]  # fmt: skip


@pytest.mark.parametrize(("media", "question", "truth", "tolerance"), PARAPHRASES,
                         ids=[row[1][:50] for row in PARAPHRASES])  # fmt: skip
def test_other_words_and_other_questions_of_the_same_kinds(
    media: list[str],
    question: str,
    truth: float | str,
    tolerance: float,
    ask: Any,
    shared_data: Path,
) -> None:
    answer = ask([shared_data / name for name in media], question)
    row = {"truth": truth, "tolerance": tolerance,
           "answer_type": "number" if isinstance(truth, float | int) else "text"}  # fmt: skip
    if isinstance(truth, str) and truth.startswith("("):
        row["tolerance"] = f"{tolerance} px"
    assert right(row, answer.value), (answer.value, truth, answer.reason, answer.evidence)
