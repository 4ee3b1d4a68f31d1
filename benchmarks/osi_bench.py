"""OSI-Bench: metric questions about open-world video."""

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


_ZERO = {"absolute_speed": 0.3, "absolute_displacement": 0.3, "trajectory_length": 2.0}
_CHOICE = ("trajectory_description", "relative_distance", "relative_direction_")


def rule(question_type: str, extra: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """By question_type (mcq, numerical) and the column category, which sets the rule for zero."""
    category = str(extra.get("category") or question_type)
    angular = category == "relative_direction_angular"
    kind = str(extra.get("question_type") or question_type)
    by_category = kind not in ("mcq", "numerical") and category.startswith(_CHOICE) and not angular
    if kind == "mcq" or by_category:
        return "letter-osi", {}
    return "mra", {"reader": "last", "zero": _ZERO.get(category, "exact")}


_PROMPTS = {
    "mcq": "Answer with the option's letter alone.",
    "numerical": "Answer with the bare number alone.",
}


def row(record: Record, files: Files) -> Row:
    """A video whose objects carry numbers; a choice or a number."""
    category, kind = record.text("category"), record.text("question_type")
    choice = rule(kind, {"category": category, "question_type": kind})[0] == "letter-osi"
    options = forms.options(record["options"]) if choice else None
    video = str(record.get("video") or record["video_id"])
    name = record.get("file_name") or f"{video}.mp4"
    tagged = category != "trajectory_description"
    length = record.get("video_length")
    given = record["answer"]
    return make_row(
        record,
        uid=record["index"],
        question=record.text("question"),
        truth=forms.choice(given, options) if choice else forms.number(given),
        media=[files.medium(name, "video", role="video")],
        options=options,
        task=category,
        extra=("category", "question_type", "video_length"),
        tags=("category",),
        group=video,
        prompt={
            "prefix": " ".join(
                ["These are frames of a video."]
                + (["Objects in it carry numbers."] if tagged else [])
                + ([f"It lasts {float(length):.1f} s."] if length else [])
            ),
            "suffix": _PROMPTS["mcq" if choice else "numerical"],
        },
    )


SOURCE = Source(
    tables=("data.parquet | data/test-*.parquet",),
    media=("*.zip", "*.tar*", "videos/*.mp4"),
    gigabytes=84,
)


BENCHMARK = Benchmark(
    name="osi-bench",
    title="OSI-Bench",
    hub="HarmlessSR07/OSI-Bench",
    paper="2512.19683",
    count=8736,
    inputs="video",
    answers="A-D, number",
    licence="Apache-2.0",
    aliases=("osi",),
    note="The file on the hub holds 8,766 rows (secondary sources), the paper counts 8,736.",
    compared="a community loader",
    rule=rule,
    source=SOURCE,
    row=row,
)
