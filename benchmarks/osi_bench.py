"""OSI-Bench: metric questions about open-world video."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spatialclaw.evaluation.benchmark import Benchmark

__all__ = ["BENCHMARK"]


_ZERO = {"absolute_speed": 0.3, "absolute_displacement": 0.3, "trajectory_length": 2.0}
_CHOICE = ("trajectory_description", "relative_distance", "relative_direction_")


def rule(question_type: str, extra: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """By question_type (mcq, numerical) and the column category, which sets the rule for zero."""
    category = str(extra.get("category") or question_type)
    angular = category == "relative_direction_angular"
    kind = str(extra.get("question_type") or question_type)
    by_category = kind not in ("mcq", "numerical") and category.startswith(_CHOICE) and not angular
    if kind == "mcq" or by_category:
        return "letter-osi", {}
    return "mra", {"reader": "last", "zero": _ZERO.get(category, "exact")}


BENCHMARK = Benchmark(
    name="osi-bench",
    title="OSI-Bench",
    hub="HarmlessSR07/OSI-Bench",
    paper="2512.19683",
    count=8736,
    inputs="video",
    answers="A-D, number",
    licence="Apache-2.0",
    aliases=("osi",),
    rule=rule,
)
