"""A number with its unit, its error and what it rests on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from spatialclaw.primitives.measure.units import Unit, parse_unit
from spatialclaw.primitives.noted import note
from spatialclaw.primitives.rich import Rich

__all__ = ["Comparison", "Measurement"]


@dataclass(frozen=True)
class Comparison:
    """The outcome of a comparison; true or false, with how clear it is.

    Attributes:
        holds: The outcome.
        difference: Left minus right, in the left's unit.
        sigmas: The difference in standard deviations; infinite when both are exact; None when an
            error is not known.
        text: The comparison, to print.
    """

    holds: bool
    difference: float
    sigmas: float | None
    text: str

    @property
    def probability(self) -> float | None:
        """Probability that the left is the greater, for normal errors; None when not known."""
        if self.sigmas is None:
            return None
        return 0.5 * (1 + math.erf(self.sigmas / math.sqrt(2)))

    def __bool__(self) -> bool:
        return self.holds

    def __repr__(self) -> str:
        sure = "" if self.sigmas is None else f" ({abs(self.sigmas):.1f} sigma)"
        return f"{self.holds}: {self.text}{sure}"


@dataclass(frozen=True, eq=False)
class Measurement(Rich):
    """A measured number.

    Arithmetic with numbers and other measurements keeps the unit and the error (first order, errors
    taken as independent); comparisons say by how many sigmas they hold.

    Attributes:
        value: The number, in `unit`.
        unit: "m", "m^2", "deg", "m/s", "px", "count", "unit" (scene scale unknown) and so on.
        sigma: One standard deviation, in `unit`; None when not known.
        evidence: What it rests on, one line each.
        method: How it was measured.

    Example:
        >>> a = Measurement(2.0, "m", 0.03); b = Measurement(150.0, "cm", 4.0)
        >>> (a - b).to("cm").value, bool(a > b)
        (50.0, True)
    """

    value: float
    unit: str = ""
    sigma: float | None = None
    evidence: tuple[str, ...] = field(default=())
    method: str = ""

    def __post_init__(self) -> None:
        parse_unit(self.unit)
        object.__setattr__(self, "value", float(self.value))
        sigma = None if self.sigma is None or math.isnan(self.sigma) else abs(float(self.sigma))
        object.__setattr__(self, "sigma", sigma)
        lines = (self.evidence,) if isinstance(self.evidence, str) else tuple(self.evidence)
        object.__setattr__(self, "evidence", lines)

    def to(self, unit: str) -> Measurement:
        """The same in another unit: "cm", "mm", "km", "ft", "in", "deg", "rad", "km/h", "m^2"...

        Raises:
            ValueError: The unit measures something else, or is not known.
        """
        here, there = parse_unit(self.unit), parse_unit(unit)
        if here.powers != there.powers:
            raise ValueError(
                f"{self.value:.4g} {self.unit or '(no unit)'} cannot be given in {unit}"
                + ("; the scale of the scene is not known" if "unit" in self.unit else "")
            )
        ratio = here.factor / there.factor
        # Rounding removes the noise of the factors (150 cm is 1.5 m, not 1.5000000000000002).
        value = self.value if ratio == 1.0 else float(f"{self.value * ratio:.14g}")
        return self._like(value, there.name, None if self.sigma is None else self.sigma * ratio)

    def agrees(self, other: Any, sigmas: float = 2.0) -> bool:
        """Whether two measurements of one thing agree within so many standard deviations.

        Raises:
            ValueError: Neither has a sigma.
        """
        second = self._of(other)
        spread = _root(self.sigma, second.sigma)
        if self.sigma is None and second.sigma is None:
            raise ValueError("neither has a sigma, so whether they agree cannot be told")
        return abs(self.value - second.value) <= sigmas * (spread or 0.0)

    @classmethod
    def combine(cls, several: Sequence[Measurement]) -> Measurement:
        """The weighted mean of independent measurements of one thing.

        Its sigma is widened when they scatter more than their errors allow (Birge ratio).
        Without sigmas: the median.

        Example:
            >>> Measurement.combine([Measurement(1.0, "m", 0.1), Measurement(2.0, "m", 0.1)]).value
            1.5
        """
        if not several:
            raise ValueError("nothing to combine")
        same = [several[0]._of(m) for m in several]
        unit, lines = same[0].unit, tuple(dict.fromkeys(e for m in same for e in m.evidence))
        if any(not m.sigma for m in same):
            values = sorted(m.value for m in same)
            middle = len(values) // 2
            median = (values[middle] + values[~middle]) / 2
            apart = sorted(abs(v - median) for v in values)
            scatter = 1.4826 * (apart[middle] + apart[~middle]) / 2 / math.sqrt(len(values))
            return cls(median, unit, scatter or None, lines, f"median of {len(values)}")
        weights = [1 / (m.sigma or 1.0) ** 2 for m in same]
        mean = sum(w * m.value for w, m in zip(weights, same, strict=True)) / sum(weights)
        sigma = 1 / math.sqrt(sum(weights))
        if len(same) > 1:
            chi = sum(w * (m.value - mean) ** 2 for w, m in zip(weights, same, strict=True))
            sigma *= max(1.0, math.sqrt(chi / (len(same) - 1)))
        return cls(mean, unit, sigma, lines, f"weighted mean of {len(same)}")

    def _of(self, other: Any) -> Measurement:
        """The other in this one's unit; a bare number is taken to be in it."""
        if isinstance(other, Measurement):
            return other.to(self.unit)
        return Measurement(float(other), self.unit, 0.0)

    def _like(
        self, value: float, unit: str, sigma: float | None, other: Measurement | None = None
    ) -> Measurement:
        lines, method = self.evidence, self.method
        if other is not None:
            lines = tuple(dict.fromkeys((*lines, *other.evidence)))
            method = " & ".join(dict.fromkeys(m for m in (method, other.method) if m))
        return Measurement(value, unit, sigma, lines, method)

    def __add__(self, other: Any) -> Measurement:
        second = self._of(other)
        spread = _root(self.sigma, second.sigma)
        return self._like(self.value + second.value, self.unit, spread, second)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Measurement:
        return self + (-self._of(other))

    def __rsub__(self, other: Any) -> Measurement:
        return self._of(other) - self

    def __neg__(self) -> Measurement:
        return self._like(-self.value, self.unit, self.sigma)

    def __abs__(self) -> Measurement:
        return self._like(abs(self.value), self.unit, self.sigma)

    def __mul__(self, other: Any) -> Measurement:
        if not isinstance(other, Measurement):
            factor = float(other)
            spread = None if self.sigma is None else self.sigma * abs(factor)
            return self._like(self.value * factor, self.unit, spread)
        a, b = self._base(), other._base()
        spread = _root(_times(a.sigma, b.value), _times(b.sigma, a.value))
        unit = parse_unit(self.unit) * parse_unit(other.unit)
        return a._like(a.value * b.value, _name(unit, self, other), spread, b)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Measurement:
        if not isinstance(other, Measurement):
            return self * (1.0 / float(other))
        a, b = self._base(), other._base()
        spread = _root(_times(a.sigma, 1 / b.value), _times(b.sigma, a.value / b.value**2))
        unit = parse_unit(self.unit) / parse_unit(other.unit)
        return a._like(a.value / b.value, unit.name, spread, b)

    def __rtruediv__(self, other: Any) -> Measurement:
        base = self._base()
        value = float(other)
        spread = _times(base.sigma, value / base.value**2)
        unit = parse_unit("") / parse_unit(self.unit)
        return base._like(value / base.value, unit.name, spread)

    def __pow__(self, power: int) -> Measurement:
        base = self._base()
        spread = _times(base.sigma, power * base.value ** (power - 1))
        return base._like(base.value**power, (parse_unit(self.unit) ** power).name, spread)

    def _base(self) -> Measurement:
        unit = parse_unit(self.unit)
        sigma = None if self.sigma is None else self.sigma * unit.factor
        return self._like(self.value * unit.factor, self.unit, sigma)

    def _compare(self, other: Any, sign: str) -> Comparison:
        second = self._of(other)
        difference = self.value - second.value
        spread = _root(self.sigma, second.sigma)
        sigmas = None if spread is None else _ratio(difference, spread)
        holds = {
            "<": difference < 0,
            "<=": difference <= 0,
            ">": difference > 0,
            ">=": difference >= 0,
        }[sign]
        text = f"{self.value:.4g} {sign} {second.value:.4g} {self.unit}".rstrip()
        return Comparison(holds, difference, sigmas, text)

    def __lt__(self, other: Any) -> Comparison:
        return self._compare(other, "<")

    def __le__(self, other: Any) -> Comparison:
        return self._compare(other, "<=")

    def __gt__(self, other: Any) -> Comparison:
        return self._compare(other, ">")

    def __ge__(self, other: Any) -> Comparison:
        return self._compare(other, ">=")

    def __eq__(self, other: object) -> bool:
        """Same value and unit; `agrees` asks whether they are the same within their errors."""
        if isinstance(other, Measurement):
            here, there = parse_unit(self.unit), parse_unit(other.unit)
            same = math.isclose(self._base().value, other._base().value, rel_tol=1e-12)
            return here.powers == there.powers and same
        return isinstance(other, int | float) and self.value == other

    def __hash__(self) -> int:
        return hash((round(self._base().value, 9), parse_unit(self.unit).powers))

    def __float__(self) -> float:
        return self.value

    def __int__(self) -> int:
        return int(self.value)

    def __round__(self, digits: int = 0) -> float:
        return round(self.value, digits)

    def __bool__(self) -> bool:
        return self.value != 0

    def __format__(self, spec: str) -> str:
        note(self)
        return f"{self.value:{spec}} {self.unit}".rstrip() if spec else self._text()

    def __str__(self) -> str:
        note(self)
        return self._text()

    def _text(self) -> str:
        unit = "" if self.unit in ("", "1") else f" {self.unit}"
        if self.unit == "count" and not self.sigma:
            return f"{self.value:g}{unit}"
        if not self.sigma:
            return f"{self.value:.4g}{unit}"
        digits = max(0, min(6, 1 - math.floor(math.log10(self.sigma))))
        return f"{self.value:.{digits}f} +- {self.sigma:.{digits}f}{unit}"

    def __repr__(self) -> str:
        note(self)
        method = f" by {self.method}" if self.method else ""
        lines = "; ".join(self.evidence)
        return f"<Measurement {self._text()}{method}{': ' if lines else ''}{lines}>"

    def as_record(self) -> dict[str, Any]:
        """Value, unit, sigma, evidence and method as JSON-able values."""
        return {
            "value": self.value,
            "unit": self.unit,
            "sigma": self.sigma,
            "evidence": list(self.evidence),
            "method": self.method,
        }


def _root(a: float | None, b: float | None) -> float | None:
    """Errors in quadrature; unknown when one is."""
    return None if a is None or b is None else math.hypot(a, b)


def _times(sigma: float | None, factor: float) -> float | None:
    return None if sigma is None else abs(sigma * factor)


def _ratio(difference: float, spread: float) -> float:
    if spread > 0:
        return difference / spread
    return math.copysign(math.inf, difference) if difference else 0.0


def _name(unit: Unit, a: Measurement, b: Measurement) -> str:
    """A count of something stays a count; a count of lengths is a length."""
    if not any(unit.powers) and a.unit == b.unit == "count":
        return "count"
    return unit.name
