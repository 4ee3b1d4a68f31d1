"""Omni3D-Bench: metric and relational questions on single images (VADAR)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spatialclaw.evaluation.benchmark import Benchmark
from spatialclaw.evaluation.data import forms
from spatialclaw.evaluation.data.build import make_row
from spatialclaw.evaluation.data.files import Files
from spatialclaw.evaluation.rows import Row, Truth
from spatialclaw.evaluation.source import Record, RowProblem, Source

__all__ = ["BENCHMARK"]


def rule(question_type: str, extra: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """By the column answer_type: int, float or str."""
    return "typed-omni3d", {"answer_type": extra.get("answer_type") or question_type or "str"}


def row(record: Record, files: Files) -> Row:
    """A picture, and an answer whose type the data names."""
    kind, given = record.text("answer_type"), record["answer"]
    if kind in ("int", "float"):
        number = forms.number(given)
        if kind == "int" and number.value != int(number.value):
            raise RowProblem(f"the answer {given!r} is no whole number")
        value = int(number.value) if kind == "int" else float(number.value)
        truth = Truth("integer" if kind == "int" else "number", value, str(value))
    elif str(given).strip().lower() in ("yes", "no"):
        truth = forms.yes_no(given)
    else:
        truth = Truth("text", str(given).strip(), str(given).strip())
    picture = record.get("image")
    number = record.get("question_index", record.get("q_index"))  # parquet and JSON differ
    if number is None:
        raise RowProblem("no column 'question_index' or 'q_index'")
    return make_row(
        record,
        uid=f"{record.text('image_index')}_{number}",
        question=record.text("question"),
        truth=truth,
        media=[files.picture(picture) if picture else files.medium(record["image_filename"])],
        format="word" if truth.type == "text" else None,
        task=kind,
        extra=("answer_type",),
        tags={"column": _column(kind, truth)},
        group=str(record["image_index"]),
        prompt={"suffix": "Answer with a single value, without unit or explanation."},
    )


def _column(kind: str, truth: Truth) -> str:
    """Which of the four published columns a question counts in."""
    numeric = {"int": "numeric (count)", "float": "numeric (other)"}
    return numeric.get(kind) or ("yes/no" if truth.type == "yes_no" else "multiple choice")


SOURCE = Source(
    tables=("data/*.parquet | *.parquet | annotations.json",),
    media=("images/*",),
    gigabytes=0.1,
)


BENCHMARK = Benchmark(
    name="omni3d-bench",
    title="Omni3D-Bench",
    hub="dmarsili/Omni3D-Bench",
    paper="2502.06787",
    count=500,
    inputs="1 image",
    answers="number, count, yes/no, word",
    licence="CC BY-NC",
    aliases=("omni3d",),
    note="Floats by strict mean relative accuracy.",
    compared="public descriptions of its files",
    rule=rule,
    source=SOURCE,
    row=row,
)
