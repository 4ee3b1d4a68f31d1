"""Requests of the host that are no cells: set up the namespace, read a variable."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from spatialclaw.kernel.inside.cell import summarise

__all__ = ["answer", "plain"]

_MAX_ITEMS = 2_000
_MAX_TEXT = 100_000


def answer(kernel: Any, content: dict[str, Any]) -> dict[str, Any]:
    """Does one request; errors are part of the reply."""
    try:
        operation = content["op"]
        if operation == "ping":
            return {"status": "ok"}
        if operation == "setup":
            return _setup(kernel)
        if operation == "read":
            return _read(kernel, str(content["name"]))
        if operation == "complete":
            return _complete(kernel, str(content["code"]), int(content["cursor"]))
        return {"status": "error", "error": f"no request {operation!r}"}
    except Exception as error:  # whatever it is, the host has to hear of it
        return {"status": "error", "error": f"{type(error).__name__}: {error}"[:2000]}


def _setup(kernel: Any) -> dict[str, Any]:
    from spatialclaw.primitives.namespace import build_from_host

    namespace, notes = build_from_host()
    kernel.shell.user_ns.update(namespace)
    kernel.watch.settle()
    return {"status": "ok", "notes": notes}


def _read(kernel: Any, name: str) -> dict[str, Any]:
    namespace = kernel.shell.user_ns
    if name not in namespace:
        return {"status": "missing"}
    value = namespace[name]
    kind, summary = summarise(value)
    reply = {"status": "ok", "type": kind, "summary": summary, "exact": True}
    try:
        reply["value"] = plain(value)
    except ValueError:
        reply["exact"] = False
    return reply


def _complete(kernel: Any, code: str, cursor: int) -> dict[str, Any]:
    from IPython.core.guarded_eval import EVALUATION_POLICIES

    from spatialclaw.primitives.frames import Frames
    from spatialclaw.primitives.results import Masks, Tracks

    completer = kernel.shell.Completer
    completer.use_jedi = False  # it guesses, and slowly
    # what `frames[0]` is may be found out by looking; no call is made to find out
    allowed = {Frames, Masks, Tracks} | EVALUATION_POLICIES["limited"].allowed_getitem
    completer.policy_overrides = {"allowed_getitem": allowed}
    found = kernel.do_complete(code, cursor)
    return {"status": "ok", "start": found["cursor_start"], "matches": found["matches"][:200]}


def plain(value: Any, depth: int = 0) -> Any:
    """A value as JSON: numbers, text, lists and objects.

    Raises:
        ValueError: It is none of these, too deep or too long.
    """
    if value is None or isinstance(value, bool | np.bool_):
        return None if value is None else bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else str(float(value))
    if isinstance(value, str):
        if len(value) > _MAX_TEXT:
            raise ValueError("too long")
        return str(value)
    if depth > 8:
        raise ValueError("too deep")
    if isinstance(value, np.ndarray):
        if value.size > _MAX_ITEMS or value.dtype.kind not in "iufb":
            raise ValueError("too many elements")
        return plain(value.view(np.ndarray).tolist(), depth)
    if isinstance(value, list | tuple | set | frozenset):
        if len(value) > _MAX_ITEMS:
            raise ValueError("too many elements")
        return [plain(v, depth + 1) for v in value]
    if isinstance(value, dict):
        if len(value) > _MAX_ITEMS:
            raise ValueError("too many elements")
        return {str(k): plain(v, depth + 1) for k, v in value.items()}
    as_json = getattr(type(value), "to_json", None) or getattr(type(value), "as_dict", None)
    if callable(as_json):
        return plain(as_json(value), depth + 1)
    raise ValueError(f"{type(value).__name__} is no JSON")
