"""The 3-D points of a thing from its mask."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from spatialclaw.primitives.context import frame_of
from spatialclaw.primitives.errors import NothingFound
from spatialclaw.primitives.frames import Frame
from spatialclaw.primitives.geometry.camera import depth_of, one_surface, unproject
from spatialclaw.primitives.geometry.points import Points
from spatialclaw.primitives.results import Mask

__all__ = ["mask_points"]


def mask_points(
    mask: Any, depth: Any = None, *, frame: Frame | None = None, erode: int | None = None
) -> Points:
    """The 3-D points of a thing: the depth under its mask, edges and outliers removed.

    Args:
        mask: A `Mask`; or an (H, W) bool array or a box (x0, y0, x1, y1), with `frame`.
        depth: As for `unproject`.
        frame: The frame, when the mask does not know it.
        erode: Pixels taken off the edge, where depth mixes with what is behind; None: 1 to 3
            by size.

    Returns:
        (N, 3) points in "camera i" with `sigma`.

    Raises:
        NothingFound: The mask is empty or has no depth.

    Example:
        ``chair = segment(frames[0], "chair")[0]; geometry.mask_points(chair)``
    """
    where = frame_of(mask, frame)
    area = _area(mask, where)
    if not area.any():
        raise NothingFound("the mask is empty", hint="segment or detect the thing again")
    found = depth_of(where, depth)
    known = np.isfinite(found.depth)
    inner = _eroded(area, erode) & known
    if inner.sum() < max(10, 0.1 * (area & known).sum()):
        inner = area & known
    if not inner.any():
        raise NothingFound(
            f"no depth under the mask ({int(area.sum())} px) in {where.name}",
            hint="another frame that sees the thing, or depth(frame, method=...)",
        )
    rows, columns = np.nonzero(inner)
    z = found.depth[rows, columns]
    keep = one_surface(z, found.sigma[rows, columns])
    pixels = np.stack([columns[keep], rows[keep]], axis=-1)
    return unproject(where, pixels, found)


def _area(mask: Any, frame: Frame) -> npt.NDArray[np.bool_]:
    size = (frame.height, frame.width)
    if isinstance(mask, Mask):
        if mask.mask.any():
            return _checked(mask.mask, size)
        return _box_area(mask.box, size, 0.5)
    array = np.asarray(mask)
    if array.shape == (4,):
        return _box_area(array, size, 0.5)
    return _checked(array, size)


def _checked(array: npt.NDArray[Any], size: tuple[int, int]) -> npt.NDArray[np.bool_]:
    if array.shape != size:
        raise ValueError(f"the mask is {array.shape}, the frame {size} (height, width)")
    return array.astype(bool)


def _box_area(box: Any, size: tuple[int, int], part: float) -> npt.NDArray[np.bool_]:
    """The middle of a box: its corners show what is behind the thing."""
    x0, y0, x1, y1 = (float(v) for v in box)
    middle_x, middle_y = (x0 + x1) / 2, (y0 + y1) / 2
    half_x, half_y = (x1 - x0) / 2 * part, (y1 - y0) / 2 * part
    area = np.zeros(size, dtype=bool)
    top, left = max(0, round(middle_y - half_y)), max(0, round(middle_x - half_x))
    area[top : round(middle_y + half_y) + 1, left : round(middle_x + half_x) + 1] = True
    return area


def _eroded(area: npt.NDArray[np.bool_], erode: int | None) -> npt.NDArray[np.bool_]:
    import cv2

    radius = int(np.clip(np.sqrt(area.sum()) / 60, 1, 3)) if erode is None else int(erode)
    if radius < 1:
        return area
    kernel = np.ones((2 * radius + 1, 2 * radius + 1), dtype=np.uint8)
    inner = cv2.erode(area.astype(np.uint8), kernel, borderValue=1)
    return np.asarray(inner, dtype=bool)
