"""A run as a notebook: it executes from top to bottom and gives the same answer."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import spatialclaw as sc
from spatialclaw.errors import RunError
from spatialclaw.traces import Recorder, Run
from spatialclaw.traces.notebook import notebook, write_notebook
from spatialclaw.traces.path_of_run import steps_of

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c4944415408d763f8"
    "cfc000000301010018dd8db00000000049454e44ae426082"
)

CASES = {
    "room": ("room", "How far is the suitcase from the bin?"),
    "tabletop": ("tabletop", "How tall is the apple?"),
    "street": ("street", "How many cars are in the second picture?"),
    "video": ("street.mp4", "Which way does the camera move?"),
    "stereo": ("stereo", "How far is the red box from the camera?"),
}


def executed(path: Path) -> Any:
    found = nbformat.read(path, as_version=4)
    nbformat.validate(found)
    client = nbclient.NotebookClient(
        found, timeout=120, resources={"metadata": {"path": str(path.parent)}}
    )
    client.execute()
    return found


def text_of(run: Path) -> str:
    """All that a reader of the notebook sees or a frontend interprets."""
    return json.dumps(notebook(Run(run), run), ensure_ascii=False)


@pytest.mark.kernel
@pytest.mark.parametrize("case", ["room", "video"])
def test_an_exported_run_executes_to_the_same_answer(
    case: str, ask: Callable[..., sc.Answer], jupyter: Path, tmp_path: Path
) -> None:
    answer = ask(*CASES[case])
    assert answer.run is not None
    out = write_notebook(Run(answer.run), tmp_path / "a run é.ipynb")
    found = executed(out)
    last = found.cells[-1]
    assert last.source.startswith("conclude(")
    text = last.outputs[-1].data["text/plain"]
    assert text == f"{answer.text} (the same as in the recorded run: {answer.text})"
    private = [k for c in found.cells for o in c.get("outputs", []) for k in o.get("data", {})]
    assert "application/vnd.spatialclaw.submit+json" in private
    assert "application/vnd.spatialclaw.cell+json" not in private


@pytest.mark.kernel
def test_another_picture_gives_another_answer_and_says_so(
    room_run: Path, jupyter: Path, tmp_path: Path
) -> None:
    out = write_notebook(Run(room_run), tmp_path / "x.ipynb")
    found = nbformat.read(out, as_version=4)
    submits = [c for c in found.cells if c.source.lstrip().startswith("evidence = [")]
    submits[0].source = "submit(2.5, unit='m', confidence=0.5)"
    nbformat.write(found, out)
    assert "other than in the recorded run" in str(executed(out).cells[-1].outputs)


@pytest.mark.kernel
def test_what_a_model_said_is_said_again(jupyter: Path, examples: Path, tmp_path: Path) -> None:
    path = tmp_path / "run"
    path.mkdir()
    recorder = Recorder(path)
    media = [{"path": str(examples / "stereo"), "absolute": str(examples / "stereo")}]
    recorder.start(question="Is it a red <ball>?", media=media)
    answers = {
        "look": ({"question": "What's there?"}, {"text": "a 'red' ball"}),
        "locate": ({"what": "ball"}, {"points": [{"x": 10, "y": 20}], "note": ""}),
    }
    for method, (params, result) in answers.items():
        about = {"params": params, "result": result, "ok": True, "error": ""}
        recorder.event("perception", method=f"vlm.{method}", **about)
    code = """said = look(frames[0], "What's there?"); spot = locate(frames[0], "ball")[0]
