"""Reads the tables that benchmarks are published as: JSON, JSON lines, CSV, parquet, tfrecord."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from spatialclaw.errors import UsageError
from spatialclaw.evaluation.data.tfrecord import read_examples

__all__ = ["TABLES", "read_table"]

TABLES = (".parquet", ".jsonl", ".json", ".csv", ".tsv", ".tfrecord")
_LISTS = ("questions", "data", "annotations", "items")


def read_table(name: str, stream: IO[bytes]) -> Iterator[Mapping[str, Any]]:
    """The rows of a table, in file order.

    Args:
        name: Says by its ending what the file is; named in errors.
        stream: Its bytes, seekable.

    Raises:
        UsageError: It is damaged, or no table; says where.
    """
    suffix = Path(name.lower()).suffix
    if suffix == ".parquet":
        yield from _parquet(name, stream)
    elif "tfrecord" in name.lower():
        yield from read_examples(name, stream)
    elif suffix in (".jsonl", ".json", ".csv", ".tsv"):
        text = _text(name, stream)
        if suffix == ".jsonl":
            yield from _lines(name, text)
        elif suffix == ".json":
            yield from _json(name, text)
        else:
            csv.field_size_limit(2**31 - 1)
            delimiter = "\t" if suffix == ".tsv" else ","
            for number, row in enumerate(csv.DictReader(io.StringIO(text), delimiter=delimiter), 2):
                if None in row:
                    raise UsageError(f"{name}, line {number}: more fields than the header has")
                yield row
    else:
        raise UsageError(f"{name} is no table", hint=f"Tables end in {', '.join(TABLES)}.")


def _text(name: str, stream: IO[bytes]) -> str:
    try:
        return stream.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{name} is not UTF-8 text: {error}") from error


def _object(name: str, number: int, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise UsageError(f"{name}, row {number}: not an object of named fields")
    return value


def _lines(name: str, text: str) -> Iterator[Mapping[str, Any]]:
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                value = json.loads(line)
            except ValueError as error:
                raise UsageError(f"{name}, line {number}: not JSON: {error}") from error
            yield _object(name, number, value)


def _json(name: str, text: str) -> Iterator[Mapping[str, Any]]:
    try:
        value = json.loads(text)
    except ValueError as error:
        if text.lstrip().startswith("{") and "\n" in text.strip():
            yield from _lines(name, text)  # JSON lines under a .json name
            return
        raise UsageError(f"{name} is not JSON: {error}") from error
    if isinstance(value, dict):
        held = next((value[key] for key in _LISTS if isinstance(value.get(key), list)), None)
        if held is None and all(isinstance(row, dict) for row in value.values()):
            held = [{"_key": key, **row} for key, row in value.items()]
        value = held
    if not isinstance(value, list):
        raise UsageError(f"{name} holds no list of rows")
    for number, row in enumerate(value, 1):
        yield _object(name, number, row)


def _parquet(name: str, stream: IO[bytes]) -> Iterator[Mapping[str, Any]]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise UsageError(
            f"{name} is a parquet file, and pyarrow is not installed",
            hint="pip install 'spatialclaw[eval]'",
        ) from error
    try:
        for batch in pyarrow.parquet.ParquetFile(stream).iter_batches(batch_size=32):
            yield from batch.to_pylist()
    except (pyarrow.ArrowException, OSError) as error:
        line = " ".join(str(error).split())
        raise UsageError(
            f"{name} is no whole parquet file: {line}",
            hint="It is damaged or half downloaded; `spatialclaw benchmarks prepare` fetches it.",
        ) from error
