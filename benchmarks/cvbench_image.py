"""CV-Bench, the image one of Cambrian: relation, count, depth and distance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spatialclaw.evaluation.benchmark import Benchmark

__all__ = ["BENCHMARK"]


def rule(question_type: str, extra: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Every question alike."""
    return "letter-leading", {}


BENCHMARK = Benchmark(
    name="cvbench-image",
    title="CV-Bench (Cambrian)",
    hub="nyu-visionx/CV-Bench",
    paper="2406.16860",
    count=2638,
    inputs="1 image",
    answers="A-F",
    licence="Apache-2.0",
    aliases=("cambrian-cvbench", "cv-bench-2d", "cv-bench-3d"),
    note='Read by the common rule for "(B)"; official: half 2D (mean of ADE and COCO), half 3D.',
    rule=rule,
)
