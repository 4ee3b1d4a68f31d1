"""MMSI-Bench: questions that need at least two images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from spatialclaw.evaluation.benchmark import Benchmark
from spatialclaw.evaluation.data import forms
from spatialclaw.evaluation.data.build import make_row
from spatialclaw.evaluation.data.files import Files
from spatialclaw.evaluation.rows import Row, Truth
from spatialclaw.evaluation.source import Record, Source, Subset

__all__ = ["BENCHMARK"]


def rule(question_type: str, extra: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Every question alike."""
    return "letter-mmsi", {}


def row(record: Record, files: Files) -> Row:
    """Two or more pictures; the written reasoning is hidden."""
    raw = record.text("question")
    question, options = forms.inline_options(raw, record["answer"])
    pictures = forms.as_list(record["images"])
    return make_row(
        record,
        uid=record["id"],
        question=question,
        raw=raw,
        truth=forms.choice(record["answer"], options),
        media=[files.picture(value, role="view") for value in pictures],
        options=options,
        task=record.text("question_type").replace("–", "-"),
        tags=("difficulty", "duration"),
        hidden=("thought",),
        prompt={"suffix": "Answer with the option's letter between double backticks, as ``A``."},
    )


ORDERS = ("ABCD", "BCDA", "CDAB", "DABC")


def circular(row: Row) -> Iterator[Row]:
    """The question in four orders of its options; it counts when all four are right."""
    if row.options is None or len(row.options) != 4:
        yield row
        return
    for number, order in enumerate(ORDERS):
        options = {key: row.options[old] for key, old in zip("ABCD", order, strict=True)}
        letter = "ABCD"[order.index(row.truth.value)]
        listed = ", ".join(f"{key}: {text}" for key, text in options.items())
        yield replace(
            row,
            uid=f"{row.uid}/{order}",
            index=4 * row.index + number,
            options=options,
            question_raw=f"{row.question}\nOptions: {listed}",
            truth=Truth("choice", letter, letter),
            group=row.uid,
        )


SOURCE = Source(
    tables=("MMSI_Bench.parquet",),
    subsets={"circular": Subset(4000, expand=circular)},
)


BENCHMARK = Benchmark(
    name="mmsi-bench",
    title="MMSI-Bench",
    hub="RunsenXu/MMSI-Bench",
    paper="2505.23764",
    count=1000,
    inputs="2 or more images",
    answers="A-D",
    licence="CC BY-NC 4.0",
    aliases=("mmsi",),
    rule=rule,
    source=SOURCE,
    row=row,
    form="``{}``",
)
