"""A recorded run is continued from a step; a session branches; kernels come from a pool."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from support.doubles import cell

import spatialclaw as sc
from spatialclaw.agent.assemble import assemble, kernel_pool
from spatialclaw.agent.earlier import Earlier, execute_earlier
from spatialclaw.agent.types import Task
from spatialclaw.backends.scripted_server import ScriptedServer
from spatialclaw.cli.app import load_commands, run_program
from spatialclaw.config import Settings
from spatialclaw.errors import RunError, UsageError
from spatialclaw.traces import Recorder, Run, new_run_dir

pytestmark = pytest.mark.kernel

PLAN = "Count, then measure."
REPLIES = [
    PLAN,
    cell("a = 20 + 1\nprint('a is', a)"),
    cell("b = a * 2\nlook(frames[0], 'Is it there?')"),
    "yes, it is",
    cell("1 / 0"),
    cell("submit(b, unit='m', confidence=0.5)"),
]


def ask_cli(server: ScriptedServer, *arguments: str) -> int:
    load_commands()
    where = ["--base-url", server.base_url, "--model", server.model, "--backend", "openai"]
    return run_program(["ask", *arguments, *where, "--verify", "0", "--json"])


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory, examples: Path) -> Path:
    """A run of four cells, the third of which failed."""
    runs = tmp_path_factory.mktemp("runs")
    with ScriptedServer(REPLIES) as server:
        answer = sc.ask(
            examples / "room", "How far is the lamp?", backend="openai", verify=0, frames=3,
            base_url=server.base_url, model=server.model, runs_dir=runs,
        )  # fmt: skip
    assert answer.status == "submitted", answer
    assert answer.run is not None
    assert len(Run(answer.run).cells) == 4
    return answer.run


def test_a_run_goes_on_after_a_step_with_its_variables_and_its_question(
    run_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    replies = ["Go on.", cell("submit(a + b, unit='m', confidence=0.5)")]
    with ScriptedServer(replies) as server:
        runs = ["--runs-dir", str(tmp_path)]
        assert ask_cli(server, "--from", str(run_dir), "--step", "2", *runs) == 0
        first = json.dumps(server.requests[0])
    answer = json.loads(capsys.readouterr().out)
    assert answer["answer"] == 63
    # the agent is told what was done; look() was answered from the record, not by the model
    for said in ("How far is the lamp?", PLAN, "a is 21", "b = a * 2", "yes, it is"):
        assert said in first, said
    assert "1 / 0" not in first
    run = Run(answer["run_dir"])
    assert run.facts["continues"] == {"run": str(run_dir.resolve()), "step": 2}
    assert run.facts["settings"]["frames"] == 3
    assert [c["code"].split()[0] for c in run.cells] == ["a", "b", "submit(a"]

    # and what continues can be continued, and replayed
    with ScriptedServer(["Go on.", cell("submit(b, unit='m')")]) as server:
        assert ask_cli(server, "--from", str(run.path), "--step", "2", *runs, "How high?") == 0
        first = json.dumps(server.requests[0])
    assert "It was asked: How far is the lamp?" in first
    assert "How high?" in first
    assert json.loads(capsys.readouterr().out)["answer"] == 42
    assert run_program(["replay", str(run.path), "--json"]) == 0


def test_a_failed_cell_fails_again_and_leaves_nothing(run_dir: Path, tmp_path: Path) -> None:
    with sc.Session.from_run(run_dir, 3, runs_dir=tmp_path) as session:
        assert session.read("b") == 42
        assert session.run("a").result == "21"
        assert session.run_dir is not None
        cells = Run(session.run_dir).cells
    assert [c["result"]["status"] for c in cells] == ["ok", "ok", "error", "ok"]


def test_step_zero_executes_nothing(run_dir: Path, tmp_path: Path) -> None:
    with sc.Session.from_run(run_dir, 0, runs_dir=tmp_path) as session:
        assert session.run("len(frames)").result == "3"
        error = session.run("a").error
        assert error is not None
        assert error.name == "NameError"


@pytest.mark.parametrize("step", ["5", "-1"])
def test_a_step_that_is_not_there(
    run_dir: Path, capsys: pytest.CaptureFixture[str], step: str
) -> None:
    load_commands()
    assert run_program(["ask", "--from", str(run_dir), f"--step={step}"]) == 2
    assert f"there is no step {step}" in capsys.readouterr().err


def test_mistakes_with_from(
    run_dir: Path, tmp_path: Path, examples: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    load_commands()
    room = str(examples / "room")
    assert run_program(["ask", room, "How far?", "--step", "1"]) == 2
    assert "--step belongs to --from" in capsys.readouterr().err
    assert run_program(["ask", room, "How far?", "--from", str(run_dir)]) == 2
    assert "media are those of the run" in capsys.readouterr().err
    assert run_program(["ask", "--from", str(tmp_path)]) == 2
    assert "not a run folder" in capsys.readouterr().err
    assert run_program(["ask"]) == 2


def test_changed_media_are_refused(run_dir: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    copy.mkdir()
    facts = json.loads((run_dir / "run.json").read_text())
    facts["media"] = [{"path": "gone.jpg", "absolute": str(tmp_path / "gone.jpg")}]
    (copy / "run.json").write_text(json.dumps(facts))
    (copy / "events.jsonl").write_bytes((run_dir / "events.jsonl").read_bytes())
    with pytest.raises(RunError, match=r"gone\.jpg"):
        Earlier.of_run(copy, 1)
    with pytest.raises(UsageError, match="4 cells"):
        Earlier.of_run(run_dir, 9)


async def test_cells_of_a_notebook_run_before_the_loop(examples: Path, tmp_path: Path) -> None:
    earlier = Earlier.of_cells(["x = 3", "", "print(x + 1)"], tmp_path / "n.ipynb")
    recorder = Recorder(new_run_dir(tmp_path))
    task = Task("How far?", (examples / "room",))
    parts = await assemble(task, Settings(frames=2), recorder=recorder, earlier=earlier)
    try:
        assert parts.earlier is not None
        assert [c.result.stdout for c in parts.earlier.cells] == ["", "4\n"]
        run = Run(recorder.run_dir)
        continues = {"notebook": str((tmp_path / "n.ipynb").resolve()), "step": 2}
        assert run.facts["continues"] == continues
        # a cell that was killed in the record is left out, and that is said
        stuck = ({"kind": "cell", "code": "x = 9", "number": 7, "result": {"status": "died"}},)
        done = await execute_earlier(
            parts, Earlier("run", tmp_path, 1, stuck), seconds=5
        )  # fmt: skip
        assert done.cells == []
        assert any("cell 7 is left out" in e["text"] for e in run.events("note"))
        assert (await parts.kernel.execute("x")).result == "3"
    finally:
        await parts.aclose()
        recorder.close()


def test_a_session_branches(examples: Path, tmp_path: Path) -> None:
    with sc.Session(examples / "room", frames=2, runs_dir=tmp_path) as session:
        session.run("x = [1]")
        session.snapshot("one")
        session.run("x.append(2)")
        with session.branch("one") as older, session.branch() as now:
            older.run("x.append('older')")
            now.run("x.append('now')")
            session.run("x.append('here')")
            found = [s.read("x") for s in (older, now, session)]
            assert found == [[1, "older"], [1, 2, "now"], [1, 2, "here"]]
            assert older.run("len(frames)").result == "2"
            # calls through the gateway are the branch's own: in its record and nobody else's
            older.run("more = frames.decode(indices=[0]) if hasattr(frames, 'decode') else None")
            # the branch can go back too, and what its kernel was is rebuilt when it dies
            older.run("import os; os._exit(1)")
            assert older.read("x") == [1, "older"]
            folders = {s.run_dir for s in (older, now, session)}
            assert len(folders) == 3
            assert older.run_dir is not None
            run = Run(older.run_dir)
            assert run.facts["continues"]["snapshot"] == "one"
            assert [c["code"] for c in run.cells][:3] == ["x = [1]", "x.append(2)",
                                                          "x.append('older')"]  # fmt: skip
            kept = older.run_dir
        session.run("y = x")
        assert session.read("y") == [1, 2, "here"]
        with pytest.raises(KeyError):
            session.branch("never")
        assert session.read("y") == [1, 2, "here"]
    with sc.Session.from_run(kept, 3, runs_dir=tmp_path) as again:
        assert again.read("x") == [1, "older"]


def test_a_branch_outlives_its_session(examples: Path, tmp_path: Path) -> None:
    session = sc.Session(examples / "room", frames=2, runs_dir=tmp_path).open()
    session.run("x = 1")
    other = session.branch()
    session.close()
    with other:
        assert other.run("x + frames[0].image.size * 0").result == "1"
        error = other.run("import os; os.kill(os.getpid(), 9)").error
        assert error is not None
        assert other.run("x + frames[0].image.size * 0").result == "1"


async def test_many_questions_share_a_pool(examples: Path, tmp_path: Path) -> None:
    async with kernel_pool(size=2) as pool:
        await pool.filled()
        answers = await asyncio.gather(
            *(
                sc.aask(
                    examples / "room", "How far is the lamp from the camera?", pool=pool,
                    backend="builtin", runs_dir=tmp_path,
                )
                for _ in range(3)
            )
        )  # fmt: skip
        assert [a.status for a in answers] == ["submitted"] * 3
        assert len({a.value for a in answers}) == 1
        environment = sc.Environment(Settings(frames=2, runs_dir=tmp_path), pool=pool)
        await environment.areset(Task("How far?", (examples / "room",)))
        observation = await environment.astep("Measure.")
        observation = await environment.astep(cell("print(len(frames))"))
        assert "2" in observation.text
        await environment.aclose()
