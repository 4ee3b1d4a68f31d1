"""Pictures of other things: depth, flow, tracks, axes, bird's-eye views, sheets of pictures."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from spatialclaw.primitives.draw.canvas import Canvas, Drawing, colour_of, labels_for, palette
from spatialclaw.primitives.draw.history import put
from spatialclaw.primitives.errors import FrameOfReferenceError, NothingFound, Unavailable
from spatialclaw.primitives.frames import Frame
from spatialclaw.primitives.geometry.boxes import Box3D
from spatialclaw.primitives.geometry.points import Points, camera_ref, world_ref
from spatialclaw.primitives.results import DepthMap, Flow, Track

__all__ = ["axes", "depth", "flow", "sheet", "trajectory"]

Floats = npt.NDArray[np.float64]


def depth(depth_map: Any, *, near: float | None = None, far: float | None = None) -> Drawing:
    """A depth map: near is warm, far is cold, unknown is black; with a scale.

    Args:
        depth_map: A `DepthMap`, a `Frame` with depth, or an (H, W) array.
        near: Depth shown warmest; None: the 2nd percentile.
        far: Depth shown coldest; None: the 98th percentile.

    Example:
        ``show(draw.depth(depth(frames[0])))``
    """
    unit, frame = "m", depth_map if isinstance(depth_map, Frame) else None
    if isinstance(depth_map, Frame):
        from spatialclaw.primitives.geometry.camera import depth_of

        depth_map = depth_of(depth_map)
    if isinstance(depth_map, DepthMap):
        frame = frame or _frame_at(depth_map)
        unit = "m" if depth_map.metric else "(no scale)"
        depth_map = depth_map.depth
    values = np.asarray(depth_map, dtype=np.float32)
    if values.ndim != 2:
        raise ValueError(f"a depth map is (H, W), not {values.shape}")
    known = np.isfinite(values) & (values > 0)
    if not known.any():
        raise NothingFound("the depth map is empty")
    low = float(np.percentile(values[known], 2)) if near is None else near
    high = float(np.percentile(values[known], 98)) if far is None else far
    span = max(high - low, 1e-9)
    part = np.clip((np.where(known, values, high) - low) / span, 0, 1)
    picture = cv2.applyColorMap((255 * (1 - part)).astype(np.uint8), cv2.COLORMAP_TURBO)
    picture = np.ascontiguousarray(picture[..., ::-1])
    picture[~known] = 0
    fits = frame is not None and (frame.height, frame.width) == values.shape
    canvas = Canvas(picture, frame if fits else None)
    for i in range(5):
        value = low + span * i / 4
        step = np.full((1, 1), 255 * (1 - i / 4), dtype=np.uint8)
        blue, green, red = cv2.applyColorMap(step, cv2.COLORMAP_TURBO)[0, 0]
        at = (canvas.width - 1, (i + 0.2) * 1.5 * canvas.text_px)
        canvas.label(f"{value:.2f} {unit}", at, (int(red), int(green), int(blue)), below=True)
    of = f" of {frame.name}" if frame is not None else ""
    return canvas.done(f"depth{of}, {low:.2f} to {high:.2f} {unit}")


def _frame_at(depth_map: DepthMap) -> Frame | None:
    """The frame that a depth map is of, where this process has frames."""
    from spatialclaw.primitives.context import frame_of

    try:
        return frame_of(depth_map)
    except Unavailable:
        return None


def flow(picture: Any, flow: Flow | npt.NDArray[Any], *, step: int | None = None) -> Drawing:
    """Optical flow as arrows on the first picture.

    Args:
        picture: The frame the flow starts from, or an image.
        flow: A `Flow`, or (H, W, 2) pixels.
        step: Pixels between arrows; None: about 24 across.
    """
    field = flow.flow if isinstance(flow, Flow) else np.asarray(flow)
    return put(picture, "flow", _paint_flow, given={"field": field, "step": step})


def _paint_flow(canvas: Canvas, given: dict[str, Any], order: int) -> Any:
    field = given["field"]
    gap = given["step"] or max(6, canvas.width // 24)
    for y in range(gap // 2, field.shape[0], gap):
        for x in range(gap // 2, field.shape[1], gap):
            dx, dy = (float(v) for v in field[y, x])
            if not np.isfinite(dx + dy):
                continue
            start, end = (x, y), (round(x + dx), round(y + dy))
            strong = np.hypot(dx, dy) > 1
            colour = (255, 225, 25) if strong else (120, 120, 120)
            cv2.arrowedLine(canvas.image, start, end, colour, max(1, canvas.stroke // 2), cv2.LINE_AA, tipLength=0.3)  # fmt: skip # noqa: E501
    return []


def trajectory(
    picture: Any,
    path: Any,
    labels: Any = None,
    *,
    color: Any = None,
    frame: Frame | None = None,
) -> Drawing:
    """The way something went, from a white start.

    Args:
        picture: A frame, or an image.
        path: A `Track` or `Tracks`, (N, 2) pixels or (N, 3) `Points`; or a list of such.
        labels: One text for each.
        color: As for `draw.boxes`.
        frame: As for `draw.boxes`.

    Example:
        ``show(draw.trajectory(frames[-1], track(frames, "person")))``
    """
    return put(
        picture, "trajectory", _paint_trajectory, frame=frame,
        given={"path": path, "labels": labels, "color": color},
    )  # fmt: skip


def _paint_trajectory(canvas: Canvas, given: dict[str, Any], order: int) -> Any:
    path, labels, color = given["path"], given["labels"], given["color"]
    single = isinstance(path, Track | Points) or np.ndim(path[0]) == 1
    ways = [path] if single else list(path)
    known = [way.label or str(way.id) if isinstance(way, Track) else "" for way in ways]
    names = labels_for(labels, len(ways), known)
    for i, way in enumerate(ways):
        pixels = way.centers if isinstance(way, Track) else canvas.pixels(way)
        if not len(pixels):
            continue
        colour = colour_of(color, i)
        for a, b in itertools.pairwise(pixels):
            canvas.line(a, b, colour)
        canvas.dot(pixels[0], (255, 255, 255))
        canvas.dot(pixels[-1], colour)
        canvas.label(names[i], pixels[-1], colour)
    return []


def axes(
    picture: Any,
    at: Any = None,
    *,
    size: float | None = None,
    frame: Frame | None = None,
) -> Drawing:
    """Axes in perspective: x red, y green, z blue.

    Args:
        picture: A frame, or an image with `frame`.
        at: (4, 4) pose in the world, a `Box3D` (its own axes), a (3,) `Points` (the world's axes
            there); None: the world's axes on what is straight ahead.
        size: Length of the axes; None: a fifth of the distance.
        frame: As for `draw.boxes`.

    Example:
        ``show(draw.axes(frames[0], box))``
    """
    return put(picture, "axes", _paint_axes, frame=frame, given={"at": at, "size": size})


def _paint_axes(canvas: Canvas, given: dict[str, Any], order: int) -> Any:
    at, size = given["at"], given["size"]
    if canvas.frame is None:
        raise FrameOfReferenceError(
            "axes need the camera of the picture",
            hint="draw.axes(frames[0], at) or frame=frames[0]",
        )
    origin, directions, ref = _placed(at, canvas.frame)
    length = size if size is not None else _span(origin, ref, canvas.frame)
    for vector, name, colour in zip(
        directions, "xyz", ((230, 25, 75), (60, 180, 75), (0, 110, 230)), strict=True
    ):
        ends = Points(np.stack([origin, origin + length * vector]), ref)
        try:
            a, b = canvas.pixels(ends)
        except NothingFound:
            continue
        canvas.line(a, b, colour, 2 * canvas.stroke)
        canvas.label(name, b, colour)
    return []


def sheet(
    pictures: Sequence[Any],
    titles: Sequence[str] | None = None,
    *,
    columns: int | None = None,
    width: int = 1280,
) -> Drawing:
    """Several pictures side by side on one sheet, numbered.

    Args:
        pictures: Frames or images of any size.
        titles: One for each; None: their numbers, and times where known.
        columns: How many in a row; None: about square.
        width: Width of the sheet, pixels.

    Example:
        ``show(draw.sheet(frames.sample(9)))``
    """
    items = list(pictures)
    if not items:
        raise NothingFound("no pictures for a sheet")
    across = columns or int(np.ceil(np.sqrt(len(items))))
    known = [_title(item, i) for i, item in enumerate(items)]
    names = labels_for(None if titles is None else list(titles), len(items), known)
    cell = width // across
    tiles = []
    for i, item in enumerate(items):
        image = Canvas(item).image
        scale = cell / image.shape[1]
        tall = max(1, round(image.shape[0] * scale))
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        tile = Canvas(cv2.resize(image, (cell, tall), interpolation=method))
        tile.text_px = max(12, cell // 24)
        tile.label(names[i], (0, 0), palette(i), below=True)
        tiles.append(tile.image)
    rows = []
    for start in range(0, len(tiles), across):
        row = tiles[start : start + across]
        tall = max(tile.shape[0] for tile in row)
        strip = np.zeros((tall, cell * across, 3), dtype=np.uint8)
        for k, image in enumerate(row):
            strip[: image.shape[0], k * cell : (k + 1) * cell] = image
        rows.append(strip)
    return Canvas(np.concatenate(rows)).done(f"sheet of {len(items)} pictures")


def _title(item: Any, i: int) -> str:
    if isinstance(item, Frame):
        return str(item.position) + ("" if item.time is None else f"  {item.time:.2f} s")
    return str(i)


def _placed(at: Any, frame: Frame) -> tuple[Floats, Floats, str]:
    if isinstance(at, Box3D):
        return at.center.plain, at.axes, at.ref
    if isinstance(at, Points):
        if at.ref.startswith("world"):
            return at.plain, np.eye(3), at.ref
        if frame.pose is None:
            return at.plain, np.eye(3), at.ref
        return at.plain, frame.pose[:3, :3].T @ np.eye(3), at.ref
    if at is not None:
        pose = np.asarray(at, dtype=np.float64)
        return pose[:3, 3], pose[:3, :3].T, world_ref(frame)
    if frame.pose is not None:
        # Rows: where the world's axes point in the camera.
        return np.array([0.0, 0.0, 2.0]), frame.pose[:3, :3], camera_ref(frame)
    return np.array([0.0, 0.0, 2.0]), np.eye(3), camera_ref(frame)


def _span(origin: Floats, ref: str, frame: Frame) -> float:
    eye = np.zeros(3)
    if ref.startswith("world") and frame.pose is not None:
        eye = frame.pose[:3, 3]
    return 0.2 * float(np.linalg.norm(origin - eye)) or 0.2
