"""Writes the run folder, so that killing the process at any moment leaves a readable run.

Layout (design: the run folder)::

    run.json       question, media with hashes, settings with their sources, versions, seed
    events.jsonl   one JSON object a line, append-only
    images/        pictures, named by their content
    scenes/        what cells made in 3-D, named by its content
    cells.py       the cells in order, ``# %%`` separated
    answer.json    once there is one
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spatialclaw._version import __version__
from spatialclaw.errors import RunError
from spatialclaw.traces.jsonable import jsonable
from spatialclaw.traces.redact import Redactor

if TYPE_CHECKING:
    from spatialclaw.traces.read import Run

__all__ = ["EVENT_KINDS", "SCHEMA_VERSION", "Recorder", "new_run_dir"]

SCHEMA_VERSION = 1
EVENT_KINDS = frozenset(
    {
        "start",
        "plan",
        "request",
        "reply",
        "cell",
        "observation",
        "perception",
        "submit",
        "verdict",
        "note",
        "snapshot",
        "answer",
        "error",
    }
)
_SUFFIX = {"image/jpeg": ".jpg", "image/png": ".png", "image/webp": ".webp"}
_TYPES = {suffix: kind for kind, suffix in _SUFFIX.items()}

Listener = Callable[[dict[str, Any]], None]


def new_run_dir(runs_dir: Path, *, now: float | None = None) -> Path:
    """Makes a new, empty run folder named by time.

    Args:
        runs_dir: Where runs lie; made when missing.
        now: Seconds since the epoch; the clock by default.

    Raises:
        RunError: The folder cannot be made (read-only, full disk, a file in the way).
    """
    stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(now))
    try:
        runs_dir.mkdir(parents=True, exist_ok=True)
        for _ in range(100):
            path = runs_dir / f"{stamp}-{secrets.token_hex(3)}"
            try:
                path.mkdir()
            except FileExistsError:
                continue
            return path.resolve()
    except OSError as error:
        raise _run_error(runs_dir, error) from error
    raise RunError(f"no free name for a run in {runs_dir}")


class Recorder:
    """Records one run; safe to call from several threads.

    Args:
        run_dir: An existing folder that belongs to this run alone.
        redactor: Hides secrets; by default those the environment names.
        clock: Seconds since the epoch.
        durable: Whether run.json and answer.json are synced to the disk, which takes 5 ms each and
            more on a busy one; without it they outlive a killed process, not a power cut.
    """

    def __init__(
        self,
        run_dir: Path,
        *,
        redactor: Redactor | None = None,
        clock: Callable[[], float] = time.time,
        durable: bool = True,
    ) -> None:
        self.run_dir = Path(run_dir)
        self._durable = durable
        self._redactor = redactor or Redactor()
        self._clock = clock
        self._lock = threading.Lock()
        self._listeners: list[Listener] = []
        self._cells = 0
        self._closed = False
        try:
            (self.run_dir / "images").mkdir(exist_ok=True)
            self._events = (self.run_dir / "events.jsonl").open("ab", buffering=0)
        except OSError as error:
            raise _run_error(self.run_dir, error) from error
        self._sequence = 0

    def listen(self, listener: Listener) -> None:
        """Calls `listener` with each event after it is written."""
        self._listeners.append(listener)

    def start(self, **facts: Any) -> None:
        """Writes run.json: what the run is about and how to repeat it.

        Args:
            facts: question, choices, media, settings, sources, seed and so on.
        """
        record = {
            "schema": SCHEMA_VERSION,
            "version": __version__,
            "started": self._clock(),
            "python": platform.python_version(),
            "platform": platform.platform(),
            **facts,
        }
        self._write_whole("run.json", record)
        self.event("start", question=facts.get("question"))

    def event(self, kind: str, **data: Any) -> dict[str, Any]:
        """Appends one event and tells the listeners.

        Args:
            kind: One of `EVENT_KINDS`.
            data: JSON-able facts.

        Raises:
            RunError: The disk is full or the folder went away; what is recorded stays readable.
        """
        if kind not in EVENT_KINDS:
            raise ValueError(f"unknown kind of event: {kind!r}")
        with self._lock:
            event: dict[str, Any] = {
                "schema": SCHEMA_VERSION,
                "seq": self._sequence,
                "time": round(self._clock(), 6),
                "kind": kind,
                **jsonable(data),
            }
            event, line = self._redactor.dump(event)
            self._append(f"{line}\n".encode())
            self._sequence += 1
        for listener in list(self._listeners):
            listener(event)
        return event

    def image(self, data: bytes, media_type: str) -> str:
        """Keeps a picture once, by its content.

        Args:
            data: Encoded picture.
            media_type: "image/jpeg", "image/png" or "image/webp".

        Returns:
            Its name relative to the run folder.
        """
        digest = hashlib.sha256(data).hexdigest()[:20]
        name = f"images/{digest}{_SUFFIX[media_type]}"
        path = self.run_dir / name
        if not path.exists():
            # A picture may be lost with the power, not with the process; syncing takes 5 ms each.
            self._replace(path, data, sync=False)
        return name

    def scene(self, scene: Mapping[str, Any]) -> str:
        """Keeps a scene in 3-D once, by its content; its points in a file of their own.

        Args:
            scene: As `spatialclaw.kernel.scene.check_scene` gives it.

        Returns:
            Its name relative to the run folder.
        """
        kept = dict(scene)
        points = kept.pop("cloud_data", None)
        if points is not None:
            self._keep_json(f"scenes/{kept['cloud']}.json", points)
        text = json.dumps(kept, separators=(",", ":"), sort_keys=True)
        name = f"scenes/{hashlib.sha256(text.encode()).hexdigest()[:20]}.json"
        self._keep_json(name, self._redactor.value(kept))
        return name

    def _keep_json(self, name: str, value: Any) -> None:
        path = self.run_dir / name
        if not path.exists():
            try:
                path.parent.mkdir(exist_ok=True)
            except OSError as error:
                raise _run_error(path, error) from error
            data = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
            self._replace(path, data.encode("utf-8"), sync=False)

    def cell(self, code: str) -> int:
        """Appends a cell to cells.py and returns its number, from 1."""
        with self._lock:
            self._cells += 1
            number = self._cells
            text = self._redactor.text(code.rstrip("\n"))
            try:
                with (self.run_dir / "cells.py").open("a", encoding="utf-8") as file:
                    file.write(f"# %% [{number}]\n{text}\n\n")
            except OSError as error:
                raise _run_error(self.run_dir, error) from error
        return number

    def branch_off(self, run_dir: Path, name: str | None) -> None:
        """Takes over the record of a session from which this one branches off.

        Args:
            run_dir: Its run folder.
            name: The snapshot from which this one starts, or None for its last state.
        """
        from spatialclaw.traces.read import Run

        parent = Run(run_dir)
        kept = {k: v for k, v in parent.facts.items() if k not in ("schema", "version", "started")}
        step = len(parent.cells)
        self.start(**kept | {"continues": {"run": str(run_dir), "step": step, "snapshot": name}})
        for event in parent.events("cell", "snapshot"):
            data = {k: v for k, v in event.items() if k not in ("schema", "seq", "time", "kind")}
            if event["kind"] == "cell":
                data["number"] = self.cell(event["code"])
                for shown in event.get("images") or ():
                    picture = parent.image(shown["image"])
                    if picture is not None:
                        kind = _TYPES.get(picture.suffix, "image/png")
                        shown["image"] = self.image(picture.read_bytes(), kind)
                self._take_scenes(parent, event)
            self.event(event["kind"], **data)
        if name is not None:
            self.event("snapshot", action="restore", name=name, text="")

    def _take_scenes(self, parent: Run, event: dict[str, Any]) -> None:
        """Copies the scenes that a cell of another run made."""
        from spatialclaw.traces.scenes import read_cloud, read_scene

        for name in event.get("scenes") or ():
            scene = read_scene(parent, name)
            if scene is not None:
                cloud = read_cloud(parent, f"scenes/{scene['cloud']}.json")
                self.scene(scene | ({"cloud_data": cloud} if cloud is not None else {}))

    def answer(self, answer: Mapping[str, Any]) -> None:
        """Writes answer.json and the event; the last answer of a run counts."""
        self._write_whole("answer.json", answer)
        self.event("answer", **answer)

    def close(self) -> None:
        """Closes the file of events; recording after it is an error."""
        if not self._closed:
            self._closed = True
            self._events.close()

    def _append(self, line: bytes) -> None:
        if self._closed:
            raise RunError(f"the record in {self.run_dir} is closed")
        start = os.fstat(self._events.fileno()).st_size
        try:
            written = self._events.write(line)
            if written != len(line):
                raise OSError(28, "no space left on device")
        except OSError as error:
            # A half line would make the next reader stumble.
            os.ftruncate(self._events.fileno(), start)
            raise _run_error(self.run_dir, error) from error

    def _write_whole(self, name: str, record: Mapping[str, Any]) -> None:
        text = json.dumps(
            self._redactor.value(jsonable(dict(record))), ensure_ascii=False, indent=1
        )
        self._replace(self.run_dir / name, text.encode("utf-8"), sync=self._durable)

    def _replace(self, path: Path, data: bytes, *, sync: bool = True) -> None:
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            with temporary.open("wb") as file:
                file.write(data)
            temporary.replace(path)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise _run_error(self.run_dir, error) from error
        if sync:
            _syncer().submit(_sync, path)


@lru_cache(maxsize=1)
def _syncer() -> ThreadPoolExecutor:
    """One thread that brings files to the disk; it takes 8 ms each, for which no run waits."""
    return ThreadPoolExecutor(1, thread_name_prefix="sync")


def _sync(path: Path) -> None:
    # Against a loss of power only: the file is whole for every process already.
    with contextlib.suppress(OSError):
        file = os.open(path, os.O_RDONLY)
        try:
            os.fsync(file)
        finally:
            os.close(file)


def _run_error(path: Path, error: OSError) -> RunError:
    reason = (error.strerror or str(error)).lower()
    return RunError(
        f"cannot write the run in {path}: {reason}",
        hint="Choose another place with --runs-dir, or free some space.",
    )
