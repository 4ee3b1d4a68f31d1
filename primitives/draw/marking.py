"""Marks on a picture: boxes, points, lines, arrows, polylines, masks, text and grids."""

from __future__ import annotations

from typing import Any

from spatialclaw.primitives.draw.canvas import Drawing
from spatialclaw.primitives.draw.history import put
from spatialclaw.primitives.draw.painters import (
    paint_boxes,
    paint_grid,
    paint_lines,
    paint_masks,
    paint_points,
    paint_polylines,
    paint_text,
)
from spatialclaw.primitives.frames import Frame

__all__ = ["arrows", "boxes", "grid", "lines", "masks", "points", "polylines", "text"]


def boxes(
    picture: Any,
    boxes: Any,
    labels: Any = None,
    *,
    label: str | None = None,
    coords: str = "pixel",
    color: Any = None,
    frame: Frame | None = None,
) -> Drawing:
    """Boxes, flat or in space.

    Args:
        picture: A frame, an image, or a drawing to draw on further.
        boxes: (N, 4) or (4,) boxes (x0, y0, x1, y1); a `Mask`, `Masks`; a `Box3D` or a list of
            them (drawn in perspective).
        labels: One text for each; None: the names they carry.
        label: Name of the mark on this picture: it stays on the picture, and drawing with the same
            label again moves it. Without one, the mark is on the returned image only.
        coords: "pixel", or "0-1" or "0-1000" across the width and down the height.
        color: A name such as "red", (r, g, b), one for each in a list, or None.
        frame: The frame through which 3-D boxes are projected, when `picture` is an image.

    Returns:
        (H, W, 3) uint8; with a label, with all marks that the picture has.

    Example:
        ``show(draw.boxes(frames[0], (40, 30, 200, 180), label="chair"))``
    """
    return put(
        picture, "boxes", paint_boxes, label=label, coords=coords, frame=frame,
        given={"boxes": boxes, "labels": labels, "color": color},
    )  # fmt: skip


def points(
    picture: Any,
    points: Any,
    labels: Any = None,
    *,
    label: str | None = None,
    coords: str = "pixel",
    color: Any = None,
    radius: int | None = None,
    frame: Frame | None = None,
) -> Drawing:
    """Points, pixels or in space.

    Args:
        picture: A frame, an image or a drawing.
        points: (N, 2) or (2,) pixels; (N, 3) `Points` (projected through the frame); or `Matches`
            (those in its first picture).
        labels: One text for each, or True for numbers.
        label: As for `draw.boxes`.
        coords: As for `draw.boxes`.
        color: As for `draw.boxes`.
        radius: Pixels; None: by the size of the picture.
        frame: As for `draw.boxes`.

    Example:
        ``show(draw.points(frames[0], (320, 240), label="cup"))``
    """
    return put(
        picture, "points", paint_points, label=label, coords=coords, frame=frame,
        given={"points": points, "labels": labels, "color": color, "radius": radius},
    )  # fmt: skip


def lines(
    picture: Any,
    lines: Any,
    labels: Any = None,
    *,
    label: str | None = None,
    coords: str = "pixel",
    color: Any = None,
    width: int | None = None,
    frame: Frame | None = None,
) -> Drawing:
    """Straight lines.

    Args:
        picture: A frame, an image or a drawing.
        lines: (N, 4) rows (x0, y0, x1, y1), or pairs of points: (N, 2, 2) pixels or (N, 2, 3)
            `Points`; one line may stand alone.
        labels: One text for each, written at its middle.
        label: As for `draw.boxes`.
        coords: As for `draw.boxes`.
        color: As for `draw.boxes`.
        width: Pixels; None: by the size of the picture.
        frame: As for `draw.boxes`.

    Example:
        ``show(draw.lines(frames[0], [(10, 10, 200, 80)], ["1.6 m"]))``
    """
    return put(
        picture, "lines", paint_lines, label=label, coords=coords, frame=frame,
        given={"rows": lines, "labels": labels, "color": color, "width": width, "arrow": False},
    )  # fmt: skip


