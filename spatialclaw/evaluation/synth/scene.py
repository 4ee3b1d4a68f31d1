"""Scenes: named things with exact places and sizes, and what is around them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from spatialclaw.evaluation.synth.mesh import Part, moved
from spatialclaw.evaluation.synth.render import Light, Raycaster

__all__ = ["Scene", "Thing", "turned"]

Floats = npt.NDArray[np.float64]


def turned(yaw: float) -> Floats:
    """(3, 3) rotation about z by `yaw` radians, counter-clockwise from above."""
    c, s = np.cos(yaw), np.sin(yaw)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


@dataclass(frozen=True, eq=False)
class Thing:
    """One object, in its place.

    Attributes:
        name: What it is called; several may share a name.
        id: Its value in instance maps, from 1.
        parts: Its surface in its own frame: origin in the middle of its foot, front towards +y.
        position: (3,) of its origin, metres, world.
        yaw: Its turn about z, radians; 0 has its front towards +y.
        fronted: Whether it has a front that people agree on (a chair has, a ball has not).
    """

    name: str
    id: int
    parts: Sequence[Part]
    position: tuple[float, float, float]
    yaw: float = 0.0
    fronted: bool = False

    @cached_property
    def local_bounds(self) -> Floats:
        """(2, 3) lowest and highest corner in its own frame, metres."""
        points = np.concatenate([part.vertices for part in self.parts])
        return np.stack([points.min(0), points.max(0)])

    @property
    def extent(self) -> Floats:
        """(3,) width, depth and height of its box, metres."""
        low, high = self.local_bounds
        extent: Floats = high - low
        return extent

    @property
    def center(self) -> Floats:
        """(3,) middle of its box, world."""
        middle: Floats = self.local_bounds.mean(0)
        world: Floats = turned(self.yaw) @ middle + np.array(self.position)
        return world

    @property
    def front(self) -> Floats:
        """(3,) horizontal unit vector its front faces, world."""
        return np.array([-np.sin(self.yaw), np.cos(self.yaw), 0.0])

    @property
    def footprint(self) -> Floats:
        """(4, 2) corners of its box seen from above, world, counter-clockwise."""
        low, high = self.local_bounds
        corners = np.array(
            [[low[0], low[1], 0], [high[0], low[1], 0], [high[0], high[1], 0], [low[0], high[1], 0]]
        )
        world: Floats = (corners @ turned(self.yaw).T + np.array(self.position))[:, :2]
        return world

    def placed(self) -> list[Part]:
        """Its parts in world coordinates."""
        return [moved(part, self.position, turn=turned(self.yaw)) for part in self.parts]

    def surface(self, count: int = 2000, seed: int = 0) -> Floats:
        """(count, 3) points spread evenly over its surface, world, metres."""
        rng = np.random.default_rng(seed)
        corners = np.concatenate([part.vertices[part.triangles] for part in self.placed()])
        edges = corners[:, 1:] - corners[:, :1]
        areas = np.linalg.norm(np.cross(edges[:, 0], edges[:, 1]), axis=1)
        chosen = rng.choice(len(corners), count, p=areas / areas.sum())
        u, v = rng.random((2, count, 1))
        over = u + v > 1
        u, v = np.where(over, 1 - u, u), np.where(over, 1 - v, v)
        points: Floats = corners[chosen, 0] + u * edges[chosen, 0] + v * edges[chosen, 1]
        return points


@dataclass(frozen=True, eq=False)
class Scene:
    """Everything there is to see.

    Attributes:
        kind: "room", "tabletop" or "street".
        things: The named objects.
        shell: Unnamed surroundings (floor, walls), world.
        lights: What lights it.
        floor: (width, depth) of the room's floor, metres, or None where there is no room.
        ambient: See `Raycaster`.
        marks: Facts for questions that are not objects.
    """

    kind: str
    things: Sequence[Thing]
    shell: Sequence[Part]
    lights: Sequence[Light]
    floor: tuple[float, float] | None = None
    ambient: tuple[float, float] = (0.42, 0.3)
    marks: dict[str, float] = field(default_factory=dict)

    def raycaster(self) -> Raycaster:
        """The scene ready to be drawn."""
        parts = [(part, 0) for part in self.shell]
        parts += [(part, thing.id) for thing in self.things for part in thing.placed()]
        return Raycaster(parts, self.lights, ambient=self.ambient)

    def named(self, name: str) -> list[Thing]:
        """The things of that name."""
        return [thing for thing in self.things if thing.name == name]

    @property
    def singles(self) -> list[Thing]:
        """The things whose name no other thing shares."""
        return [thing for thing in self.things if len(self.named(thing.name)) == 1]
