"""Units: powers of metre, second, radian, pixel and of an unknown scene scale."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Unit", "parse_unit"]

BASES = ("m", "s", "rad", "px", "unit")
_DEG = 0.017453292519943295
# name -> (factor to the base, powers of the bases)
_NAMES: dict[str, tuple[float, tuple[int, ...]]] = {
    "m": (1.0, (1, 0, 0, 0, 0)),
    "km": (1000.0, (1, 0, 0, 0, 0)),
    "cm": (0.01, (1, 0, 0, 0, 0)),
    "mm": (0.001, (1, 0, 0, 0, 0)),
    "in": (0.0254, (1, 0, 0, 0, 0)),
    "ft": (0.3048, (1, 0, 0, 0, 0)),
    "yd": (0.9144, (1, 0, 0, 0, 0)),
    "mi": (1609.344, (1, 0, 0, 0, 0)),
    "l": (0.001, (3, 0, 0, 0, 0)),
    "s": (1.0, (0, 1, 0, 0, 0)),
    "ms": (0.001, (0, 1, 0, 0, 0)),
    "min": (60.0, (0, 1, 0, 0, 0)),
    "h": (3600.0, (0, 1, 0, 0, 0)),
    "rad": (1.0, (0, 0, 1, 0, 0)),
    "deg": (_DEG, (0, 0, 1, 0, 0)),
    "px": (1.0, (0, 0, 0, 1, 0)),
    "unit": (1.0, (0, 0, 0, 0, 1)),
    "mph": (0.44704, (1, -1, 0, 0, 0)),
    "count": (1.0, (0, 0, 0, 0, 0)),
    "%": (0.01, (0, 0, 0, 0, 0)),
    "1": (1.0, (0, 0, 0, 0, 0)),
    "": (1.0, (0, 0, 0, 0, 0)),
}
_ALIASES = {
    "metre": "m", "metres": "m", "meter": "m", "meters": "m",
    "centimetre": "cm", "centimetres": "cm", "centimeter": "cm", "centimeters": "cm",
    "millimetre": "mm", "millimetres": "mm", "millimeter": "mm", "millimeters": "mm",
    "kilometre": "km", "kilometres": "km", "kilometer": "km", "kilometers": "km",
    "inch": "in", "inches": "in", '"': "in", "foot": "ft", "feet": "ft", "'": "ft",
    "yard": "yd", "yards": "yd", "mile": "mi", "miles": "mi", "litre": "l", "litres": "l",
    "liter": "l", "liters": "l", "second": "s", "seconds": "s", "sec": "s", "minute": "min",
    "minutes": "min", "hour": "h", "hours": "h", "degree": "deg", "degrees": "deg", "°": "deg",
    "radian": "rad", "radians": "rad", "pixel": "px", "pixels": "px", "kph": "km/h",
    "kmh": "km/h", "km/h": "km/h", "sqm": "m^2", "sqft": "ft^2", "counts": "count",
    "m²": "m^2", "m³": "m^3", "percent": "%",
}  # fmt: skip
_FACTOR = re.compile(r"^(?P<name>[^\d^]+|1)(?:\^?(?P<power>-?\d))?$")


@dataclass(frozen=True)
class Unit:
    """A unit: its name, the factor to the base units and the powers of these.

    Attributes:
        name: As written, such as "m^2" or "km/h".
        factor: Value in base units of one of it.
        powers: Powers of (m, s, rad, px, unit).
    """

    name: str
    factor: float
    powers: tuple[int, ...]

    def __mul__(self, other: Unit) -> Unit:
        return _canonical(tuple(a + b for a, b in zip(self.powers, other.powers, strict=True)))

    def __truediv__(self, other: Unit) -> Unit:
        return _canonical(tuple(a - b for a, b in zip(self.powers, other.powers, strict=True)))

    def __pow__(self, power: int) -> Unit:
        return _canonical(tuple(a * power for a in self.powers))


def parse_unit(text: str | Unit) -> Unit:
    """A unit from its name.

    Args:
        text: "m", "cm^2", "m/s", "km/h", "feet", "square metres", "deg", "count", "px/s"...

    Raises:
        ValueError: The name is not known; the message lists the names.

    Example:
        >>> parse_unit("km/h").factor
        0.2777777777777778
    """
    if isinstance(text, Unit):
        return text
    written = text.strip()
    plain = written if written in _NAMES else written.lower()
    plain = re.sub(r"^sq(?:uare|\.)?\s+(\S+)$", r"\1^2", plain)
    plain = re.sub(r"^cubic\s+(\S+)$", r"\1^3", plain)
    plain = plain.replace(" per ", "/").replace("**", "^").replace("·", "*")
    plain = _ALIASES.get(plain, plain)
    factor, powers = 1.0, (0,) * len(BASES)
    for position, part in enumerate(plain.split("/")):
        for piece in part.split("*"):
            piece_factor, piece_powers = _piece(piece.strip(), text)
            sign = -1 if position else 1
            factor *= piece_factor**sign
            powers = tuple(a + sign * b for a, b in zip(powers, piece_powers, strict=True))
    return Unit(plain, factor, powers)


def _piece(piece: str, whole: str) -> tuple[float, tuple[int, ...]]:
    piece = _ALIASES.get(piece, piece)
    if piece in _NAMES:
        return _NAMES[piece]
    match = _FACTOR.match(piece)
    name = "" if match is None else _ALIASES.get(match["name"], match["name"])
    if match is None or name not in _NAMES:
        known = ", ".join(name for name in _NAMES if name not in ("", "1"))
        raise ValueError(f"the unit {whole!r} is not known; use {known}, with ^2, ^3 and /")
    factor, powers = _NAMES[name]
    power = int(match["power"] or 1)
    return factor**power, tuple(power * p for p in powers)


def _canonical(powers: tuple[int, ...]) -> Unit:
    above = [_written(b, p) for b, p in zip(BASES, powers, strict=True) if p > 0]
    below = [_written(b, -p) for b, p in zip(BASES, powers, strict=True) if p < 0]
    name = "*".join(above) or ("1" if below else "")
    return Unit("/".join([name, *below]) if below else name, 1.0, powers)


def _written(base: str, power: int) -> str:
    return base if power == 1 else f"{base}^{power}"
