"""Keeps the rows of a benchmark once they were made, so that the next load reads no table."""

from __future__ import annotations

import hashlib
import inspect
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from spatialclaw.evaluation.benchmark import Benchmark
from spatialclaw.evaluation.data.files import write_once
from spatialclaw.evaluation.rows import Dataset, Medium, Row, Sampling, Truth

__all__ = ["index_key", "read_index", "sha256_of", "write_index"]

_VERSION = 3  # of how rows are made: changes with it
_SKIPPED = {".git", ".cache", "__MACOSX", "__pycache__"}


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def index_key(benchmark: Benchmark, subset: str, root: Path) -> str:
    """What the rows depend on: the files of a folder, by size and time, and the loader."""
    digest = hashlib.sha256(f"{_VERSION} {benchmark.name} {subset} {root}".encode())
    module = inspect.getmodule(benchmark.row)
    if module is not None and module.__file__:
        digest.update(Path(module.__file__).read_bytes())
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in _SKIPPED)
        for name in sorted(files):
            try:
                stat = os.stat(os.path.join(folder, name))  # noqa: PTH116, PTH118  (many files)
            except OSError:
                continue
            digest.update(f"{folder}/{name} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:24]


def _path(folder: Path, subset: str, key: str) -> Path:
    return folder / f"{subset or 'all'}-{key}.jsonl"


def write_index(folder: Path, subset: str, key: str, dataset: Dataset) -> None:
    """Keeps a dataset under a key; what was kept of the subset before goes."""
    if any(_holds_bytes(row.extra) for row in dataset.rows):
        return
    head = {
        "benchmark": dataset.benchmark,
        "revision": dataset.revision,
        "source": dataset.source,
        "files": dict(dataset.files),
        "missing": list(dataset.missing),
        "notes": list(dataset.notes),
        "expected": dataset.expected,
    }
    lines = [json.dumps(head)]
    try:
        lines += [json.dumps(asdict(row), default=_plain) for row in dataset.rows]
    except TypeError:  # a value that JSON cannot hold: the rows are made anew each time
        return
    path = _path(folder, subset, key)
    for old in folder.glob(f"{subset or 'all'}-*.jsonl"):
        old.unlink(missing_ok=True)
    write_once(path, ("\n".join(lines) + "\n").encode())


def _holds_bytes(extra: Mapping[str, Any]) -> bool:
    return any(isinstance(value, bytes) for value in extra.values())


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value)} in a row")


def read_index(folder: Path, subset: str, key: str) -> Dataset | None:
    """What was kept under a key, if pictures taken out of tables are still there; else None."""
    path = _path(folder, subset, key)
    try:
        with path.open(encoding="utf-8") as stream:
            head = json.loads(next(stream))
            rows = [_row(json.loads(line)) for line in stream]
    except (OSError, StopIteration, ValueError, KeyError, TypeError):
        return None  # nothing kept, or half of it: the tables are read again
    for row in rows:
        for medium in row.media:
            if medium.archive is None and not medium.path.exists():
                return None
    return Dataset(rows=rows, **head)


def _row(value: dict[str, Any]) -> Row:
    known = {field.name for field in fields(Row)}
    value = {key: item for key, item in value.items() if key in known}
    value["media"] = tuple(_medium(item) for item in value["media"])
    value["truth"] = Truth(**value["truth"])
    value["sampling"] = Sampling(**value["sampling"])
    value["group_path"] = tuple(value["group_path"])
    value["parts"] = tuple(value["parts"])
    value["frame_refs"] = tuple((name, at) for name, at in value["frame_refs"])
    return Row(**value)


def _medium(value: dict[str, Any]) -> Medium:
    archive = value["archive"]
    return Medium(
        value["kind"],
        Path(value["path"]),
        tuple(value["clip"]) if value["clip"] else None,
        tuple(value["frame_indices"]) if value["frame_indices"] else None,
        value["role"],
        value["name"],
        (Path(archive[0]), archive[1]) if archive else None,
    )
