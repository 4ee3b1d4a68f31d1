"""Fetches the files of a data set from the Hugging Face hub, and proves that they are whole."""

from __future__ import annotations

import errno
import fnmatch
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spatialclaw.errors import BackendUnreachable, UsageError
from spatialclaw.evaluation.data.index import sha256_of

__all__ = ["Lock", "Remote", "Repository", "human"]

Tell = Callable[[str], None]


def human(size: float) -> str:
    """A number of bytes for people."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" or size >= 100 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


@dataclass(frozen=True)
class Remote:
    """A file of the repository.

    Attributes:
        name: Its path.
        size: Bytes.
        sha256: Of its content, where the hub says (large files).
        blob: Of its content as git names it (small files).
    """

    name: str
    size: int
    sha256: str = ""
    blob: str = ""

    def same(self, path: Path) -> bool:
        """Whether a file has this content."""
        if path.stat().st_size != self.size:
            return False
        if self.sha256:
            return sha256_of(path) == self.sha256
        if not self.blob:
            return True
        digest = hashlib.sha1(f"blob {self.size}\0".encode(), usedforsecurity=False)
        digest.update(path.read_bytes())
        return digest.hexdigest() == self.blob


class Lock:
    """What was fetched: the commit, and every file with its checksum. Written after each file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.values: dict[str, Any] = {}
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return
        except ValueError as error:
            raise UsageError(f"{path} is damaged: {error}", hint="Delete it.") from error
        self.values = found if isinstance(found, dict) else {}

    @property
    def revision(self) -> str:
        """The commit that is prepared, or ""."""
        return str(self.values.get("revision") or "")

    @property
    def files(self) -> dict[str, dict[str, Any]]:
        """Path to size, sha256 and time of what was fetched."""
        found: dict[str, dict[str, Any]] = self.values.setdefault("files", {})
        return found

    def holds(self, remote: Remote, path: Path) -> bool:
        """Whether a file was fetched and proven before, and not touched since."""
        entry = self.files.get(remote.name)
        if entry is None or not path.is_file():
            return False
        stat = path.stat()
        known = (entry.get("size"), entry.get("time"))
        same = not remote.sha256 or entry.get("sha256") == remote.sha256
        same = same and (bool(remote.sha256) or entry.get("blob") == remote.blob)
        return known == (stat.st_size, stat.st_mtime_ns) and same and stat.st_size == remote.size

    def add(self, remote: Remote, path: Path) -> None:
        """Records a file that was fetched."""
        stat = path.stat()
        self.files[remote.name] = {
            "size": stat.st_size,
            "sha256": remote.sha256 or sha256_of(path),
            "blob": remote.blob,
            "time": stat.st_mtime_ns,
        }
        self.save()

    def save(self, **values: Any) -> None:
        """Writes the file anew, whole or not at all."""
        self.values.update(values)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        draft = self.path.with_suffix(".part")
        draft.write_text(json.dumps(self.values, indent=1) + "\n", encoding="utf-8")
        draft.replace(self.path)


