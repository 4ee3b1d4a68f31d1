"""Attempts to break out of a kernel: each is a cell, kept in ``escapes/*.cells``.

A cell has `T`, the targets that the test made on the machine, and what ``prelude.cells`` defines.
It calls ``escaped(what)`` when it got what it must not get; whatever it raises means that it was
held. Its heading is ``# %% name | unconfined``, which says whether the same cell has to succeed in
a kernel without confinement: "yes", "root" (where the tests run as root), or why that is not tried.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["ATTEMPTS", "PRELUDE", "Attempt"]

_FOLDER = Path(__file__).parent / "escapes"


@dataclass(frozen=True)
class Attempt:
    """One cell and what is expected of it without confinement."""

    name: str
    code: str
    unconfined: str


def _read(path: Path) -> list[Attempt]:
    found = []
    for part in path.read_text(encoding="utf-8").split("# %% ")[1:]:
        heading, code = part.split("\n", 1)
        name, unconfined = (text.strip() for text in heading.split("|"))
        found.append(Attempt(name, code.strip(), unconfined))
    return found


PRELUDE = (_FOLDER / "prelude.cells").read_text(encoding="utf-8")
ATTEMPTS = [
    attempt
    for path in sorted(_FOLDER.glob("*.cells"))
    if path.name != "prelude.cells"
    for attempt in _read(path)
]