def arrows(
    picture: Any,
    arrows: Any,
    labels: Any = None,
    *,
    label: str | None = None,
    coords: str = "pixel",
    color: Any = None,
    width: int | None = None,
    frame: Frame | None = None,
) -> Drawing:
    """Arrows from start to head; arguments as for `draw.lines`.

    Example:
        ``show(draw.arrows(frames[0], [((50, 60), (120, 60))], ["heading"]))``
    """
    return put(
        picture, "arrows", paint_lines, label=label, coords=coords, frame=frame,
        given={"rows": arrows, "labels": labels, "color": color, "width": width, "arrow": True},
    )  # fmt: skip


def polylines(
    picture: Any,
    points: Any,
    labels: Any = None,
    *,
    label: str | None = None,
    closed: bool = False,
    coords: str = "pixel",
    color: Any = None,
    width: int | None = None,
    frame: Frame | None = None,
) -> Drawing:
    """Lines through points in order.

    Args:
        picture: A frame, an image or a drawing.
        points: (N, 2) pixels or (N, 3) `Points`; or a list of such, one for each polyline.
        labels: One text for each polyline, written at its start.
        label: As for `draw.boxes`.
        closed: Join the last point with the first.
        coords: As for `draw.boxes`.
        color: As for `draw.boxes`.
        width: Pixels; None: by the size of the picture.
        frame: As for `draw.boxes`.
    """
    return put(
        picture, "polylines", paint_polylines, label=label, coords=coords, frame=frame,
        given={
            "points": points, "labels": labels, "color": color, "width": width, "closed": closed,
        },
    )  # fmt: skip


def masks(
    picture: Any,
    masks: Any,
    labels: Any = True,
    *,
    label: str | None = None,
    color: Any = None,
    opacity: float = 0.45,
) -> Drawing:
    """Masks as coloured areas with outlines.

    Args:
        picture: A frame, an image or a drawing.
        masks: `Masks`, a `Mask`, an (H, W) bool array, an integer map of instances, or a list.
        labels: One text for each; True: the names they carry or numbers; False: none.
        label: As for `draw.boxes`.
        color: As for `draw.boxes`.
        opacity: 0 (outline only) to 1.

    Raises:
        ValueError: A mask has another size than the picture.

    Example:
        ``show(draw.masks(frames[0], segment(frames[0], "chair")))``
    """
    named = None if labels is True and label is not None else labels
    return put(
        picture, "masks", paint_masks, label=label,
        given={"masks": masks, "labels": named, "color": color, "opacity": opacity},
    )  # fmt: skip


def text(
    picture: Any,
    text: str,
    at: tuple[float, float] | str = "top left",
    *,
    label: str | None = None,
    coords: str = "pixel",
    color: Any = "black",
) -> Drawing:
    """Text in lines.

    Args:
        picture: A frame, an image or a drawing.
        text: May have several lines.
        at: Pixel of its top left corner; or "top left", "top right", "bottom left",
            "bottom right", "center".
        label: As for `draw.boxes`; it is not written.
        coords: As for `draw.boxes`.
        color: Colour of the ground; the letters are black or white, whichever reads better.
    """
    return put(
        picture, "text", paint_text, label=label, coords=coords,
        given={"text": str(text), "at": at, "color": color, "labels": None},
    )  # fmt: skip


def grid(picture: Any, step: int | None = None, *, color: Any = "yellow") -> Drawing:
    """A grid of pixel coordinates to read positions from.

    Args:
        picture: A frame, an image or a drawing; a list of pictures becomes a `draw.sheet`.
        step: Pixels between lines; None: about ten across.
        color: As for `draw.boxes`.

    Example:
        ``show(draw.grid(frames[0], 100))``
    """
    if isinstance(picture, list | tuple) or type(picture).__name__ == "Frames":
        from spatialclaw.primitives.draw.maps import sheet

        return sheet(picture)
    return put(picture, "grid", paint_grid, given={"step": step, "color": color})
