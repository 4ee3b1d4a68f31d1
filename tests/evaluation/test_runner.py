"""Evaluations from the command line against a server that misbehaves: what the user gets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from evaluation.evaluation_samples import asked, model, right, write_questions

from spatialclaw.backends.scripted_server import FAULTS, Reply, ScriptedServer
from spatialclaw.cli.app import load_commands, run_program
from spatialclaw.evaluation.runner import select
from spatialclaw.evaluation.store import Store, read_results

load_commands()


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    return write_questions(tmp_path / "data", 12)


def line(questions: Path, out: Path, server: ScriptedServer | None, *more: str) -> list[str]:
    where = ["--backend", "builtin"]
    if server is not None:
        where = ["--backend", "openai", "--base-url", server.base_url, "--model", server.model,
                 "--interface", "direct", "--max-retries", "0"]  # fmt: skip
    return ["eval", str(questions), "--out", str(out), "--json", *where, *more]


def run(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> tuple[int, Any, str]:
    """Exit status, the JSON object on stdout or None, and stderr."""
    status = run_program(arguments)
    said = capsys.readouterr()
    return status, json.loads(said.out) if said.out else None, said.err


def only(summary: dict[str, Any]) -> dict[str, Any]:
    (benchmark,) = summary["benchmarks"].values()
    assert isinstance(benchmark, dict)
    return benchmark


def test_right_wrong_and_silent(
    questions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def answer(i: int) -> str:
        return {0: "ANSWER: C", 1: "I cannot tell."}.get(i, right(i))

    with ScriptedServer(model(answer)) as server:
        status, summary, _ = run(capsys, line(questions, tmp_path / "out", server))
    figures = only(summary)
    assert status == 0
    assert (figures["answered"], figures["model_failed"], figures["infra_failed"]) == (11, 1, 0)
    assert figures["mean"]["value"] == figures["mean_of_all"] == round(100 * 10 / 12, 2)
    assert figures["mean"]["groups"] == 3
    assert figures["distribution"]["A"] == {"C": 1, "A": 2}
    assert figures["distribution"]["B"] == {"no answer": 1, "B": 2}
    assert set(figures["tasks"]) == {"kind 0", "kind 1"}
    by_id = {r.uid: r for r in read_results(tmp_path / "out")}
    assert (by_id["q1"].outcome, by_id["q1"].score, by_id["q1"].reply) == ("model_failed", 0.0, "")
    assert by_id["q2"].raw == "ANSWER: C"
    assert (tmp_path / "out" / by_id["q2"].run / "answer.json").is_file()
    report = (tmp_path / "out" / "report.md").read_text()
    assert "83.3" in report
    assert len((tmp_path / "out" / "results.csv").read_text().splitlines()) == 13


def test_the_same_command_asks_nothing_twice(
    questions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with ScriptedServer(model(right)) as server:
        arguments = line(questions, tmp_path / "out", server, "--limit", "5")
        first = run(capsys, arguments)
        before = asked(server.requests)
        second = run(capsys, arguments)
        assert asked(server.requests) == before
        assert first[:2] == second[:2]
        assert "5 of 5 questions are answered already" in second[2]
        # More questions of the same shuffle: only the new ones are asked.
        more = line(questions, tmp_path / "out", server, "--limit", "9", "--epochs", "2")
        _, summary, _ = run(capsys, more)
        assert Counter(Counter(asked(server.requests)).values()) == {2: 9}
    assert only(summary)["answered"] == 18
    assert only(summary)["pass_at_k"] == {"pass@1": 100.0, "pass@2": 100.0}
    assert only(summary)["epochs"]["spread"] == 0.0


def test_other_settings_are_refused_with_the_difference(
    questions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    with ScriptedServer(model(right)) as server:
        arguments = line(questions, out, server, "--limit", "2")
        assert run(capsys, arguments)[0] == 0
        status, _, said = run(capsys, [*arguments, "--frames", "7", "--temperature", "0.5"])
        assert status == 2
        assert "--frames was 32, is 7; --temperature was unset, is 0.5" in said
        assert "--fork" in said
        status, summary, _ = run(capsys, [*arguments, "--frames", "7", "--fork"])
        assert (status, summary["folder"]) == (0, str(tmp_path / "out-2"))
        # Where the server is does not matter, what it is does.
        changed = arguments.copy()
        changed[changed.index("--model") + 1] = "other"
        server.models.append("other")
        assert "--model was scripted-vlm, is other" in run(capsys, changed)[2]
        kept = questions.read_text()
        questions.write_text(kept.replace("Question 7:", "Question 70:"))
        status, _, said = run(capsys, arguments)
        assert status == 2
        assert "custom:questions: data was 12 questions, sha256" in said
        questions.write_text(kept)
        other = write_questions(tmp_path / "elsewhere", 3).rename(tmp_path / "elsewhere/b.jsonl")
        status, _, said = run(capsys, line(other, out, server))
        assert status == 2
        assert "holds an evaluation of custom:questions, not of custom:b" in said
        (tmp_path / "full").mkdir()
        (tmp_path / "full" / "thesis.tex").write_text("years of work")
        status, _, said = run(capsys, line(questions, tmp_path / "full", server))
        assert status == 2
        assert "not empty and holds no evaluation (thesis.tex)" in said
    with ScriptedServer(model(right)) as elsewhere:
        assert run(capsys, line(questions, out, elsewhere, "--limit", "2"))[0] == 0


def test_a_server_that_fails_at_times_costs_nothing(
    questions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: Counter[int] = Counter()
    kinds = ["429", "500", "html", "truncated", "dropped", "no choices"]

    def answer(i: int) -> str | Reply:
        seen[i] += 1
        return FAULTS[kinds[i % 6]] if seen[i] == 1 else right(i)

    with ScriptedServer(model(answer)) as server:
        status, summary, _ = run(capsys, line(questions, tmp_path / "out", server))
    assert (status, only(summary)["mean"]["value"]) == (0, 100.0)
    store = Store(tmp_path / "out")
    assert len(store.attempts()) == 12
    assert {r.attempts for r in store.results()} == {2}
    assert len(list((tmp_path / "out" / "aside").glob("*/*"))) == 12


def test_what_keeps_failing_is_counted_apart_and_tried_again_later(
    questions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = {3}

    def answer(i: int) -> str | Reply:
        return FAULTS["500"] if i in broken else right(i)

    with ScriptedServer(model(answer)) as server:
        arguments = line(questions, tmp_path / "out", server, "--retry-infra", "1")
        status, summary, _ = run(capsys, arguments)
        figures = only(summary)
        assert status == 1
        assert (figures["answered"], figures["infra_failed"]) == (11, 1)
        assert figures["failures"] == {"server": 1}
        assert figures["mean"]["value"] == 100.0
        assert figures["mean_of_all"] == round(100 * 11 / 12, 2)
        broken.clear()
        before = len(asked(server.requests))
        status, summary, _ = run(capsys, arguments)
        assert asked(server.requests)[before:] == [3]
    assert (status, only(summary)["mean_of_all"]) == (0, 100.0)


def test_a_server_that_dies_ends_the_evaluation_which_then_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    questions = write_questions(tmp_path / "data", 40)
    dead = threading.Event()
    count = Counter[str]()

    def answer(i: int) -> str | Reply:
        count["asked"] += 1
        if count["asked"] > 10:
            dead.set()
        return FAULTS["503"] if dead.is_set() else right(i)

    with ScriptedServer(model(answer)) as server:
        arguments = line(questions, tmp_path / "out", server, "--retry-infra", "0",
                         "--concurrency", "3")  # fmt: skip
        status, summary, said = run(capsys, arguments)
        assert status == 3
        assert "questions in a row failed" in said
        assert "The same command goes on" in said
        assert only(summary)["pending"] > 5
        count["asked"] = -1000
        dead.clear()
        status, summary, _ = run(capsys, arguments)
    assert (status, only(summary)["mean"]["value"]) == (0, 100.0)


def test_a_wrong_key_is_told_before_anything_is_begun(
    questions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with ScriptedServer(model(right), api_key="sk-another-key-entirely") as server:
        status, _, said = run(capsys, line(questions, tmp_path / "out", server))
    assert status == 3
    assert "SPATIALCLAW_API_KEY" in said
    assert not (tmp_path / "out").exists()


def test_the_total_cost_holds(
    questions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    usage = {"prompt_tokens": 400, "completion_tokens": 100}

    def answer(i: int) -> Reply:
        return Reply(right(i), usage=usage)

    prices = ["--price-input", "1000", "--price-output", "1000", "--concurrency", "1"]
    with ScriptedServer(model(answer)) as server:
        arguments = line(questions, tmp_path / "out", server, *prices)
        status, summary, said = run(capsys, [*arguments, "--max-total-cost", "1.9"])
        assert status == 1
        assert "has cost 2.00 of 1.90 US dollars" in said
        assert only(summary)["answered"] == 4
        status, summary, _ = run(capsys, [*arguments, "--max-total-cost", "100"])
    assert (status, summary["cost_usd"]) == (0, 6.0)


def test_an_answer_whose_row_was_not_written_yet_is_taken_over(
    questions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    with ScriptedServer(model(right)) as server:
        arguments = line(questions, out, server, "--limit", "3")
        run(capsys, arguments)
        store = Store(out)
        lost = store.results()[0]
        store._db.execute("DELETE FROM results WHERE uid = ?", (lost.uid,))
        store._db.commit()
        store.close()
        # And one that was killed half-way: its folder is there without an answer.
        before = asked(server.requests)
        status, summary, _ = run(capsys, arguments)
        assert asked(server.requests) == before
    assert (status, only(summary)["answered"]) == (0, 3)
    again = {r.uid: r for r in read_results(out)}[lost.uid]
    assert (again.score, again.reply, again.run) == (lost.score, lost.reply, lost.run)
    assert again.note == "taken over from a finished run"


def test_media_that_cannot_be_read_fail_alone(
    questions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (questions.parent / "1.png").write_bytes(b"\x89PNG and nothing more")
    with ScriptedServer(model(right)) as server:
        status, summary, _ = run(capsys, line(questions, tmp_path / "out", server))
        assert {i % 3 for i in asked(server.requests)} == {0, 2}
    figures = only(summary)
    assert status == 1
    assert (figures["answered"], figures["infra_failed"], figures["failures"]) == (
        8,
        4,
        {"media": 4},
    )
    assert figures["mean"]["value"] == 100.0


def test_rescoring_asks_no_model(
    questions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    with ScriptedServer(model(right)) as server:
        run(capsys, line(questions, out, server))
        count = len(server.requests)
        store = Store(out)
        results = store.results()
        # As if an older scorer had read one of them wrongly.
        from dataclasses import replace

        store.replace([replace(results[0], score=0.0, scorer_version=0)])
        store.close()
        questions.unlink()
        status, summary, said = run(capsys, ["eval", "--rescore", str(out), "--json"])
        assert len(server.requests) == count
    assert (status, only(summary)["mean"]["value"]) == (0, 100.0)
    assert "1 scores changed" in said
    assert read_results(out) == results


def test_shards_make_the_whole(
    questions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def answer(i: int) -> str:
        return "ANSWER: A"

    with ScriptedServer(model(answer)) as server:
        _, whole, _ = run(capsys, line(questions, tmp_path / "whole", server, "--limit", "11"))
        for shard in range(3):
            more = ["--limit", "11", "--shard", f"{shard}/3"]
            assert run(capsys, line(questions, tmp_path / "parts", server, *more))[0] == 0
        status, merged, _ = run(capsys, ["eval", "--merge", str(tmp_path / "parts"), "--json"])
    skip = ("seconds_median",)
    kept = [{k: v for k, v in only(s).items() if k not in skip} for s in (whole, merged)]
    assert status == 0
    assert kept[0] == kept[1]
    assert (tmp_path / "parts" / read_results(tmp_path / "parts")[0].run).is_dir()


@pytest.mark.parametrize("bad", ["3/3", "x", "-1/2", "1"])
def test_bad_shards(bad: str, questions: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, ["eval", str(questions), f"--shard={bad}"])[0] == 2


def test_the_manifest_is_enough_to_repeat_and_holds_no_secret(
    questions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    monkeypatch.setenv("SPATIALCLAW_API_KEY", "sk-abcdefghijklmnopqrstuvwxyz")
    with ScriptedServer(model(right), api_key="sk-abcdefghijklmnopqrstuvwxyz") as server:
        run(capsys, line(questions, tmp_path / "out", server, "--limit", "4", "--seed", "3"))
    written = (tmp_path / "out" / "evaluation.json").read_text()
    manifest = json.loads(written)
    assert "sk-abc" not in written
    assert manifest["settings"]["seed"] == 3
    assert manifest["sources"]["seed"] == "flag"
    assert manifest["backend"] == {"name": "openai", "model": "scripted-vlm"}
    assert len(manifest["benchmarks"][0]["ids"]) == 4
    assert manifest["benchmarks"][0]["scorers"] == {"choice": 1}
    assert len(manifest["prompts"]["direct.md"]) == 16
    for path in (tmp_path / "out").rglob("*.json*"):
        assert "sk-abc" not in path.read_text()


def test_a_subset_is_a_shuffle_cut_to_length() -> None:
    import random

    rows: list[Any] = list(range(100))
    expected = rows.copy()
    random.Random(42).shuffle(expected)
    assert select(rows, 10) == expected[:10]
    assert select(rows, None) == select(rows, 100) == rows
    parts = [select(rows, 10, 42, (i, 3)) for i in range(3)]
    assert sorted(row for part in parts for row in part) == sorted(expected[:10])


@pytest.mark.kernel
def test_cells_run_and_the_builtin_planner_answers(
    examples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = line(examples / "questions.jsonl", tmp_path / "out", None, "--limit", "4",
                     "--concurrency", "2")  # fmt: skip
    status, summary, _ = run(capsys, arguments)
    assert status == 0
    assert only(summary)["answered"] + only(summary)["model_failed"] == 4
    first = read_results(tmp_path / "out")[0]
    assert first.steps > 0
    assert (tmp_path / "out" / first.run / "cells.py").is_file()


@pytest.mark.slow
def test_killed_again_and_again_the_table_is_the_same(tmp_path: Path) -> None:
    from spatialclaw.benchmarks.performance import eval_kill
    from spatialclaw.benchmarks.performance.eval_questions import model as faulty
    from spatialclaw.benchmarks.performance.eval_questions import write_questions as write

    questions = write(tmp_path / "data", 40)
    more = ("--interface", "direct")
    with ScriptedServer(faulty(faults=0.15), latency=0.2) as server:
        calm = eval_kill.command(server, questions, tmp_path / "calm", *more)
        subprocess.run(calm, stdout=subprocess.DEVNULL, check=False)
        hit, status = eval_kill.kill_run(
            eval_kill.command(server, questions, tmp_path / "killed", *more),
            10,
            lambda: len(server.requests),
            longest=1.0,
        )
    assert hit >= 3
    assert status == 0
    assert eval_kill.figures(tmp_path / "calm") == eval_kill.figures(tmp_path / "killed")
    assert eval_kill.per_question(tmp_path / "calm") == eval_kill.per_question(tmp_path / "killed")


@pytest.mark.slow
def test_interrupted_by_a_scheduler(questions: Path, tmp_path: Path) -> None:
    with ScriptedServer(model(lambda i: Reply(right(i), delay=0.0 if i < 6 else 20.0))) as server:
        arguments = line(questions, tmp_path / "out", server)
        process = subprocess.Popen(
            [sys.executable, "-m", "spatialclaw", *arguments],
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        until = time.monotonic() + 60
        while time.monotonic() < until and len(asked(server.requests)) < 8:
            time.sleep(0.05)
        time.sleep(1)
        process.terminate()
        _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "the same command goes on" in said
    assert "Traceback" not in said
    assert len(read_results(tmp_path / "out")) >= 2
