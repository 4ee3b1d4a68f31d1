"""A street with coloured cars that drive past a camera that stands still."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spatialclaw.evaluation.synth.camera import Camera, look_at
from spatialclaw.evaluation.synth.mesh import (
    RGB,
    Material,
    Part,
    box,
    cylinder,
    moved,
    rod,
    rounded_box,
    sphere,
)
from spatialclaw.evaluation.synth.render import Light
from spatialclaw.evaluation.synth.scene import Scene, Thing

__all__ = ["PAINTS", "Drive", "Street", "make_street", "watch"]

PAINTS: dict[str, RGB] = {
    "red": (0.78, 0.05, 0.05),
    "blue": (0.06, 0.16, 0.70),
    "yellow": (0.95, 0.78, 0.05),
    "green": (0.05, 0.50, 0.14),
}
_LANES = {"near": 0.0, "far": 3.4}


@dataclass(frozen=True)
class Drive:
    """How a car moves: at `start` metres along the road at time 0, at `speed` m/s (signed, +x)."""

    colour: str
    lane: str
    start: float
    speed: float

    def position(self, time: float) -> tuple[float, float, float]:
        """Where its middle is, metres, world."""
        return (self.start + self.speed * time, _LANES[self.lane], 0.0)


@dataclass(frozen=True)
class Street:
    """The street and who drives on it.

    Attributes:
        drives: One for each car, in the order of their ids from 1.
        seconds: How long it is watched.
        seed: What it was made from.
    """

    drives: tuple[Drive, ...]
    seconds: float
    seed: int

    def at(self, time: float) -> Scene:
        """The scene at a moment."""
        things = []
        for number, drive in enumerate(self.drives, start=1):
            yaw = -np.pi / 2 if drive.speed >= 0 else np.pi / 2
            things.append(
                Thing(
                    f"{drive.colour} car",
                    number,
                    _car(PAINTS[drive.colour]),
                    drive.position(time),
                    yaw,
                    True,
                )
            )
        return Scene("street", things, _surroundings(self.seed), _SUN, ambient=(0.55, 0.3))


_SUN = [Light((-0.45, -0.6, 0.8), ((0, 0, 0), (0, 0, 0)), 0.62, (1.0, 0.96, 0.88), distant=True)]


def make_street(seed: int, seconds: float = 7.0) -> Street:
    """Three cars that come and go at clearly different speeds and times."""
    rng = np.random.default_rng([seed, 5])
    while True:
        colours = [str(c) for c in rng.permutation(list(PAINTS))[:3]]
        speeds = rng.permutation([3.4, 5.0, 7.4]) * rng.uniform(0.93, 1.07, 3)
        # Each comes into view at its own moment, 1.6 s apart.
        enters = rng.permutation([0.5, 2.1, 3.7])
        lanes = rng.permutation(["near", "near", "far", "far"])[:3]
        drives = []
        for colour, speed, enter, lane in zip(colours, speeds, enters, lanes, strict=True):
            sign, edge = (1.0, 8.6) if lane == "near" else (-1.0, 11.0)
            start = -sign * (edge + float(speed) * float(enter))
            drives.append(Drive(colour, str(lane), start, sign * float(speed)))
        if _apart(drives, seconds):
            return Street((*drives,), seconds, seed)


def _apart(drives: list[Drive], seconds: float) -> bool:
    """Whether no car of a lane comes near another while they are watched."""
    for time in np.arange(0, seconds + 0.2, 0.2):
        for k, one in enumerate(drives):
            for other in drives[k + 1 :]:
                gap = abs(one.position(time)[0] - other.position(time)[0])
                if one.lane == other.lane and gap < 6.0:
                    return False
    return True


def watch(camera: Camera) -> Camera:
    """The camera beside the road."""
    return camera.at(look_at((0.0, -11.0, 2.6), (0.0, 3.0, 0.75)))


def _car(paint: RGB) -> list[Part]:
    body, dark = Material(paint, gloss=0.35), Material((0.03, 0.03, 0.035), gloss=0.2)
    glass, grey = Material((0.10, 0.13, 0.16), gloss=0.6), Material((0.5, 0.5, 0.52), gloss=0.4)
    # Its front is +y: 4.2 m long, 1.75 m wide, 1.45 m high.
    parts = [
        rounded_box((1.75, 4.2, 0.62), (0, 0, 0.56), body, 0.14),
        rounded_box((1.5, 2.2, 0.62), (0, -0.25, 1.14), body, 0.2),
    ]
    for side in (-1, 1):
        parts.append(box((0.01, 1.55, 0.3), (side * 0.752, -0.25, 1.13), glass))
        for y in (-1.3, 1.3):
            wheel = cylinder(0.32, 0.22, (0, 0, -0.11), dark)
            turn = np.array([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]])
            parts.append(moved(wheel, (side * 0.78, y, 0.32), turn=turn))
            hub = cylinder(0.17, 0.23, (0, 0, -0.115), grey)
            parts.append(moved(hub, (side * 0.78, y, 0.32), turn=turn))
        parts.append(box((0.3, 0.05, 0.12), (side * 0.6, 2.08, 0.62), Material((0.95, 0.95, 0.85))))
    parts.append(box((1.3, 0.01, 0.34), (0, 0.852, 1.13), glass))
    return parts


def _surroundings(seed: int) -> list[Part]:
    rng = np.random.default_rng([seed, 6])
    asphalt = Material((0.33, 0.33, 0.34), (0.28, 0.28, 0.29), "fabric", 0.06)
    pavement = Material((0.58, 0.57, 0.55), (0.45, 0.44, 0.43), "tiles", 0.6)
    lawn = Material((0.42, 0.45, 0.33), (0.36, 0.40, 0.29), "fabric", 0.25)
    line = Material((0.85, 0.85, 0.82))
    parts = [
        box((80, 60, 0.1), (0, 20, -0.17), lawn),
        box((80, 7.2, 0.1), (0, 1.7, -0.05), asphalt),
        box((80, 2.4, 0.14), (0, 6.6, -0.02), pavement),
        box((80, 2.4, 0.14), (0, -3.2, -0.02), pavement),
    ]
    parts += [box((1.6, 0.12, 0.01), (x, 1.7, 0.003), line) for x in np.arange(-30, 31, 4.0)]
    bark, leaves = (
        Material((0.33, 0.26, 0.2)),
        Material((0.30, 0.36, 0.24), (0.24, 0.30, 0.20), "fabric", 0.3),
    )
    for x in (-12.5, -3.5, 5.0, 13.0):
        x += float(rng.uniform(-0.8, 0.8))
        parts.append(rod((x, 8.6, 0), (x, 8.6, 2.2), 0.14, bark))
        for _ in range(5):
            d = rng.uniform(-0.7, 0.7, 3)
            parts.append(
                sphere(float(rng.uniform(0.7, 1.0)), (x + d[0], 8.6 + d[1], 2.9 + d[2]), leaves, 14)
            )
    x = -26.0
    while x < 26:
        w, h = float(rng.uniform(5, 8)), float(rng.uniform(4.5, 8))
        tone = float(rng.uniform(0.5, 0.75)) * np.array([1.0, 0.95, 0.88])
        plaster = Material((float(tone[0]), float(tone[1]), float(tone[2])))
        pane = Material((0.22, 0.25, 0.29), gloss=0.5)
        parts.append(box((w - 0.1, 6, h), (x + w / 2, 15, h / 2), plaster))
        parts.append(
            box((w + 0.3, 6.4, 0.3), (x + w / 2, 15, h + 0.1), Material((0.4, 0.34, 0.31)))
        )
        for floor in range(int(h // 2.4)):
            for k in range(int(w // 1.7)):
                parts.append(
                    box((0.9, 0.05, 1.2), (x + 1.1 + k * 1.7, 11.99, 1.5 + floor * 2.4), pane)
                )
        x += w
    return parts
