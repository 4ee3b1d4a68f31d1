"""Evaluations side by side: what differs in their making comes first, noise is called noise."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from evaluation.evaluation_samples import LETTERS, model, right, write_questions

from spatialclaw.backends.scripted_server import FAULTS, Reply, ScriptedServer
from spatialclaw.cli.app import load_commands, run_program
from spatialclaw.evaluation.throttle import Throttle

load_commands()


def evaluated(out: Path, questions: Path, answer: Any, *more: str) -> Path:
    """An evaluation whose model answers so."""
    with ScriptedServer(model(answer)) as server:
        run_program(["eval", str(questions), "--out", str(out), "--json", "--quiet",
                     "--backend", "openai", "--base-url", server.base_url, "--interface", "direct",
                     "--model", server.model, "--retry-infra", "0", "--max-retries", "0",
                     *more])  # fmt: skip
    return out


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("compare")
    questions = write_questions(root / "data", 60, group="")
    rows = [json.loads(line) for line in questions.read_text().splitlines()]
    for i, row in enumerate(rows):
        row["group"] = f"scene {i // 2}"
    questions.write_text("".join(json.dumps(row) + "\n" for row in rows))

    def half(i: int) -> str:
        return right(i) if i % 2 else right(i + 1)

    def slightly(i: int) -> str | Reply:
        if i == 59:
            return FAULTS["500"]
        return right(0) if i == 0 else half(i)

    return {
        "good": evaluated(root / "good", questions, right, "--frames", "8"),
        "half": evaluated(root / "half", questions, half),
        "slightly": evaluated(root / "slightly", questions, slightly),
        "root": root,
    }


def compared(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert run_program(["compare", *arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert isinstance(found, dict)
    return found


def test_a_clear_difference(folders: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    found = compared(capsys, str(folders["half"]), str(folders["good"]))
    assert [(d["name"], d["values"]) for d in found["differences"] if d["matters"]] == [
        ("--frames", {"half": 32, "good": 8})
    ]
    assert any(d["name"] == "--base-url" for d in found["differences"] if not d["matters"])
    facts = found["benchmarks"]["custom:questions"]
    against = facts["against"]["good"]
    assert (against["n"], against["left_out"], against["verdict"]) == (60, 0, "better")
    difference = against["difference"]
    assert difference["value"] == 50.0
    assert (difference["gained"], difference["lost"]) == (30, 0)
    assert difference["low"] > 0
    assert difference["p"] < 0.001
    assert difference["mcnemar"] < 0.001
    assert set(against["tasks"]) == {"kind 0", "kind 1"}
    assert against["tasks"]["kind 0"]["value"] == 100.0
    assert against["tasks"]["kind 1"]["p_holm"] == 1.0
    assert len(against["flipped"]) == 30
    flip = against["flipped"][0]
    assert (flip["uid"], flip["truth"], flip["scores"]) == ("q0", "A", [0.0, 1.0])
    assert flip["read"] == ["B", "A"]


def test_noise_is_called_noise_and_failures_are_left_out(
    folders: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    found = compared(capsys, str(folders["half"]), str(folders["slightly"]), str(folders["good"]))
    facts = found["benchmarks"]["custom:questions"]
    slightly = facts["against"]["slightly"]
    assert slightly["verdict"] == "within the noise"
    assert (slightly["n"], slightly["left_out"]) == (59, 1)
    assert slightly["difference"]["gained"] == 1
    assert facts["sides"]["slightly"]["infra_failed"] == 1
    assert facts["against"]["good"]["verdict"] == "better"


def test_tables(folders: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    names = [str(folders["half"]), str(folders["good"])]
    assert run_program(["compare", *names]) == 0
    said = capsys.readouterr().out
    # What differs in the making stands before the scores.
    assert said.index("--frames") < said.index("+50.0")
    assert "better" in said
    assert run_program(["compare", *names, "--markdown"]) == 0
    page = capsys.readouterr().out
    assert "| --frames | 32 | 8 |" in page
    assert "20 of 30 flipped" in page
    assert run_program(["compare", *names, "--csv"]) == 0
    lines = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [line["type"] for line in lines] == ["all", "kind 0", "kind 1"]
    assert lines[0]["difference"] == "50.0"


def test_what_cannot_be_compared(
    folders: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    half, root = str(folders["half"]), folders["root"]
    other = write_questions(tmp_path / "d", 2).rename(tmp_path / "d" / "other.jsonl")
    elsewhere = evaluated(tmp_path / "elsewhere", other, right)
    capsys.readouterr()
    cases = {
        "nothing to compare": [half],
        "named twice": [half, half],
        "holds no evaluation": [half, str(root / "data")],
        "no benchmark in common": [half, str(elsewhere)],
        "choose one of": [half, str(folders["good"]), "--csv", "--markdown"],
    }
    for message, arguments in cases.items():
        assert run_program(["compare", *arguments]) == 2
        assert message in capsys.readouterr().err


def test_letters() -> None:
    assert right(1) == f"ANSWER: {LETTERS[1]}"


async def test_an_overloaded_endpoint_gets_fewer_requests_and_then_more() -> None:
    now = [0.0]
    throttle = Throttle(16, clock=lambda: now[0])
    for _ in range(16):
        await throttle.acquire()
    for _ in range(16):
        now[0] += 0.01
        throttle.release(seconds=1.0, congested=True)
    # One cut for a volley of refusals, not sixteen.
    assert (throttle.cuts, int(throttle.limit)) == (1, 11)
    for _ in range(6):
        now[0] += 5
        await throttle.acquire()
        throttle.release(seconds=1.0, congested=True)
    assert int(throttle.limit) == 1
    for _ in range(400):
        await throttle.acquire()
        throttle.release(seconds=1.0, congested=False)
    assert throttle.limit == 16
    now[0] += 5
    await throttle.acquire()
    throttle.release(seconds=30.0, congested=False)
    assert throttle.limit < 16
    assert throttle.in_flight == 0


async def test_waiting_for_a_turn_can_be_given_up() -> None:
    import asyncio

    throttle = Throttle(1)
    await throttle.acquire()
    waiting = asyncio.create_task(throttle.acquire())
    next_one = asyncio.create_task(throttle.acquire())
    await asyncio.sleep(0)
    waiting.cancel()
    throttle.release(seconds=1.0, congested=False)
    await asyncio.wait_for(next_one, 1)
    assert throttle.in_flight == 1


def test_subsets_of_one_benchmark_are_paired_by_the_questions_they_share(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from layouts import LAYOUTS

    (tmp_path / "data").mkdir()
    LAYOUTS["vsi-bench"](tmp_path / "data")
    with ScriptedServer(lambda request: "ANSWER: A") as server:
        for name in ("vsi-bench", "vsi-bench@debiased"):
            run_program(["eval", name, "--data-dir", str(tmp_path / "data"), "--quiet", "--out",
                         str(tmp_path / name), "--backend", "openai", "--interface", "direct",
                         "--base-url", server.base_url, "--model", server.model])  # fmt: skip
    capsys.readouterr()
    found = compared(capsys, str(tmp_path / "vsi-bench"), str(tmp_path / "vsi-bench@debiased"))
    facts = found["benchmarks"]["vsi-bench"]["against"]["vsi-bench@debiased"]
    assert facts["n"] > 0
    assert facts["difference"]["value"] == 0.0
    subset = next(d for d in found["differences"] if d["name"] == "vsi-bench: subset")
    assert subset["values"] == {"vsi-bench": None, "vsi-bench@debiased": "debiased"}
