"""What perception gives back: arrays that say which method made them and how sure it is.

Every result carries `method` (a short name such as "rgbd", "sgbm" or "grabcut"), a confidence in
0..1 or a standard deviation, and the frame it belongs to; it prints as one useful line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from spatialclaw.primitives.rich import Rich

__all__ = ["DepthMap", "Flow", "Mask", "Masks", "Matches", "Track", "Tracks"]

BoolMask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


@dataclass(eq=False)
class Mask(Rich):
    """One thing in one frame.

    Attributes:
        mask: (H, W) bool, in the pixels of the frame.
        frame: Position of the frame (`frames[mask.frame]`).
        label: What it is, as far as known.
        score: Confidence, 0..1.
        method: What made it: "capture", "grabcut", "colour", "aruco", "hog" and so on.
        id: Instance id, equal for the same thing in other frames where the method knows; else None.
        box: (x0, y0, x1, y1) pixels, tight around the mask (or as detected when there is no mask).
        points: (N, 2) pixels that matter for it, such as the corners of a marker, or None.
        extra: What else the method knows, such as {"marker_id": 24}.
    """

    mask: BoolMask
    frame: int
    label: str = ""
    score: float = 1.0
    method: str = ""
    id: int | None = None
    points: Floats | None = None
    extra: dict[str, Any] = field(default_factory=dict)
    box: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        if self.box == (0.0, 0.0, 0.0, 0.0) and self.mask.any():
            rows = np.flatnonzero(self.mask.any(axis=1))
            columns = np.flatnonzero(self.mask.any(axis=0))
            self.box = (
                float(columns[0]),
                float(rows[0]),
                float(columns[-1]),
                float(rows[-1]),
            )

    @property
    def area_px(self) -> int:
        """Number of pixels."""
        return int(self.mask.sum())

    @property
    def center(self) -> Floats:
        """(2,) pixel: the mean of the mask, or the middle of the box when the mask is empty."""
        if self.mask.any():
            rows, columns = np.nonzero(self.mask)
            return np.array([columns.mean(), rows.mean()])
        x0, y0, x1, y1 = self.box
        return np.array([(x0 + x1) / 2, (y0 + y1) / 2])

    def __repr__(self) -> str:
        x0, y0, x1, y1 = self.box
        return (
            f"<Mask {self.label!r} in frame {self.frame}, box ({x0:.0f}, {y0:.0f}, {x1:.0f}, "
            f"{y1:.0f}), {self.area_px} px, score {self.score:.2f} by {self.method}>"
        )


class Masks(Sequence[Mask], Rich):
    """Several `Mask`, filtered and sliced like an array: ``masks[masks.scores > 0.5]``."""

    def __init__(self, masks: Sequence[Mask] = (), *, method: str = "", note: str = "") -> None:
        self._masks = list(masks)
        self.method = method or ", ".join(sorted({m.method for m in self._masks}))
        self.note = note

    @overload
    def __getitem__(self, key: int) -> Mask: ...
    @overload
    def __getitem__(self, key: slice | npt.NDArray[Any] | list[int] | list[bool]) -> Masks: ...
    def __getitem__(self, key: Any) -> Mask | Masks:
        if isinstance(key, int | np.integer):
            return self._masks[int(key)]
        if isinstance(key, slice):
            return Masks(self._masks[key], method=self.method, note=self.note)
        picks = np.arange(len(self._masks))[np.asarray(key)]
        return Masks([self._masks[int(i)] for i in picks], method=self.method, note=self.note)

    def __len__(self) -> int:
        return len(self._masks)

    def __iter__(self) -> Iterator[Mask]:
        return iter(self._masks)

    @property
    def labels(self) -> list[str]:
        """The label of each."""
        return [m.label for m in self._masks]

    @property
    def scores(self) -> Floats:
        """(N,) confidence of each, 0..1."""
        return np.array([m.score for m in self._masks], dtype=np.float64)

    @property
    def boxes(self) -> Floats:
        """(N, 4) boxes (x0, y0, x1, y1), pixels."""
        return np.array([m.box for m in self._masks], dtype=np.float64).reshape(-1, 4)

    @property
    def centers(self) -> Floats:
        """(N, 2) centres, pixels."""
        return np.array([m.center for m in self._masks], dtype=np.float64).reshape(-1, 2)

    def filter(self, keep: Callable[[Mask], bool]) -> Masks:
        """Those for which `keep` is true."""
        return Masks([m for m in self._masks if keep(m)], method=self.method, note=self.note)

    def __repr__(self) -> str:
        if not self._masks:
            return (
                f"<Masks: none by {self.method or 'no method'}{'; ' * bool(self.note)}{self.note}>"
            )
        lines = [f"<Masks: {len(self._masks)} by {self.method}>"]
        lines += [f"  [{i}] {mask!r}" for i, mask in enumerate(self._masks[:20])]
        if len(self._masks) > 20:
            lines.append(f"  ... and {len(self._masks) - 20} more")
        return "\n".join(lines)


@dataclass(eq=False)
class DepthMap(Rich):
    """Depth of one frame.

    Attributes:
        depth: (H, W) float32 along the optical axis; metres if `metric`, else up to one unknown
            scale; NaN where unknown.
        sigma: (H, W) float32 one standard deviation in the same unit, NaN where unknown.
        frame: Position of the frame.
        method: "rgbd", "lidar", "sgbm", "two-view" and so on.
        metric: Whether the unit is the metre.
        confidence: 0..1 for the map as a whole.
        note: What to know about it, one line.
    """

    depth: npt.NDArray[np.float32]
    sigma: npt.NDArray[np.float32]
    frame: int
    method: str
    metric: bool = True
    confidence: float = 1.0
    note: str = ""

    @property
    def coverage(self) -> float:
        """Part of the pixels that have a depth, 0..1."""
        return float(np.isfinite(self.depth).mean())

    def __repr__(self) -> str:
        unit = "m" if self.metric else "(no scale)"
        values = self.depth[np.isfinite(self.depth)]
        span = (
            f"mostly {np.percentile(values, 2):.2f} to {np.percentile(values, 98):.2f} {unit}"
            if values.size
            else "nothing known"
        )
        note = f"; {self.note}" if self.note else ""
        return (
            f"<DepthMap of frame {self.frame} by {self.method}: {span}, "
            f"{self.coverage:.0%} of pixels{note}>"
        )


@dataclass(eq=False)
class Flow(Rich):
    """Optical flow from one frame to another.

    Attributes:
        flow: (H, W, 2) float32 pixels: where each pixel of `frame` goes, (dx, dy).
        frame: Position of the first frame.
        to: Position of the second.
        method: "dis" and so on.
        confidence: (H, W) float32 0..1 by forward-backward agreement.
    """

    flow: npt.NDArray[np.float32]
    frame: int
    to: int
    method: str
    confidence: npt.NDArray[np.float32]

    def __repr__(self) -> str:
        length = np.linalg.norm(self.flow, axis=-1)
        return (
            f"<Flow {self.frame} -> {self.to} by {self.method}: median {np.median(length):.2f} px, "
            f"95 % below {np.percentile(length, 95):.2f} px>"
        )


@dataclass(eq=False)
class Matches(Rich):
    """Points of one frame found again in another.

    Attributes:
        points_a: (N, 2) pixels in `frame_a`.
        points_b: (N, 2) pixels in `frame_b`.
        scores: (N,) 0..1.
        frame_a: Position of the first frame.
        frame_b: Position of the second.
        method: "sift" and so on.
    """

    points_a: Floats
    points_b: Floats
    scores: Floats
    frame_a: int
    frame_b: int
    method: str

    def __len__(self) -> int:
        return len(self.points_a)

    def __repr__(self) -> str:
        return f"<Matches {self.frame_a} -> {self.frame_b} by {self.method}: {len(self)} pairs>"


@dataclass(eq=False)
class Track(Rich):
    """One thing followed through time.

    Attributes:
        id: Number of the track.
        frames: (N,) positions of the frames.
        times: (N,) seconds, NaN when unknown.
        boxes: (N, 4) boxes (x0, y0, x1, y1), pixels.
        label: What it is.
        method: What made it.
        score: 0..1.
        masks: N masks (H, W) bool where the method cuts things out, else None.
    """

    id: int
    frames: npt.NDArray[np.int64]
    times: Floats
    boxes: Floats
    label: str = ""
    method: str = ""
    score: float = 1.0
    masks: list[BoolMask] | None = None

    @property
    def centers(self) -> Floats:
        """(N, 2) middles of the boxes, pixels."""
        return (self.boxes[:, :2] + self.boxes[:, 2:]) / 2

    def __len__(self) -> int:
        return len(self.frames)

    def __repr__(self) -> str:
        return (
            f"<Track {self.id} {self.label!r}: frames {self.frames[0]}-{self.frames[-1]}, "
            f"{len(self)} boxes, score {self.score:.2f} by {self.method}>"
        )


class Tracks(list[Track], Rich):
    """A list of `Track` with the method that made them in `method`."""

    def __init__(self, tracks: Sequence[Track] = (), *, method: str = "", note: str = "") -> None:
        super().__init__(tracks)
        self.method = method
        self.note = note

    def __repr__(self) -> str:
        lines = [
            f"<Tracks: {len(self)} by {self.method}>",
            *(f"  {track!r}" for track in self[:20]),
        ]
        return "\n".join(lines)
