"""The judge of free answers: pinned, recorded, and only where there is no rule."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from evaluation.evaluation_samples import write_questions

from spatialclaw.backends.scripted_server import FAULTS, Reply, ScriptedServer
from spatialclaw.cli.app import load_commands, run_program
from spatialclaw.evaluation import benchmark as benchmarks
from spatialclaw.evaluation.benchmark import find_benchmark
from spatialclaw.evaluation.judge import read_score
from spatialclaw.evaluation.store import read_results

load_commands()


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("SCORE: 1", 1.0),
        ("It is the same.\nSCORE: 0", 0.0),
        ("**SCORE: 0.5**", 0.5),
        ("SCORE: 1\nSCORE: 1", 1.0),
        ("SCORE: 1 or SCORE: 0", None),
        ("SCORE: 7", None),
        ("1", None),
        ("", None),
    ],
)
def test_reading_a_judge(text: str, score: float | None) -> None:
    assert read_score(text) == score


@pytest.fixture
def no_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    """Free texts of one's own are scored by no rule."""
    custom = find_benchmark("custom")
    rule = custom.rule
    assert rule is not None

    def open_rule(kind: str, extra: Any) -> tuple[str, dict[str, Any]]:
        return ("open", {}) if extra.get("answer_type") == "text" else rule(kind, extra)

    found = dict(benchmarks.all_benchmarks())
    from dataclasses import replace

    found["custom"] = replace(custom, rule=open_rule)
    monkeypatch.setattr(benchmarks, "all_benchmarks", lambda: found)


def test_free_answers_are_judged_once_and_it_is_recorded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], no_rule: None
) -> None:
    questions = write_questions(tmp_path / "data", 4, choices=None, truth="a red chair")
    judged: list[str] = []

    def reply(request: dict[str, Any]) -> str | Reply:
        text = json.dumps(request["messages"])
        if request["model"] == "judge":
            judged.append(text)
            if len(judged) == 1:
                return FAULTS["400"] if "400" in FAULTS else Reply(status=400, body="{}")
            return "SCORE: 0" if "table" in text else "The same.\nSCORE: 1"
        return "ANSWER: a table" if "Question 1:" in text else "ANSWER: the chair that is red"

    models = ["scripted-vlm", "judge"]
    with ScriptedServer(reply, models=models) as server:
        arguments = ["eval", str(questions), "--out", str(tmp_path / "out"), "--json",
                     "--backend", "openai", "--base-url", server.base_url, "--interface", "direct",
                     "--model", "scripted-vlm", "--concurrency", "1"]  # fmt: skip
        run_program(arguments)
        unjudged = json.loads(capsys.readouterr().out)["benchmarks"]["custom:questions"]
        assert (unjudged["unscored"], unjudged["mean"]) == (4, None)
        run_program([*arguments, "--judge-model", "judge"])
        said = capsys.readouterr()
        assert "1 of 4 free answers were not judged" in said.err
        assert run_program([*arguments, "--judge-model", "judge"]) == 0
        figures = json.loads(capsys.readouterr().out)["benchmarks"]["custom:questions"]
        assert len(judged) == 5
        assert run_program(["eval", "--rescore", str(tmp_path / "out"), "--json"]) == 0
        assert len(judged) == 5
    assert (figures["unscored"], figures["mean"]["value"]) == (0, 75.0)
    assert all("a red chair" in text for text in judged)
    for result in read_results(tmp_path / "out"):
        assert result.scorer == "judge"
        assert result.judge is not None
        assert result.judge["model"] == "judge"
        assert len(result.judge["prompt"]) == 16
    manifest = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert manifest["judge"]["model"] == "judge"
