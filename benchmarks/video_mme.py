"""Video-MME: general questions about short, medium and long videos."""

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
    return "letter-first-capital", {"letters": "ABCD"}


def row(record: Record, files: Files) -> Row:
    """A video of any length; without subtitles."""
    options = forms.options(record["options"])
    return make_row(
        record,
        uid=record.text("question_id"),
        question=record.text("question"),
        truth=forms.choice(record["answer"], options),
        media=[files.medium(f"{record.text('videoID')}.mp4", "video", role="video")],
        options=options,
        task=record.text("task_type"),
        tags=("duration", "domain", "sub_category"),
        group=record.text("video_id"),
        sampling=Sampling(max_fps=1),
        prompt={
            "prefix": "These are frames of a video. Select the best option; answer with its "
            "letter alone.",
            "suffix": "The best answer is:",
        },
    )


SOURCE = Source(
    tables=("videomme/test-*.parquet | test-*.parquet | *.parquet",),
    media=("videos_chunked_*.zip",),
)


BENCHMARK = Benchmark(
    name="video-mme",
    title="Video-MME",
    hub="lmms-lab/Video-MME",
    paper="2405.21075",
    count=2700,
    inputs="video, subtitles",
    answers="A-D",
    licence="academic use only",
    aliases=("videomme",),
    note="Asked without subtitles.",
    compared="file names in public scripts",
    rule=rule,
    source=SOURCE,
    row=row,
)
