"""What a model or a cell says reaches a terminal as text and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from spatialclaw.agent.types import Answer
from spatialclaw.cli.ask import _print_answer
from spatialclaw.cli.console import Console

HOSTILE = "\x1b]52;c;ZXZpbA==\x07\x1b[2J\x1b]0;title\x1b\\ red \x9b31m \u202eevil\x00\r over"


def test_no_escape_sequence_of_a_run_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console()
    console.event({"kind": "plan", "text": HOSTILE})
    error = {"name": "E", "message": HOSTILE}
    result = {"stdout": HOSTILE, "result": HOSTILE, "error": error}
    console.event({"kind": "cell", "number": 1, "code": HOSTILE, "result": result})
    console.event({"kind": "verdict", "text": HOSTILE})
    console.event({"kind": "note", "text": HOSTILE + "x" * 5_000_000})
    answer = Answer(HOSTILE, HOSTILE, evidence=[HOSTILE], run=Path("run"))
    _print_answer(answer, as_json=False, console=console)
    said = capsys.readouterr()
    for text in (said.out, said.err):
        assert " red " in text
        assert not set("\x1b\x9b\x07\x00\r\u202e") & set(text)
    assert len(said.err) < 200_000
