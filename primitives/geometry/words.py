"""Words for directions, chosen by angle and never by eye."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["COMPASS", "SECTORS", "bearing", "bearing_word", "choose", "wrap_deg"]

SECTORS = {
    2: ["right", "left"],
    4: ["front", "right", "behind", "left"],
    8: [
        "front",
        "front-right",
        "right",
        "behind-right",
        "behind",
        "behind-left",
        "left",
        "front-left",
    ],
}
COMPASS = {
    4: ["north", "east", "south", "west"],
    8: [
        "north",
        "northeast",
        "east",
        "southeast",
        "south",
        "southwest",
        "west",
        "northwest",
    ],
}
# Camera axes: x right, y down, z forward.
_AXES = {
    "right": (1.0, 0.0, 0.0),
    "left": (-1.0, 0.0, 0.0),
    "up": (0.0, -1.0, 0.0),
    "upward": (0.0, -1.0, 0.0),
    "upwards": (0.0, -1.0, 0.0),
    "above": (0.0, -1.0, 0.0),
    "top": (0.0, -1.0, 0.0),
    "down": (0.0, 1.0, 0.0),
    "downward": (0.0, 1.0, 0.0),
    "downwards": (0.0, 1.0, 0.0),
    "below": (0.0, 1.0, 0.0),
    "bottom": (0.0, 1.0, 0.0),
    "forward": (0.0, 0.0, 1.0),
    "forwards": (0.0, 0.0, 1.0),
    "front": (0.0, 0.0, 1.0),
    "ahead": (0.0, 0.0, 1.0),
    "in": (0.0, 0.0, 1.0),
    "backward": (0.0, 0.0, -1.0),
    "backwards": (0.0, 0.0, -1.0),
    "back": (0.0, 0.0, -1.0),
    "behind": (0.0, 0.0, -1.0),
    "rear": (0.0, 0.0, -1.0),
    "out": (0.0, 0.0, -1.0),
}
_BEARINGS = {
    "north": (0.0, 0.0, 1.0),
    "south": (0.0, 0.0, -1.0),
    "east": (1.0, 0.0, 0.0),
    "west": (-1.0, 0.0, 0.0),
}
_COMPASS_PARTS = re.compile(r"(north|south|east|west)")


def wrap_deg(angle: float) -> float:
    """The angle in (-180, 180] degrees."""
    wrapped = (angle + 180.0) % 360.0 - 180.0
    return 180.0 if wrapped == -180.0 else float(wrapped)


def _axis(word: str) -> npt.NDArray[np.float64]:
    """The unit vector a direction word means, in camera-like axes (x right, y down, z ahead)."""
    text = word.lower().strip()
    known = {**_AXES, **_BEARINGS}
    parts = [p for p in re.split(r"[\s\-_/,]+", _COMPASS_PARTS.sub(r" \1 ", text)) if p in known]
    if "in" in parts and "front" in parts:
        parts.remove("in")
    vector = np.sum([known[p] for p in parts], axis=0) if parts else np.zeros(3)
    length = float(np.linalg.norm(vector))
    if length == 0.0:
        raise ValueError(
            f"{word!r} is not a direction; use left, right, front, behind, up, down, forward, "
            "backward, north, east, south, west or two of them joined, such as 'front-left'"
        )
    return np.asarray(vector / length)


def bearing(word: str) -> float:
    """Degrees clockwise from the front (or from north) that a word means.

    Example:
        >>> bearing("behind-left"), bearing("east")
        (-135.0, 90.0)
    """
    x, _, z = _axis(word)
    if abs(x) + abs(z) < 1e-9:
        raise ValueError(f"{word!r} is not a direction in the horizontal plane")
    return wrap_deg(round(float(np.degrees(np.arctan2(x, z))), 9))


def choose(vector: npt.ArrayLike, options: Sequence[str]) -> tuple[str, float]:
    """The option whose direction is nearest to a vector, and the margin.

    Args:
        vector: (3,) in camera-like axes: x right, y down, z ahead.
        options: Direction words.

    Returns:
        The option, and by how many degrees `vector` could turn towards the second best before the
        answer changed.
    """
    direction = np.asarray(vector, dtype=np.float64)
    length = float(np.linalg.norm(direction))
    if length == 0.0:
        raise ValueError("a vector of length 0 has no direction")
    if not options:
        raise ValueError("no options to choose from")
    axes = np.array([_axis(option) for option in options])
    cosines = np.clip(axes @ (direction / length), -1, 1)
    order = np.argsort(-cosines, kind="stable")
    best = int(order[0])
    margin = 180.0
    for other in order[1:]:
        # Distance to the plane that separates the two options: halfway between their directions.
        gap = axes[best] - axes[int(other)]
        size = float(np.linalg.norm(gap))
        if size < 1e-9:
            continue
        sine = np.clip((gap / size) @ (direction / length), -1, 1)
        margin = min(margin, float(np.degrees(np.arcsin(sine))))
    return options[best], margin


def bearing_word(angle_deg: float, words: Sequence[str]) -> tuple[str, float]:
    """The word whose bearing is nearest to an angle in the horizontal plane, and the margin.

    Args:
        angle_deg: Degrees clockwise from the front (or north).
        words: Words with a bearing: "front-left", "left", "north"...

    Returns:
        The word, and the degrees to the nearest border with another word.

    Example:
        >>> bearing_word(50.0, SECTORS[4])
        ('right', 5.0)
    """
    centres = [bearing(word) for word in words]
    away = [abs(wrap_deg(angle_deg - centre)) for centre in centres]
    best = int(np.argmin(away))
    margin = 180.0
    for i, centre in enumerate(centres):
        between = wrap_deg(centre - centres[best])
        if i == best or abs(between) < 1e-9:
            continue
        for border in (centres[best] + between / 2, centres[best] + between / 2 + 180.0):
            reach = abs(wrap_deg(border - centres[best]))
            if all(abs(wrap_deg(border - other)) > reach - 1e-6 for other in centres):
                margin = min(margin, abs(wrap_deg(angle_deg - border)))
    return words[best], float(margin)
