"""Questions of one's own: a JSONL, JSON or CSV file with paths of media."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spatialclaw.errors import UsageError
from spatialclaw.evaluation.data import forms
from spatialclaw.evaluation.data.build import Ids, make_row
from spatialclaw.evaluation.data.tables import read_table
from spatialclaw.evaluation.rows import Dataset, Format, Kind, Medium, Row, Sampling, Truth
from spatialclaw.evaluation.source import Record, RowProblem

__all__ = ["custom_file", "load_custom", "read_custom"]

_SUFFIXES = (".jsonl", ".csv", ".tsv", ".json")
_NAMES = {
    "id": ("id", "uid", "question_id", "key"),
    "media": ("media", "images", "image", "videos", "video", "paths", "path"),
    "question": ("question", "prompt", "text"),
    "choices": ("choices", "options", "candidates"),
    "truth": ("truth", "answer", "ground_truth", "label", "gt"),
    "task": ("task", "question_type", "category", "family"),
    "group": ("group", "scene", "scene_name", "video_id"),
}
_PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".heic")
_VIDEOS = (".mp4", ".mov", ".mkv", ".avi", ".webm", ".m4v", ".mpg", ".mpeg", ".ts")
_KINDS = {
    **dict.fromkeys(("mcq", "multiple_choice", "select", "letter", "option"), "choice"),
    **dict.fromkeys(("numeric", "numerical", "float", "int", "integer", "count"), "number"),
    **dict.fromkeys(("bool", "boolean", "yesno", "yes/no"), "yes_no"),
    **dict.fromkeys(("str", "string", "open", "free", "word"), "text"),
}
_FORMATS: dict[str, Format] = {
    "choice": "letter",
    "number": "number",
    "yes_no": "yes_no",
    "text": "text",
    "point": "point",
    "box": "box",
}


def custom_file(name: str) -> Path | None:
    """The file of "custom:FILE" or of a path that ends like a table; else None.

    Raises:
        UsageError: "custom:" with nothing behind it.
    """
    if name.startswith("custom:"):
        if not name[len("custom:") :].strip():
            raise UsageError("custom: names no file", hint="Say custom:questions.jsonl.")
        return Path(name[len("custom:") :]).expanduser()
    return Path(name).expanduser() if name.lower().endswith(_SUFFIXES) else None


def load_custom(file: Path, media_dir: Path | None = None) -> Dataset:
    """The questions of a file.

    Args:
        file: JSONL, JSON or CSV. Fields: ``question``; ``media`` (a list, or paths with ";" between
            them), relative to the file or absolute; ``choices``; ``truth``; ``answer_type`` (worked
            out from the others when missing); ``tolerance``, ``relative``, ``unit`` for numbers;
            ``id``, ``task``, ``group``. Common other names of these fields are understood.
        media_dir: Where the paths start instead of the file's folder.

    Raises:
        UsageError: The file cannot be read, or none of its questions can be asked.
    """
    return read_custom(file, media_dir or file.parent, f"custom:{file.stem}")


def read_custom(file: Path, folder: Path, name: str) -> Dataset:
    """As `load_custom`, under a name of one's own.

    Raises:
        UsageError: The file cannot be read, or none of its questions can be asked.
    """
    if not file.is_file():
        raise UsageError(f"{file} is no file", hint="custom:FILE names a .jsonl or .csv file.")
    rows: list[Row] = []
    missing: list[str] = []
    ids = Ids()
    with file.open("rb") as stream:
        for number, values in enumerate(read_table(str(file), stream)):
            try:
                record = Record(values, file.name, number, number)
                rows.append(ids.distinct(_row(record, folder, name)))
            except RowProblem as problem:
                missing.append(f"{file.name} row {number + 1}: {problem}")
    if not rows:
        reason = f" ({missing[0]})" if missing else ""
        raise UsageError(f"no question of {file} can be asked{reason}")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return Dataset(
        benchmark=name,
        rows=rows,
        revision=digest[:16],
        source=str(file),
        files={file.name: digest},
        missing=missing,
        notes=ids.notes(),
    )


def _value(record: Record, field: str) -> Any:
    for name in _NAMES[field]:
        if record.get(name) not in (None, ""):
            return record[name]
    return None


def _row(record: Record, folder: Path, name: str) -> Row:
    question = _value(record, "question")
    if question is None:
        raise RowProblem("it has no question")
    choices = forms.options(_value(record, "choices")) or _columns(record)
    given = _value(record, "truth")
    named = str(record.get("answer_type") or "").strip().lower().replace("-", "_")
    kind = _KINDS.get(named, named) or _inferred(given, choices)
    if kind not in _FORMATS:
        raise RowProblem(f"answer_type {kind!r} is none of {', '.join(_FORMATS)}")
    extra = {
        "answer_type": kind,
        "choices": choices,
        "tolerance": _number(record, "tolerance") if kind == "number" else None,
        "relative": str(record.get("relative", "")).lower() in ("true", "1", "yes"),
    }
    if kind == "number" and extra["tolerance"] is None:
        whole = named in ("count", "int", "integer")
        extra |= {"tolerance": 0.0 if whole else 0.05, "relative": not whole}
    media = [
        _medium(item, folder, record)
        for named_item in _paths(_value(record, "media"))
        for item in _expanded(named_item, folder)
    ]
    group = _value(record, "group") or (str(media[0].path) if media else "")
    return make_row(
        record,
        uid=_value(record, "id") or str(record.number + 1),
        question=str(question),
        truth=_truth(given, kind, choices, record),
        media=media,
        options=choices if kind == "choice" else None,
        format=_FORMATS[kind],
        task=str(_value(record, "task") or ""),
        extra=extra,
        tags=("difficulty", "category", "family", "dataset"),
        group=str(group),
        sampling=_sampling(record),
        unit=record.get("unit"),
        benchmark=name,
    )


def _columns(record: Record) -> dict[str, str] | None:
    """Options that are columns of a CSV: A, B, C, ..."""
    letters = [letter for letter in "ABCDEFGH" if record.get(letter) not in (None, "")]
    return {letter: str(record[letter]) for letter in letters} if len(letters) > 1 else None


def _inferred(truth: Any, choices: Mapping[str, str] | None) -> str:
    if choices:
        return "choice"
    if isinstance(truth, bool) or str(truth).strip().lower() in ("yes", "no"):
        return "yes_no"
    try:
        float(str(truth))
    except ValueError:
        return "text"
    return "number"


def _truth(given: Any, kind: str, choices: Mapping[str, str] | None, record: Record) -> Truth:
    if given is None:
        raise RowProblem("it has no truth")
    if kind == "choice":
        return forms.choice(given, choices)
    if kind == "number":
        return forms.number(given, unit=record.get("unit"))
    if kind == "yes_no":
        return forms.yes_no({True: "yes", False: "no"}.get(given, given))
    if kind in ("point", "box"):
        values = [_finite(value) for value in forms.as_list(given)]
        if len(values) != 4:
            raise RowProblem("the truth of a point or box is a box (x0, y0, x1, y1)")
        return Truth(kind, values, json.dumps(values))
    return Truth("text", str(given), str(given))


def _finite(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise RowProblem(f"{value!r} is no number") from None


def _number(record: Record, name: str) -> float | None:
    value = record.get(name)
    return None if value in (None, "") else _finite(value)


def _paths(value: Any) -> list[Any]:
    if isinstance(value, str) and not value.strip().startswith("["):
        return [part.strip() for part in value.split(";") if part.strip()]
    return forms.as_list(value)


def _expanded(item: Any, folder: Path) -> list[Any]:
    """The files that a pattern such as "frames/*.jpg" is like, in order of name; else the item."""
    if not isinstance(item, str) or not any(mark in item for mark in "*?"):
        return [item]
    pattern = Path(item.strip())
    if pattern.is_absolute():
        return [item]
    return sorted(str(path.relative_to(folder)) for path in folder.glob(str(pattern))) or [item]


def _medium(item: Any, folder: Path, record: Record) -> Medium:
    fields = dict(item) if isinstance(item, Mapping) else {"path": item}
    text = fields.get("path")
    if not isinstance(text, str) or not text.strip():
        raise RowProblem(f"a path of {text!r}")
    path = folder / Path(text.strip()).expanduser()
    if not path.exists():
        raise RowProblem(f"{text} is missing")
    suffix = path.suffix.lower()
    kind: Kind = "capture"
    if path.is_file():
        kind = "image" if suffix in _PICTURES else "video" if suffix in _VIDEOS else "capture"
        if path.stat().st_size == 0:
            raise RowProblem(f"{text} is empty")
    start, end = (fields.get(k, record.get(k)) for k in ("start", "end"))
    clip = None
    if kind == "video" and end not in (None, ""):
        clip = (_finite(start or 0), _finite(end))
    return Medium(kind, path, clip, name=str(fields.get("name") or ""))


def _sampling(record: Record) -> Sampling:
    frames = _number(record, "frames")
    return Sampling(n=int(frames)) if frames else Sampling()
