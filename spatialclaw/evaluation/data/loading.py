"""Loads the questions of a benchmark from what was prepared."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from spatialclaw.errors import UsageError
from spatialclaw.evaluation.benchmark import Benchmark, find_benchmark
from spatialclaw.evaluation.data.build import Ids
from spatialclaw.evaluation.data.files import Files
from spatialclaw.evaluation.data.hub import Lock
from spatialclaw.evaluation.data.index import index_key, read_index, sha256_of, write_index
from spatialclaw.evaluation.rows import Dataset, Row
from spatialclaw.evaluation.source import RowProblem

__all__ = ["cache_folder", "load_dataset", "resolve_name"]


def cache_folder(cache_dir: Path | None = None) -> Path:
    """Where prepared benchmarks lie.

    The argument, else SPATIALCLAW_BENCHMARKS_CACHE, else the user's cache folder.
    """
    if cache_dir is not None:
        return cache_dir
    named = os.environ.get("SPATIALCLAW_BENCHMARKS_CACHE")
    if named:
        return Path(named)
    from platformdirs import user_cache_path

    return Path(user_cache_path("spatialclaw")) / "benchmarks"


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def resolve_name(name: str) -> tuple[Benchmark, str]:
    """The benchmark and subset of a name such as "vsi-bench@debiased", or of an alias.

    Raises:
        UsageError: There is no such benchmark or subset.
    """
    benchmark = find_benchmark(name)
    subset = name.partition("@")[2].strip().lower()
    subsets = benchmark.source.subsets if benchmark.source else {}
    if not subset:
        plain = _plain(name)
        subset = next(
            (key for key, part in subsets.items() if plain in map(_plain, part.aliases)), ""
        )
    elif benchmark.generate is None and subset not in subsets:
        there = ", ".join(f"{benchmark.name}@{key}" for key in subsets) or "none"
        raise UsageError(f"{benchmark.name} has no subset {subset!r}", hint=f"There are: {there}.")
    if benchmark.source and subset == benchmark.source.default:
        subset = ""
    return benchmark, subset


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def load_dataset(
    name: str,
    *,
    data_dir: Path | None = None,
    cache_dir: Path | None = None,
    offline: bool = True,
    tell: Callable[[str], None] | None = None,
) -> Dataset:
    """The questions of a benchmark.

    Args:
        name: A benchmark ("vsi-bench"), with a subset ("vsi-bench@debiased"), an alias; a file of
            one's own ("questions.jsonl", "custom:questions.csv"); "spatial-synth", also with
            options ("spatial-synth@n=200,seed=7,degrade=light").
        data_dir: A folder with the data in the publisher's own layout, for a copy that is there
            already.
        cache_dir: Where prepared data lies; see `cache_folder`.
        offline: Never fetch anything; otherwise what is missing is prepared first.
        tell: Is told what takes long; standard error when None.

    Returns:
        All questions in file order. Media inside archives are taken out by `fetch`.

    Raises:
        UsageError: No such benchmark, it is not prepared, or the data is damaged or another's.
    """
    from spatialclaw.evaluation.data.custom import custom_file, load_custom

    file = custom_file(name)
    if file is not None:
        return load_custom(file, data_dir)
    benchmark, subset = resolve_name(name)
    cache = cache_folder(cache_dir) / benchmark.name
    if benchmark.generate is not None:
        return benchmark.generate(subset, cache, tell or _tell)
    if benchmark.source is None or benchmark.row is None:
        raise UsageError(f"{benchmark.name} has no loader")
    root = data_dir if data_dir is not None else cache / "data"
    if not offline and data_dir is None:
        from spatialclaw.evaluation.data.prepare import prepare

        return prepare(name, cache_dir=cache_dir, check=False, tell=tell or _tell).dataset
    if not root.is_dir():
        if data_dir is not None:
            raise UsageError(f"{data_dir} is no folder")
        raise UsageError(
            f"{benchmark.name} is not prepared",
            hint=f"`spatialclaw benchmarks prepare {benchmark.name}` fetches it, or name a copy "
            "with --data-dir.",
        )
    lock = Lock(lock_path(cache, root))
    key = index_key(benchmark, subset, root)
    dataset = read_index(cache / "index", subset, key)
    if dataset is None:
        files = Files(root, cache / "media", benchmark.source.prefixes)
        dataset = build(benchmark, subset, files, lock.revision)
        write_index(cache / "index", subset, key, dataset)
    return without_broken(dataset, lock.values.get("broken") or {})


def lock_path(cache: Path, root: Path) -> Path:
    """Where it is recorded what was fetched into, or found broken in, a folder of data."""
    if root == cache / "data":
        return cache / "prepared.json"
    digest = hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:12]
    return cache / f"checked-{digest}.json"


def without_broken(dataset: Dataset, broken: Mapping[str, str]) -> Dataset:
    """The dataset without the questions whose media cannot be shown."""
    if not broken:
        return dataset
    rows, missing = [], list(dataset.missing)
    for row in dataset.rows:
        faults = [m.path for m in row.media if str(m.path) in broken]
        if faults:
            missing.append(f"{row.uid}: {faults[0].name}: {broken[str(faults[0])]}")
        else:
            rows.append(row)
    return replace(dataset, rows=rows, missing=missing)


def build(benchmark: Benchmark, subset: str, files: Files, revision: str = "") -> Dataset:
    """Reads the tables of a subset and makes rows of them.

    Args:
        benchmark: Which one.
        subset: Of it, or "" for the usual one.
        files: Its data.
        revision: Commit of the hub, where known; else a digest of the tables is given.

    Raises:
        UsageError: A table is missing or damaged, or no row of it can be used.
    """
    assert benchmark.source is not None
    part = benchmark.source.subset(subset)
    name = f"{benchmark.name}@{subset}" if subset else benchmark.name
    rows: list[Row] = []
    missing: list[str] = []
    ids = Ids()
    for outcome in _rows(benchmark, subset, files, ids):
        if isinstance(outcome, Row):
            rows.append(replace(outcome, benchmark=name))
        else:
            missing.append(outcome)
    if not rows:
        first = f" ({missing[0]})" if missing else ""
        raise UsageError(f"no question of {name} in {files.root} can be used{first}")
    hashes = {table: sha256_of(path) for table, path in files.read.items()}
    digest = hashlib.sha256(repr(sorted(hashes.items())).encode()).hexdigest()
    found = len(rows) + len(missing)
    expected = part.count if part.count is not None else None if subset else benchmark.count
    notes = ids.notes()
    if expected is not None and found != expected:
        notes.append(f"{found:,} questions found, {expected:,} are published")
    return Dataset(
        benchmark=name,
        rows=rows,
        revision=revision or f"tables:{digest[:16]}",
        source=benchmark.hub if revision else str(files.root),
        files=hashes,
        missing=missing,
        notes=notes,
        expected=expected,
    )


def _rows(benchmark: Benchmark, subset: str, files: Files, ids: Ids) -> Iterator[Row | str]:
    assert benchmark.source is not None
    assert benchmark.row is not None
    part = benchmark.source.subset(subset)
    for record in files.records(part.tables):
        where = f"{record.table} row {record.number + 1}"
        try:
            if part.keep is not None and not part.keep(record):
                continue
            row = benchmark.row(record, files)
            for one in (row,) if part.expand is None else part.expand(row):
                yield ids.distinct(one)
        except RowProblem as problem:
            yield f"{where}: {problem}"
