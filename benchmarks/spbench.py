"""SPBench: VSI-style questions on one image (SI) and several views (MV)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spatialclaw.evaluation.benchmark import Benchmark
from spatialclaw.evaluation.data import forms
from spatialclaw.evaluation.data.build import make_row, stem
from spatialclaw.evaluation.data.files import Files
from spatialclaw.evaluation.rows import Row
from spatialclaw.evaluation.source import Record, Source, Subset

__all__ = ["BENCHMARK"]


_CHOICE = ("object_rel_direction", "object_rel_distance")


def rule(question_type: str, extra: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Relations are choices, the rest are numbers."""
    if question_type.startswith(_CHOICE):
        return "letter-spbench", {}
    return "mra", {"reader": "words-first"}


def row(record: Record, files: Files) -> Row:
    """Ids repeat across the two files: they get SI_ or MV_ in front."""
    part = "MV" if "MV" in stem(record) else "SI"
    kind, scene = record.text("question_type"), record.text("scene_name")
    numeric = not kind.startswith(_CHOICE)
    options = None if numeric else forms.options(record["options"])
    given = record["ground_truth"]
    names = forms.as_list(record["images"])
    return make_row(
        record,
        uid=f"{part}_{record.text('id')}",
        question=record.text("question"),
        truth=forms.number(given) if numeric else forms.choice(given, options),
        media=[files.medium(f"{scene}/{name}", prefer=f"-{part}", role="view") for name in names],
        options=options,
        task=kind,
        tags={"part": part, "dataset": record.get("dataset")},
        group=scene,
        prompt={
            "suffix": "Answer with a number alone."
            if numeric
            else "Answer with the option's letter alone."
        },
    )


SOURCE = Source(
    tables=("SPBench-SI.parquet", "SPBench-MV.parquet"),
    media=("SPBench-*.zip", "*images*.zip", "*.tar*"),
    subsets={
        "si": Subset(1009, ("SPBench-SI.parquet",), aliases=("spbench-si",)),
        "mv": Subset(319, ("SPBench-MV.parquet",), aliases=("spbench-mv",)),
    },
)


BENCHMARK = Benchmark(
    name="spbench",
    title="SPBench",
    hub="hongxingli/SPBench",
    paper="2510.08531",
    count=1328,
    inputs="1 or several images",
    answers="A-D, number",
    licence="Apache-2.0 (card, secondary source); ScanNet terms for the pictures",
    aliases=("spbench-si", "spbench-mv"),
    note='SI and MV are reported apart; "a" and "an" read as 1.',
    compared="public descriptions of its files",
    rule=rule,
    source=SOURCE,
    row=row,
)
