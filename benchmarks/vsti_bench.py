"""VSTI-Bench: camera motion and camera-object geometry over time."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from spatialclaw.evaluation.benchmark import Benchmark
from spatialclaw.evaluation.data import forms
from spatialclaw.evaluation.data.build import make_row
from spatialclaw.evaluation.data.files import Files
from spatialclaw.evaluation.rows import Row
from spatialclaw.evaluation.source import Record, Source

__all__ = ["BENCHMARK"]


_NUMBERS = ("camera_obj_abs_dist", "camera_displacement", "camera_obj_dist_change")


def rule(question_type: str, extra: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """By question type, not by whether there are options."""
    if question_type.startswith(_NUMBERS):
        return "mra", {"reader": "first-token"}
    return "letter-first-token", {}


def truth(given: str, question_type: str, extra: Mapping[str, Any]) -> str:
    """A choice is compared with the letter in the column mc_answer."""
    letter = extra.get("mc_answer")
    return str(letter) if letter and not question_type.startswith(_NUMBERS) else given


def row(record: Record, files: Files) -> Row:
    """A video; frames that the text names by "frame X of N" are shown for certain."""
    kind, path = record.text("question_type"), record.text("video_path")
    numeric = kind.startswith(_NUMBERS)
    options = None if numeric else forms.options(record["options"])
    question = record.text("question")
    given = record["ground_truth"] if numeric else record["mc_answer"]
    return make_row(
        record,
        uid=record["id"],
        question=question,
        truth=forms.number(given) if numeric else forms.choice(given, options),
        media=[files.medium(path, "video", role="video")],
        options=options,
        task=kind,
        extra=("mc_answer", "ground_truth"),
        tags=("dataset",),
        group=str(record.get("scene_name") or path),
        unit="m" if numeric else None,
        frame_refs=tuple(_named_frames(question)),
    )


def _named_frames(text: str) -> list[tuple[str, float]]:
    """Frame X of N is the X-th of N uniform samples: at (X - 1) / (N - 1) of the video."""
    found = []
    for match in re.finditer(r"[Ff]rame\s+(\d+)\s+of\s+(\d+)", text):
        position, count = int(match.group(1)), int(match.group(2))
        if 1 <= position <= count and count > 1:
            found.append((match.group(0), (position - 1) / (count - 1)))
    return found


SOURCE = Source(
    tables=("test.json",),
    media=("ScanNet/videos/val/*", "*.zip"),
    prefixes=("vstibench",),
)


BENCHMARK = Benchmark(
    name="vsti-bench",
    title="VSTI-Bench",
    hub="Journey9ni/vstibench",
    paper="2505.20279",
    count=6042,
    inputs="video",
    answers="letter, number",
    licence="Apache-2.0 (repository)",
    aliases=("vsti", "vstibench"),
    note="Corrected in July 2026 (a secondary source): 5,736 questions with other labels; figures "
    "made on the 6,042 before cannot be compared with it.",
    rule=rule,
    source=SOURCE,
    row=row,
    truth=truth,
)
