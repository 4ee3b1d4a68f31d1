"""Video-MME: general questions about short, medium and long videos."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spatialclaw.evaluation.benchmark import Benchmark

__all__ = ["BENCHMARK"]


def rule(question_type: str, extra: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Every question alike."""
    return "letter-first-capital", {"letters": "ABCD"}


BENCHMARK = Benchmark(
    name="video-mme",
    title="Video-MME",
    hub="lmms-lab/Video-MME",
    paper="2405.21075",
    count=2700,
    inputs="video, subtitles",
    answers="A-D",
    licence="academic use only",
    aliases=("videomme",),
    rule=rule,
)
