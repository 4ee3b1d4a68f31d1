"""Dense optical flow between neighbouring frames."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from spatialclaw.primitives.imaging import as_frame, grey, shrink
from spatialclaw.primitives.results import Flow

__all__ = ["flow"]

Floats32 = npt.NDArray[np.float32]


def flow(frame_a: Any, frame_b: Any, method: str = "auto") -> Flow:
    """Where each pixel of one frame goes in another: for neighbours in a video.

    DIS optical flow (Kroeger et al., ECCV 2016) both ways; the confidence is 1 where going there
    and back ends within a pixel, and falls with the gap.

    Args:
        frame_a: First frame.
        frame_b: Second frame, of the same size.
        method: "auto" or "dis".

    Returns:
        `Flow`: `.flow` (H, W, 2) pixels (dx, dy), `.confidence` (H, W) 0..1.

    Raises:
        ValueError: The sizes differ.

    Example:
        >>> f = flow(frames[0], frames[1])
        >>> dx, dy = f.flow[240, 320]
    """
    if method not in ("auto", "dis"):
        raise ValueError(f"flow(method={method!r}): use 'auto' or 'dis'")
    a, b = as_frame(frame_a), as_frame(frame_b)
    if a.image.shape != b.image.shape:
        raise ValueError(
            f"the frames differ in size: {a.width}x{a.height} and {b.width}x{b.height}; "
            "use match(a, b)"
        )
    first, factor = shrink(grey(a.image), 1280)
    second, _ = shrink(grey(b.image), 1280)
    forward, backward = _dis(first, second), _dis(second, first)
    gap = _there_and_back(forward, backward)
    confidence = np.exp(-np.maximum(gap - 0.5, 0) / 1.0)
    if factor != 1.0:
        forward, confidence = _to_size(forward, a) * factor, _to_size(confidence, a)
    return Flow(
        forward.astype(np.float32), a.position, b.position, "dis", confidence.astype(np.float32)
    )


def _dis(first: npt.NDArray[np.uint8], second: npt.NDArray[np.uint8]) -> Floats32:
    import cv2

    engine = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    result: Floats32 = engine.calc(first, second, None)
    return result


def _there_and_back(forward: Floats32, backward: Floats32) -> Floats32:
    """(H, W) pixels between a point and where it comes back to; large when it leaves."""
    import cv2

    height, width = forward.shape[:2]
    columns, rows = np.meshgrid(
        np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)
    )
    x, y = columns + forward[..., 0], rows + forward[..., 1]
    back = cv2.remap(backward, x, y, cv2.INTER_LINEAR, borderValue=(1e3, 1e3, 0, 0))
    return np.asarray(np.linalg.norm(forward + back, axis=-1), dtype=np.float32)


def _to_size(array: Floats32, frame: Any) -> Floats32:
    import cv2

    size = (frame.width, frame.height)
    return np.asarray(cv2.resize(array, size, interpolation=cv2.INTER_LINEAR), dtype=np.float32)
