# ruff: noqa: E501  (cells in one line each)
"""Questions about a picture, several pictures and a video, driven over real HTTP."""

from __future__ import annotations

import itertools
import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.doubles import cell

import spatialclaw as sc
from spatialclaw.backends.scripted_server import FAULTS, Reply, ScriptedServer
from spatialclaw.errors import BackendRejected, BackendUnreachable
from spatialclaw.traces import Run

pytestmark = pytest.mark.kernel


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return save(tmp_path / "photo.png", 0)


def save(path: Path, shade: int) -> Path:
    from PIL import Image

    pixels = np.full((120, 160, 3), 30 + shade, np.uint8)
    pixels[40:80, 60:100] = (220, 40, 40)
    Image.fromarray(pixels).save(path)
    return path


def save_video(path: Path, frames: int = 24) -> Path:
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=12)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for i in range(frames):
            pixels = np.full((120, 160, 3), 60, np.uint8)
            pixels[40:80, 4 * i : 4 * i + 30] = (220, 40, 40)
            for packet in stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path


def options(server: ScriptedServer, tmp_path: Path) -> dict[str, Any]:
    return {
        "backend": "openai",
        "base_url": server.base_url,
        "model": server.model,
        "runs_dir": tmp_path / "runs",
        "confine": "process",
        "route": "never",
    }


def pictures(request: dict[str, Any]) -> int:
    return str(request["messages"]).count("data:image/")


def test_a_picture(photo: Path, tmp_path: Path) -> None:
    script = [
        "Look at it, then measure.",
        cell("red = frames[0].image[..., 0] > 150\nprint(red.sum())\nshow(frames[0], title='input')"),
        cell("p = locate(frames[0], 'the red square')\nprint(p)\nprint(look(frames[0], 'Which colour?'))"),
        '```json\n[{"x": 80, "y": 60}]\n```',
        "It is red.",
        cell("submit(int(red.sum()), unit='count', confidence=0.9, evidence=['threshold'])"),
    ]  # fmt: skip
    with ScriptedServer(script) as server:
        answer = sc.ask(photo, "How many pixels are red?", **options(server, tmp_path))
        requests = server.requests
    assert (answer.value, answer.unit, answer.status) == (1600, "px", "submitted")
    assert answer.usage.requests == 6
    assert answer.model == "scripted-vlm"
    assert [pictures(r) for r in requests] == [1, 1, 2, 1, 1, 2]
    events = list(Run(str(answer.run)).events())
    purposes = [e["purpose"] for e in events if e["kind"] == "request"]
    assert purposes == ["plan", "act", "act", "locate", "look", "act"]
    cells = Run(str(answer.run)).cells
    assert "[[80. 60.]]" in cells[1]["result"]["stdout"]
    assert "It is red." in cells[1]["result"]["stdout"]
    assert all(e["usage"]["input_tokens"] > 0 for e in events if "usage" in e)


def test_several_pictures_with_options(tmp_path: Path) -> None:
    photos = [save(tmp_path / f"view{i}.png", 60 * i) for i in range(3)]
    script = [
        "Compare the means.",
        cell("means = [f.image.mean() for f in frames]\nprint(means, choices)\nshow(*frames)"),
        cell("submit('the third', confidence=0.7)"),
    ]
    question = "Which picture is brightest? A. the first B. the second C. the third"
    with ScriptedServer(script) as server:
        answer = sc.ask(photos, question, **options(server, tmp_path))
        first = server.requests[0]["messages"][1]["content"]
    assert (answer.value, answer.text) == ("C", "C. the third")
    assert sum(part["type"] == "image_url" for part in first) == 3
    assert "A. the first" in first[0]["text"]


def test_a_video_with_faults_on_the_way(tmp_path: Path) -> None:
    video = save_video(tmp_path / "clip.mp4")
    script: list[Any] = [
        FAULTS["429"],
        "Track the red thing.",
        FAULTS["html"],
        "I think it moves to the right.",
        Reply("```python\nfor f in frames:\n    print(f.ti", finish="length"),
        FAULTS["dropped"],
        cell("print(nothing_of_that_name)"),
        FAULTS["truncated"],
        cell("x = [np.nonzero(f.image[..., 0] > 150)[1].mean() for f in frames]\nprint(x[0], x[-1])"),
        FAULTS["503"],
        cell("submit('right' if x[-1] > x[0] else 'left', confidence=0.9)"),
    ]  # fmt: skip
    with ScriptedServer(script) as server:
        answer = sc.ask(
            video, "Which way does the red thing move?", frames=8, **options(server, tmp_path)
        )
        requests = server.requests
    assert answer.value == "right"
    assert answer.status == "submitted"
    assert answer.steps == 3
    texts = json.dumps([m["content"] for m in requests[-1]["messages"]])
    assert "held no Python cell" in texts
    assert "was cut off" in texts
    assert "NameError" in texts
    assert "nothing_of_that_name" in texts


