"""MMSI-Video-Bench: construction, motion, planning and prediction on real clips."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spatialclaw.evaluation.benchmark import Benchmark
from spatialclaw.evaluation.data import forms
from spatialclaw.evaluation.data.build import make_row
from spatialclaw.evaluation.data.files import Files
from spatialclaw.evaluation.rows import Medium, Row, Sampling
from spatialclaw.evaluation.source import Record, RowProblem, Source

__all__ = ["BENCHMARK"]


def rule(question_type: str, extra: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Every question alike."""
    return "letter-mmsi-video", {}


_FRAMES = 50


def row(record: Record, files: Files) -> Row:
    """Clips, or their frames where the videos are not there, and pictures that the text names."""
    options = forms.options(record["options"])
    clips = _clips(record, files)
    pictures = [
        files.medium(path, role="reference") for path in forms.as_list(record.get("ref_images"))
    ]
    videos = list(range(len(clips)))
    marks = {"<video>": videos, "<image>": [len(videos) + i for i in range(len(pictures))]}
    whole = all(medium.kind == "video" for medium in clips)
    prompts = ("system_prompt", "task_prompt", "format_prompt")
    return make_row(
        record,
        uid=record.text("id"),
        question=record.text("ori_question"),
        raw=str(record.get("user_prompt") or record["ori_question"]),
        truth=forms.choice(record["ground_truth"], options),
        media=[*clips, *pictures],
        options=options,
        task=record.text("type"),
        hidden=("hint",),
        group=str(clips[0].path) if clips else "",
        sampling=Sampling(n=_FRAMES),
        prompt={name.split("_")[0]: record.text(name) for name in prompts if record.get(name)},
        parts=forms.inside(marks, str(record.get("user_prompt") or "")) if whole else (),
    )


def _clips(record: Record, files: Files) -> list[Medium]:
    found = []
    for clip in forms.as_list(record["video_list"]):
        times = (clip.get("start"), clip.get("end"))
        span = None if times[1] is None else (float(times[0] or 0), float(times[1]))
        try:
            found.append(files.medium(clip.get("path"), "video", clip=span, role="video"))
        except RowProblem:
            return _frames(record, files)
    return found or _frames(record, files)


def _frames(record: Record, files: Files) -> list[Medium]:
    """Fifty of the frames of all clips together, evenly; clip by clip all of fewer."""
    frames = [
        (number, path)
        for number, paths in enumerate(forms.as_list(record.get("frames_list")), 1)
        for path in forms.as_list(paths)
    ]
    if len(frames) > _FRAMES:
        frames = [frames[i * (len(frames) - 1) // (_FRAMES - 1)] for i in range(_FRAMES)]
    return [files.medium(path, role="view", name=f"video {number}") for number, path in frames]


SOURCE = Source(
    tables=("mmsivideo.json",),
    media=("videos.zip", "ref_images.zip"),
)


BENCHMARK = Benchmark(
    name="mmsi-video-bench",
    title="MMSI-Video-Bench",
    hub="rbler/MMSI-Video-Bench",
    paper="2512.10863",
    count=1106,
    inputs="1 or more clips, images",
    answers="A-F",
    licence="CC BY-NC 4.0",
    aliases=("mmsi-video", "mmsivideo"),
    compared="its authors' own loader",
    rule=rule,
    source=SOURCE,
    row=row,
)
