"""MMSI-Video-Bench: construction, motion, planning and prediction on real clips."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spatialclaw.evaluation.benchmark import Benchmark

__all__ = ["BENCHMARK"]


def rule(question_type: str, extra: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Every question alike."""
    return "letter-mmsi-video", {}


BENCHMARK = Benchmark(
    name="mmsi-video-bench",
    title="MMSI-Video-Bench",
    hub="rbler/MMSI-Video-Bench",
    paper="2512.10863",
    count=1106,
    inputs="1 or more clips, images",
    answers="A-F",
    licence="CC BY-NC 4.0",
    aliases=("mmsi-video", "mmsivideo"),
    rule=rule,
)
