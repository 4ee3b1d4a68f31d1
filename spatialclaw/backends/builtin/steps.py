"""What an investigation is made of: cells, what is read from them, findings."""

from __future__ import annotations

import ast
import re
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from spatialclaw.kernel.results import CellResult

__all__ = ["Cell", "Finding", "FindingKind", "Investigation", "NotGrounded", "Seen", "read_values"]

FindingKind = Literal[
    "number", "word", "item", "order", "yes_no", "text", "point", "box", "numbers"
]

_VALUE = re.compile(r"^([A-Za-z_]\w*) = (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Cell:
    """A cell to be run.

    Attributes:
        why: One line before the code.
        code: Python; what the planner needs to know afterwards it prints as ``name = literal``.
    """

    why: str
    code: str


@dataclass(frozen=True)
class Seen:
    """What a cell showed.

    Attributes:
        ok: Whether it ran to its end.
        values: What it printed as ``name = literal``.
        error: Class of the exception, or "".
        message: Its message.
        stdout: All it printed.
    """

    ok: bool
    values: dict[str, Any] = field(default_factory=dict)
    error: str = ""
    message: str = ""
    stdout: str = ""

    def get(self, name: str, default: Any = None) -> Any:
        """A value by name."""
        return self.values.get(name, default)

    def number(self, name: str) -> float | None:
        """A finite number by name, or None."""
        value = self.values.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
            return None
        return float(value)

    @classmethod
    def of(cls, result: CellResult | None) -> Seen:
        """Reads a cell's result."""
        if result is None:
            return cls(False, error="NoResult", message="the cell gave no result")
        error = result.error
        return cls(
            result.ok,
            read_values(result.stdout),
            error.name if error else ("" if result.ok else result.status),
            error.message if error else "",
            result.stdout,
        )


def read_values(text: str) -> dict[str, Any]:
    """The values that a cell printed as ``name = literal``; the last one counts."""
    values: dict[str, Any] = {}
    for name, said in _VALUE.findall(text):
        literal = re.sub(r"\bnan\b", "None", re.sub(r"\b(?:-)?inf\b", "None", said.strip()))
        try:
            values[name] = ast.literal_eval(literal)
        except (ValueError, SyntaxError):
            values[name] = said.strip()
    return values


@dataclass(frozen=True)
class Finding:
    """What was found out, before it is put into the form of an answer.

    Attributes:
        kind: How `value` is to be read.
        value: Number; canonical word; index of a thing; order of indices; bool; text; (x, y); numbers.
        unit: Of a number.
        sigma: One standard deviation of a number, or None.
        confidence: 0..1.
        evidence: What it rests on, one line each.
        scores: For "item" and "order": the value of each thing, to compare.
        names: For "item" and "order": what the things are called.
        variable: Name in the kernel that holds the value, to be submitted by name.
    """

    kind: FindingKind
    value: Any
    unit: str | None = None
    sigma: float | None = None
    confidence: float = 0.6
    evidence: tuple[str, ...] = ()
    scores: tuple[float | None, ...] = ()
    names: tuple[str, ...] = ()
    variable: str = ""


class NotGrounded(Exception):
    """Something in the question could not be found with what is available.

    Args:
        looked_for: What was looked for.
        tried: How, and why it failed.
    """

    def __init__(self, looked_for: str, tried: Sequence[str] = ()) -> None:
        super().__init__(looked_for)
        self.looked_for = looked_for
        self.tried = [line for line in tried if line]


Investigation = Generator[Cell, Seen, Finding]
