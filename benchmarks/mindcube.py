"""MindCube: a scene from two to four views."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spatialclaw.evaluation.benchmark import Benchmark

__all__ = ["BENCHMARK"]


def rule(question_type: str, extra: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Every question alike."""
    return "letter-mindcube", {}


BENCHMARK = Benchmark(
    name="mindcube",
    title="MindCube",
    hub="MLL-Lab/MindCube",
    paper="2506.21458",
    count=21154,
    inputs="2-4 images",
    answers="A-E",
    licence="MIT (repository)",
    aliases=("mindcube-tiny",),
    note='The official overall leaves out the setting "translation".',
    rule=rule,
)
