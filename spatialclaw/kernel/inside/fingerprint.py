"""Cheap fingerprints of values, to notice what a cell changed in place.

Bounded in time and never calling code that a cell wrote: arrays are hashed by their bytes as long
as the time budget lasts (4 kB samples after that), containers and instances a few levels deep,
all else by identity.
"""

from __future__ import annotations

import time
import types
from typing import Any

import numpy as np

__all__ = ["Budget", "fingerprint"]

_PLAIN = (int, float, complex, bool, type(None), str, bytes)
_BY_IDENTITY = (
    type,
    types.ModuleType,
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodType,
)
_SAMPLE = 4096
_SMALL = 256 * 1024
_WIDTH = 256
_DEPTH = 4


class Budget:
    """What one round of fingerprints may cost.

    Args:
        seconds: Time, after which arrays are sampled.
        items: Elements of containers looked at.
    """

    def __init__(self, seconds: float = 0.008, items: int = 20_000) -> None:
        self.until = time.perf_counter() + seconds
        self.items = items
        self.seen: dict[int, int] = {}

    @property
    def late(self) -> bool:
        """Whether the time is used up."""
        return time.perf_counter() > self.until


def _array(array: np.ndarray[Any, Any], budget: Budget) -> int:
    known = budget.seen.get(id(array))
    if known is not None:
        return known
    plain = array.view(np.ndarray)
    interface = plain.__array_interface__["data"]
    head = (interface, plain.shape, plain.strides, plain.dtype.str)
    if plain.dtype.hasobject or plain.size == 0:
        return hash(head)
    if not plain.flags.writeable and plain.base is not None:
        return hash(head)  # a frame: nobody changes it
    if plain.flags.c_contiguous:
        flat = plain.reshape(-1).view(np.uint8)
        if flat.size <= _SMALL:
            value = hash((head, flat.tobytes()))
        elif not budget.late:
            # sums of rows and of columns of the bytes laid out as a square: order matters too
            words = flat[: flat.size // 8 * 8].view(np.uint64)
            side = int(words.size**0.5)
            square = words[: side * side].reshape(side, side)
            rows, columns = np.add.reduce(square, axis=1), np.add.reduce(square, axis=0)
            rest = flat[side * side * 8 :].tobytes()
            value = hash((head, rows.tobytes(), columns.tobytes(), rest))
        else:
            step = max(1, flat.size // _SAMPLE)
            value = hash((head, flat[::step][:_SAMPLE].tobytes()))
    else:
        step = max(1, plain.size // _SAMPLE)
        value = hash((head, plain.flat[::step].tobytes()))
    budget.seen[id(array)] = value
    return value


def fingerprint(value: Any, budget: Budget, depth: int = 0) -> int:
    """A number that very likely differs after the value was changed in place."""
    kind = type(value)
    if kind in _PLAIN:
        if kind in (str, bytes) and len(value) > 1_000_000:
            return hash((kind, id(value)))
        return hash((kind, repr(value) if kind is float else value))
    if isinstance(value, np.ndarray):
        return _array(value, budget)
    if isinstance(value, _BY_IDENTITY) or depth >= _DEPTH or budget.items <= 0:
        return id(value)
    if id(value) in budget.seen:
        return budget.seen[id(value)]
    budget.seen[id(value)] = id(value)  # ends cycles
    parts: list[int] = []
    if kind in (list, tuple):
        budget.items -= min(len(value), _WIDTH)
        parts = [fingerprint(v, budget, depth + 1) for v in _spread(value)]
        result = hash((id(value), len(value), tuple(parts)))
    elif kind is dict:
        budget.items -= min(len(value), _WIDTH)
        for index, (key, item) in enumerate(value.items()):
            if index >= _WIDTH:
                break
            parts.append(fingerprint(key, budget, depth + 1))
            parts.append(fingerprint(item, budget, depth + 1))
        result = hash((id(value), len(value), tuple(parts)))
    elif kind in (set, frozenset):
        budget.items -= min(len(value), _WIDTH)
        for index, item in enumerate(value):
            if index >= _WIDTH:
                break
            parts.append(fingerprint(item, budget, depth + 1))
        result = hash((id(value), len(value), tuple(parts)))
    else:
        state = _state(value)
        if isinstance(value, list | dict):
            size: int = list.__len__(value) if isinstance(value, list) else dict.__len__(value)
            parts.append(size)
        if state:
            budget.items -= min(len(state), _WIDTH)
            parts += [fingerprint(v, budget, depth + 1) for v in list(state.values())[:_WIDTH]]
        result = hash((id(value), tuple(parts))) if parts else id(value)
    budget.seen[id(value)] = result
    return result


def _spread(value: Any) -> Any:
    """All of a short sequence; first, last and some between of a long one."""
    size = len(value)
    if size <= _WIDTH:
        return value
    step = max(1, size // (_WIDTH // 2))
    return [*value[: _WIDTH // 4], *value[::step][: _WIDTH // 2], *value[-_WIDTH // 4 :]]


def _state(value: Any) -> dict[str, Any] | None:
    try:
        state = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return None
    return state if type(state) is dict else None
