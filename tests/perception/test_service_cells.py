"""What a cell gets from the perception service through the host."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image
from service_home import Home

import spatialclaw as sc

pytestmark = pytest.mark.kernel

ASK = "from spatialclaw.primitives.perceive import ask_model, model_for\n"


@pytest.fixture
def photo(tmp_path: Path, examples: Path) -> Path:
    file = tmp_path / "photo.png"
    Image.open(examples / "tabletop" / "images" / "01.jpg").resize((320, 240)).save(file)
    return file


def test_a_cell_asks_a_model_about_a_frame_and_about_its_own_picture(
    home: Home, photo: Path, tmp_path: Path
) -> None:
    with sc.Session(photo, runs_dir=tmp_path / "runs") as session:
        first = session.run(
            ASK
            + "a = ask_model('test_edges', frames[0])\n"
            + "b = ask_model('test_edges', frames[0].image[:100].copy(), text='mug')\n"
            + "c = ask_model('test_edges', frames[0], weights=np.arange(100.0))\n"
            + "print(a.model, a.arrays['masks'].shape, a.arrays['masks'].dtype, a.cached)\n"
            + "print(b.arrays['masks'].shape, a.meta['sum'] == int(frames[0].image.sum()))\n"
            + "print(c.arrays['weighted'][:3], a.arrays['depth'].dtype, a.rounding)"
        )
        assert first.error is None, first.error
        assert first.stdout.splitlines() == [
            "test-edges (1, 240, 320) bool False",
            "(1, 100, 320) True",
            "[0. 2. 4.] float16 {'depth': 0.00048828125}",
        ]
        again = session.run("print(ask_model('test_edges', frames[0]).cached)")
        assert again.stdout == "True\n"
    events = [json.loads(line) for line in next((tmp_path / "runs").rglob("events.jsonl")).open()]
    calls = [e for e in events if e["kind"] == "perception"]
    assert [c["result"]["cached"] for c in calls] == [False, False, False, True]
    assert all(c["result"]["model"] == "test-edges" and c["result"]["bytes"] > 0 for c in calls)
    assert len([line for line in home.runs("test-edges") if line.startswith("run")]) == 3
