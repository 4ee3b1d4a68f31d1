"""SpatialTree-Bench: a tree of abilities from perception to acting."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from spatialclaw.evaluation.benchmark import Benchmark
from spatialclaw.evaluation.data import forms
from spatialclaw.evaluation.data.build import make_row
from spatialclaw.evaluation.data.files import Files, base64_of
from spatialclaw.evaluation.rows import Format, Medium, Row, Sampling, Truth
from spatialclaw.evaluation.source import Record, RowProblem, Source

__all__ = ["BENCHMARK"]


def _loaded(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return {}
    return value if isinstance(value, dict) else {}


def _first(extra: Mapping[str, Any], hint: Mapping[str, Any], *names: str) -> Any:
    """The first of some columns that has a value; a hint counts like a column."""
    for name in names:
        for place in (extra, hint):
            if place.get(name) not in (None, ""):
                return place[name]
    return None


def _uncertainty(hint: Mapping[str, Any]) -> Mapping[str, Any]:
    """Roll, pitch and vfov to their standard deviations, called roll_unc and so on in the data."""
    if "roll_unc" in hint:
        return {name: hint.get(f"{name}_unc") for name in ("roll", "pitch", "vfov")}
    found = hint.get("uncertainty", hint)
    return found if isinstance(found, Mapping) else {}


def truth(given: str, question_type: str, extra: Mapping[str, Any]) -> str:
    """A cognitive map is compared with the one in the hint; the answer beside it is its letter."""
    hint = _loaded(extra.get("hint"))
    card = hint.get("cogmap")
    if card is None or rule(question_type, extra)[0] != "cognitive-map":
        return given
    return card if isinstance(card, str) else json.dumps(card, ensure_ascii=False)


def rule(question_type: str, extra: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """By metricfunc in the column extra_info; what a metric needs is in the column hint."""
    info, hint = _loaded(extra.get("extra_info")), _loaded(extra.get("hint"))
    metric = str(extra.get("metricfunc") or info.get("metricfunc") or "")
    kind = str(extra.get("question_type") or question_type)
    if metric == "judge" or (not metric and kind == "judge"):
        return "yes-no-last", {}
    if metric == "gravityeval":
        return "gravity", {"uncertainty": _uncertainty(hint)}
    if metric == "affmask":
        return "mask-at-last-point", {"mask": _first(extra, hint, "mask", "answer")}
    if metric == "cogmapeval":
        return "cognitive-map", {"letter": _first(extra, hint, "letter", "answer")}
    if metric in ("manipulateeval", "agenticnaveval"):
        arm = metric == "manipulateeval"
        if "optimal_rel_pose" in hint:
            segments = {name: value for name, value in hint.items() if "->" in name}
            return "pose-trajectory", {
                "poses": hint["optimal_rel_pose"],
                "segments": segments,
                "arm": arm,
            }
        return "trajectory", {**hint, "arm": arm}
    if metric == "gpteval":
        return "open", {}
    if metric == "meanrelativeacc" or kind == "open":
        return "mra", {"reader": "first-signed"}
    return "letter-spatialtree", {"options": extra.get("option") or extra.get("options")}


_PROMPTS = {
    "letter-spatialtree": "Return only the letter of the correct option, as `answer: X`.",
    "mra": "Answer with a single number alone; guess one if need be.",
    "mask-at-last-point": "Point at this. Answer with one JSON array [x, y], in fractions of the "
    "picture's width and height from the top left.",
    "pose-trajectory": "Answer with a JSON object in a ```json block; step_nums are 0 to 10.",
}
_FORMATS: dict[str, Format] = {"mask-at-last-point": "point", "open": "text"}


def row(record: Record, files: Files) -> Row:
    """Pictures and videos; extra_info says which metric reads the answer and where it hangs."""
    info, hint = _loaded(record.get("extra_info")), _loaded(record.get("hint"))
    kind = record.text("question_type")
    options = forms.options(record.get("option"))
    extra = {
        "extra_info": record.get("extra_info"),
        "hint": record.get("hint"),
        "question_type": kind,
        "option": list(options.values()) if options else [],
    }
    scorer, _ = rule(kind, extra)
    mask = _mask(record, hint, files) if scorer == "mask-at-last-point" else None
    if mask is not None:
        extra["mask"] = mask
    if scorer == "cognitive-map":
        extra["answer"] = record.text("answer")
    path = [str(info[key]) for key in sorted(info) if key.startswith("spatree") and info[key]]
    given = record.text("answer")
    return make_row(
        record,
        uid=record.text("session_id"),
        question=record.text("question"),
        truth=_truth(scorer, given, options, hint, mask),
        media=[*_pictures(record, files), *_videos(record, files)],
        options=options if scorer == "letter-spatialtree" else None,
        format=_FORMATS.get(scorer),
        task=kind,
        extra=extra,
        tags={"metric": info.get("metricfunc"), "level": path[0] if path else None},
        group=str(
            (forms.as_list(record.get("video")) or forms.as_list(record.get("image")) or [""])[0]
        ),
        group_path=tuple(path),
        sampling=Sampling(n=32),
        prompt={"suffix": _PROMPTS[scorer]} if scorer in _PROMPTS else None,
    )


def _listed(record: Record, column: str) -> list[Any]:
    return forms.as_list(record.get(column))


def _pictures(record: Record, files: Files) -> list[Medium]:
    return [files.medium(path) for path in _listed(record, "image")]


def _videos(record: Record, files: Files) -> list[Medium]:
    infos = forms.as_list(record.get("video_info"))
    found = []
    for number, path in enumerate(_listed(record, "video")):
        info = _loaded(infos[number]) if number < len(infos) else {}
        frames = tuple(int(i) for i in forms.as_list(info.get("frame_index"))) or None
        found.append(files.medium(path, "video", role="video", frame_indices=frames))
    return found


def _mask(record: Record, hint: Mapping[str, Any], files: Files) -> str:
    for value in (hint.get("mask"), hint.get("mask_path"), record.get("mask"), record["answer"]):
        if value:
            return base64_of(files.picture(value, "mask"))
    raise RowProblem("no mask")


def _truth(
    scorer: str,
    given: str,
    options: Mapping[str, str] | None,
    hint: Mapping[str, Any],
    mask: str | None,
) -> Truth:
    if scorer == "letter-spatialtree":
        return forms.choice(given, options)
    if scorer == "mra":
        return forms.number(given)
    if scorer == "yes-no-last":
        return forms.yes_no(given)
    if mask is not None:
        return Truth("point", forms.point_in_mask(mask), "")
    if scorer == "cognitive-map":
        card = hint.get("cogmap", given)
        letter = hint.get("letter", given if "cogmap" in hint else None)
        value = _json(card) if isinstance(card, str) else card
        return Truth("json", {"letter": letter, "map": value} if letter else value, given)
    if scorer in ("gravity", "trajectory"):
        return Truth("json", _json(given), given)
    return Truth("text", given, given)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise RowProblem(f"the answer {text[:40]!r} is no JSON") from None


SOURCE = Source(
    tables=("annotations_plain.parquet",),
    media=("videos/*", "images/*", "*.zip", "*.tar*"),
)

BENCHMARK = Benchmark(
    name="spatialtree-bench",
    title="SpatialTree-Bench",
    hub="LongfeiLi/SpatialTree-Bench",
    paper="2512.20617",
    count=6300,
    inputs="images, video",
    answers="letter, number, yes/no, JSON, point, text",
    aliases=("spatialtree",),
    note="Where the own code draws at random ours scores 0; answers that need a judge stay open.",
    compared="a community loader",
    rule=rule,
    source=SOURCE,
    row=row,
    truth=truth,
)
