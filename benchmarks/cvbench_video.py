"""CVBench, the cross-video one: questions over two to four videos at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spatialclaw.evaluation.benchmark import Benchmark

__all__ = ["BENCHMARK"]


def rule(question_type: str, extra: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Every question alike."""
    return "text-tag-exact", {}


BENCHMARK = Benchmark(
    name="cvbench-video",
    title="CVBench (cross-video)",
    hub="Dongyh35/CVBench",
    paper="2508.19542",
    count=1000,
    inputs="2-4 videos",
    answers="A-D, Yes/No",
    aliases=("cvbench", "cross-video-cvbench"),
    note="Case matters.",
    rule=rule,
)
