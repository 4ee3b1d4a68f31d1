"""BOP-ASK: object pose, grasps and relations; its metrics are not published."""

from __future__ import annotations

import json
from typing import Any

from spatialclaw.evaluation.benchmark import Benchmark
from spatialclaw.evaluation.data import forms
from spatialclaw.evaluation.data.build import make_row, stem
from spatialclaw.evaluation.data.files import Files
from spatialclaw.evaluation.rows import Row, Truth
from spatialclaw.evaluation.source import Record, RowProblem, Source

__all__ = ["BENCHMARK"]

_QUESTION = ("question", "prompt", "problem", "text")
_ANSWER = ("answer", "ground_truth", "solution", "gt", "label")
_PICTURES = ("images", "image", "img")


def row(record: Record, files: Files) -> Row:
    """The names of its columns are not documented: the usual ones are tried."""

    def first(names: tuple[str, ...], what: str) -> Any:
        for name in names:
            if record.get(name) is not None:
                return record[name]
        raise RowProblem(f"no {what} (columns: {', '.join(record)})")

    given = first(_ANSWER, "answer")
    text = given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)
    name = stem(record).split("-")[0]
    pictures = forms.as_list(first(_PICTURES, "picture"))
    return make_row(
        record,
        uid=f"{name}/{record.get('id') or record.number}",
        question=str(first(_QUESTION, "question")),
        truth=Truth("text", text, text),
        media=[files.picture(value) for value in pictures],
        task=name,
        tags={"set": name},
    )


SOURCE = Source(tables=("*boppose*.parquet", "*bopgrasp*.parquet"))

BENCHMARK = Benchmark(
    name="bop-ask",
    title="BOP-ASK",
    hub="siyich/spacetools-eval-benchmarks",
    paper="2511.16857",
    inputs="1 image",
    answers="box, grasp",
    aliases=("bopask",),
    note="The exact formulas are not known: answers are kept and not scored.",
    rule=None,
    source=SOURCE,
    row=row,
)
