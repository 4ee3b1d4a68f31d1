"""SpatialEval: synthetic maps, mazes and grids."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spatialclaw.evaluation.benchmark import Benchmark

__all__ = ["BENCHMARK"]


def rule(question_type: str, extra: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Which question of a maze it is, is the last number of its id or the question type."""
    last = str(extra.get("id") or question_type).rpartition(".")[2]
    return "contains-oracle", {"question": int(last) if last in ("0", "1", "2") else 0}


BENCHMARK = Benchmark(
    name="spatialeval",
    title="SpatialEval",
    hub="MilaWang/SpatialEval",
    paper="2406.14852",
    count=4635,
    inputs="text, image, both",
    answers="number, yes/no",
    aliases=("maze", "mazes", "mazenav", "maze-nav"),
    note="The truth is contained in the reading: 1 is found in 10.",
    rule=rule,
)
