"""One scratch folder an evaluation's process, which the next one removes if that was killed."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

__all__ = ["Scratch"]

LOCK = "evaluation.lock"


class Scratch:
    """Folders inside one folder that belongs to this process while it lives.

    A killed process removes nothing. Its lock on the folder ends with it, and whoever makes the
    next such folder removes those that nobody holds a lock on.
    """

    def __init__(self) -> None:
        import fcntl

        from spatialclaw.kernel.folders import make_scratch

        while True:
            self.root = make_scratch()
            self._lock = os.open(self.root / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX)
            if (self.root / LOCK).exists():
                break
            os.close(self._lock)  # another one took it for an orphan before it was locked
        _remove_orphans(self.root)

    def folder(self) -> Path:
        """A new folder."""
        return Path(tempfile.mkdtemp(dir=self.root))

    def remove(self) -> None:
        """Removes all of it."""
        shutil.rmtree(self.root, ignore_errors=True)
        with contextlib.suppress(OSError):
            os.close(self._lock)


def _remove_orphans(root: Path) -> None:
    import fcntl

    from spatialclaw.kernel.folders import PREFIX

    for lock in root.parent.glob(f"{PREFIX}*/{LOCK}"):
        if lock.parent == root:
            continue
        try:
            handle = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            continue  # another one's, or it is just being removed
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(lock.parent, ignore_errors=True)
        except OSError:
            continue  # its process lives
        finally:
            os.close(handle)
