"""Scratch folders: short paths (Unix sockets have 107 bytes), in memory where there is room."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

__all__ = ["PREFIX", "make_scratch"]

PREFIX = "spatialclaw-"
_MEMORY = Path("/dev/shm")  # noqa: S108 (mkdtemp makes the folder below it)
_ROOM = 512 * 1024**2


def make_scratch() -> Path:
    """A new folder with mode 0700; it goes when this process dies, if not before."""
    from spatialclaw.kernel.launch import own

    folder = _make()
    own(folder)
    return folder


def _make() -> Path:
    for root in (_MEMORY, Path(tempfile.gettempdir())):
        if root.is_dir() and os.access(root, os.W_OK | os.X_OK):
            room = os.statvfs(root)
            if room.f_bavail * room.f_frsize >= _ROOM:
                return Path(tempfile.mkdtemp(prefix=PREFIX, dir=root))
    return Path(tempfile.mkdtemp(prefix=PREFIX))
