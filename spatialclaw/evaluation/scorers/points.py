"""Scorers of yes/no replies, points and masks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from spatialclaw.evaluation.scorers.base import Scored, no_answer, scorer

__all__ = ["inside_polygon"]

Args = Mapping[str, Any]
_NOTHING = Scored(0.0, None)
_NUMBER = r"\d+(?:\.\d+)?|\.\d+"
_SIGNED = rf"[-+]?(?:{_NUMBER})"


def inside_polygon(point: tuple[float, float], polygon: list[tuple[float, float]]) -> bool:
    """Whether a point lies in a polygon, by the even-odd rule.

    Args:
        point: (x, y).
        polygon: At least three corners (x, y), in order.
    """
    x, y = point
    inside = False
    for (x0, y0), (x1, y1) in zip(polygon, [polygon[-1], *polygon[:-1]], strict=True):
        if (y0 > y) != (y1 > y) and x < (x1 - x0) * (y - y0) / (y1 - y0) + x0:
            inside = not inside
    return inside


def _pairs(text: str, pattern: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(pattern, text)]


@scorer("robospatial")
def robospatial(reply: str, truth: str, args: Args) -> Scored:
    """Yes/no by the beginning of the reply; else the first point within the truth's polygon."""
    if no_answer(reply):
        return _NOTHING
    wanted = truth.strip().lower()
    if wanted in ("yes", "no"):
        text = reply.strip().lower()
        read = next((word for word in ("yes", "no") if text.startswith(word)), None)
        return Scored(float(text.startswith(wanted)), read)
    polygon = _pairs(truth, rf"\(\s*({_SIGNED})\s*,\s*({_SIGNED})\s*\)")
    points = _pairs(reply, rf"\(\s*({_NUMBER})\s*,\s*({_NUMBER})\s*\)")
    points = points or _pairs(reply, rf"\[\s*({_NUMBER})\s*,\s*({_NUMBER})\s*\]")
    if len(polygon) < 3 or not points:
        return _NOTHING
    return Scored(float(inside_polygon(points[0], polygon)), list(points[0]))


def _mask(value: Any) -> npt.NDArray[np.float64]:
    mask = np.asarray(value, dtype=np.float64)
    return mask if mask.ndim == 2 else mask[..., 0]


@scorer("share-in-mask")
def share_in_mask(reply: str, truth: str, args: Args) -> Scored:
    """The share of the reply's normalised points inside the mask (RefSpatial).

    Args of the row: ``mask``: (H, W), anything above 0 is inside.
    """
    mask = _mask(args["mask"]) > 0
    height, width = mask.shape
    points = _pairs(reply, rf"\(\s*({_SIGNED})\s*,\s*({_SIGNED})\s*\)")
    if not points:
        return _NOTHING
    hits = 0
    for x, y in points:
        # Numbers with a decimal point are normalised; whole numbers are pixels.
        column, row = int(x * width), int(y * height)
        hits += 0 <= column < width and 0 <= row < height and bool(mask[row, column])
    return Scored(hits / len(points), [list(p) for p in points])


@scorer("any-in-mask")
def any_in_mask(reply: str, truth: str, args: Args) -> Scored:
    """1 if any point on the 0-1000 scale hits the mask (RoboSpatial, community harness)."""
    mask = _mask(args["mask"]) > 0
    height, width = mask.shape
    points = _pairs(reply, rf"[(\[]\s*({_SIGNED})\s*,\s*({_SIGNED})\s*[)\]]")
    hit = False
    for x, y in points:
        column, row = int(x / 1000 * width), int(y / 1000 * height)
        hit |= 0 <= column < width and 0 <= row < height and bool(mask[row, column])
    return Scored(float(hit), [list(p) for p in points]) if points else _NOTHING


@scorer("yes-no-last")
def yes_no_last(reply: str, truth: str, args: Args) -> Scored:
    """Whichever of "yes" and "no" occurs last as a substring (SpatialTree judge)."""
    text = reply.lower()
    yes, no = text.rfind("yes"), text.rfind("no")
    if yes < 0 and no < 0:
        return _NOTHING
    read = "yes" if yes > no else "no"
    return Scored(float(read == truth.strip().lower()), read)


_COUNT_WORDS = (
    "zero",
    "no",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
)
_COUNT_VALUES = {w: str(max(i - 1, 0)) for i, w in enumerate(_COUNT_WORDS)}
_COUNT_PHRASES = (
    r"(\d+)\s+(?:right|left|total)?\s*turns?",
    r"total of\s+(\d+)\s+turns?",
    r"answer is\s+(\d+)",
)


def _read_oracle(reply: str, question: int) -> str:
    text = reply.lower()
    if question == 2:
        if re.search(r"\byes\b", text) or "is the shortest path" in text:
            return "Yes"
        return "No" if re.search(r"\b(no|not)\b", text) else "none"
    for word in _COUNT_WORDS:
        if re.search(rf"\b{word}\b", text):
            return _COUNT_VALUES[word]
    for pattern in (*_COUNT_PHRASES, r"(\d+)"):
        match = re.search(pattern, text)
        if match:
            return match.group(1)
    return "none"


@scorer("contains-oracle")
def contains_oracle(reply: str, truth: str, args: Args) -> Scored:
    """The lower-cased truth is contained in what was read (SpatialEval mazes).

    Args of the row: ``question``: 0 right turns, 1 all turns, 2 "is it the shortest path".
    """
    if no_answer(reply):
        return _NOTHING
    read = _read_oracle(reply, int(args.get("question", 0)))
    return Scored(float(truth.strip().lower() in read.lower()), None if read == "none" else read)


_COORDINATES = (
    rf"[(\[]\s*({_SIGNED})\s*,\s*({_SIGNED})\s*[)\]]",
    rf"x\"?\s*[=:]\s*({_SIGNED})\s*,\s*\"?y\"?\s*[=:]\s*({_SIGNED})",
    rf"({_SIGNED})\s*,\s*({_SIGNED})",
)


@scorer("mask-at-last-point")
def mask_at_last_point(reply: str, truth: str, args: Args) -> Scored:
    """The grey value at the coordinate pair that ends last, over 255 (SpatialTree affordance).

    Args of the row: ``mask``: (H, W) grey 0..255.
    """
    mask = _mask(args["mask"])
    height, width = mask.shape
    matches = [m for pattern in _COORDINATES for m in re.finditer(pattern, reply, re.IGNORECASE)]
    if not matches:
        return _NOTHING
    x, y = (float(v) for v in max(matches, key=lambda m: m.end()).groups())
    if 0 <= x <= 1 and 0 <= y <= 1:
        x, y = round(x * (width - 1)), round(y * (height - 1))
    column, row = (int(min(max(round(v), 0), n - 1)) for v, n in ((x, width), (y, height)))
    return Scored(float(mask[row, column]) / 255.0, [column, row])
