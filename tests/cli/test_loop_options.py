"""The options that change how a model is led: each is there, and each does something."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.doubles import cell

from spatialclaw.backends.scripted_server import ScriptedServer
from spatialclaw.cli.app import load_commands, run_program

load_commands()

OPTIONS = ("--route", "--verify", "--votes", "--without", "--prompts-dir", "--primitives",
           "--interface", "--choice", "--answer-type")  # fmt: skip


def test_help_names_them(capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERM", "dumb")
    assert run_program(["ask", "--help"]) == 0
    text = capsys.readouterr().out
    for option in OPTIONS:
        assert option in text


@pytest.mark.kernel
def test_each_does_something(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from PIL import Image

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    photo = tmp_path / "photo.png"
    Image.fromarray(np.zeros((48, 64, 3), np.uint8)).save(photo)
    own = tmp_path / "prompts"
    own.mkdir()
    (own / "plan.md").write_text("Plan in one line. Left: {{ left }}")

    def script(request: dict[str, Any]) -> str:
        text = str(request["messages"][-1]["content"])
        if "Try to refute" in text:
            return '{"verdict": "stands", "why": "ok"}'
        if '"direct" or "look"' in text:
            return '{"route": "look", "confidence": 0.6}'
        turn = sum(m["role"] == "assistant" for m in request["messages"])
        return "Plan." if turn == 0 else cell("submit('B', confidence=0.7)")

    with ScriptedServer(script) as server:
        status = run_program([
            "ask", str(photo), "Which side?", "--choice", "left", "--choice", "right",
            "--base-url", server.base_url, "--model", server.model, "--backend", "openai",
            "--runs-dir", str(tmp_path / "runs"), "--confine", "process", "--json", "--quiet",
            "--route", "always", "--verify", "1", "--votes", "2", "--without", "sanity",
            "--prompts-dir", str(own), "--primitives", "draw",
        ])  # fmt: skip
        requests = server.requests
    answer = json.loads(capsys.readouterr().out)
    assert (status, answer["answer"], answer["confidence"]) == (0, "B", 1.0)
    texts = [json.dumps(request["messages"]) for request in requests]
    assert sum("Try to refute" in text for text in texts) == 2
    assert sum('\\"direct\\" or \\"look\\"' in text for text in texts) == 1
    plans = [text for text in texts if "Plan in one line." in text]
    assert len(plans) == 3
    assert all("Thinking by drawing" in text for text in plans)
    assert not any("Check magnitudes" in text for text in texts)
