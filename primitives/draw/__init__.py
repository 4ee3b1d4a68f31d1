"""Drawing: each function returns a new (H, W, 3) uint8 image and leaves its input as it is.

``draw.boxes``, ``.points``, ``.lines``, ``.arrows``, ``.polylines``, ``.masks``, ``.text``,
``.grid`` mark a frame or an image, at pixels or at `Points` in space. With ``label=``, a mark stays
on its picture: the same label again moves it, ``.undo`` takes the last change back, ``.erase``
removes one, ``.marks`` lists them, ``.before_after`` compares. ``.axes``, ``.trajectory``,
``.flow``, ``.depth``, ``.bev`` and ``.sheet`` picture what was measured. Pass the result to `show`
or draw on it again.
"""

from spatialclaw.primitives.draw.above import bev
from spatialclaw.primitives.draw.canvas import Drawing
from spatialclaw.primitives.draw.history import before_after, erase, marks, redraw, undo
from spatialclaw.primitives.draw.maps import axes, depth, flow, sheet, trajectory
from spatialclaw.primitives.draw.marking import (
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
    "before_after",
    "bev",
    "boxes",
    "depth",
    "erase",
    "flow",
    "grid",
    "lines",
    "marks",
    "masks",
    "points",
    "polylines",
    "redraw",
    "sheet",
    "text",
    "trajectory",
    "undo",
]
