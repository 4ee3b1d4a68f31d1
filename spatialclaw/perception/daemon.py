"""Becomes the perception service: leaves the process that started it, then serves.

Started as ``python -m spatialclaw.perception.daemon SOCKET READY``, where READY is the descriptor
of a pipe on which it says "ready", "busy" (another one is there) or what is wrong.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

__all__ = ["main"]


def main(path: Path, ready: int) -> None:
    """Forks, so that nobody has to wait for the service, and serves in the child."""
    if os.fork():
        os._exit(0)
    os.setsid()
    os.umask(0o077)
    import fcntl

    lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.write(ready, b"busy\n")
        os._exit(0)
    os.set_inheritable(ready, False)
    try:
        import asyncio

        from spatialclaw.perception.service import serve

        asyncio.run(serve(path, ready))
    except BaseException as error:
        # Who started it may still wait for a word; the log has the rest.
        line = " ".join(f"{type(error).__name__}: {error}".split())
        try:
            os.write(ready, line.encode() + b"\n")
        except OSError:
            sys.stderr.write("it was said too late for who started the service\n")
        raise


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
