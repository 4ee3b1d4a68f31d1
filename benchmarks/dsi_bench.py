"""DSI-Bench: who moved, the camera, the object, or both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spatialclaw.evaluation.benchmark import Benchmark

__all__ = ["BENCHMARK"]


def rule(question_type: str, extra: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Every question alike."""
    return "letter-tag-first-char", {}


BENCHMARK = Benchmark(
    name="dsi-bench",
    title="DSI-Bench",
    hub="Viglong/DSI-Bench",
    paper="2510.18873",
    count=7076,
    inputs="video",
    answers="A-D",
    licence="CC BY 4.0 (repository)",
    aliases=("dsi",),
    note="Each clip also mirrored and reversed; reported sample-wise and group-wise.",
    rule=rule,
)
