"""Furnished rooms from a seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spatialclaw.evaluation.synth.camera import Camera, look_at
from spatialclaw.evaluation.synth.furniture import FURNITURE
from spatialclaw.evaluation.synth.mesh import RGB, Material, Part, box
from spatialclaw.evaluation.synth.render import Light, Raycaster
from spatialclaw.evaluation.synth.scene import Scene, Thing, turned

__all__ = ["make_room", "tour"]

_WALLS: list[RGB] = [(0.86, 0.84, 0.79), (0.78, 0.83, 0.84), (0.87, 0.81, 0.74), (0.80, 0.84, 0.78)]
_FLAT = {"door": 0.0, "window": 0.9, "painting": 1.35, "clock": 1.75}
_FRONTED = {"chair", "sofa", "armchair", "bed", "wardrobe", "bookshelf", "tv", "sideboard"}
_AGAINST_WALL = ("bed", "wardrobe", "bookshelf", "sofa", "sideboard")


@dataclass
class _Plan:
    """What is already taken: rectangles on the floor and stretches of wall."""

    width: float
    depth: float
    taken: list[tuple[float, float, float, float]]
    things: list[Thing]

    def free(self, rectangle: tuple[float, float, float, float], gap: float) -> bool:
        x0, y0, x1, y1 = rectangle
        inside = (
            x0 >= -self.width / 2 - 1e-6
            and x1 <= self.width / 2 + 1e-6
            and y0 >= -self.depth / 2 - 1e-6
            and y1 <= self.depth / 2 + 1e-6
        )
        return inside and all(
            x1 + gap <= a or x0 - gap >= c or y1 + gap <= b or y0 - gap >= d
            for a, b, c, d in self.taken
        )

    def add(
        self, name: str, parts: list[Part], position: tuple[float, float, float], yaw: float
    ) -> Thing:
        thing = Thing(name, len(self.things) + 1, parts, position, yaw, name in _FRONTED)
        self.things.append(thing)
        return thing

    def wall(self, side: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], float]:
        """Middle of a wall's foot, direction along it, and the yaw of things that face the room."""
        yaw = side * np.pi / 2
        facing = turned(yaw) @ np.array([0.0, 1.0, 0.0])
        along = turned(yaw) @ np.array([1.0, 0.0, 0.0])
        half = self.depth / 2 if side % 2 == 0 else self.width / 2
        return -facing * half, along, yaw


def _rectangle(thing: Thing) -> tuple[float, float, float, float]:
    low, high = thing.footprint.min(0), thing.footprint.max(0)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def _on_wall(plan: _Plan, name: str, rng: np.random.Generator, gap: float = 0.12) -> Thing | None:
    parts = FURNITURE[name](rng)
    for _ in range(60):
        side = int(rng.integers(4))
        foot, along, yaw = plan.wall(side)
        length = plan.width if side % 2 == 0 else plan.depth
        probe = Thing(name, 0, parts, (0, 0, 0), yaw, name in _FRONTED)
        low, high = probe.local_bounds
        slack = (length - (high[0] - low[0])) / 2 - 0.05
        if slack < 0:
            continue
        height = _FLAT.get(name, 0.0)
        back = 0.0 if name in _FLAT else 0.02 - low[1]
        place = foot + along * rng.uniform(-slack, slack) + turned(yaw) @ np.array([0, back, 0])
        thing = Thing(name, 0, parts, (float(place[0]), float(place[1]), height), yaw)
        rectangle = _rectangle(thing)
        if name == "door":  # leave room to walk in
            inward = turned(yaw) @ np.array([0.0, 0.9, 0.0])
            corners = np.concatenate([thing.footprint, thing.footprint + inward[:2]])
            low2, high2 = corners.min(0), corners.max(0)
            rectangle = (float(low2[0]), float(low2[1]), float(high2[0]), float(high2[1]))
        if plan.free(rectangle, gap):
            plan.taken.append(rectangle)
            return plan.add(name, parts, thing.position, yaw)
    return None


def _standing(
    plan: _Plan, name: str, rng: np.random.Generator, reach: float = 0.95, gap: float = 0.15
) -> Thing | None:
    parts = FURNITURE[name](rng)
    for _ in range(80):
        yaw = float(rng.integers(4)) * np.pi / 2
        if name not in ("table", "rug"):
            yaw += float(rng.uniform(-0.3, 0.3))
        x = float(rng.uniform(-reach, reach)) * plan.width / 2
        y = float(rng.uniform(-reach, reach)) * plan.depth / 2
        thing = Thing(name, 0, parts, (x, y, 0.0), yaw)
        rectangle = _rectangle(thing)
        if plan.free(rectangle, gap):
            plan.taken.append(rectangle)
            return plan.add(name, parts, thing.position, yaw)
    return None


def _chairs(plan: _Plan, table: Thing, count: int, rng: np.random.Generator) -> None:
    look = int(rng.integers(1 << 30))
    width, depth = table.extent[0], table.extent[1]
    spots = [(-width / 4, -1), (width / 4, 1), (width / 4, -1), (-width / 4, 1)]
    for x, side in spots[:count]:
        y = side * (depth / 2 + 0.12)
        local = np.array([x + float(rng.uniform(-0.05, 0.05)), y, 0.0])
        place = turned(table.yaw) @ local + np.array(table.position)
        yaw = table.yaw + (np.pi if side > 0 else 0.0) + float(rng.uniform(-0.12, 0.12))
        chair = Thing(
            "chair",
            0,
            FURNITURE["chair"](np.random.default_rng(look)),
            (float(place[0]), float(place[1]), 0.0),
            yaw,
        )
        plan.taken.append(_rectangle(chair))
        plan.add("chair", list(chair.parts), chair.position, yaw)


