"""What all drawing shares: the new picture, its colours, widths that suit its size, and labels."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from spatialclaw.primitives.errors import FrameOfReferenceError
from spatialclaw.primitives.frames import Frame, Frames
from spatialclaw.primitives.geometry.camera import project
from spatialclaw.primitives.geometry.points import Points, pixel_ref, require_ref

__all__ = ["Canvas", "Drawing", "colour_of", "palette"]

Image = npt.NDArray[np.uint8]
Colour = tuple[int, int, int]

# Ten colours that are told apart on bright and dark pictures, also by most colour-blind people.
_PALETTE: list[Colour] = [
    (230, 25, 75), (0, 130, 200), (245, 130, 48), (60, 180, 75), (240, 50, 230), (70, 240, 240),
    (255, 225, 25), (145, 30, 180), (170, 110, 40), (210, 245, 60),
]  # fmt: skip
_NAMED: dict[str, Colour] = {
    "red": (230, 25, 75), "green": (60, 180, 75), "blue": (0, 110, 230), "yellow": (255, 225, 25),
    "orange": (245, 130, 48), "purple": (145, 30, 180), "cyan": (70, 240, 240),
    "magenta": (240, 50, 230), "white": (255, 255, 255), "black": (0, 0, 0),
    "grey": (128, 128, 128), "gray": (128, 128, 128), "brown": (170, 110, 40),
    "lime": (210, 245, 60), "pink": (250, 190, 190),
}  # fmt: skip


class Drawing(np.ndarray[Any, Any]):
    """A picture that was drawn on; (H, W, 3) uint8 RGB.

    Attributes:
        frame: The frame it was drawn on, so that 3-D points can be drawn on it again; or None.
        marks: What was drawn on it, oldest first (see `draw.marks`).
        caption: What it shows, or "".
    """

    frame: Frame | None
    marks: tuple[Any, ...]
    caption: str
    ground: Any  # what the marks lie on, and
    stamp: int | None  # a checksum of the pixels drawn from both

    def __array_finalize__(self, source: Any) -> None:
        same = source is not None and getattr(source, "shape", None) == self.shape
        self.frame = getattr(source, "frame", None) if same else None
        self.marks = getattr(source, "marks", ()) if same else ()
        self.caption = getattr(source, "caption", "") if same else ""
        self.ground = getattr(source, "ground", None) if same else None
        self.stamp = getattr(source, "stamp", None) if same else None


def palette(i: int) -> Colour:
    """The i-th colour."""
    return _PALETTE[i % len(_PALETTE)]


def colour_of(color: Any, i: int = 0) -> Colour:
    """A colour from a name, (r, g, b), a list with one for each item, or None (the palette).

    Raises:
        ValueError: The name is not known.
    """
    if color is None:
        return palette(i)
    if isinstance(color, str):
        if color.startswith("#") and len(color) == 7:
            return (int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16))
        if color not in _NAMED:
            raise ValueError(
                f"the colour {color!r} is not known; use {', '.join(_NAMED)} or (r, g, b)"
            )
        return _NAMED[color]
    if isinstance(color, list) or (isinstance(color, np.ndarray) and color.ndim == 2):
        return colour_of(color[i % len(color)])
    red, green, blue = (int(v) for v in color)
    return red, green, blue


class Canvas:
    """A new picture to draw on.

    Args:
        picture: A `Frame`, a `Drawing`, or an image: (H, W, 3) or (H, W, 4), grey (H, W) uint8,
            float (0..1) or bool.
        frame: The frame through which 3-D points are projected; None: that of the picture.
    """

    def __init__(self, picture: Any, frame: Frame | None = None) -> None:
        if isinstance(picture, Frame):
            frame = picture if frame is None else frame
            picture = picture.image
        elif isinstance(picture, Drawing) and frame is None:
            frame = picture.frame
        elif isinstance(picture, Frames):
            raise TypeError(f"draw on one frame, not on {len(picture)}: for example frames[0]")
        self.image: Image = as_image(picture)
        self.frame = frame
        self.height, self.width = self.image.shape[:2]
        longest = max(self.height, self.width)
        self.stroke = max(1, round(longest / 450))
        self.text_px = int(np.clip(longest / 48, 11, 160))
        self.coords = "pixel"
        self._labels: list[tuple[int, int, int, int]] = []

    def clear_labels(self) -> None:
        """Lets further labels cover those written so far."""
        self._labels.clear()

    def scaled(self, array: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """(..., 2) coordinates as they were given, in pixels.

        Raises:
            ValueError: They cannot be in the convention they were said to be in.
        """
        if self.coords == "pixel" or array.size == 0:
            return array
        whole = 1.0 if self.coords == "0-1" else 1000.0
        finite = array[np.isfinite(array)]
        if finite.size and (finite.max() > 1.5 * whole or finite.min() < -0.5 * whole):
            raise ValueError(
                f"coords={self.coords!r}, and {finite[np.abs(finite).argmax()]:g} is given; "
                "coords='pixel' for pixels"
            )
        return np.asarray(array / whole * np.array([self.width - 1, self.height - 1]))

    def pixels(self, points: Any, what: str = "points") -> npt.NDArray[np.float64]:
        """(N, 2) pixels of points: pixels as they are, 3-D points projected.

        Raises:
            FrameOfReferenceError: 3-D points and no frame, or pixels of another frame.
        """
        if isinstance(points, Points) and points.shape[-1] == 3:
            return self._projected(points)
        known = isinstance(points, Points)
        if isinstance(points, Points) and self.frame is not None:
            points = require_ref(points, pixel_ref(self.frame), what).plain
        array = np.asarray(points, dtype=np.float64)
        if array.size == 0:
            return np.zeros((0, 2))
        if array.shape[-1] == 3:
            raise FrameOfReferenceError(
                f"{what} with three columns have no frame of reference",
                hint="geometry.points(xyz, 'world') or geometry.points(xyz, frame)",
            )
        if array.shape[-1] != 2:
            raise ValueError(
                f"{what} are (N, 2) pixels or (N, 3) Points, not of shape {array.shape}"
            )
        return array.reshape(-1, 2) if known else self.scaled(array.reshape(-1, 2))

    def _projected(self, points: Points) -> npt.NDArray[np.float64]:
        if self.frame is None:
            raise FrameOfReferenceError(
                f"points in {points.ref} cannot be drawn on an image whose camera is not known",
                hint="draw on the frame itself, or pass frame=frames[0]",
            )
        return np.asarray(project(points, self.frame).plain.reshape(-1, 2))

    def line(self, a: Any, b: Any, colour: Colour, width: int | None = None) -> None:
        """A line with a dark rim, so that it is seen on any ground."""
        if not (np.isfinite(a).all() and np.isfinite(b).all()):
            return
        ends = _clipped(np.asarray(a, float), np.asarray(b, float), self.width, self.height)
        if ends is None:
            return
        stroke = width or self.stroke
        dark = (0, 0, 0) if sum(colour) > 120 else (255, 255, 255)
        cv2.line(self.image, ends[0], ends[1], dark, stroke + 2, cv2.LINE_AA)
        cv2.line(self.image, ends[0], ends[1], colour, stroke, cv2.LINE_AA)

    def holds(self, at: Any) -> bool:
        """Whether a place lies in the picture."""
        x, y = float(at[0]), float(at[1])
        return bool(-0.5 <= x < self.width - 0.5 and -0.5 <= y < self.height - 0.5)

    def dot(self, at: Any, colour: Colour, radius: int | None = None) -> None:
        """A filled dot with a rim."""
        if not np.isfinite(at).all() or np.abs(at).max() > 1e5:
            return
        place = (round(float(at[0])), round(float(at[1])))
        size = radius or 2 * self.stroke + 1
        cv2.circle(self.image, place, size + 1, (255, 255, 255), -1, cv2.LINE_AA)
        cv2.circle(self.image, place, size, colour, -1, cv2.LINE_AA)

    def label(self, text: str, at: Any, colour: Colour, *, below: bool = False) -> None:
        """Text on a ground of its colour near a place, kept inside and off earlier labels."""
        if not text or not np.isfinite(at).all():
            return
        glyphs = text_image(text, self.text_px, colour)
        height, width = glyphs.shape[:2]
        gap = 2 * self.stroke + 1
        x, y = float(at[0]), float(at[1])
        spots = [
            (x, y - height - gap),
            (x, y + gap),
            (x - width, y - height - gap),
            (x - width, y + gap),
        ]
        if below:
            spots = spots[1::2] + spots[0::2]
        spots += [(x, y + k * height) for k in (1, -2, 2, -3, 3)]
        box = (0, 0, 0, 0)
        for left, top in spots:
            column = int(np.clip(left, 0, max(0, self.width - width)))
            row = int(np.clip(top, 0, max(0, self.height - height)))
            box = (column, row, column + width, row + height)
            if not any(_overlap(box, other) for other in self._labels):
                break
        self._labels.append(box)
        rows = slice(box[1], min(box[3], self.height))
        columns = slice(box[0], min(box[2], self.width))
        part = self.image[rows, columns]
        part[:] = glyphs[: part.shape[0], : part.shape[1]]

    def done(self, caption: str = "") -> Drawing:
        """The picture, as an array that remembers its frame and what it shows."""
        drawing = self.image.view(Drawing)
        drawing.frame, drawing.caption = self.frame, caption
        return drawing


def as_image(picture: Any) -> Image:
    """A new (H, W, 3) uint8 RGB image from an array of any usual kind."""
    array = np.asarray(picture)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)):
        raise TypeError(
            f"draw on a frame or an (H, W, 3) uint8 image, not {type(picture).__name__} of shape "
            f"{array.shape}"
        )
    if array.dtype == bool:
        array = array.astype(np.uint8) * 255
    elif array.dtype.kind == "f":
        finite = array[np.isfinite(array)]
        top = 1.0 if finite.size == 0 or finite.max() <= 1.0 else 255.0
        array = (np.nan_to_num(array) / top * 255).clip(0, 255).astype(np.uint8)
    elif array.dtype == np.uint16:
        array = (array // 257).astype(np.uint8)
    elif array.dtype != np.uint8:
        array = array.clip(0, 255).astype(np.uint8)
    if array.ndim == 2:
        array = np.repeat(array[..., None], 3, axis=2)
    if array.shape[2] == 4:
        alpha = array[..., 3:].astype(np.float32) / 255
        array = (array[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)
    return np.array(array, dtype=np.uint8, order="C", copy=True, subok=False)


def text_image(text: str, size_px: int, colour: Colour) -> Image:
    """Text on a ground, (h, w, 3) uint8; black or white letters, whichever reads better."""
    from PIL import Image as Pillow
    from PIL import ImageDraw

    red, green, blue = colour
    bright = 0.299 * red + 0.587 * green + 0.114 * blue > 140
    font = _font(size_px)
    left, _top, right, _bottom = font.getbbox(text)
    pad = max(2, size_px // 6)
    sheet = Pillow.new("RGB", (int(right - left) + 2 * pad, int(size_px * 1.2) + pad), colour)
    ink = (0, 0, 0) if bright else (255, 255, 255)
    ImageDraw.Draw(sheet).text((pad - left, pad // 2), text, font=font, fill=ink)
    return np.asarray(sheet, dtype=np.uint8)


@functools.lru_cache(maxsize=32)
def _font(size_px: int) -> Any:
    from PIL import ImageFont

    # matplotlib brings a font with Greek, Cyrillic and symbols; found without importing it.
    spec = importlib.util.find_spec("matplotlib")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"
        if path.is_file():
            return ImageFont.truetype(str(path), size_px)
    return ImageFont.load_default(size_px)


def labels_for(labels: Any, count: int, known: Sequence[str] = ()) -> list[str]:
    """One label for each item: as given, the names the items carry, or numbers.

    Args:
        labels: A list, one text for a single item, True (names or numbers), False or None (names
            only).
        count: Number of items.
        known: Names that the items carry.

    Raises:
        ValueError: The number of labels differs from the number of items.
    """
    if isinstance(labels, str):
        labels = [labels]
    if labels is None or labels is False:
        return list(known) if labels is None and known else [""] * count
    if labels is True:
        return [name or str(i) for i, name in enumerate(known or [""] * count)]
    texts = [str(label) for label in labels]
    if len(texts) != count:
        raise ValueError(f"{len(texts)} labels for {count} items")
    return texts


def _overlap(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _clipped(
    a: npt.NDArray[np.float64], b: npt.NDArray[np.float64], width: int, height: int
) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """The part of a line near the picture (Liang-Barsky), whole pixels; None when it misses it."""
    margin = 50.0
    low, high = 0.0, 1.0
    step = b - a
    for start, delta, least, most in (
        (a[0], step[0], -margin, width + margin),
        (a[1], step[1], -margin, height + margin),
    ):
        if abs(delta) < 1e-12:
            if start < least or start > most:
                return None
            continue
        first, last = sorted(((least - start) / delta, (most - start) / delta))
        low, high = max(low, first), min(high, last)
        if low > high:
            return None
    p, q = a + low * step, a + high * step
    return (round(float(p[0])), round(float(p[1]))), (round(float(q[0])), round(float(q[1])))
