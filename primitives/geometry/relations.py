"""How one thing lies to another as a camera sees them: left, above, in front, with margins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from spatialclaw.primitives.errors import FrameOfReferenceError, PrimitiveError
from spatialclaw.primitives.frames import Frame
from spatialclaw.primitives.geometry.camera import project, to_camera
from spatialclaw.primitives.geometry.gravity import gravity
from spatialclaw.primitives.geometry.places import frame_behind, name_of, position_of
from spatialclaw.primitives.geometry.points import Points
from spatialclaw.primitives.results import Mask

__all__ = ["Relation", "RelationPart", "relation"]

_WORDS = {
    "left": ("side", -1.0),
    "right": ("side", 1.0),
    "above": ("height", 1.0),
    "below": ("height", -1.0),
    "over": ("height", 1.0),
    "under": ("height", -1.0),
    "higher": ("height", 1.0),
    "lower": ("height", -1.0),
    "in front": ("depth", -1.0),
    "front": ("depth", -1.0),
    "closer": ("depth", -1.0),
    "nearer": ("depth", -1.0),
    "behind": ("depth", 1.0),
    "back": ("depth", 1.0),
    "farther": ("depth", 1.0),
    "further": ("depth", 1.0),
}


@dataclass(eq=False)
class RelationPart:
    """One of side, height and depth.

    Attributes:
        word: Such as "left".
        difference: Signed: + right, + above, + behind (farther).
        unit: "m", "px", or "" without scale.
        sigma: One standard deviation of the difference, or None.
        method: What it was computed from.
    """

    word: str
    difference: float
    unit: str
    sigma: float | None
    method: str

    @property
    def margin(self) -> float:
        """Absolute difference: by so much the answer holds."""
        return abs(self.difference)

    @property
    def sigmas(self) -> float | None:
        """The margin in standard deviations, or None when sigma is not known."""
        return None if not self.sigma else self.margin / self.sigma

    def __repr__(self) -> str:
        sure = "" if self.sigmas is None else f", {self.sigmas:.1f} sigma"
        return f"{self.word} by {self.margin:.3g} {self.unit}{sure} ({self.method})"


@dataclass(eq=False)
class Relation:
    """How a lies to b as seen by a camera.

    Attributes:
        side: "left" or "right".
        height: "above" or "below", along gravity where it is known.
        depth: "in front" (nearer to the camera) or "behind"; None without depth.
        a: Name of the first.
        b: Name of the second.
    """

    side: RelationPart
    height: RelationPart
    depth: RelationPart | None
    a: str = ""
    b: str = ""
    parts: list[RelationPart] = field(init=False)

    def __post_init__(self) -> None:
        found = [self.side, self.height, self.depth]
        self.parts = sorted((p for p in found if p is not None), key=lambda p: -p.margin)

    @property
    def words(self) -> list[str]:
        """The words that hold, the clearest first."""
        return [part.word for part in self.parts]

    @property
    def main(self) -> str:
        """The clearest word."""
        return self.parts[0].word

    @property
    def margin(self) -> float:
        """The margin of `main`."""
        return self.parts[0].margin

    def among(self, options: Sequence[str]) -> tuple[str, float]:
        """The option that holds best, and its margin (negative when none holds).

        Args:
            options: Such as ["left", "right"], ["above", "below"], ["in front", "behind"].
        """
        scored = [(self._signed(option), option) for option in options]
        scored = [(value, option) for value, option in scored if np.isfinite(value)]
        if not scored:
            raise PrimitiveError(
                f"none of {list(options)} can be told without depth", hint="things with depth"
            )
        value, option = max(scored, key=lambda pair: pair[0])
        return option, value

    def _signed(self, option: str) -> float:
        text = option.lower()
        found = [
            sign * part.difference if part is not None else float("nan")
            for word, (name, sign) in _WORDS.items()
            if word in text
            for part in [getattr(self, name)]
        ]
        if not found:
            raise ValueError(f"{option!r} is not left, right, above, below, in front or behind")
        return float(min(found))

    def __repr__(self) -> str:
        lines = "; ".join(repr(part) for part in self.parts)
        return f"<Relation: {self.a or 'a'} to {self.b or 'b'}: {lines}>"


def relation(a: Any, b: Any, frame: Frame | int | None = None, *, depth: Any = None) -> Relation:
    """How a lies to b as a camera sees them: left/right, above/below, in front/behind.

    With depth: metres along the camera's right, along gravity, and in depth. Without: pixels, for
    side and height only.

    Args:
        a: `Points`, a `Mask`, a `Box3D`, or a pixel (x, y) with `frame`.
        b: The same kinds.
        frame: The frame that looks; None: the one that saw a.
        depth: As for `unproject`.

    Returns:
        A `Relation`: ``.side.word``, ``.height.word``, ``.depth.word``, each with ``.margin``.

    Example:
        ``geometry.relation(cup, laptop).among(["left", "right"])``
    """
    where = frame_behind(a, b, frame=frame)
    if where is None:
        raise FrameOfReferenceError(
            "nothing says which camera looks", hint="geometry.relation(a, b, frame=frames[0])"
        )
    try:
        first = to_camera(position_of(a, frame=where, depth=depth), where)
        second = to_camera(position_of(b, frame=where, depth=depth), where)
    except PrimitiveError as error:
        if isinstance(error, FrameOfReferenceError):
            raise
        return _in_pixels(a, b, where)
    offset = first.plain - second.plain
    up = gravity(where, assume_level=True)
    sigma = None
    if first.sigma is not None and second.sigma is not None:
        sigma = float(np.hypot(float(first.sigma), float(second.sigma)))
    unit = "m" if first.metric and second.metric else ""
    # In perspective the nearer of two things can be left in the picture and right in metres: the
    # picture decides, since that is what "left of" means to someone who looks at it.
    pixel_a, pixel_b = _pixel(first, a, where), _pixel(second, b, where)
    across = float(pixel_a[0] - pixel_b[0])
    side = float(offset[0])
    side_part = (
        RelationPart("right" if side > 0 else "left", side, unit, sigma, "along camera x")
        if side * across >= 0
        else RelationPart("right" if across > 0 else "left", across, "px", None, "in the picture")
    )
    rise = float(offset @ up.plain)
    height = RelationPart("above" if rise > 0 else "below", rise, unit, sigma, f"up by {up.method}")
    away = float(offset[2])
    behind = RelationPart("behind" if away > 0 else "in front", away, unit, sigma, "depth")
    return Relation(side_part, height, behind, name_of(a), name_of(b))


def _in_pixels(a: Any, b: Any, frame: Frame) -> Relation:
    offset = _bare_pixel(a, frame) - _bare_pixel(b, frame)
    across, down = float(offset[0]), float(offset[1])
    side = RelationPart("right" if across > 0 else "left", across, "px", None, "in the picture")
    height = RelationPart("above" if down < 0 else "below", -down, "px", None, "in the picture")
    return Relation(side, height, None, name_of(a), name_of(b))


def _pixel(point: Points, thing: Any, frame: Frame) -> npt.NDArray[np.float64]:
    if isinstance(thing, Mask):
        return thing.center
    return project(point, frame).plain


def _bare_pixel(thing: Any, frame: Frame) -> npt.NDArray[np.float64]:
    if isinstance(thing, Mask):
        return thing.center
    array = np.asarray(thing, dtype=np.float64)
    if isinstance(thing, Points) and thing.shape[-1] == 3:
        middle = thing.plain.reshape(-1, 3).mean(axis=0)
        return project(Points(middle, thing.ref), frame).plain
    if array.shape == (4,):
        return np.array([(array[0] + array[2]) / 2, (array[1] + array[3]) / 2])
    if array.ndim == 2 and array.shape == (frame.height, frame.width):
        rows, columns = np.nonzero(array)
        return np.array([columns.mean(), rows.mean()])
    return np.asarray(array.reshape(-1, 2).mean(axis=0))
