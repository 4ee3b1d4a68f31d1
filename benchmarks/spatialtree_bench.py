"""SpatialTree-Bench: a tree of abilities from perception to acting."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from spatialclaw.evaluation.benchmark import Benchmark

__all__ = ["BENCHMARK"]


def _loaded(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return {}
    return value if isinstance(value, dict) else {}


def rule(question_type: str, extra: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """By metricfunc in the column extra_info; what a metric needs is in the column hint."""
    info, hint = _loaded(extra.get("extra_info")), _loaded(extra.get("hint"))
    metric = str(extra.get("metricfunc") or info.get("metricfunc") or "")
    kind = str(extra.get("question_type") or question_type)
    if metric == "judge" or (not metric and kind == "judge"):
        return "yes-no-last", {}
    if metric == "gravityeval":
        return "gravity", {"uncertainty": hint.get("uncertainty", hint)}
    if metric == "affmask":
        return "mask-at-last-point", {"mask": extra.get("mask", hint.get("mask"))}
    if metric == "cogmapeval":
        return "cognitive-map", {"letter": extra.get("letter", hint.get("letter"))}
    if metric in ("manipulateeval", "agenticnaveval"):
        return "trajectory", {**hint, "arm": metric == "manipulateeval"}
    if metric == "gpteval":
        return "open", {}
    if metric == "meanrelativeacc" or kind == "open":
        return "mra", {"reader": "first-signed"}
    return "letter-spatialtree", {"options": extra.get("option") or extra.get("options")}


BENCHMARK = Benchmark(
    name="spatialtree-bench",
    title="SpatialTree-Bench",
    hub="LongfeiLi/SpatialTree-Bench",
    paper="2512.20617",
    count=6300,
    inputs="images, video",
    answers="letter, number, yes/no, JSON, point, text",
    aliases=("spatialtree",),
    note="Where the own code draws at random ours scores 0; answers that need a judge stay open.",
    rule=rule,
)
