"""A Jupyter kernel that can fork itself: IPython's kernel with our hooks around each cell."""

from __future__ import annotations

import argparse
import gc
import importlib
import os
import random
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

from spatialclaw.kernel.inside.guard import supervise
from spatialclaw.kernel.inside.lighter import without_debugger, without_plotly
from spatialclaw.kernel.inside.sleep import Woken
from spatialclaw.kernel.inside.tree import die_with_guard
from spatialclaw.kernel.inside.wire import Tie

__all__ = ["PRELOAD", "preload", "run"]

PRELOAD = (
    "numpy",
    "scipy",
    "scipy.ndimage",
    "scipy.optimize",
    "scipy.spatial",
    "scipy.spatial.transform",
    "cv2",
    "PIL.Image",
    "PIL.JpegImagePlugin",
    "PIL.PngImagePlugin",
    "msgpack",
    "ipykernel.kernelapp",
    "ipykernel.ipkernel",
    "ipykernel.zmqshell",
    "ipykernel.displayhook",
    "ipykernel.iostream",
    "psutil",
    "tornado.platform.asyncio",
    "zmq.eventloop.zmqstream",
    "uuid",
    "spatialclaw.kernel.inside.app",
    "spatialclaw.primitives.namespace",
)

ENVIRONMENT = {
    "MPLBACKEND": "module://spatialclaw.primitives.runtime_figures",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
}


HEAVY = ("open3d", "matplotlib.pyplot", "spatialclaw.primitives.runtime_figures")
"""What a template imports too: the kernels forked from it share it, others import it on use."""


def preload() -> None:
    """Imports everything that cells may use, starting no thread and opening no socket."""
    _essentials()
    for module in HEAVY:
        try:
            with without_plotly():
                importlib.import_module(module)
        except ImportError:
            continue  # the cell that uses it will be told
    gc.collect()


def _essentials() -> None:
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    with without_debugger():
        for module in PRELOAD:
            importlib.import_module(module)
    from spatialclaw.primitives.namespace import preload as vocabulary

    vocabulary()
    from spatialclaw.kernel.inside.app import prewarm

    prewarm()


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="spatialclaw.kernel.inside")
    parser.add_argument("-f", dest="connection", required=True)
    parser.add_argument("--life")
    parser.add_argument("--gateway")
    parser.add_argument("--namespace", action="store_true", help="build it without media")
    return parser.parse_args(list(argv))


def run(argv: Sequence[str]) -> NoReturn:
    """Runs a kernel until it ends, then ends the process. Single-threaded callers only."""
    try:
        options = _parse(argv)
        tie = supervise(options.life) if options.life else None
        _serve(options, tie)
        code = 0
    except SystemExit as ending:
        code = ending.code if isinstance(ending.code, int) else 1
    except BaseException:  # the last frame of the process: say why it ends
        traceback.print_exc(file=sys.__stderr__)
        code = 71
    _flush()
    os._exit(code)


def _flush() -> None:
    for stream in (sys.__stdout__, sys.__stderr__):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            continue  # closed, or its reader is gone


def _serve(options: argparse.Namespace, tie: Tie | None) -> None:
    _essentials()
    _reseed()
    gc.freeze()
    from spatialclaw.kernel.inside.app import prewarm
    from spatialclaw.primitives import rich, runtime

    runtime.connect(options.gateway)
    rich.switch(options.namespace)
    app = prewarm()
    app.open(options.connection, tie)
    if options.namespace:
        from spatialclaw.primitives.namespace import build

        app.kernel.shell.user_ns.update(build())
        app.kernel.watch.publishes = False
    if tie:
        tie.say(say="ready")
    while True:
        try:
            app.start()
            return
        except Woken as copy:  # this process is a snapshot that was woken
            woken = copy
        _reseed()
        if woken.gateway is not None:
            runtime.connect(woken.gateway)
        app.reopen(woken)
        woken.tie.say(say="ready")
        die_with_guard(woken.guard)


def _reseed() -> None:
    """Gives this fork random numbers of its own."""
    random.seed()
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed()
    cv2 = sys.modules.get("cv2")
    if cv2 is not None:
        cv2.setRNGSeed(int.from_bytes(os.urandom(3), "little"))