print(said, spot.tolist()); submit("yes")"""
    cell(recorder, code, submission={"value": "yes", "unit": None})
    recorder.answer({"answer": "yes", "text": "yes", "status": "submitted"})
    recorder.close()
    found = executed(write_notebook(Run(path), tmp_path / "x.ipynb"))
    assert "a 'red' ball [10.0, 20.0]" in str(found.cells[3].outputs)
    assert "the same as in the recorded run" in str(found.cells[-1].outputs)


def test_what_a_reader_sees(room_run: Path) -> None:
    found = notebook(Run(room_run), room_run)
    nbformat.validate(nbformat.from_dict(found))
    roles = [cell["metadata"]["spatialclaw"]["role"] for cell in found["cells"]]
    assert roles[:4] == ["question", "setup", "plan", "cells"]
    assert roles[-2:] == ["answer", "conclusion"]
    assert "How far is the suitcase from the bin?" in "".join(found["cells"][0]["source"])
    pictures = [
        o for c in found["cells"] for o in c.get("outputs", []) if "image/jpeg" in o.get("data", {})
    ]
    assert pictures
    facts = found["metadata"]["spatialclaw"]
    assert facts["media"][0]["sha256"]
    assert facts["settings"]["backend"] == "builtin"
    assert facts["seed"] == 0


def test_relative_media_stay_relative(tmp_path: Path) -> None:
    media = [{"path": "photos/a b.jpg", "absolute": str(tmp_path / "photos" / "a b.jpg")}]
    run = record(tmp_path / "runs" / "one", media=media)
    found = notebook(Run(run), tmp_path / "notebooks")
    assert "load('../photos/a b.jpg'," in "".join(found["cells"][1]["source"])


def record(path: Path, **facts: Any) -> Path:
    """A run that recorded this question and a cell."""
    path.mkdir(parents=True)
    recorder = Recorder(path)
    recorder.start(question="How far?", **facts)
    recorder.close()
    return path


def cell(recorder: Recorder, code: str, **result: Any) -> None:
    number = recorder.cell(code)
    result = {"status": "ok", "stdout": "", **result}
    recorder.event("cell", number=number, step=number, code=code, result=result, images=[])


def test_cells_that_were_undone_are_kept_as_text(tmp_path: Path) -> None:
    recorder = Recorder(record(tmp_path / "run"))
    cell(recorder, "x = 1")
    error = {"name": "ZeroDivisionError", "message": "division by zero"}
    cell(recorder, "x = 2; 1/0", status="error", error=error, lost="the cell was undone")
    cell(recorder, "y = 1; 2/0", status="error", error=error, lost="")  # undone by nobody
    cell(recorder, "while True: pass", status="timeout")
    cell(recorder, "submit(x)", submission={"value": 1, "unit": None})
    recorder.answer({"answer": 1, "text": "1", "status": "submitted"})
    recorder.close()
    found = notebook(Run(recorder.run_dir), tmp_path)
    code = ["".join(c["source"]) for c in found["cells"] if c["cell_type"] == "code"]
    assert code[1:] == ["x = 1", "y = 1; 2/0", "submit(x)", "conclude(1, text='1')"]
    stood = next(c for c in found["cells"] if "2/0" in "".join(c["source"]))
    assert stood["metadata"]["tags"] == ["raises-exception"]
    assert stood["outputs"][0]["ename"] == "ZeroDivisionError"
    nbformat.validate(nbformat.reads(json.dumps(found), as_version=4))
    text = "".join("".join(c["source"]) for c in found["cells"] if c["cell_type"] == "markdown")
    assert "1/0" in text
    assert "ZeroDivisionError" in text
    assert "time limit" in text


def test_the_path_that_answered_is_kept_where_a_run_went_back(tmp_path: Path) -> None:
    recorder = Recorder(record(tmp_path / "run"))
    cell(recorder, "a = 1")
    recorder.event("snapshot", action="keep", name="s", text="")
    cell(recorder, "submit(a + 1)", submission={"value": 2})
    recorder.event("snapshot", action="restore", name="s", text="")
    cell(recorder, "submit(a + 2)", submission={"value": 3})
    recorder.answer({"answer": 2, "text": "2", "status": "submitted"})
    recorder.close()
    kept = [step.code for step in steps_of(Run(recorder.run_dir)) if step.kept]
    assert kept == ["a = 1", "submit(a + 1)"]


HOSTILE = (
    "<script>alert(1)</script> ![x](http://evil.example/a.png) [y](javascript:alert(1)) "
    "\x1b]8;;http://evil.example\x07\x1b[31mred\x1b[0m \u202etxt <img src=x onerror=alert(1)>"
)


def test_hostile_text_is_never_markup(tmp_path: Path) -> None:
    path = tmp_path / "run"
    path.mkdir()
    recorder = Recorder(path)
    recorder.start(question=HOSTILE, choices={"A": HOSTILE}, media=[])
    recorder.event("plan", text=HOSTILE)
    recorder.event("reply", purpose="step", text=HOSTILE + "\n```python\n1\n```")
    cell(recorder, "1", stdout=HOSTILE)
    cell(recorder, "'''\n```\n<script>'''; 1/0", status="error", error={"name": HOSTILE}, lost="x")
    answer = {"answer": HOSTILE, "text": HOSTILE, "status": "submitted", "evidence": [HOSTILE]}
    recorder.answer(answer)
    recorder.close()
    found = notebook(Run(path), tmp_path)
    seen = "".join("".join(c["source"]) for c in found["cells"] if c["cell_type"] == "markdown")
    outside = "".join(part for i, part in enumerate(seen.split("````")) if i % 2 == 0)
    fenced_once = "".join(p for i, p in enumerate(outside.split("```")) if i % 2 == 0)
    assert "<" not in fenced_once
    assert "](" not in fenced_once.replace("\\]", "")
    assert "\x1b" not in text_of(path)
    assert "\u202e" not in seen
    nbconvert = pytest.importorskip("nbconvert")
    page, _ = nbconvert.HTMLExporter(template_name="classic").from_notebook_node(
        nbformat.reads(json.dumps(found), as_version=4)
    )
    assert "alert(1)</script>" not in page
    assert "<img src=x" not in page
    assert 'src="http://evil' not in page
    assert 'href="javascript' not in page


def test_a_line_of_five_megabytes_is_shortened(tmp_path: Path) -> None:
    recorder = Recorder(record(tmp_path / "run"))
    cell(recorder, "print('x' * 5_000_000)", stdout="x" * 5_000_000)
    recorder.answer({"answer": "y" * 5_000_000, "text": "y" * 5_000_000, "status": "submitted"})
    recorder.close()
    assert len(text_of(recorder.run_dir)) < 300_000


def test_half_written_runs(tmp_path: Path) -> None:
    run = record(tmp_path / "run")
    with (run / "events.jsonl").open("ab") as file:
        file.write(b'{"schema":1,"seq":1,"kind":"cell","number":1,"code":"1","result":{"st')
    found = notebook(Run(run), tmp_path)
    assert "ended before it had an answer" in "".join(found["cells"][0]["source"])
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(RunError, match="not a run folder"):
        Run(empty)
    (empty / "events.jsonl").touch()
    with pytest.raises(RunError, match="no question and no cell"):
        notebook(Run(empty), tmp_path)


def test_missing_pictures_and_links_out_of_the_folder(tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(PNG + b"the secret")
    recorder = Recorder(record(tmp_path / "run"))
    run = recorder.run_dir
    kept = recorder.image(PNG, "image/png")
    os.symlink(secret, run / "images" / "link.png")
    names = [kept, "images/gone.png", "images/link.png", "../secret.png", str(secret)]
    images = [{"image": name, "width": 1, "height": 1, "title": ""} for name in names]
    recorder.event("cell", number=1, code="show()", result={"status": "ok"}, images=images)
    recorder.close()
    found = notebook(Run(run), tmp_path)
    outputs = [c["outputs"] for c in found["cells"] if c["cell_type"] == "code"][1]
    assert ["image/png" in o["data"] for o in outputs] == [True, False, False, False, False]
    assert "missing" in json.dumps(outputs[1])


def test_a_record_that_is_a_link_is_not_read(tmp_path: Path) -> None:
    elsewhere = tmp_path / "other.json"
    elsewhere.write_text('{"question": "a secret"}')
    run = tmp_path / "run"
    run.mkdir()
    os.symlink(elsewhere, run / "run.json")
    with pytest.raises(RunError, match="outside"):
        Run(run)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a.png").write_bytes(PNG)
    run = record(tmp_path / "second")
    (run / "images").rmdir()
    os.symlink(outside, run / "images")
    assert Run(run).image("images/a.png") is None


def test_a_run_of_a_later_version(tmp_path: Path, program: Callable[..., int]) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "run.json").write_text('{"schema": 99, "question": "?"}')
    assert program("export", run, "--to", "notebook") == 2


def test_mistakes_on_the_command_line(
    program: Callable[..., int], room_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert program("export", tmp_path, "--to", "notebook") == 2
    assert "not a run folder" in capsys.readouterr().err
    assert program("export", room_run, "--to", "pdf") == 2
    assert "notebook" in capsys.readouterr().err
    (tmp_path / "file").touch()
    assert program("export", room_run, "--to", "notebook", "--out", tmp_path / "file" / "x") == 2
    assert program("export", room_run, "--to", "notebook", "--out", tmp_path) == 0
    assert Path(capsys.readouterr().out.strip()).suffix == ".ipynb"
