"""CV-Bench, the image one of Cambrian: relation, count, depth and distance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spatialclaw.evaluation.benchmark import Benchmark
from spatialclaw.evaluation.data import forms
from spatialclaw.evaluation.data.build import make_row
from spatialclaw.evaluation.data.files import Files
from spatialclaw.evaluation.rows import Row
from spatialclaw.evaluation.source import Record, Source, Subset

__all__ = ["BENCHMARK"]


def rule(question_type: str, extra: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Every question alike."""
    return "letter-leading", {}


def row(record: Record, files: Files) -> Row:
    """One picture; which set it is from decides where it counts."""
    options = forms.options(record["choices"])
    source = str(record.get("source") or "")
    return make_row(
        record,
        uid=record["idx"],
        question=record.text("question"),
        raw=str(record.get("prompt") or record["question"]),
        truth=forms.choice(record["answer"], options, record.text("answer")),
        media=[files.picture(record["image"])],
        options=options,
        task=str(record.get("task") or ""),
        extra=("source",),
        tags={"type": record.get("type"), "source": source},
        group=str(record.get("filename") or ""),
    )


SOURCE = Source(
    tables=("test*.parquet | data/*.parquet",),
    subsets={
        "2d": Subset(
            None, keep=lambda record: str(record.get("type")) == "2D", aliases=("cv-bench-2d",)
        ),
        "3d": Subset(
            None, keep=lambda record: str(record.get("type")) == "3D", aliases=("cv-bench-3d",)
        ),
    },
)


BENCHMARK = Benchmark(
    name="cvbench-image",
    title="CV-Bench (Cambrian)",
    hub="nyu-visionx/CV-Bench",
    paper="2406.16860",
    count=2638,
    inputs="1 image",
    answers="A-F",
    licence="Apache-2.0",
    aliases=("cambrian-cvbench", "cv-bench-2d", "cv-bench-3d"),
    note='Read by the common rule for "(B)"; official: half 2D (mean of ADE and COCO), half 3D.',
    rule=rule,
    source=SOURCE,
    row=row,
    form="({})",
)
