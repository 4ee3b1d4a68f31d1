"""OmniSpatial: four broad spatial abilities, ten sub-tasks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spatialclaw.evaluation.benchmark import Benchmark

__all__ = ["BENCHMARK"]


def rule(question_type: str, extra: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Every question alike."""
    return "letter-after-answer-colon", {}


BENCHMARK = Benchmark(
    name="omnispatial",
    title="OmniSpatial",
    hub="qizekun/OmniSpatial",
    paper="2506.03135",
    count=1533,
    inputs="1 image",
    answers="A-D",
    licence="CC BY-NC 4.0",
    note='A reply without the mark "Answer:" counts as A; the truth is the 0-based index.',
    rule=rule,
)
