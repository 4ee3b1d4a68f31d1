"""The ledger of evidence: what was measured and what was seen, and what is missing in it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from spatialclaw.agent.units import canonical_unit, convert, dimension
from spatialclaw.backends.base import Message
from spatialclaw.kernel.results import CellResult, Measured, Shown

__all__ = ["Entry", "Ledger"]

MAX_PICTURES = 6


@dataclass(frozen=True)
class Entry:
    """One piece of evidence.

    Attributes:
        id: "m1", "m2" for measurements, "s1", "s2" for what was seen.
        kind: "measurement" or "seen".
        name: Variable that holds it, or what was asked.
        text: As one line.
        value: The number of a measurement, else None.
        unit: Its unit, or None.
        sigma: One standard deviation, or None.
        method: What made it.
        frames: Positions of the frames it rests on, as far as its evidence says.
        cell: Number of the cell.
    """

    id: str
    kind: Literal["measurement", "seen"]
    name: str
    text: str
    value: float | None = None
    unit: str | None = None
    sigma: float | None = None
    method: str = ""
    frames: tuple[int, ...] = ()
    cell: int = 0


@dataclass
class Ledger:
    """The evidence of one run, in the order it came.

    Attributes:
        entries: Measurements and looks.
        pictures: Pictures that cells showed: those they pinned, and the newest.
    """

    entries: list[Entry] = field(default_factory=list)
    pictures: list[Shown] = field(default_factory=list)
    cell: int = 0

    def add_cell(self, number: int, result: CellResult) -> list[Entry]:
        """Takes in the measurements and the pictures of a cell.

        Returns:
            The new entries.
        """
        self.cell = number
        before = len(self.entries)
        for measured in result.measurements:
            self._measured(measured)
        shown = [*self.pictures, *result.images]
        pinned = [picture for picture in shown if picture.pinned][-MAX_PICTURES:]
        others = [picture for picture in shown if not picture.pinned]
        newest = others[max(0, len(others) - (MAX_PICTURES - len(pinned))) :]
        self.pictures = [p for p in shown if any(p is k for k in (*pinned, *newest))]
        return self.entries[before:]

    def add_look(self, purpose: str, messages: Sequence[Message], reply: str) -> None:
        """Takes in what the VLM said to `look` or `locate`."""
        parts = [part for message in messages for part in message.parts]
        words = [part for part in parts if isinstance(part, str)]
        asked = next((w for w in reversed(words) if w.strip()), "").strip().split("\n")[0]
        number = 1 + sum(entry.kind == "seen" for entry in self.entries)
        text = f"{purpose}: {asked[:160]} -> {' '.join(reply.split())[:240]}"
        frames = tuple(sorted({int(n) for w in words for n in re.findall(r"frame (\d+)", w)}))
        self.entries.append(
            Entry(
                f"s{number}", "seen", asked[:160], text, method="vlm",
                frames=frames, cell=self.cell + 1,
            )
        )  # fmt: skip

    def resolve(self, evidence: Sequence[Any]) -> list[Any]:
        """Evidence of a submission, with names and ids of entries replaced by the entries."""
        resolved: list[Any] = []
        for item in evidence:
            entry = self.find(item) if isinstance(item, str) else None
            resolved.append(asdict(entry) if entry is not None else item)
        return resolved

    def find(self, name: str) -> Entry | None:
        """The newest entry of an id or a variable's name."""
        matches = [e for e in self.entries if name.strip() in (e.id, e.name) and name.strip()]
        return matches[-1] if matches else None

    def describe(self) -> str:
        """All entries, one line each."""
        return "\n".join(f"- {e.id} (cell {e.cell}): {e.text}" for e in self.entries)

    def hints(self, value: Any, unit: str | None, answer_type: str, frames: int) -> list[str]:
        """What is missing behind an answer, one line each.

        Args:
            value: The answer.
            unit: Its unit, or None.
            answer_type: "number", "choice" and so on.
            frames: How many frames the input has.
        """
        measured = [entry for entry in self.entries if entry.kind == "measurement"]
        hints = self._contradictions(measured)
        if answer_type != "number" or unit == "count" or not isinstance(value, int | float):
            if not self.entries and not self.pictures:
                hints.append("nothing was measured, looked at or shown")
            return hints
        if not measured:
            return [*hints, "no measurement stands behind this number"]
        if all(not _agrees(entry, float(value), unit) for entry in measured):
            nearest = min(measured, key=lambda e: abs(_in_unit(e, unit) - float(value)))
            hints.append(f"no measurement gives this number; the nearest is {nearest.text}")
        used = {frame for entry in measured for frame in entry.frames}
        if frames > 1 and len(used) == 1:
            hints.append(f"all measurements rest on frame {used.pop()} alone; there are {frames}")
        return hints

    def _measured(self, found: Measured) -> None:
        text = _described(found)
        if any(e.kind == "measurement" and e.text.endswith(text) for e in self.entries) and (
            not found.name or self.find(found.name) is not None
        ):
            return
        number = 1 + sum(entry.kind == "measurement" for entry in self.entries)
        lines = "; ".join(found.evidence)
        frames = {int(n) for n in re.findall(r"frames?\s*\[?(\d+)", lines)}
        self.entries.append(
            Entry(
                f"m{number}",
                "measurement",
                found.name,
                f"{found.name} = {text}" if found.name else text,
                found.value,
                found.unit or None,
                found.sigma,
                found.method,
                tuple(sorted(frames)),
                self.cell,
            )
        )

    @staticmethod
    def _contradictions(measured: list[Entry]) -> list[str]:
        """Values of one name that lie further apart than their errors allow."""
        hints = []
        names = dict.fromkeys(entry.name for entry in measured if entry.name)
        for name in names:
            same = [entry for entry in measured if entry.name == name and entry.value is not None]
            if len(same) < 2:
                continue
            first, last = same[-2], same[-1]
            gap = abs((first.value or 0.0) - _in_unit(last, first.unit))
            spread = ((first.sigma or 0.0) ** 2 + (last.sigma or 0.0) ** 2) ** 0.5
            if spread and gap > 3 * spread:
                pair = f"{first.text}; {last.text}"
                hints.append(f"{first.id} and {last.id} contradict each other: {pair}")
        return hints


def _described(found: Measured) -> str:
    """A measurement in one line."""
    sigma = "" if found.sigma is None else f" +- {found.sigma:.3g}"
    unit = f" {found.unit}" if found.unit not in ("", "1") else ""
    method = f" by {found.method}" if found.method else ""
    lines = f": {'; '.join(found.evidence)}" if found.evidence else ""
    return f"{found.value:.5g}{sigma}{unit}{method}{lines}"


def _in_unit(entry: Entry, unit: str | None) -> float:
    value = entry.value or 0.0
    own, other = canonical_unit(entry.unit), canonical_unit(unit)
    if own and other and dimension(own) == dimension(other):
        return convert(value, own, other)
    return value


def _agrees(entry: Entry, value: float, unit: str | None) -> bool:
    own = _in_unit(entry, unit)
    return abs(own - value) <= max(0.05 * abs(value), 3 * (entry.sigma or 0.0), 1e-9)
