"""Makes rows: what all loaders share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from spatialclaw.evaluation.rows import Format, Medium, Row, Truth
from spatialclaw.evaluation.source import Record, RowProblem

__all__ = ["Ids", "make_row", "stem"]

_FORMATS: dict[str, Format] = {
    "choice": "letter",
    "number": "number",
    "integer": "number",
    "yes_no": "yes_no",
    "text": "text",
    "polygon": "point",
    "point": "point",
    "points": "points",
    "mask": "points",
}


def make_row(
    record: Record,
    *,
    uid: Any,
    question: str,
    truth: Truth,
    media: Iterable[Medium],
    raw: str | None = None,
    extra: Iterable[str] | Mapping[str, Any] = (),
    tags: Mapping[str, Any] | Iterable[str] = (),
    hidden: Iterable[str] = (),
    format: Format | None = None,
    benchmark: str = "",
    **fields: Any,
) -> Row:
    """A row from a record.

    Args:
        record: As in the data.
        uid: Its name within the benchmark.
        question: The text to ask, without options.
        truth: The true answer.
        media: What it shows, in order.
        raw: The question as in the file; `question` when None.
        extra: The columns that the scorer reads, or all of them as a mapping.
        tags: The columns to break down by, or a mapping of one's own; those that are null go.
        hidden: Columns that no model may see.
        format: The form asked for; from the truth when None.
        benchmark: Our name of it; the loader fills it in.
        fields: Further fields of `Row`.

    Raises:
        RowProblem: There is no question or no id.
    """
    name, text = str(uid).strip() if uid is not None else "", question.strip()
    if not name:
        raise RowProblem("it has no id")
    if not text:
        raise RowProblem("it has no question")
    columns = tags if isinstance(tags, Mapping) else {key: record.get(key) for key in tags}
    return Row(
        benchmark=benchmark,
        uid=name,
        index=record.index,
        question=text,
        question_raw=text if raw is None else raw,
        media=tuple(media),
        truth=truth,
        format=format or _FORMATS.get(truth.type, "json"),
        extra=extra if isinstance(extra, Mapping) else {k: record.get(k) for k in extra},
        tags={key: str(value) for key, value in columns.items() if value not in (None, "")},
        hidden={key: record.get(key) for key in hidden if record.get(key) is not None},
        **fields,
    )


def stem(record: Record) -> str:
    """The name of the record's table without folder and ending."""
    return Path(record.table).name.split(".")[0]


class Ids:
    """Keeps the ids of rows apart.

    The same question again goes, another one of the same id is numbered.

    Attributes:
        numbered: How many rows got a number behind their id.
    """

    def __init__(self) -> None:
        self._seen: dict[str, list[Row]] = {}
        self.numbered = 0

    def distinct(self, row: Row) -> Row:
        """The row, with "#2" behind its id when another question has that id.

        Raises:
            RowProblem: The very same question was there before.
        """
        before = self._seen.setdefault(row.uid, [])
        for other in before:
            if _content(other) == _content(row):
                raise RowProblem(f"it is the same as row {other.index + 1}, the id {row.uid!r} too")
        before.append(row)
        if len(before) == 1:
            return row
        self.numbered += 1
        return replace(row, uid=f"{row.uid}#{len(before)}")

    def notes(self) -> list[str]:
        """What the user should know."""
        if not self.numbered:
            return []
        return [
            f"{self.numbered} questions have an id that came before: they are numbered, as id#2"
        ]


def _content(row: Row) -> tuple[Any, ...]:
    return row.question_raw, row.options, row.truth, tuple(m.path for m in row.media)
