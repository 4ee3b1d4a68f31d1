"""What is wrong with data is told, row by row or file by file, before anything is asked."""

from __future__ import annotations

import base64
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from layouts import (
    ERQA_TEXT,
    LAYOUTS,
    archive,
    embedded,
    jpeg,
    jsonl,
    parquet,
    put,
    tfrecord,
    video,
)

from spatialclaw.errors import UsageError
from spatialclaw.evaluation.data import Record, RowProblem, fetch, forms, load_dataset
from spatialclaw.evaluation.data.files import Files
from spatialclaw.evaluation.data.names import safe_parts
from spatialclaw.evaluation.data.tfrecord import crc32c
from spatialclaw.evaluation.replies import written_reply
from spatialclaw.evaluation.score_file import Prediction, score_prediction


def load(name: str, root: Path, tmp_path: Path) -> Any:
    return load_dataset(name, data_dir=root, cache_dir=tmp_path / "cache")


def vsi_row(**changes: Any) -> dict[str, Any]:
    row = {
        "id": 1,
        "dataset": "arkitscenes",
        "scene_name": "41",
        "question_type": "object_rel_distance",
        "question": "Which is nearest?",
        "ground_truth": "B",
        "options": ["A. chair", "B. sofa"],
    }
    return row | changes


def vsi(tmp_path: Path, *rows: dict[str, Any]) -> Any:
    root = tmp_path / "data"
    jsonl(root / "test.jsonl", [vsi_row(), *rows])
    put(root / "arkitscenes" / "41.mp4", video())
    dataset = load("vsi-bench", root, tmp_path)
    assert dataset.rows[0].uid == "1"
    return dataset


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"scene_name": "gone"}, "arkitscenes/gone.mp4 is missing"),
        ({"id": 1}, "it is the same as row 1, the id '1' too"),
        ({"ground_truth": "C"}, "'C' is not among the options (A, B)"),
        ({"ground_truth": None}, "None is not among the options"),
        ({"question": " "}, "no question"),
        ({"id": None}, "no id"),
        ({"options": ["A. x", "C. y"]}, "out of order: A, C"),
        ({"question_type": "object_counting", "ground_truth": "many"}, "'many' is no number"),
        ({"question_type": "object_counting", "ground_truth": "nan"}, "no finite number"),
        ({"dataset": "../../../etc"}, "leads out of its folder"),
        ({"dataset": "/etc"}, "is an absolute path"),
        ({"dataset": "C:/x"}, "is an absolute path"),
        ({"dataset": "..\\.."}, "leads out of its folder"),
    ],
)
def test_a_bad_row_is_left_out_and_said_why(
    changes: dict[str, Any], said: str, tmp_path: Path
) -> None:
    dataset = vsi(tmp_path, vsi_row(id=2) | changes, vsi_row(id=3))
    assert [row.uid for row in dataset.rows] == ["1", "3"]
    assert len(dataset.missing) == 1
    assert dataset.missing[0].startswith("test.jsonl row 2: ")
    assert said in dataset.missing[0]


def test_two_questions_of_one_id_are_both_asked(tmp_path: Path) -> None:
    dataset = vsi(tmp_path, vsi_row(question="Which is farthest?"), vsi_row(ground_truth="A"))
    assert [row.uid for row in dataset.rows] == ["1", "1#2", "1#3"]
    assert dataset.missing == []
    assert any("2 questions have an id that came before" in note for note in dataset.notes)


def test_a_missing_column_names_those_that_are_there(tmp_path: Path) -> None:
    row = vsi_row(id=2)
    del row["ground_truth"]
    dataset = vsi(tmp_path, row)
    assert "no column 'ground_truth' (there are id, dataset" in dataset.missing[0]