def make_room(seed: int) -> Scene:
    """A room with a door, a window and 10 to 18 pieces of furniture, none in another's way."""
    rng = np.random.default_rng([seed, 1])
    width, depth = float(rng.uniform(4.4, 6.0)), float(rng.uniform(3.8, 5.0))
    height = float(rng.uniform(2.45, 2.7))
    plan = _Plan(width, depth, [], [])
    _on_wall(plan, "door", rng)
    _on_wall(plan, "window", rng, 0.3)
    wanted = [str(name) for name in rng.permutation(_AGAINST_WALL)[: int(rng.integers(3, 5))]]
    for name in sorted(wanted, key=_AGAINST_WALL.index):
        base = _on_wall(plan, name, rng)
        if base is not None and name == "sideboard":
            top = (base.position[0], base.position[1], float(base.extent[2]))
            plan.add("tv", FURNITURE["tv"](rng), top, base.yaw)
    table = _standing(plan, "table", rng, 0.45, 0.75)
    if table is not None:
        _chairs(plan, table, int(rng.integers(2, 5)), rng)
    for name in (
        "armchair",
        "lamp",
        "plant",
        "plant",
        "suitcase",
        "cardboard box",
        "bin",
        "stool",
        "stool",
        "ball",
    ):
        if rng.random() < 0.72:
            _standing(plan, name, rng)
    for name, chance in (("painting", 1.0), ("painting", 0.5), ("clock", 0.5)):
        if rng.random() < chance:
            _on_wall(plan, name, rng, 0.1)
    lights = [
        Light((0.0, 0.0, height - 0.05), ((0.5, 0, 0), (0, 0.5, 0)), 2.1, (1.0, 0.95, 0.88)),
    ]
    for pane in (thing for thing in plan.things if thing.name == "window"):
        middle = pane.center + pane.front * 0.12
        edge = turned(pane.yaw) @ np.array([0.5, 0, 0])
        lights.append(Light(tuple(middle), (tuple(edge), (0.0, 0.0, 0.45)), 1.1, (0.85, 0.93, 1.0)))
    return Scene(
        "room",
        plan.things,
        _shell(width, depth, height, rng),
        lights,
        floor=(width, depth),
        ambient=(0.5, 0.42),
        marks={"height": height},
    )


def _shell(width: float, depth: float, height: float, rng: np.random.Generator) -> list[Part]:
    paint = Material(_WALLS[int(rng.integers(len(_WALLS)))], (0.75, 0.75, 0.75), "plain")
    floors = [
        Material((0.66, 0.48, 0.31), (0.50, 0.34, 0.20), "planks", 0.16, gloss=0.12),
        Material((0.80, 0.69, 0.54), (0.68, 0.55, 0.40), "planks", 0.14, gloss=0.12),
        Material((0.74, 0.72, 0.69), (0.52, 0.50, 0.48), "tiles", 0.45, gloss=0.2),
    ]
    ground = floors[int(rng.integers(len(floors)))]
    white, thick = Material((0.92, 0.92, 0.90)), 0.1
    parts = [
        box((width + 0.2, depth + 0.2, thick), (0, 0, -thick / 2), ground),
        box((width + 0.2, depth + 0.2, thick), (0, 0, height + thick / 2), white),
    ]
    for side in (-1, 1):
        parts.append(
            box((thick, depth, height), (side * (width + thick) / 2, 0, height / 2), paint)
        )
        parts.append(
            box((width, thick, height), (0, side * (depth + thick) / 2, height / 2), paint)
        )
        parts.append(box((0.012, depth, 0.08), (side * (width / 2 - 0.006), 0, 0.04), white))
        parts.append(box((width, 0.012, 0.08), (0, side * (depth / 2 - 0.006), 0.04), white))
    return parts


def tour(
    scene: Scene,
    caster: Raycaster,
    camera: Camera,
    frames: int,
    seed: int,
    *,
    seconds: float | None = None,
) -> list[Camera]:
    """Cameras on a walk around the room that looks across it, once round.

    Args:
        scene: The room.
        caster: The same, to keep out of the furniture.
        camera: Its lens.
        frames: How many.
        seed: Where the walk begins and how high.
        seconds: How long it takes, or None for pictures without times.
    """
    assert scene.floor is not None
    rng = np.random.default_rng([seed, 2])
    start = float(rng.uniform(0, 2 * np.pi))
    sense = 1.0 if rng.random() < 0.5 else -1.0
    height = float(rng.uniform(1.5, 1.65))
    cameras = []
    for k in range(frames):
        angle = start + sense * 2 * np.pi * k / frames
        heading = np.array([np.cos(angle), np.sin(angle)])
        spot = np.array([0.0, 0.0, height])
        for share in np.linspace(0.66, 0.1, 15):
            spot = np.array([*(-heading * share * np.array(scene.floor) / 2), height])
            if float(caster.clearance(spot)[0]) > 0.55:
                break
        target = np.array([*(heading * 0.55 * np.array(scene.floor) / 2), 0.75])
        when = None if seconds is None else seconds * k / max(frames - 1, 1)
        cameras.append(camera.at(look_at(tuple(spot), tuple(target)), when))
    return cameras