def test_requests_grow_at_their_end_only(photo: Path, tmp_path: Path) -> None:
    script = ["Plan.", *(cell(f"print({i})") for i in range(5)), cell("submit(1, 'm')")]
    with ScriptedServer(script) as server:
        sc.ask(photo, "How far is it?", **options(server, tmp_path))
        bodies = [json.dumps(request["messages"]) for request in server.requests]
    assert len(bodies) == 7
    for before, after in itertools.pairwise(bodies):
        assert after.startswith(before[:-1])


def test_a_killed_kernel_is_explained_to_the_model(photo: Path, tmp_path: Path) -> None:
    script = [
        "Plan.",
        cell("kept = 1"),
        cell("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"),
        cell("print('kept' in dir(), len(frames))"),
        cell("submit(2, 'm')"),
    ]
    with ScriptedServer(script) as server:
        answer = sc.ask(photo, "How far is it?", **options(server, tmp_path))
        seen = server.requests[3]["messages"][-1]["content"]
        after = server.requests[4]["messages"][-1]["content"]
    assert answer.value == 2
    assert "ended the kernel" in seen
    assert "State:" in seen
    assert "1" in after


def test_the_budget_ends_in_a_best_guess(photo: Path, tmp_path: Path) -> None:
    script = ["Plan.", cell("print(1)"), cell("print(2)"), "ANSWER: 1.5 m"]
    with ScriptedServer(script) as server:
        answer = sc.ask(photo, "How far is it?", max_steps=2, **options(server, tmp_path))
    assert (answer.value, answer.unit, answer.status) == (1.5, "m", "best_guess")


def test_tokens_are_capped(photo: Path, tmp_path: Path) -> None:
    big = Reply(cell("print(1)"), usage={"prompt_tokens": 9000, "completion_tokens": 10})
    script = ["Plan.", big, "ANSWER: 2 m", cell("print('never')")]
    with ScriptedServer(script) as server:
        answer = sc.ask(photo, "How far is it?", max_tokens=30_000, **options(server, tmp_path))
    assert answer.usage.input_tokens + answer.usage.output_tokens < 30_000
    assert answer.value == 2
    assert answer.status == "best_guess"
    assert "tokens" in answer.reason


def test_a_server_that_dies_leaves_a_readable_run(photo: Path, tmp_path: Path) -> None:
    script: Any = ["Plan.", cell("print(1)"), *[FAULTS["500"]] * 3]
    with ScriptedServer(script) as server, pytest.raises(BackendUnreachable) as raised:
        sc.ask(photo, "How far is it?", max_retries=1, **options(server, tmp_path))
    assert raised.value.exit_status == 3
    run = Run(next((tmp_path / "runs").iterdir()))
    assert len(run.cells) == 1
    assert run.answer is not None
    assert run.answer["status"] == "failed"


def test_a_wrong_model_ends_before_a_cell_ran(photo: Path, tmp_path: Path) -> None:
    with (
        ScriptedServer([], models=["qwen3-vl"]) as server,
        pytest.raises(BackendRejected) as raised,
    ):
        sc.ask(photo, "How far?", **{**options(server, tmp_path), "model": "qwen3"})
    assert "It has: qwen3-vl" in str(raised.value)


def test_a_recorded_run_answers_again(photo: Path, tmp_path: Path) -> None:
    script = [
        "Plan.",
        cell("p = locate(frames[0], 'the red square')\nprint(look(frames[0], 'Colour?'))"),
        '[{"x": 81, "y": 61}]',
        "Red.",
        cell("submit(float(p[0][0]), unit='px')"),
    ]
    with ScriptedServer(script) as server:
        first = sc.ask(photo, "Where is it across?", **options(server, tmp_path))
    again = sc.ask(
        photo, "Where is it across?", backend=f"replay:{first.run}",
        runs_dir=tmp_path / "runs", confine="process",
    )  # fmt: skip
    assert (again.value, again.unit, again.status) == (first.value, first.unit, "submitted")
    assert again.backend == "replay"
    outputs = [
        [c["result"]["stdout"] for c in Run(str(answer.run)).cells] for answer in (first, again)
    ]
    assert outputs[0] == outputs[1]


