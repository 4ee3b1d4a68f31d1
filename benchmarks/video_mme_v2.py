"""Video-MME-v2: four linked questions a video."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spatialclaw.evaluation.benchmark import Benchmark

__all__ = ["BENCHMARK"]


def rule(question_type: str, extra: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Every question alike."""
    return "letter-first-capital", {"letters": "ABCDEFGH"}


BENCHMARK = Benchmark(
    name="video-mme-v2",
    title="Video-MME-v2",
    hub="MME-Benchmarks/Video-MME-v2",
    paper="2604.05015",
    count=3200,
    inputs="video, subtitles",
    answers="A-H",
    licence="academic use only",
    aliases=("videommev2", "videomme-v2"),
    note="The official figure scores groups of four; published agent figures are accuracy.",
    rule=rule,
)
