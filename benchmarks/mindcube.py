"""MindCube: a scene from two to four views."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from spatialclaw.evaluation.benchmark import Benchmark
from spatialclaw.evaluation.data import forms
from spatialclaw.evaluation.data.build import make_row
from spatialclaw.evaluation.data.files import Files
from spatialclaw.evaluation.rows import Row
from spatialclaw.evaluation.source import Record, Source, Subset

__all__ = ["BENCHMARK"]


def rule(question_type: str, extra: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Every question alike."""
    return "letter-mindcube", {}


_SETTINGS = ("around", "rotation", "translation", "among")


def row(record: Record, files: Files) -> Row:
    """Two to four views; the setting follows from the id."""
    id, raw = record.text("id"), record.text("question")
    setting = next((name for name in _SETTINGS if name in id), "other")
    question, options = forms.inline_options(raw, record["gt_answer"])
    scene = re.match(r".*?group\d+", id)
    paths = forms.as_list(record["images"])
    return make_row(
        record,
        uid=id,
        question=question,
        raw=raw,
        truth=forms.choice(record["gt_answer"], options),
        media=[
            files.medium(path, role="view", name=f"image {i}") for i, path in enumerate(paths, 1)
        ],
        options=options,
        task=setting,
        tags={
            "setting": setting,
            "type": record.get("type"),
            "category": ", ".join(map(str, forms.as_list(record.get("category")))),
        },
        group=scene.group(0) if scene else str(paths[0]).rpartition("/")[0],
    )


SOURCE = Source(
    tables=("MindCube.jsonl",),
    media=("data.zip",),
    gigabytes=0.6,
    subsets={
        "full": Subset(21154),
        "tiny": Subset(1050, ("MindCube_tinybench.jsonl",), aliases=("mindcube-tiny",)),
        "train": Subset(None, ("MindCube_train.jsonl",)),
    },
    default="full",
)


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
    compared="public descriptions of its files",
    rule=rule,
    source=SOURCE,
    row=row,
)
