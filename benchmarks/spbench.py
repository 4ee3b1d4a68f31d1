"""SPBench: VSI-style questions on one image (SI) and several views (MV)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spatialclaw.evaluation.benchmark import Benchmark

__all__ = ["BENCHMARK"]


_CHOICE = ("object_rel_direction", "object_rel_distance")


def rule(question_type: str, extra: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Relations are choices, the rest are numbers."""
    if question_type.startswith(_CHOICE):
        return "letter-spbench", {}
    return "mra", {"reader": "words-first"}


BENCHMARK = Benchmark(
    name="spbench",
    title="SPBench",
    hub="hongxingli/SPBench",
    paper="2510.08531",
    count=1328,
    inputs="1 or several images",
    answers="A-D, number",
    aliases=("spbench-si", "spbench-mv"),
    note='SI and MV are reported apart; "a" and "an" read as 1.',
    rule=rule,
)
