"""The report: one file, nothing of the record can act in it, it stays small."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from viewer_runs import picture, scene, write_run

from spatialclaw.errors import RunError
from spatialclaw.traces import Recorder, Run
from spatialclaw.traces.html import write_html

HOSTILE = "</pre><script>alert(1)</script><img src=x onerror=alert(2)>\x1b[31mred\x1b[0m\x1b]8;;http://x\x07"


def report(run: Path, **options: int) -> str:
    return write_html(Run(run), run.parent / "report.html", **options).read_text(encoding="utf-8")


def test_it_tells_the_whole_run(tmp_path: Path) -> None:
    page = report(write_run(tmp_path, scene=True, failing=True, choices={"A": "narrow"}))
    for text in (
        "How wide is the bin?", "0.52 m", "confidence 80%", "Measure the bin twice.",
        "Now I measure.", "the bin", "NameError", "1,200", "$0.0123", "room.jpg", "small-vlm",
        "width = 0.52 +- 0.01 m", "narrow", "<td><code>frames</code></td><td>8</td><td>flag</td>",
    ):  # fmt: skip
        assert text in page.replace("&gt;", ">"), text
    assert '<span class="h-n">measure</span>' in page
    assert page.count("data:image/jpeg;base64,") == 2
    assert 'data-scene="scene-0"' in page


def test_it_asks_nothing_of_any_server(tmp_path: Path) -> None:
    page = report(write_run(tmp_path, scene=True))
    assert not re.search(r"""(?:src|href)=["']?(?:https?:)?//""", page)
    assert "url(" not in page
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    assert "default-src &#39;none&#39;" in policy[1]
    assert "unsafe" not in policy[1]


@pytest.mark.parametrize("where", ["question", "text", "stdout", "answer"])
def test_hostile_text_stays_text(tmp_path: Path, where: str) -> None:
    page = report(write_run(tmp_path, **{where: HOSTILE}))
    assert "<script>alert(1)" not in page
    assert "<img src=x" not in page
    assert "\x1b" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_hostile_names_and_labels_stay_text(tmp_path: Path) -> None:
    run = write_run(tmp_path, scene=True)
    events = (run / "events.jsonl").read_text(encoding="utf-8")
    events = events.replace('"title":"the bin"', json.dumps("title") + ":" + json.dumps(HOSTILE))
    (run / "events.jsonl").write_text(events, encoding="utf-8")
    page = report(run)
    assert "<img src=x" not in page
    assert "<b>bin</b>" not in page
    assert "\\u003cb\\u003ebin" in page


def test_a_line_of_five_megabytes_is_cut_and_said_so(tmp_path: Path) -> None:
    run = write_run(tmp_path)
    line = {
        "schema": 1,
        "seq": 99,
        "time": 1_790_000_001.0,
        "kind": "plan",
        "text": "x" * 5_000_000,
    }
    with (run / "events.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
    page = report(run)
    assert len(page) < 500_000
    assert "4980000 characters left out" in page


def test_pictures_are_made_smaller_until_the_page_fits_and_it_says_so(tmp_path: Path) -> None:
    import numpy as np
    from PIL import Image

    run = write_run(tmp_path)
    noise = np.random.default_rng(0)
    recorder = Recorder(run)
    for number in range(6):
        name = run / f"noise{number}.png"
        Image.fromarray(noise.integers(0, 255, (900, 1200, 3), dtype=np.uint8)).save(name)
        image = recorder.image(name.read_bytes(), "image/png")
        recorder.event("cell", number=number + 2, code="show(x)", result={},
                       images=[{"image": image, "width": 1200, "height": 900}])  # fmt: skip
    recorder.close()
    page = report(run, max_bytes=2_000_000)
    assert len(page.encode()) < 2_000_000
    assert "pictures were made smaller" in page
    assert len(report(run, max_bytes=150_000).encode()) < 150_000
    with pytest.raises(RunError, match="does not fit"):
        report(run, max_bytes=2_000)


def test_an_unfinished_run_says_that_there_is_no_answer_yet(tmp_path: Path) -> None:
    run = write_run(tmp_path, answer=None)
    with (run / "events.jsonl").open("ab") as file:
        file.write(b'{"schema":1,"seq":9,"kind":"cel')
    assert "no answer yet" in report(run)
    (run / "run.json").unlink()
    assert "No question is recorded" in report(run)


def test_values_of_wrong_kinds_break_nothing(tmp_path: Path) -> None:
    run = write_run(tmp_path)
    odd = [
        {"kind": "cell", "code": 7, "result": [], "images": "no", "number": "x", "scenes": [None]},
        {"kind": "cell", "result": {"error": "boom", "variables": [1], "seconds": "1e999"}},
        {"kind": "observation", "images": [{"image": 5}], "text": {"a": 1}},
        {"kind": "submit", "problems": "x", "value": [1, 2]},
        {"kind": "reply", "usage": 3, "text": None}, {"kind": ["?"]}, {"kind": "answer"},
        {"kind": "perception", "params": {"x": "y" * 9000}},
    ]  # fmt: skip
    with (run / "events.jsonl").open("a", encoding="utf-8") as file:
        for event in odd:
            file.write(json.dumps({"time": "now", "seq": "x", **event}) + "\n")
    (run / "answer.json").write_text('{"text": {"a": [1]}, "confidence": "high", "usage": 5}')
    assert "boom" not in report(run)


def test_missing_and_false_pictures_are_named(tmp_path: Path) -> None:
    run = write_run(tmp_path)
    first, second = sorted((run / "images").iterdir())
    first.unlink()
    second.write_bytes(b"<svg onload=alert(1)>")
    page = report(run)
    assert "2 pictures of the record are not in the run folder" in page
    assert "data:image" not in page


def test_links_out_of_the_run_are_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(picture(1))
    run = write_run(tmp_path, scene=True)
    for path in [*(run / "images").iterdir(), *(run / "scenes").iterdir()]:
        path.unlink()
        path.symlink_to(secret)
    page = report(run)
    assert "data:image" not in page
    assert "data-scene=" not in page


def test_scenes_with_lies_in_them_are_left_out(tmp_path: Path) -> None:
    run = write_run(tmp_path, scene=True)
    for path in (run / "scenes").iterdir():
        held = json.loads(path.read_text(encoding="utf-8"))
        if "boxes" in held:
            held["boxes"][0]["extent"] = [1, 2, "NaN"]
        path.write_text(json.dumps(held), encoding="utf-8")
    page = report(run)
    assert "data-scene=" not in page
    assert "is not here" in page


def test_a_folder_that_cannot_be_written_is_said_in_one_line(tmp_path: Path) -> None:
    run = Run(write_run(tmp_path))
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot write"):
        write_html(run, tmp_path / "file" / "report.html")


def test_rerun_is_asked_for_in_one_line(tmp_path: Path) -> None:
    from importlib.util import find_spec

    from spatialclaw.errors import UsageError
    from spatialclaw.traces.rerun import write_rrd

    run = Run(write_run(tmp_path, scene=True))
    if find_spec("rerun") is not None:
        assert write_rrd(run, tmp_path / "run.rrd").stat().st_size > 0
    else:
        with pytest.raises(UsageError, match="pip install rerun-sdk"):
            write_rrd(run, tmp_path / "run.rrd")


def test_a_scene_is_kept_once_and_its_points_apart(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    assert recorder.scene(scene()) == recorder.scene(scene())
    recorder.close()
    assert len(list((tmp_path / "scenes").iterdir())) == 2
