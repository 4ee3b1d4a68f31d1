"""Where the service and the cache lie, and the limits they keep, all from the environment."""

from __future__ import annotations

import hashlib
import os
import stat
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from spatialclaw.errors import PerceptionError, UsageError

__all__ = ["Limits", "cache_folder", "limits", "runtime_folder", "socket_path"]

PROTOCOL = 1
MEGABYTE = 1024**2


@dataclass(frozen=True)
class Limits:
    """What the service keeps to.

    Attributes:
        idle_seconds: Without a call for so long, the service ends (SPATIALCLAW_PERCEPTION_IDLE).
        model_idle_seconds: A model unused for so long is unloaded
            (SPATIALCLAW_PERCEPTION_MODEL_IDLE).
        memory_bytes: What all models together may take of the main memory, or of the GPU's; 0:
            two thirds of what there is (SPATIALCLAW_PERCEPTION_MEMORY, megabytes).
        cache_bytes: Size of the cache on disk (SPATIALCLAW_PERCEPTION_CACHE_SIZE, megabytes).
        queue: Calls of one run that may wait for one model (SPATIALCLAW_PERCEPTION_QUEUE).
        device: "auto", "cpu" or "cuda:0" (SPATIALCLAW_PERCEPTION_DEVICE).
    """

    idle_seconds: float = 900.0
    model_idle_seconds: float = 600.0
    memory_bytes: int = 0
    cache_bytes: int = 10 * 1024 * MEGABYTE
    queue: int = 32
    device: str = "auto"


def limits() -> Limits:
    """The limits that the environment sets.

    Raises:
        UsageError: One is not a number.
    """
    default = Limits()
    return Limits(
        idle_seconds=_number("IDLE", default.idle_seconds),
        model_idle_seconds=_number("MODEL_IDLE", default.model_idle_seconds),
        memory_bytes=int(_number("MEMORY", 0) * MEGABYTE),
        cache_bytes=int(_number("CACHE_SIZE", default.cache_bytes / MEGABYTE) * MEGABYTE),
        queue=max(1, int(_number("QUEUE", default.queue))),
        device=os.environ.get("SPATIALCLAW_PERCEPTION_DEVICE", "") or "auto",
    )


def _number(name: str, default: float) -> float:
    variable = f"SPATIALCLAW_PERCEPTION_{name}"
    said = os.environ.get(variable)
    if not said:
        return default
    try:
        value = float(said)
        if not 0 <= value < float("inf"):
            raise ValueError
    except ValueError:
        raise UsageError(f"{variable}={said!r} is not a number, 0 or more") from None
    return value


def cache_folder() -> Path:
    """Where results are kept: SPATIALCLAW_PERCEPTION_CACHE, else in the user's cache."""
    said = os.environ.get("SPATIALCLAW_PERCEPTION_CACHE")
    if said:
        return Path(said).expanduser().absolute()
    from platformdirs import user_cache_path

    return user_cache_path("spatialclaw") / "perception"


def runtime_folder() -> Path:
    """A folder that only this user may enter; made when it is not there.

    SPATIALCLAW_PERCEPTION_RUNTIME, else in XDG_RUNTIME_DIR, else in the user's cache; where that
    path is too long for a socket, in the folder for temporary files.

    Raises:
        PerceptionError: It belongs to somebody else, or cannot be made.
    """
    said = os.environ.get("SPATIALCLAW_PERCEPTION_RUNTIME")
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if said:
        folder = Path(said).expanduser().absolute()
    elif runtime and os.access(runtime, os.W_OK | os.X_OK):
        folder = Path(runtime) / "spatialclaw"
    else:
        from platformdirs import user_cache_path

        folder = user_cache_path("spatialclaw") / "run"
    if len(os.fsencode(folder)) > 70:  # a socket's path has 107 bytes, the name takes the rest
        short = hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
        folder = Path(tempfile.gettempdir()) / f"spatialclaw-{os.getuid()}-{short}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        state = folder.lstat()
        if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.getuid():
            raise PerceptionError(
                f"{folder} is not a folder of this user's",
                hint="Set SPATIALCLAW_PERCEPTION_RUNTIME to one that is",
            )
        if state.st_mode & 0o077:
            folder.chmod(0o700)
    except OSError as error:
        raise PerceptionError(
            f"{folder} cannot be used ({error.strerror})",
            hint="Set SPATIALCLAW_PERCEPTION_RUNTIME to another folder",
        ) from error
    return folder


def socket_path() -> Path:
    """Where the service of this user and this installation listens."""
    import spatialclaw

    here = f"{PROTOCOL}\n{sys.prefix}\n{Path(spatialclaw.__file__).parent}"
    name = hashlib.sha256(os.fsencode(here)).hexdigest()[:8]
    return runtime_folder() / f"perception-{name}.sock"
