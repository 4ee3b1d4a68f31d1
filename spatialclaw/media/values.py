"""Numbers out of JSON: named in many ways, nested or flat, and checked."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from spatialclaw.errors import MediaError

__all__ = ["finite_number", "flatten", "whole_number"]


def finite_number(flat: Mapping[str, Any], names: tuple[str, ...], origin: str) -> float | None:
    """The first of these values that is given, or None.

    Raises:
        MediaError: It is no finite number.
    """
    for name in names:
        value = flat.get(name)
        if value is None or isinstance(value, bool | list | Mapping):
            continue
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError) as error:
            raise MediaError(f"{origin}: {name} is {str(value)[:40]!r}, not a number") from error
        if not math.isfinite(number):
            raise MediaError(f"{origin}: {name} is {value}, not a finite number")
        return number
    return None


def whole_number(flat: Mapping[str, Any], names: tuple[str, ...], origin: str) -> int | None:
    """The first of these values that is given, as a number of pixels, or None.

    Raises:
        MediaError: It is no whole number of pixels.
    """
    value = finite_number(flat, names, origin)
    if value is None:
        return None
    if not 1 <= value <= 1_000_000 or value != int(value):
        raise MediaError(f"{origin}: {names[0]} is {value:g}; it is a whole number of pixels")
    return int(value)


def flatten(data: Mapping[str, Any], depth: int = 0) -> dict[str, Any]:
    """One level of names without units, inner values after outer ones."""
    flat: dict[str, Any] = {}
    inner: list[Mapping[str, Any]] = []
    for key, value in data.items():
        name = re.sub(r"_(px|pixels?)$", "", str(key).casefold())
        if isinstance(value, Mapping) and name not in ("right", "camera_right", "cam1"):
            matrix = value.get("data")  # OpenCV writes matrices as {"rows", "cols", "data"}
            if isinstance(matrix, list):
                flat.setdefault(name, matrix)
            else:
                inner.append(value)
        else:
            flat.setdefault(name, value)
    if depth < 3:
        for value in inner:
            for name, thing in flatten(value, depth + 1).items():
                flat.setdefault(name, thing)
    return flat
