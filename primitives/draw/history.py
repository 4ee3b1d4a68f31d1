"""What was drawn on a picture, mark by mark: labels that move, undo, before and after."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from spatialclaw.primitives.draw.canvas import Canvas, Drawing, as_image
from spatialclaw.primitives.errors import NothingFound
from spatialclaw.primitives.frames import Frame, Frames

__all__ = ["Mark", "before_after", "erase", "marks", "put", "redraw", "undo"]

Coordinates = Literal["pixel", "0-1", "0-1000"]
Painter = Callable[[Canvas, dict[str, Any], int], Any]

# Marks without a label after which a drawing becomes a picture of its own.
MAX_LOOSE = 64
MAX_IMAGES = 64


@dataclass(frozen=True, eq=False)
class Mark:
    """One thing that was drawn.

    Attributes:
        kind: "boxes", "points", "lines", "arrows", "polylines", "masks", "text" or "grid".
        label: Its name on the picture, by which it is moved and erased; None: it has none.
        at: (N, 2) pixels of its corners or points.
    """

    kind: str
    label: str | None
    at: Any
    _paint: Painter
    _given: dict[str, Any]
    _frame: Frame | None = None
    _coords: str = "pixel"
    _order: int = 0

    def __repr__(self) -> str:
        name = repr(self.label) if self.label is not None else "(no label)"
        rows = [f"({x:.0f}, {y:.0f})" for x, y in self.at[:4]]
        more = f" and {len(self.at) - 4} more" if len(self.at) > 4 else ""
        place = f" at {', '.join(rows)}{more}" if rows else ""
        return f"<Mark {name}: {self.kind}{place}>"


@dataclass(eq=False)
class Ground:
    """What marks lie on: a frame, or an image with the frame it was taken with, if known."""

    picture: Any
    frame: Frame | None = None
    _key: Any = None

    @property
    def key(self) -> Any:
        """The same for the same picture, whichever array holds it."""
        if self._key is None:
            pixels = self.picture.image if isinstance(self.picture, Frame) else self.picture
            data = np.ascontiguousarray(pixels).data
            digest = hashlib.blake2b(data, digest_size=12).digest()
            place = (
                (self.picture.sequence, self.picture.position)
                if isinstance(self.picture, Frame)
                else None
            )
            self._key = (place, pixels.shape, digest)
        return self._key


@dataclass(eq=False)
class _Sheet:
    """The labelled history of one picture: its states, the newest last."""

    ground: Ground
    states: list[tuple[Mark, ...]] = field(default_factory=lambda: [()])


# Plain state of this process: a snapshot of a kernel keeps it with everything else.
_sheets: dict[Any, _Sheet] = {}


def put(
    picture: Any,
    kind: str,
    paint: Painter,
    *,
    label: str | None = None,
    coords: str = "pixel",
    frame: Frame | None = None,
    given: dict[str, Any],
) -> Drawing:
    """Draws one mark and gives the new picture.

    With a label, the mark joins those that the picture has, in place of the one of that label;
    without, it is drawn on the picture as it was given.
    """
    if coords not in ("pixel", "0-1", "0-1000"):
        raise ValueError(f"coords={coords!r}: use 'pixel', '0-1' or '0-1000'")
    ground, kept = _ground(picture, frame)
    nowhere = np.zeros((0, 2))
    mark = Mark(kind, label, nowhere, paint, {**given, "label": label}, frame, coords)
    if label is None:
        loose = tuple(kept)
        if len(loose) >= MAX_LOOSE and all(m.label is None for m in loose):
            ground, loose = Ground(np.asarray(picture), ground.frame), ()
        return _render(ground, (*loose, mark))
    if not isinstance(label, str) or not label.strip():
        raise ValueError("label: give a text, such as label='cup'")
    sheet = _sheet(ground)
    if all(m.label is None for m in kept):
        kept = (*sheet.states[-1], *kept)
    same = [m for m in kept if m.label == label]
    used = {m._order for m in kept if m.label is not None}
    order = same[0]._order if same else next(i for i in range(len(used) + 1) if i not in used)
    mark = replace(mark, _order=order)
    moved = tuple(mark if m in same else m for m in kept)
    drawn = _render(ground, moved if same else (*kept, mark))
    sheet.states.append(drawn.marks)
    return drawn


def undo(picture: Any, steps: int = 1) -> Drawing:
    """Takes back the last labelled changes of a picture.

    Args:
        picture: A frame, an image or a drawing of it.
        steps: How many changes: marks made, moved or erased.

    Returns:
        The picture as it was before them.

    Raises:
        NothingFound: Nothing with a label was drawn on it.

    Example:
        ``show(draw.undo(frames[0]))``
    """
    sheet = _drawn_on(picture)
    for _ in range(max(1, steps)):
        if len(sheet.states) > 1:
            sheet.states.pop()
    return _render(sheet.ground, sheet.states[-1])


def erase(picture: Any, label: str) -> Drawing:
    """Removes the mark of a label from a picture; `undo` brings it back.

    Raises:
        NothingFound: There is no such mark.
    """
    sheet = _drawn_on(picture)
    kept = sheet.states[-1]
    if all(mark.label != label for mark in kept):
        names = ", ".join(repr(m.label) for m in kept if m.label is not None) or "nothing"
        raise NothingFound(f"no mark {label!r} on the picture", hint=f"there is {names}")
    sheet.states.append(tuple(mark for mark in kept if mark.label != label))
    return _render(sheet.ground, sheet.states[-1])


def marks(picture: Any) -> list[Mark]:
    """What is drawn on a picture, oldest first: `.label`, `.kind`, `.at` (N, 2) pixels.

    Args:
        picture: A frame or an image (its labelled marks), or a drawing (all its marks).

    Example:
        ``print(draw.marks(frames[0]))``
    """
    ground, kept = _ground(picture, None)
    if isinstance(picture, Drawing) and kept:
        return list(kept)
    sheet = _sheets.get(ground.key)
    return list(sheet.states[-1]) if sheet is not None else []


def redraw(picture: Any) -> Drawing:
    """A frame or image with all its labelled marks.

    Args:
        picture: A frame, image or drawing with labelled marks.

    Returns:
        (H, W, 3) uint8.

    Example:
        ``show(draw.redraw(frames[0]))``
    """
    ground, _ = _ground(picture, None)
    sheet = _sheets.get(ground.key)
    return _render(ground, sheet.states[-1] if sheet is not None else ())


def before_after(picture: Any, after: Any = None, *, since: str = "last") -> Drawing:
    """Two pictures side by side: before and after the last change, or any two.

    Args:
        picture: A frame, image or drawing with labelled marks; or the picture before.
        after: The picture after; None: `picture` as it is now.
        since: "last" (before the last labelled change) or "start" (before any mark).

    Returns:
        (H, W, 3) uint8, both at full size, one above the other when they are wide.

    Example:
        ``show(draw.before_after(frames[0]))``
    """
    if since not in ("last", "start"):
        raise ValueError(f"since={since!r}: use 'last' or 'start'")
    if after is not None:
        return _pair(Canvas(picture), Canvas(after), "")
    ground, kept = _ground(picture, None)
    sheet = _sheets.get(ground.key)
    states = sheet.states if sheet is not None else [()]
    now = tuple(kept) or states[-1]
    if since == "start":
        before: tuple[Mark, ...] = ()
    elif now == states[-1] and len(states) > 1:
        before = states[-2]
    else:
        before = now[:-1]
    changed = [m for m in now if m not in before] + [m for m in before if m not in now]
    names = ", ".join(dict.fromkeys(repr(m.label) for m in changed if m.label is not None))
    what = f" of {names}" if names else ""
    return _pair(Canvas(_render(ground, before)), Canvas(_render(ground, now)), what)


def _pair(left: Canvas, right: Canvas, what: str) -> Drawing:
    for canvas, name in ((left, "before"), (right, "after")):
        canvas.clear_labels()
        canvas.label(name, (0, 0), (0, 0, 0), below=True)
    gap = max(4, left.stroke * 4)
    stacked = left.width > 1.2 * left.height
    height = left.height + gap + right.height if stacked else max(left.height, right.height)
    width = max(left.width, right.width) if stacked else left.width + gap + right.width
    sheet = np.full((height, width, 3), 255, np.uint8)
    sheet[: left.height, : left.width] = left.image
    y, x = (left.height + gap, 0) if stacked else (0, left.width + gap)
    sheet[y : y + right.height, x : x + right.width] = right.image
    return Canvas(sheet).done(f"before and after the change{what}")


def _ground(picture: Any, frame: Frame | None) -> tuple[Ground, tuple[Mark, ...]]:
    """What is drawn on, and the marks that are on it already."""
    if isinstance(picture, Drawing):
        ground, stamp = picture.ground, picture.stamp
        if ground is not None and stamp == _stamp(picture):
            if frame is not None and ground.frame is None:
                ground = Ground(ground.picture, frame, ground._key)
            return ground, tuple(picture.marks)
        # Something else changed its pixels since: a picture of its own from here on.
        return Ground(as_image(picture), frame or picture.frame), ()
    if isinstance(picture, Frame):
        return Ground(picture, frame or picture), ()
    if isinstance(picture, Frames):
        raise TypeError(f"draw on one frame, not on {len(picture)}: for example frames[0]")
    whole = _frame_of_image(picture)
    if whole is not None:
        return Ground(whole, frame or whole), ()
    return Ground(as_image(picture), frame), ()


def _frame_of_image(picture: Any) -> Frame | None:
    """The frame whose very pixels an array is: ``frames[0].image``."""
    if not isinstance(picture, np.ndarray) or picture.dtype != np.uint8 or picture.flags.writeable:
        return None
    from spatialclaw.primitives.context import all_frames

    for frame in all_frames():
        image = frame.image
        if image.ctypes.data == picture.ctypes.data and image.shape == picture.shape:
            return frame
    return None


def _sheet(ground: Ground) -> _Sheet:
    sheet = _sheets.pop(ground.key, None) or _Sheet(ground)
    _sheets[ground.key] = sheet
    while len(_sheets) > MAX_IMAGES:
        _sheets.pop(next(iter(_sheets)))
    return sheet


def _drawn_on(picture: Any) -> _Sheet:
    ground, _ = _ground(picture, None)
    sheet = _sheets.get(ground.key)
    if sheet is None or len(sheet.states) < 2:
        raise NothingFound(
            "nothing with a label was drawn on this picture",
            hint="draw.boxes(frames[0], (40, 30, 200, 180), label='cup')",
        )
    return sheet


def _render(ground: Ground, wanted: tuple[Mark, ...]) -> Drawing:
    canvas = Canvas(ground.picture, ground.frame)
    done: list[Mark] = []
    for mark in wanted:
        canvas.frame = mark._frame or ground.frame
        canvas.coords = mark._coords
        size = canvas.text_px
        at = mark._paint(canvas, mark._given, mark._order)
        canvas.text_px = size
        rows = np.asarray(at, dtype=np.float64).reshape(-1, 2)
        done.append(mark if len(mark.at) else replace(mark, at=rows))
    drawing = canvas.done()
    drawing.ground, drawing.marks = ground, tuple(done)
    drawing.stamp = _stamp(drawing)
    return drawing


def _stamp(drawing: Drawing) -> int:
    return zlib.crc32(np.ascontiguousarray(drawing).view(np.uint8).data)
