"""Persistent kernels: start, execute, collect, confine, snapshot.

Example:
    >>> async with await Kernel.start(KernelOptions()) as kernel:
    ...     result = await kernel.execute("1 + 1")
    >>> result.result
    '2'
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spatialclaw.kernel.gateway import Call, Gateway, WithFiles
    from spatialclaw.kernel.kernel import Kernel, Value
    from spatialclaw.kernel.methods import DecodeParams, LocateParams, LookParams, frames_reply
    from spatialclaw.kernel.options import KernelOptions
    from spatialclaw.kernel.pool import KernelPool

__all__ = [
    "Call",
    "DecodeParams",
    "Gateway",
    "Kernel",
    "KernelOptions",
    "KernelPool",
    "LocateParams",
    "LookParams",
    "Value",
    "WithFiles",
    "frames_reply",
]

_WHERE = {
    "Call": "gateway",
    "Gateway": "gateway",
    "WithFiles": "gateway",
    "Kernel": "kernel",
    "Value": "kernel",
    "DecodeParams": "methods",
    "LocateParams": "methods",
    "LookParams": "methods",
    "frames_reply": "methods",
    "KernelOptions": "options",
    "KernelPool": "pool",
}


def __getattr__(name: str) -> Any:
    # what runs inside a kernel imports this package without the host's half
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
