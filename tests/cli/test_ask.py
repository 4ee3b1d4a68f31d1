"""One JSON object that fits its schema, and a run that replays to the same."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from spatialclaw.cli.app import load_commands, run_program
from spatialclaw.traces import answer_schema

QUESTIONS = [
    ("room", "How far is the lamp from the camera?", 0),
    ("room", "How many chairs are there? A. one B. two C. three D. four", 0),
    ("tabletop", "Is the mug closer to the camera than the moon?", 1),
]


@pytest.mark.kernel
@pytest.mark.parametrize(("capture", "question", "status"), QUESTIONS)
def test_json_fits_the_schema_and_the_run_replays(
    tmp_path: Path,
    examples: Path,
    capsys: pytest.CaptureFixture[str],
    capture: str,
    question: str,
    status: int,
) -> None:
    load_commands()
    arguments = ["ask", str(examples / capture), question, "--backend", "builtin", "--json"]
    assert run_program([*arguments, "--runs-dir", str(tmp_path / "runs of mine")]) == status
    out = capsys.readouterr().out
    assert len(out.splitlines()) == 1
    answer = json.loads(out)
    jsonschema.validate(answer, answer_schema())
    assert answer["status"] == ("failed" if status else "submitted")
    run = Path(answer["run_dir"])
    assert json.loads((run / "answer.json").read_text())["text"] == answer["text"]

    assert run_program(["replay", str(run), "--json"]) == 0
    replayed = json.loads(capsys.readouterr().out)
    assert replayed["same"] == replayed["cells"] > 0

    again = [*arguments, "--runs-dir", str(tmp_path / "again")]
    again[again.index("builtin")] = f"replay:{run}"
    run_program(again)
    assert json.loads(capsys.readouterr().out)["answer"] == answer["answer"]
