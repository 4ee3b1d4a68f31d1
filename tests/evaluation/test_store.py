"""The store of results: what is in it stays, whoever comes and whatever dies."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from spatialclaw.errors import RunError, UsageError
from spatialclaw.evaluation.records import Result, run_name
from spatialclaw.evaluation.store import RESULTS, FolderLock, Store, read_results


def result(uid: str = "q1", epoch: int = 0, **fields: object) -> Result:
    values = {"outcome": "answered", "score": 1.0, "finished": 5.0, **fields}
    return Result("bench", uid, epoch, **values)  # type: ignore[arg-type]


def test_results_come_back_as_they_were(tmp_path: Path) -> None:
    store = Store(tmp_path, create=True)
    first = result(
        "ü/1", read={"a": [1.5, None]}, extra={"x": "y"}, tags={"t": "v"}, group_path=("a", "b"),
        usage={"cost_usd": 0.25}, answer={"answer": "B"}, detail="line\nline",
    )  # fmt: skip
    assert store.add(first)
    assert store.add(result("ü/1", epoch=1))
    store.close()
    assert read_results(tmp_path) == [first, result("ü/1", epoch=1)]


def test_an_answer_is_never_written_again(tmp_path: Path) -> None:
    store = Store(tmp_path, create=True)
    assert store.add(result(outcome="infra_failed", score=None))
    assert store.done() == set()
    assert store.add(result(score=0.5))
    assert not store.add(result(score=1.0))
    assert not store.add(result(outcome="infra_failed", score=None))
    assert [r.score for r in store.results()] == [0.5]
    assert store.done() == {("bench", "q1", 0)}


def test_attempts_and_cost_are_kept(tmp_path: Path) -> None:
    store = Store(tmp_path, create=True)
    store.note_attempt(("bench", "q1", 0), "server", "429", 0.5)
    store.add(result(usage={"cost_usd": 0.25}))
    assert [a["failure"] for a in store.attempts()] == ["server"]
    assert store.spent() == 0.75


def test_it_is_durable(tmp_path: Path) -> None:
    store = Store(tmp_path, create=True)
    assert store._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert store._db.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL


def test_a_power_cut_between_two_writes_loses_neither_answer_nor_file(tmp_path: Path) -> None:
    """What is on the disk after a commit, without the process's own shutdown, is read again."""
    store = Store(tmp_path, create=True)
    for number in range(50):
        store.add(result(f"q{number}"))
    # The power is cut: what the disk holds now is copied as it is; the log ends in torn bytes.
    cut = tmp_path / "after"
    cut.mkdir()
    for path in tmp_path.glob(f"{RESULTS}*"):
        if not path.name.endswith("-shm"):
            (cut / path.name).write_bytes(path.read_bytes())
    with (cut / f"{RESULTS}-wal").open("ab") as file:
        file.write(os.urandom(1000))
    again = Store(cut, create=True)
    assert len(again.results()) == 50
    assert again.add(result("q50"))


@pytest.mark.parametrize("moment", [0.05, 0.2])
def test_killed_while_it_writes(tmp_path: Path, moment: float) -> None:
    code = textwrap.dedent(f"""
        import sys
        from pathlib import Path
        from spatialclaw.evaluation.records import Result
        from spatialclaw.evaluation.store import Store
        store = Store(Path({str(tmp_path)!r}), create=True)
        for i in range(100000):
            store.add(Result("bench", f"q{{i}}", 0, "answered", finished=1.0))
            print(i, flush=True)
    """)
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(moment)
    os.kill(process.pid, signal.SIGKILL)
    said = [int(line) for line in process.communicate()[0].split()]
    kept = {r.uid for r in read_results(tmp_path)}
    # All that was said to be kept is; at most the one being written is more.
    assert {f"q{i}" for i in range(max([0, *said]) + 1)} <= kept
    assert len(kept) <= max([0, *said]) + 2


def test_one_process_at_a_time(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path)
    with pytest.raises(UsageError, match=f"process {os.getpid()} is writing"):
        FolderLock(tmp_path)
    code = (
        "import sys; from pathlib import Path; from spatialclaw.evaluation.store import FolderLock;"
        "FolderLock(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
    )
    line = [sys.executable, "-c", code, str(tmp_path)]
    refused = subprocess.run(line, capture_output=True, text=True, input="")
    assert f"process {os.getpid()} is writing" in refused.stderr
    lock.release()
    other = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    with pytest.raises(UsageError, match=f"process {other.pid} is writing"):
        FolderLock(tmp_path)
    other.kill()
    other.communicate()
    FolderLock(tmp_path).release()  # a killed process leaves no lock behind


def test_other_files_are_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="holds no evaluation"):
        Store(tmp_path)
    (tmp_path / RESULTS).write_bytes(b"no database at all" * 100)
    with pytest.raises(RunError, match="cannot be used"):
        Store(tmp_path)
    (tmp_path / RESULTS).unlink()
    with sqlite3.connect(tmp_path / RESULTS) as db:
        db.execute("CREATE TABLE t (x)")
    with pytest.raises(RunError, match="another program"):
        Store(tmp_path, create=True)
    (tmp_path / RESULTS).unlink()
    store = Store(tmp_path, create=True)
    store._db.execute("PRAGMA user_version=99")
    store.close()
    with pytest.raises(RunError, match="version 99"):
        Store(tmp_path)


def test_names_of_run_folders_are_safe_and_never_the_same() -> None:
    uids = ["a/b", "a-b", "a b", "../../etc", "x" * 300, "x" * 301, "ü", "", "q1"]
    names = [run_name(uid, 0) for uid in uids]
    assert len(set(names)) == len(uids)
    assert all("/" not in name and ".." not in name and len(name) < 100 for name in names)
    assert run_name("q1", 2) == "q1.e2"
