"""BLINK: fourteen classical vision problems as choices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spatialclaw.evaluation.benchmark import Benchmark

__all__ = ["BENCHMARK"]


def rule(question_type: str, extra: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Every question alike."""
    return "letter-leading", {}


BENCHMARK = Benchmark(
    name="blink",
    title="BLINK",
    hub="BLINK-Benchmark/BLINK",
    paper="2404.12390",
    count=1901,
    inputs="1-4 images",
    answers="A-D",
    licence="Apache-2.0 (repository)",
    note="The first letter is taken even of a word; the official figure is the mean over 14 tasks.",
    rule=rule,
)
