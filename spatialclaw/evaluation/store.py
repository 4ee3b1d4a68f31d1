"""The results of an evaluation in one SQLite file: killed at any moment, it loses no answer.

A question's row is written in one transaction when it ends, in write-ahead mode with every commit
synced to the disk. A row that holds an answer is never written again.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from spatialclaw.errors import RunError, UsageError
from spatialclaw.evaluation.records import Key, Result

__all__ = ["RESULTS", "FolderLock", "Store", "read_results"]

RESULTS = "results.sqlite"
SCHEMA = 1
_APPLICATION = 0x53434C57  # "SCLW": tells our files from other databases

_TABLES = """
CREATE TABLE IF NOT EXISTS results (
    benchmark TEXT NOT NULL, uid TEXT NOT NULL, epoch INTEGER NOT NULL, outcome TEXT NOT NULL,
    finished REAL NOT NULL, record TEXT NOT NULL, PRIMARY KEY (benchmark, uid, epoch)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS attempts (
    id INTEGER PRIMARY KEY, benchmark TEXT NOT NULL, uid TEXT NOT NULL, epoch INTEGER NOT NULL,
    time REAL NOT NULL, failure TEXT NOT NULL, detail TEXT NOT NULL, cost REAL
);
CREATE TABLE IF NOT EXISTS sessions (
    id INTEGER PRIMARY KEY, time REAL NOT NULL, facts TEXT NOT NULL
);
"""


class FolderLock:
    """At most one process writes to an evaluation's folder; a killed one leaves no lock behind.

    A POSIX record lock: the kernels that a process forks do not keep it, and it works over NFS.

    Raises:
        UsageError: Another process holds it.
    """

    _held: set[Path] = set()  # record locks do not keep out the process that holds them  # noqa: RUF012
    _guard = threading.Lock()

    def __init__(self, folder: Path) -> None:
        import fcntl

        self._path = folder.resolve() / ".lock"
        with self._guard:
            if self._path in self._held:
                raise _busy(folder, os.getpid())
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                holder = os.pread(self._file, 40, 0).decode(errors="replace").strip()
                os.close(self._file)
                raise _busy(folder, holder or "?") from None
            self._held.add(self._path)
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, str(os.getpid()).encode(), 0)

    def release(self) -> None:
        """Lets others write; the file stays."""
        with self._guard:
            if self._path in self._held:
                self._held.discard(self._path)
                os.close(self._file)


def _busy(folder: Path, holder: int | str) -> UsageError:
    return UsageError(
        f"process {holder} is writing to {folder}",
        hint="Wait for it, or name another folder with --out.",
    )


class Store:
    """Reads and writes results; safe to call from several threads, one after the other.

    Args:
        folder: The evaluation's folder.
        create: Whether to make the file when it is missing.

    Raises:
        RunError: There is none, it is damaged, or it belongs to another program or a later version.
    """

    def __init__(self, folder: Path, *, create: bool = False) -> None:
        self.path = folder / RESULTS
        if not create and not self.path.is_file():
            raise RunError(
                f"{folder} holds no evaluation: no {RESULTS} in it",
                hint="Give the folder that `spatialclaw eval` printed.",
            )
        self._lock = threading.Lock()
        try:
            self._db = sqlite3.connect(self.path, check_same_thread=False, isolation_level=None)
            if create:
                self._db.execute("PRAGMA journal_mode=WAL")
                self._db.execute("PRAGMA synchronous=FULL")
            self._claim(create)
            if create:
                self._db.executescript(_TABLES)
        except sqlite3.Error as error:
            raise RunError(f"{self.path} cannot be used: {error}") from error

    def _claim(self, create: bool) -> None:
        application = self._db.execute("PRAGMA application_id").fetchone()[0]
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        tables = self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if create and not tables:
            self._db.execute(f"PRAGMA application_id={_APPLICATION}")
            self._db.execute(f"PRAGMA user_version={SCHEMA}")
        elif application != _APPLICATION:
            raise RunError(f"{self.path} is the database of another program")
        elif version > SCHEMA:
            raise RunError(
                f"{self.path} is of version {version}, this program reads up to {SCHEMA}",
                hint="Update spatialclaw.",
            )

    def add(self, result: Result) -> bool:
        """Keeps a result; False when there is one already that is not an infrastructure failure.

        Raises:
            RunError: The disk is full or the file went away.
        """
        row = (*result.key, result.outcome, result.finished, _json(result.record()))
        with self._writing():
            done = self._db.execute(
                "INSERT INTO results VALUES (?, ?, ?, ?, ?, ?) "
                "ON CONFLICT (benchmark, uid, epoch) DO UPDATE SET outcome = excluded.outcome, "
                "finished = excluded.finished, record = excluded.record "
                "WHERE results.outcome = 'infra_failed'",
                row,
            )
            return done.rowcount == 1

    def note_attempt(self, key: Key, failure: str, detail: str, cost: float | None = None) -> None:
        """Keeps that an attempt failed through no fault of the model."""
        with self._writing():
            self._db.execute(
                "INSERT INTO attempts (benchmark, uid, epoch, time, failure, detail, cost) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                (*key, time.time(), failure, detail, cost),
            )

    def note_session(self, facts: dict[str, Any]) -> None:
        """Keeps that a process began to work on the evaluation, and with what."""
        with self._writing():
            self._db.execute(
                "INSERT INTO sessions (time, facts) VALUES (?, ?)", (time.time(), _json(facts))
            )

    def replace(self, results: Sequence[Result]) -> None:
        """Writes results that were scored anew in place of the old ones, all or none."""
        rows = [(r.outcome, r.finished, _json(r.record()), *r.key) for r in results]
        with self._writing():
            self._db.executemany(
                "UPDATE results SET outcome = ?, finished = ?, record = ? "
                "WHERE benchmark = ? AND uid = ? AND epoch = ?",
                rows,
            )

    def done(self) -> set[Key]:
        """The questions that need not be asked again."""
        return {key for key, outcome in self.outcomes().items() if outcome != "infra_failed"}

    def outcomes(self) -> dict[Key, str]:
        """The outcome of each question that has ended."""
        rows = self._read("SELECT benchmark, uid, epoch, outcome FROM results")
        return {(b, u, e): outcome for b, u, e, outcome in rows}

    def results(self) -> list[Result]:
        """All results, in the order of benchmark, file and epoch."""
        found = [
            Result.from_record(json.loads(record))
            for (record,) in self._read("SELECT record FROM results")
        ]
        return sorted(found, key=lambda r: (r.benchmark, r.index, r.uid, r.epoch))

    def attempts(self) -> list[dict[str, Any]]:
        """The attempts that failed through no fault of the model, in order."""
        names = ("benchmark", "uid", "epoch", "time", "failure", "detail", "cost")
        rows = self._read(f"SELECT {', '.join(names)} FROM attempts ORDER BY id")  # noqa: S608
        return [dict(zip(names, row, strict=True)) for row in rows]

    def sessions(self) -> list[dict[str, Any]]:
        """The processes that worked on the evaluation."""
        rows = self._read("SELECT time, facts FROM sessions ORDER BY id")
        return [{"time": moment, **json.loads(facts)} for moment, facts in rows]

    def spent(self) -> float:
        """US dollars of all results and failed attempts, as far as prices are known."""
        failed = sum(row["cost"] or 0.0 for row in self.attempts())
        return failed + sum(result.cost or 0.0 for result in self.results())

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            self._db.close()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                try:
                    yield
                except BaseException:
                    self._db.execute("ROLLBACK")
                    raise
                self._db.execute("COMMIT")
            except sqlite3.Error as error:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise RunError(
                    f"{self.path} cannot be written: {error}",
                    hint="Free some space; the same command then goes on.",
                ) from error

    def _read(self, query: str) -> list[tuple[Any, ...]]:
        with self._lock:
            try:
                return list(self._db.execute(query))
            except sqlite3.Error as error:
                raise RunError(f"{self.path} cannot be read: {error}") from error


def read_results(folder: Path) -> list[Result]:
    """The results in an evaluation's folder.

    Raises:
        RunError: It holds none.
    """
    store = Store(folder)
    try:
        return store.results()
    finally:
        store.close()


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
