"""CVBench, the cross-video one: questions over two to four videos at once."""

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
    return "text-tag-exact", {}


def row(record: Record, files: Files) -> Row:
    """Two to four videos that the text calls "video 1" and so on."""
    paths = [record.get(f"video_{i}") for i in range(1, 5)]
    given = record.text("answer")
    options = forms.options(record["options"])
    closed = given.lower() in ("yes", "no")
    truth = forms.yes_no(given) if closed else forms.choice(given, options)
    return make_row(
        record,
        uid=record["id"],
        question=record.text("question"),
        truth=truth,
        media=[
            files.medium(path, "video", role="video", name=f"video {i}")
            for i, path in enumerate(paths, 1)
            if path
        ],
        options=None if closed else options,
        task=record.text("task_type"),
        tags={"videos": sum(1 for path in paths if path)},
        group=str(paths[0]).rpartition("/")[0],
        sampling=Sampling(n=8),
        prompt={"suffix": "Think first, then answer within <answer></answer>."},
    )


SOURCE = Source(
    tables=("data/test-*.parquet | *.parquet",),
    media=("CVBench.zip",),
    gigabytes=40,
    prefixes=("CVBench",),
)


BENCHMARK = Benchmark(
    name="cvbench-video",
    title="CVBench (cross-video)",
    hub="Dongyh35/CVBench",
    paper="2508.19542",
    count=1000,
    inputs="2-4 videos",
    answers="A-D, Yes/No",
    aliases=("cvbench", "cross-video-cvbench"),
    note="Case matters.",
    compared="its authors' own loader",
    rule=rule,
    source=SOURCE,
    row=row,
    form="<answer>{}</answer>",
)