def test_an_empty_video_is_missing(tmp_path: Path) -> None:
    root = tmp_path / "data"
    jsonl(root / "test.jsonl", [vsi_row()])
    put(root / "arkitscenes" / "41.mp4", b"")
    with pytest.raises(UsageError, match=r"no question .* can be used .*41\.mp4 is empty"):
        load("vsi-bench", root, tmp_path)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["A. x", "B. y"], {"A": "x", "B": "y"}),
        (["(A) x", "(B) y"], {"A": "x", "B": "y"}),
        (["A: x", "B: y"], {"A": "x", "B": "y"}),
        (["A) x", "B) y"], {"A": "x", "B": "y"}),
        (["x", "y"], {"A": "x", "B": "y"}),
        (["A dog", "A cat"], {"A": "A dog", "B": "A cat"}),
        (["A.x", "B.y"], {"A": "x", "B": "y"}),
        ({"A": "x", "B": "y", "C": None}, {"A": "x", "B": "y"}),
        ('["x", "y"]', {"A": "x", "B": "y"}),
        ("['x', 'y']", {"A": "x", "B": "y"}),
        ("A. x\nB. y", {"A": "x", "B": "y"}),
        ("A: x; B: y; C: z", {"A": "x", "B": "y", "C": "z"}),
        (["A. x B. y C. z"], {"A": "x", "B": "y", "C": "z"}),
        (["1.5", "2.5"], {"A": "1.5", "B": "2.5"}),
        (["A. 1.5 m", "B. 2.5 m"], {"A": "1.5 m", "B": "2.5 m"}),
        ("", None),
        (None, None),
        ([], None),
    ],
)
def test_options_in_every_form(given: Any, expected: Any) -> None:
    assert forms.options(given) == expected


@pytest.mark.parametrize(
    ("text", "question", "options"),
    [
        (
            ERQA_TEXT,
            "Which gripper is nearer to the mug?",
            ["Left.", "Right.", "Both.", "Neither."],
        ),
        ("Where? A. Sofa B. Door", "Where?", ["Sofa", "Door"]),
        ("Where?\nOptions: A: Left, B: Right", "Where?", ["Left", "Right"]),
        ("Is A. Smith nearer? A. yes B. no", "Is A. Smith nearer?", ["yes", "no"]),
        ("Where is it?", "Where is it?", None),
        ("Which?\n(A) one\n(B) two", "Which?", ["one", "two"]),
    ],
)
def test_options_inside_a_question(text: str, question: str, options: list[str] | None) -> None:
    found = forms.inline_options(text)
    assert found[0] == question
    assert (list(found[1].values()) if found[1] else None) == options


@pytest.mark.parametrize(
    ("given", "letter"), [("b", "B"), ("(B)", "B"), ("B. left", "B"), (1, "B"), ("left", "B")]
)
def test_answers_in_every_form(given: Any, letter: str) -> None:
    assert forms.choice(given, {"A": "right", "B": "left"}).value == letter


def test_a_corrupt_parquet_is_named(tmp_path: Path) -> None:
    LAYOUTS["mmsi-bench"](tmp_path)
    path = tmp_path / "MMSI_Bench.parquet"
    for damage in (path.read_bytes()[:200], b"", b"PAR1" + b"x" * 400 + b"PAR1"):
        path.write_bytes(damage)
        with pytest.raises(UsageError, match=r"MMSI_Bench.parquet is no whole parquet file"):
            load("mmsi-bench", tmp_path, tmp_path)


def test_a_corrupt_zip_is_named(tmp_path: Path) -> None:
    LAYOUTS["vsi-bench"](tmp_path)
    path = tmp_path / "arkitscenes.zip"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UsageError, match=r"arkitscenes.zip cannot be read"):
        load("vsi-bench", tmp_path, tmp_path)


