"""Scorers of replies that are JSON: gravity, trajectories, cognitive maps (SpatialTree)."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from spatialclaw.evaluation.scorers.base import Scored, scorer
from spatialclaw.evaluation.scorers.choice import read_mindcube

__all__ = ["read_json"]

Args = Mapping[str, Any]
_NOTHING = Scored(0.0, None)
Floats = npt.NDArray[np.float64]


def read_json(text: str) -> Any:
    """The JSON value of a reply, fenced or bare or the first that parses within; else None."""
    fenced = re.findall(r"```(?:json)?\s*(.*?)```", text, re.DOTALL)
    decoder = json.JSONDecoder()
    for candidate in [*fenced, text]:
        for match in re.finditer(r"[{\[]", candidate):
            try:
                return decoder.raw_decode(candidate[match.start() :])[0]
            except ValueError:
                continue
    return None


_GRAVITY = ("roll", "pitch", "vfov")


@scorer("gravity")
def gravity(reply: str, truth: str, args: Args) -> Scored:
    """Mean of exp(-d^2 / 2 s^2) over roll, pitch and vertical field of view, degrees.

    Args of the row: ``uncertainty``: {"roll", "pitch", "vfov"} standard deviations s.
    """
    value = read_json(reply)
    fields = value if isinstance(value, dict) else _loose_fields(reply)
    wanted = read_json(truth)
    sigmas = args.get("uncertainty") or {}
    if not fields or not isinstance(wanted, dict):
        return _NOTHING
    scores = []
    for name in _GRAVITY:
        got, sigma = _number(fields.get(name)), _number(sigmas.get(name)) or 0.0
        if got is None or sigma == 0:
            scores.append(0.0)
            continue
        error = abs(got - float(wanted[name]))
        scores.append(math.exp(-(error**2) / (2 * sigma**2)))
    return Scored(sum(scores) / 3, fields)


def _loose_fields(text: str) -> dict[str, float]:
    found = {}
    for name in _GRAVITY:
        match = re.search(rf"{name}\"?\s*[:=]\s*(-?\d+(?:\.\d+)?)", text, re.IGNORECASE)
        if match:
            found[name] = float(match.group(1))
    return found


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


# Axis of the move (x, y, z) or of the turn (pan, tilt, roll) and its sign.
_MOVES = {
    "w": (2, 1), "s": (2, -1), "d": (0, 1), "a": (0, -1), "space": (1, -1), "shift": (1, 1),
    " ": (1, -1), "⇧": (1, 1),
}  # fmt: skip
_TURNS = {"→": (0, 1), "←": (0, -1), "↑": (1, 1), "↓": (1, -1), "↻": (2, 1), "↺": (2, -1)}


def _trajectory(value: Any, step_m: float, step_deg: float) -> tuple[Floats, Floats, float] | None:
    if isinstance(value, dict):
        steps = list(value.values())
    elif isinstance(value, list):
        steps = value
    else:
        return None
    position, rotation, turned = np.zeros(3), np.zeros(3), 0.0
    for step in steps:
        if not isinstance(step, dict):
            return None
        actions, counts = step.get("actions") or [], step.get("step_nums") or []
        actions = [actions] if isinstance(actions, str) else actions
        counts = [counts] if isinstance(counts, int | float) else counts
        for action, count in zip(actions, counts, strict=False):
            number = _number(count)
            key = str(action).strip().lower() or " "
            if number is None:
                return None
            if key in _MOVES:
                axis, sign = _MOVES[key]
                position[axis] += sign * number * step_m
            elif key in _TURNS:
                axis, sign = _TURNS[key]
                rotation[axis] += sign * number * step_deg
                turned += abs(number) * step_deg
    return position, rotation, turned


@scorer("trajectory")
def trajectory(reply: str, truth: str, args: Args) -> Scored:
    """0.4 direction + 0.35 end point + 0.25 end rotation of a JSON trajectory.

    Args of the row: ``step_m`` (0.02) and ``step_deg`` (0.5): sizes of a step; ``arm``: apply the
    robotic arm's penalties for staying put.
    """
    sizes = float(args.get("step_m", 0.02)), float(args.get("step_deg", 0.5))
    predicted = _trajectory(read_json(reply), *sizes)
    wanted = _trajectory(read_json(truth), *sizes)
    if predicted is None or wanted is None:
        return _NOTHING
    moved, to_move = np.linalg.norm(predicted[0]), np.linalg.norm(wanted[0])
    if moved < 1e-9 and to_move < 1e-9:
        cosine = 1.0
    elif moved < 1e-9 or to_move < 1e-9:
        cosine = 0.0
    else:
        cosine = float(predicted[0] @ wanted[0] / (moved * to_move))
    error = float(np.linalg.norm(predicted[0] - wanted[0]))
    angle = float(np.linalg.norm(predicted[1] - wanted[1]))
    score = 0.4 * max(0.0, cosine)
    score += 0.35 * math.exp(-13.863 * error) + 0.25 * math.exp(-0.0154 * (angle / 5) ** 2)
    if args.get("arm"):
        score *= 0.7 if to_move > 0.10 and moved < 0.03 else 1.0
        score *= 0.5 if wanted[2] > 5 and predicted[2] <= 2 else 1.0
    return Scored(score, predicted[0].tolist())


_FACINGS = {
    "north": "up", "top": "up", "up": "up", "south": "down", "bottom": "down", "down": "down",
    "east": "right", "right": "right", "west": "left", "left": "left", "front": "inner",
    "into": "inner", "inside": "inner", "forward": "inner", "inner": "inner", "back": "outer",
    "out": "outer", "outside": "outer", "backward": "outer", "outer": "outer",
}  # fmt: skip
_QUARTER = {"up": "right", "right": "down", "down": "left", "left": "up"}
_TIP_X = {"up": "inner", "inner": "down", "down": "outer", "outer": "up"}
_TIP_Y = {"right": "inner", "inner": "left", "left": "outer", "outer": "right"}
_Entry = tuple[float, float, str | None]


def _entries(value: Any, *, views: bool = True) -> dict[str, _Entry] | None:
    if not isinstance(value, dict):
        return None
    if isinstance(value.get("objects"), list):
        groups = [*value["objects"], *(value.get("views") or [] if views else [])]
        pairs = [(str(e.get("name")), e) for e in groups if isinstance(e, dict)]
    else:
        pairs = [(str(name), entry) for name, entry in value.items()]
    entries: dict[str, _Entry] = {}
    for name, entry in pairs:
        position = entry.get("position") if isinstance(entry, dict) else None
        if not isinstance(position, list) or len(position) < 2:
            return None
        x, y = _number(position[0]), _number(position[1])
        if x is None or y is None:
            return None
        facing = entry.get("facing")
        facing = facing[0] if isinstance(facing, list) and facing else facing
        entries[name.strip().lower()] = (x, y, _FACINGS.get(str(facing).strip().lower()))
    return entries or None


def _orientations(entries: dict[str, _Entry]) -> list[dict[str, _Entry]]:
    turned = [entries]
    for _ in range(3):
        turned.append({n: (-y, x, _QUARTER.get(f or "", f)) for n, (x, y, f) in turned[-1].items()})
    # Tipped by 90 degrees about an axis: the third coordinate, 0 before, takes a plane one's place.
    about_x = {n: (x, 0.0, _TIP_X.get(f or "", f)) for n, (x, y, f) in entries.items()}
    about_y = {n: (0.0, y, _TIP_Y.get(f or "", f)) for n, (x, y, f) in entries.items()}
    return [*turned, about_x, about_y]


def _relation(a: _Entry, b: _Entry) -> str | None:
    dx, dy = a[0] - b[0], a[1] - b[1]
    distance = math.hypot(dx, dy)
    if distance < 0.5:
        if a[2] == "inner" or b[2] == "outer":
            return "inner"
        if a[2] == "outer" or b[2] == "inner":
            return "outer"
        return "inner" if distance < 0.2 else None
    if abs(dx) > abs(dy):
        return "right" if dx > 0 else "left"
    return "down" if dy > 0 else "up"


def _agreement(predicted: dict[str, _Entry], truth: dict[str, _Entry]) -> tuple[float, bool]:
    pairs = [(a, b) for a in truth for b in truth if a != b]
    shared = [(a, b) for a, b in pairs if a in predicted and b in predicted]
    equal = [
        _relation(predicted[a], predicted[b]) == _relation(truth[a], truth[b]) for a, b in shared
    ]
    faced = [n for n in truth if n in predicted and truth[n][2] is not None]
    facing = [predicted[n][2] == truth[n][2] for n in faced]
    direction = sum(equal) / len(shared) if shared else 0.0
    similarity = 0.7 * direction + 0.3 * (sum(facing) / len(facing) if facing else 1.0)
    if not any(n in predicted for n in truth):
        return 0.0, False
    return similarity, len(shared) == len(pairs) and all(equal)


@scorer("cognitive-map")
def cognitive_map(reply: str, truth: str, args: Args) -> Scored:
    """0.2 letter + 0.6 similarity + 0.2 exactness of a map of named things.

    Args of the row: ``letter``: the true letter; the truth itself is the map as JSON. The predicted
    map is tried as it is, turned by quarters and tipped about x and y; the best orientation counts.
    """
    letter = read_mindcube(reply)
    right = float(letter is not None and letter == args.get("letter"))
    value = read_json(reply)
    predicted = _entries(value)
    viewless = not (isinstance(value, dict) and value.get("views"))
    wanted = _entries(read_json(truth), views=not viewless)
    if predicted is None or wanted is None:
        return Scored(0.2 * right, letter)
    results = [_agreement(turned, wanted) for turned in _orientations(predicted)]
    similarity, exact = max(results, key=lambda result: result[0])
    score = 0.2 * right + 0.6 * similarity + 0.2 * exact
    return Scored(score, letter, {"similarity": similarity, "exact": float(exact)})
