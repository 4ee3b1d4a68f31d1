# ruff: noqa: E501  (cells in one line each)
"""Drawing as the only set of primitives: the prompt teaches it, and marks live from cell to cell."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from support.doubles import cell

import spatialclaw as sc
from spatialclaw.agent.conversation import system_prompt
from spatialclaw.agent.prompts import Prompts, estimate_tokens
from spatialclaw.backends.scripted_server import ScriptedServer
from spatialclaw.traces import Run


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    from PIL import Image

    pixels = np.full((120, 160, 3), 30, np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


@pytest.mark.parametrize("interface", ["code", "tools", "single-pass"])
def test_the_prompt_teaches_drawing_and_nothing_that_is_not_there(interface: str) -> None:
    text = system_prompt(Prompts(), interface=interface, only=["draw"])
    assert "Thinking by drawing" in text
    assert "label=" in text or '"label"' in text
    for gone in ("geometry", "segment", "depth(frames", "`look`", "measure.", "to_world"):
        assert gone not in text, gone
    assert estimate_tokens(text) < 3000
    whole = system_prompt(Prompts(), interface=interface)
    assert "Thinking by drawing" not in whole
    assert "Thinking by drawing" in system_prompt(Prompts(), only=["draw", "look"])
    assert "Never put your guess" in system_prompt(Prompts(), only=["draw", "look"])
    assert "Thinking by drawing" not in system_prompt(Prompts(), only=["draw", "depth"])
    plain = system_prompt(Prompts(without=["drawing"]), interface=interface, only=["draw"])
    assert "Thinking by drawing" not in plain


@pytest.mark.kernel
def test_a_question_is_answered_by_drawing_alone(photo: Path, tmp_path: Path) -> None:
    from PIL import Image

    script = [
        "Mark it, look, mend it.",
        cell("show(draw.boxes(frames[0], (100, 100, 400, 400), coords='0-1000', label='cup'))"),
        cell(
            "show(draw.boxes(frames[0], (600, 600, 900, 900), coords='0-1000', label='cup'))\nprint(draw.marks(frames[0]))"
        ),
        cell("show(draw.before_after(frames[0]))\n1 / 0"),
        cell("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"),
        cell("print(len(draw.marks(frames[0])))\nshow(draw.undo(frames[0]))"),
        cell("submit('yes', evidence=['the mark sits on it'])"),
    ]
    with ScriptedServer(script) as server:
        answer = sc.ask(
            photo, "Is the cup on the left?", primitives="draw", backend="openai",
            base_url=server.base_url, model=server.model, runs_dir=tmp_path / "runs",
            confine="process", route="never",
        )  # fmt: skip
        seen = [str(r["messages"][-1]["content"]) for r in server.requests]
    assert answer.value == "yes"
    run = Run(str(answer.run))
    cells = run.cells
    assert "Mark 'cup': boxes at (95, 71), (143, 107)" in cells[1]["result"]["stdout"]
    assert "pixels of frames[0]" in seen[2]
    # Another cell failed and one killed the kernel: what was drawn is there again.
    assert cells[4]["result"]["stdout"].strip() == "1"

    def pixels(number: int) -> np.ndarray:
        name = cells[number]["images"][0]["image"]
        return np.asarray(Image.open(io.BytesIO((run.path / name).read_bytes())).convert("RGB"))

    first, second, undone = pixels(0), pixels(1), pixels(4)
    assert np.abs(first.astype(int) - undone).max() < 12
    # The first box is gone from the second picture.
    assert second[20:45, 15:60].max() < 60 < first[20:45, 15:60].max()


@pytest.mark.kernel
def test_marks_come_back_with_a_snapshot(photo: Path, tmp_path: Path) -> None:
    with sc.Session(photo, confine="process", runs_dir=tmp_path / "runs") as session:
        session.run("draw.points(frames[0], (20, 20), label='a')")
        session.snapshot("one")
        session.run(
            "draw.points(frames[0], (90, 90), label='a')\ndraw.points(frames[0], (50, 50), label='b')"
        )
        assert session.run("print(len(draw.marks(frames[0])))").stdout.strip() == "2"
        session.restore("one")
        assert (
            session.run("print(draw.marks(frames[0]))").stdout.strip()
            == "[<Mark 'a': points at (20, 20)>]"
        )
        assert (
            session.run("draw.undo(frames[0]); print(draw.marks(frames[0]))").stdout.strip() == "[]"
        )
