"""ViewSpatial-Bench: directions from the camera's and from a person's point of view."""

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
    return "letter-last-line", {}


def row(record: Record, files: Files) -> Row:
    """No id: the row's number is taken."""
    options = forms.options(record["choices"])
    paths = forms.as_list(record["image_path"])
    scene = str(paths[0]).rpartition("/")[0] if len(paths) > 1 else str(paths[0]) if paths else ""
    return make_row(
        record,
        uid=str(record.index),
        question=record.text("question"),
        truth=forms.choice(record["answer"], options, record.text("answer")),
        media=[files.medium(path, role="view") for path in paths],
        options=options,
        task=record.text("question_type"),
        tags={"views": "one" if len(paths) == 1 else "several"},
        group=scene,
        prompt={"suffix": "Reply only with the corresponding option.\nAnswer:"},
    )


SOURCE = Source(
    tables=("ViewSpatial-Bench.json",),
    media=("scannetv2_val.zip", "val2017.zip"),
    prefixes=("ViewSpatial-Bench",),
)


BENCHMARK = Benchmark(
    name="viewspatial-bench",
    title="ViewSpatial-Bench",
    hub="lidingm/ViewSpatial-Bench",
    paper="2505.21500",
    count=5712,
    inputs="1-32 images",
    answers="A-D",
    licence="Apache-2.0 (repository)",
    aliases=("viewspatial",),
    compared="rows of the published file",
    rule=rule,
    source=SOURCE,
    row=row,
)
