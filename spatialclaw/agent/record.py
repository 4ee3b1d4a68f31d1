"""The part of a run's recorder that the loop writes to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Protocol

from spatialclaw.kernel.results import CellResult, Shown

__all__ = ["NoRecord", "Record", "picture_records", "record_cell"]


class Record(Protocol):
    """Takes the events of one run; `spatialclaw.traces.Recorder` is one."""

    def event(self, kind: str, **data: Any) -> Any:
        """Appends one event."""
        ...

    def image(self, data: bytes, media_type: str) -> str:
        """Keeps a picture and gives its name."""
        ...

    def scene(self, scene: Mapping[str, Any]) -> str:
        """Keeps a scene in 3-D and gives its name."""
        ...

    def cell(self, code: str) -> int:
        """Appends a cell and gives its number, from 1."""
        ...

    def answer(self, answer: Mapping[str, Any]) -> None:
        """Writes the answer."""
        ...


class NoRecord:
    """Keeps the events in memory: for tests and for training loops that write no files."""

    run_dir: Path | None = None

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.cells: list[str] = []
        self.final: dict[str, Any] | None = None
        self._images: dict[bytes, str] = {}
        self.scenes: list[dict[str, Any]] = []

    def event(self, kind: str, **data: Any) -> dict[str, Any]:
        """Appends one event."""
        event = {"kind": kind, **data}
        self.events.append(event)
        return event

    def image(self, data: bytes, media_type: str) -> str:
        """Names a picture by its order."""
        suffix = media_type.rpartition("/")[2]
        return self._images.setdefault(data, f"images/{len(self._images)}.{suffix}")

    def scene(self, scene: Mapping[str, Any]) -> str:
        """Names a scene by its order."""
        self.scenes.append(dict(scene))
        return f"scenes/{len(self.scenes) - 1}.json"

    def cell(self, code: str) -> int:
        """Keeps the code of a cell."""
        self.cells.append(code)
        return len(self.cells)

    def answer(self, answer: Mapping[str, Any]) -> None:
        """Keeps the answer."""
        self.final = dict(answer)
        self.event("answer", **answer)


def picture_records(record: Record, pictures: list[Shown]) -> list[dict[str, Any]]:
    """Keeps pictures in the record and describes each: name, size, title and source."""
    return [
        {
            "image": record.image(picture.data, picture.media_type),
            "width": picture.width,
            "height": picture.height,
            "title": picture.title,
            "source": picture.source,
            **({"pinned": True} if picture.pinned else {}),
        }
        for picture in pictures
    ]


def record_cell(record: Record, code: str, result: CellResult, *, step: int | None = None) -> int:
    """Records a cell that ran, with what it printed, changed and showed.

    Args:
        record: Where.
        code: The cell.
        result: What it did.
        step: The step of the loop it was, or None for a cell of the user.

    Returns:
        Its number in the run, from 1.
    """
    number = record.cell(code)
    outcome = asdict(replace(result, images=[], displays=[], scenes=[]))
    del outcome["images"], outcome["displays"], outcome["scenes"]
    record.event(
        "cell",
        number=number,
        step=step,
        code=code,
        result=outcome,
        images=picture_records(record, result.images),
        **({"scenes": [record.scene(scene) for scene in result.scenes]} if result.scenes else {}),
    )
    return number
