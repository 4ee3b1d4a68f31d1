"""Small helpers on pictures that the perception primitives share."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from spatialclaw.primitives.frames import Frame, Frames

__all__ = ["as_frame", "assumed_intrinsics", "grey", "shrink", "siblings"]

ASSUMED_FOCAL = 0.9
"""Focal length in picture widths (long side) taken where nothing is known: 58 degrees of view, the
middle between phones (0.75), webcams (0.9) and photographic lenses (1.0 to 1.4)."""


def as_frame(thing: Any) -> Frame:
    """A `Frame` from a frame or a bare picture.

    Args:
        thing: A `Frame`, or an (H, W, 3) or (H, W) uint8 array.

    Raises:
        TypeError: It is neither.
    """
    if isinstance(thing, Frame):
        return thing
    if isinstance(thing, Frames):
        raise TypeError(f"give one frame, not {len(thing)}: for example frames[0]")
    array = np.asarray(thing)
    if array.dtype == np.uint8 and (array.ndim == 2 or (array.ndim == 3 and array.shape[2] == 3)):
        return Frames.from_arrays([array])[0]
    raise TypeError(
        f"give a frame such as frames[0] or an (H, W, 3) uint8 picture, not {type(thing).__name__} "
        f"of shape {array.shape}"
    )


def siblings(frame: Frame) -> Frames:
    """The sequence a frame belongs to, or a sequence of this frame alone."""
    return frame.siblings if frame.siblings is not None else Frames([frame])


def grey(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """(H, W) uint8 grey of an (H, W, 3) RGB or (H, W) picture."""
    import cv2

    if image.ndim == 2:
        return image
    result: npt.NDArray[np.uint8] = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)
    return result


def shrink(image: npt.NDArray[np.uint8], longest: int) -> tuple[npt.NDArray[np.uint8], float]:
    """The picture made smaller so that its long side is at most `longest`.

    Returns:
        The picture, and the factor from its pixels to the given one's: with pixel centres at whole
        numbers, ``given = (small + 0.5) * factor - 0.5``. The factor is 1.0 when nothing changed.
    """
    import cv2

    height, width = image.shape[:2]
    long_side = max(height, width)
    if long_side <= longest:
        return image, 1.0
    factor = long_side / longest
    size = (max(1, round(width / factor)), max(1, round(height / factor)))
    small: npt.NDArray[np.uint8] = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return small, factor


def assumed_intrinsics(
    width: int, height: int, focal_in_long_sides: float = ASSUMED_FOCAL
) -> npt.NDArray[np.float64]:
    """(3, 3) pinhole matrix with a focal length taken on trust and the centre in the middle."""
    focal = focal_in_long_sides * max(width, height)
    return np.array(
        [[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1]], dtype=np.float64
    )
