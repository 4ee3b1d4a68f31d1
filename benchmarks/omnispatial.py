"""OmniSpatial: four broad spatial abilities, ten sub-tasks."""

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
    return "letter-after-answer-colon", {}


def row(record: Record, files: Files) -> Row:
    """Ids repeat across task types; the picture is <task_type>/<id before the underscore>.png."""
    task, id = record.text("task_type"), record.text("id")
    options = forms.options(record["options"])
    return make_row(
        record,
        uid=f"{task}/{id}",
        question=record.text("question"),
        truth=forms.choice(record["answer"], options),
        media=[files.medium(f"{task}/{id.split('_')[0]}.png")],
        options=options,
        task=f"{task}/{record.text('sub_task_type')}",
        tags=("task_type", "sub_task_type"),
        group=f"{task}/{id.split('_')[0]}",
        group_path=(task, record.text("sub_task_type")),
        prompt={
            "system": "You answer questions about space in pictures. Work step by step and end "
            "with a line of the form `Answer: X`, X being the letter of one option."
        },
    )


SOURCE = Source(tables=("data.json",), media=("OmniSpatial-test.zip",))


BENCHMARK = Benchmark(
    name="omnispatial",
    title="OmniSpatial",
    hub="qizekun/OmniSpatial",
    paper="2506.03135",
    count=1533,
    inputs="1 image",
    answers="A-D",
    licence="CC BY-NC 4.0",
    note='A reply without the mark "Answer:" counts as A; the truth is the 0-based index.',
    rule=rule,
    source=SOURCE,
    row=row,
    form="Answer: {}",
)
