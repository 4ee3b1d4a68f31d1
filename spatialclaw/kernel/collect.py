"""Turns a kernel's messages into a `CellResult`, trusting none of them."""

from __future__ import annotations

import base64
import binascii
import io
import math
import re
import warnings
from typing import Any, Literal

from spatialclaw.kernel.results import (
    CellError,
    CellResult,
    Measured,
    Shown,
    Submission,
    Variable,
)
from spatialclaw.kernel.scene import SCENE_TYPE, check_scene

__all__ = ["CELL_TYPE", "SHOWN_TYPE", "SUBMIT_TYPE", "BadPicture", "Collector", "check_picture"]

CELL_TYPE = "application/vnd.spatialclaw.cell+json"
SHOWN_TYPE = "application/vnd.spatialclaw.shown+json"
SUBMIT_TYPE = "application/vnd.spatialclaw.submit+json"

MAX_EDGE = 8192
MAX_PIXELS = 40_000_000
MAX_BYTES = 12_000_000
MAX_CELL_BYTES = 64_000_000
"""Of all pictures of a cell: they are kept in the run folder, which must not fill the disk."""
_FORMATS = {"image/png": "PNG", "image/jpeg": "JPEG"}
_KEPT_DISPLAYS = 50
_KEPT_SCENES = 4
_MAX_DISPLAY = 200_000
_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")


class BadPicture(ValueError):
    """What a kernel called a picture is none, or too large."""


