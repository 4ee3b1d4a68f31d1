"""Drawing: each function returns a new (H, W, 3) uint8 image and leaves its input as it is.

``draw.boxes``, ``.points``, ``.lines``, ``.arrows``, ``.polylines``, ``.masks``, ``.text``,
``.grid`` mark a frame or an image, at pixels or at `Points` in space; ``.axes``, ``.trajectory``,
``.flow``, ``.depth``, ``.bev`` and ``.sheet`` picture what was measured. Pass the result to `show`
or draw on it again.
"""

from spatialclaw.primitives.draw.above import bev
from spatialclaw.primitives.draw.canvas import Drawing
from spatialclaw.primitives.draw.maps import axes, depth, flow, sheet, trajectory
from spatialclaw.primitives.draw.marks import (
    arrows,
    boxes,
    grid,
    lines,
    masks,
    points,
    polylines,
    text,
)

__all__ = [
    "Drawing",
    "arrows",
    "axes",
    "bev",
    "boxes",
    "depth",
    "flow",
    "grid",
    "lines",
    "masks",
    "points",
    "polylines",
    "sheet",
    "text",
    "trajectory",
]
