"""Reads a run folder: whole, half-written or of a later version."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from spatialclaw.errors import RunError
from spatialclaw.traces.record import SCHEMA_VERSION

__all__ = ["Run"]


class Run:
    """A recorded run.

    Args:
        path: The run folder.

    Raises:
        RunError: There is no run there, or it is of a later, unknown version.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not (self.path / "run.json").is_file() and not (self.path / "events.jsonl").is_file():
            raise RunError(
                f"{self.path} is not a run folder: no run.json in it",
                hint="Give the folder that `spatialclaw ask` printed.",
            )
        schema = self.facts.get("schema", SCHEMA_VERSION)
        if not isinstance(schema, int) or schema > SCHEMA_VERSION:
            raise RunError(
                f"{self.path} is of version {schema!r}, this program reads up to {SCHEMA_VERSION}",
                hint="Update spatialclaw.",
            )

    @cached_property
    def facts(self) -> dict[str, Any]:
        """What run.json says; empty when the run ended before it was written."""
        return self._load("run.json")

    @cached_property
    def answer(self) -> dict[str, Any] | None:
        """What answer.json says, or None."""
        return self._load("answer.json") or None

    @property
    def question(self) -> str:
        """The question as asked."""
        return str(self.facts.get("question", ""))

    def events(self, *kinds: str) -> Iterator[dict[str, Any]]:
        """The events in order, all or of some kinds; a cut last line is passed over."""
        path = self._own("events.jsonl")
        if not path.is_file():
            return
        with path.open("rb") as file:
            for line in file:
                event = _parse(line)
                if event is not None and (not kinds or event.get("kind") in kinds):
                    yield event

    @cached_property
    def cells(self) -> list[dict[str, Any]]:
        """The cells that ran, in order, with their results."""
        return list(self.events("cell"))

    def image(self, name: str) -> Path | None:
        """The file of a picture named in an event; None when missing or outside the folder."""
        path = self.path / name
        inside = self.path.resolve() / "images"
        if not path.is_file() or not path.resolve().is_relative_to(inside):
            return None
        return path

    def _own(self, name: str) -> Path:
        """A file of the run; a link that leads out of the folder is not followed."""
        path = self.path / name
        if path.is_symlink() and not path.resolve().is_relative_to(self.path.resolve()):
            raise RunError(f"{path} is a link to a file outside the run folder")
        return path

    def _load(self, name: str) -> dict[str, Any]:
        path = self._own(name)
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise RunError(f"{path} cannot be read: {error}") from error
        return value if isinstance(value, dict) else {}


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) else None
