"""A mistake gets one line on stderr, the right exit status and nothing on stdout."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from spatialclaw.cli.app import load_commands, run_program

Make = Callable[[Path], list[str]]
QUESTION = "How many chairs are there?"


@pytest.fixture(autouse=True)
def _quiet_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("SPATIALCLAW_", "OPENAI_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    load_commands()


def _photo(path: Path) -> Path:
    Image.fromarray(np.full((48, 64, 3), 127, np.uint8)).save(path)
    return path


def _text_as_picture(place: Path) -> list[str]:
    (place / "note.jpg").write_text("this is no picture")
    return [str(place / "note.jpg"), QUESTION]


def _empty_file(place: Path) -> list[str]:
    (place / "empty.png").touch()
    return [str(place / "empty.png"), QUESTION]


def _truncated(place: Path) -> list[str]:
    data = _photo(place / "whole.png").read_bytes()
    (place / "cut.png").write_bytes(data[: len(data) // 2])
    return [str(place / "cut.png"), QUESTION]


def _empty_folder(place: Path) -> list[str]:
    (place / "nothing here").mkdir()
    return [str(place / "nothing here"), QUESTION]


def _no_video(place: Path) -> list[str]:
    (place / "clip.mp4").write_bytes(b"\x00\x00\x00\x18ftypmp42" + b"\x00" * 4000)
    return [str(place / "clip.mp4"), QUESTION]


def _sizes_differ(place: Path) -> list[str]:
    _photo(place / "colour.png")
    cv2.imwrite(str(place / "depth.png"), np.full((50, 20), 1500, np.uint16))
    facts = {"fx": 60, "fy": 60, "cx": 31.5, "cy": 23.5, "depth_scale": 1000}
    (place / "intrinsics.json").write_text(json.dumps(facts))
    names = ("colour.png", "depth.png", "intrinsics.json")
    return [*(str(place / name) for name in names), QUESTION]


def _wrong_intrinsics(place: Path) -> list[str]:
    arguments = _sizes_differ(place)
    cv2.imwrite(str(place / "depth.png"), np.full((48, 64), 1500, np.uint16))
    (place / "intrinsics.json").write_text('{"fx": -60, "fy": 60, "cx": 31, "cy": 23}')
    return arguments


CASES: list[tuple[str, Make, str]] = [
    ("a missing file", lambda p: [str(p / "none.jpg"), QUESTION], "none.jpg"),
    ("a folder without media", _empty_folder, "nothing here"),
    ("an empty file", _empty_file, "empty"),
    ("a truncated picture", _truncated, "cut.png"),
    ("a text named .jpg", _text_as_picture, "note.jpg"),
    ("a video without a frame", _no_video, "clip.mp4"),
    ("depth and colour of other shapes", _sizes_differ, "50"),
    ("a focal length below 0", _wrong_intrinsics, "intrinsics"),
    ("no question", lambda p: [str(_photo(p / "a.png"))], "no question"),
    ("two pictures and no question", lambda p: [str(_photo(p / "a.png"))] * 2, "question"),
    ("an empty question", lambda p: [str(_photo(p / "a.png")), " "], "empty"),
    ("a novel", lambda p: [str(_photo(p / "a.png")), "why? " * 9000], "characters"),
    (
        "one choice",
        lambda p: [str(_photo(p / "a.png")), QUESTION, "--choice", "left"],
        "choice",
    ),
    (
        "an unknown answer type",
        lambda p: [str(_photo(p / "a.png")), QUESTION, "--answer-type", "poem"],
        "number, choice",
    ),
    ("no such option", lambda p: [str(_photo(p / "a.png")), QUESTION, "--fast"], "--fast"),
    (
        "no such backend",
        lambda p: [str(_photo(p / "a.png")), QUESTION, "--backend", "oracle"],
        "oracle",
    ),
    (
        "a run to replay that is none",
        lambda p: [str(_photo(p / "a.png")), QUESTION, "--backend", f"replay:{p}"],
        "not a run folder",
    ),
]


@pytest.mark.parametrize(("what", "make", "says"), CASES, ids=[case[0] for case in CASES])
@pytest.mark.parametrize("as_json", [False, True])
def test_one_line_and_status_2(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    what: str,
    make: Make,
    says: str,
    as_json: bool,
) -> None:
    arguments = make(tmp_path)
    backend = [] if "--backend" in arguments else ["--backend", "builtin"]
    extra = ["--json"] if as_json else []
    status = run_program(["ask", *arguments, *backend, "--quiet", *extra])
    out, err = capsys.readouterr()
    assert status == 2, err
    assert out == ""
    assert says in err
    assert len(err.strip().splitlines()) == 1
    assert "Traceback" not in err


def test_an_unreachable_server_is_status_3_and_leaves_a_readable_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo = str(_photo(tmp_path / "a.png"))
    server = ["--base-url", "http://127.0.0.1:9/v1", "--model", "m", "--max-retries", "1"]
    status = run_program(["ask", photo, QUESTION, *server, "--quiet", "--confine", "process"])
    out, err = capsys.readouterr()
    assert status == 3, err
    assert out == ""
    assert "127.0.0.1:9" in err
    assert len(err.strip().splitlines()) == 1
    [run] = (tmp_path / "spatialclaw-runs").iterdir()
    assert json.loads((run / "answer.json").read_text())["status"] == "failed"
    assert json.loads((run / "run.json").read_text())["question"] == QUESTION


def test_a_runs_folder_that_cannot_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    photo = str(_photo(tmp_path / "a.png"))
    status = run_program(
        ["ask", photo, QUESTION, "--backend", "builtin", "--runs-dir", str(tmp_path / "file" / "r")]
    )
    assert status == 2
    assert "--runs-dir" in capsys.readouterr().err


@pytest.mark.kernel
def test_ctrl_c_ends_in_a_second_with_130_and_a_readable_run(tmp_path: Path) -> None:
    photo = _photo(tmp_path / "a photo ä.png")
    command = [sys.executable, "-m", "spatialclaw", "ask", str(photo), "Who are you?"]
    process = subprocess.Popen(
        [*command, "--backend", "human", "--confine", "process"],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    runs = tmp_path / "spatialclaw-runs"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not list(runs.glob("*/run.json")):
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130, err.decode()
    assert out == b""
    assert b"Traceback" not in err
    [run] = runs.iterdir()
    assert json.loads((run / "run.json").read_text())["question"] == "Who are you?"


@pytest.mark.skipif(shutil.which("head") is None, reason="needs the program head")
def test_a_reader_that_goes_away_is_no_fault(tmp_path: Path) -> None:
    result = subprocess.run(
        f"'{sys.executable}' -m spatialclaw doctor --help | head -c 1",
        shell=True,
        capture_output=True,
        cwd=tmp_path,
        check=False,
    )
    assert b"Traceback" not in result.stderr
