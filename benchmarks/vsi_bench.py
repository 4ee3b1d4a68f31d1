"""VSI-Bench and its debiased subset: visual-spatial intelligence from video."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spatialclaw.evaluation.benchmark import Benchmark
from spatialclaw.evaluation.data import forms
from spatialclaw.evaluation.data.build import make_row
from spatialclaw.evaluation.data.files import Files
from spatialclaw.evaluation.rows import Row
from spatialclaw.evaluation.source import Record, Source, Subset

__all__ = ["BENCHMARK"]


_UNITS = {
    "object_abs_distance": "m",
    "object_counting": "count",
    "object_size_estimation": "cm",
    "room_size_estimation": "m^2",
}
_NUMBERS = tuple(_UNITS)


def rule(question_type: str, extra: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Distances, counts and sizes are numbers, the rest are choices."""
    if question_type.startswith(_NUMBERS):
        return "mra", {"reader": "first-token"}
    return "letter-first-token", {}


def row(record: Record, files: Files) -> Row:
    """A video of a room and a question about it."""
    kind, scene = record.text("question_type"), record.text("scene_name")
    numeric = kind.startswith(_NUMBERS)
    options = None if numeric else forms.options(record["options"])
    given = record["ground_truth"]
    return make_row(
        record,
        uid=record["id"],
        question=record.text("question"),
        truth=forms.number(given) if numeric else forms.choice(given, options),
        media=[files.medium(f"{record.text('dataset')}/{scene}.mp4", "video", role="video")],
        options=options,
        task=kind,
        extra=("dataset", "scene_name", "pruned"),
        tags=("dataset",),
        group=scene,
        unit=_UNITS.get(kind),
        prompt={
            "prefix": "These are frames of a video.",
            "suffix": "Please answer the question using a single word or number."
            if numeric
            else "Answer with the option's letter from the given choices directly.",
        },
    )


SOURCE = Source(
    tables=("test.jsonl | test_full.parquet | test-*.parquet",),
    media=("arkitscenes.zip", "scannet.zip", "scannetpp.zip"),
    subsets={
        "full": Subset(5130),
        "debiased": Subset(
            2362,
            ("test_debiased.parquet | test_debiased.jsonl",),
            aliases=("vsi-bench-u", "vsi-bench-debiased"),
        ),
        "pruned": Subset(2768, ("test_pruned.parquet | test_pruned.jsonl",)),
    },
    default="full",
)

BENCHMARK = Benchmark(
    name="vsi-bench",
    title="VSI-Bench",
    hub="nyu-visionx/VSI-Bench",
    paper="2412.14171",
    count=5130,
    inputs="video",
    answers="A-D, number",
    licence="Apache-2.0 (videos: own terms)",
    aliases=("vsi", "vsi-bench-u", "vsi-bench-debiased"),
    note="The debiased subset (2,362) is that of arXiv 2511.04655; official: mean of eight tasks.",
    compared="a community loader",
    rule=rule,
    source=SOURCE,
    row=row,
)