@pytest.mark.parametrize("ending", ["tar.gz", "tar"])
def test_a_corrupt_tar_is_named(ending: str, tmp_path: Path) -> None:
    root = tmp_path / "data"
    jsonl(root / "test.jsonl", [vsi_row()])
    path = root / f"arkitscenes.{ending}"
    archive(path, {"arkitscenes/41.mp4": bytes(range(256)) * 400})
    whole = path.read_bytes()
    for damage in (whole[: len(whole) // 2], b"x" * 600, whole[:60] + b"\xff" * 60 + whole[120:]):
        path.write_bytes(damage)
        with pytest.raises(UsageError, match=r"arkitscenes|no question"):
            fetch(load("vsi-bench", root, tmp_path).rows[0])


def test_a_damaged_member_is_named(tmp_path: Path) -> None:
    LAYOUTS["vsi-bench"](tmp_path)
    path = tmp_path / "arkitscenes.zip"
    whole = bytearray(path.read_bytes())
    whole[200] ^= 0xFF
    path.write_bytes(bytes(whole))
    row = load("vsi-bench", tmp_path, tmp_path).rows[0]
    with pytest.raises(UsageError, match=r"41999999.mp4 cannot be taken out"):
        fetch(row)
    assert not row.media[0].path.exists()


def test_an_archive_writes_nothing_outside_its_folder(tmp_path: Path) -> None:
    root = tmp_path / "data"
    jsonl(root / "test.jsonl", [vsi_row(), vsi_row(id=2, scene_name="evil")])
    with zipfile.ZipFile(root / "arkitscenes.zip", "w") as made:
        made.writestr("arkitscenes/41.mp4", video())
        made.writestr("../../arkitscenes/evil.mp4", video())
        made.writestr("/arkitscenes/evil.mp4", video())
    dataset = load("vsi-bench", root, tmp_path)
    assert [row.uid for row in dataset.rows] == ["1"]
    assert "evil.mp4 is missing" in dataset.missing[0]
    fetch(dataset.rows[0])
    made_files = [p for p in tmp_path.rglob("*.mp4")]
    assert [p.name for p in made_files] == ["41.mp4"]
    assert (tmp_path / "cache") in made_files[0].parents


def test_a_tar_with_a_link_out_is_not_followed(tmp_path: Path) -> None:
    import io
    import tarfile

    LAYOUTS["osi-bench"](tmp_path / "d")
    with tarfile.open(tmp_path / "d" / "videos_000.tar", "w") as tar:
        link = tarfile.TarInfo("walk_0999.mp4")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
        other = tarfile.TarInfo("x.mp4")
        other.size = 1
        tar.addfile(other, io.BytesIO(b"x"))
    with pytest.raises(UsageError, match=r"walk_0999.mp4 is missing"):
        load("osi-bench", tmp_path / "d", tmp_path)


@pytest.mark.parametrize("ending", ["tar", "tar.gz", "tgz"])
def test_tars(ending: str, tmp_path: Path) -> None:
    root = tmp_path / "data"
    jsonl(root / "test.jsonl", [vsi_row(), vsi_row(id=2, scene_name="42")])
    clips = {f"arkitscenes/{scene}.mp4": video() for scene in ("41", "42")}
    archive(root / f"arkitscenes.{ending}", clips | {"../evil.mp4": b"x"})
    rows = load("vsi-bench", root, tmp_path).rows
    assert [fetch(row).media[0].path.read_bytes() for row in rows] == [video()] * 2
    assert not list(tmp_path.rglob("evil.mp4"))


def test_an_archive_that_took_anothers_place_is_read_anew(tmp_path: Path) -> None:
    root = tmp_path / "data"
    jsonl(root / "test.jsonl", [vsi_row()])
    for content in (video(), video() + b"more"):
        archive(root / "arkitscenes.zip", {"arkitscenes/41.mp4": content})
        row = fetch(load("vsi-bench", root, tmp_path).rows[0])
        assert row.media[0].path.read_bytes() == content


@pytest.mark.parametrize("at", [4, 9, 40, -3])
def test_a_damaged_tfrecord_is_named(at: int, tmp_path: Path) -> None:
    row = {"question": ERQA_TEXT, "answer": "A", "image/encoded": jpeg(), "question_type": "x"}
    data = bytearray(tfrecord([row | {"visual_indices": 0}] * 2))
    data[at] ^= 0x40
    put(tmp_path / "erqa.tfrecord", bytes(data))
    with pytest.raises(UsageError, match=r"record [12] has a wrong checksum"):
        load("erqa", tmp_path, tmp_path)
    put(tmp_path / "erqa.tfrecord", bytes(tfrecord([row])[:-9]))
    with pytest.raises(UsageError, match=r"ends within record 1"):
        load("erqa", tmp_path, tmp_path)


def test_the_checksum_is_the_standard_one() -> None:
    assert crc32c(b"123456789") == 0xE3069283  # the check value of CRC-32C
    assert crc32c(b"\0" * 32) == 0x8A9136AA  # RFC 3720, B.4


def test_a_wrong_folder_says_what_was_looked_for_and_found(tmp_path: Path) -> None:
    put(tmp_path / "d" / "holiday.jpg", jpeg())
    with pytest.raises(UsageError, match=r"no test.jsonl or .*holiday.jpg"):
        load("vsi-bench", tmp_path / "d", tmp_path)
    with pytest.raises(UsageError, match=r"is no folder"):
        load("vsi-bench", tmp_path / "nowhere", tmp_path)
    with pytest.raises(UsageError, match=r"benchmarks prepare vsi-bench"):
        load_dataset("vsi-bench", cache_dir=tmp_path / "c")
    with pytest.raises(UsageError, match=r"no subset 'biased'"):
        load_dataset("vsi-bench@biased", cache_dir=tmp_path / "c")
    put(tmp_path / "d" / "videos.7z", b"x")
    with pytest.raises(UsageError, match=r"unpack videos.7z yourself"):
        load("vsi-bench", tmp_path / "d", tmp_path)


def test_pictures_that_are_none(tmp_path: Path) -> None:
    rows = [
        {
            "id": i,
            "images": [picture, embedded(jpeg())],
            "question_type": "Motion (Cam.)",
            "question": "Where? Options: A: Left, B: Right",
            "answer": "A",
            "thought": "",
        }
        for i, picture in enumerate([embedded(jpeg()), embedded(b"no picture"), embedded(b"")])
    ]
    rows[2]["images"] = [{"bytes": None, "path": "x.jpg"}]
    parquet(tmp_path / "MMSI_Bench.parquet", rows)
    dataset = load("mmsi-bench", tmp_path, tmp_path)
    assert [row.uid for row in dataset.rows] == ["0"]
    assert "10 bytes that are no picture" in dataset.missing[0]
    assert "x.jpg is missing" in dataset.missing[1]


def test_pictures_in_base64_and_by_path(tmp_path: Path) -> None:
    put(tmp_path / "p" / "a.jpg", jpeg())
    files = Files(tmp_path, tmp_path / "out")
    encoded = base64.b64encode(jpeg()).decode()
    for value in (encoded, f"data:image/jpeg;base64,{encoded}", jpeg(), "p/a.jpg", "a.jpg"):
        assert files.picture(value).path.read_bytes() == jpeg()
    for value in (None, 3, "p/b.jpg", "../p/a.jpg", b""):
        with pytest.raises(RowProblem):
            files.picture(value)


def test_two_files_of_one_name_are_not_guessed_between(tmp_path: Path) -> None:
    archive(tmp_path / "a.zip", {"x/1.jpg": jpeg()})
    archive(tmp_path / "b.zip", {"x/1.jpg": jpeg()})
    files = Files(tmp_path, tmp_path / "out")
    with pytest.raises(RowProblem, match=r"may be a.zip/x/1.jpg and b.zip/x/1.jpg"):
        files.medium("x/1.jpg")
    assert files.medium("b/x/1.jpg").archive == (tmp_path / "b.zip", "x/1.jpg")


@pytest.mark.parametrize("name", ["", "/", "a/../b", "..", "/a", "\\\\server\\x", "a\0b"])
def test_paths_that_lead_elsewhere(name: str) -> None:
    with pytest.raises(RowProblem):
        safe_parts(name)


def test_rows_are_kept_and_made_anew_when_the_data_changes(tmp_path: Path) -> None:
    root = tmp_path / "data"
    LAYOUTS["mmsi-bench"](root)
    first = load("mmsi-bench", root, tmp_path)
    kept = list((tmp_path / "cache" / "mmsi-bench" / "index").iterdir())
    assert len(kept) == 1
    second = load("mmsi-bench", root, tmp_path)
    assert second.rows == first.rows
    assert second.revision == first.revision
    first.rows[0].media[0].path.unlink()  # a picture that was taken out of the table
    assert load("mmsi-bench", root, tmp_path).rows[0].media[0].path.is_file()
    kept[0].write_text("half a l")
    assert load("mmsi-bench", root, tmp_path).rows == first.rows
    put(root / "MMSI_Bench.parquet", (root / "MMSI_Bench.parquet").read_bytes() + b"")
    LAYOUTS["mmsi-bench"](root)
    assert load("mmsi-bench", root, tmp_path).rows == first.rows
    assert len(list((tmp_path / "cache" / "mmsi-bench" / "index").iterdir())) == 1


def custom(tmp_path: Path, lines: list[dict[str, Any]] | str, name: str = "q.jsonl") -> Any:
    put(tmp_path / "a.jpg", jpeg())
    text = lines if isinstance(lines, str) else "".join(json.dumps(x) + "\n" for x in lines)
    put(tmp_path / name, text)
    return load_dataset(f"custom:{tmp_path / name}")


def test_questions_of_ones_own(tmp_path: Path) -> None:
    dataset = custom(
        tmp_path,
        [
            {"question": "How far?", "image": "a.jpg", "answer": 2.5, "unit": "m"},
            {"question": "Which?", "images": ["a.jpg"], "options": ["x", "y"], "answer": "y"},
            {"id": "z", "question": "Is it?", "media": "a.jpg;a.jpg", "truth": True},
            {"question": "What?", "media": [], "ground_truth": "a cup"},
            {"question": "Where?", "media": "a.jpg", "truth": [1, 2, 3, 4], "answer_type": "box"},
        ],
    )
    assert dataset.missing == []
    assert [row.uid for row in dataset.rows] == ["1", "2", "z", "4", "5"]
    assert [row.format for row in dataset.rows] == ["number", "letter", "yes_no", "text", "box"]
    assert dataset.rows[1].truth.value == "B"
    assert len(dataset.rows[2].media) == 2
    assert dataset.rows[0].extra["tolerance"] == 0.05


def test_other_words_for_kinds_of_answers(tmp_path: Path) -> None:
    put(tmp_path / "b" / "1.jpg", jpeg())
    put(tmp_path / "b" / "2.jpg", jpeg())
    shown = {"question": "?", "media": "b/*.jpg"}
    dataset = custom(
        tmp_path,
        [
            shown | {"answer_type": "mcq", "choices": {"A": "x", "B": "y"}, "truth": "B"},
            shown | {"answer_type": "yes-no", "truth": "no"},
            shown | {"answer_type": "count", "truth": 30},
            shown | {"answer_type": "text", "truth": "(1, 2)", "tolerance": "5 px"},
        ],
    )
    assert dataset.missing == []
    assert [row.format for row in dataset.rows] == ["letter", "yes_no", "number", "text"]
    assert [m.path.name for m in dataset.rows[0].media] == ["1.jpg", "2.jpg"]
    assert dataset.rows[2].extra["tolerance"] == 0


@pytest.mark.shared_data
def test_the_questions_about_real_pictures_load_and_their_truth_scores_1(
    shared_data: Path,
) -> None:
    dataset = load_dataset(str(shared_data / "questions.json"))
    assert dataset.missing == []
    assert len(dataset.rows) > 30
    for row in dataset.rows:
        line = Prediction(
            id=row.uid,
            benchmark=row.benchmark,
            prediction=written_reply(row, row.truth.value),
            truth=row.truth.text,
            extra=dict(row.extra),
        )
        assert score_prediction(line)["score"] == 1.0, row.uid


def test_questions_in_csv(tmp_path: Path) -> None:
    text = "id,image,question,A,B,answer\n1,a.jpg,Which?,left,right,B\n2,gone.jpg,Which?,x,y,A\n"
    dataset = custom(tmp_path, text, "q.csv")
    assert dataset.rows[0].options == {"A": "left", "B": "right"}
    assert dataset.rows[0].truth.value == "B"
    assert "gone.jpg is missing" in dataset.missing[0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no question"),
        ("{", "line 1: not JSON"),
        ("[1]", "row 1: not an object"),
        ('{"a": 1}', "it has no question"),
        ('{"question": "x"}', "it has no truth"),
        ('{"question": "x", "answer": "z", "choices": ["a", "b"]}', "not among the options"),
        ('{"question": "x", "answer": 1, "answer_type": "colour"}', "'colour' is none of"),
        ('{"question": "x", "answer": 1, "tolerance": "big"}', "'big' is no number"),
    ],
)
def test_bad_files_of_ones_own(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=said):
        custom(tmp_path, text)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nothing.jsonl is no file"):
        load_dataset(str(tmp_path / "nothing.jsonl"))
    with pytest.raises(UsageError, match=r"names no file"):
        load_dataset("custom:")


def test_a_record_says_which_columns_it_has() -> None:
    record = Record({"a": 1, "b": None})
    assert record.get("b", 7) == 7
    assert record.text("b") == ""
    with pytest.raises(RowProblem, match=r"no column 'c' \(there are a, b\)"):
        record["c"]
