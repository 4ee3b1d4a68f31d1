"""Takes single files out of archives."""

from __future__ import annotations

import shutil
import tarfile
import tempfile
import threading
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import IO

from spatialclaw.errors import UsageError
from spatialclaw.evaluation.data.names import Place, safe_parts
from spatialclaw.evaluation.rows import Row

__all__ = ["extract", "fetch", "take", "target"]

_LOCK = threading.Lock()


def target(place: Place, folder: Path) -> Path:
    """Where a member of an archive is put: below the folder, whatever its name says."""
    return folder.joinpath("archives", *safe_parts(place.name))


def extract(place: Place, folder: Path) -> Path:
    """Takes one file out of its archive; one that is out already is left alone.

    Raises:
        UsageError: The archive is damaged, or the disk is full.
    """
    path = target(place, folder)
    take(place.path, place.member, path)
    return path


def fetch(row: Row) -> Row:
    """Makes sure that all media of a row lie at their paths, taking them out of archives.

    Cheap when they are there. To be called before a question is asked, off the event loop.

    Returns:
        The row, its media plain files.

    Raises:
        UsageError: An archive is damaged, or the disk is full.
    """
    if all(medium.archive is None for medium in row.media):
        return row
    for medium in row.media:
        if medium.archive is not None:
            take(*medium.archive, medium.path)
    return replace(row, media=tuple(replace(medium, archive=None) for medium in row.media))


def take(archive: Path, member: str, path: Path) -> None:
    """Takes a member out to a path, where it appears whole or not at all.

    Raises:
        UsageError: The archive is damaged, or the disk is full.
    """
    if path.is_file():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with (
            _member(archive, member) as stream,
            tempfile.NamedTemporaryFile(dir=path.parent, prefix=".draft-", delete=False) as out,
        ):
            draft = Path(out.name)
            try:
                shutil.copyfileobj(stream, out, 1 << 20)
                out.flush()
                draft.replace(path)
            except BaseException:
                draft.unlink(missing_ok=True)
                raise
    except (
        zipfile.BadZipFile,
        zlib.error,
        tarfile.TarError,
        KeyError,
        EOFError,
        NotImplementedError,
        RuntimeError,  # zipfile's word for an encrypted member
        OSError,
    ) as error:
        raise UsageError(
            f"{member} cannot be taken out of {archive}: {error}",
            hint="Is the disk full, or the archive damaged? `spatialclaw benchmarks prepare` "
            "fetches it again.",
        ) from error


@lru_cache(maxsize=8)
def _zip(archive: Path, size: int, time_ns: int) -> zipfile.ZipFile:
    """An archive kept open: its list of members is read once. Size and time tell a new one apart.

    Reading several members at once is safe: `zipfile` takes turns on the file.
    """
    return zipfile.ZipFile(archive)


@contextmanager
def _member(archive: Path, member: str) -> Iterator[IO[bytes]]:
    if archive.name.lower().endswith(".zip"):
        stat = archive.stat()
        with _LOCK:
            opened = _zip(archive, stat.st_size, stat.st_mtime_ns)
        with opened.open(member) as stream:
            yield stream
        return
    # A compressed tar is read from its start for each member; a plain one is jumped through.
    with _LOCK, tarfile.open(archive) as tar:
        inside = tar.extractfile(member)
        if inside is None:
            raise KeyError(f"{member} is no file")
        with inside:
            yield inside
