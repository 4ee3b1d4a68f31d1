"""VSTI-Bench: camera motion and camera-object geometry over time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spatialclaw.evaluation.benchmark import Benchmark

__all__ = ["BENCHMARK"]


_NUMBERS = ("camera_obj_abs_dist", "camera_displacement", "camera_obj_dist_change")


def rule(question_type: str, extra: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """By question type, not by whether there are options."""
    if question_type.startswith(_NUMBERS):
        return "mra", {"reader": "first-token"}
    return "letter-first-token", {}


def truth(given: str, question_type: str, extra: Mapping[str, Any]) -> str:
    """A choice is compared with the letter in the column mc_answer."""
    letter = extra.get("mc_answer")
    return str(letter) if letter and not question_type.startswith(_NUMBERS) else given


BENCHMARK = Benchmark(
    name="vsti-bench",
    title="VSTI-Bench",
    hub="Journey9ni/vstibench",
    paper="2505.20279",
    count=6042,
    inputs="video",
    answers="letter, number",
    licence="Apache-2.0 (repository)",
    aliases=("vsti", "vstibench"),
    rule=rule,
    truth=truth,
)
