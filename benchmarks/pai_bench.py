"""PAI-Bench (understanding): common sense and embodied reasoning on short clips."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spatialclaw.evaluation.benchmark import Benchmark
from spatialclaw.evaluation.data import forms
from spatialclaw.evaluation.data.build import make_row
from spatialclaw.evaluation.data.files import Files
from spatialclaw.evaluation.rows import Row, Sampling
from spatialclaw.evaluation.source import Record, Source

__all__ = ["BENCHMARK"]


def rule(question_type: str, extra: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Every question alike."""
    return "text-tag-normalised", {}


def row(record: Record, files: Files) -> Row:
    """A short clip; unused options are null."""
    options = forms.options(record["index2ans"])
    raw, path = record.text("question"), record.text("video_path")
    return make_row(
        record,
        uid=str(record.index),
        question=forms.without_request(raw),
        raw=raw,
        truth=forms.choice(record["answer"], options),
        media=[files.medium(path, "video", role="video")],
        options=options,
        task=record.text("subcategory"),
        tags=("category", "subcategory"),
        group=path,
        sampling=Sampling("fps", max_fps=4),
        prompt={
            "system": "Think within <think></think>, then answer within <answer></answer> with "
            "the letter of the option."
        },
    )


SOURCE = Source(tables=("data/test-*.parquet | *.parquet",), media=("videos/*", "*.zip"))


BENCHMARK = Benchmark(
    name="pai-bench",
    title="PAI-Bench",
    hub="shi-labs/physical-ai-bench-understanding",
    paper="2512.01989",
    count=1214,
    inputs="video",
    answers="A-D",
    licence="CC BY-NC 4.0 (sister set)",
    aliases=("pai", "physical-ai-bench"),
    compared="a community loader",
    rule=rule,
    source=SOURCE,
    row=row,
    form="<answer>{}</answer>",
)
