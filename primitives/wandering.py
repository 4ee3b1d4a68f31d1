"""Whether a thing seen in several frames of a scene moved, and how."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spatialclaw.primitives.geometry.points import Points

__all__ = ["Wandering", "wandering"]

Floats = npt.NDArray[np.float64]

LEAST = 0.10
"""Metres by which a still thing may seem to move: other sides of it are seen from elsewhere."""


@dataclass(eq=False)
class Wandering:
    """The places of one thing over time.

    Attributes:
        path: (M, 3) `Points`, its middle in each frame that shows it, in the world.
        times: (M,) seconds, NaN where a frame has no time.
        moved: Whether it is farther from where it began than noise and turned views explain.
        displacement: (3,) from the first place to the last.

    Example:
        >>> scene.motion(segment(frames[0], "car") + segment(frames[5], "car")).speed
    """

    path: Points
    times: Floats
    moved: bool
    displacement: Floats

    @property
    def distance(self) -> float:
        """Length from the first place to the last, in the unit of the scene."""
        return float(np.linalg.norm(self.displacement))

    @property
    def speed(self) -> float | None:
        """Distance over time, per second; None when the times are not known."""
        span = float(self.times[-1] - self.times[0])
        return self.distance / span if np.isfinite(span) and span > 0 else None

    def __repr__(self) -> str:
        unit = "m" if self.path.metric else "units"
        if not self.moved:
            return f"<Wandering: stands still ({len(self.path)} sightings)>"
        speed = "" if self.speed is None else f", {self.speed:.2f} {unit}/s"
        return f"<Wandering: {self.distance:.2f} {unit} over {len(self.path)} sightings{speed}>"


def wandering(masks: Sequence[Any], frames: Any, *, size: float = 0.0) -> Wandering:
    """The places of one thing from its masks in several frames.

    Args:
        masks: Masks of the same thing, at most one a frame.
        frames: The frames of the scene, with poses.
        size: Longest side of the thing: a quarter of it may be due to the side that is seen.

    Raises:
        Unavailable: Fewer than two sightings have depth.
    """
    from spatialclaw.primitives.measure.speeds import places

    path, when = places(list(masks), frames)
    order = np.argsort(when, kind="stable") if np.isfinite(when).all() else np.arange(len(when))
    path, when = path[order], when[order]
    way = path.plain[-1] - path.plain[0]
    farthest = float(np.linalg.norm(path.plain - path.plain[0], axis=1).max())
    known = path.sigma if path.sigma is not None else np.zeros(len(path))
    noise = 3 * float(np.nan_to_num(np.nanmedian(np.asarray(known, float)))) * np.sqrt(2)
    least = LEAST if path.metric else 0.0
    return Wandering(path, when, farthest > max(least, noise, 0.25 * size), np.asarray(way))
