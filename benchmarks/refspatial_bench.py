"""RefSpatial-Bench: point at what a sentence describes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spatialclaw.evaluation.benchmark import Benchmark
from spatialclaw.evaluation.data import forms
from spatialclaw.evaluation.data.build import make_row, stem
from spatialclaw.evaluation.data.files import Files, base64_of
from spatialclaw.evaluation.rows import Kind, Medium, Row, Truth
from spatialclaw.evaluation.source import Record, Source, Subset

__all__ = ["BENCHMARK"]


def rule(question_type: str, extra: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The share of points inside the column mask."""
    return "share-in-mask", {"mask": extra.get("mask")}


def row(record: Record, files: Files) -> Row:
    """Points in fractions of the picture, to lie within a mask."""
    split = Path(record.table).parent.name if stem(record) == "question" else stem(record)
    split = split.split("-")[0].lower()
    mask = base64_of(_picture(record, files, ("mask", "mask_path"), split, "mask"))
    return make_row(
        record,
        uid=f"{split}/{record.text('id')}",
        question=record.text("prompt"),
        truth=Truth("points", [forms.point_in_mask(mask)], ""),
        media=[_picture(record, files, ("image", "rgb_path"), split, "image")],
        task=split,
        extra={"mask": mask},
        tags={"split": split, "step": record.get("step")},
        prompt={"suffix": record.text("suffix")},
    )


def _picture(
    record: Record, files: Files, columns: tuple[str, str], split: str, kind: Kind
) -> Medium:
    inside, path = columns
    if record.get(inside) is not None:
        return files.picture(record[inside], kind)
    return files.medium(record[path], kind, prefer=split.capitalize())


_SPLITS = ("location", "placement", "unseen")
SOURCE = Source(
    tables=tuple(f"{split}-*.parquet | {split.capitalize()}/question.json" for split in _SPLITS),
    subsets={
        split: Subset(None, (f"{split}-*.parquet | {split.capitalize()}/question.json",))
        for split in _SPLITS
    },
)


BENCHMARK = Benchmark(
    name="refspatial-bench",
    title="RefSpatial-Bench",
    hub="BAAI/RefSpatial-Bench",
    inputs="1 image",
    answers="points",
    aliases=("refspatial",),
    compared="a community loader",
    rule=rule,
    source=SOURCE,
    row=row,
)
