"""ViLaSR evaluation sets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spatialclaw.evaluation.benchmark import Benchmark
from spatialclaw.evaluation.data import forms
from spatialclaw.evaluation.data.build import make_row, stem
from spatialclaw.evaluation.data.files import Files
from spatialclaw.evaluation.rows import Row, Sampling, Truth
from spatialclaw.evaluation.scorers.base import tag_content
from spatialclaw.evaluation.source import Record, RowProblem, Source, Subset

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


_VIDEOS = (".mp4", ".avi", ".mov", ".mkv", ".webm")


def row(record: Record, files: Files) -> Row:
    """Five sets in one form."""
    kind, name = record.text("problem_type"), stem(record)
    given = truth(record.text("answer"), kind, {}).strip()
    raw = record.text("question")
    options = forms.options(record.get("options"))
    question = raw
    if kind == "multiple choice" and options is None:
        question, options = forms.inline_options(raw, given)
    paths = [str(path) for path in forms.as_list(record["path"])]
    return make_row(
        record,
        uid=f"{name}/{record.text('problem_id')}",
        question=question,
        raw=raw,
        truth=_truth(kind, given, options),
        media=[
            files.medium(path, "video", role="video")
            if path.lower().endswith(_VIDEOS)
            else files.medium(path)
            for path in paths
        ],
        options=options if kind == "multiple choice" else None,
        format="text" if kind == "vci" else None,
        task=kind,
        extra=("problem_type",),
        tags={"set": name, "data_type": record.get("data_type")},
        group=paths[0] if paths else "",
        sampling=Sampling(n=16),
        prompt={"suffix": "Answer within <answer></answer>."},
    )


def _truth(kind: str, given: str, options: Mapping[str, str] | None) -> Truth:
    if kind == "multiple choice":
        return forms.choice(given, options)
    if kind == "vci":
        return Truth("text", given, given)
    if kind in ("numerical", "regression"):
        return forms.number(given)
    raise RowProblem(f"no problem_type {kind!r}")


_SETS = ("vsi_bench", "maze", "SpatialEval_spatialreal", "spar_bench", "mmsi_bench")
SOURCE = Source(
    tables=tuple(f"{name}.json" for name in _SETS),
    media=("*.zip", "*.tar*", "*.jpg", "*.png", "*.mp4"),
    subsets={name.lower(): Subset(None, (f"{name}.json",)) for name in _SETS},
)


BENCHMARK = Benchmark(
    name="vilasr-eval",
    title="ViLaSR-eval",
    hub="AntResearchNLP/ViLaSR-eval",
    paper="2506.09965",
    inputs="image, video",
    answers="letter, number, motion",
    aliases=("vilasr",),
    note="The authors say that not all pictures are uploaded.",
    rule=rule,
    source=SOURCE,
    row=row,
    truth=truth,
)
