"""Bird's-eye view of a scene."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from spatialclaw.primitives.draw.canvas import Canvas, Drawing, colour_of
from spatialclaw.primitives.errors import FrameOfReferenceError, NothingFound
from spatialclaw.primitives.frames import Frame, Frames
from spatialclaw.primitives.geometry.boxes import Box3D
from spatialclaw.primitives.geometry.points import Points

__all__ = ["bev"]

Floats = npt.NDArray[np.float64]


def bev(
    scene: Any,
    objects: Sequence[Any] = (),
    *,
    path: Points | None = None,
    cameras: bool = True,
    size: int = 900,
    colours: npt.NDArray[np.uint8] | None = None,
    ceiling: float | None = None,
) -> Drawing:
    """A scene from above: world x right, y up, with scale and the camera's path.

    Args:
        scene: A scene, `frames` with depth and poses, one frame with depth, or (N, 3) `Points` in
            the world.
        objects: `Box3D` or (3,) `Points` to mark, with labels where they have them.
        path: (N, 3) way to draw, such as ``scene.path(a, b).points``.
        cameras: Draw the camera's path and viewing directions.
        size: Long side of the picture, pixels.
        colours: (N, 3) uint8 for bare points.
        ceiling: Leave out what is higher above the lowest point, metres; None: the top 15 %.

    Returns:
        (H, W, 3) uint8.

    Example:
        ``show(draw.bev(frames, scene.objects(segment(frames[0], "chair"))))``
    """
    cloud, tints, poses = _read(scene, colours)
    if len(cloud) == 0 and not objects:
        raise NothingFound("there is nothing to see from above")
    xyz = cloud.plain if len(cloud) else np.zeros((0, 3))
    if len(xyz):
        low_z, high_z = np.percentile(xyz[:, 2], [0.5, 99.5])
        top = low_z + (0.85 * (high_z - low_z) if ceiling is None else ceiling)
        keep = xyz[:, 2] <= top
        order = np.argsort(xyz[keep][:, 2], kind="stable")
        xyz, tints = xyz[keep][order], tints[keep][order]
    marks = [_flat(thing, cloud.ref) for thing in objects]
    low, high = _bounds(xyz, marks, poses if cameras else None, path)
    view = _View(low, high, size)
    if len(xyz):
        view.splat(xyz[:, :2], tints)
    canvas = Canvas(view.image)
    view.rule(canvas, cloud.metric)
    if path is not None and len(path):
        ways = view.pixels(path.plain[:, :2])
        for a, b in itertools.pairwise(ways):
            canvas.line(a, b, colour_of("cyan"))
    if cameras and poses is not None:
        _cameras(canvas, view, poses)
    for i, (outline, middle, name) in enumerate(marks):
        colour = colour_of(None, i)
        corners = view.pixels(outline)
        for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True):
            canvas.line(a, b, colour)
        if len(outline) == 1:
            canvas.dot(corners[0], colour)
        canvas.label(name, view.pixels(middle[None])[0], colour)
    view.compass(canvas)
    return canvas.done("from above: world x right, y up")


class _View:
    """The map between the world's x, y and pixels of the picture."""

    def __init__(self, low: Floats, high: Floats, size: int) -> None:
        span = np.maximum(high - low, 1e-6)
        margin = 0.06 * float(span.max())
        self.low, span = low - margin, span + 2 * margin
        self.scale = size / float(span.max())
        self.width, self.height = (max(64, round(float(v) * self.scale)) for v in span)
        self.image = np.full((self.height, self.width, 3), 245, dtype=np.uint8)

    def pixels(self, flat: Floats) -> Floats:
        x = (flat[:, 0] - self.low[0]) * self.scale
        y = self.height - 1 - (flat[:, 1] - self.low[1]) * self.scale
        return np.stack([x, y], axis=1)

    def splat(self, flat: Floats, tints: npt.NDArray[np.uint8]) -> None:
        pixels = np.round(self.pixels(flat)).astype(int)
        inside = (
            (pixels >= 0).all(axis=1) & (pixels[:, 0] < self.width) & (pixels[:, 1] < self.height)
        )
        x, y = pixels[inside].T
        self.image[y, x] = tints[inside]
        known = np.zeros((self.height, self.width), dtype=bool)
        known[y, x] = True
        # Points grow until they about touch.
        spacing = float(np.sqrt(self.width * self.height / max(1, len(flat))))
        for _ in range(int(np.clip(round(1.5 * spacing), 1, 4))):
            before, colours = known.copy(), self.image.copy()
            for axis, step in ((0, 1), (0, -1), (1, 1), (1, -1)):
                grown = np.roll(before, step, axis=axis) & ~known
                self.image[grown] = np.roll(colours, step, axis=axis)[grown]
                known |= grown

    def rule(self, canvas: Canvas, metric: bool) -> None:
        """A scale: one round length."""
        target = 0.2 * self.width / self.scale
        exponent = np.floor(np.log10(target))
        length = max(
            (m * 10.0**exponent for m in (1, 2, 5) if m * 10.0**exponent <= target),
            default=10.0**exponent,
        )
        y = self.height - 3 * canvas.stroke - 4
        x = 3 * canvas.stroke + 4
        end = x + length * self.scale
        canvas.line((x, y), (end, y), (0, 0, 0), 2 * canvas.stroke)
        canvas.label(f"{length:g} {'m' if metric else '(no scale)'}", (x, y), (255, 255, 255))

    def compass(self, canvas: Canvas) -> None:
        reach = max(24, min(self.width, self.height) // 14)
        centre = np.array([self.width - 1.6 * reach, 1.6 * reach])
        for name, step in (("x", (1, 0)), ("y", (0, -1))):
            head = centre + reach * np.array(step)
            cv2.arrowedLine(
                canvas.image,
                (int(centre[0]), int(centre[1])),
                (int(head[0]), int(head[1])),
                (0, 0, 0),
                canvas.stroke,
                cv2.LINE_AA,
                tipLength=0.3,
            )
            canvas.label(name, head, (255, 255, 255), below=name == "x")


def _read(
    scene: Any, colours: npt.NDArray[np.uint8] | None
) -> tuple[Points, npt.NDArray[np.uint8], Floats | None]:
    if isinstance(scene, Frame | Frames):
        from spatialclaw.primitives.scene import Scene

        scene = Scene.from_frames(scene)
    if hasattr(scene, "poses") and hasattr(scene, "colours"):
        return scene.points(), scene.colours(), scene.poses
    if not isinstance(scene, Points) or scene.ndim != 2 or scene.shape[1] != 3:
        raise FrameOfReferenceError(
            "a bird's-eye view needs a scene or (N, 3) Points in the world",
            hint="geometry.points(xyz, 'world') or geometry.scene(frames)",
        )
    if not scene.ref.startswith("world"):
        raise FrameOfReferenceError(
            f"points in {scene.ref} have no up; the view from above needs the world",
            hint="geometry.to_world(points, frame)",
        )
    tints = (
        np.full((len(scene), 3), 120, dtype=np.uint8) if colours is None else np.asarray(colours)
    )
    return scene, tints, None


def _flat(thing: Any, ref: str) -> tuple[Floats, Floats, str]:
    """Outline and middle in x, y, and the label of an object."""
    place = thing.center if isinstance(thing, Box3D) else thing
    if not isinstance(place, Points) or place.ref != ref:
        raise FrameOfReferenceError(
            f"an object in {getattr(place, 'ref', 'no frame of reference')} on a view of {ref}",
            hint="scene.objects(masks), which are in the world",
        )
    if not isinstance(thing, Box3D):
        return thing.plain[None, :2], thing.plain[:2], ""
    order = [0, 1, 3, 2]
    return thing.corners.plain[order, :2], thing.center.plain[:2], thing.label


def _bounds(
    xyz: Floats, marks: Any, poses: Floats | None, path: Points | None
) -> tuple[Floats, Floats]:
    rows = [outline for outline, _, _ in marks]
    if len(xyz):
        rows.append(np.percentile(xyz[:, :2], [0.3, 99.7], axis=0))
    if poses is not None:
        rows.append(poses[:, :2, 3])
    if path is not None and len(path):
        rows.append(path.plain[:, :2])
    together = np.concatenate(rows)
    return together.min(axis=0), together.max(axis=0)


def _cameras(canvas: Canvas, view: _View, poses: Floats) -> None:
    places = view.pixels(poses[:, :2, 3])
    red, grey = colour_of("red"), (90, 90, 90)
    for a, b in itertools.pairwise(places):
        canvas.line(a, b, grey)
    reach = max(12, min(view.width, view.height) // 25)
    step = max(1, len(poses) // 20)
    for i in sorted({*range(0, len(poses), step), len(poses) - 1}):
        heading = poses[i, :2, 2] * np.array([1, -1])
        length = float(np.linalg.norm(heading))
        if length > 1e-3:
            canvas.line(places[i], places[i] + reach * heading / length, red)
        canvas.dot(places[i], red)
    canvas.label("start" if len(poses) > 1 else "camera", places[0], red)
    if len(poses) > 1:
        canvas.label("end", places[-1], red)
