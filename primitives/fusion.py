"""Depth maps of many frames fused into one surface (truncated signed distance, TSDF)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spatialclaw.primitives.errors import NothingFound, PrimitiveError, Unavailable
from spatialclaw.primitives.geometry.points import Points

if TYPE_CHECKING:
    from spatialclaw.primitives.scene import Scene

__all__ = ["Mesh", "fuse"]

Floats = npt.NDArray[np.float64]

LARGEST_GRID = 512
"""The voxel's side is at least the scene's size divided by this."""
TRUNCATION = 6.0
"""Distances beyond this many voxels from a surface are not kept."""


@dataclass(eq=False)
class Mesh:
    """A surface of triangles in the world.

    Attributes:
        vertices: (N, 3) `Points`.
        triangles: (M, 3) int, indices of vertices.
        colours: (N, 3) uint8 RGB.
        voxel: Side of the voxels it was made of; details smaller than that are lost.
        frames: Number of frames fused.

    Example:
        >>> mesh = scene.mesh()
        >>> mesh.area, mesh.hit((0, 0, 1.5), (0, 1, 0))
    """

    vertices: Points
    triangles: npt.NDArray[np.int64]
    colours: npt.NDArray[np.uint8]
    voxel: float
    frames: int

    @property
    def area(self) -> float:
        """Area of the surface seen, square metres (square units of a scene without scale)."""
        a, b, c = (self.vertices.plain[self.triangles[:, k]] for k in range(3))
        return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)

    def sample(self, n: int = 20_000, *, seed: int = 0) -> Points:
        """(n, 3) points spread evenly over the surface."""
        a, b, c = (self.vertices.plain[self.triangles[:, k]] for k in range(3))
        areas = np.linalg.norm(np.cross(b - a, c - a), axis=1)
        rng = np.random.default_rng(seed)
        picks = rng.choice(len(areas), n, p=areas / areas.sum())
        u, v = rng.random((2, n, 1))
        over = u + v > 1
        u, v = np.where(over, 1 - u, u), np.where(over, 1 - v, v)
        xyz = a[picks] + u * (b - a)[picks] + v * (c - a)[picks]
        found = Points(xyz, self.vertices.ref, metric=self.vertices.metric)
        found.method = "tsdf"
        return found

    def hit(self, origin: npt.ArrayLike, direction: npt.ArrayLike) -> Points:
        """Where a ray first meets the surface.

        Args:
            origin: (3,) in the world.
            direction: (3,), any length.

        Raises:
            NothingFound: It meets nothing that was seen.
        """
        way = np.asarray(direction, dtype=np.float64)
        way = way / np.linalg.norm(way)
        start = np.asarray(origin, dtype=np.float64)
        ray = np.concatenate([start, way]).astype(np.float32)[None]
        away = float(self._caster().cast_rays(_tensor(ray))["t_hit"].numpy()[0])
        if not np.isfinite(away):
            raise NothingFound("the ray meets no surface that was seen", hint="another direction")
        found = Points(start + away * way, self.vertices.ref, metric=self.vertices.metric)
        found.method, found.sigma = "tsdf", self.voxel / 2
        return found

    def depth(
        self, pose: npt.ArrayLike, intrinsics: npt.ArrayLike, size: tuple[int, int]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]:
        """Depth map and picture of the surface from anywhere.

        Args:
            pose: (4, 4) camera-to-world.
            intrinsics: (3, 3).
            size: (width, height).

        Returns:
            (H, W) depth along the axis, NaN where nothing was seen, and (H, W, 3) uint8 RGB.
        """
        width, height = size
        matrix, place = np.asarray(intrinsics, np.float64), np.asarray(pose, np.float64)
        rows, columns = np.indices((height, width))
        rays = np.stack([columns, rows, np.ones_like(rows)], -1) @ np.linalg.inv(matrix).T
        rays = rays @ place[:3, :3].T  # z of 1 in the camera: t_hit is the depth
        starts = np.broadcast_to(place[:3, 3], rays.shape)
        answer = self._caster().cast_rays(
            _tensor(np.concatenate([starts, rays], -1).astype(np.float32))
        )
        z = answer["t_hit"].numpy().astype(np.float32)
        seen = np.isfinite(z)
        picture = np.zeros((height, width, 3), dtype=np.uint8)
        corners = self.triangles[answer["primitive_ids"].numpy()[seen].astype(np.int64)]
        uv = answer["primitive_uvs"].numpy()[seen]
        shares = np.stack([1 - uv.sum(-1), uv[:, 0], uv[:, 1]], axis=-1)
        picture[seen] = (self.colours[corners] * shares[..., None]).sum(axis=1).astype(np.uint8)
        return np.where(seen, z, np.nan).astype(np.float32), picture

    def _caster(self) -> Any:
        import open3d as o3d

        scene = o3d.t.geometry.RaycastingScene()
        scene.add_triangles(
            _tensor(self.vertices.plain.astype(np.float32)),
            _tensor(self.triangles.astype(np.uint32)),
        )
        return scene

    def __repr__(self) -> str:
        unit = "m" if self.vertices.metric else "units, no scale"
        return (
            f"<Mesh: {len(self.vertices)} vertices, {len(self.triangles)} triangles from "
            f"{self.frames} frames, voxel {self.voxel:.3g} {unit}>"
        )


def fuse(scene: Scene, *, voxel: float | None = None, farthest: float | None = None) -> Mesh:
    """The surface that the depth maps of a scene agree on.

    Each voxel keeps the mean signed distance to the surfaces seen through it (Curless and Levoy,
    "A volumetric method for building complex models from range images", SIGGRAPH 1996), as
    Open3D's VoxelBlockGrid computes it: noise of single frames averages out.

    Args:
        scene: Frames with poses and dense depth.
        voxel: Side of a voxel; None: 1/200 of the scene's size, at least 5 mm.
        farthest: Depth beyond this is left out; None: all of it.

    Returns:
        A `Mesh` in the world of the scene.

    Raises:
        Unavailable: Open3D cannot be loaded here.
        NothingFound: No frame has dense depth.
    """
    try:
        import open3d as o3d
    except (ImportError, OSError) as error:
        raise Unavailable(
            f"Open3D cannot be loaded ({error})", hint="scene.points(), without a mesh"
        ) from error
    size = float(np.linalg.norm(np.ptp(scene.points(most=20_000).plain, axis=0)))
    floor = size / LARGEST_GRID
    side = max(voxel if voxel is not None else max(size / 200, 0.005 * scene.metric), floor)
    core = o3d.core
    volume = o3d.t.geometry.VoxelBlockGrid(
        attr_names=("tsdf", "weight", "color"),
        attr_dtypes=(core.float32, core.float32, core.float32),
        attr_channels=((1), (1), (3)),  # type: ignore[arg-type]
        voxel_size=side,
        block_resolution=16,
        block_count=4000,
        device=core.Device("CPU:0"),
    )
    used = 0
    for i, frame in enumerate(scene.frames):
        try:
            found = scene.depth(i).depth
        except PrimitiveError:  # this frame adds nothing
            continue
        if np.isfinite(found).mean() < 0.05:
            continue
        assert frame.intrinsics is not None
        assert frame.pose is not None
        known = np.where(np.isfinite(found), found, 0).astype(np.float32)
        depth = o3d.t.geometry.Image(_tensor(known[..., None]))
        colour = o3d.t.geometry.Image(_tensor((frame.image / 255.0).astype(np.float32)))
        lens = _tensor(np.asarray(frame.intrinsics, dtype=np.float64))
        extrinsic = _tensor(np.linalg.inv(np.asarray(frame.pose, dtype=np.float64)))
        most = float(farthest) if farthest is not None else float(known.max()) + side
        blocks = volume.compute_unique_block_coordinates(
            depth, lens, extrinsic, 1.0, most, TRUNCATION
        )
        volume.integrate(blocks, depth, colour, lens, lens, extrinsic, 1.0, most, TRUNCATION)
        used += 1
    if not used:
        raise NothingFound("no frame of the scene has dense depth", hint="scene.points()")
    made = volume.extract_triangle_mesh(weight_threshold=0.5)
    if not len(made.triangle.indices):
        raise NothingFound("the depth maps agree on no surface", hint="a larger voxel")
    corners = made.vertex.positions.numpy().astype(np.float64)
    vertices = Points(corners, scene.ref, metric=scene.metric)
    vertices.method = "tsdf"
    return Mesh(
        vertices,
        made.triangle.indices.numpy().astype(np.int64),
        (made.vertex.colors.numpy().clip(0, 1) * 255).round().astype(np.uint8),
        voxel=side,
        frames=used,
    )


def _tensor(values: npt.NDArray[Any]) -> Any:
    from open3d.core import Tensor

    return Tensor.from_numpy(np.ascontiguousarray(values))