def test_a_replay_that_goes_another_way_says_so(photo: Path, tmp_path: Path) -> None:
    from spatialclaw.errors import RunError

    with ScriptedServer(["Plan.", cell("submit(len(frames), 'count')")]) as server:
        first = sc.ask(photo, "How many pictures?", **options(server, tmp_path))
    with pytest.raises(RunError, match="asks for one more"):
        sc.ask(
            photo, "Which one?", choices=["left", "right"], backend=f"replay:{first.run}",
            runs_dir=tmp_path / "runs", confine="process",
        )  # fmt: skip


def test_a_look_comes_first_by_default(photo: Path, tmp_path: Path) -> None:
    plain = '{"route": "direct", "confidence": 0.95, "answer": "red", "why": "it is red"}'
    more = '{"route": "investigate", "confidence": 0.7, "why": "it is far"}'
    with ScriptedServer([plain]) as server:
        given = {k: v for k, v in options(server, tmp_path).items() if k != "route"}
        answer = sc.ask(photo, "Which colour?", choices=["red", "blue"], **given)
    assert (answer.value, answer.usage.requests, answer.confidence) == ("A", 1, 0.95)
    note = next(e for e in Run(str(answer.run)).events("note") if "route" in e)
    assert (note["route"], note["confidence"]) == ("direct", 0.95)
    with ScriptedServer([more, "Plan.", cell("submit('B')")]) as server:
        given |= {"base_url": server.base_url}
        answer = sc.ask(photo, "Which colour?", choices=["red", "blue"], **given)
    assert (answer.value, answer.usage.requests) == ("B", 3)
    # An amount has to be measured, whatever it looks like.
    with ScriptedServer(["Plan.", cell("submit(2, 'm')")]) as server:
        given |= {"base_url": server.base_url}
        assert sc.ask(photo, "How far is it?", **given).usage.requests == 2


def test_votes_run_side_by_side_from_one_plan(photo: Path, tmp_path: Path) -> None:
    values = {0: 2.0, 1: 2.1, 2: 7.0}
    meeting = threading.Barrier(3, timeout=20)

    def script(request: dict[str, Any]) -> str:
        turn = sum(m["role"] == "assistant" for m in request["messages"])
        if turn == 0:
            return "The plan of all."
        if turn == 1:
            meeting.wait()  # nobody goes on before all three have asked
            return cell("print('seen' in dir())\nseen = 1\nshow(frames[0])")
        return cell(f"submit({values[request['seed']]}, 'm')")

    with ScriptedServer(script) as server:
        answer = sc.ask(photo, "How far is it?", votes=3, **options(server, tmp_path))
        turns = [sum(m["role"] == "assistant" for m in r["messages"]) for r in server.requests]
        seeds = sorted(r["seed"] for r in server.requests)
        plans = {r["messages"][2]["content"] for r in server.requests if len(r["messages"]) > 2}
    assert answer.value == 2.1
    assert answer.confidence == pytest.approx(2 / 3, abs=1e-3)
    assert sorted(turns) == [0, 1, 1, 1, 2, 2, 2]
    assert seeds == [0, 0, 0, 1, 1, 2, 2]
    assert plans == {"The plan of all."}
    main = Run(str(answer.run))
    runs = [main, *(Run(main.path / "votes" / str(n)) for n in (2, 3))]
    for run, value in zip(runs, values.values(), strict=True):
        assert run.cells[0]["result"]["stdout"].strip() == "False"
        assert [e["text"] for e in run.events("plan")] == ["The plan of all."]
        assert run.cells[-1]["result"]["submission"]["value"] == value
    recorded = main.answer
    assert recorded is not None
    assert recorded["answer"] == 2.1
    assert recorded["usage"]["requests"] == 7


def test_a_branch_that_breaks_off_is_a_vote_less(photo: Path, tmp_path: Path) -> None:
    def script(request: dict[str, Any]) -> Any:
        if request["seed"] == 1:
            return FAULTS["401"]
        turn = sum(m["role"] == "assistant" for m in request["messages"])
        return "Plan." if turn == 0 else cell("submit(2.0, 'm')")

    with ScriptedServer(script) as server:
        answer = sc.ask(photo, "How far is it?", votes=3, **options(server, tmp_path))
    assert answer.value == 2.0
    assert answer.confidence == pytest.approx(2 / 3, abs=1e-3)
    with ScriptedServer(lambda r: FAULTS["401"]) as server, pytest.raises(BackendRejected):
        sc.ask(photo, "How far is it?", votes=2, **options(server, tmp_path))


