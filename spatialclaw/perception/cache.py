"""Results on disk, one file each, named by what went in: many processes, any disk, no index.

A file is ``CACHE_MAGIC``, the sha256 of the rest, then the bytes of `packed`. It is written beside
its place and renamed there, so a reader sees all of it or nothing. Nothing in it is executed.
The folder holds ``<method>/<model>/<first two digits of the key>/<key>``.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgpack

__all__ = ["Entry", "ResultCache", "result_key", "sizes"]

CACHE_MAGIC = b"SCC1"
VERSION = 1
_HEAD = len(CACHE_MAGIC) + 32
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_DRAFT = ".draft-"
_OLD_DRAFT = 3600.0
_NAME = re.compile(r"[^A-Za-z0-9._-]")


def result_key(
    *,
    method: str,
    model: str,
    revision: str,
    pictures: Sequence[str],
    params: Mapping[str, Any],
    arrays: Mapping[str, Mapping[str, Any]],
) -> str:
    """Names a result by everything that it depends on.

    Args:
        method: Such as "depth".
        model: Name of the model.
        revision: Names its weights.
        pictures: Hashes, in order.
        params: Arguments.
        arrays: Array arguments as they are sent: {"dtype", "shape", "data"}.
    """
    said = [VERSION, method, model, revision, list(pictures), _sorted(params), _sorted(arrays)]
    return hashlib.sha256(msgpack.packb(said, use_bin_type=True)).hexdigest()


def _sorted(value: Any) -> Any:
    """The same with mappings as sorted lists of pairs, marked as such."""
    if isinstance(value, Mapping):
        return ["map", [[str(k), _sorted(value[k])] for k in sorted(value, key=str)]]
    if isinstance(value, list | tuple):
        return ["list", [_sorted(item) for item in value]]
    return value


@dataclass(frozen=True)
class Entry:
    """One file of the cache.

    Attributes:
        path: Where it lies.
        method: Of the result.
        model: Of the result.
        bytes: Its size.
        used: When it was last used, seconds since 1970.
    """

    path: Path
    method: str
    model: str
    bytes: int
    used: float


class ResultCache:
    """A folder of results, kept under a size by dropping what was used longest ago.

    Args:
        folder: Where; made when first written to.
        max_bytes: Its size; 0 keeps nothing.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self.folder = folder
        self.max_bytes = max_bytes
        self.hits = 0
        self.misses = 0
        self.damaged = 0
        self.trouble: str | None = None
        """Why results are not kept at present, or None."""
        self._lock = threading.Lock()
        self._since_swept = max_bytes  # so that the first write looks at what is there

    def path(self, method: str, model: str, key: str) -> Path:
        """Where a result lies, or would."""
        return self.folder / _plain(method) / _plain(model) / key[:2] / key

    def get(self, method: str, model: str, key: str) -> tuple[memoryview | None, bool]:
        """A result's bytes, and whether a damaged file was found and removed instead."""
        path = self.path(method, model, key)
        try:
            data = path.read_bytes()
        except OSError:
            self.misses += 1
            return None, False
        body = memoryview(data)[_HEAD:]
        if data[:4] != CACHE_MAGIC or hashlib.sha256(body).digest() != data[4:_HEAD]:
            with contextlib.suppress(OSError):
                path.unlink()
            self.damaged += 1
            self.misses += 1
            return None, True
        with contextlib.suppress(OSError):  # a cache that may only be read is good, too
            if time.time() - path.stat().st_mtime > 60:
                os.utime(path)
        self.hits += 1
        return body, False

    def put(self, method: str, model: str, key: str, parts: Sequence[Any]) -> str | None:
        """Keeps a result.

        Returns:
            None, or one line when it could not be kept and this was not said before.
        """
        size = _HEAD + sum(memoryview(part).nbytes for part in parts)
        if size > self.max_bytes // 4:
            return None
        path = self.path(method, model, key)
        draft = path.with_name(f"{_DRAFT}{os.getpid()}-{threading.get_ident()}")
        try:
            self._make_room(size)
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            digest = hashlib.sha256()
            for part in parts:
                digest.update(part)
            with draft.open("wb") as file:
                file.write(CACHE_MAGIC + digest.digest())
                for part in parts:
                    file.write(part)
            draft.replace(path)
        except OSError as error:
            with contextlib.suppress(OSError):
                draft.unlink(missing_ok=True)
            return self._in_trouble(error)
        self.trouble = None
        return None

    def _in_trouble(self, error: OSError) -> str | None:
        told = self.trouble is not None
        why = "no room is left" if error.errno in _NO_ROOM else str(error.strerror or error)
        self.trouble = f"results are not kept: {why} in {self.folder}"
        return None if told else self.trouble

    def _make_room(self, size: int) -> None:
        with self._lock:
            self._since_swept += size
            if self._since_swept < max(self.max_bytes // 20, 1):
                return
            self._since_swept = 0
            entries = sorted(self.entries(), key=lambda entry: entry.used)
            total = sum(entry.bytes for entry in entries) + size
            for entry in entries:
                if total <= self.max_bytes * 0.95:
                    break
                entry.path.unlink(missing_ok=True)
                total -= entry.bytes
            self._drop_drafts()

    def _drop_drafts(self) -> None:
        """Removes what a process left that died while writing."""
        for draft in self.folder.glob(f"*/*/*/{_DRAFT}*"):
            with contextlib.suppress(OSError):
                if time.time() - draft.stat().st_mtime > _OLD_DRAFT:
                    draft.unlink()

    def entries(self) -> Iterator[Entry]:
        """What is there; files that vanish meanwhile are left out."""
        for path in self.folder.glob("*/*/??/*"):
            if path.name.startswith(_DRAFT):
                continue
            with contextlib.suppress(OSError):
                state = path.stat()
                model = path.parents[1]
                yield Entry(path, model.parent.name, model.name, state.st_size, state.st_mtime)

    def clear(
        self,
        *,
        method: str | None = None,
        model: str | None = None,
        older_than: float | None = None,
    ) -> tuple[int, int]:
        """Removes results.

        Args:
            method: Only those of this method.
            model: Only those of this model.
            older_than: Only those not used for so many seconds.

        Returns:
            How many, and their bytes.
        """
        count = size = 0
        now = time.time()
        for entry in list(self.entries()):
            if method is not None and entry.method != _plain(method):
                continue
            if model is not None and entry.model != _plain(model):
                continue
            if older_than is not None and now - entry.used < older_than:
                continue
            with contextlib.suppress(FileNotFoundError):
                entry.path.unlink()
                count, size = count + 1, size + entry.bytes
        for folder in sorted(self.folder.glob("*/*/??"), reverse=True):
            for empty in (folder, folder.parent, folder.parent.parent):
                with contextlib.suppress(OSError):  # not empty, or gone already
                    empty.rmdir()
        return count, size


def sizes(entries: Iterable[Entry]) -> dict[tuple[str, str], tuple[int, int]]:
    """How many results and bytes there are, by method and model, largest first."""
    found: dict[tuple[str, str], tuple[int, int]] = {}
    for entry in entries:
        count, size = found.get((entry.method, entry.model), (0, 0))
        found[entry.method, entry.model] = (count + 1, size + entry.bytes)
    return dict(sorted(found.items(), key=lambda item: -item[1][1]))


def _plain(name: str) -> str:
    """A name that is a folder's: other characters become "_", with a mark that tells them apart."""
    plain = _NAME.sub("_", name)[:80]
    if plain != name or not plain.strip("."):
        return f"{plain.strip('.')}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    return plain
