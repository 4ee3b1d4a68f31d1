"""What a cell did: plain records, safe to keep after the kernel is gone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = [
    "CellError",
    "CellResult",
    "CellStatus",
    "Measured",
    "Shown",
    "Submission",
    "Variable",
]

CellStatus = Literal["ok", "error", "timeout", "died"]


@dataclass(frozen=True)
class CellError:
    """Why a cell failed.

    Attributes:
        name: Class of the exception, "Timeout" or "KernelDied".
        message: The whole message, all lines.
        traceback: Plain text (no ANSI), shortened to the frames of the cell.
        line: 1-based line of the cell that failed, when known.
    """

    name: str
    message: str
    traceback: str = ""
    line: int | None = None


@dataclass(frozen=True)
class Shown:
    """A picture that a cell put into the observation.

    Attributes:
        data: Encoded bytes, validated to be a picture of the media type.
        media_type: "image/jpeg" or "image/png".
        width: Pixels.
        height: Pixels.
        title: Its caption, or "".
        source: Where it came from: {"kind": "frame", "frame": 3, "scale": 0.5, "offset": [0, 0]}
            for a picture whose pixels are those of a frame (source pixel = pixel / scale +
            offset), else {"kind": "figure"} or {"kind": "array"}.
        pinned: Whether it is to stay in view.
    """

    data: bytes = field(repr=False)
    media_type: str
    width: int
    height: int
    title: str = ""
    source: dict[str, Any] = field(default_factory=dict)
    pinned: bool = False


@dataclass(frozen=True)
class Variable:
    """A name in the namespace that a cell made or changed (in place too).

    Attributes:
        name: Its name.
        type: Its class.
        summary: One line: value, or shape, dtype and range.
        change: What happened to it.
    """

    name: str
    type: str
    summary: str
    change: Literal["new", "changed", "deleted"] = "new"


@dataclass(frozen=True)
class Measured:
    """A measurement that a cell kept under a name or printed.

    Attributes:
        name: The name that holds it, such as "d" or "widths[0]"; "" when it was printed only.
        value: The number.
        unit: Its unit.
        sigma: One standard deviation, or None.
        method: What made it, or "".
        evidence: What it rests on, in lines.
    """

    name: str
    value: float
    unit: str = ""
    sigma: float | None = None
    method: str = ""
    evidence: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Submission:
    """What a cell passed to `submit`, as plain JSON values, unchecked.

    Attributes:
        value: Number, text, bool, or list of numbers (point, box).
        unit: As given, or None.
        confidence: As given, or None.
        evidence: Strings or JSON objects.
    """

    value: Any
    unit: str | None = None
    confidence: float | None = None
    evidence: list[Any] = field(default_factory=list)


@dataclass(frozen=True)
class CellResult:
    """What a cell printed, showed, changed and submitted.

    Attributes:
        status: "ok"; "error" (it raised); "timeout" (ended at its deadline); "died" (the process
            ended).
        stdout: What it printed, head and tail of it when over the limit of the collector.
        stderr: Likewise.
        result: repr of the last expression, or None.
        error: Set unless status is "ok".
        images: From `show`, from matplotlib and from rich displays, in order.
        variables: New, changed and deleted names.
        submission: The last `submit` of the cell, or None.
        seconds: Wall time in the kernel.
        lost: What of the state is gone after a timeout or a death, one line, or "".
        truncated_bytes: Output dropped by the limit.
        displays: Other display payloads: media type -> text or JSON, for notebooks and reports.
        scenes: What the cell made in 3-D, as `spatialclaw.kernel.scene.check_scene` gives it.
        measurements: What it measured, as far as it has a name or was printed.
    """

    status: CellStatus
    stdout: str = ""
    stderr: str = ""
    result: str | None = None
    error: CellError | None = None
    images: list[Shown] = field(default_factory=list)
    variables: list[Variable] = field(default_factory=list)
    submission: Submission | None = None
    seconds: float = 0.0
    lost: str = ""
    truncated_bytes: int = 0
    displays: list[dict[str, Any]] = field(default_factory=list)
    measurements: list[Measured] = field(default_factory=list)
    scenes: list[dict[str, Any]] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether the cell ran to its end."""
        return self.status == "ok"

    def _repr_html_(self) -> str:
        # what it printed and showed is in the notebook already, as it came
        return f"<small>{self.status}, {self.seconds:.2f} s</small>"
