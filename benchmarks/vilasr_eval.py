"""ViLaSR evaluation sets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spatialclaw.evaluation.benchmark import Benchmark
from spatialclaw.evaluation.scorers.base import tag_content

__all__ = ["BENCHMARK"]


_SCORERS: dict[str, tuple[str, dict[str, Any]]] = {
    "multiple choice": ("first-char", {}),
    "numerical": ("number-same-form", {}),
    "regression": ("mra", {"reader": "first-anywhere", "tagged": True}),
    "vci": ("vci", {"normaliser": "truth"}),
}


def rule(question_type: str, extra: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """By the column problem_type."""
    return _SCORERS.get(str(extra.get("problem_type") or question_type), ("first-char", {}))


def truth(given: str, question_type: str, extra: Mapping[str, Any]) -> str:
    """The content of the truth's own tag."""
    return tag_content(given) or given


BENCHMARK = Benchmark(
    name="vilasr-eval",
    title="ViLaSR-eval",
    hub="AntResearchNLP/ViLaSR-eval",
    paper="2506.09965",
    inputs="image, video",
    answers="letter, number, motion",
    aliases=("vilasr",),
    rule=rule,
    truth=truth,
)
