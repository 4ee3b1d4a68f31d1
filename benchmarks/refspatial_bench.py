"""RefSpatial-Bench: point at what a sentence describes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spatialclaw.evaluation.benchmark import Benchmark

__all__ = ["BENCHMARK"]


def rule(question_type: str, extra: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The share of points inside the column mask."""
    return "share-in-mask", {"mask": extra.get("mask")}


BENCHMARK = Benchmark(
    name="refspatial-bench",
    title="RefSpatial-Bench",
    hub="BAAI/RefSpatial-Bench",
    inputs="1 image",
    answers="points",
    aliases=("refspatial",),
    rule=rule,
)
