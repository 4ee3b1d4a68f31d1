"""Free floor: what fits on it, and how to get through."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spatialclaw.primitives.errors import NothingFound, PrimitiveError
from spatialclaw.primitives.geometry.planes import Plane
from spatialclaw.primitives.geometry.points import Points, require_ref
from spatialclaw.primitives.measure.measurement import Measurement
from spatialclaw.primitives.rooms import on_floor

__all__ = ["Fit", "FreeSpace", "Path", "free_space"]

Floats = npt.NDArray[np.float64]
Grid = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Fit:
    """Whether something fits on free floor.

    Attributes:
        fits: The answer.
        spare: By which factor the thing could be larger in both directions (below 1: too large).
        place: (3,) `Points` on the floor where it fits best, or None.
        yaw_deg: Turn of its length from the world's x, counter-clockwise, degrees.
    """

    fits: bool
    spare: float
    place: Points | None
    yaw_deg: float

    def __bool__(self) -> bool:
        return self.fits

    def __repr__(self) -> str:
        where = ""
        if self.place is not None:
            x, y, _ = self.place.plain
            where = f" at ({x:.2f}, {y:.2f}), turned {self.yaw_deg:.0f} deg"
        return f"<Fit {self.fits}: up to {self.spare:.2f} times the size{where}>"


@dataclass(frozen=True)
class Path:
    """A way over the floor.

    Attributes:
        points: (N, 3) `Points` on the floor.
        length: Its length, a `Measurement`.
    """

    points: Points
    length: Measurement

    def __repr__(self) -> str:
        return f"<Path of {self.length}, {len(self.points)} points>"


@dataclass(eq=False)
class FreeSpace:
    """Cells of the floor: free, occupied or unknown (neither).

    Attributes:
        free: (H, W) bool; row along the world's y, column along x.
        occupied: (H, W) bool.
        origin: (2,) world x, y of the middle of cell (0, 0).
        cell: Side of a cell, same unit as the world.
        floor: The floor.
        like: Points that give frame of reference and metric.
    """

    free: Grid
    occupied: Grid
    origin: Floats
    cell: float
    floor: Plane
    like: Points

    @property
    def area(self) -> Measurement:
        """Area of the free cells."""
        value = float(self.free.sum()) * self.cell**2
        unit = "m^2" if self.like.metric else "unit^2"
        rim = float((self.free ^ _shrunk(self.free, 1)).sum()) * self.cell**2
        return Measurement(value, unit, rim / 2, (f"{int(self.free.sum())} cells",), "free floor")

    def fits(
        self, size: tuple[float, float], *, near: Points | None = None, within: float = 1.0
    ) -> Fit:
        """Whether a rectangle fits on free floor; see `Scene.fits`."""
        allowed = np.ones_like(self.free)
        if near is not None:
            centre = require_ref(near, self.like.ref).plain[:2]
            rows, columns = np.indices(self.free.shape)
            x = columns * self.cell + self.origin[0] - centre[0]
            y = rows * self.cell + self.origin[1] - centre[1]
            allowed = np.hypot(x, y) <= within
        best: tuple[float, tuple[int, int] | None, float] = (0.0, None, 0.0)
        for yaw in np.arange(0, 180, 15.0):
            spare, place = self._largest(size, yaw, allowed)
            if spare > best[0]:
                best = (spare, place, float(yaw))
        spare, place, yaw = best
        at = None if place is None else self._world(np.array([place]))[0]
        return Fit(spare >= 1.0, spare, at, yaw)

    def path(self, a: Points, b: Points, *, width: float = 0.5) -> Path:
        """The shortest way over free cells; see `Scene.path`."""
        passable = _shrunk(self.free, int(np.floor(width / 2 / self.cell)))
        if not passable.any():
            raise NothingFound(f"no free floor is {width} wide", hint="a smaller width=")
        start, goal = self._nearest(passable, a), self._nearest(passable, b)
        cells = _shortest(passable, start, goal)
        if cells is None:
            raise NothingFound(
                "no way over known free floor joins the two", hint="a smaller width="
            )
        straight = self._world(np.array(_pulled(passable, cells))).plain
        ends = [on_floor(p.plain[None, :2], self.floor, self.like).plain for p in (a, b)]
        corners = np.concatenate([ends[0], straight, ends[1]])
        spots = Points(corners, self.like.ref, metric=self.like.metric)
        length = float(np.linalg.norm(np.diff(corners, axis=0), axis=1).sum())
        unit = "m" if self.like.metric else "unit"
        line = f"{len(cells)} free cells of {self.cell:.3f} {unit}, {width} wide"
        return Path(spots, Measurement(length, unit, self.cell, (line,), "way over free floor"))

    def _largest(
        self, size: tuple[float, float], yaw: float, allowed: Grid
    ) -> tuple[float, tuple[int, int] | None]:
        """The largest factor at which the turned rectangle still fits, and where (row, column)."""
        import cv2

        low, high = 0.0, 4.0
        place: tuple[int, int] | None = None
        for _ in range(7):
            factor = (low + high) / 2
            kernel = _rectangle(size[0] * factor / self.cell, size[1] * factor / self.cell, yaw)
            if min(kernel.shape) > max(self.free.shape):
                high = factor
                continue
            room = cv2.erode(
                self.free.astype(np.uint8), kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0
            ).astype(bool)
            room &= allowed
            if room.any():
                depth = cv2.distanceTransform(room.astype(np.uint8), cv2.DIST_L2, 3)
                row, column = np.unravel_index(int(np.argmax(depth)), depth.shape)
                place, low = (int(row), int(column)), factor
            else:
                high = factor
        return low, place

    def _nearest(self, passable: Grid, place: Points) -> tuple[int, int]:
        x, y = require_ref(place, self.like.ref).plain[:2]
        rows, columns = np.nonzero(passable)
        away = np.hypot(
            columns * self.cell + self.origin[0] - x, rows * self.cell + self.origin[1] - y
        )
        best = int(np.argmin(away))
        return int(rows[best]), int(columns[best])

    def _world(self, cells: npt.NDArray[Any]) -> Points:
        flat = np.stack([cells[:, 1], cells[:, 0]], axis=1) * self.cell + self.origin
        return on_floor(flat, self.floor, self.like)

    def __repr__(self) -> str:
        known = float((self.free | self.occupied).mean())
        return f"<FreeSpace: {self.area} free, cells of {self.cell:.3f}, {known:.0%} known>"


def free_space(cloud: Points, floor: Plane, height: float, cell: float) -> FreeSpace:
    """The free floor below a height, from points; see `Scene.free_space`."""
    import cv2

    xyz = cloud.plain
    level = xyz @ floor.normal + floor.d
    thick = max(3 * floor.sigma, 0.03 if cloud.metric else cell / 2)
    low = np.percentile(xyz[:, :2], 0.5, axis=0) - 2 * cell
    high = np.percentile(xyz[:, :2], 99.5, axis=0) + 2 * cell
    size = np.ceil((high - low) / cell).astype(int) + 1
    if int(np.prod(size)) > 4_000_000:
        raise PrimitiveError(f"{size[0]} x {size[1]} cells are too many", hint="a larger cell=")

    def counted(chosen: Grid) -> Floats:
        index = np.round((xyz[chosen, :2] - low) / cell).astype(int)
        index = index[((index >= 0) & (index < size)).all(axis=1)]
        grid = np.zeros((size[1], size[0]))
        np.add.at(grid, (index[:, 1], index[:, 0]), 1)
        return grid

    ground = counted(np.abs(level) <= thick)
    blocks = counted((level > 1.5 * thick) & (level < height))
    occupied = blocks >= 2
    # Points of the floor lie farther apart than a cell where it is seen at a low angle.
    closed = cv2.morphologyEx((ground > 0).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3)))
    free = closed.astype(bool) & ~occupied
    return FreeSpace(free, occupied, low, cell, floor, cloud[:1])


def _shrunk(area: Grid, cells: int) -> Grid:
    import cv2

    if cells < 1:
        return area
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * cells + 1, 2 * cells + 1))
    small = cv2.erode(area.astype(np.uint8), disc, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return np.asarray(small, dtype=bool)


def _rectangle(length: float, width: float, yaw_deg: float) -> npt.NDArray[np.uint8]:
    """A filled turned rectangle as a kernel, at least one cell."""
    reach = int(np.ceil(np.hypot(length, width) / 2))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    c, s = np.cos(np.radians(yaw_deg)), np.sin(np.radians(yaw_deg))
    inside = (np.abs(c * x + s * y) <= length / 2) & (np.abs(-s * x + c * y) <= width / 2)
    inside[reach, reach] = True
    return np.asarray(inside, dtype=np.uint8)


def _shortest(
    passable: Grid, start: tuple[int, int], goal: tuple[int, int]
) -> list[tuple[int, int]] | None:
    """A* over eight neighbours."""
    steps = [(-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1)]
    rows, columns = passable.shape
    best = {start: 0.0}
    came: dict[tuple[int, int], tuple[int, int]] = {}
    queue = [(0.0, start)]
    while queue:
        _, here = heapq.heappop(queue)
        if here == goal:
            way = [here]
            while way[-1] in came:
                way.append(came[way[-1]])
            return way[::-1]
        for dr, dc in steps:
            r, c = here[0] + dr, here[1] + dc
            if not (0 <= r < rows and 0 <= c < columns and passable[r, c]):
                continue
            cost = best[here] + float(np.hypot(dr, dc))
            if cost < best.get((r, c), np.inf) - 1e-9:
                best[(r, c)] = cost
                came[(r, c)] = here
                ahead = float(np.hypot(r - goal[0], c - goal[1]))
                heapq.heappush(queue, (cost + ahead, (r, c)))
    return None


def _pulled(passable: Grid, cells: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The way with steps left out where the straight line is free."""
    kept = [cells[0]]
    i = 0
    while i < len(cells) - 1:
        j = len(cells) - 1
        while j > i + 1 and not _clear(passable, cells[i], cells[j]):
            j -= max(1, (j - i) // 8)
        j = max(j, i + 1)
        kept.append(cells[j])
        i = j
    return kept


def _clear(passable: Grid, a: tuple[int, int], b: tuple[int, int]) -> bool:
    count = 2 * max(abs(a[0] - b[0]), abs(a[1] - b[1])) + 1
    rows = np.round(np.linspace(a[0], b[0], count)).astype(int)
    columns = np.round(np.linspace(a[1], b[1], count)).astype(int)
    return bool(passable[rows, columns].all())
