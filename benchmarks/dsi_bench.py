"""DSI-Bench: who moved, the camera, the object, or both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spatialclaw.evaluation.benchmark import Benchmark
from spatialclaw.evaluation.data import forms
from spatialclaw.evaluation.data.build import make_row, stem
from spatialclaw.evaluation.data.files import Files
from spatialclaw.evaluation.rows import Row, Sampling
from spatialclaw.evaluation.source import Record, RowProblem, Source, Subset

__all__ = ["BENCHMARK"]


def rule(question_type: str, extra: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Every question alike."""
    return "letter-tag-first-char", {}


_CATEGORIES = (
    "Obj:static cam",
    "Obj:moving cam",
    "Cam:static scene",
    "Cam:dynamic scene",
    "Obj-Cam distance",
    "Obj-Cam orientation",
)


def row(record: Record, files: Files) -> Row:
    """Each augmentation has its own options and truth; the versions of a question share a row."""
    version, category = stem(record), int(record.text("cate"))
    if not 0 <= category < len(_CATEGORIES):
        raise RowProblem(f"no category {category}")
    path = record.text("relative_path")
    options = forms.options(record["options"])
    return make_row(
        record,
        uid=f"{version}/{record.number:04d}",
        question=record.text("question"),
        truth=forms.choice(record["GT"], options),
        media=[files.medium(f"videos/{version}/{path}", "video", role="video")],
        options=options,
        task=_CATEGORIES[category],
        extra={"cate": category, "version": version, "question_row": record.number},
        tags={"version": version, "video_type": record.get("video_type")},
        group=path,
        sampling=Sampling("fps", max_fps=5),
        prompt={"suffix": "Answer with the option's letter within <answer></answer>."},
    )


_VERSIONS = ("std", "hflip", "reverse", "reverse_hflip")
SOURCE = Source(
    tables=tuple(f"metadatas/{version}.csv" for version in _VERSIONS),
    media=(*(f"videos/{version}/*" for version in _VERSIONS), "*.zip"),
    subsets={"std": Subset(1769, ("metadatas/std.csv",), media=("videos/std/*", "*.zip"))},
)


BENCHMARK = Benchmark(
    name="dsi-bench",
    title="DSI-Bench",
    hub="Viglong/DSI-Bench",
    paper="2510.18873",
    count=7076,
    inputs="video",
    answers="A-D",
    licence="CC BY 4.0 (repository)",
    aliases=("dsi",),
    note="Each clip also mirrored and reversed; reported sample-wise and group-wise.",
    rule=rule,
    source=SOURCE,
    row=row,
    form="<answer>{}</answer>",
)
