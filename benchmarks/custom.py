"""Questions of one's own: a JSONL or CSV file with paths of media."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spatialclaw.evaluation.benchmark import Benchmark

__all__ = ["BENCHMARK"]


def rule(question_type: str, extra: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """By answer_type: choice, number (within tolerance), yes_no, point, box, or exact text."""
    kind = str(extra.get("answer_type") or "text")
    if kind == "choice":
        return "choice", {"options": extra.get("choices")}
    if kind == "number":
        named = {"tolerance": extra.get("tolerance"), "relative": extra.get("relative")}
        return "tolerance", named
    if kind in ("point", "box"):
        return "region", {}
    return ("yes-no" if kind == "yes_no" else "exact"), {}


BENCHMARK = Benchmark(
    name="custom",
    title="questions of one's own",
    hub="",
    inputs="any",
    answers="letter, number, yes/no, text, point, box",
    licence="your own",
    note="`custom:FILE`, or the path of a .jsonl or .csv file.",
    compared="made here",
    rule=rule,
)
