"""A notebook of one's own, continued by the agent."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spatialclaw.errors import UsageError
from spatialclaw.notebook.reading import read_notebook
from spatialclaw.traces.notebook import write_notebook
from spatialclaw.traces.read import Run


def write(path: Path, *cells: str, **metadata: Any) -> Path:
    code = [{"cell_type": "code", "source": cell.splitlines(keepends=True)} for cell in cells]
    text = {"cell_type": "markdown", "source": "# words"}
    path.write_text(json.dumps({"nbformat": 4, "cells": [text, *code], "metadata": metadata}))
    return path


LOAD = 'from spatialclaw.notebook import load\n\nload("pictures é", question="How far?")'


def codes(path: Path, **more: Any) -> list[str]:
    return [event["code"].strip() for event in read_notebook(path, **more).earlier.events]


def test_what_is_taken_and_what_is_left_out(tmp_path: Path) -> None:
    path = write(
        tmp_path / "n.ipynb",
        "%load_ext spatialclaw\n%matplotlib inline",
        LOAD + "\nx = 1",
        "%%bash\nls",
        "%%ask\nHow far is it?",
        "%%spatial\ny = 2",
        "if x:\n    !ls\nz = 3\nx?",
        "conclude(3)",
        "",
    )
    read = read_notebook(path)
    assert codes(path) == ["x = 1", "y = 2", "if x:\n    pass\nz = 3"]
    assert read.earlier.media == (tmp_path / "pictures é",)
    assert read.earlier.question == "How far?"
    said = "\n".join(read.notes)
    for word in ("%matplotlib", "%%bash", "%%ask", "!ls", "x?"):
        assert word in said
    assert "load_ext spatialclaw" not in said


def test_media_of_the_magics_and_of_the_caller(tmp_path: Path) -> None:
    path = write(tmp_path / "n.ipynb", '%spatial "a b.jpg" c.jpg --backend builtin', "x = 1")
    assert [p.name for p in read_notebook(path).earlier.media] == ["a b.jpg", "c.jpg"]
    other = read_notebook(path, [Path("other.jpg")])
    assert other.earlier.media == (Path("other.jpg"),)
    assert codes(path, step=1) == []


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("not json", "no JSON"),
        ("[]", "format 4"),
        ('{"worksheets": []}', "format 4"),
        ('{"cells": [], "metadata": {"language_info": {"name": "R"}}}', "in R"),
        ('{"cells": ["x", null]}', "does not say"),
        ("[" * 100_000, "no JSON"),
    ],
)
def test_what_is_no_notebook(text: str, why: str, tmp_path: Path) -> None:
    path = tmp_path / "n.ipynb"
    path.write_text(text)
    with pytest.raises(UsageError, match=why):
        read_notebook(path)


def test_a_step_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no step 7"):
        read_notebook(write(tmp_path / "n.ipynb", LOAD), step=7)


@pytest.mark.kernel
def test_the_agent_goes_on_in_its_state(
    program: Callable[..., int],
    examples: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    cells = ["%matplotlib inline", f"load({str(examples / 'tabletop')!r})", "mine = 41 + 1"]
    path = write(tmp_path / "my notes.ipynb", *cells)
    runs = tmp_path / "runs"
    question = "How many mugs are in this scene?"
    options = ["--backend", "builtin", "--runs-dir", runs]
    assert program("ask", "--from", path, question, *options) == 0
    said = capsys.readouterr()
    assert said.out.strip().startswith("2")
    assert "%matplotlib" in said.err
    (folder,) = runs.iterdir()
    run = Run(folder)
    assert run.cells[0]["code"].strip() == "mine = 41 + 1"
    assert run.facts["continues"]["notebook"] == str(path)
    assert [m["absolute"] for m in run.facts["media"]] == [str(examples / "tabletop")]


@pytest.mark.kernel
def test_an_exported_run_is_continued(
    room_run: Path, program: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = write_notebook(Run(room_run), tmp_path / "x.ipynb")
    options = ["--backend", "builtin", "--runs-dir", tmp_path / "runs"]
    assert program("ask", "--from", out, *options) == 0
    assert capsys.readouterr().out.strip() == (Run(room_run).answer or {})["text"]
