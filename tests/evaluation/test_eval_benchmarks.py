"""Every public benchmark through `spatialclaw eval`, from its publisher's own layout to a score."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from layouts import LAYOUTS

from spatialclaw.agent.types import Answer
from spatialclaw.backends.scripted_server import ScriptedServer
from spatialclaw.cli.app import load_commands, run_program
from spatialclaw.evaluation.data import load_dataset
from spatialclaw.evaluation.outcomes import Ended, as_result
from spatialclaw.evaluation.posing import task_of
from spatialclaw.evaluation.scoring import with_score
from spatialclaw.evaluation.store import read_results

load_commands()


@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_from_files_to_a_table(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    LAYOUTS[name](data)

    def reply(request: dict[str, Any]) -> str:
        return "ANSWER: yes" if "yes or no" in json.dumps(request["messages"]) else "ANSWER: A"

    with ScriptedServer(reply) as server:
        where = ["--data-dir", str(data), "--out", str(tmp_path / "out")]
        who = ["--backend", "openai", "--base-url", server.base_url, "--model", server.model]
        how = ["--json", "--quiet", "--interface", "direct", "--retry-infra", "0"]
        run_program(["eval", name, *where, *who, *how])
    (figures,) = json.loads(capsys.readouterr().out)["benchmarks"].values()
    assert figures["pending"] == 0
    assert set(figures["failures"]) <= {"no answer", "media"}
    assert figures["answered"] + figures["model_failed"] > 0
    for result in read_results(tmp_path / "out"):
        assert result.outcome == "infra_failed" or result.scorer
        assert (result.score is None) == (
            result.outcome == "infra_failed" or result.scorer == "open"
        )
    report = (tmp_path / "out" / "report.md").read_text()
    assert f"## {name}" in report


@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_the_true_answer_scores_full_and_silence_nothing(name: str, tmp_path: Path) -> None:
    LAYOUTS[name](tmp_path)
    for row in load_dataset(name, data_dir=tmp_path, cache_dir=tmp_path / "cache").rows:
        task = task_of(row)
        assert task.truth is None
        if row.truth.type not in ("choice", "yes_no", "number", "integer"):
            continue
        value = row.truth.value
        if row.truth.type == "yes_no":
            value = str(value).lower()
        answer = Answer(value, str(value), answer_type=task.answer_type or "text")
        result = with_score(as_result(row, 0, Ended(answer), run="r", attempts=1), row, answer)
        assert result.outcome == "answered"
        # The official rule of some gives nothing for a truth of 0, or reads an interval.
        assert result.score in (None, 1.0) or value in (0, 0.0), (row.uid, result)
        silent = Answer(None, "", status="failed", reason="out of steps")
        nothing = with_score(as_result(row, 0, Ended(silent), run="r", attempts=1), row, silent)
        assert (nothing.outcome, nothing.score or 0.0) == ("model_failed", 0.0)
