"""Runs as training data, and as pictures."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from spatialclaw.errors import RunError, UsageError
from spatialclaw.traces import Recorder
from spatialclaw.traces.png import write_png
from spatialclaw.traces.read import Run
from spatialclaw.traces.sft import SftOptions, turns_of, write_sft
from spatialclaw.traces.sft_filters import executable, reflective


def picture(colour: tuple[int, int, int] = (200, 30, 30)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (40, 30), colour).save(file, "PNG")
    return file.getvalue()


def record(path: Path, answer: Any, *, failing: bool = False, revised: bool = False) -> Path:
    """A run of two cells about a cup, as the loop records one."""
    path.mkdir(parents=True)
    recorder = Recorder(path)
    media = [{"path": "cup.jpg", "sha256": "aa"}]
    recorder.start(question="How tall is the cup?", choices=None, media=media)
    shown = {"image": recorder.image(picture(), "image/png"), "width": 40, "height": 30}
    tell(recorder, "plan", "# Question\n<image> How tall is the cup?", images=[shown])
    say(recorder, "Measure it.")
    recorder.event("plan", text="Measure it.")
    tell(recorder, "cell", "The plan is noted.")
    say(recorder, "```python\nm = measure.height(cup)\n```")
    held = {"name": "m", "type": "Measurement", "summary": "9 cm", "change": "new"}
    cell(recorder, 1, status="error" if failing else "ok", variables=[held])
    tell(recorder, "cell", "Cell 1 ran.", images=[shown])
    say(recorder, f"```python\nsubmit({answer})\n```")
    now = held | {"summary": "10 cm", "change": "changed"}
    submission = {"value": answer, "unit": "cm"}
    cell(recorder, 2, variables=[now] if revised else [], submission=submission)
    recorder.answer(
        {"answer": answer, "text": f"{answer} cm", "unit": "cm", "status": "submitted",
         "answer_type": "number"}
    )  # fmt: skip
    tell(recorder, "done", "done", done=True)
    recorder.close()
    return path


def tell(recorder: Recorder, expects: str, text: str, **more: Any) -> None:
    recorder.event("observation", expects=expects, text=text, **{"images": [], **more})


def say(recorder: Recorder, text: str) -> None:
    recorder.event("reply", purpose="step", text=text)


def cell(recorder: Recorder, number: int, **result: Any) -> None:
    result = {"status": "ok", "stdout": "9 cm\n", **result}
    recorder.event("cell", number=number, step=number, code="m", result=result, images=[])


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    folder = tmp_path / "runs é"
    record(folder / "right", 10)
    record(folder / "wrong", 20)
    record(folder / "failing", 10, failing=True)
    record(folder / "revised", 10, revised=True)
    return folder


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    path = tmp_path / "truth.jsonl"
    path.write_text(json.dumps({"question": "How tall is the cup?", "truth": 0.1, "unit": "m"}))
    return path


def test_openai_messages_with_pictures(runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    written = write_sft([runs / "right"], out, SftOptions())
    assert written.lines == 1
    (line,) = lines(out)
    roles = [message["role"] for message in line["messages"]]
    assert roles == ["system", *["user", "assistant"] * 3]
    first = line["messages"][1]["content"]
    url = first[1]["image_url"]["url"]
    head, _, data = url.partition(",")
    assert head == "data:image/png;base64"
    assert base64.b64decode(data) == picture()
    assert "submit(10)" in line["messages"][-1]["content"]


def test_a_builtin_run_becomes_a_conversation(room_run: Path) -> None:
    turns = turns_of(Run(room_run))
    assert turns[0].role == "system"
    assert "submit" in turns[0].text
    assert [t.role for t in turns[1:]] == ["user", "assistant"] * ((len(turns) - 1) // 2)
    assert "How far is the suitcase from the bin?" in turns[1].text
    assert turns[1].images
    assert "submit(" in turns[-1].text


def test_sharegpt_marks_each_picture_once_and_puts_it_in_a_file(runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "share.jsonl"
    write_sft([runs], out, SftOptions(format="sharegpt", files=True))
    for line in lines(out):
        marks = sum(turn["value"].count("<image>") for turn in line["conversations"])
        assert marks == len(line["images"]) == 2
        assert (tmp_path / line["images"][0]).read_bytes() == picture()
        assert [t["from"] for t in line["conversations"]] == ["human", "gpt"] * 3


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"right": True}, ["failing", "revised", "right"]),
        ({"right": True, "executable": True}, ["revised", "right"]),
        ({"reflective": True}, ["revised"]),
        ({"max_tokens": 10}, []),
        ({}, ["failing", "revised", "right", "wrong"]),
    ],
)
def test_filters(
    filters: dict[str, Any], expected: list[str], runs: Path, truth: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.jsonl"
    written = write_sft([runs], out, SftOptions(**filters), truth)
    assert sorted(line["metadata"]["run"] for line in lines(out)) == expected
    assert written.lines + sum(written.left_out.values()) == 4


def test_pairs_share_their_prompt(runs: Path, truth: Path, tmp_path: Path) -> None:
    out = tmp_path / "pairs.jsonl"
    write_sft([runs], out, SftOptions(pairs=True), truth)
    found = lines(out)
    assert [p["metadata"]["rejected"]["run"] for p in found] == ["wrong"] * 3
    for pair in found:
        assert pair["prompt"][-1]["role"] == "user"
        assert pair["chosen"][0]["role"] == pair["rejected"][0]["role"] == "assistant"
        assert pair["chosen"][-1] != pair["rejected"][-1]
        assert "submit(20)" in pair["rejected"][-1]["content"]


def test_what_a_person_said_counts_before_a_truth(runs: Path, tmp_path: Path) -> None:
    path = tmp_path / "corrections.jsonl"
    said = [{"run": "right", "accepted": False}, {"run": "wrong", "correction": 20}]
    path.write_text("\n".join(map(json.dumps, said)))
    out = tmp_path / "out.jsonl"
    write_sft([runs], out, SftOptions(right=True), path)
    assert [line["metadata"]["run"] for line in lines(out)] == ["wrong"]


def test_what_was_said_in_the_viewer_counts(runs: Path, tmp_path: Path) -> None:
    said = [
        {"schema": 1, "run": "right", "verdict": "accepted", "value": None},
        {"schema": 1, "run": "some/where/wrong", "verdict": "corrected", "value": "10 cm"},
        {"schema": 1, "run": "failing", "verdict": "accepted", "value": None},
        {"schema": 1, "run": "failing", "verdict": "withdrawn"},
        {"schema": 1, "run": "revised", "verdict": "corrected", "value": "0.1 m"},
    ]
    (runs / "corrections.jsonl").write_text("\n".join(map(json.dumps, said)))
    out = tmp_path / "out.jsonl"
    write_sft([runs], out, SftOptions(right=True))
    assert sorted(line["metadata"]["run"] for line in lines(out)) == ["revised", "right"]
    write_sft([runs], out, SftOptions(pairs=True))
    assert {line["metadata"]["rejected"]["run"] for line in lines(out)} == {"wrong"}


def test_right_needs_something_that_says_so(runs: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing says which answers are right"):
        write_sft([runs], tmp_path / "out.jsonl", SftOptions(right=True))


def test_the_scores_of_an_evaluation_say_what_is_right(runs: Path, tmp_path: Path) -> None:
    from spatialclaw.evaluation.records import Result
    from spatialclaw.evaluation.store import Store

    folder = tmp_path / "evaluation"
    (folder / "runs").mkdir(parents=True)
    store = Store(folder, create=True)
    for name, score in (("right", 1.0), ("wrong", 0.0)):
        (runs / name).rename(folder / "runs" / name)
        store.add(Result("b", name, 0, "answered", score=score, run=f"runs/{name}"))
    store.close()
    out = tmp_path / "out.jsonl"
    write_sft([folder], out, SftOptions(right=True))
    (line,) = lines(out)
    assert line["metadata"]["run"] == "right"
    assert line["metadata"]["judged_by"] == "evaluation"
    write_sft([folder], out, SftOptions(pairs=True))
    assert len(lines(out)) == 1


def test_several_runs_go_into_a_folder(
    runs: Path, tmp_path: Path, program: Callable[..., int]
) -> None:
    both = (runs / "right", runs / "wrong")
    assert program("export", *both, "--to", "notebook", "--out", tmp_path / "one.ipynb") == 2
    assert program("export", *both, "--to", "notebook", "--out", tmp_path) == 0
    assert program("export", *both, "--to", "png", "--out", tmp_path) == 0
    assert (tmp_path / "right.ipynb").is_file()
    assert (tmp_path / "wrong_steps" / "00-question.png").is_file()


def test_revision_and_failure_are_read_from_the_record(runs: Path) -> None:
    assert reflective(Run(runs / "revised"))
    assert not reflective(Run(runs / "right"))
    assert not executable(Run(runs / "failing"))
    assert executable(Run(runs / "right"))


def test_unfinished_and_damaged_runs_are_counted_not_used(
    tmp_path: Path, program: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "runs"
    whole = record(folder / "whole", 10)
    half = record(folder / "half", 10)
    (half / "answer.json").unlink()
    later = record(folder / "later", 10)
    (later / "run.json").write_text('{"schema": 99}')
    out = tmp_path / "out.jsonl"
    assert program("export", folder, "--to", "sft", "--out", out) == 0
    said = capsys.readouterr().err
    assert "1 unfinished" in said
    assert "1 cannot be read" in said
    assert [line["metadata"]["run"] for line in lines(out)] == [whole.name]
    assert program("export", tmp_path / "none", "--to", "sft") == 2
    assert program("export", whole, "--to", "sft", "--format", "x") == 2


def test_pictures_of_the_key_steps(room_run: Path, tmp_path: Path) -> None:
    write_png(Run(room_run), tmp_path / "one.png")
    with Image.open(tmp_path / "one.png") as image:
        assert image.width == 1200
        assert image.height > 800
        assert len(image.convert("RGB").getcolors(10_000_000) or []) > 1000
    folder = write_png(Run(room_run), tmp_path / "steps")
    names = sorted(path.name for path in folder.iterdir())
    assert names[0] == "00-question.png"
    assert names[-1].endswith("answer.png")
    assert len(names) == 6


def test_pictures_of_a_damaged_run(tmp_path: Path) -> None:
    run = record(tmp_path / "run", "x\x1b[31m" * 100_000)
    for path in (run / "images").iterdir():
        path.write_bytes(b"no picture")
    write_png(Run(run), tmp_path / "a.png")
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "events.jsonl").touch()
    with pytest.raises(RunError, match="no question"):
        write_png(Run(empty), tmp_path / "b.png")
