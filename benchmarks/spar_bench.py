"""SPAR-Bench: twenty tasks from depth to imagined views."""

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


_NUMBERS = ("depth_prediction", "distance_prediction")


def rule(question_type: str, extra: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """By the column task: depths and distances, view changes, and choices."""
    task = str(extra.get("task") or question_type)
    if task.startswith(_NUMBERS):
        reader = "spar-multi" if task.endswith("_mv") else "spar-single"
        return "mra", {"reader": reader, "zero": "absolute"}
    if task == "view_change_infer":
        return "vci", {}
    return "letter-spar", {}


_PROMPTS = {
    "choice": "Answer with the option's letter alone.",
    "number": "Answer with a single word or phrase.",
    "integer": "Answer with a single word or phrase.",
    "motion5": "Answer in this form, metres and degrees, without blanks: "
    "move_right:0.5,move_up:0.1,move_forward:1.0,rotate_left:10,rotate_down:5 (or left, down, "
    "backward, right, up).",
}
_BOXES = ("position_matching", "camera_motion_infer")


def row(record: Record, files: Files) -> Row:
    """Pictures in the table; a choice, a number, or a motion along five axes."""
    task, given = record.text("task"), record["answer"]
    raw = record.text("question")
    select = record.text("format_type") == "select"
    question, options = forms.inline_options(raw, given if select else None)
    if select:
        truth = forms.choice(given, options)
    elif task == "view_change_infer":
        truth, options = _motion(str(given).strip()), None
    else:
        truth, options = forms.number(given), None
    letter = "The boxes are on a scale from 0 to 1000 from the top left. " if task in _BOXES else ""
    return make_row(
        record,
        uid=record["id"],
        question=question if options else raw,
        raw=raw,
        truth=truth,
        media=[files.picture(value, role="view") for value in forms.as_list(record["image"])],
        options=options,
        task=task,
        extra=("task", "format_type"),
        tags=("img_type", "source"),
        format="json" if truth.type == "motion5" else None,
        group_path=(level(task), task),
        prompt={"suffix": letter + _PROMPTS[truth.type]},
    )


def level(task: str) -> str:
    """Low, Middle or High, as the paper groups the tasks."""
    if task.startswith(_NUMBERS):
        return "Low"
    return "Middle" if task in (*_BOXES, "view_change_infer") else "High"


def _motion(text: str) -> Truth:
    pairs = [part.split(":") for part in text.split(",")]
    if not all(len(pair) == 2 for pair in pairs):
        raise RowProblem(f"the answer {text!r} is no motion")
    return Truth("motion5", {key: float(forms.number(value).value) for key, value in pairs}, text)


SOURCE = Source(tables=("data/test-*.parquet | test-*.parquet | *.parquet",))


BENCHMARK = Benchmark(
    name="spar-bench",
    title="SPAR-Bench",
    hub="jasonzhango/SPAR-Bench",
    paper="2503.22976",
    count=7207,
    inputs="1 or several images",
    answers="A-D, number, five-axis motion",
    aliases=("spar",),
    note="The official overall is the mean of the 20 task means.",
    rule=rule,
    source=SOURCE,
    row=row,
)
