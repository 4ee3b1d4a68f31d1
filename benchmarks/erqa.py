"""ERQA: embodied reasoning questions (Gemini Robotics report)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spatialclaw.evaluation.benchmark import Benchmark

__all__ = ["BENCHMARK"]


def rule(question_type: str, extra: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Every question alike."""
    return "text-bare", {}


BENCHMARK = Benchmark(
    name="erqa",
    title="ERQA",
    hub="FlagEval/ERQA",
    paper="2503.20020",
    count=400,
    inputs="1-16 images",
    answers="A-D",
    licence="CC BY 4.0 (secondary source)",
    note="The whole reply has to be the letter; nothing is extracted.",
    rule=rule,
)
