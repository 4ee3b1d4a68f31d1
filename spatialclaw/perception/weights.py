"""Weights on disk: which revision, which bytes, and whether they are still the same.

Files lie in the Hugging Face hub's own cache (``HF_HUB_CACHE``, ``HF_HOME``), so that what other
programs fetched is not fetched again. Beside it is one lock per repository: the commit, and size
and sha256 of every file, written by the first fetch (trust on first use) and compared ever after:
size and time of change before each load, every byte by `check`. Only safetensors are fetched and
loaded; nothing is unpickled.
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from spatialclaw.errors import PerceptionError
from spatialclaw.perception.adapter import ModelInfo

__all__ = [
    "Lock",
    "LockedFile",
    "check",
    "fingerprint",
    "folder",
    "hub_cache",
    "installed",
    "is_offline",
    "lock_path",
    "place",
    "read_lock",
    "sha256_of",
    "size_text",
    "write_lock",
]

Progress = Callable[[str], None]


@dataclass(frozen=True)
class LockedFile:
    """One file as it was when it was fetched.

    Attributes:
        sha256: Digest, lower-case hex.
        bytes: Size.
        mtime_ns: Time of change when the digest was last computed; spares computing it again.
    """

    sha256: str
    bytes: int
    mtime_ns: int


@dataclass(frozen=True)
class Lock:
    """What was fetched of a repository.

    Attributes:
        hub: Repository.
        revision: Commit, or "local-..." with a digest of digests when it came from a folder.
        files: By name inside the repository.
        source: Where from: an endpoint's address, "cache" or "folder".
        fetched: UTC, ISO 8601.
    """

    hub: str
    revision: str
    files: dict[str, LockedFile]
    source: str
    fetched: str

    @property
    def bytes(self) -> int:
        """Size of all files."""
        return sum(file.bytes for file in self.files.values())


def hub_cache() -> Path:
    """The hub's cache folder, found as huggingface_hub finds it, without importing that."""
    if named := os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE"):
        return Path(named).expanduser()
    if home := os.environ.get("HF_HOME"):
        return Path(home).expanduser() / "hub"
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "huggingface" / "hub"


