"""ViewSpatial-Bench: directions from the camera's and from a person's point of view."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spatialclaw.evaluation.benchmark import Benchmark

__all__ = ["BENCHMARK"]


def rule(question_type: str, extra: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Every question alike."""
    return "letter-last-line", {}


BENCHMARK = Benchmark(
    name="viewspatial-bench",
    title="ViewSpatial-Bench",
    hub="lidingm/ViewSpatial-Bench",
    paper="2505.21500",
    count=5712,
    inputs="1-32 images",
    answers="A-D",
    licence="Apache-2.0 (repository)",
    aliases=("viewspatial",),
    rule=rule,
)
