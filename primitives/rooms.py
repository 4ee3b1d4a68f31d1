"""Rooms from above: walls, floor area, height."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spatialclaw.primitives.errors import NothingFound
from spatialclaw.primitives.geometry.hulls import convex_hull, polygon_area
from spatialclaw.primitives.geometry.normals import point_normals
from spatialclaw.primitives.geometry.planes import Plane
from spatialclaw.primitives.geometry.points import Points
from spatialclaw.primitives.measure.measurement import Measurement
from spatialclaw.primitives.measure.support import length_unit

__all__ = ["Room", "on_floor", "room_of"]

Floats = npt.NDArray[np.float64]


@dataclass(eq=False)
class Room:
    """A room seen from above.

    Attributes:
        rectangle: (4, 3) corners of the floor between the outermost walls, `Points`.
        sides: (2,) lengths of the rectangle, the longer first.
        outline: (M, 3) convex outline of what was seen, on the floor, `Points`.
        walls_seen: How many of the four sides of the rectangle are walls that were seen.
        seen_area: Area of the floor cells that were seen, holes filled.
        height: From floor to ceiling, or None when the ceiling was not seen.
        floor: The floor.
        sigma: One standard deviation of a side.
    """

    rectangle: Points
    sides: tuple[float, float]
    outline: Points
    walls_seen: int
    seen_area: float
    height: float | None
    floor: Plane
    sigma: float

    def area(
        self, outline: str = "auto", *, metric: bool = True, scale_free: bool = False
    ) -> Measurement:
        """Floor area; see `Scene.floor_area`."""
        unit = length_unit(metric, scale_free, "room_size")
        areas = {
            "rectangle": self.sides[0] * self.sides[1],
            "hull": polygon_area(self.outline),
            "seen": self.seen_area,
        }
        chosen = outline
        if outline == "auto":
            chosen = "rectangle" if self.walls_seen >= 3 else "hull"
        if chosen not in areas:
            raise ValueError(f"outline {outline!r}; use auto, rectangle, hull or seen")
        value = areas[chosen]
        # The error of the walls, and half of what the other outline would have said.
        other = areas["hull"] if chosen == "rectangle" else areas["rectangle"]
        sigma = float(np.hypot(self.sigma * sum(self.sides), 0.25 * abs(value - other)))
        lines = (
            f"rectangle {self.sides[0]:.2f} x {self.sides[1]:.2f} {unit} with {self.walls_seen} of "
            f"4 walls seen",
            ", ".join(f"{name} {area:.2f}" for name, area in areas.items()) + f" {unit}^2",
        )
        return Measurement(value, f"{unit}^2", sigma, lines, f"floor area by {chosen}")

    def __repr__(self) -> str:
        tall = "" if self.height is None else f", {self.height:.2f} high"
        return (
            f"<Room {self.sides[0]:.2f} x {self.sides[1]:.2f}{tall}, {self.walls_seen} walls seen, "
            f"floor cells seen {self.seen_area:.2f}>"
        )


def room_of(cloud: Points, floor: Plane, cameras: Points) -> Room:
    """The room around points.

    Args:
        cloud: (N, 3) points in the world.
        floor: The floor.
        cameras: (M, 3) positions of the camera, which lie inside.

    Raises:
        NothingFound: Too few points.
    """
    xyz = cloud.plain
    if len(xyz) < 100:
        raise NothingFound(f"{len(xyz)} points are too few for a room")
    heights = xyz @ floor.normal + floor.d
    reach = float(np.percentile(heights, 99.5))
    inside = (heights > -0.05 * reach) & (heights < 1.05 * reach)
    flat, heights = xyz[inside, :2], heights[inside]
    sample, normals = point_normals(xyz[inside], most=6000)
    vertical = np.abs(normals[:, 2]) < 0.25
    facing = normals[vertical, :2]
    angle = _wall_angle(facing) if len(facing) > 50 else 0.0
    c, s = np.cos(angle), np.sin(angle)
    turn = np.array([[c, s], [-s, c]])
    local, walls = flat @ turn.T, sample[vertical, :2] @ turn.T
    wall_normals = facing @ turn.T
    eyes = cameras.plain[:, :2] @ turn.T
    wall_heights = sample[vertical] @ floor.normal + floor.d
    low, high, found = np.zeros(2), np.zeros(2), 0
    for axis in range(2):
        across = np.abs(wall_normals[:, axis]) > 0.9
        for end in (0, 1):
            sign = 1.0 if end else -1.0
            edge, is_wall = _side(
                sign * local[:, axis],
                sign * walls[across, axis],
                walls[across, 1 - axis],
                wall_heights[across] / reach,
                float(np.max(sign * eyes[:, axis])),
            )
            edge *= sign
            found += is_wall
            (high if end else low)[axis] = edge
    square = np.array([[low[0], low[1]], [high[0], low[1]], high, [low[0], high[1]]])
    sides = sorted((float(high[0] - low[0]), float(high[1] - low[1])), reverse=True)
    margin = 0.03 * max(sides)
    core = local[((local > low - margin) & (local < high + margin)).all(axis=1)]
    hull = convex_hull(_clipped(core, low, high))
    return Room(
        rectangle=on_floor(square @ turn, floor, cloud),
        sides=(sides[0], sides[1]),
        outline=on_floor(hull @ turn, floor, cloud),
        walls_seen=found,
        seen_area=_seen_area(core, max(sides)),
        height=_ceiling(heights, sample, normals, floor),
        floor=floor,
        sigma=max(floor.sigma, 0.005 * max(sides)),
    )


def _wall_angle(facing: Floats) -> float:
    """The direction of the walls: the mean of four times the angle of their normals."""
    angles = np.arctan2(facing[:, 1], facing[:, 0])
    start = float(np.angle(np.mean(np.exp(4j * angles)))) / 4
    for width in (15.0, 8.0, 4.0):
        away = (angles - start + np.pi / 4) % (np.pi / 2) - np.pi / 4
        near = np.abs(away) < np.radians(width)
        if near.sum() < 20:
            break
        start += float(np.median(away[near]))
    return start


def _side(
    spread: Floats, walls: Floats, along: Floats, heights: Floats, eye: float
) -> tuple[float, bool]:
    """Where the upper side of the room is along one axis, and whether a wall was seen there.

    Args:
        spread: Coordinates of all points.
        walls: Coordinates of points with a normal along the axis.
        along: Their coordinates along the wall.
        heights: Their heights as parts of the height of the room.
        eye: Coordinate of the outermost camera.
    """
    limit = max(float(np.percentile(spread, 99.5)), eye)
    extent = limit - float(np.percentile(spread, 0.5))
    if len(walls) < 30 or extent <= 0:
        return limit, False
    step = extent / 100
    edges = np.arange(walls.min() - step, walls.max() + 2 * step, step)
    counts, _ = np.histogram(walls, edges)
    smooth = np.convolve(counts, np.ones(3), mode="same")
    # From outside inwards: the first strong peak that is wide and tall, has the cameras on its
    # inner side and little behind it (what is seen through doors and windows).
    for index in range(len(counts) - 1, -1, -1):
        centre = edges[index] + step / 2
        if centre < eye or np.mean(spread > centre + 4 * step) > 0.1:
            break
        if smooth[index] < max(12, 0.15 * smooth.max()):
            continue
        if index > 0 and smooth[index - 1] > smooth[index]:
            continue
        at = np.abs(walls - centre) < 1.5 * step
        wide = np.ptp(np.percentile(along[at], [5, 95])) > 0.1 * extent
        if wide and np.percentile(heights[at], 97) > 0.45:
            return float(np.median(walls[at])), True
    return limit, False


def _clipped(flat: Floats, low: Floats, high: Floats) -> Floats:
    trimmed = flat[:: max(1, len(flat) // 40000)]
    return np.asarray(np.clip(trimmed, low, high))


def on_floor(flat: Floats, floor: Plane, like: Points) -> Points:
    """(N, 2) places seen from above as points on the floor."""
    a, b, c = floor.normal
    z = -(floor.d + flat[:, 0] * a + flat[:, 1] * b) / c
    return Points(np.column_stack([flat, z]), like.ref, metric=like.metric)


def _seen_area(flat: Floats, longest: float) -> float:
    import cv2

    cell = max(longest / 100, 1e-9)
    low = flat.min(axis=0)
    index = np.floor((flat - low) / cell).astype(int) + 6
    grid = np.zeros(index.max(axis=0) + 7, dtype=np.uint8)
    np.add.at(grid, (index[:, 0], index[:, 1]), 1)
    filled = cv2.morphologyEx((grid > 0).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((7, 7)))
    outlines, _ = cv2.findContours(filled, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    solid = np.zeros_like(filled)
    cv2.drawContours(solid, outlines, -1, 1, thickness=-1)
    return float(solid.sum()) * cell**2


def _ceiling(heights: Floats, sample: Floats, normals: Floats, floor: Plane) -> float | None:
    level = sample @ floor.normal + floor.d
    flat = np.abs(normals[:, 2]) > 0.95
    top = flat & (level > 0.9 * np.percentile(heights, 99.5))
    if top.sum() < 0.01 * len(sample):
        return None
    return float(np.median(level[top]))
