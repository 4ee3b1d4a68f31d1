"""Spoken camera moves: "turn left 45, move forward 1.5"."""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt

__all__ = ["MOVES", "apply_moves"]

Floats = npt.NDArray[np.float64]

MOVES = (
    "turn left|right DEGREES; look up|down DEGREES; roll left|right DEGREES; "
    "move forward|backward|left|right|up|down METRES; orbit left|right|up|down DEGREES at METRES"
)
_MOVE = re.compile(
    r"\s*(?P<verb>turn|pan|look|tilt|roll|move|go|step|orbit)\s+"
    r"(?P<way>left|right|up|down|forwards?|backwards?|back|around)"
    r"(?:\s+(?:by\s+)?(?P<amount>\d+(?:\.\d+)?)\s*(?:degrees|degree|deg|°|metres|meters|m)?)?"
    r"(?:\s+at\s+(?P<radius>\d+(?:\.\d+)?)\s*(?:metres|meters|m)?)?\s*$",
    re.IGNORECASE,
)


def apply_moves(pose: Floats, moves: str, up: Floats) -> Floats:
    """The pose after the moves, one after another; see `geometry.pose_moved`."""
    from spatialclaw.primitives.geometry.views import rotation_about

    up = up / np.linalg.norm(up)
    pose = np.array(pose, dtype=np.float64)
    for part in re.split(r",|;|\bthen\b|\band\b", moves):
        if not part.strip():
            continue
        match = _MOVE.match(part)
        if match is None:
            raise ValueError(f"the move {part.strip()!r} is not understood; moves are: {MOVES}")
        verb, way = match["verb"].lower(), match["way"].lower().removesuffix("s")
        if verb in ("move", "go", "step"):
            pose[:3, 3] += float(match["amount"] or 1.0) * _axis(pose, way, part)
            continue
        angle = float(match["amount"] or (180 if way == "around" else 90))
        if verb == "roll":
            turn = rotation_about(pose[:3, 2], angle if way == "right" else -angle)
        elif way in ("left", "right", "around"):
            # A camera that turns right turns clockwise seen from above; one that orbits right
            # moves counter-clockwise about what it looks at.
            sign = -1.0 if (way == "left") == (verb == "orbit") else 1.0
            turn = rotation_about(up, sign * angle)
        elif way in ("up", "down"):
            sign = 1.0 if (way == "up") != (verb == "orbit") else -1.0
            turn = rotation_about(pose[:3, 0], sign * angle)
        else:
            raise ValueError(f"the move {part.strip()!r} is not understood; moves are: {MOVES}")
        if verb == "orbit":
            pivot = pose[:3, 3] + float(match["radius"] or 2.0) * pose[:3, 2]
            pose[:3, 3] = pivot + turn @ (pose[:3, 3] - pivot)
        pose[:3, :3] = turn @ pose[:3, :3]
    return pose


def _axis(pose: Floats, way: str, part: str) -> Floats:
    axes = {
        "right": pose[:3, 0],
        "left": -pose[:3, 0],
        "down": pose[:3, 1],
        "up": -pose[:3, 1],
        "forward": pose[:3, 2],
        "backward": -pose[:3, 2],
        "back": -pose[:3, 2],
    }
    if way not in axes:
        raise ValueError(f"the move {part.strip()!r} is not understood; moves are: {MOVES}")
    return np.asarray(axes[way])
