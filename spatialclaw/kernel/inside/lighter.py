"""Imports of others without what no cell uses: every page less is copied by each fork less."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

__all__ = ["without_debugger", "without_plotly"]

_PLOTLY = "open3d.visualization.draw_plotly"


@contextmanager
def without_debugger() -> Iterator[None]:
    """Ipykernel imports debugpy for a debugger that kernels here have not: 4 MB, 55 modules."""
    if "debugpy" in sys.modules:
        yield
        return
    sys.modules["debugpy"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules["debugpy"]


@contextmanager
def without_plotly() -> Iterator[None]:
    """Open3D imports dash and plotly, a web server, for three functions: 15 MB, 400 modules.

    The functions stay; the first call imports what they need.
    """
    if _PLOTLY in sys.modules:
        yield
        return
    stub = ModuleType(_PLOTLY)
    for name in ("get_plotly_fig", "draw_plotly", "draw_plotly_server"):
        setattr(stub, name, _later(stub, name))
    sys.modules[_PLOTLY] = stub
    try:
        yield
    finally:
        if _PLOTLY not in sys.modules or "open3d" not in sys.modules:
            sys.modules.pop(_PLOTLY, None)


def _later(stub: ModuleType, name: str) -> Any:
    def call(*args: Any, **kwargs: Any) -> Any:
        if sys.modules.get(_PLOTLY) is stub:
            del sys.modules[_PLOTLY]
        return getattr(importlib.import_module(_PLOTLY), name)(*args, **kwargs)

    call.__name__ = name
    return call
