"""The notebook's side: media in a cell, the agent's cells live, magics, rich displays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spatialclaw.notebook.loading import conclude, load
    from spatialclaw.notebook.magics import load_ipython_extension, unload_ipython_extension

__all__ = ["conclude", "load", "load_ipython_extension", "unload_ipython_extension"]

_HOMES = {
    "conclude": "loading",
    "load": "loading",
    "load_ipython_extension": "magics",
    "unload_ipython_extension": "magics",
}


def __getattr__(name: str) -> Any:
    # The kernel imports this for `load` alone: the magics need the host's side.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"spatialclaw.notebook.{_HOMES[name]}"), name)
