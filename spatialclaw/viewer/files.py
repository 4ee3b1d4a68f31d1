"""Reads files of a folder that anyone may have written to: no links, no pipes, bounded size."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

__all__ = ["Unreadable", "read_json", "read_small"]


class Unreadable(ValueError):
    """A file is there and cannot be used."""


def read_small(path: Path, limit: int = 4_000_000) -> bytes | None:
    """The bytes of a regular file; None when there is none.

    Raises:
        Unreadable: It is a link, a pipe or a folder, is larger than `limit`, or cannot be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Unreadable(f"{path.name}: {(error.strerror or str(error)).lower()}") from error
    with os.fdopen(descriptor, "rb") as file:
        facts = os.fstat(file.fileno())
        if not stat.S_ISREG(facts.st_mode):
            raise Unreadable(f"{path.name} is no plain file")
        if facts.st_size > limit:
            raise Unreadable(f"{path.name} has {facts.st_size:,} bytes")
        return file.read(limit)


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file; empty when there is no file.

    Raises:
        Unreadable: It holds something else.
    """
    data = read_small(path)
    if data is None:
        return {}
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"{path.name} holds no JSON") from error
    if not isinstance(value, dict):
        raise Unreadable(f"{path.name} holds no JSON object")
    return value
