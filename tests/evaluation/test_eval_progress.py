"""What a running evaluation says where there is no terminal."""

from __future__ import annotations

import pytest

from spatialclaw.evaluation.progress import Progress
from spatialclaw.evaluation.records import Outcome, Result


def result(number: int, outcome: Outcome = "answered", **fields: object) -> Result:
    score = None if outcome == "infra_failed" else float(number % 2)
    return Result("b", f"q{number}", 0, outcome, score=score, **fields)  # type: ignore[arg-type]


def test_a_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(40, [result(0)], line_seconds=0.0)
    for number in range(1, 11):
        progress.add(result(number, usage={"cost_usd": 0.1}))
    progress.add(result(11, "model_failed", failure="no answer"))
    progress.add(result(12, "infra_failed", failure="server"))
    progress.under_way = 3
    progress.show()
    said = capsys.readouterr().err
    assert said.startswith("spatialclaw: 13 of 40 questions, under way 3, rate ")
    assert "accuracy 50.0 [" in said
    assert "cost $1.00" in said
    assert "no answer 1, infrastructure failed 1, failures (no answer 1, server 1)" in said


def test_before_the_first_result_and_when_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    Progress(5, line_seconds=0.0).show()
    assert "0 of 5 questions, under way 0, rate -, left -" in capsys.readouterr().err
    Progress(5, line_seconds=0.0, quiet=True).show()
    Progress(5, line_seconds=60.0).show()
    assert capsys.readouterr().err == ""
