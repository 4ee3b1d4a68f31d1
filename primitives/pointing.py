"""Where a thing may be: what the VLM, pointing models and detectors say, side by side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spatialclaw.primitives import modelled
from spatialclaw.primitives.errors import NothingFound, PrimitiveError, Unavailable
from spatialclaw.primitives.frames import Frame
from spatialclaw.primitives.imaging import as_frame
from spatialclaw.primitives.rich import Rich

__all__ = ["Candidates", "candidates"]

Floats = npt.NDArray[np.float64]

# Two points nearer than this part of the picture's diagonal mean one thing.
SAME = 0.03


@dataclass(eq=False)
class Candidates(Rich):
    """Places where a thing may be, those first that most sources name.

    Attributes:
        frame: The frame.
        what: What was looked for.
        points: (N, 2) pixels.
        by: Who named each: tuples of "vlm", a model's name or a method.
        note: Who could not say, and why.
    """

    frame: Frame
    what: str
    points: Floats
    by: list[tuple[str, ...]]
    note: str = ""

    def __len__(self) -> int:
        return len(self.points)

    @property
    def picture(self) -> Any:
        """The frame with the candidates numbered from 0: to look at before one is taken."""
        from spatialclaw.primitives import draw

        return draw.points(self.frame, self.points, [str(i) for i in range(len(self))])

    def __repr__(self) -> str:
        rows = [
            f"  [{i}] ({x:.0f}, {y:.0f}) by {', '.join(who)}"
            for i, ((x, y), who) in enumerate(zip(self.points, self.by, strict=True))
        ]
        head = f"<Candidates for {self.what!r} in frame {self.frame.position}: {len(self)}>"
        return "\n".join([head, *rows, *([f"  {self.note}"] if self.note else [])])


def candidates(frame: Any, what: str) -> Candidates:
    """Every place where something may be, by all who can point: VLM, models and `segment`.

    Two sources that agree are worth more than one that is sure: look at ``.picture`` and take a
    point by its number.

    Args:
        frame: A frame.
        what: What to find, as one would say it.

    Returns:
        `Candidates`: ``.points`` (N, 2), ``.by``, ``.picture`` with numbers.

    Raises:
        NothingFound: Nobody sees it.
        Unavailable: Nobody here can say.

    Example:
        >>> c = candidates(frames[0], "the handle of the left mug")
        >>> show(c.picture); print(c)
    """
    if not isinstance(what, str) or not what.strip():
        raise ValueError("candidates(frame, what): say what to find")
    picture = as_frame(frame)
    sources: list[Callable[[], list[tuple[str, Floats]]]] = [
        lambda: _by_vlm(picture, what),
        lambda: _by_models(picture, what),
        lambda: _by_segments(picture, what),
    ]
    named: list[tuple[str, Floats]] = []
    silent: list[str] = []
    unsure = False
    for source in sources:
        try:
            named += source()
        except NothingFound as error:
            unsure = True
            silent.append(error.message)
        except PrimitiveError as error:  # one source less; the note tells
            silent.append(error.message)
    if not named:
        kind = NothingFound if unsure else Unavailable
        raise kind(f"nobody points at {what!r}: {'; '.join(silent)}", hint=f"look(frame, {what!r})")
    points, by = _merged(named, SAME * float(np.hypot(picture.width, picture.height)))
    return Candidates(picture, what, points, by, "; ".join(silent))


def _by_vlm(frame: Frame, what: str) -> list[tuple[str, Floats]]:
    from spatialclaw.primitives.vlm import locate

    return [("vlm", np.asarray(point, dtype=np.float64)) for point in locate(frame, what)]


def _by_models(frame: Frame, what: str) -> list[tuple[str, Floats]]:
    if not modelled.has_model("point"):
        return []
    return modelled.points_of(frame, what)


def _by_segments(frame: Frame, what: str) -> list[tuple[str, Floats]]:
    from spatialclaw.primitives.segment import segment

    return [(mask.method, _inside(mask)) for mask in list(segment(frame, what))[:10]]


def _inside(mask: Any) -> Floats:
    """The pixel of a mask that is farthest from its edge: the mean may lie in a hole."""
    if not mask.mask.any():
        return np.asarray(mask.center, dtype=np.float64)
    import cv2

    padded = np.pad(mask.mask.astype(np.uint8), 1)
    depth = cv2.distanceTransform(padded, cv2.DIST_L2, 3)[1:-1, 1:-1]
    y, x = np.unravel_index(int(depth.argmax()), depth.shape)
    return np.array([x, y], dtype=np.float64)


def _merged(named: list[tuple[str, Floats]], near: float) -> tuple[Floats, list[tuple[str, ...]]]:
    """Points of different sources that lie together become one; most sources first."""
    groups: list[dict[str, Floats]] = []
    for who, point in named:
        for group in groups:
            middle = np.mean(list(group.values()), axis=0)
            if who not in group and np.linalg.norm(middle - point) <= near:
                group[who] = point
                break
        else:
            groups.append({who: point})
    groups.sort(key=lambda group: -len(group))
    # The first to name it says where: means of two opinions may miss a thin thing.
    points = np.array([next(iter(group.values())) for group in groups])
    return points, [tuple(group) for group in groups]
