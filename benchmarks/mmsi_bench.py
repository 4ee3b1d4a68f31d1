"""MMSI-Bench: questions that need at least two images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spatialclaw.evaluation.benchmark import Benchmark

__all__ = ["BENCHMARK"]


def rule(question_type: str, extra: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Every question alike."""
    return "letter-mmsi", {}


BENCHMARK = Benchmark(
    name="mmsi-bench",
    title="MMSI-Bench",
    hub="RunsenXu/MMSI-Bench",
    paper="2505.23764",
    count=1000,
    inputs="2 or more images",
    answers="A-D",
    licence="CC BY-NC 4.0",
    aliases=("mmsi",),
    rule=rule,
)
