"""PerceptionComp: long tours and shows; each answer composes several perceptions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spatialclaw.evaluation.benchmark import Benchmark

__all__ = ["BENCHMARK"]


def rule(question_type: str, extra: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Every question alike."""
    return "letter-perception", {}


BENCHMARK = Benchmark(
    name="perceptioncomp",
    title="PerceptionComp",
    hub="hrinnnn/PerceptionComp",
    paper="2603.26653",
    count=1114,
    inputs="video",
    answers="A-E",
    aliases=("perceptcomp",),
    note="The truth is a letter; the data hold the 0-based answer_id.",
    rule=rule,
)
