"""A notebook of one's own as the cells that the agent goes on from."""

from __future__ import annotations

import ast
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from spatialclaw.agent.earlier import Earlier
from spatialclaw.errors import UsageError

__all__ = ["NotebookCells", "read_notebook"]

MAX_BYTES = 200_000_000
_OURS = frozenset({"load", "conclude"})


@dataclass
class NotebookCells:
    """What was read.

    Attributes:
        earlier: The cells, with media and question where the notebook says them.
        notes: What was left out and why, one line each.
    """

    earlier: Earlier
    notes: list[str] = field(default_factory=list)


def read_notebook(path: Path, media: Sequence[Path] = (), step: int | None = None) -> NotebookCells:
    """Reads the code cells of a notebook.

    The call of `spatialclaw.notebook.load` (or ``%spatial MEDIA``) says what it is about; it and
    `conclude` are left out, since the media are loaded already. Lines and cells of other magics and
    of the shell are left out with a note; a ``%%spatial`` cell is taken as the Python it is.

    Args:
        path: The file.
        media: What it is about, instead of what it says.
        step: How many of its code cells; all of them when None.

    Raises:
        UsageError: It is no notebook in Python, has fewer cells, or says no media.
    """
    notebook = _load(path)
    cells = [_source(c) for c in notebook["cells"] if c.get("cell_type") == "code"]
    if step is not None and not 0 <= step <= len(cells):
        raise UsageError(f"{path} has {len(cells)} code cells, there is no step {step}")
    notes: list[str] = []
    found: list[str] = []
    question = ""
    codes = []
    for number, source in enumerate(cells[:step], 1):
        code = _without_magics(source, number, found, notes)
        code, loaded, asked = _without_loading(code)
        found += loaded
        question = asked or question
        codes.append(code)
    own = [path.parent / Path(name).expanduser() for name in found]
    paths = list(media) or list(dict.fromkeys(own))
    if not paths:
        raise UsageError(
            f"{path} does not say what it is about",
            hint='Name the media: ask --from notebook.ipynb photo.jpg "..."',
        )
    facts = (notebook.get("metadata") or {}).get("spatialclaw")
    settings = facts.get("settings") if isinstance(facts, dict) else None
    earlier = Earlier.of_cells(codes, path, paths)
    known = {"settings": settings} if isinstance(settings, dict) else {}
    return NotebookCells(replace(earlier, question=question, facts=known), notes)


def _load(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UsageError(f"{path} has more than {MAX_BYTES / 1e6:.0f} MB")
        notebook = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError):
        raise UsageError(f"{path} is no notebook: it holds no JSON") from None
    if not isinstance(notebook, dict) or not isinstance(notebook.get("cells"), list):
        raise UsageError(
            f"{path} is no notebook of format 4", hint="Save it again with a present Jupyter."
        )
    notebook["cells"] = [cell for cell in notebook["cells"] if isinstance(cell, dict)]
    language = (notebook.get("metadata") or {}).get("language_info") or {}
    name = str(language.get("name") or "python")
    if name not in ("python", "ipython"):
        raise UsageError(f"{path} is a notebook in {name}, not in Python")
    return notebook


def _source(cell: dict[str, Any]) -> str:
    source = cell.get("source") or ""
    return "".join(map(str, source)) if isinstance(source, list) else str(source)


def _without_magics(source: str, number: int, found: list[str], notes: list[str]) -> str:
    lines = source.splitlines()
    first = next((line for line in lines if line.strip()), "").strip()
    if first.startswith("%%"):
        magic, _, rest = first[2:].partition(" ")
        if magic in ("spatial", "ask"):
            found += _media_of(rest)
        if magic == "spatial":
            lines = lines[lines.index(next(line for line in lines if line.strip())) + 1 :]
        else:
            notes.append(f"cell {number} is left out: %%{magic}")
            return ""
    kept = []
    for line in lines:
        stripped = line.strip()
        if stripped.startswith(("%", "!")) or (stripped.endswith("?") and "#" not in stripped):
            if stripped.startswith("%spatial "):
                found += _media_of(stripped.removeprefix("%spatial "))
            elif not stripped.startswith(("%load_ext spatialclaw", "%spatial")):
                notes.append(f"cell {number}: left out {stripped[:80]}")
            indent = line[: len(line) - len(line.lstrip())]
            kept.append(f"{indent}pass" if indent else "")
        else:
            kept.append(line)
    return "\n".join(kept)


def _media_of(words: str) -> list[str]:
    """The media in the line of one of our magics."""
    from IPython.core.error import UsageError as MagicError

    from spatialclaw.notebook.magics import words_of

    try:
        plain, _options = words_of(words)
    except MagicError:
        return []
    return [] if plain[:1] and plain[0] in ("snapshot", "restore", "close", "help") else plain


def _without_loading(code: str) -> tuple[str, list[str], str]:
    """Code without our loading, the media it named, and the question."""
    try:
        tree = ast.parse(code)
    except SyntaxError:
        return code, [], ""  # it will fail as it failed in the notebook
    media: list[str] = []
    question = ""
    lines = code.splitlines()
    for statement in tree.body:
        value = statement.value if isinstance(statement, ast.Expr | ast.Assign) else None
        ours = isinstance(value, ast.Call) and _name(value.func) in _OURS
        imported = (
            isinstance(statement, ast.ImportFrom) and statement.module == "spatialclaw.notebook"
        )
        if not ours and not imported:
            continue
        if isinstance(value, ast.Call) and _name(value.func) == "load":
            media += [text for text in map(_text, value.args) if text]
            question = next(
                (_text(k.value) for k in value.keywords if k.arg == "question"), question
            )
        start, end = statement.lineno - 1, statement.end_lineno or statement.lineno
        lines[start:end] = [""] * (end - start)
    return "\n".join(lines), media, question


def _name(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr if _name(function.value) in ("notebook", "spatialclaw") else ""
    return function.id if isinstance(function, ast.Name) else ""


def _text(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
