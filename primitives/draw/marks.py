"""Marks on a picture: boxes, points, lines, arrows, polylines, masks, text and grids."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from spatialclaw.primitives.draw.canvas import Canvas, Drawing, colour_of, labels_for
from spatialclaw.primitives.frames import Frame
from spatialclaw.primitives.geometry.boxes import Box3D
from spatialclaw.primitives.geometry.camera import to_camera
from spatialclaw.primitives.geometry.points import Points
from spatialclaw.primitives.results import Mask, Masks, Matches

__all__ = ["arrows", "boxes", "grid", "lines", "masks", "points", "polylines", "text"]


def boxes(
    picture: Any,
    boxes: Any,
    labels: Any = None,
    *,
    color: Any = None,
    frame: Frame | None = None,
) -> Drawing:
    """Boxes, flat or in space.

    Args:
        picture: A frame, or an image.
        boxes: (N, 4) or (4,) boxes (x0, y0, x1, y1); a `Mask`, `Masks`; a `Box3D` or a list of
            them (drawn in perspective).
        labels: One text for each; None: the names they carry.
        color: A name such as "red", (r, g, b), one for each in a list, or None.
        frame: The frame through which 3-D boxes are projected, when `picture` is an image.

    Returns:
        (H, W, 3) uint8.

    Example:
        ``show(draw.boxes(frames[0], [(40, 30, 200, 180)], ["chair"]))``
    """
    canvas = Canvas(picture, frame)
    if isinstance(boxes, Box3D) or (
        isinstance(boxes, list) and boxes and isinstance(boxes[0], Box3D)
    ):
        solids = [boxes] if isinstance(boxes, Box3D) else list(boxes)
        names = labels_for(labels, len(solids), [box.label for box in solids])
        for i, box in enumerate(solids):
            _solid(canvas, box, names[i], colour_of(color, i))
        return canvas.done()
    known: list[str] = []
    if isinstance(boxes, Mask):
        boxes = Masks([boxes])
    if isinstance(boxes, Masks):
        known = [mask.label for mask in boxes]
        boxes = boxes.boxes
    rows = np.asarray(boxes, dtype=np.float64)
    rows = rows.reshape(-1, 4) if rows.size else np.zeros((0, 4))
    names = labels_for(labels, len(rows), known)
    for i, (x0, y0, x1, y1) in enumerate(rows):
        colour = colour_of(color, i)
        corners = [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
        for a, b in zip(corners, corners[1:] + corners[:1], strict=True):
            canvas.line(a, b, colour)
    for i, (x0, y0, _, _) in enumerate(rows):
        canvas.label(names[i], (x0, y0), colour_of(color, i))
    return canvas.done()


def points(
    picture: Any,
    points: Any,
    labels: Any = None,
    *,
    color: Any = None,
    radius: int | None = None,
    frame: Frame | None = None,
) -> Drawing:
    """Points, pixels or in space.

    Args:
        picture: A frame, or an image.
        points: (N, 2) or (2,) pixels; (N, 3) `Points` (projected through the frame); or `Matches`
            (those in its first picture).
        labels: One text for each, or True for numbers.
        color: As for `draw.boxes`.
        radius: Pixels; None: by the size of the picture.
        frame: As for `draw.boxes`.

    Example:
        ``show(draw.points(frames[0], [(320, 240)], ["cup"]))``
    """
    canvas = Canvas(picture, frame)
    if isinstance(points, Matches):
        points = points.points_a
    pixels = canvas.pixels(points)
    names = labels_for(labels, len(pixels))
    for i, pixel in enumerate(pixels):
        canvas.dot(pixel, colour_of(color, i if color is not None or labels else 0), radius)
    for i, pixel in enumerate(pixels):
        canvas.label(names[i], pixel, colour_of(color, i))
    return canvas.done()


def lines(
    picture: Any,
    lines: Any,
    labels: Any = None,
    *,
    color: Any = None,
    width: int | None = None,
    frame: Frame | None = None,
) -> Drawing:
    """Straight lines.

    Args:
        picture: A frame, or an image.
        lines: (N, 4) rows (x0, y0, x1, y1), or pairs of points: (N, 2, 2) pixels or (N, 2, 3)
            `Points`; one line may stand alone.
        labels: One text for each, written at its middle.
        color: As for `draw.boxes`.
        width: Pixels; None: by the size of the picture.
        frame: As for `draw.boxes`.

    Example:
        ``show(draw.lines(frames[0], [(10, 10, 200, 80)], ["1.6 m"]))``
    """
    return _segments(picture, lines, labels, color, width, frame, arrow=False)


def arrows(
    picture: Any,
    arrows: Any,
    labels: Any = None,
    *,
    color: Any = None,
    width: int | None = None,
    frame: Frame | None = None,
) -> Drawing:
    """Arrows from start to head; arguments as for `draw.lines`.

    Example:
        ``show(draw.arrows(frames[0], [((50, 60), (120, 60))], ["heading"]))``
    """
    return _segments(picture, arrows, labels, color, width, frame, arrow=True)


def polylines(
    picture: Any,
    points: Any,
    labels: Any = None,
    *,
    closed: bool = False,
    color: Any = None,
    width: int | None = None,
    frame: Frame | None = None,
) -> Drawing:
    """Lines through points in order.

    Args:
        picture: A frame, or an image.
        points: (N, 2) pixels or (N, 3) `Points`; or a list of such, one for each polyline.
        labels: One text for each polyline, written at its start.
        closed: Join the last point with the first.
        color: As for `draw.boxes`.
        width: Pixels; None: by the size of the picture.
        frame: As for `draw.boxes`.
    """
    canvas = Canvas(picture, frame)
    several = (
        points if isinstance(points, list) and points and np.ndim(points[0]) == 2 else [points]
    )
    ways = [canvas.pixels(way) for way in several]
    names = labels_for(labels, len(ways))
    for i, way in enumerate(ways):
        ends = list(itertools.pairwise(way))
        if closed and len(way) > 2:
            ends.append((way[-1], way[0]))
        for a, b in ends:
            canvas.line(a, b, colour_of(color, i), width)
    for i, way in enumerate(ways):
        if len(way):
            canvas.label(names[i], way[0], colour_of(color, i))
    return canvas.done()


def masks(
    picture: Any,
    masks: Any,
    labels: Any = True,
    *,
    color: Any = None,
    opacity: float = 0.45,
) -> Drawing:
    """Masks as coloured areas with outlines.

    Args:
        picture: A frame, or an image.
        masks: `Masks`, a `Mask`, an (H, W) bool array, an integer map of instances, or a list.
        labels: One text for each; True: the names they carry or numbers; False: none.
        color: As for `draw.boxes`.
        opacity: 0 (outline only) to 1.

    Raises:
        ValueError: A mask has another size than the picture.

    Example:
        ``show(draw.masks(frames[0], segment(frames[0], "chair")))``
    """
    canvas = Canvas(picture)
    areas, known = _areas(masks)
    names = labels_for(labels, len(areas), known)
    for i, area in enumerate(areas):
        if area.shape != (canvas.height, canvas.width):
            raise ValueError(
                f"mask {i} is {area.shape}, the picture {(canvas.height, canvas.width)}"
            )
        colour = colour_of(color, i)
        tint = np.array(colour, dtype=np.float32)
        part = canvas.image[area].astype(np.float32)
        canvas.image[area] = (part * (1 - opacity) + tint * opacity).astype(np.uint8)
    for i, area in enumerate(areas):
        colour = colour_of(color, i)
        outlines, _ = cv2.findContours(
            area.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
        )
        cv2.drawContours(canvas.image, outlines, -1, colour, canvas.stroke, cv2.LINE_AA)
    for i, area in enumerate(areas):
        if area.any():
            rows, columns = np.nonzero(area)
            canvas.label(names[i], (columns.mean(), rows.mean()), colour_of(color, i))
    return canvas.done()


def text(
    picture: Any,
    text: str,
    at: tuple[float, float] | str = "top left",
    *,
    color: Any = "black",
) -> Drawing:
    """Text in lines.

    Args:
        picture: A frame, or an image.
        text: May have several lines.
        at: Pixel of its top left corner; or "top left", "top right", "bottom left",
            "bottom right", "center".
        color: Colour of the ground; the letters are black or white, whichever reads better.
    """
    canvas = Canvas(picture)
    rows = text.splitlines() or [""]
    height = canvas.text_px * 1.2 + max(2, canvas.text_px // 6)
    longest = max(len(row) for row in rows) * canvas.text_px * 0.62
    if isinstance(at, str):
        words = at.lower()
        x = canvas.width - longest if "right" in words else 0.0
        y = canvas.height - height * len(rows) if "bottom" in words else 0.0
        if "cent" in words:
            x, y = (canvas.width - longest) / 2, (canvas.height - height * len(rows)) / 2
    else:
        x, y = float(at[0]), float(at[1])
    gap = 2 * canvas.stroke + 1
    for i, row in enumerate(rows):
        canvas.label(row, (x, y + i * height - gap), colour_of(color), below=True)
    return canvas.done()


def grid(picture: Any, step: int | None = None, *, color: Any = "yellow") -> Drawing:
    """A grid of pixel coordinates to read positions from.

    Args:
        picture: A frame, or an image; for a list of pictures see `draw.sheet`, which then is made.
        step: Pixels between lines; None: about ten across.
        color: As for `draw.boxes`.

    Example:
        ``show(draw.grid(frames[0], 100))``
    """
    if isinstance(picture, list | tuple) or type(picture).__name__ == "Frames":
        from spatialclaw.primitives.draw.maps import sheet

        return sheet(picture)
    canvas = Canvas(picture)
    if step is None:
        rough = max(canvas.width, canvas.height) / 10
        step = int(
            min((1, 2, 5, 10, 20, 25, 50, 100, 200, 250, 500, 1000), key=lambda s: abs(s - rough))
        )
    if step < 1:
        raise ValueError(f"step {step}: give at least 1 pixel")
    colour = colour_of(color)
    before = canvas.image.copy()
    for x in range(0, canvas.width, step):
        cv2.line(canvas.image, (x, 0), (x, canvas.height - 1), colour, max(1, canvas.stroke // 2))
    for y in range(0, canvas.height, step):
        cv2.line(canvas.image, (0, y), (canvas.width - 1, y), colour, max(1, canvas.stroke // 2))
    canvas.image = cv2.addWeighted(before, 0.45, canvas.image, 0.55, 0)
    canvas.text_px = max(9, round(canvas.text_px * 0.7))
    for x in range(step, canvas.width, step):
        canvas.label(str(x), (x, 0), colour, below=True)
    for y in range(step, canvas.height, step):
        canvas.label(str(y), (0, y), colour, below=True)
    return canvas.done()


def _segments(
    picture: Any,
    rows: Any,
    labels: Any,
    color: Any,
    width: int | None,
    frame: Frame | None,
    *,
    arrow: bool,
) -> Drawing:
    canvas = Canvas(picture, frame)
    pairs = _pairs(canvas, rows)
    names = labels_for(labels, len(pairs))
    for i, (a, b) in enumerate(pairs):
        colour = colour_of(color, i)
        canvas.line(a, b, colour, width)
        if arrow:
            _head(canvas, a, b, colour, width)
    for i, (a, b) in enumerate(pairs):
        canvas.label(names[i], (a + b) / 2, colour_of(color, i))
    return canvas.done()


def _pairs(canvas: Canvas, rows: Any) -> list[tuple[Any, Any]]:
    if isinstance(rows, list | tuple) and any(isinstance(v, Points) for v in _inside(rows)):
        pairs = [rows] if isinstance(rows[0], Points) and np.ndim(rows[0]) == 1 else list(rows)
        return [(canvas.pixels(a)[0], canvas.pixels(b)[0]) for a, b in pairs]
    if isinstance(rows, Points):
        flat = canvas.pixels(rows.reshape(-1, rows.shape[-1]))
        return list(zip(flat[0::2], flat[1::2], strict=True))
    array = np.asarray(rows, dtype=np.float64)
    if array.size % 4:
        raise ValueError(f"lines are (N, 4) rows (x0, y0, x1, y1), not of shape {array.shape}")
    array = array.reshape(-1, 2, 2)
    return [(a, b) for a, b in array]


def _inside(rows: Any) -> list[Any]:
    found: list[Any] = []
    for row in rows:
        found.append(row)
        if isinstance(row, list | tuple):
            found.extend(row)
    return found


def _head(canvas: Canvas, a: Any, b: Any, colour: Any, width: int | None) -> None:
    step = np.asarray(b, float) - np.asarray(a, float)
    length = float(np.linalg.norm(step))
    if length < 1 or not np.isfinite(length):
        return
    size = min(max(6.0 * (width or canvas.stroke), 0.15 * length), 0.5 * length)
    back = -step / length * size
    for angle in (0.45, -0.45):
        c, s = np.cos(angle), np.sin(angle)
        canvas.line(
            b, b + np.array([c * back[0] - s * back[1], s * back[0] + c * back[1]]), colour, width
        )


def _solid(canvas: Canvas, box: Box3D, name: str, colour: tuple[int, int, int]) -> None:
    """The twelve edges of a box; parts behind the camera are cut off."""
    if canvas.frame is None:
        canvas.pixels(box.corners)
        return
    corners = to_camera(box.corners, canvas.frame).plain
    shown: list[npt.NDArray[np.float64]] = []
    for i, j in box.edges:
        a, b = corners[i].copy(), corners[j].copy()
        near = 0.02 * max(1e-6, float(np.abs(corners[:, 2]).max()))
        if a[2] < near and b[2] < near:
            continue
        if a[2] < near or b[2] < near:
            part = (near - a[2]) / (b[2] - a[2])
            cut = a + part * (b - a)
            a, b = (cut, b) if a[2] < near else (a, cut)
        ends = canvas.pixels(Points([a, b], f"camera {canvas.frame.position}").in_ref(_ref(canvas)))
        canvas.line(ends[0], ends[1], colour)
        shown.extend(ends)
    inside = [p for p in shown if canvas.holds(p)]
    if inside:
        canvas.label(name, min(inside, key=lambda p: (float(p[1]), float(p[0]))), colour)


def _ref(canvas: Canvas) -> str:
    from spatialclaw.primitives.geometry.points import camera_ref

    assert canvas.frame is not None
    return camera_ref(canvas.frame)


def _areas(masks: Any) -> tuple[list[npt.NDArray[np.bool_]], list[str]]:
    if isinstance(masks, Mask):
        masks = [masks]
    if isinstance(masks, np.ndarray) and masks.ndim == 2:
        if masks.dtype == bool:
            return [masks], [""]
        ids = [int(i) for i in np.unique(masks) if i != 0]
        return [masks == i for i in ids], [str(i) for i in ids]
    areas, names = [], []
    items: Sequence[Any] = list(masks)
    for item in items:
        if isinstance(item, Mask):
            areas.append(item.mask if item.mask.any() else _filled(item))
            names.append(item.label)
        else:
            areas.append(np.asarray(item, dtype=bool))
            names.append("")
    return areas, names


def _filled(mask: Mask) -> npt.NDArray[np.bool_]:
    """The box of a detection that has no mask."""
    area = np.zeros(mask.mask.shape, dtype=bool)
    x0, y0, x1, y1 = (round(v) for v in mask.box)
    area[max(0, y0) : y1 + 1, max(0, x0) : x1 + 1] = True
    return area
