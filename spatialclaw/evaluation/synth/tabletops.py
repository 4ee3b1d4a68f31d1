"""Tabletops from a seed."""

from __future__ import annotations

import numpy as np

from spatialclaw.evaluation.synth.camera import Camera, look_at
from spatialclaw.evaluation.synth.furniture import painting
from spatialclaw.evaluation.synth.mesh import Material, Part, box, moved, panel
from spatialclaw.evaluation.synth.render import Light
from spatialclaw.evaluation.synth.scene import Scene, Thing, turned
from spatialclaw.evaluation.synth.tableware import TABLEWARE, board, marker

__all__ = ["MARKER_NAME", "make_tabletop", "orbit"]

MARKER_NAME = "marker"
_HEIGHT = 0.74


def make_tabletop(seed: int, *, chessboard: bool = False) -> Scene:
    """Eight to twelve small things on a table, a marker (or a chessboard) among them.

    The table's front edge is towards -y. The world's z = 0 is the floor, the table's top at 0.74 m.
    """
    rng = np.random.default_rng([seed, 3])
    width, depth = float(rng.uniform(1.3, 1.6)), float(rng.uniform(0.8, 0.95))
    wanted = [str(n) for n in rng.permutation(sorted(set(TABLEWARE) - {"mug", "tray"}))]
    wanted = wanted[: int(rng.integers(6, 8))] + ["mug"] * int(rng.integers(2, 4))
    if "book" in wanted and rng.random() < 0.5:
        wanted.append("book")
    things: list[Thing] = []
    taken: list[tuple[float, float, float]] = []
    number = int(rng.integers(1, 50))
    sheet = "chessboard" if chessboard else MARKER_NAME
    for name in sorted(wanted, key=lambda n: n not in ("laptop", "book")):
        _place(name, TABLEWARE[name](rng), rng, things, taken, width, depth)
    _place(sheet, board() if chessboard else marker(number), rng, things, taken, width, depth)
    tones: list[tuple[tuple[float, float, float], tuple[float, float, float]]] = [
        ((0.55, 0.37, 0.22), (0.42, 0.27, 0.15)),
        ((0.80, 0.68, 0.50), (0.70, 0.56, 0.38)),
        ((0.38, 0.26, 0.19), (0.28, 0.18, 0.13)),
    ]
    first, second = tones[int(rng.integers(len(tones)))]
    top = Material(first, second, "wood", 0.3, gloss=0.15)
    shell: list[Part] = [box((width, depth, 0.035), (0, 0, _HEIGHT - 0.0175), top)]
    for sx in (-1, 1):
        for sy in (-1, 1):
            shell.append(
                box(
                    (0.06, 0.06, _HEIGHT - 0.035),
                    (sx * (width / 2 - 0.06), sy * (depth / 2 - 0.06), (_HEIGHT - 0.035) / 2),
                    top,
                )
            )
    floor = Material((0.70, 0.56, 0.40), (0.56, 0.42, 0.28), "planks", 0.15)
    wall = Material((0.78, 0.80, 0.80), (0.72, 0.75, 0.76), "fabric", 0.05)
    shell += [
        box((6, 5, 0.1), (0, 0, -0.05), floor),
        box((6, 0.1, 3), (0, 1.55, 1.5), wall),
        box((0.1, 5, 3), (-2.6, 0, 1.5), wall),
        box((0.1, 5, 3), (2.6, 0, 1.5), wall),
        box((6, 0.02, 0.1), (0, 1.49, 0.05), Material((0.9, 0.9, 0.9))),
    ]
    art = Material((0, 0, 0), pattern="picture", picture=painting(rng))
    for part in (
        panel(0.9, 0.62, (0, 0.021, 0), art),
        box((0.98, 0.02, 0.7), (0, 0.01, 0), Material((0.2, 0.16, 0.13))),
    ):
        shell.append(moved(part, (0.25, 1.5, 1.45), turn=turned(np.pi)))
    lights = [
        Light((-0.9, -0.5, 2.3), ((0.3, 0, 0), (0, 0.3, 0)), 2.2, (1.0, 0.95, 0.86)),
        Light((1.6, -1.4, 1.9), ((0.25, 0.25, 0), (0, 0, 0.4)), 1.2, (0.86, 0.93, 1.0)),
    ]
    return Scene(
        "tabletop", things, shell, lights, ambient=(0.45, 0.36), marks={"marker": float(number)}
    )


def _place(
    name: str,
    parts: list[Part],
    rng: np.random.Generator,
    things: list[Thing],
    taken: list[tuple[float, float, float]],
    width: float,
    depth: float,
) -> None:
    for _ in range(200):
        x = float(rng.uniform(-0.5, 0.5)) * (width - 0.16)
        y = float(rng.uniform(-0.5, 0.5)) * (depth - 0.16)
        # Fronts look at the camera, more or less.
        yaw = np.pi + float(rng.uniform(-0.5, 0.5))
        thing = Thing(name, len(things) + 1, parts, (x, y, _HEIGHT), yaw, name == "laptop")
        radius = float(np.linalg.norm(thing.extent[:2]) / 2)
        corners = np.abs(thing.footprint)
        if corners[:, 0].max() > width / 2 - 0.02 or corners[:, 1].max() > depth / 2 - 0.02:
            continue
        if all(np.hypot(x - a, y - b) > 0.85 * (radius + c) + 0.03 for a, b, c in taken):
            taken.append((x, y, radius))
            things.append(thing)
            return


def orbit(camera: Camera, frames: int, seed: int) -> list[Camera]:
    """Cameras on an arc in front of the table, a little above it; the first is in the middle."""
    rng = np.random.default_rng([seed, 4])
    distance, height = float(rng.uniform(1.15, 1.3)), float(rng.uniform(0.55, 0.7))
    angles = np.linspace(-1, 1, frames) * np.deg2rad(52)
    order = sorted(range(frames), key=lambda k: abs(angles[k]))
    first = order[0]
    angles = np.concatenate([[angles[first]], np.delete(angles, first)])
    if frames > 1:
        angles[0] = float(rng.uniform(-0.12, 0.12))
    return [
        camera.at(
            look_at(
                (distance * np.sin(a), -distance * np.cos(a), _HEIGHT + height), (0, 0.02, _HEIGHT)
            )
        )
        for a in angles
    ]
