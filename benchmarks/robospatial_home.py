"""RoboSpatial-Home: does it fit, how are things arranged, point at free space."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spatialclaw.evaluation.benchmark import Benchmark

__all__ = ["BENCHMARK"]


def rule(question_type: str, extra: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Yes/no by the beginning, points by the polygon of the truth."""
    return "robospatial", {}


BENCHMARK = Benchmark(
    name="robospatial-home",
    title="RoboSpatial-Home",
    hub="chanhee-luke/RoboSpatial-Home",
    paper="2411.16537",
    count=350,
    inputs="1 image, depth",
    answers="yes/no, point",
    licence="Apache-2.0 (code)",
    aliases=("robospatial",),
    rule=rule,
)
