"""The viewer's pages: what they show, whom they answer, and what they make of damaged folders."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from viewer_runs import picture, write_evaluation, write_run

HOSTILE = "</td><script>alert(1)</script>\x1b[31m"


def keys(page: str) -> list[str]:
    return re.findall(r'<td class="question"><a href="/run/([^"]+)"', page)


# Who is answered.


def test_without_the_token_nothing_is_shown(tmp_path: Path, view: Any) -> None:
    write_run(tmp_path)
    viewer = view(tmp_path)
    for cookie in ("", "spatialclaw-1=x", f"spatialclaw-{viewer.port}=wrong", "a=\xff"):
        status, _, text = viewer.ask("/", Cookie=cookie)
        assert (status, "How wide" in text) == (403, False)
    assert viewer.ask("/?token=wrong")[0] == 403
    assert viewer.ask("/assets/page.js", Cookie="")[0] == 403


def test_the_token_becomes_a_cookie_that_scripts_and_other_sites_cannot_use(
    tmp_path: Path, view: Any
) -> None:
    viewer = view(tmp_path)
    status, headers, _ = viewer.ask(f"/run/x?a=1&token={viewer.token}", Cookie="")
    assert (status, headers["location"]) == (303, "/run/x?a=1")
    assert "HttpOnly" in headers["set-cookie"]
    assert "SameSite=strict" in headers["set-cookie"]
    _, headers, _ = viewer.ask(f"//evil.example/?token={viewer.token}", Cookie="")
    assert headers.get("location", "/").startswith("/evil")


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "localhost:1", "127.0.0.1.nip.io"])
def test_another_name_of_this_machine_is_not_answered(tmp_path: Path, view: Any, host: str) -> None:
    viewer = view(tmp_path)
    assert viewer.ask("/", Host=host)[0] == 421
    assert viewer.ask("/", Host=f"localhost:{viewer.port}")[0] == 200


def test_every_answer_forbids_scripts_of_others_and_frames(tmp_path: Path, view: Any) -> None:
    viewer = view(tmp_path)
    for path in ("/", "/run/none", "/assets/page.js"):
        _, headers, _ = viewer.ask(path)
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"


# The list.


def test_an_empty_folder_says_what_writes_runs(tmp_path: Path, view: Any) -> None:
    status, _, text = view(tmp_path).ask("/")
    assert status == 200
    assert "no run in this folder yet" in text


def test_filters_search_and_pages(tmp_path: Path, view: Any) -> None:
    for number in range(60):
        write_run(
            tmp_path,
            f"run-{number:03}",
            question=f"How far is thing {number}?",
            backend="builtin" if number % 3 == 0 else "openai",
            status="best_guess" if number == 7 else "submitted",
            started=1_790_000_000.0 + number,
        )
    viewer = view(tmp_path)
    first = viewer.ask("/")[2]
    assert keys(first)[:2] == ["run-059", "run-058"]
    assert len(keys(first)) == 50
    assert "page 1 of 2" in first
    assert keys(viewer.ask("/?page=2")[2])[-1] == "run-000"
    assert keys(viewer.ask("/?page=99999999999")[2]) == keys(first)
    assert keys(viewer.ask("/?q=THING+42")[2]) == ["run-042"]
    assert keys(viewer.ask("/?status=best_guess")[2]) == ["run-007"]
    assert len(keys(viewer.ask("/?backend=builtin")[2])) == 20
    assert keys(viewer.ask("/?sort=oldest")[2])[0] == "run-000"
    nothing = viewer.ask("/?" + urlencode({"q": HOSTILE}))[2]
    assert "No run is like that" in nothing
    assert "<script>alert" not in nothing


def test_the_first_page_does_not_wait_for_all_runs(tmp_path: Path, view: Any) -> None:
    for number in range(400):
        (tmp_path / f"run-{number:03}").mkdir()
        facts = {"schema": 1, "question": f"thing {number}", "started": 1.0 + number}
        (tmp_path / f"run-{number:03}" / "run.json").write_text(json.dumps(facts))
    viewer = view(tmp_path)
    first = viewer.ask("/")[2]
    assert keys(first)[0] == "run-399"
    end = time.monotonic() + 20
    while json.loads(viewer.ask("/progress")[2]) != {"read": 400, "total": 400}:
        assert time.monotonic() < end
        time.sleep(0.05)
    text = viewer.ask("/?page=8")[2]
    assert keys(text)[-1] == "run-000"
    assert "read so far" not in text


def test_new_runs_and_answers_appear_and_removed_runs_go(tmp_path: Path, view: Any) -> None:
    run = write_run(tmp_path, "first", answer=None)
    viewer = view(tmp_path)
    assert "s-running" in viewer.ask("/")[2]
    (run / "answer.json").write_text('{"text": "42 m", "status": "submitted"}')
    write_run(tmp_path, "second")
    time.sleep(1.1)
    text = viewer.ask("/")[2]
    assert "42 m" in text
    assert sorted(keys(text)) == ["first", "second"]
    for path in sorted(run.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    run.rmdir()
    time.sleep(1.1)
    assert keys(viewer.ask("/")[2]) == ["second"]


def test_damaged_runs_are_listed_and_break_nothing(tmp_path: Path, view: Any) -> None:
    write_run(tmp_path, "good")
    for name, run_json in {
        "cut": '{"question": "How',
        "list": "[]",
        "later": '{"schema": 99, "question": "later"}',
        "odd": '{"schema": 1, "question": {"a": 1}, "settings": 5, "started": "now"}',
    }.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text(run_json)
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "events.jsonl").write_bytes(b'{"kind":"plan","text":"p"}\n{"kind"')
    (tmp_path / "pipe").mkdir()
    os.mkfifo(tmp_path / "pipe" / "run.json")
    (tmp_path / "noise").mkdir()
    (tmp_path / "noise" / "run.json").write_bytes(os.urandom(500))
    viewer = view(tmp_path)
    status, _, text = viewer.ask("/")
    assert status == 200
    assert len(keys(text)) == 8
    for key in ("cut", "list", "later", "pipe", "noise"):
        status, _, page = viewer.ask(f"/run/{key}")
        assert status == 422, key
        assert "cannot be read" in page
    for key in ("good", "odd", "half"):
        assert viewer.ask(f"/run/{key}")[0] == 200, key


def test_odd_names_and_odd_text_break_nothing(tmp_path: Path, view: Any) -> None:
    names = ["<b>", 'a"b', "50%", "q?x=1#y", "a&b", "\N{SNOWMAN}"]
    for name in [*names, "a\x1b[31m", "a\u202eb"]:
        write_run(tmp_path, name)
    os.mkdir(os.fsencode(tmp_path) + b"/\xff\xfe")
    (tmp_path / names[0] / "run.json").write_text('{"question": "\\ud800 \\u0000 \\u202e"}')
    odd = [{"image": "images/" + "x" * 400}, {"image": "images/\0"}, {"image": "\ud800"}]
    with (tmp_path / names[0] / "events.jsonl").open("a") as file:
        event = {"kind": "cell", "images": odd, "scenes": ["\ud800", "../x"]}
        file.write(json.dumps(event) + "\n")
    viewer = view(tmp_path)
    text = viewer.ask("/")[2]
    assert len(keys(text)) == len(names)
    assert "<b>" not in text
    for key in keys(text):
        status, _, page = viewer.ask(f"/run/{key}")
        assert status == 200, key
        assert "\x1b" not in page


def test_links_are_not_followed(tmp_path: Path, view: Any) -> None:
    outside = write_run(tmp_path / "outside", "secret", question="secret question")
    inside = tmp_path / "inside"
    run = write_run(inside, "run", scene=True)
    (inside / "linked").symlink_to(outside)
    (inside / "half").mkdir()
    (inside / "half" / "run.json").symlink_to(outside / "run.json")
    image = next((run / "images").iterdir())
    image.unlink()
    target = tmp_path / "secret.jpg"
    target.write_bytes(picture())
    image.symlink_to(target)
    viewer = view(inside)
    text = viewer.ask("/")[2]
    assert "secret question" not in text
    assert sorted(keys(text)) == ["half", "run"]
    asked = urlencode({"run": "run", "name": f"images/{image.name}"})
    assert viewer.ask(f"/picture?{asked}")[0] == 404


@pytest.mark.parametrize(
    "name",
    ["../run.json", "images/../run.json", "/etc/passwd", "run.json", "images/\0", "x" * 5000],
)
def test_only_pictures_of_a_run_are_given(tmp_path: Path, view: Any, name: str) -> None:
    write_run(tmp_path, "run")
    viewer = view(tmp_path)
    assert viewer.ask("/picture?" + urlencode({"run": "run", "name": name}))[0] == 404
    assert viewer.ask("/scene?" + urlencode({"run": "run", "name": name}))[0] == 404
    for key in ("..", "../run", "run/images", "%2e%2e/x", "none"):
        assert viewer.ask(f"/run/{key}")[0] == 404


# A run.


def test_a_run_shows_its_steps_and_gives_its_pictures_and_scene(tmp_path: Path, view: Any) -> None:
    write_run(tmp_path, "a run", scene=True, failing=True)
    viewer = view(tmp_path)
    status, _, page = viewer.ask("/run/a%20run")
    assert status == 200
    for text in (
        "How wide is the bin?",
        "0.52 m",
        "Measure the bin twice.",
        "NameError",
        "$0.0123",
    ):
        assert text in page
    pictures = re.findall(r'src="(/picture[^"]+)"', page)
    assert len(pictures) == 2
    status, headers, _ = viewer.ask(pictures[0].replace("&amp;", "&"))
    assert (status, headers["content-type"]) == (200, "image/jpeg")
    source = re.search(r'data-src="([^"]+)" data-base="([^"]+)"', page)
    assert source is not None
    held = json.loads(viewer.ask(source[1].replace("&amp;", "&"))[2])
    assert held["lines"][0]["label"] == "2.00 m"
    points = viewer.ask(f"{source[2].replace('&amp;', '&')}{held['cloud']}.json")
    assert json.loads(points[2])["xyz"]


@pytest.mark.parametrize("where", ["question", "text", "stdout", "answer", "model"])
def test_hostile_text_stays_text(tmp_path: Path, view: Any, where: str) -> None:
    write_run(tmp_path, "run", **{where: HOSTILE})
    viewer = view(tmp_path)
    for path in ("/", "/run/run", "/compare?which=run&which=run"):
        page = viewer.ask(path)[2]
        assert "<script>alert" not in page
        assert "\x1b" not in page


def test_events_come_while_a_run_goes_on(tmp_path: Path, view: Any) -> None:
    run = write_run(tmp_path, "run", answer=None)
    viewer = view(tmp_path)
    page = viewer.ask("/run/run")[2]
    source = re.search(r'data-live="([^"]+)"', page)
    assert source is not None
    connection = HTTPConnection("127.0.0.1", viewer.port, timeout=20)
    cookie = {"Cookie": f"spatialclaw-{viewer.port}={viewer.token}"}
    connection.request("GET", source[1], headers=cookie)
    answer = connection.getresponse()
    assert answer.getheader("content-type", "").startswith("text/event-stream")

    def append(seq: int, kind: str, **data: Any) -> None:
        event = {"schema": 1, "seq": seq, "time": 1_790_000_009.0, "kind": kind, **data}
        line = json.dumps(event).encode() + b"\n"
        with (run / "events.jsonl").open("ab", buffering=0) as file:
            file.write(line[:20])  # a reader never sees half a line
            time.sleep(0.4)
            file.write(line[20:])

    def act() -> None:
        append(20, "cell", number=2, code="print(2)", result={"stdout": "<i>two</i>"}, images=[])
        (run / "answer.json").write_text('{"text": "0.7 m", "status": "submitted"}')
        append(21, "answer", text="0.7 m", status="submitted")

    writer = threading.Thread(target=act)
    writer.start()
    text = answer.read().decode()
    writer.join()
    connection.close()
    kinds = re.findall(r"^event: (\w+)$", text, re.MULTILINE)
    assert kinds == ["entry", "end"]
    assert "Cell 2" in text
    assert "&lt;i&gt;two" in text
    assert "0.7 m" in text


# Verdicts.


def post(viewer: Any, page: str, **fields: str) -> int:
    token = re.search(r'name="form_token" value="(\w+)"', page)
    assert token is not None
    body = urlencode({"form_token": token[1], **fields})
    headers = {"Origin": viewer.root, "Content_Type": "application/x-www-form-urlencoded"}
    return int(viewer.ask("/verdict", method="POST", body=body, **headers)[0])


def test_answers_are_accepted_corrected_and_exported(tmp_path: Path, view: Any) -> None:
    for name in ("one", "two", "three"):
        write_run(tmp_path, name)
    viewer = view(tmp_path)
    page = viewer.ask("/run/one")[2]
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    assert post(viewer, page, run="one", verdict="accept") == 303
    assert post(viewer, page, run="two", verdict="correct", value="0.60 m", note="seen <b>") == 303
    assert post(viewer, page, run="three", verdict="accept") == 303
    assert post(viewer, page, run="three", verdict="withdraw") == 303
    assert post(viewer, page, run="two", verdict="correct", value=" ") == 400
    assert post(viewer, page, run="none", verdict="accept") == 404
    assert "You corrected this answer" in viewer.ask("/run/two")[2]
    assert keys(viewer.ask("/?verdict=corrected")[2]) == ["two"]
    _, headers, text = viewer.ask("/corrections.jsonl")
    lines = [json.loads(line) for line in text.splitlines()]
    assert [(line["run"], line["verdict"]) for line in lines] == [
        ("one", "accepted"),
        ("two", "corrected"),
    ]
    assert lines[1]["value"] == "0.60 m"
    assert lines[1]["answer"] == "0.52 m"
    assert "attachment" in headers["content-disposition"]
    assert {p: p.read_bytes() for p in before} == before


def test_other_pages_cannot_post(tmp_path: Path, view: Any) -> None:
    write_run(tmp_path, "run")
    viewer = view(tmp_path)
    page = viewer.ask("/run/run")[2]
    token = re.search(r'name="form_token" value="(\w+)"', page)
    assert token is not None
    good = urlencode({"form_token": token[1], "run": "run", "verdict": "accept"})
    for body, origin in (
        (good, "http://evil.example"),
        (good, f"http://localhost:{viewer.port}"),
        (good, "null"),
        (good.replace(token[1], "0" * 64), viewer.root),
        ("run=run&verdict=accept", viewer.root),
    ):
        assert viewer.ask("/verdict", method="POST", body=body, Origin=origin)[0] == 403
    assert not (tmp_path / "corrections.jsonl").exists()
    long = "run=" + "x" * 200_000
    assert viewer.ask("/verdict", method="POST", body=long, Origin=viewer.root)[0] == 413


def test_two_viewers_see_each_others_verdicts(tmp_path: Path, view: Any) -> None:
    write_run(tmp_path, "run")
    first, second = view(tmp_path), view(tmp_path)
    assert first.token != second.token
    assert second.ask("/", Cookie=f"spatialclaw-{second.port}={first.token}")[0] == 403
    assert post(first, first.ask("/run/run")[2], run="run", verdict="accept") == 303
    assert "You accepted this answer" in second.ask("/run/run")[2]


# Comparing, and evaluations.


def test_two_runs_side_by_side(tmp_path: Path, view: Any) -> None:
    write_run(tmp_path, "one", answer="0.52 m", scene=True)
    write_run(tmp_path, "two", answer="0.61 m", seconds=9.0)
    viewer = view(tmp_path)
    status, _, page = viewer.ask("/compare?which=one&which=two")
    assert status == 200
    assert "0.52 m" in page
    assert "0.61 m" in page
    assert "9.0 s" in page
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    for query in ("which=one", "which=one&which=one", "which=one&which=two&which=x", ""):
        assert viewer.ask(f"/compare?{query}")[0] == 400
    assert viewer.ask("/compare?which=one&which=none")[0] == 404


def test_evaluations_with_confusion_failures_and_differences(tmp_path: Path, view: Any) -> None:
    write_evaluation(tmp_path, "small", [True, False, True, False, False, True])
    write_evaluation(tmp_path, "large", [True, True, True, False, True, True], model="large-vlm")
    viewer = view(tmp_path)
    page = viewer.ask("/")[2]
    assert "/evaluation/small" in page
    assert len(keys(viewer.ask("/?outcome=wrong")[2])) == 4
    status, _, page = viewer.ask("/evaluation/small")
    assert status == 200
    assert "50.0 %" in page
    assert "toy \N{MIDDLE DOT} height" in page
    failed = re.findall(r'<td class="question"><a href="/run/([^"]+)"', page)
    assert failed == ["small/runs/toy/q1.e0", "small/runs/toy/q3.e0", "small/runs/toy/q4.e0"]
    status, _, run = viewer.ask(f"/run/{failed[0]}")
    assert status == 200
    assert "truth: yes" in run
    assert 'href="/run/small/runs/toy/q' in run
    status, _, page = viewer.ask("/compare?which=small&which=large")
    assert status == 200
    assert "+33.3" in page
    sides = re.search(r'href="(/compare\?which=[^"]+)">side by side', page)
    assert sides is not None
    assert viewer.ask(sides[1].replace("&amp;", "&"))[0] == 200


def test_an_evaluation_alone_and_a_run_alone_can_be_viewed(tmp_path: Path, view: Any) -> None:
    evaluation = write_evaluation(tmp_path, "alone", [True, False])
    viewer = view(evaluation)
    page = viewer.ask("/evaluation/alone")[2]
    failed = re.findall(r'<td class="question"><a href="/run/([^"]+)"', page)
    assert viewer.ask(f"/run/{failed[0]}")[0] == 200
    run = write_run(tmp_path / "runs", "one")
    single = view(run)
    assert single.ask("/run/one")[0] == 200
    assert post(single, single.ask("/run/one")[2], run="one", verdict="accept") == 303
    assert (tmp_path / "runs" / "corrections.jsonl").is_file()


def test_an_evaluation_that_goes_on_is_read_along(tmp_path: Path, view: Any) -> None:
    from spatialclaw.evaluation.records import Result
    from spatialclaw.evaluation.store import Store

    evaluation = write_evaluation(tmp_path, "eval", [True])
    viewer = view(tmp_path)
    assert ">1 result<" in viewer.ask("/")[2]
    store = Store(evaluation, create=True)  # as the runner holds it open
    store.add(Result("toy", "q9", 0, "model_failed", score=0.0, truth="yes", format="yes_no"))
    time.sleep(1.1)
    assert "2 results" in viewer.ask("/")[2]
    assert "model failed" in viewer.ask("/evaluation/eval")[2]
    store.add(Result("toy", "q10", 0, "answered", score=1.0, truth="yes", format="yes_no"))
    store.close()
    time.sleep(1.1)
    assert "3 results" in viewer.ask("/")[2]


def test_a_damaged_evaluation_says_so(tmp_path: Path, view: Any) -> None:
    evaluation = write_evaluation(tmp_path, "eval", [True])
    (evaluation / "results.sqlite").write_bytes(b"no database at all" * 100)
    viewer = view(tmp_path)
    assert viewer.ask("/")[0] == 200
    assert "cannot be read" in viewer.ask("/evaluation/eval")[2]
    assert viewer.ask("/evaluation/none")[0] == 404


def test_viewing_writes_nothing(tmp_path: Path, view: Any) -> None:
    write_evaluation(tmp_path, "eval", [True, False])
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()}
    viewer = view(tmp_path)
    for path in ("/", "/evaluation/eval", "/run/eval/runs/toy/q0.e0", "/corrections.jsonl"):
        assert viewer.ask(path)[0] == 200
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()} == before


# The command.


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "spatialclaw", "view", *arguments]


def test_the_command_prints_the_address_and_ends_on_interrupt(tmp_path: Path) -> None:
    pytest.importorskip("uvicorn")
    write_run(tmp_path)
    process = subprocess.Popen(
        command(str(tmp_path), "--no-browser"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        found = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/\?token=([\w-]{30,})", address)
        assert found is not None, address
        connection = HTTPConnection("127.0.0.1", int(found[1]), timeout=20)
        connection.request("GET", f"/?token={found[2]}")
        assert connection.getresponse().status == 303
        connection.close()
        process.send_signal(2)
        _, errors = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 0
    assert "Traceback" not in errors


def test_a_missing_extra_is_named_in_one_line(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['uvicorn'] = None\n"
        "from spatialclaw.cli import main; main(['view', '.'])"
    )
    line = [sys.executable, "-c", program]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "pip install 'spatialclaw[viewer]'" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["nowhere"], "is no folder"), ([".", "--port", "1"], "cannot be used")],
)
def test_mistakes_are_said_in_one_line(tmp_path: Path, arguments: list[str], said: str) -> None:
    if "--port" in arguments and os.geteuid() == 0:
        arguments = [".", "--port", str(_taken())]
    done = subprocess.run(
        command(*arguments, "--no-browser"),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


_kept: list[Any] = []


def _taken() -> int:
    import socket

    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    _kept.append(listener)
    return int(listener.getsockname()[1])
