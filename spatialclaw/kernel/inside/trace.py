"""An exception as the model should read it: the cell's own lines, no library's."""

from __future__ import annotations

import contextlib
import linecache
import re
import traceback
from types import TracebackType
from typing import Any

__all__ = ["describe"]

_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_MAX_MESSAGE = 8_000


def describe(
    etype: type[BaseException] | None,
    value: BaseException | None,
    trace: TracebackType | None,
    compiler: Any,
) -> dict[str, Any]:
    """Name, message, short traceback and line of an exception.

    Args:
        etype: Its class.
        value: The exception.
        trace: Its traceback.
        compiler: IPython's compiler, which knows the files of cells.

    Returns:
        {"name", "message", "traceback", "line"}.
    """
    name = etype.__name__ if etype is not None else "Exception"
    try:
        message = _ANSI.sub("", str(value))
    except BaseException as error:  # the __str__ of a class made in a cell
        message = f"(its message cannot be read: {type(error).__name__})"
    message = message[:_MAX_MESSAGE]
    lines: list[str] = []
    line: int | None = None
    if isinstance(value, SyntaxError):
        if name == "_IncompleteInputError":  # Python 3.13: for consoles, which ask for more
            name, etype = "SyntaxError", SyntaxError
            value = SyntaxError(*value.args)
        line = value.lineno
        lines = [text for text in traceback.format_exception_only(etype, value) if text]
        if lines:
            lines[0] = re.sub(r'File "[^"]*", line', "cell, line", lines[0])
        message = value.msg or message
    else:
        for frame in traceback.extract_tb(trace):
            if not _is_cell(frame.filename, compiler):
                continue
            line = frame.lineno
            text = linecache.getline(frame.filename, frame.lineno or 0).rstrip()
            where = "" if frame.name in ("<module>", "<cell line: 1>") else f" in {frame.name}"
            where = "" if where.startswith(" in <cell line") else where
            lines.append(f"cell line {frame.lineno}{where}:\n    {text.strip()}\n")
        if len(lines) > 12:
            lines = [*lines[:4], f"... {len(lines) - 8} more calls ...\n", *lines[-4:]]
        lines.append(f"{name}: {message}\n")
        with contextlib.suppress(Exception):  # __cause__ is whatever the cell made of it
            if value is not None and value.__cause__ is not None:
                cause = value.__cause__
                lines.append(f"caused by {type(cause).__name__}: {str(cause)[:500]}\n")
    return {
        "name": name,
        "message": message,
        "traceback": _ANSI.sub("", "".join(lines)).rstrip()[:_MAX_MESSAGE],
        "line": line,
    }


def _is_cell(filename: str, compiler: Any) -> bool:
    known = getattr(compiler, "_filename_map", None) or {}
    return filename in known or "ipykernel_" in filename or filename.startswith("<ipython-input")
