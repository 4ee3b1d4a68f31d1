"""Video-MME-v2: four linked questions a video."""

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
    return "letter-first-capital", {"letters": "ABCDEFGH"}


def row(record: Record, files: Files) -> Row:
    """Four questions a video are scored together."""
    options = forms.options(record["options"])
    video = record.text("video_id")
    name = f"{int(video):03d}.mp4" if video.isdigit() else f"{video}.mp4"
    heads = ("level", "second_head", "third_head")
    return make_row(
        record,
        uid=record.text("question_id"),
        question=record.text("question"),
        truth=forms.choice(record["answer"], options),
        media=[files.medium(name, "video", role="video")],
        options=options,
        task=str(record.get("second_head") or ""),
        extra=("video_id", "question_id", "group_type", "group_structure", *heads),
        tags={name: record.get(name) for name in ("group_type", *heads)},
        group=video,
        sampling=Sampling(n=64, max_fps=1),
    )


SOURCE = Source(
    tables=("test.parquet | data/test-*.parquet | test-*.parquet",),
    media=("videos/*",),
    gigabytes=40,
)


BENCHMARK = Benchmark(
    name="video-mme-v2",
    title="Video-MME-v2",
    hub="MME-Benchmarks/Video-MME-v2",
    paper="2604.05015",
    count=3200,
    inputs="video",
    answers="A-H",
    licence="academic use only",
    aliases=("videommev2", "videomme-v2"),
    note="Asked without subtitles. The official figure scores groups of four; published agent "
    "figures are accuracy.",
    compared="column and file names in public scripts",
    rule=rule,
    source=SOURCE,
    row=row,
)
