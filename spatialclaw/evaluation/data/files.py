"""The files of a benchmark as its loader sees them: tables, media, and rows made of them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from spatialclaw.errors import UsageError
from spatialclaw.evaluation.data.archives import extract, take, target
from spatialclaw.evaluation.data.names import Names, Place
from spatialclaw.evaluation.data.tables import read_table
from spatialclaw.evaluation.rows import Kind, Medium
from spatialclaw.evaluation.source import Record, RowProblem

__all__ = ["Files", "base64_of", "picture_type", "write_once"]

_TYPES = (
    (b"\xff\xd8\xff", ".jpg"),
    (b"\x89PNG\r\n\x1a\n", ".png"),
    (b"GIF8", ".gif"),
    (b"BM", ".bmp"),
    (b"II*\0", ".tif"),
    (b"MM\0*", ".tif"),
)


def write_once(path: Path, data: bytes) -> Path:
    """Writes a file that appears whole or not at all; one that is there is left alone."""
    if path.is_file() and path.stat().st_size == len(data):
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=".draft-")
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(data)
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
    return path


class Files:
    """The files of a benchmark.

    Args:
        root: The folder, in the publisher's layout.
        media: Where pictures from tables and archives are put.
        prefixes: What paths in the data begin with that the files do not.

    Attributes:
        names: Every file, those in archives too.
        read: The tables that were read, by name.
    """

    def __init__(self, root: Path, media: Path, prefixes: Iterable[str] = ()) -> None:
        self.root, self.folder = root, media
        self.names = Names(root, prefixes)
        self.read: dict[str, Path] = {}

    def tables(self, patterns: Iterable[str]) -> list[Place]:
        """The tables like the patterns, of which "a | b" means b where nothing is like a.

        Raises:
            UsageError: One is missing; says what was looked for and what is there.
        """
        found: list[Place] = []
        for pattern in patterns:
            choices = [part.strip() for part in pattern.split("|")]
            like = next((places for p in choices if (places := self.names.like(p))), [])
            if not like:
                unreadable = [f"unpack {name} yourself" for name in self.names.unreadable[:3]]
                raise UsageError(
                    f"no {' or '.join(choices)} in {self.root}",
                    hint=f"There is {self.names.top()}." + "".join(f" ({u})" for u in unreadable),
                )
            found += like
        return found

    def records(self, patterns: Iterable[str]) -> Iterator[Record]:
        """The rows of the tables, in file order."""
        index = 0
        for place in self.tables(patterns):
            path = extract(place, self.folder) if place.member else place.path
            self.read[place.name] = path
            with path.open("rb") as stream:
                for number, values in enumerate(read_table(place.name, stream)):
                    yield Record(values, place.name, number, index)
                    index += 1

    def medium(self, path: Any, kind: Kind = "image", *, prefer: str = "", **fields: Any) -> Medium:
        """A file that a row names by its path; of several that fit, the one with `prefer` in it.

        Raises:
            RowProblem: It is missing, empty, or named by a path that leads elsewhere.
        """
        if not isinstance(path, str) or not path.strip():
            raise RowProblem(f"a path of {'nothing' if not path else type(path).__name__}")
        place = self.names.find(path.strip(), prefer)
        if place.size == 0:
            raise RowProblem(f"{place.name} is empty")
        if not place.member:
            return Medium(kind, place.path, **fields)
        out = target(place, self.folder)
        return Medium(kind, out, archive=(place.path, place.member), **fields)

    def picture(self, value: Any, kind: Kind = "image", **fields: Any) -> Medium:
        """A picture in a table: bytes, {"bytes", "path"}, base64 (also a data URL), or a path.

        Raises:
            RowProblem: There is none, or it is no picture.
        """
        if isinstance(value, Mapping):
            inner = value.get("bytes")
            if inner is None and value.get("path"):
                return self.medium(str(value["path"]), kind, **fields)
            value = inner
        if isinstance(value, str):
            try:
                data = base64.b64decode(value.rpartition("base64,")[2], validate=True)
            except (binascii.Error, ValueError):
                return self.medium(value, kind, **fields)
            if len(value) < 200 and picture_type(data) is None:
                return self.medium(value, kind, **fields)
        elif isinstance(value, bytes | bytearray):
            data = bytes(value)
        else:
            raise RowProblem("no picture" if value is None else f"a picture of {type(value)}")
        suffix = picture_type(data)
        if suffix is None:
            raise RowProblem(f"{len(data):,} bytes that are no picture")
        digest = hashlib.sha256(data).hexdigest()
        path = write_once(self.folder / "pictures" / digest[:2] / f"{digest[:32]}{suffix}", data)
        return Medium(kind, path, **fields)


def picture_type(data: bytes) -> str | None:
    """The ending of a picture's file name by its first bytes, or None."""
    for magic, suffix in _TYPES:
        if data.startswith(magic):
            return suffix
    return ".webp" if data[:4] == b"RIFF" and data[8:12] == b"WEBP" else None


def base64_of(medium: Medium) -> str:
    """The bytes of a picture as text, for a column that a scorer reads."""
    path = medium.path
    if medium.archive is not None:
        take(*medium.archive, path)
    return base64.b64encode(path.read_bytes()).decode("ascii")
