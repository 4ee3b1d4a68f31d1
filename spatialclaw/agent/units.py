"""Units of answers: their names, and conversion between those of one kind."""

from __future__ import annotations

import math
import re

__all__ = ["canonical_unit", "convert", "dimension", "parse_quantity"]

# canonical name -> (dimension, factor to the dimension's base unit)
_UNITS: dict[str, tuple[str, float]] = {
    "m": ("length", 1.0),
    "cm": ("length", 0.01),
    "mm": ("length", 0.001),
    "km": ("length", 1000.0),
    "in": ("length", 0.0254),
    "ft": ("length", 0.3048),
    "yd": ("length", 0.9144),
    "mi": ("length", 1609.344),
    "m^2": ("area", 1.0),
    "cm^2": ("area", 1e-4),
    "mm^2": ("area", 1e-6),
    "ft^2": ("area", 0.3048**2),
    "in^2": ("area", 0.0254**2),
    "m^3": ("volume", 1.0),
    "cm^3": ("volume", 1e-6),
    "l": ("volume", 1e-3),
    "ft^3": ("volume", 0.3048**3),
    "deg": ("angle", math.pi / 180),
    "rad": ("angle", 1.0),
    "s": ("time", 1.0),
    "ms": ("time", 1e-3),
    "min": ("time", 60.0),
    "h": ("time", 3600.0),
    "m/s": ("speed", 1.0),
    "cm/s": ("speed", 0.01),
    "km/h": ("speed", 1 / 3.6),
    "mph": ("speed", 0.44704),
    "deg/s": ("angular speed", math.pi / 180),
    "rad/s": ("angular speed", 1.0),
    "count": ("count", 1.0),
    "px": ("pixels", 1.0),
    "px/s": ("pixel speed", 1.0),
    "%": ("ratio", 0.01),
    "ratio": ("ratio", 1.0),
}
_SPELLINGS: dict[str, str] = {
    "metre": "m", "meter": "m", "centimetre": "cm", "centimeter": "cm", "millimetre": "mm",
    "millimeter": "mm", "kilometre": "km", "kilometer": "km", "inch": "in", "inches": "in",
    '"': "in", "″": "in", "foot": "ft", "feet": "ft", "'": "ft", "′": "ft", "yard": "yd",
    "mile": "mi", "m2": "m^2", "m²": "m^2", "m**2": "m^2", "sqm": "m^2", "sq m": "m^2",
    "square metre": "m^2", "square meter": "m^2", "cm2": "cm^2", "cm²": "cm^2", "mm2": "mm^2",
    "square centimeter": "cm^2", "square centimetre": "cm^2", "ft2": "ft^2", "ft²": "ft^2",
    "sq ft": "ft^2", "square foot": "ft^2", "square feet": "ft^2", "in2": "in^2", "m3": "m^3",
    "m³": "m^3", "m**3": "m^3", "cubic metre": "m^3", "cubic meter": "m^3", "cm3": "cm^3",
    "cm³": "cm^3", "litre": "l", "liter": "l", "degree": "deg", "°": "deg", "º": "deg",
    "radian": "rad", "second": "s", "sec": "s", "millisecond": "ms", "minute": "min",
    "hour": "h", "hr": "h", "metre per second": "m/s", "meter per second": "m/s", "mps": "m/s",
    "m s^-1": "m/s", "kph": "km/h", "kmh": "km/h", "kilometer per hour": "km/h",
    "kilometre per hour": "km/h", "mile per hour": "mph", "degree per second": "deg/s",
    "radian per second": "rad/s", "item": "count", "object": "count", "piece": "count",
    "times": "ratio", "x": "ratio", "percent": "%", "pixel": "px", "pixels per second": "px/s",
}  # fmt: skip


def canonical_unit(text: str | None) -> str | None:
    """The canonical name of a unit ("metres" -> "m"), or None for an unknown or empty one."""
    if not text or not isinstance(text, str):
        return None
    exact = text.strip()
    if exact in _UNITS:
        return exact
    name = " ".join(exact.strip(". ").lower().split())
    if name in _UNITS:
        return name
    for form in (name, re.sub(r"(?<=[a-z])s\b", "", name), name.removesuffix("es")):
        if form in _SPELLINGS:
            return _SPELLINGS[form]
        if form in _UNITS:
            return form
    return None


def dimension(unit: str) -> str:
    """The kind of a canonical unit: "length", "area", "angle" and so on."""
    return _UNITS[unit][0]


def convert(value: float, unit: str, to: str) -> float:
    """Converts between canonical units of one kind.

    Raises:
        ValueError: The units are of different kinds.
    """
    if unit == to:
        return value
    kind, factor = _UNITS[unit]
    other, divisor = _UNITS[to]
    if kind != other:
        raise ValueError(f"{unit} is a unit of {kind}, {to} of {other}")
    return value * factor / divisor


_NUMBER = re.compile(
    r"[-+−]?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)?(?:\.\d+|(?<=\d)\.)?(?:[eE][-+]?\d+)?", re.UNICODE
)
_FEET_INCHES = re.compile(
    r"(\d+(?:\.\d+)?)\s*(?:'|′|ft|feet|foot)\s*(\d+(?:\.\d+)?)\s*(?:\"|″|in|inch|inches)(?![a-z])",
    re.IGNORECASE,
)
_ENGLISH = "zero one two three four five six seven eight nine ten eleven twelve"
_WORDS = {word: number for number, word in enumerate(_ENGLISH.split(" "))}


def parse_quantity(text: str) -> tuple[float, str | None] | None:
    """Reads the only quantity of a text: "about 3.2 m" -> (3.2, "m"); None unless there is one.

    A text with several different numbers is refused, except an answer such as "5 ft 3 in" or one
    that gives an uncertainty, "3.2 ± 0.1 m".
    """
    text = text.strip()
    feet = _FEET_INCHES.fullmatch(text)
    if feet:
        return float(feet.group(1)) + float(feet.group(2)) / 12, "ft"
    text = re.sub(r"(?:±|\+/-|\+-)\s*\d+(?:\.\d+)?", "", text)
    # Exponents of units are no numbers: m^2, m2, cm³.
    found = [
        match
        for match in _NUMBER.finditer(text)
        if re.search(r"\d", match.group())
        and not re.search(r"[a-zA-Z^]$|\*\*$", text[: match.start()])
    ]
    if not found:
        lowered = text.lower().strip(" .")
        return (float(_WORDS[lowered]), None) if lowered in _WORDS else None
    values = {float(match.group().replace(",", "").replace("−", "-")) for match in found}
    if len(values) != 1:
        return None
    tail = text[found[-1].end() :].lstrip()
    return values.pop(), _leading_unit(tail)


def _leading_unit(tail: str) -> str | None:
    words = re.match(r"(?:[^\d,;()=]|(?<=[\^a-zA-Z*])\d)*", tail)
    parts = (words.group() if words else "").rstrip(" .").split()
    for count in (3, 2, 1):
        unit = canonical_unit(" ".join(parts[:count])) if len(parts) >= count else None
        if unit:
            return unit
    return None