class Repository:
    """A data set on the hub at one commit.

    Args:
        id: Such as "nyu-visionx/VSI-Bench".
        revision: Branch, tag or commit; None for the newest.

    Raises:
        UsageError: huggingface_hub is not installed; no such data set or revision; no access.
        BackendUnreachable: No connection.
    """

    def __init__(self, id: str, revision: str | None = None) -> None:
        try:
            import huggingface_hub
            import huggingface_hub.errors
            import huggingface_hub.utils
        except ImportError as error:
            raise UsageError(
                "benchmarks are fetched with huggingface_hub, which is not installed",
                hint="pip install 'spatialclaw[eval]', or name a copy with --data-dir.",
            ) from error
        self.id = id
        self._hub = huggingface_hub
        info = self._asked(
            lambda: huggingface_hub.HfApi().dataset_info(
                id, revision=revision, files_metadata=True, timeout=30
            ),
            revision,
        )
        self.revision = str(info.sha or "")
        self.files = {
            s.rfilename: Remote(
                s.rfilename,
                int(s.size or 0),
                str((s.lfs or {}).get("sha256") or "") if s.lfs else "",
                str(s.blob_id or ""),
            )
            for s in info.siblings or []
        }

    def _asked(self, question: Callable[[], Any], revision: str | None = None) -> Any:
        errors = self._hub.errors
        at = f" at revision {revision!r}" if revision else ""
        try:
            return question()
        except errors.GatedRepoError as error:
            raise UsageError(
                f"{self.id} asks you to accept its terms first",
                hint=f"Accept them at https://huggingface.co/datasets/{self.id}, then log in "
                "(`hf auth login`) or set HF_TOKEN.",
            ) from error
        except errors.RevisionNotFoundError as error:
            raise UsageError(f"{self.id} has no revision {revision!r}") from error
        except errors.RepositoryNotFoundError as error:
            raise UsageError(
                f"the hub has no data set {self.id}, or it is private",
                hint="If it is private, set HF_TOKEN.",
            ) from error
        except errors.LocalEntryNotFoundError as error:  # its word for a hub that went away
            cause = error.__cause__ or error
            raise BackendUnreachable(f"the hub went away: {_line(cause)}", hint=_AGAIN) from error
        except errors.EntryNotFoundError as error:
            raise UsageError(f"{self.id}{at} lacks a file: {_line(error)}") from error
        except errors.HfHubHTTPError as error:
            status = getattr(error.response, "status_code", None)
            if status in (401, 403):
                raise UsageError(
                    f"the hub refuses {self.id} ({status})",
                    hint="Log in (`hf auth login`) or set HF_TOKEN.",
                ) from error
            raise BackendUnreachable(f"the hub fails: {_line(error)}", hint=_AGAIN) from error
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise UsageError(
                    "the disk is full", hint="Make room and say it again: it goes on."
                ) from error
            raise BackendUnreachable(
                f"{self.id} cannot be fetched: {_line(error)}", hint=_AGAIN
            ) from error
        except Exception as error:  # the hub's library lets its HTTP client's errors through
            if not type(error).__module__.startswith(("httpx", "httpcore", "requests")):
                raise
            raise BackendUnreachable(
                f"the hub cannot be reached: {_line(error)}", hint=_AGAIN
            ) from error

    def like(self, patterns: Iterable[str]) -> list[Remote]:
        """The files like any of some patterns, by name."""
        found = {
            name: remote
            for pattern in patterns
            for name, remote in self.files.items()
            if fnmatch.fnmatchcase(name, pattern) or fnmatch.fnmatchcase(name, f"*/{pattern}")
        }
        return [found[name] for name in sorted(found)]

    def first_like(self, pattern: str) -> list[Remote]:
        """The files of "a | b": those like a, else those like b."""
        for part in pattern.split("|"):
            found = self.like([part.strip()])
            if found:
                top = min(remote.name.count("/") for remote in found)
                return [remote for remote in found if remote.name.count("/") == top]
        return []

    def fetch(self, wanted: Iterable[Remote], folder: Path, lock: Lock, tell: Tell) -> None:
        """Fetches files into a folder, going on where an earlier call stopped.

        Raises:
            UsageError: The disk is too small or full, or a file stays damaged.
            BackendUnreachable: The connection failed; what is there is kept.
        """
        missing = [remote for remote in wanted if not lock.holds(remote, folder / remote.name)]
        if not missing:
            return
        total = sum(remote.size for remote in missing)
        check_room(folder, total, f"{len(missing)} files of {self.id}")
        tell(f"fetching {_files(len(missing))}, {human(total)}, of {self.id} to {folder}")
        quiet = not os.isatty(2)
        if quiet:
            self._hub.utils.disable_progress_bars()
        began = time.monotonic()
        for number, remote in enumerate(missing, 1):
            self._fetch_one(remote, folder)
            lock.add(remote, folder / remote.name)
            if quiet and (time.monotonic() - began > 10 or number == len(missing)):
                began = time.monotonic()
                tell(f"{number} of {_files(len(missing))}")

    def _fetch_one(self, remote: Remote, folder: Path) -> None:
        path = folder / remote.name
        for _ in range(2):
            self._asked(
                lambda: self._hub.hf_hub_download(
                    self.id,
                    remote.name,
                    repo_type="dataset",
                    revision=self.revision,
                    local_dir=folder,
                    etag_timeout=30,
                ),
                self.revision,
            )
            if remote.same(path):
                return
            # Once more from nothing: a part of it came from elsewhere, or was changed here.
            path.unlink(missing_ok=True)
            shutil.rmtree(
                (folder / ".cache/huggingface/download" / remote.name).parent, ignore_errors=True
            )
        raise UsageError(
            f"{remote.name} of {self.id} has a wrong checksum, twice",
            hint="The hub or something between serves another file than it names.",
        )


_AGAIN = "Say it again to go on, or name a copy with --data-dir."


def check_room(folder: Path, size: int, what: str) -> None:
    """Makes sure that a disk has room, with a margin of 1 %.

    Raises:
        UsageError: It has not; says how much there is.
    """
    place = folder
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if size * 1.01 > free:
        raise UsageError(
            f"{what} take {human(size)}, and {place} has {human(free)} free",
            hint="Make room, or set SPATIALCLAW_BENCHMARKS_CACHE to a folder on another disk.",
        )


def _files(count: int) -> str:
    return f"{count} file" + ("s" if count != 1 else "")


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
