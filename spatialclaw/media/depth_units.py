"""How many stored units of depth make a metre, from a number or from what people write."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from spatialclaw.errors import MediaError
from spatialclaw.media.values import finite_number

__all__ = ["depth_units"]

_UNITS_PER_METRE = ("depth_scale", "depth_factor", "png_depth_scale", "depthmapfactor", "depth_div")
_METRES_PER_UNIT = ("depth_unit_scale_factor", "depth_unit_m", "metres_per_unit", "meters_per_unit")
_SAID = ("depth_unit", "depth_units", "depth_format", "depth")

_NUMBER = r"(\d+(?:\.\d*)?(?:e[-+]?\d+)?|\.\d+)"
#: Sentences and what their number means: units per metre, or metres per unit.
_SENTENCES = (
    (re.compile(rf"(?:/|÷|divided? by|dividing by)\s*{_NUMBER}"), False),
    (
        re.compile(rf"{_NUMBER}\s*(?:units?|counts?|values?|steps?)?\s*(?:per|/)\s*m(?:et|\b)"),
        False,
    ),
    (re.compile(rf"(?:\*|×|multipl\w* by|scaled? by|times)\s*{_NUMBER}"), True),
    (re.compile(rf"^\s*{_NUMBER}\s*m(?:et\w*)?\s*(?:per|/)"), True),
)


def depth_units(flat: Mapping[str, Any], origin: str) -> tuple[float | None, list[str]]:
    """Depth units per metre that a file tells.

    Args:
        flat: Names, without case and units, to values.
        origin: Name of the file.

    Returns:
        What a stored value is divided by to give metres, or None when the file does not say; and
        notes.

    Raises:
        MediaError: The number cannot be one.
    """
    notes: list[str] = []
    per_unit = finite_number(flat, _METRES_PER_UNIT, origin)
    if per_unit is not None and per_unit > 0:
        return 1 / per_unit, notes
    said = next((flat[name] for name in _SAID if isinstance(flat.get(name), str)), None)
    numbers = {name: flat[name] for name in _UNITS_PER_METRE if name in flat}
    for name, value in list(numbers.items()):
        if isinstance(value, str) and re.fullmatch(rf"\s*1(?:\.0*)?\s*/\s*{_NUMBER}\s*", value):
            numbers[name] = float(value.split("/")[1])
    units = finite_number(numbers, _UNITS_PER_METRE, origin)
    if units is not None:
        if not units > 0:
            raise MediaError(f"{origin}: depth_scale is {units:g}; it is units per metre, above 0")
        if units < 1:
            notes.append(
                f"{origin}: depth_scale {units:g} is below 1: taken as metres per unit, "
                f"{1 / units:g} units per metre"
            )
            return 1 / units, notes
        return units, notes
    if said is None:
        return None, notes
    value = _understood(said.casefold())
    if value is None:
        notes.append(f'{origin}: the depth unit "{said[:60]}" is not understood')
    return value, notes


def _understood(said: str) -> float | None:
    """Units per metre of a sentence such as "uint16 / 5000 = metres" or "millimetres"."""
    millimetres = re.search(r"\bmm\b|milli-?met", said)
    if not millimetres:
        for pattern, inverse in _SENTENCES:
            found = pattern.search(said)
            number = float(found.group(1)) if found else 0.0
            if number > 0 and math.isfinite(number):
                return 1 / number if inverse else number
    if millimetres:
        return 1000.0
    if re.search(r"\bcm\b|centi-?met", said):
        return 100.0
    return 1.0 if re.search(r"\bm\b|\bmet(?:er|re)s?\b", said) else None
