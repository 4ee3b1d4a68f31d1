"""Names of files in data, some of them inside archives, found by what the rows call them."""

from __future__ import annotations

import fnmatch
import hashlib
import lzma
import os
import tarfile
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from spatialclaw.errors import UsageError
from spatialclaw.evaluation.source import RowProblem

__all__ = ["ARCHIVES", "DAMAGE", "Names", "Place", "is_archive", "safe_parts"]

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    ValueError,
)
"""What reading a damaged archive raises."""
_UNREADABLE = (".7z", ".rar", ".zst")
_SKIPPED = {".git", ".cache", "__MACOSX", "__pycache__"}


@dataclass(frozen=True)
class Place:
    """Where a file is.

    Attributes:
        name: Its path within the data, the archive's folder in front of a member's.
        path: On this machine: the file, or the archive that holds it.
        member: Its name in the archive, or "".
        size: Bytes.
        remote: Whether it is still on the hub; ``path`` is then where it will be.
        stamp: Of the archive that holds it: tells it from one that took its place.
    """

    name: str
    path: Path
    member: str = ""
    size: int = 0
    remote: bool = False
    stamp: str = ""


def is_archive(name: str) -> bool:
    """Whether a file is an archive that can be read here, by its name."""
    return name.lower().endswith(ARCHIVES)


def safe_parts(name: str) -> tuple[str, ...]:
    """The parts of a relative path.

    Raises:
        RowProblem: It is absolute, leaves its folder, or is no path.
    """
    text = str(name).replace("\\", "/")
    parts = tuple(part for part in text.split("/") if part not in ("", "."))
    if not parts or "\0" in text:
        raise RowProblem(f"{name!r} is no path")
    if text.startswith("/") or (len(parts[0]) == 2 and parts[0][1] == ":"):
        raise RowProblem(f"{name!r} is an absolute path")
    if ".." in parts:
        raise RowProblem(f"{name!r} leads out of its folder")
    return parts


class Names:
    """All files below a folder and inside its archives.

    Args:
        root: The folder.
        prefixes: What paths in the data begin with that the files do not.
    """

    def __init__(self, root: Path, prefixes: Iterable[str] = ()) -> None:
        self.root = root
        self.prefixes = [safe_parts(prefix) for prefix in prefixes]
        self.places: dict[str, Place] = {}
        self.unreadable: list[str] = []
        self._by_end: dict[tuple[str, ...], list[tuple[int, Place]]] = defaultdict(list)
        for place in _walk(root):
            if place.name.lower().endswith(_UNREADABLE):
                self.unreadable.append(place.name)
            self._add(place)
            if is_archive(place.name):
                for inside in members(place):
                    self._add(inside)

    def _add(self, place: Place) -> None:
        # A file beside an archive counts before one of the same name inside it.
        if place.name in self.places:
            return
        self.places[place.name] = place
        for parts in _forms(place):
            for length in range(1, min(len(parts), _ENDS) + 1):
                self._by_end[parts[-length:]].append((len(parts), place))

    def add_remote(self, sizes: dict[str, int]) -> None:
        """Adds files of the hub repository that are not here yet."""
        for name, size in sizes.items():
            self._add(Place(name, self.root.joinpath(*safe_parts(name)), "", size, remote=True))

    def like(self, pattern: str) -> list[Place]:
        """The files like a pattern such as "data/test-*.parquet", at the top or further down.

        Those nearest to the top are taken; files in archives only when no other file is like it.
        """
        found = [
            place
            for name, place in self.places.items()
            if fnmatch.fnmatchcase(name, pattern) or fnmatch.fnmatchcase(name, f"*/{pattern}")
        ]
        if not found:
            return []
        loose = [place for place in found if not place.member] or found
        depth = min(place.name.count("/") for place in loose)
        return sorted((p for p in loose if p.name.count("/") == depth), key=lambda p: p.name)

    def find(self, name: str, prefer: str = "") -> Place:
        """The file that a row calls by a path.

        The path itself; else the one file whose path ends with it; else the one whose path it ends
        with (archives often hold less of the path than the rows say, or more). Of several that fit
        equally well the one whose path has `prefer` in it.

        Raises:
            RowProblem: There is none, several fit equally well, or the path leads elsewhere.
        """
        parts = safe_parts(name)
        for prefix in self.prefixes:
            if parts[: len(prefix)] == prefix and len(parts) > len(prefix):
                parts = parts[len(prefix) :]
        exact = self.places.get("/".join(parts))
        if exact is not None:
            return exact
        best: dict[tuple[int, int], dict[str, Place]] = defaultdict(dict)
        for length in range(min(len(parts), _ENDS), 0, -1):
            for size, place in self._by_end.get(parts[-length:], ()):
                # Either ends with the other: what is between is all there is of the shorter one.
                shared = min(size, len(parts))
                if any(form[-shared:] == parts[-shared:] for form in _forms(place)):
                    best[shared, -size][place.name] = place
            if best:
                break
        if not best:
            raise RowProblem(f"{name} is missing")
        chosen = list(best[max(best)].values())
        if len(chosen) > 1 and prefer:
            chosen = [place for place in chosen if prefer in place.name] or chosen
        if len(chosen) > 1:
            both = " and ".join(place.name for place in chosen[:2])
            raise RowProblem(f"{name} may be {both}")
        return chosen[0]

    def top(self) -> str:
        """What lies at the top of the folder, for messages."""
        names = sorted(entry.name for entry in self.root.iterdir()) if self.root.is_dir() else []
        shown = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
        return shown or "nothing"


_ENDS = 4  # so many last parts of a path are looked up at once


def _forms(place: Place) -> list[tuple[str, ...]]:
    """How rows may call a file: a member without its archive, or the archive as a folder."""
    parts = tuple(place.name.split("/"))
    if not place.member:
        return [parts]
    plain = tuple(part for part in parts if not is_archive(part))
    folder = tuple(part.split(".")[0] if is_archive(part) else part for part in parts)
    return [plain, folder]


def _walk(root: Path) -> Iterator[Place]:
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in _SKIPPED)
        for name in sorted(files):
            path = Path(folder) / name
            relative = PurePosixPath(path.relative_to(root)).as_posix()
            if name.startswith("._") or name.endswith(".incomplete"):
                continue
            try:
                size = path.stat().st_size
            except OSError:  # a link to nowhere is a missing file
                continue
            yield Place(relative, path, "", size)


def members(archive: Place) -> Iterator[Place]:
    """The files in an archive; those whose names lead out of it are left out.

    Raises:
        UsageError: It cannot be read.
    """
    try:
        stat = archive.path.stat()
        key = f"{archive.path.resolve()} {stat.st_size} {stat.st_mtime_ns}"
        stamp = hashlib.sha256(key.encode()).hexdigest()[:12]
        if archive.name.lower().endswith(".zip"):
            with zipfile.ZipFile(archive.path) as opened:
                found = [(i.filename, i.file_size) for i in opened.infolist() if not i.is_dir()]
        else:
            with tarfile.open(archive.path) as tar:
                found = [(member.name, member.size) for member in tar if member.isfile()]
    except DAMAGE as error:
        raise UsageError(
            f"{archive.path} cannot be read: {error}",
            hint="It is damaged or half downloaded; `spatialclaw benchmarks prepare` fetches it.",
        ) from error
    for name, size in found:
        try:
            parts = safe_parts(name)
        except RowProblem:
            continue
        if _SKIPPED.isdisjoint(parts) and not parts[-1].startswith("._"):
            full = "/".join([archive.name, *parts])
            yield Place(full, archive.path, name, size, stamp=stamp)
