"""Triangle meshes from a few shapes: boxes, surfaces of revolution, spheres, panels, leaves.

Shapes are made in the frame of the thing they belong to: origin on the floor in the middle of its
footprint, x to its right, y to its front, z up, metres.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt

__all__ = [
    "RGB",
    "Material",
    "Part",
    "box",
    "cylinder",
    "lathe",
    "leaf",
    "moved",
    "panel",
    "rod",
    "rounded_box",
    "sphere",
]

Floats = npt.NDArray[np.float64]
Pattern = Literal[
    "plain", "wood", "planks", "tiles", "stripes", "fabric", "checker", "speckle", "picture"
]
RGB = tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Material:
    """What a surface looks like.

    Attributes:
        colour: Albedo, sRGB 0..1.
        second: The pattern's other colour.
        pattern: How the two are laid out over the surface's own coordinates.
        scale: Size of the pattern, metres.
        gloss: Strength of the highlight, 0..1.
        glow: Light the surface gives off by itself, 0 for none.
        picture: (H, W, 3) uint8 for "picture", laid over u, v in 0..1, v downwards.
    """

    colour: RGB
    second: RGB = (0.5, 0.5, 0.5)
    pattern: Pattern = "plain"
    scale: float = 0.1
    gloss: float = 0.0
    glow: float = 0.0
    picture: npt.NDArray[np.uint8] | None = None


@dataclass(frozen=True, eq=False)
class Part:
    """Triangles of one material.

    Attributes:
        vertices: (V, 3) metres.
        normals: (V, 3) unit length, outwards.
        texture: (V, 3) coordinates the pattern is laid over, metres, or (u, v, 0).
        triangles: (T, 3) indices.
        material: What it looks like.
    """

    vertices: Floats
    normals: Floats
    texture: Floats
    triangles: npt.NDArray[np.int64]
    material: Material


def moved(
    part: Part,
    by: Sequence[float] = (0, 0, 0),
    *,
    turn: npt.ArrayLike | None = None,
    material: Material | None = None,
) -> Part:
    """The part turned by a (3, 3) rotation about the origin, then shifted, metres."""
    rotation = np.eye(3) if turn is None else np.asarray(turn, dtype=float)
    return replace(
        part,
        vertices=part.vertices @ rotation.T + np.asarray(by, dtype=float),
        normals=part.normals @ rotation.T,
        material=material or part.material,
    )


def _grid(rows: int, columns: int, flip: bool = False) -> npt.NDArray[np.int64]:
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b = index[:-1, :-1].ravel(), index[:-1, 1:].ravel()
    c, d = index[1:, :-1].ravel(), index[1:, 1:].ravel()
    triangles = np.concatenate([np.stack([a, b, c], 1), np.stack([b, d, c], 1)])
    return triangles[:, ::-1] if flip else triangles


def _surface(
    vertices: Floats, normals: Floats, rows: int, columns: int, material: Material
) -> Part:
    return Part(vertices, normals, vertices.copy(), _grid(rows, columns), material)


def box(size: Sequence[float], center: Sequence[float], material: Material) -> Part:
    """A box with sharp edges: size (x, y, z) and middle, metres."""
    faces, normals = [], []
    for axis in range(3):
        for sign in (-1.0, 1.0):
            u, v = (axis + 1) % 3, (axis + 2) % 3
            corners = np.zeros((4, 3))
            corners[:, axis] = sign
            corners[:, u] = np.array([-1, 1, 1, -1]) * sign
            corners[:, v] = [-1, -1, 1, 1]
            faces.append(corners)
            normals.append(np.tile(np.eye(3)[axis] * sign, (4, 1)))
    vertices = np.concatenate(faces) * np.asarray(size, dtype=float) / 2
    start = np.arange(6)[:, None, None] * 4
    triangles = (start + np.array([[0, 1, 2], [0, 2, 3]])).reshape(-1, 3)
    return Part(
        vertices + np.asarray(center, dtype=float),
        np.concatenate(normals),
        vertices + np.asarray(center, dtype=float),
        triangles,
        material,
    )


def rounded_box(
    size: Sequence[float],
    center: Sequence[float],
    material: Material,
    radius: float = 0.03,
    steps: int = 4,
) -> Part:
    """A box with round edges of the given radius, metres (a cushion, a mattress)."""
    half = np.asarray(size, dtype=float) / 2
    radius = float(min(radius, *half))
    count = 2 * (steps + 1)
    angle = np.linspace(0, np.pi / 2, steps + 1)
    line = np.concatenate([-np.tan(angle[::-1] / 2), np.tan(angle / 2)])  # -1..1, each twice at 0
    parts = []
    for axis in range(3):
        for sign in (-1.0, 1.0):
            u, v = (axis + 1) % 3, (axis + 2) % 3
            a, b = np.meshgrid(line, line, indexing="ij")
            # Which of the two inner corners a grid line belongs to.
            side = np.where(np.arange(count) <= steps, -1.0, 1.0)
            su, sv = np.meshgrid(side, side, indexing="ij")
            direction = np.zeros((count, count, 3))
            direction[..., axis] = sign
            direction[..., u], direction[..., v] = a, b
            direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
            corner = np.zeros_like(direction)
            corner[..., axis] = sign * (half[axis] - radius)
            corner[..., u] = su * (half[u] - radius)
            corner[..., v] = sv * (half[v] - radius)
            vertices = (corner + radius * direction).reshape(-1, 3)
            part = _surface(vertices, direction.reshape(-1, 3), count, count, material)
            parts.append(
                replace(part, triangles=part.triangles if sign > 0 else part.triangles[:, ::-1])
            )
    return moved(_joined(parts), center)


def _joined(parts: Sequence[Part]) -> Part:
    starts = np.cumsum([0] + [len(part.vertices) for part in parts[:-1]])
    return Part(
        np.concatenate([part.vertices for part in parts]),
        np.concatenate([part.normals for part in parts]),
        np.concatenate([part.texture for part in parts]),
        np.concatenate([part.triangles + start for part, start in zip(parts, starts, strict=True)]),
        parts[0].material,
    )


def lathe(
    profile: Sequence[tuple[float, float]],
    material: Material,
    segments: int = 40,
    *,
    smooth: bool = True,
) -> Part:
    """A surface of revolution about the z axis.

    Args:
        profile: (radius, height) from the bottom outwards and up (and down again inside, for a
            vessel), metres.
        material: What it looks like.
        segments: Corners around.
        smooth: False gives each ring of the profile its own flat shading along z.
    """
    points = np.asarray(profile, dtype=float)
    turn = np.linspace(0, 2 * np.pi, segments + 1)
    around = np.stack([np.cos(turn), np.sin(turn)], 1)
    parts = []
    slopes = []
    for (r0, z0), (r1, z1) in pairwise(points):
        length = float(np.hypot(r1 - r0, z1 - z0)) or 1.0
        slopes.append(((z1 - z0) / length, -(r1 - r0) / length))
    for index, (start, end) in enumerate(pairwise(points)):
        here = np.array(slopes[index])
        ends = [here, here]
        if smooth:
            for which, other in ((0, index - 1), (1, index + 1)):
                if 0 <= other < len(slopes) and np.dot(slopes[other], here) > 0.6:
                    ends[which] = here + np.array(slopes[other])
        vertices, normals = [], []
        for (radius, height), slope in zip((start, end), ends, strict=True):
            unit = slope / (np.linalg.norm(slope) or 1.0)
            vertices.append(np.column_stack([around * radius, np.full(len(turn), height)]))
            normals.append(np.column_stack([around * unit[0], np.full(len(turn), unit[1])]))
        parts.append(
            _surface(np.concatenate(vertices), np.concatenate(normals), 2, len(turn), material)
        )
    return _joined(parts)


def cylinder(
    radius: float, height: float, base: Sequence[float], material: Material, segments: int = 32
) -> Part:
    """An upright closed cylinder with the middle of its base at `base`, metres."""
    profile = [(0.0, 0.0), (radius, 0.0), (radius, height), (0.0, height)]
    return moved(lathe(profile, material, segments, smooth=False), base)


def rod(start: Sequence[float], end: Sequence[float], radius: float, material: Material) -> Part:
    """A cylinder from one point to another, metres."""
    begin, finish = np.asarray(start, dtype=float), np.asarray(end, dtype=float)
    length = float(np.linalg.norm(finish - begin))
    up = (finish - begin) / length
    side = np.cross(up, [0.0, 1.0, 0.0] if abs(up[1]) < 0.9 else [1.0, 0.0, 0.0])
    side /= np.linalg.norm(side)
    turn = np.stack([side, np.cross(up, side), up], axis=1)
    return moved(cylinder(radius, length, (0, 0, 0), material, 12), begin.tolist(), turn=turn)


def sphere(radius: float, center: Sequence[float], material: Material, rings: int = 24) -> Part:
    """A ball."""
    angle = np.linspace(-np.pi / 2, np.pi / 2, rings)
    profile = [(radius * float(np.cos(a)), radius * float(np.sin(a))) for a in angle]
    return moved(lathe(profile, material, 2 * rings), center)


def panel(
    width: float, height: float, center: Sequence[float], material: Material, facing: str = "y"
) -> Part:
    """A flat rectangle for a picture, facing +y (upright, seen from the front) or +z (lying)."""
    u = np.array([0.0, 1.0, 1.0, 0.0])
    v = np.array([0.0, 0.0, 1.0, 1.0])
    vertices = np.zeros((4, 3))
    # Seen from the front of the thing, its right (+x) is to the left.
    vertices[:, 0] = (0.5 - u) * width if facing == "y" else (u - 0.5) * width
    vertices[:, 2 if facing == "y" else 1] = (0.5 - v) * height
    normal = [0.0, 1.0, 0.0] if facing == "y" else [0.0, 0.0, 1.0]
    return Part(
        vertices + np.asarray(center, dtype=float),
        np.tile(normal, (4, 1)),
        np.column_stack([u, v, np.zeros(4)]),
        np.array([[0, 1, 2], [0, 2, 3]]),
        material,
    )


def leaf(
    base: Sequence[float],
    heading: float,
    length: float,
    width: float,
    material: Material,
    bend: Callable[[float], float] | None = None,
) -> Part:
    """A bent leaf that rises from `base` towards the horizontal direction `heading` (radians)."""
    steps = 9
    along = np.linspace(0, 1, steps)
    rise = np.array([bend(t) if bend else 0.9 * t - 0.75 * t**2.5 for t in along]) * length
    out = (0.15 + 0.75 * along) * along * length
    half = width / 2 * np.sin(np.pi * np.clip(along * 0.96 + 0.03, 0, 1)) ** 0.8
    forward = np.array([np.cos(heading), np.sin(heading), 0.0])
    side = np.array([-forward[1], forward[0], 0.0])
    middle = np.asarray(base, dtype=float) + np.outer(out, forward) + np.outer(rise, [0, 0, 1])
    rows = np.stack(
        [
            middle + half[:, None] * side * s - np.outer(half, [0, 0, 0.25 * abs(s)])
            for s in (-1.0, 0.0, 1.0)
        ],
        axis=1,
    )
    tangent = np.gradient(middle, axis=0)
    up = np.cross(tangent, side)
    up /= np.linalg.norm(up, axis=1, keepdims=True) + 1e-9
    normals = np.repeat(up[:, None], 3, axis=1)
    return _surface(rows.reshape(-1, 3), normals.reshape(-1, 3), steps, 3, material)
