"""VSI-Bench and its debiased subset: visual-spatial intelligence from video."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spatialclaw.evaluation.benchmark import Benchmark

__all__ = ["BENCHMARK"]


_NUMBERS = (
    "object_abs_distance",
    "object_counting",
    "object_size_estimation",
    "room_size_estimation",
)


def rule(question_type: str, extra: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Distances, counts and sizes are numbers, the rest are choices."""
    if question_type.startswith(_NUMBERS):
        return "mra", {"reader": "first-token"}
    return "letter-first-token", {}


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
    rule=rule,
)
