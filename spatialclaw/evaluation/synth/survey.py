"""What a set of views shows of a scene: the ground on which a question is fair or is not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spatialclaw.evaluation.synth.camera import Camera
from spatialclaw.evaluation.synth.render import View
from spatialclaw.evaluation.synth.scene import Scene, Thing, turned

__all__ = ["Sight", "Survey"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Sight:
    """One thing in one picture.

    Attributes:
        pixels: How many show it.
        box: (x0, y0, x1, y1) around them.
        whole: Whether the box stays clear of the picture's edges.
        points: (N, 3) the seen surface, world, metres.
        depths: (N,) along the optical axis, metres.
    """

    pixels: int
    box: tuple[float, float, float, float]
    whole: bool
    points: Floats
    depths: Floats


class Survey:
    """Everything seen of every thing in a set of views.

    Args:
        scene: The scene.
        cameras: Where it was seen from.
        views: What was seen.
    """

    def __init__(self, scene: Scene, cameras: Sequence[Camera], views: Sequence[View]) -> None:
        self.scene = scene
        self.cameras = list(cameras)
        self.sights: dict[tuple[int, int], Sight] = {}
        for index, (camera, view) in enumerate(zip(cameras, views, strict=True)):
            for number in np.unique(view.instances):
                if number:
                    mask = view.instances == number
                    self.sights[int(number), index] = _sight(camera, view, mask)
        self._seen: dict[int, Floats] = {}
        self._boxes: dict[int, tuple[Floats, Floats]] = {}
        self._clouds: dict[tuple[int, bool], tuple[Floats, Any]] = {}

    def sight(self, thing: Thing, frame: int) -> Sight | None:
        """The thing in that picture, or None."""
        return self.sights.get((thing.id, frame))

    def pixels(self, thing: Thing, frame: int) -> int:
        """How many pixels of that picture show it."""
        sight = self.sight(thing, frame)
        return 0 if sight is None else sight.pixels

    def clear(self, thing: Thing, frame: int, least: int = 500) -> bool:
        """Whether the picture shows the whole thing, and large enough to speak of it."""
        sight = self.sight(thing, frame)
        return sight is not None and sight.whole and sight.pixels >= least

    def seen(self, thing: Thing) -> Floats:
        """(N, 3) all that the views together see of the thing, world, metres."""
        if thing.id not in self._seen:
            points = [s.points for (number, _), s in self.sights.items() if number == thing.id]
            self._seen[thing.id] = np.concatenate(points) if points else np.zeros((0, 3))
        return self._seen[thing.id]

    def seen_box(self, thing: Thing) -> tuple[Floats, Floats]:
        """Centre (3,) and extent (3,) of the box around what is seen of it, along its own axes."""
        if thing.id not in self._boxes:
            points = self.seen(thing)
            if not len(points):
                return np.full(3, np.nan), np.zeros(3)
            local = points @ turned(thing.yaw)
            low, high = local.min(0), local.max(0)
            self._boxes[thing.id] = (turned(thing.yaw) @ ((low + high) / 2), high - low)
        return self._boxes[thing.id]

    def measurable(self, thing: Thing, share: float = 0.04, slack: float = 0.015) -> bool:
        """Whether the views together see it from end to end along each of its axes."""
        _, extent = self.seen_box(thing)
        return bool(
            np.all(np.abs(extent - thing.extent) <= np.maximum(slack, share * thing.extent))
        )

    def solid(self, thing: Thing) -> bool:
        """Whether enough of it is seen near its ends that its size is no matter of a few pixels."""
        local = self.seen(thing) @ turned(thing.yaw)
        if not len(local):
            return False
        low, high = np.percentile(local, [0.5, 99.5], axis=0)
        return bool(np.all(high - low >= 0.88 * thing.extent - 0.015))

    def gap(self, one: Thing, other: Thing) -> tuple[float, float]:
        """Smallest distance between two things: true, and as the views see it; metres."""
        return self._gap(one, other, True), self._gap(one, other, False)

    def _gap(self, one: Thing, other: Thing, true: bool) -> float:
        points, _ = self._cloud(one, true)
        others, tree = self._cloud(other, true)
        if not len(points) or tree is None:
            return float("nan")
        # A few points tell how far at most, and that leaves few to look at closely.
        most = float(tree.query(points[::40])[0].min()) + 1e-9
        low, high = others.min(0) - most, others.max(0) + most
        near = points[((points >= low) & (points <= high)).all(1)]
        return float(min(most, tree.query(near, distance_upper_bound=most)[0].min()))

    def _cloud(self, thing: Thing, true: bool) -> tuple[Floats, Any]:
        """Points of a thing, of its true surface or as seen, and a tree to search them."""
        from scipy.spatial import cKDTree

        key = (thing.id, true)
        if key not in self._clouds:
            points = thing.surface(16_000) if true else self.seen(thing)
            points = points[:: max(1, len(points) // 16_000)]
            self._clouds[key] = (points, cKDTree(points) if len(points) else None)
        return self._clouds[key]


def _sight(camera: Camera, view: View, mask: npt.NDArray[np.bool_]) -> Sight:
    y, x = np.nonzero(mask)
    height, width = mask.shape
    box = (float(x.min()), float(y.min()), float(x.max()), float(y.max()))
    whole = box[0] > 2 and box[1] > 2 and box[2] < width - 3 and box[3] < height - 3
    return Sight(
        len(x), box, whole, camera.unproject(view.depth, mask), view.depth[mask].astype(float)
    )
