"""The run folder: complete at every moment, readable afterwards, free of secrets."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from spatialclaw.errors import RunError
from spatialclaw.traces import Recorder, Redactor, Run, new_run_dir

PIXEL = bytes.fromhex("ffd8ffd9")


def test_a_run_is_read_back_as_written(tmp_path: Path) -> None:
    recorder = Recorder(new_run_dir(tmp_path / "runs of mine ä"))
    recorder.start(question="How far?", seed=3)
    recorder.event("plan", text="measure")
    number = recorder.cell("x = 1\n")
    recorder.event("cell", number=number, code="x = 1\n")
    name = recorder.image(PIXEL, "image/jpeg")
    recorder.answer({"answer": 1.5})
    recorder.close()

    run = Run(recorder.run_dir)
    assert run.question == "How far?"
    assert [event["kind"] for event in run.events()] == ["start", "plan", "cell", "answer"]
    assert run.answer == {"answer": 1.5}
    picture = run.image(name)
    assert picture is not None
    assert picture.read_bytes() == PIXEL
    assert "# %% [1]\nx = 1" in (run.path / "cells.py").read_text()


def test_killed_at_any_moment_the_run_is_readable(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from spatialclaw.traces import Recorder\n"
        "r = Recorder(Path(sys.argv[1])); r.start(question='q')\n"
        "while True: r.cell('x = 1'); r.event('cell', number=1, code='x' * 5000)\n"
    )
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    process = subprocess.Popen([sys.executable, "-c", code, str(run_dir)])
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        events = run_dir / "events.jsonl"
        if events.exists() and events.stat().st_size > 200_000:
            break
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    run = Run(run_dir)
    events_read = list(run.events())
    assert run.question == "q"
    assert len(events_read) > 30
    assert [event["seq"] for event in events_read] == list(range(len(events_read)))


def test_a_half_written_last_line_is_passed_over(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    recorder.start(question="q")
    recorder.close()
    with (tmp_path / "events.jsonl").open("ab") as file:
        file.write(b'{"schema": 1, "kind": "ce')
    assert [event["kind"] for event in Run(tmp_path).events()] == ["start"]


def test_a_full_disk_leaves_the_record_whole(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    recorder.start(question="q")
    os.close(os.dup(recorder._events.fileno()))
    # A file-size limit makes the kernel refuse the write as a full disk does.
    import resource

    size = (tmp_path / "events.jsonl").stat().st_size
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, old[1]))
    try:
        with pytest.raises(RunError, match="cannot write the run"):
            recorder.event("plan", text="y" * 10_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, previous)
    recorder.event("note", text="there is room again")
    kinds = [event["kind"] for event in Run(tmp_path).events()]
    assert kinds == ["start", "note"]


def test_a_read_only_place_is_one_clear_line(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("not a folder")
    with pytest.raises(RunError) as caught:
        new_run_dir(blocker / "runs")
    assert "--runs-dir" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("Authorization: Bearer abcdef123456789", "abcdef123456789"),
        ("key sk-proj-abcdefghijklmnop1234", "sk-proj-abcdefghijklmnop1234"),
        ("https://user:pa55word@host/v1", "pa55word"),
        ("my key is Xy12-34secret", "Xy12-34secret"),
    ],
)
def test_secrets_never_enter_the_record(tmp_path: Path, text: str, hidden: str) -> None:
    redactor = Redactor(["Xy12-34secret"], environ={})
    recorder = Recorder(tmp_path, redactor=redactor)
    recorder.start(question=text)
    recorder.event("cell", code=text, result={"stdout": [text]})
    recorder.cell(text)
    recorder.answer({"text": text})
    recorder.close()
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert hidden not in path.read_text()


def test_secrets_of_the_environment_are_found_by_name() -> None:
    redactor = Redactor(environ={"MY_API_KEY": "q1w2e3r4t5", "HOME": "/home/someone"})
    assert redactor.value({"a": ["q1w2e3r4t5", "/home/someone"]}) == {
        "a": ["[redacted]", "/home/someone"]
    }


def test_numbers_that_json_does_not_have_become_text(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    recorder.event("note", value=float("nan"), other=float("inf"), data=b"123", odd="\ud800")
    line = (tmp_path / "events.jsonl").read_text()
    event = json.loads(line, parse_constant=pytest.fail)
    assert event["value"] == "nan"
    assert event["data"] == "<3 bytes>"


@pytest.mark.parametrize("name", ["../secret.txt", "images/link.jpg", "images/none.jpg"])
def test_no_picture_outside_the_run_is_read(tmp_path: Path, name: str) -> None:
    run_dir = tmp_path / "run"
    recorder = Recorder(run_dir.absolute() if run_dir.mkdir() is None else run_dir)
    recorder.start(question="q")
    (tmp_path / "secret.txt").write_text("secret")
    (run_dir / "images" / "link.jpg").symlink_to(tmp_path / "secret.txt")
    assert Run(run_dir).image(name) is None


def test_what_is_no_run_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="not a run folder"):
        Run(tmp_path)


def test_a_run_of_a_later_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"schema": 99}')
    with pytest.raises(RunError, match="version 99"):
        Run(tmp_path)


@pytest.mark.parametrize(
    "secret", ['quo"ted-secret-1', "back\\slash-secret", "umläut-secret-2", "plain-secret-3"]
)
def test_a_secret_is_found_whatever_json_makes_of_it(tmp_path: Path, secret: str) -> None:
    redactor = Redactor([secret], environ={})
    value = {"a": [f"x {secret} y"], f"key {secret}": {"b": ("c", 1, None, 2.5)}}
    clean, text = redactor.dump(value)
    assert secret not in str(clean)
    assert json.loads(text) == clean
    assert json.dumps(secret)[1:-1] not in text
    assert json.dumps(secret, ensure_ascii=False)[1:-1] not in text
    untouched = {"text": "nothing to hide: 3 // 4"}
    assert redactor.dump(untouched)[0] is untouched
