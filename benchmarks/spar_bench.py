"""SPAR-Bench: twenty tasks from depth to imagined views."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spatialclaw.evaluation.benchmark import Benchmark

__all__ = ["BENCHMARK"]


_NUMBERS = ("depth_prediction", "distance_prediction")


def rule(question_type: str, extra: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """By the column task: depths and distances, view changes, and choices."""
    task = str(extra.get("task") or question_type)
    if task.startswith(_NUMBERS):
        reader = "spar-multi" if task.endswith("_mv") else "spar-single"
        return "mra", {"reader": reader, "zero": "absolute"}
    if task == "view_change_infer":
        return "vci", {}
    return "letter-spar", {}


BENCHMARK = Benchmark(
    name="spar-bench",
    title="SPAR-Bench",
    hub="jasonzhango/SPAR-Bench",
    paper="2503.22976",
    count=7207,
    inputs="1 or several images",
    answers="A-D, number, five-axis motion",
    aliases=("spar",),
    note="The official overall is the mean of the 20 task means.",
    rule=rule,
)
