"""Takes single files out of archives."""

from __future__ import annotations

import shutil
import tarfile
import tempfile
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import IO

from spatialclaw.errors import UsageError
from spatialclaw.evaluation.data.names import DAMAGE, Place, safe_parts
from spatialclaw.evaluation.rows import Row
from spatialclaw.evaluation.source import RowProblem

__all__ = ["extract", "fetch", "take", "target"]

_LOCK = threading.Lock()
_PACKED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")


def target(place: Place, folder: Path) -> Path:
    """Where a member of an archive is put: below the folder, whatever its name says."""
    return folder.joinpath("archives", place.stamp, *safe_parts(place.member))


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
    try:
        if archive.name.lower().endswith(_PACKED):
            _take_all(archive, path.parents[len(safe_parts(member)) - 1])
        else:
            with _member(archive, member) as stream:
                _write(stream, path)
    except (*DAMAGE, KeyError, NotImplementedError, RuntimeError) as error:
        # RuntimeError is zipfile's word for an encrypted member.
        raise UsageError(
            f"{member} cannot be taken out of {archive}: {error}",
            hint="Is the disk full, or the archive damaged? `spatialclaw benchmarks prepare` "
            "fetches it again.",
        ) from error


def _write(stream: IO[bytes], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".draft-", delete=False) as out:
        draft = Path(out.name)
        try:
            shutil.copyfileobj(stream, out, 1 << 20)
            out.flush()
            draft.replace(path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise


def _take_all(archive: Path, root: Path) -> None:
    """Takes all files out of a compressed tar: one cannot be reached but through those before."""
    with _LOCK, tarfile.open(archive) as tar:
        for entry in tar:
            try:
                path = root.joinpath(*safe_parts(entry.name))
            except RowProblem:
                continue  # it leads out of the archive's folder
            stream = tar.extractfile(entry) if entry.isfile() and not path.is_file() else None
            if stream is not None:
                with stream:
                    _write(stream, path)


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
    with _LOCK, tarfile.open(archive) as tar:
        inside = tar.extractfile(member)
        if inside is None:
            raise KeyError(f"{member} is no file")
        with inside:
            yield inside
