"""PAI-Bench (understanding): common sense and embodied reasoning on short clips."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spatialclaw.evaluation.benchmark import Benchmark

__all__ = ["BENCHMARK"]


def rule(question_type: str, extra: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Every question alike."""
    return "text-tag-normalised", {}


BENCHMARK = Benchmark(
    name="pai-bench",
    title="PAI-Bench",
    hub="shi-labs/physical-ai-bench-understanding",
    paper="2512.01989",
    count=1214,
    inputs="video",
    answers="A-D",
    licence="CC BY-NC 4.0 (sister set)",
    aliases=("pai", "physical-ai-bench"),
    rule=rule,
)
