"""PerceptionComp: long tours and shows; each answer composes several perceptions."""

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
    return "letter-perception", {}


def row(record: Record, files: Files) -> Row:
    """A long video; the answer is the 0-based number of an option."""
    texts = [record.get(f"answer_choice_{i}") for i in range(6)]
    options = forms.options([str(text) for text in texts if text is not None])
    video = record.text("video_id")
    return make_row(
        record,
        uid=record.text("key"),
        question=record.text("question"),
        truth=forms.choice(int(record.text("answer_id")), options),
        media=[files.medium(f"{video}.mp4", "video", role="video")],
        options=options,
        task=record.text("category"),
        tags=("category", "difficulty"),
        group=video,
        sampling=Sampling(n=64, max_fps=1),
        prompt={"suffix": "Think within <think></think>, then answer within <answer></answer>."},
    )


SOURCE = Source(
    tables=("questions.json | 1-1114.json",),
    media=("data/*.mp4", "*.zip"),
)


BENCHMARK = Benchmark(
    name="perceptioncomp",
    title="PerceptionComp",
    hub="hrinnnn/PerceptionComp",
    paper="2603.26653",
    count=1114,
    inputs="video",
    answers="A-E",
    note="The truth is the 0-based answer_id. Where the hub has no questions.json: it is "
    "1-1114.json of the authors' code repository; put it beside the folder of videos and name "
    "that with --data-dir.",
    aliases=("perceptcomp",),
    compared="rows of the published file",
    rule=rule,
    source=SOURCE,
    row=row,
    form="<answer>{}</answer>",
)
