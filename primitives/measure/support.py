"""What the measures share: the unit that fits, and lines of evidence."""

from __future__ import annotations

from typing import Any

import numpy as np

from spatialclaw.primitives.errors import ScaleUnknown
from spatialclaw.primitives.geometry.places import name_of
from spatialclaw.primitives.geometry.points import Points
from spatialclaw.primitives.results import Mask

__all__ = ["describe", "length_unit", "sigma_of"]


def length_unit(metric: bool, scale_free: bool, what: str, method: str = "") -> str:
    """Gives "m", or "unit" when the caller accepts an unknown scale.

    Raises:
        ScaleUnknown: The scale is not known and metres are wanted.
    """
    if metric:
        return "m"
    if scale_free:
        return "unit"
    source = f" ({method})" if method else ""
    raise ScaleUnknown(
        f"the scale of the scene is not known{source}, so {what} has no metres",
        hint=f"measure.{what}(..., scale_free=True) for ratios, which hold without scale; for "
        "metres scene.in_metres(between=(a, b), length_m=...) with a length that is known",
    )


def describe(thing: Any) -> str:
    """One line of evidence: what the thing is, where it was seen and by which method."""
    if isinstance(thing, Mask):
        return f"{name_of(thing)} in frame {thing.frame} by {thing.method or 'mask'}"
    return name_of(thing)


def sigma_of(point: Points) -> float | None:
    """The error of one point, or the typical one of several; None when not known."""
    if point.sigma is None or not np.isfinite(point.sigma).any():
        return None
    return float(np.nanmedian(point.sigma))
