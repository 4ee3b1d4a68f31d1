"""BLINK: fourteen classical vision problems as choices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spatialclaw.evaluation.benchmark import Benchmark
from spatialclaw.evaluation.data import forms
from spatialclaw.evaluation.data.build import make_row
from spatialclaw.evaluation.data.files import Files
from spatialclaw.evaluation.rows import Row
from spatialclaw.evaluation.source import Record, Source

__all__ = ["BENCHMARK"]


def rule(question_type: str, extra: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Every question alike."""
    return "letter-leading", {}


def row(record: Record, files: Files) -> Row:
    """One to four pictures; the test split's answers are hidden, so val is asked."""
    options = forms.options(record["choices"])
    pictures = [record.get(f"image_{i}") for i in range(1, 5)]
    return make_row(
        record,
        uid=record.text("idx"),
        question=record.text("question"),
        raw=record.text("prompt"),
        truth=forms.choice(record["answer"], options, record.text("answer")),
        media=[
            files.picture(value, name=f"{ordinal} image")
            for ordinal, value in zip(("first", "second", "third", "fourth"), pictures, strict=True)
            if value is not None
        ],
        options=options,
        task=record.text("sub_task"),
        tags=("sub_task",),
        hidden=("explanation",),
    )


SOURCE = Source(tables=("*/val-*.parquet | val*.parquet",))


BENCHMARK = Benchmark(
    name="blink",
    title="BLINK",
    hub="BLINK-Benchmark/BLINK",
    paper="2404.12390",
    count=1901,
    inputs="1-4 images",
    answers="A-D",
    licence="Apache-2.0 (repository)",
    note="The first letter is taken even of a word; the official figure is the mean over 14 tasks.",
    rule=rule,
    source=SOURCE,
    row=row,
    form="({})",
)
