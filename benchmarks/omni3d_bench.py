"""Omni3D-Bench: metric and relational questions on single images (VADAR)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spatialclaw.evaluation.benchmark import Benchmark

__all__ = ["BENCHMARK"]


def rule(question_type: str, extra: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """By the column answer_type: int, float or str."""
    return "typed-omni3d", {"answer_type": extra.get("answer_type") or question_type or "str"}


BENCHMARK = Benchmark(
    name="omni3d-bench",
    title="Omni3D-Bench",
    hub="dmarsili/Omni3D-Bench",
    paper="2502.06787",
    count=500,
    inputs="1 image",
    answers="number, count, yes/no, word",
    licence="CC BY-NC",
    aliases=("omni3d",),
    note="Floats by strict mean relative accuracy.",
    rule=rule,
)