def test_votes_of_one_who_writes_one_at_a_time_follow_each_other(
    photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from spatialclaw.backends.openai import OpenAIBackend

    monkeypatch.setattr(OpenAIBackend, "concurrent", False)
    script: list[Any] = []
    for value in (2.0, 2.1, 7.0):
        script += ["Plan.", cell("print('seen' in dir())\nseen = 1"), cell(f"submit({value}, 'm')")]
    with ScriptedServer(script) as server:
        answer = sc.ask(photo, "How far is it?", votes=3, **options(server, tmp_path))
        seeds = {request["seed"] for request in server.requests}
    assert answer.value == 2.1
    outputs = [c["result"]["stdout"].strip() for c in Run(str(answer.run)).cells]
    assert outputs[::2] == ["False"] * 3
    assert seeds == {0, 1, 2}


def test_a_second_opinion_over_http(photo: Path, tmp_path: Path) -> None:
    script = [
        "Plan.",
        cell("submit(2, 'm')"),
        '{"verdict": "refuted", "why": "nothing was measured"}',
        cell("submit(3, 'm', evidence=['the tape in the picture'])"),
    ]
    with ScriptedServer(script) as server:
        answer = sc.ask(photo, "How far is it?", verify=1, **options(server, tmp_path))
    assert (answer.value, answer.status, answer.usage.requests) == (3, "submitted", 4)


@pytest.mark.parametrize("interface", ["tools", "single-pass", "direct"])
def test_the_other_interfaces_over_http(photo: Path, tmp_path: Path, interface: str) -> None:
    native = {"tool_calls": [{"id": "1", "type": "function", "function": {
        "name": "submit", "arguments": '{"value": 2, "unit": "m"}'}}]}  # fmt: skip
    script: dict[str, list[Any]] = {
        "tools": [
            '```json\n[{"call": "show", "args": {"things": ["$frames[0]"]}}]\n```',
            Reply(None, message=native, finish="tool_calls"),
        ],
        "single-pass": [cell("submit(float(frames[0].width) / 80, 'm')")],
        "direct": ["It is near.\nANSWER: 2 m"],
    }
    with ScriptedServer(script[interface]) as server:
        answer = sc.ask(photo, "How far is it?", interface=interface, **options(server, tmp_path))
    assert (answer.value, answer.unit, answer.status) == (2, "m", "submitted")
    assert answer.interface == interface


def test_a_section_of_the_prompts_can_be_left_out(photo: Path, tmp_path: Path) -> None:
    from spatialclaw.errors import ConfigError

    with ScriptedServer(["Plan.", cell("submit(2, 'm')")] * 2) as server:
        sc.ask(photo, "How far?", **options(server, tmp_path))
        sc.ask(photo, "How far?", without="sanity, no-tools", **options(server, tmp_path))
        whole, part = (server.requests[i]["messages"][0]["content"] for i in (0, 2))
    assert "Check magnitudes" in whole
    assert "Check magnitudes" not in part
    with ScriptedServer([]) as server, pytest.raises(ConfigError, match="no section 'nonsense'"):
        sc.ask(photo, "How far?", without="nonsense", **options(server, tmp_path))


def test_drawing_can_be_all_there_is(photo: Path, tmp_path: Path) -> None:
    script = [
        "Plan.",
        cell("print('depth' in dir(), 'geometry' in dir())\nshow(draw.boxes(frames[0], [[60, 40, 99, 79]], ['red']))"),
        cell("submit(2, 'm')"),
    ]  # fmt: skip
    with ScriptedServer(script) as server:
        answer = sc.ask(photo, "How far?", primitives="draw", **options(server, tmp_path))
        system = server.requests[0]["messages"][0]["content"]
    cells = Run(str(answer.run)).cells
    assert cells[0]["result"]["stdout"].strip() == "False False"
    assert len(cells[0]["images"]) == 1
    assert "- `draw`" in system
    assert "- `geometry`" not in system


def test_an_environment_loads_starts_and_records_by_itself(photo: Path, tmp_path: Path) -> None:
    with sc.Environment(confine="process", runs_dir=tmp_path / "runs", max_steps=7) as environment:
        task = sc.Task("How wide is it?", (photo,), unit="px", truth=160)
        first = environment.reset(task, seed=1)
        assert first.kind == "plan"
        assert first.info["left"]["steps"] == 7
        environment.step("Count columns.")
        seen = environment.step(cell("print(frames[0].width)"))
        assert "160" in seen.text
        assert environment.step(cell("submit(frames[0].width, 'px')")).done
        assert environment.score()["correct"] is True
    run = Run(next((tmp_path / "runs").iterdir()))
    assert len(run.cells) == 2
    assert run.answer is not None
    assert run.answer["answer"] == 160
