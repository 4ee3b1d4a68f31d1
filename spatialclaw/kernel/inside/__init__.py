"""What runs inside a kernel's process: nothing here is trusted by the host.

The contract with whoever starts kernels (`spatialclaw.kernel.launch` or a plain
``python -m spatialclaw.kernel.inside``):

* the command line is ``-f CONNECTION_FILE [--life SOCKET] [--gateway SOCKET]``,
  and ``--namespace`` where nobody sends a request to build one;
* a forked child that has been confined calls `main(argv)` with exactly that and never gets control
  back; it has to be single-threaded at that moment;
* with ``--life`` the process that was started becomes the guard (`guard.py`) and forks the kernel;
  without it the process is a plain Jupyter kernel;
* `preload()` imports what a template process should have imported before it forks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

__all__ = ["main", "preload"]


def main(argv: Sequence[str]) -> NoReturn:
    """Runs a kernel in this process until it ends; then ends the process."""
    from spatialclaw.kernel.inside.process import run

    run(argv)


def preload() -> None:
    """Imports everything a kernel needs, starting no thread and opening no socket."""
    from spatialclaw.kernel.inside.process import preload as load

    load()
