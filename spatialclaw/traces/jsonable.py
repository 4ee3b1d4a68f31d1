"""Turns what Python holds into strict JSON values: no NaN, no surprises, bounded size."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["jsonable"]

_MAX_TEXT = 200_000
_MAX_ITEMS = 10_000


def jsonable(value: Any, *, depth: int = 0) -> Any:
    """A strict JSON value: non-finite numbers become text, long text is cut and says so.

    Args:
        value: None, bool, numbers (numpy too), text, bytes (their length), paths, mappings,
            sequences, sets, dataclasses; anything else becomes its repr.
        depth: Nesting so far; beyond 20 levels the rest becomes its repr.
    """
    # What records are mostly made of, by its exact class, before anything else is asked.
    kind = type(value)
    if value is None or kind is bool or kind is int:
        return value
    if kind is str and len(value) <= _MAX_TEXT and value.isascii():
        return value
    if kind is dict and depth <= 20 and len(value) <= _MAX_ITEMS:
        return {
            key if type(key) is str else str(key): jsonable(item, depth=depth + 1)
            for key, item in value.items()
        }
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        clean = value.encode("utf-8", "replace").decode("utf-8")
        if len(clean) > _MAX_TEXT:
            return f"{clean[:_MAX_TEXT]} [... {len(clean) - _MAX_TEXT} characters cut]"
        return clean
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if depth > 20:
        return repr(value)[:1000]
    return _container(value, depth)


def _container(value: Any, depth: int) -> Any:
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{len(value)} bytes>"
    if isinstance(value, Path):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return {f.name: jsonable(getattr(value, f.name), depth=depth + 1) for f in fields}
    if isinstance(value, Mapping):
        items = list(value.items())[:_MAX_ITEMS]
        return {str(key): jsonable(item, depth=depth + 1) for key, item in items}
    if isinstance(value, list | tuple | set | frozenset):
        return [jsonable(item, depth=depth + 1) for item in list(value)[:_MAX_ITEMS]]
    if hasattr(value, "tolist"):
        return jsonable(value.tolist(), depth=depth + 1)
    return repr(value)[:1000]
