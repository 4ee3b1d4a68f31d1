"""What a benchmark is, and where the benchmarks are found."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spatialclaw.errors import UsageError
from spatialclaw.evaluation.rows import Dataset, Row
from spatialclaw.evaluation.source import Record, Source

if TYPE_CHECKING:
    from spatialclaw.evaluation.data.files import Files

__all__ = ["Benchmark", "Rule", "all_benchmarks", "find_benchmark"]

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
        generate: Makes its questions here: (options after "@", folder) -> dataset.
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
    generate: Callable[[str, Path], Dataset] | None = None
    form: str = "{}"


@cache
def all_benchmarks() -> dict[str, Benchmark]:
    """The benchmarks by name: every module of `spatialclaw.benchmarks` that has a BENCHMARK."""
    package = importlib.import_module("spatialclaw.benchmarks")
    found: dict[str, Benchmark] = {}
    for info in sorted(pkgutil.iter_modules(package.__path__), key=lambda module: module.name):
        if info.ispkg or info.name == "selfcheck":
            continue
        module = importlib.import_module(f"spatialclaw.benchmarks.{info.name}")
        benchmark = getattr(module, "BENCHMARK", None)
        if isinstance(benchmark, Benchmark):
            found[benchmark.name] = benchmark
    return found


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
