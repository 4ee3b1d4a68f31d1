"""How each kind of mark is painted on a canvas; each gives the (N, 2) pixels it lies on."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from spatialclaw.primitives.draw.canvas import Canvas, colour_of, labels_for
from spatialclaw.primitives.geometry.boxes import Box3D
from spatialclaw.primitives.geometry.camera import to_camera
from spatialclaw.primitives.geometry.points import Points, camera_ref
from spatialclaw.primitives.results import Mask, Masks, Matches

__all__ = [
    "paint_boxes",
    "paint_grid",
    "paint_lines",
    "paint_masks",
    "paint_points",
    "paint_polylines",
    "paint_text",
]

Given = dict[str, Any]
Floats = npt.NDArray[np.float64]


def paint_boxes(canvas: Canvas, given: Given, order: int) -> Any:
    """Flat boxes by their corners, or the edges of solid ones."""
    boxes, color = given["boxes"], given["color"]
    if isinstance(boxes, Box3D) or (
        isinstance(boxes, list) and boxes and isinstance(boxes[0], Box3D)
    ):
        solids = [boxes] if isinstance(boxes, Box3D) else list(boxes)
        names = _names(given, len(solids), [box.label for box in solids])
        seen: list[Any] = []
        for i, box in enumerate(solids):
            seen += _solid(canvas, box, names[i], colour_of(color, i + order))
        return seen
    known: list[str] = []
    if isinstance(boxes, Mask):
        boxes = Masks([boxes])
    measured = isinstance(boxes, Masks)
    if isinstance(boxes, Masks):
        known = [mask.label for mask in boxes]
        boxes = boxes.boxes
    rows = np.asarray(boxes, dtype=np.float64)
    if rows.size % 4:
        raise ValueError(f"boxes are (N, 4) rows (x0, y0, x1, y1), not of shape {rows.shape}")
    corners = rows.reshape(-1, 2, 2) if rows.size else np.zeros((0, 2, 2))
    corners = corners if measured else canvas.scaled(corners)
    names = _names(given, len(corners), known)
    for i, ((x0, y0), (x1, y1)) in enumerate(corners):
        way = [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
        for a, b in zip(way, way[1:] + way[:1], strict=True):
            canvas.line(a, b, colour_of(color, i + order))
    for i, (corner, _) in enumerate(corners):
        canvas.label(names[i], corner, colour_of(color, i + order))
    return corners.reshape(-1, 2)


def paint_points(canvas: Canvas, given: Given, order: int) -> Any:
    """Dots."""
    points, color = given["points"], given["color"]
    if isinstance(points, Matches):
        points = points.points_a
    pixels = canvas.pixels(points)
    names = _names(given, len(pixels))
    several = color is not None or bool(given["labels"])
    for i, pixel in enumerate(pixels):
        canvas.dot(pixel, colour_of(color, (i if several else 0) + order), given["radius"])
    for i, pixel in enumerate(pixels):
        canvas.label(names[i], pixel, colour_of(color, (i if several else 0) + order))
    return pixels


def paint_lines(canvas: Canvas, given: Given, order: int) -> Any:
    """Straight lines, with heads when they are arrows."""
    color, width = given["color"], given["width"]
    pairs = _pairs(canvas, given["rows"])
    names = _names(given, len(pairs))
    for i, (a, b) in enumerate(pairs):
        colour = colour_of(color, i + order)
        canvas.line(a, b, colour, width)
        if given["arrow"]:
            _head(canvas, a, b, colour, width)
    for i, (a, b) in enumerate(pairs):
        canvas.label(names[i], (a + b) / 2, colour_of(color, i + order))
    return [end for pair in pairs for end in pair]


def paint_polylines(canvas: Canvas, given: Given, order: int) -> Any:
    """Lines through points."""
    points, color = given["points"], given["color"]
    several = (
        points if isinstance(points, list) and points and np.ndim(points[0]) == 2 else [points]
    )
    ways = [canvas.pixels(way) for way in several]
    names = _names(given, len(ways))
    for i, way in enumerate(ways):
        ends = list(itertools.pairwise(way))
        if given["closed"] and len(way) > 2:
            ends.append((way[-1], way[0]))
        for a, b in ends:
            canvas.line(a, b, colour_of(color, i + order), given["width"])
    for i, way in enumerate(ways):
        if len(way):
            canvas.label(names[i], way[0], colour_of(color, i + order))
    return np.concatenate(ways) if ways else []


def paint_masks(canvas: Canvas, given: Given, order: int) -> Any:
    """Coloured areas with outlines; gives the corners of their boxes."""
    color, opacity = given["color"], given["opacity"]
    areas, known = _areas(given["masks"])
    names = _names(given, len(areas), known)
    for i, area in enumerate(areas):
        if area.shape != (canvas.height, canvas.width):
            raise ValueError(
                f"mask {i} is {area.shape}, the picture {(canvas.height, canvas.width)}"
            )
        tint = np.array(colour_of(color, i + order), dtype=np.float32)
        part = canvas.image[area].astype(np.float32)
        canvas.image[area] = (part * (1 - opacity) + tint * opacity).astype(np.uint8)
    for i, area in enumerate(areas):
        outlines, _ = cv2.findContours(
            area.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
        )
        colour = colour_of(color, i + order)
        cv2.drawContours(canvas.image, outlines, -1, colour, canvas.stroke, cv2.LINE_AA)
    at: list[tuple[float, float]] = []
    for i, area in enumerate(areas):
        if area.any():
            rows, columns = np.nonzero(area)
            canvas.label(names[i], (columns.mean(), rows.mean()), colour_of(color, i + order))
            at += [(columns.min(), rows.min()), (columns.max(), rows.max())]
    return at


def paint_text(canvas: Canvas, given: Given, order: int) -> Any:
    """Lines of text from a corner of the picture or a pixel."""
    at, color = given["at"], given["color"]
    rows = given["text"].splitlines() or [""]
    height = canvas.text_px * 1.2 + max(2, canvas.text_px // 6)
    longest = max(len(row) for row in rows) * canvas.text_px * 0.62
    if isinstance(at, str):
        words = at.lower()
        x = canvas.width - longest if "right" in words else 0.0
        y = canvas.height - height * len(rows) if "bottom" in words else 0.0
        if "cent" in words:
            x, y = (canvas.width - longest) / 2, (canvas.height - height * len(rows)) / 2
    else:
        x, y = (float(v) for v in canvas.pixels(at)[0])
    gap = 2 * canvas.stroke + 1
    for i, row in enumerate(rows):
        canvas.label(row, (x, y + i * height - gap), colour_of(color, order), below=True)
    return [(x, y)]


def paint_grid(canvas: Canvas, given: Given, order: int) -> Any:
    """Lines of equal x and y, with their numbers."""
    step = given["step"]
    if step is None:
        rough = max(canvas.width, canvas.height) / 10
        steps = (1, 2, 5, 10, 20, 25, 50, 100, 200, 250, 500, 1000)
        step = min(steps, key=lambda s: abs(s - rough))
    if step < 1:
        raise ValueError(f"step {step}: give at least 1 pixel")
    colour = colour_of(given["color"], order)
    thin = max(1, canvas.stroke // 2)
    before = canvas.image.copy()
    for x in range(0, canvas.width, step):
        cv2.line(canvas.image, (x, 0), (x, canvas.height - 1), colour, thin)
    for y in range(0, canvas.height, step):
        cv2.line(canvas.image, (0, y), (canvas.width - 1, y), colour, thin)
    canvas.image = cv2.addWeighted(before, 0.45, canvas.image, 0.55, 0)
    canvas.text_px = max(9, round(canvas.text_px * 0.7))
    for x in range(step, canvas.width, step):
        canvas.label(str(x), (x, 0), colour, below=True)
    for y in range(step, canvas.height, step):
        canvas.label(str(y), (0, y), colour, below=True)
    return []


def _names(given: Given, count: int, known: Sequence[str] = ()) -> list[str]:
    """What is written beside each item: its text, or else the label of the mark."""
    labels, label = given["labels"], given["label"]
    if labels is None and label is not None:
        return [label] * count
    return labels_for(labels, count, known)


def _pairs(canvas: Canvas, rows: Any) -> list[tuple[Floats, Floats]]:
    if isinstance(rows, list | tuple) and any(isinstance(v, Points) for v in _inside(rows)):
        pairs = [rows] if isinstance(rows[0], Points) and np.ndim(rows[0]) == 1 else list(rows)
        return [(canvas.pixels(a)[0], canvas.pixels(b)[0]) for a, b in pairs]
    if isinstance(rows, Points):
        flat = canvas.pixels(rows.reshape(-1, rows.shape[-1]))
        return list(zip(flat[0::2], flat[1::2], strict=True))
    array = np.asarray(rows, dtype=np.float64)
    if array.size % 4:
        raise ValueError(f"lines are (N, 4) rows (x0, y0, x1, y1), not of shape {array.shape}")
    return [(a, b) for a, b in canvas.scaled(array.reshape(-1, 2, 2))]


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


def _solid(canvas: Canvas, box: Box3D, name: str, colour: tuple[int, int, int]) -> list[Floats]:
    """The twelve edges of a box; parts behind the camera are cut off."""
    if canvas.frame is None:
        canvas.pixels(box.corners)
        return []
    corners = to_camera(box.corners, canvas.frame).plain
    shown: list[Floats] = []
    for i, j in box.edges:
        a, b = corners[i].copy(), corners[j].copy()
        near = 0.02 * max(1e-6, float(np.abs(corners[:, 2]).max()))
        if a[2] < near and b[2] < near:
            continue
        if a[2] < near or b[2] < near:
            part = (near - a[2]) / (b[2] - a[2])
            cut = a + part * (b - a)
            a, b = (cut, b) if a[2] < near else (a, cut)
        ref = camera_ref(canvas.frame)
        ends = canvas.pixels(Points([a, b], f"camera {canvas.frame.position}").in_ref(ref))
        canvas.line(ends[0], ends[1], colour)
        shown.extend(ends)
    inside = [p for p in shown if canvas.holds(p)]
    if inside:
        canvas.label(name, min(inside, key=lambda p: (float(p[1]), float(p[0]))), colour)
    return shown


def _areas(masks: Any) -> tuple[list[npt.NDArray[np.bool_]], list[str]]:
    if isinstance(masks, Mask):
        masks = [masks]
    if isinstance(masks, np.ndarray) and masks.ndim == 2:
        if masks.dtype == bool:
            return [masks], [""]
        ids = [int(i) for i in np.unique(masks) if i != 0]
        return [masks == i for i in ids], [str(i) for i in ids]
    areas, names = [], []
    for item in list(masks):
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
