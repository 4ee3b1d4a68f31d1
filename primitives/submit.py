"""`submit`: propose the answer."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from spatialclaw.primitives import runtime

__all__ = ["submit"]

_MAX_TEXT = 20_000

last: dict[str, Any] = {}
"""What this process submitted last; empty when it has not."""


def submit(
    value: Any,
    unit: str | None = None,
    confidence: float | None = None,
    evidence: Any = None,
) -> None:
    """Propose the answer. The last submit of a cell counts.

    Args:
        value: A number, a `Measurement` (its unit and evidence go along), a choice letter, "yes" or
            "no", text, a point (x, y) or a box (x0, y0, x1, y1).
        unit: Unit of a number, such as "m", "deg" or "count".
        confidence: 0 to 1: how sure.
        evidence: What it rests on: a line of text or a list of lines and values.

    Example:
        >>> submit(measure.distance(cup, plate), confidence=0.8)
        >>> submit("B", confidence=0.7, evidence="the lamp is 0.4 m to the right, +-0.1 m")
    """
    inherited = getattr(value, "evidence", None)
    if unit is None:
        unit = _text(getattr(value, "unit", None))
    if confidence is not None:
        confidence = float(confidence)
        if not 0 <= confidence <= 1:
            raise ValueError(f"confidence {confidence:g}: give a number between 0 and 1")
    lines = [] if evidence is None else _listed(evidence)
    told = [line for item in lines if isinstance(item, dict) for line in item.get("evidence", ())]
    if inherited is not None and not callable(inherited):
        lines += [line for line in _listed(inherited) if line not in [*lines, *told]]
    sigma = getattr(value, "sigma", None)
    known = any(isinstance(item, dict) and item.get("sigma") == sigma for item in lines)
    if isinstance(sigma, int | float) and math.isfinite(sigma) and not known:
        lines.append({"sigma": float(f"{sigma:.3g}"), "unit": unit})
    content = {
        "value": _plain(value),
        "unit": unit,
        "confidence": confidence,
        "evidence": lines[:50],
    }
    last.clear()
    last.update(content)
    shown = content["value"]
    runtime.publish(
        {
            runtime.SUBMIT_TYPE: content,
            "text/plain": f"submitted {shown!r}{f' {unit}' if unit else ''}",
        }
    )


def _text(value: Any) -> str | None:
    return str(value)[:100] if isinstance(value, str) else None


def _listed(evidence: Any) -> list[Any]:
    things = list(evidence) if isinstance(evidence, list | tuple | set) else [evidence]
    return [_evidence(thing) for thing in things]


def _evidence(thing: Any) -> Any:
    if isinstance(thing, str):
        return thing[:2000]
    record = getattr(thing, "as_record", None)
    if record is not None and not isinstance(thing, type):
        return _plain(record())
    try:
        return _plain(thing)
    except TypeError:
        return repr(thing)[:500]


def _plain(value: Any, depth: int = 0) -> Any:
    if value is None or isinstance(value, bool | np.bool_):
        return None if value is None else bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        number = float(value)
        if not math.isfinite(number):
            raise ValueError(f"submit({number}): not a finite number; find out why first")
        return number
    if isinstance(value, str):
        return str(value)[:_MAX_TEXT]
    if isinstance(value, np.ndarray):
        if value.size > 64:
            raise TypeError(f"submit: an array of shape {value.shape} is no answer")
        return _plain(value.view(np.ndarray).tolist(), depth)
    if isinstance(value, dict) and depth < 4:
        return {str(k)[:200]: _plain(v, depth + 1) for k, v in list(value.items())[:64]}
    if isinstance(value, list | tuple) and depth < 4:
        return [_plain(v, depth + 1) for v in list(value)[:64]]
    number_of = getattr(value, "value", None)
    if isinstance(number_of, int | float | str | np.number):
        return _plain(number_of, depth + 1)
    try:
        return _plain(float(value), depth + 1)
    except (TypeError, ValueError):
        raise TypeError(
            f"submit: a {type(value).__name__} is no answer; give a number, a letter, text, a "
            "point (x, y) or a box (x0, y0, x1, y1)"
        ) from None
