"""What a benchmark is, and where the benchmarks are found."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import pkgutil
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spatialclaw.errors import UsageError
from spatialclaw.evaluation.rows import Dataset, Row
from spatialclaw.evaluation.source import Record, Source

if TYPE_CHECKING:
    from spatialclaw.evaluation.data.files import Files

__all__ = ["Benchmark", "Rule", "all_benchmarks", "find_benchmark", "use_folder"]

Rule = Callable[[str, Mapping[str, Any]], tuple[str, dict[str, Any]]]
"""(question type, other columns of the row) -> name of the scorer and its arguments."""


def _same_truth(truth: str, question_type: str, extra: Mapping[str, Any]) -> str:
    return truth


@dataclass(frozen=True)
class Benchmark:
    """A public benchmark.

    Attributes:
        name: Ours, such as "vsi-bench".
        title: As its authors write it.
        hub: Id on the Hugging Face hub.
        paper: arXiv number, or "".
        count: Number of questions, or None when unsure.
        inputs: What is shown.
        answers: What is answered.
        licence: Of the data, as far as known.
        rule: Which scorer reads a reply; None while the benchmark's own rule is not known.
        truth: What the scorer compares with, from the truth, question type and other columns.
        aliases: Other names it is known by.
        note: What to know before comparing figures.
        source: Where its data lies; None for what is made here.
        row: One row of its tables as a question; raises `RowProblem` for one that cannot be.
        generate: Makes its questions here: (options after "@", folder, told what
            goes on) -> dataset.
        compared: What its loader was compared with, apart from written descriptions.
        form: How a typed answer is written for its scorer, "{}" standing for the answer.
    """

    name: str
    title: str
    hub: str
    rule: Rule | None
    paper: str = ""
    count: int | None = None
    inputs: str = ""
    answers: str = ""
    licence: str = "not stated"
    truth: Callable[[str, str, Mapping[str, Any]], str] = _same_truth
    aliases: tuple[str, ...] = field(default=())
    note: str = ""
    source: Source | None = None
    row: Callable[[Record, Files], Row] | None = None
    generate: Callable[[str, Path, Callable[[str], None]], Dataset] | None = None
    compared: str = ""
    form: str = "{}"


_FOLDERS: list[Path] = []
_ORIGINS: dict[str, str] = {}  # name of a benchmark -> where it was found
_SKIPPED = ("selfcheck", "__main__")


def use_folder(folder: Path) -> None:
    """Adds the benchmarks of a folder: every .py file in it that has a BENCHMARK.

    Raises:
        UsageError: There is none, a file fails, or a name is taken.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder", hint="--benchmarks-dir names one.")
    if folder.resolve() in _FOLDERS:
        return
    _FOLDERS.append(folder.resolve())
    all_benchmarks.cache_clear()
    try:
        all_benchmarks()
    except UsageError:
        _FOLDERS.pop()
        all_benchmarks.cache_clear()
        raise
    if not any(Path(origin).parent == folder.resolve() for origin in _ORIGINS.values()):
        _FOLDERS.pop()
        all_benchmarks.cache_clear()
        raise UsageError(
            f"no benchmark in {folder}", hint="A file there defines BENCHMARK = Benchmark(...)."
        )


@cache
def all_benchmarks() -> dict[str, Benchmark]:
    """The benchmarks by name.

    Those of `spatialclaw.benchmarks`, of the entry points "spatialclaw.benchmarks" of installed
    packages (each names a `Benchmark`), and of folders given with `use_folder`.

    Raises:
        UsageError: One cannot be loaded, or two have a name in common.
    """
    found: dict[str, Benchmark] = {}
    taken: dict[str, str] = {}
    _ORIGINS.clear()
    for origin, benchmark in _every():
        for alias in {_key(n) for n in (benchmark.name, *benchmark.aliases)}:
            if alias in taken:
                raise UsageError(
                    f"{origin}: a benchmark named {alias!r} is already in {taken[alias]}",
                    hint="Give it another name.",
                )
            taken[alias] = origin
        found[benchmark.name] = benchmark
        _ORIGINS[benchmark.name] = origin
    return found


def _every() -> Iterator[tuple[str, Benchmark]]:
    package = importlib.import_module("spatialclaw.benchmarks")
    for info in sorted(pkgutil.iter_modules(package.__path__), key=lambda module: module.name):
        if info.ispkg or info.name in _SKIPPED:
            continue
        module = importlib.import_module(f"spatialclaw.benchmarks.{info.name}")
        benchmark = getattr(module, "BENCHMARK", None)
        if isinstance(benchmark, Benchmark):
            yield f"spatialclaw/benchmarks/{info.name}.py", benchmark
    for point in entry_points(group="spatialclaw.benchmarks"):
        origin = f"the entry point {point.name}"
        benchmark = _loaded(origin, point.load)
        if not isinstance(benchmark, Benchmark):
            raise UsageError(f"{origin} is no Benchmark but {type(benchmark).__name__}")
        yield origin, benchmark
    for folder in _FOLDERS:
        for path in sorted(folder.glob("*.py")):
            module = _loaded(str(path), partial(_module, path))
            benchmark = getattr(module, "BENCHMARK", None)
            if isinstance(benchmark, Benchmark):
                yield str(path), benchmark


def _loaded(origin: str, load: Callable[[], Any]) -> Any:
    try:
        return load()
    except Exception as error:  # whatever another's file raises when it is imported
        raise UsageError(f"{origin} fails: {type(error).__name__}: {error}") from error


def _module(path: Path) -> Any:
    name = f"spatialclaw_benchmark_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _key(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def find_benchmark(name: str) -> Benchmark:
    """The benchmark of a name or alias; case, blanks and dashes do not matter.

    What follows "@" (a subset) or "custom:" (a file) is left aside.

    Raises:
        UsageError: There is none.
    """
    known: dict[str, Benchmark] = {}
    for benchmark in all_benchmarks().values():
        for alias in (benchmark.name, benchmark.title, *benchmark.aliases):
            known[_key(alias)] = benchmark
    plain = "custom" if name.startswith("custom:") else name.partition("@")[0]
    found = known.get(_key(plain))
    if found is not None:
        return found
    close = difflib.get_close_matches(_key(plain), list(known), n=1)
    hint = (
        f"Did you mean {known[close[0]].name}?"
        if close
        else "`spatialclaw benchmarks list` names them."
    )
    raise UsageError(f"no benchmark {name!r}", hint=hint)
