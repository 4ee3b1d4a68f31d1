"""Measured answers to questions about space, worked out by any vision-language model.

>>> import spatialclaw as sc
>>> answer = sc.ask("kitchen.jpg", "How far is the mug from the laptop?")  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spatialclaw._version import __version__

if TYPE_CHECKING:
    from spatialclaw.agent import Environment
    from spatialclaw.agent.types import Answer, Observation, Task
    from spatialclaw.api import Session, aask, ask
    from spatialclaw.errors import SpatialclawError
    from spatialclaw.kernel.results import CellResult

__all__ = [
    "Answer",
    "CellResult",
    "Environment",
    "Observation",
    "Session",
    "SpatialclawError",
    "Task",
    "__version__",
    "aask",
    "ask",
]

_HOMES = {
    "Answer": "spatialclaw.agent.types",
    "CellResult": "spatialclaw.kernel.results",
    "Environment": "spatialclaw.agent",
    "Observation": "spatialclaw.agent.types",
    "Session": "spatialclaw.api",
    "SpatialclawError": "spatialclaw.errors",
    "Task": "spatialclaw.agent.types",
    "aask": "spatialclaw.api",
    "ask": "spatialclaw.api",
    # what %load_ext and %unload_ext look for
    "load_ipython_extension": "spatialclaw.notebook",
    "unload_ipython_extension": "spatialclaw.notebook",
}


def __getattr__(name: str) -> Any:
    # Importing the package alone stays light: each name is fetched when it is first used.
    if name not in _HOMES:
        raise AttributeError(f"module 'spatialclaw' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
