"""RoboSpatial-Home: does it fit, how are things arranged, point at free space."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from spatialclaw.evaluation.benchmark import Benchmark
from spatialclaw.evaluation.data import forms
from spatialclaw.evaluation.data.build import make_row, stem
from spatialclaw.evaluation.data.files import Files, base64_of
from spatialclaw.evaluation.rows import Row, Truth
from spatialclaw.evaluation.source import Record, RowProblem, Source, Subset

__all__ = ["BENCHMARK"]


def rule(question_type: str, extra: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Yes/no by the beginning, points by the polygon of the truth."""
    return "robospatial", {}


def row(record: Record, files: Files) -> Row:
    """Yes or no, or a point within a polygon given in fractions of the picture."""
    split = stem(record).split("-")[0]
    given = record.text("answer")
    picture = files.picture(record["img"])
    extra = {}
    if record.get("mask") is not None:
        extra["mask"] = base64_of(files.picture(record["mask"], "mask"))
    if given.lower() in ("yes", "no"):
        truth = forms.yes_no(given)
    else:
        truth = Truth("point", forms.point_in_polygon(_corners(given)), given)
    return make_row(
        record,
        uid=f"{split}/{record.number:03d}",
        question=record.text("question"),
        truth=truth,
        media=[picture],
        task=str(record.get("category") or split),
        extra=extra,
        tags={"split": split},
        group=picture.path.stem,
    )


def _corners(text: str) -> list[tuple[float, float]]:
    found = re.findall(r"[(\[]\s*([\d.]+)\s*,\s*([\d.]+)\s*[)\]]", text)
    if len(found) < 3:
        raise RowProblem(f"the answer {text[:40]!r} is no polygon")
    return [(float(x), float(y)) for x, y in found]


_SPLITS = {"compatibility": 105, "configuration": 123, "context": 122}
SOURCE = Source(
    tables=tuple(f"{split}*.parquet" for split in _SPLITS),
    subsets={split: Subset(count, (f"{split}*.parquet",)) for split, count in _SPLITS.items()},
)


BENCHMARK = Benchmark(
    name="robospatial-home",
    title="RoboSpatial-Home",
    hub="chanhee-luke/RoboSpatial-Home",
    paper="2411.16537",
    count=350,
    inputs="1 image, depth",
    answers="yes/no, point",
    licence="Apache-2.0 (code)",
    aliases=("robospatial",),
    compared="its authors' download script",
    rule=rule,
    source=SOURCE,
    row=row,
)
