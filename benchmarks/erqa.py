"""ERQA: embodied reasoning questions (Gemini Robotics report)."""

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
    return "text-bare", {}


def row(record: Record, files: Files) -> Row:
    """Pictures stand where visual_indices, positions in the text, say."""
    raw = str(record["question"])
    pictures = forms.as_list(record.get("images") or record.get("image/encoded"))
    question, options = forms.inline_options(raw, record["answer"])
    indices = forms.as_list(record.get("visual_indices"))
    return make_row(
        record,
        uid=record.get("question_id") or f"row {record.number + 1}",
        question=question,
        raw=raw,
        truth=forms.choice(record["answer"], options),
        media=[files.picture(value, name=f"image {i}") for i, value in enumerate(pictures, 1)],
        options=options,
        task=record.text("question_type"),
        tags={"images": "one" if len(pictures) == 1 else "several"},
        parts=forms.interleaved(raw, indices, len(pictures)),
    )


SOURCE = Source(tables=("data/test-*.parquet | *.parquet | *.tfrecord*",), gigabytes=0.1)


BENCHMARK = Benchmark(
    name="erqa",
    title="ERQA",
    hub="FlagEval/ERQA",
    paper="2503.20020",
    count=400,
    inputs="1-16 images",
    answers="A-D",
    licence="CC BY 4.0 (secondary source)",
    note="The whole reply has to be the letter; nothing is extracted.",
    rule=rule,
    source=SOURCE,
    row=row,
)
