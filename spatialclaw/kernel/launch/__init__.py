"""Starting a kernel's process: forked from a warmed template, confined by the operating system.

::

    layout = prepare(scratch)                # scratch/ipc, scratch/work; connection.json is yours
    launched = await start(LaunchOptions(scratch, read_only=(manifest, frames)),
                           ["-f", str(layout.connection), "--life", str(layout.ipc / "life"), ...])
    launched.pid, launched.poll(), await launched.wait(), launched.kill(), await launched.aclose()

`start` makes `ipc` and `work` (`prepare(scratch)` does it before, for sockets the host listens
on), forks, confines and calls `spatialclaw.kernel.inside.main(argv)` in the confined process. It
returns when the confinement is in force; readiness is the business of the caller and the kernel
(life line, handshake). The connection file has to be written before; the kernel sees its content at
the same path.
"""

from __future__ import annotations

from spatialclaw.kernel.launch.launched import Launched
from spatialclaw.kernel.launch.options import Confine, LaunchOptions, Layout
from spatialclaw.kernel.launch.probing import Layer, probe
from spatialclaw.kernel.launch.reaping import Leftover, reap
from spatialclaw.kernel.launch.start import (
    disown,
    own,
    prepare,
    start,
    stop_templates,
    warm,
)

__all__ = [
    "Confine",
    "LaunchOptions",
    "Launched",
    "Layer",
    "Layout",
    "Leftover",
    "disown",
    "own",
    "prepare",
    "probe",
    "reap",
    "start",
    "stop_templates",
    "warm",
]
