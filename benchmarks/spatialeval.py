"""SpatialEval: synthetic maps, mazes and grids."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spatialclaw.evaluation.benchmark import Benchmark
from spatialclaw.evaluation.data import forms
from spatialclaw.evaluation.data.build import make_row
from spatialclaw.evaluation.data.files import Files
from spatialclaw.evaluation.rows import Row, Truth
from spatialclaw.evaluation.source import Record, Source, Subset

__all__ = ["BENCHMARK"]


def rule(question_type: str, extra: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Mazes: which question it is, is the last number of the id or the question type.

    How maps, grids and photographs are read is not known: their answers are kept, not scored.
    """
    id = str(extra.get("id") or question_type)
    if id.startswith("spatial"):
        return "open", {}
    last = id.rpartition(".")[2]
    return "contains-oracle", {"question": int(last) if last in ("0", "1", "2") else 0}


def row(record: Record, files: Files) -> Row:
    """A map, maze or grid as text, picture, or both."""
    id, raw = record.text("id"), record.text("text")
    question, options = forms.inline_options(raw)
    given = record.text("oracle_answer")
    picture = record.get("image")
    if given.lower() in ("yes", "no"):
        truth = forms.yes_no(given)
    elif given.isdigit():
        truth = forms.number(given)
    else:
        truth = Truth("text", given, given)
    return make_row(
        record,
        uid=id,
        question=question if truth.type != "text" else raw,
        raw=raw,
        truth=truth,
        media=[] if picture is None else [files.picture(picture)],
        options=None,
        task=id.split(".")[0],
        extra={"id": id},
        tags={"question": id.rpartition(".")[2], "options": len(options or {})},
        group=id.rpartition(".")[0],
        hidden=("oracle_option", "oracle_full_answer"),
        prompt={"suffix": "First, a concise answer in one sentence. Then the explanation."},
    )


def _maze(record: Record) -> bool:
    return record.text("id").startswith("mazenav")


def _tables(config: str) -> tuple[str, ...]:
    return (f"{config}/test-*.parquet | {config}*.parquet",)


SOURCE = Source(
    tables=_tables("vqa"),
    subsets={
        "vqa": Subset(4635),
        "tqa": Subset(4635, _tables("tqa")),
        "vtqa": Subset(4635, _tables("vtqa")),
        "mazes": Subset(1500, keep=_maze, aliases=("maze", "mazes", "mazenav", "maze-nav")),
        "mazes-text": Subset(1500, _tables("tqa"), _maze),
        "mazes-both": Subset(1500, _tables("vtqa"), _maze),
    },
    default="vqa",
)


BENCHMARK = Benchmark(
    name="spatialeval",
    title="SpatialEval",
    hub="MilaWang/SpatialEval",
    paper="2406.14852",
    count=4635,
    inputs="text, image, both",
    answers="number, yes/no",
    aliases=("maze", "mazes", "mazenav", "maze-nav"),
    note="The truth is contained in the reading: 1 is found in 10.",
    rule=rule,
    source=SOURCE,
    row=row,
)