def is_offline() -> bool:
    """Whether the environment forbids the network (HF_HUB_OFFLINE, TRANSFORMERS_OFFLINE)."""
    said = (os.environ.get(name, "") for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"))
    return any(value.strip().lower() in ("1", "true", "yes", "on") for value in said)


def place(info: ModelInfo) -> Path:
    """Folder of the repository in the cache, whether it exists or not."""
    return hub_cache() / ("models--" + info.hub.replace("/", "--"))


def lock_path(info: ModelInfo) -> Path:
    """The repository's lock, beside the files it speaks of."""
    return hub_cache() / ".spatialclaw" / (info.hub.replace("/", "--") + ".lock.json")


def read_lock(info: ModelInfo) -> Lock | None:
    """What was fetched, or None when nothing was.

    Raises:
        PerceptionError: The lock is not readable.
    """
    path = lock_path(info)
    try:
        said = json.loads(path.read_text("utf-8"))
        files = {str(name): LockedFile(**file) for name, file in said.pop("files").items()}
        return Lock(files=files, **said)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise PerceptionError(
            f"{path} cannot be read ({error})", hint=f"Delete it, then {_command(info)}"
        ) from error


def write_lock(info: ModelInfo, lock: Lock) -> None:
    """Writes the lock in one step."""
    path = lock_path(info)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(json.dumps(asdict(lock), indent=1, sort_keys=True) + "\n", "utf-8")
    draft.replace(path)


def installed(info: ModelInfo) -> str | None:
    """None when the weights are here, by names and sizes alone; else one line with the command."""
    if not info.hub:
        return None
    try:
        lock = read_lock(info)
    except PerceptionError as error:
        return str(error)
    if lock is None:
        return f"the weights of {info.name} are not on this machine: {_command(info)}"
    missing = [
        name
        for name, file in lock.files.items()
        if not _has_size(_snapshot(info, lock) / name, file.bytes)
    ]
    if missing:
        return f"{missing[0]} of {info.name} is missing or damaged: {_command(info)}"
    return None


def folder(info: ModelInfo) -> Path:
    """The folder to load from, after comparing it with the lock.

    Size and time of change are compared; where the time differs, the digest.

    Raises:
        PerceptionError: Files are missing or are not those that were fetched.
    """
    if (missing := installed(info)) is not None:
        raise PerceptionError(missing)
    lock = read_lock(info)
    if lock is None:
        raise PerceptionError(f"{info.name} has no weights of its own")
    here = _snapshot(info, lock)
    touched: dict[str, LockedFile] = {}
    for name, file in lock.files.items():
        now = (here / name).stat().st_mtime_ns
        if now == file.mtime_ns:
            continue
        if sha256_of(here / name) != file.sha256:
            raise PerceptionError(
                f"{name} of {info.name} is not the file that was fetched (sha256 differs)",
                hint=f"{_command(info)} fetches it again",
            )
        touched[name] = LockedFile(file.sha256, file.bytes, now)
    if touched:
        files = {**lock.files, **touched}
        try:
            write_lock(info, Lock(lock.hub, lock.revision, files, lock.source, lock.fetched))
        except OSError:
            # A cache that cannot be written to (shared, read-only) costs a digest at each load.
            return here
    return here


def check(info: ModelInfo) -> list[str]:
    """Reads every byte: what is wrong with the files, nothing when all is well."""
    if not info.hub:
        return []
    if (missing := installed(info)) is not None:
        return [missing]
    lock = read_lock(info)
    assert lock is not None
    here = _snapshot(info, lock)
    return [
        f"{name} of {info.name}: sha256 is {found[:12]}..., was {file.sha256[:12]}... when fetched"
        for name, file in lock.files.items()
        if (found := sha256_of(here / name)) != file.sha256
    ]


def fingerprint(info: ModelInfo) -> str:
    """Revision and a digest of all digests: changes when, and only when, the weights do."""
    lock = read_lock(info) if info.hub else None
    if lock is None:
        return info.revision
    return f"{lock.revision[:12]}-{digest_of(lock.files)[:12]}"


def digest_of(files: dict[str, LockedFile]) -> str:
    """One sha256 for a set of files."""
    listing = "".join(f"{file.sha256}  {name}\n" for name, file in sorted(files.items()))
    return hashlib.sha256(listing.encode()).hexdigest()


def sha256_of(path: Path) -> str:
    """Digest of a file, lower-case hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def wanted(info: ModelInfo, names: Iterator[str] | list[str]) -> list[str]:
    """The names that match the patterns of `info.files`."""
    patterns = [file.name for file in info.files]
    return sorted({n for n in names if any(fnmatch.fnmatchcase(n, p) for p in patterns)})


def room_for(info: ModelInfo, needed: int) -> None:
    """Raises when the disk has no room for `needed` bytes and a little more.

    Raises:
        PerceptionError: Says how much there is, and how to put the cache elsewhere.
    """
    home = hub_cache()
    while not home.exists():
        home = home.parent
    free = shutil.disk_usage(home).free
    if needed * 1.02 + 50_000_000 > free:
        raise PerceptionError(
            f"{info.name} needs {size_text(needed)}; the disk of {hub_cache()} has "
            f"{size_text(free)}",
            hint="Free some, or set HF_HUB_CACHE to a folder on another disk",
        )


def locked(info: ModelInfo, revision: str, names: list[str], source: str) -> Lock:
    """Makes and writes the lock of files that are in their place."""
    here = place(info) / "snapshots" / revision
    files = {}
    for name in names:
        state = (here / name).stat()
        files[name] = LockedFile(sha256_of(here / name), state.st_size, state.st_mtime_ns)
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    lock = Lock(info.hub, revision, files, source, now)
    write_lock(info, lock)
    return lock


def _snapshot(info: ModelInfo, lock: Lock) -> Path:
    return place(info) / "snapshots" / lock.revision


def _has_size(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except OSError:
        return False


def _command(info: ModelInfo) -> str:
    return f"spatialclaw models pull {info.name}"


def size_text(count: float) -> str:
    """Bytes as a person reads them: 155.6 MB."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit in ("B", "kB") else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
