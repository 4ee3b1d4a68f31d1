"""Draws a scene by casting rays: colour with soft shadows, depth, and who is seen where.

Needs Open3D (its `RaycastingScene`, which runs on any CPU; no display, no GPU).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spatialclaw.errors import PerceptionError
from spatialclaw.evaluation.synth.camera import Camera
from spatialclaw.evaluation.synth.mesh import Material, Part
from spatialclaw.evaluation.synth.texture import albedo

__all__ = ["Light", "Quality", "Raycaster", "View"]

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Light:
    """A rectangle that gives off light.

    Attributes:
        center: (3,) middle, metres, world.
        edges: Its two half-edges, (3,) each, metres; two zero vectors make a point.
        power: Brightness; 1 lights a white surface one metre below to full white.
        colour: Its tint, 0..1 each.
        distant: Whether it is so far away (the sun) that its light does not fall off; `center`
            is then the direction to it.
    """

    center: tuple[float, float, float]
    edges: tuple[tuple[float, float, float], tuple[float, float, float]]
    power: float
    colour: tuple[float, float, float] = (1.0, 1.0, 1.0)
    distant: bool = False


@dataclass(frozen=True)
class Quality:
    """How much work a picture is worth.

    Attributes:
        grid: Rays a pixel has along each side.
        shadow: Rays from a point to each light.
        corners: Rays from a point that find out how dim its corner is.
        smooth: Pixels over which the light (not the colour) of one surface is averaged.
    """

    grid: int = 2
    shadow: int = 2
    corners: int = 2
    smooth: int = 2


@dataclass(frozen=True, eq=False)
class View:
    """A picture with its truth.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        depth: (H, W) float32 metres along the optical axis, 0 where nothing is.
        instances: (H, W) uint16, 0 where no named thing is.
    """

    image: npt.NDArray[np.uint8]
    depth: Floats
    instances: npt.NDArray[np.uint16]


class Raycaster:
    """A scene ready to be looked at.

    Args:
        parts: (part in world coordinates, id of the thing it belongs to, 0 for none).
        lights: What lights it.
        ambient: Light from everywhere, 0..1: (upwards-facing surfaces, downwards-facing ones).
        sky: (horizon, zenith) colours of what lies behind everything, linear 0..1.
    """

    def __init__(
        self,
        parts: Sequence[tuple[Part, int]],
        lights: Sequence[Light],
        *,
        ambient: tuple[float, float] = (0.42, 0.3),
        sky: tuple[tuple[float, float, float], tuple[float, float, float]] = (
            (0.75, 0.85, 0.95),
            (0.3, 0.5, 0.85),
        ),
    ) -> None:
        self._o3d = _open3d()
        self.lights = list(lights)
        self.ambient = ambient
        self.sky = sky
        self.materials: list[Material] = [part.material for part, _ in parts]
        counts = [len(part.triangles) for part, _ in parts]
        self._material_of = np.repeat(np.arange(len(parts)), counts)
        self._thing_of = np.repeat(np.array([thing for _, thing in parts], np.uint16), counts)
        starts = np.cumsum([0] + [len(part.vertices) for part, _ in parts[:-1]])
        self._triangles = np.concatenate(
            [part.triangles + start for (part, _), start in zip(parts, starts, strict=True)]
        )
        self._vertices = np.concatenate([part.vertices for part, _ in parts]).astype(np.float32)
        self._normals = np.concatenate([part.normals for part, _ in parts]).astype(np.float32)
        self._texture = np.concatenate([part.texture for part, _ in parts]).astype(np.float32)
        self._scene: Any = self._o3d.t.geometry.RaycastingScene()
        self._scene.add_triangles(
            self._o3d.core.Tensor(self._vertices),
            self._o3d.core.Tensor(self._triangles.astype(np.uint32)),
        )

    def clearance(self, points: npt.ArrayLike) -> Floats:
        """(N,) metres from each of (N, 3) world points to the nearest surface."""
        query = self._o3d.core.Tensor(np.atleast_2d(np.asarray(points, dtype=np.float32)))
        distances: Floats = self._scene.compute_distance(query).numpy()
        return distances

    def truth(self, camera: Camera) -> tuple[Floats, npt.NDArray[np.uint16]]:
        """Depth (H, W) metres and instance map (H, W) through the middles of the pixels."""
        x, y = np.meshgrid(np.arange(camera.width), np.arange(camera.height))
        hit = self._cast(*camera.rays(np.stack([x, y], -1).reshape(-1, 2)))
        distance = hit["t_hit"].reshape(camera.height, camera.width)
        seen = np.isfinite(distance)
        depth = np.where(seen, distance, 0).astype(np.float32)
        triangle = hit["primitive_ids"].reshape(depth.shape)
        instances = np.zeros(depth.shape, np.uint16)
        instances[seen] = self._thing_of[triangle[seen]]
        return depth, instances

    def view(self, camera: Camera, quality: Quality | None = None, seed: int = 0) -> View:
        """What a camera sees."""
        quality = quality or Quality()
        depth, instances = self.truth(camera)
        height, width = depth.shape
        x, y = np.meshgrid(np.arange(width), np.arange(height))
        total = np.zeros((height * width, 3), np.float32)
        noise = np.random.default_rng(seed)
        grid = quality.grid
        for i in range(grid):
            for j in range(grid):
                dx, dy = (i + 0.5) / grid - 0.5, (j + 0.5) / grid - 0.5
                rays = camera.rays(np.stack([x + dx, y + dy], -1).reshape(-1, 2))
                linear = self._shade(*rays, quality, noise, (height, width))
                total += np.minimum(linear, 1.6)
        encoded = _encode((total / grid**2).astype(np.float32)).reshape(height, width, 3)
        return View(encoded, depth, instances)

    def _cast(self, origins: Floats, directions: Floats) -> dict[str, Any]:
        rays = self._o3d.core.Tensor(np.concatenate([origins, directions], 1).astype(np.float32))
        return {key: value.numpy() for key, value in self._scene.cast_rays(rays).items()}

    def _open(self, origins: Floats, directions: Floats, reach: float) -> Floats:
        rays = self._o3d.core.Tensor(np.concatenate([origins, directions], 1).astype(np.float32))
        blocked = self._scene.test_occlusions(rays, 0.0, reach).numpy()
        result: Floats = 1.0 - blocked.astype(np.float32)
        return result

    def _shade(
        self,
        origins: Floats,
        directions: Floats,
        quality: Quality,
        noise: np.random.Generator,
        shape: tuple[int, int],
    ) -> Floats:
        hit = self._cast(origins, directions)
        seen = np.isfinite(hit["t_hit"])
        unit = directions / _length(directions)
        blend = np.clip(unit[:, 2:3] * 2.0, 0, 1)
        colour: Floats = (
            np.float32(1) * np.array(self.sky[0]) * (1 - blend) + np.array(self.sky[1]) * blend
        ).astype(np.float32)
        if not seen.any():
            return colour
        triangle = hit["primitive_ids"][seen].astype(np.int64)
        uv = hit["primitive_uvs"][seen]
        corners = self._triangles[triangle]
        weights = np.stack([1 - uv[:, 0] - uv[:, 1], uv[:, 0], uv[:, 1]], 1)
        points = np.einsum("nki,nk->ni", self._vertices[corners], weights)
        normals = np.einsum("nki,nk->ni", self._normals[corners], weights)
        normals /= _length(normals) + 1e-12
        texture = np.einsum("nki,nk->ni", self._texture[corners], weights)
        back = unit[seen]
        facing = _dot(normals, back)[:, None]
        normals = np.where(facing > 0, -normals, normals).astype(np.float32)
        material = self._material_of[triangle]
        base, gloss, glow = albedo(self.materials, material, texture)
        lifted = points + normals * 1e-3
        light, shine = self._direct(lifted, normals, back, quality, noise)
        light += self._ambient(lifted, normals, quality, noise)
        if quality.smooth:
            light = _smoothed(light, seen, points, normals, shape, quality.smooth)
        colour[seen] = base * light + gloss[:, None] * shine + base * glow[:, None]
        return colour

    def _direct(
        self,
        points: Floats,
        normals: Floats,
        back: Floats,
        quality: Quality,
        noise: np.random.Generator,
    ) -> tuple[Floats, Floats]:
        light = np.zeros_like(points)
        shine = np.zeros_like(points)
        mirror = back - 2 * _dot(back, normals)[:, None] * normals
        for lamp in self.lights:
            tint = np.array(lamp.colour, np.float32)
            edges = np.array(lamp.edges, np.float32)
            for k in range(quality.shadow):
                a = (k + noise.random(len(points), dtype=np.float32)) / quality.shadow * 2 - 1
                b = noise.random(len(points), dtype=np.float32) * 2 - 1
                spot = (
                    np.array(lamp.center, np.float32)
                    + a[:, None] * edges[0]
                    + b[:, None] * edges[1]
                )
                towards = spot if lamp.distant else spot - points
                distance = _length(towards)
                unit = towards / distance
                cosine = np.clip(_dot(unit, normals), 0, None)[:, None]
                reach = 100.0 if lamp.distant else 0.995
                visible = self._open(points, unit if lamp.distant else towards, reach)[:, None]
                fall = 1.0 if lamp.distant else 1.0 / (0.4 + distance**2)
                strength = lamp.power / quality.shadow * fall * visible
                light += strength * cosine * tint
                shine += strength * np.clip(_dot(unit, mirror), 0, 1)[:, None] ** 40 * tint
        return light, shine

    def _ambient(
        self, points: Floats, normals: Floats, quality: Quality, noise: np.random.Generator
    ) -> Floats:
        open_share = np.ones(len(points), np.float32)
        if quality.corners:
            open_share[:] = 0
            for _ in range(quality.corners):
                ball = noise.standard_normal(points.shape, dtype=np.float32)
                ball /= _length(ball) + 1e-9
                directions = ball + normals * 1.001
                directions /= _length(directions) + 1e-9
                open_share += self._open(points, directions, 0.7) / quality.corners
        up = normals[:, 2] * 0.5 + 0.5
        amount = self.ambient[1] + (self.ambient[0] - self.ambient[1]) * up
        level = amount * (0.25 + 0.75 * open_share)
        return np.repeat(level[:, None], 3, axis=1).astype(np.float32)


def _dot(one: Floats, other: Floats) -> Floats:
    """Products of vectors along the last axis; several times quicker than multiply and sum."""
    product: Floats = np.einsum("...i,...i->...", one, other)
    return product


def _length(vectors: Floats) -> Floats:
    """(N, 1) lengths of (N, 3) vectors."""
    return np.sqrt(_dot(vectors, vectors))[:, None]


def _smoothed(
    light: Floats,
    seen: npt.NDArray[np.bool_],
    points: Floats,
    normals: Floats,
    shape: tuple[int, int],
    reach: int,
) -> Floats:
    """Averages light over neighbouring pixels of the same surface: few rays, little noise."""
    height, width = shape
    flat = np.zeros((height * width, 9), np.float32)
    flat[seen] = np.concatenate([light, points, normals], 1)
    grid = flat.reshape(height, width, 9)
    total = np.zeros((height, width, 3), np.float32)
    weights = np.zeros((height, width), np.float32)
    for dy in range(-reach, reach + 1):
        for dx in range(-reach, reach + 1):
            here = grid[max(0, -dy) : height - max(0, dy), max(0, -dx) : width - max(0, dx)]
            there = grid[max(0, dy) : height + min(0, dy), max(0, dx) : width + min(0, dx)]
            step = there[..., 3:6] - here[..., 3:6]
            off_plane = np.abs(_dot(step, here[..., 6:9]))
            like = (_dot(here[..., 6:9], there[..., 6:9]) > 0.9) & (off_plane < 0.01)
            rows = slice(max(0, -dy), height - max(0, dy))
            columns = slice(max(0, -dx), width - max(0, dx))
            total[rows, columns] += there[..., :3] * like[..., None]
            weights[rows, columns] += like
    mean = total / np.maximum(weights, 1)[..., None]
    known = weights.reshape(-1)[seen][:, None] > 0
    return np.where(known, mean.reshape(-1, 3)[seen], light).astype(np.float32)


def _encode(linear: Floats) -> npt.NDArray[np.uint8]:
    """Linear light to sRGB bytes with a soft shoulder near white."""
    soft = np.where(linear < 0.7, linear, 0.7 + 0.3 * np.tanh((linear - 0.7) / 0.3))
    srgb = np.where(
        soft <= 0.0031308, 12.92 * soft, 1.055 * np.maximum(soft, 0) ** (1 / 2.4) - 0.055
    )
    return (np.clip(srgb, 0, 1) * 255 + 0.5).astype(np.uint8)


def _open3d() -> Any:
    try:
        import open3d
    except (ImportError, OSError) as error:
        raise PerceptionError(
            f"Open3D, which draws the scenes, does not load: {error}",
            hint="On Debian or Ubuntu: apt-get install libegl1 libgl1 libx11-6 libusb-1.0-0.",
        ) from error
    return open3d
