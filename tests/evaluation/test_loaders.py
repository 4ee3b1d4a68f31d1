"""Every benchmark from small files in its publisher's own layout."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from layouts import (
    ERQA_TEXT,
    LAYOUTS,
    POLYGON,
    archive,
    erqa,
    jpeg,
    parquet,
    put,
    tfrecord,
)

from spatialclaw.agent.types import Answer
from spatialclaw.evaluation.benchmark import all_benchmarks, find_benchmark
from spatialclaw.evaluation.data import fetch, load_dataset
from spatialclaw.evaluation.replies import written_reply
from spatialclaw.evaluation.rows import Dataset, Row
from spatialclaw.evaluation.score_file import Prediction, score_prediction

OWN = {"custom", "spatial-synth"}
SECRETS = ("thought", "hint", "explanation", "oracle_full_answer")


def load(name: str, tmp_path: Path) -> Dataset:
    root = tmp_path / "data ä"
    root.mkdir(exist_ok=True)
    LAYOUTS[name.partition("@")[0]](root)
    return load_dataset(name, data_dir=root, cache_dir=tmp_path / "cache")


def scored(row: Row, reply: str) -> float | None:
    line = Prediction(
        id=row.uid,
        benchmark=row.benchmark,
        question_type=row.task,
        prediction=reply,
        truth=row.truth.text or row.truth.value,
        extra=dict(row.extra),
    )
    score = score_prediction(line)["score"]
    assert score is None or isinstance(score, float)
    return score


def test_there_is_a_layout_for_every_benchmark() -> None:
    assert set(LAYOUTS) == set(all_benchmarks()) - OWN


@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_every_row_loads_with_its_media(name: str, tmp_path: Path) -> None:
    expected = LAYOUTS[name](tmp_path)
    dataset = load_dataset(name, data_dir=tmp_path, cache_dir=tmp_path / "cache")
    assert dataset.missing == []
    assert len(dataset.rows) == expected
    assert len({row.uid for row in dataset.rows}) == expected
    assert [row.index for row in dataset.rows] == sorted(row.index for row in dataset.rows)
    for row in dataset.rows:
        assert row.benchmark == name
        assert row.question
        assert row.media
        for medium in fetch(row).media:
            assert medium.path.is_file()
            assert medium.path.stat().st_size > 0
        shown = " ".join([row.question, row.question_raw, *(row.options or {}).values()])
        assert "secret" not in shown


@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_the_truth_as_a_reply_scores_1(name: str, tmp_path: Path) -> None:
    open_ones = 0
    for row in load(name, tmp_path).rows:
        reply = written_reply(row, row.truth.value)
        score = scored(row, reply)
        if score is None:
            open_ones += 1
            continue
        assert score == pytest.approx(1.0), (row.uid, reply, row.truth)
        assert scored(row, "") == 0.0
    assert open_ones == {"bop-ask": 2, "spatialtree-bench": 1, "spatialeval": 1}.get(name, 0)


@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_a_wrong_letter_scores_0(name: str, tmp_path: Path) -> None:
    for row in load(name, tmp_path).rows:
        others = [key for key in row.options or {} if key != row.truth.value]
        if row.truth.type == "choice" and others:
            assert scored(row, written_reply(row, others[0])) == 0.0


def rows_of(name: str, tmp_path: Path) -> dict[str, Row]:
    return {row.uid: row for row in load(name, tmp_path).rows}


def test_erqa_puts_pictures_where_the_text_wants_them(tmp_path: Path) -> None:
    rows = rows_of("erqa", tmp_path)
    assert rows["ERQA_0"].parts == ()  # one position, which is 0
    assert rows["ERQA_1"].parts == (0, ERQA_TEXT[:35], 1, ERQA_TEXT[35:])
    assert rows["ERQA_1"].question == "Which gripper is nearer to the mug?"
    assert rows["ERQA_1"].options == {"A": "Left.", "B": "Right.", "C": "Both.", "D": "Neither."}


def test_erqa_as_tfrecord_is_the_same(tmp_path: Path) -> None:
    erqa(tmp_path / "a")
    rows = [
        {
            "question": ERQA_TEXT,
            "answer": "ABCD"[i],
            "image/encoded": [jpeg(i), jpeg(i + 9)] if i else [jpeg(i)],
            "visual_indices": [0, 35] if i else [0],
            "question_type": "Spatial Reasoning",
        }
        for i in range(4)
    ]
    put(tmp_path / "b" / "erqa.tfrecord", tfrecord(rows))
    one, two = (
        load_dataset("erqa", data_dir=tmp_path / d, cache_dir=tmp_path / "c").rows for d in "ab"
    )
    for a, b in zip(one, two, strict=True):
        assert (a.question, a.truth, a.media, a.parts) == (b.question, b.truth, b.media, b.parts)


def test_omni3d_as_parquet_is_the_same(tmp_path: Path) -> None:
    LAYOUTS["omni3d-bench"](tmp_path / "a")
    rows = json.loads((tmp_path / "a" / "annotations.json").read_text())["questions"]
    for row in rows:
        row["q_index"] = row.pop("question_index")
        row["answer"] = str(row["answer"])
        row["image"] = {"bytes": jpeg(), "path": None}
    parquet(tmp_path / "b" / "data" / "train-00000-of-00001.parquet", rows)
    archive(
        tmp_path / "c" / "omni3d-bench.zip",
        {
            f"omni3d-bench/{path.relative_to(tmp_path / 'a')}": path.read_bytes()
            for path in (tmp_path / "a").rglob("*")
            if path.is_file()
        },
    )
    one, two, three = (
        load_dataset("omni3d", data_dir=tmp_path / d, cache_dir=tmp_path / "x").rows for d in "abc"
    )
    for a, b, c in zip(one, two, three, strict=True):
        assert (a.uid, a.question, a.truth) == (b.uid, b.question, b.truth)
        assert (a.uid, a.question, a.truth) == (c.uid, c.question, c.truth)
        pictures = {fetch(row).media[0].path.read_bytes() for row in (a, b, c)}
        assert pictures == {jpeg()}


def test_spbench_keeps_its_two_sets_of_pictures_apart(tmp_path: Path) -> None:
    rows = rows_of("spbench", tmp_path)
    assert set(rows) == {"SI_77", "SI_78", "MV_77", "MV_78"}
    one, several = (fetch(rows[uid]).media for uid in ("SI_77", "MV_77"))
    assert one[0].path.read_bytes() == jpeg(1)
    assert [m.path.read_bytes() for m in several] == [jpeg(2), jpeg(3)]


def test_subsets(tmp_path: Path) -> None:
    for name in ("vsi-bench@debiased", "VSI-Bench-U"):
        dataset = load_dataset(name, data_dir=_vsi(tmp_path), cache_dir=tmp_path / "c")
        assert dataset.benchmark == "vsi-bench@debiased"
        assert dataset.expected == 2362
        assert [row.uid for row in dataset.rows] == ["6002", "6003"]
        assert find_benchmark(dataset.rows[0].benchmark).name == "vsi-bench"
    full = load_dataset("vsi-bench@full", data_dir=_vsi(tmp_path), cache_dir=tmp_path / "c")
    assert full.benchmark == "vsi-bench"
    assert full.expected == 5130
    mazes = load("mazes", tmp_path) if "mazes" in LAYOUTS else load("spatialeval@mazes", tmp_path)
    assert {row.task for row in mazes.rows} == {"mazenav"}


def _vsi(tmp_path: Path) -> Path:
    root = tmp_path / "vsi"
    root.mkdir(exist_ok=True)
    LAYOUTS["vsi-bench"](root)
    return root


def test_frames_that_a_text_names_are_told(tmp_path: Path) -> None:
    row = next(iter(rows_of("vsti-bench", tmp_path).values()))
    assert row.frame_refs == (("frame 4 of 32", 3 / 31), ("frame 11 of 32", 10 / 31))


def test_numeric_questions_with_options_stay_numeric(tmp_path: Path) -> None:
    row = rows_of("vsti-bench", tmp_path)["vsti_90002"]
    assert row.format == "number"
    assert row.options is None


def test_clips_and_pictures_stand_where_the_prompt_wants_them(tmp_path: Path) -> None:
    rows = rows_of("mmsi-video-bench", tmp_path)
    first, second = rows["question_2001"], rows["question_2002"]
    assert first.parts == (0, " then ", 1, " where?")
    assert first.media[0].clip == (3.0, 21.5)
    assert first.prompt == {"system": "Look.", "task": "Plan.", "format": "Letter."}
    assert [medium.kind for medium in second.media] == ["image", "image"]  # frames for a clip


def test_mindcube_says_which_setting(tmp_path: Path) -> None:
    tasks = [row.task for row in load("mindcube", tmp_path).rows]
    assert tasks == ["among", "translation", "rotation", "around"]


def test_circular_orders_of_options(tmp_path: Path) -> None:
    rows = load("mmsi-bench@circular", tmp_path).rows
    assert len(rows) == 16
    first = rows[:4]
    assert [row.uid for row in first] == ["777/ABCD", "777/BCDA", "777/CDAB", "777/DABC"]
    assert {(row.options or {})[row.truth.value] for row in first} == {"Left"}
    assert [row.truth.value for row in first] == ["A", "D", "C", "B"]
    assert first[1].question_raw.endswith("Options: A: Right, B: Behind, C: In front, D: Left")
    assert all(scored(row, written_reply(row, row.truth.value)) == 1.0 for row in rows)


def test_groups(tmp_path: Path) -> None:
    rows = load("dsi-bench", tmp_path).rows
    assert {row.uid.split("/")[0] for row in rows} == {"std", "hflip", "reverse", "reverse_hflip"}
    assert len({row.group for row in rows}) == 1
    assert rows[0].extra["question_row"] == rows[2].extra["question_row"]
    assert {m.path.parts[-3] for row in rows for m in row.media} >= {"std", "hflip"}


def test_points_in_pixels_become_fractions(tmp_path: Path) -> None:
    row = rows_of("robospatial-home", tmp_path)["context/000"]
    assert row.truth.text == POLYGON
    assert scored(row, written_reply(row, (8, 18))) == 1.0  # of a picture of 40 x 30
    assert scored(row, written_reply(row, (30, 18))) == 0.0
    assert scored(row, written_reply(row, [(0.2, 0.6), (0.9, 0.9)])) == 1.0


def test_replies_are_written_as_scorers_want_them(tmp_path: Path) -> None:
    forms = {
        "omnispatial": "Answer: B",
        "mmsi-bench": "``A``",
        "pai-bench": "<answer>A</answer>",
        "dsi-bench": "<answer>A</answer>",
        "cvbench-video": "<answer>B</answer>",
        "blink": "(B)",
        "video-mme": "C",
    }
    for name, expected in forms.items():
        row = load(name, tmp_path / name.replace("-", "_")).rows[0] if _mk(tmp_path, name) else None
        assert row is not None
        assert written_reply(row, row.truth.value.lower()) == expected
    row = load("vsi-bench", _mk(tmp_path, "v")).rows[2]
    assert written_reply(row, Answer(172222.5, "", unit="cm^2", answer_type="number")) == "17.22225"
    assert written_reply(row, Answer(17.5, "", unit="kg", answer_type="number")) == "17.5"
    assert written_reply(row, 1234.5) == "1234.5"
    assert written_reply(row, 0.00001) == "0.00001"
    assert written_reply(row, -2) == "-2"
    assert written_reply(row, None) == ""
    assert written_reply(row, float("nan")) == ""


def _mk(tmp_path: Path, name: str) -> Path:
    folder = tmp_path / name.replace("-", "_")
    folder.mkdir(exist_ok=True)
    return folder