def check_picture(data: bytes, media_type: str) -> tuple[int, int]:
    """Decodes a picture within limits.

    Returns:
        Width and height.

    Raises:
        BadPicture: It does not decode, is of another type, or is too large.
    """
    from PIL import Image

    kind = _FORMATS.get(media_type)
    if kind is None:
        raise BadPicture(f"pictures of type {media_type[:60]} are not taken")
    if len(data) > MAX_BYTES:
        raise BadPicture(f"a picture of {len(data)} bytes; {MAX_BYTES} are allowed")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # oddities of a file are no news
            with Image.open(io.BytesIO(data), formats=[kind]) as image:
                width, height = image.size
                if max(width, height) > MAX_EDGE or width * height > MAX_PIXELS:
                    raise BadPicture(f"a picture of {width}x{height} pixels is too large")
                # every byte of it is decoded; a JPEG at an eighth of its size, which is quicker
                image.draft("RGB", (max(1, width // 8), max(1, height // 8)))
                image.load()
    except BadPicture:
        raise
    except Exception as error:  # Pillow raises many kinds on what is no picture
        raise BadPicture(f"no {kind} picture: {type(error).__name__}") from error
    return width, height


class _Text:
    """Head and tail of a stream."""

    def __init__(self, limit: int) -> None:
        self.half = max(1, limit // 2)
        self.head: list[str] = []
        self.head_size = 0
        self.tail = ""
        self.dropped = 0

    def add(self, text: str) -> None:
        room = self.half - self.head_size
        if room > 0:
            self.head.append(text[:room])
            self.head_size += min(room, len(text))
            text = text[room:]
        if text:
            self.tail += text
            if len(self.tail) > 2 * self.half:
                self._cut()

    def _cut(self) -> None:
        extra = len(self.tail) - self.half
        if extra > 0:
            self.dropped += extra
            self.tail = self.tail[extra:]

    def text(self) -> str:
        self._cut()
        head = "".join(self.head)
        if not self.dropped:
            return head + self.tail
        return f"{head}\n[... {self.dropped} characters left out ...]\n{self.tail}"


class Collector:
    """Collects what one cell sends.

    Args:
        max_output: Characters kept of each stream.
        max_images: Pictures kept.
    """

    def __init__(self, max_output: int = 100_000, max_images: int = 32) -> None:
        self._streams = {"stdout": _Text(max_output), "stderr": _Text(max_output)}
        self._max_images = max_images
        self._dropped_images = 0
        self._bytes = 0
        self.images: list[Shown] = []
        self.displays: list[dict[str, Any]] = []
        self.scenes: list[dict[str, Any]] = []
        self.submission: Submission | None = None
        self.result: str | None = None
        self.report: dict[str, Any] = {}
        self.error: CellError | None = None
        self.notes: list[str] = []

    def add(self, msg_type: str, content: dict[str, Any]) -> None:
        """Takes one iopub message; what is malformed is noted and dropped."""
        try:
            if msg_type == "stream":
                stream = self._streams.get(str(content.get("name")), self._streams["stdout"])
                stream.add(_ANSI.sub("", str(content["text"])))
            elif msg_type in ("display_data", "update_display_data"):
                self._display(dict(content["data"]))
            elif msg_type == "execute_result":
                data = dict(content["data"])
                text = data.get("text/plain")
                self.result = _clip(str(text), 20_000) if text is not None else None
                if any(t in data for t in _FORMATS):
                    self._display({k: v for k, v in data.items() if k != "text/plain"})
            elif msg_type == "error" and self.error is None:
                self.error = CellError(
                    name=str(content.get("ename", ""))[:200],
                    message=str(content.get("evalue", ""))[:8000],
                    traceback=_ANSI.sub("", "\n".join(map(str, content.get("traceback", []))))[
                        :20_000
                    ],
                )
        except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
            self.note(f"a malformed {msg_type[:40]} message was dropped ({type(error).__name__})")

    @property
    def files(self) -> list[str]:
        """Names of files that the cell wrote into its folder, as the kernel says."""
        names = self.report.get("files")
        if not isinstance(names, list):
            return []
        return [_clip(" ".join(str(name).split()), 80) for name in names[:8]]

    def reported(self, report: Any) -> None:
        """Takes the kernel's report of the cell."""
        if isinstance(report, dict):
            self.report = report

    def raw(self, out: dict[str, Any] | None, err: dict[str, Any] | None) -> None:
        """Takes what was written past Python to descriptors 1 and 2."""
        for name, report in (("stdout", out), ("stderr", err)):
            if not report:
                continue
            stream = self._streams[name]
            stream.add(_ANSI.sub("", str(report.get("head", ""))))
            dropped = _count(report.get("dropped"))
            if dropped:
                stream.add(f"\n[... {dropped} bytes left out ...]\n")
                self.report["dropped"] = _count(self.report.get("dropped")) + dropped
            stream.add(_ANSI.sub("", str(report.get("tail", ""))))

    def note(self, text: str) -> None:
        """Adds a line about the collecting itself to stderr of the result."""
        if len(self.notes) < 20:
            self.notes.append(text)

    def _display(self, data: dict[str, Any]) -> None:
        if CELL_TYPE in data:
            self.report = dict(data[CELL_TYPE])
            return
        if SUBMIT_TYPE in data:
            self.submission = _submission(dict(data[SUBMIT_TYPE]))
            return
        if SCENE_TYPE in data:
            if len(self.scenes) < _KEPT_SCENES:
                self.scenes.append(check_scene(data[SCENE_TYPE]))
            return
        media_type = next((t for t in _FORMATS if t in data), None)
        if media_type is not None:
            self._picture(media_type, data)
            return
        kept = {
            str(kind)[:100]: value
            for kind, value in data.items()
            if isinstance(value, str) and len(value) <= _MAX_DISPLAY
        }
        if kept and len(self.displays) < _KEPT_DISPLAYS:
            self.displays.append(kept)
            text = kept.get("text/plain")
            if text:
                self._streams["stdout"].add(text + "\n")

    def _picture(self, media_type: str, data: dict[str, Any]) -> None:
        if len(self.images) >= self._max_images or self._bytes >= MAX_CELL_BYTES:
            self._dropped_images += 1
            return
        meta = data.get(SHOWN_TYPE)
        meta = dict(meta) if isinstance(meta, dict) else {}
        text = data[media_type]
        if not isinstance(text, str) or len(text) > MAX_BYTES * 2:
            self.note("a picture was dropped: too large")
            return
        try:
            raw = base64.b64decode(text)
            width, height = check_picture(raw, media_type)
        except (BadPicture, binascii.Error) as error:
            self.note(f"a picture was dropped: {error}")
            return
        self._bytes += len(raw)
        self.images.append(
            Shown(
                data=raw,
                media_type=media_type,
                width=width,
                height=height,
                title=str(meta.get("title") or "")[:500],
                source=_source(meta.get("source")),
                pinned=meta.get("pinned") is True,
            )
        )

    def finish(
        self, status: Literal["ok", "error", "timeout", "died"], *, seconds: float, lost: str = ""
    ) -> CellResult:
        """The result, with what has come in."""
        if self._dropped_images:
            self.note(f"{self._dropped_images} more pictures were dropped")
        repaired = self.report.get("repaired")
        if isinstance(repaired, list) and repaired:
            self.note(f"put back what the cell replaced: {', '.join(map(str, repaired[:10]))}")
        for note in self.notes:
            self._streams["stderr"].add(f"[{note}]\n")
        out, err = self._streams["stdout"], self._streams["stderr"]
        stdout, stderr = out.text(), err.text()
        reported = _number(self.report.get("seconds"), 0, 1e7)
        return CellResult(
            status=status,
            stdout=stdout,
            stderr=stderr,
            result=self.result,
            error=self._error() if status != "ok" else None,
            images=self.images,
            variables=_variables(self.report.get("variables")),
            submission=self.submission,
            seconds=seconds if reported is None else reported,
            lost=lost,
            truncated_bytes=out.dropped + err.dropped + _count(self.report.get("dropped")),
            displays=self.displays,
            scenes=self.scenes,
            measurements=_measurements(self.report.get("measurements")),
        )

    def _error(self) -> CellError:
        described = self.report.get("error")
        if isinstance(described, dict):
            line = described.get("line")
            return CellError(
                name=str(described.get("name", ""))[:200],
                message=str(described.get("message", ""))[:8000],
                traceback=_ANSI.sub("", str(described.get("traceback", "")))[:20_000],
                line=line if type(line) is int and 0 < line < 1_000_000 else None,
            )
        return self.error or CellError("Error", "the cell failed without saying why")


def _number(value: Any, low: float, high: float) -> float | None:
    """A finite number within bounds, or None."""
    if type(value) not in (int, float) or not math.isfinite(value) or not low <= value <= high:
        return None
    return float(value)


def _count(value: Any) -> int:
    return value if type(value) is int and 0 <= value < 2**60 else 0


def _clip(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]}\n[... {len(text) - limit} characters left out ...]\n{text[-half:]}"


def _source(source: Any) -> dict[str, Any]:
    if not isinstance(source, dict):
        return {}
    kept: dict[str, Any] = {}
    if source.get("kind") in ("frame", "array", "figure"):
        kept["kind"] = source["kind"]
    for key in ("frame", "sequence"):
        if type(source.get(key)) is int and 0 <= source[key] < 10_000_000:
            kept[key] = source[key]
    scale = _number(source.get("scale"), 1e-6, 1e3)
    if scale is not None:
        kept["scale"] = scale
    given = source.get("offset")
    offset = [_number(v, -1e6, 1e6) for v in given[:3]] if isinstance(given, list) else []
    if len(offset) == 2 and None not in offset:
        kept["offset"] = offset
    return kept


def _submission(content: dict[str, Any]) -> Submission:
    unit, evidence = content.get("unit"), content.get("evidence")
    return Submission(
        value=_json(content.get("value")),
        unit=unit[:100] if isinstance(unit, str) else None,
        confidence=_number(content.get("confidence"), 0, 1),
        evidence=[_json(e) for e in evidence[:50]] if isinstance(evidence, list) else [],
    )


def _json(value: Any, depth: int = 0) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) < 2**63 else str(value.bit_length()) + "-bit number"
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        return value[:20_000]
    if depth < 5 and isinstance(value, list):
        return [_json(v, depth + 1) for v in value[:64]]
    if depth < 5 and isinstance(value, dict):
        return {str(k)[:200]: _json(v, depth + 1) for k, v in list(value.items())[:64]}
    return str(value)[:200]


def _variables(reported: Any) -> list[Variable]:
    found: list[Variable] = []
    if not isinstance(reported, list):
        return found
    for entry in reported[:100]:
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
            continue
        change = entry.get("change")
        found.append(
            Variable(
                name=entry["name"][:200],
                type=str(entry.get("type", ""))[:100],
                summary=str(entry.get("summary", ""))[:400],
                change=change if change in ("changed", "deleted") else "new",
            )
        )
    return found


def _measurements(reported: Any) -> list[Measured]:
    found: list[Measured] = []
    for entry in reported[:100] if isinstance(reported, list) else []:
        value = _number(entry.get("value"), -1e15, 1e15) if isinstance(entry, dict) else None
        if value is None:
            continue
        lines = entry.get("evidence")
        found.append(
            Measured(
                name=str(entry.get("name") or "")[:200],
                value=value,
                unit=str(entry.get("unit") or "")[:40],
                sigma=_number(entry.get("sigma"), 0, 1e15),
                method=str(entry.get("method") or "")[:100],
                evidence=[str(line)[:300] for line in lines[:12]]
                if isinstance(lines, list)
                else [],
            )
        )
    return found
