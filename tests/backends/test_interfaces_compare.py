# ruff: noqa: E501  (cells in one line each)
"""The four interfaces on the examples leave records that can be compared field by field."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.doubles import cell

import spatialclaw as sc
from spatialclaw.backends.scripted_server import ScriptedServer
from spatialclaw.traces import Run

pytestmark = pytest.mark.kernel

EXAMPLES = Path(__file__).parents[2] / "examples"
MEASURED = "a, b = segment(frames[0], 'bowl')[0], segment(frames[0], 'apple')[0]\nd = measure.distance(a, b)\nprint(d)"
SCRIPTS: dict[str, list[str]] = {
    "code": ["Plan.", cell(MEASURED), cell("submit(d, confidence=0.8)")],
    "tools": [
        "Plan.",
        "```json\n" + json.dumps([
            {"call": "segment", "args": {"frame": "$frames[0]", "what": "bowl"}, "as": "a"},
            {"call": "segment", "args": {"frame": "$frames[0]", "what": "apple"}, "as": "b"},
            {"call": "measure.distance", "args": {"a": "$a[0]", "b": "$b[0]"}, "as": "d"},
        ]) + "\n```",
        '```json\n[{"call": "submit", "args": {"value": "$d", "confidence": 0.8}}]\n```',
    ],
    "single-pass": [cell(f"{MEASURED}\nsubmit(d, confidence=0.8)")],
    "direct": ["The bowl is 0.2 m wide, three of it fit between.\nANSWER: 0.6 m, confidence 0.8"],
}  # fmt: skip


def test_all_four_give_the_same_fields(tmp_path: Path) -> None:
    answers: dict[str, Any] = {}
    runs: dict[str, Run] = {}
    for interface, script in SCRIPTS.items():
        with ScriptedServer(script) as server:
            answer = sc.ask(
                EXAMPLES / "tabletop",
                "What is the distance between the center of the bowl and the center of the apple, in meters?",
                backend="openai", base_url=server.base_url, model=server.model,
                interface=interface, confine="process", runs_dir=tmp_path, max_steps=6,
            )  # fmt: skip
        assert answer.value == pytest.approx(0.6, abs=0.05), interface
        assert (answer.status, answer.unit, answer.interface) == ("submitted", "m", interface)
        assert answer.confidence == 0.8
        runs[interface] = Run(str(answer.run))
        answers[interface] = json.loads((runs[interface].path / "answer.json").read_text())
    assert len({frozenset(answer) for answer in answers.values()}) == 1
    assert len({frozenset(run.facts) for run in runs.values()}) == 1
    for interface, run in runs.items():
        assert run.facts["settings"]["interface"] == interface
    fields: dict[str, set[frozenset[str]]] = {}
    for run in runs.values():
        for event in run.events("reply", "request", "cell", "observation", "submit", "answer"):
            name = f"{event['kind']} {event.get('purpose') == 'step'}"
            optional = {"tools", "scenes"}
            fields.setdefault(name, set()).add(frozenset(set(event) - optional))
    assert all(len(kinds) == 1 for kinds in fields.values()), fields
    steps = {interface: answer["steps"] for interface, answer in answers.items()}
    assert steps == {"code": 2, "tools": 2, "single-pass": 1, "direct": 0}
    # What was measured is evidence in all that can measure.
    for interface in ("code", "tools", "single-pass"):
        assert "bowl" in str(answers[interface]["evidence"])


def test_the_builtin_planner_says_which_interface_it_has(tmp_path: Path) -> None:
    from spatialclaw.errors import ConfigError

    for interface in ("tools", "single-pass", "direct"):
        with pytest.raises(ConfigError, match="builtin planner writes cells"):
            sc.ask(
                EXAMPLES / "tabletop",
                "How many mugs are there?",
                backend="builtin",
                interface=interface,
                runs_dir=tmp_path,
            )
