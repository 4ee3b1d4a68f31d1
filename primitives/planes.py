"""Planes in the depth of a frame: floor, walls, table tops."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spatialclaw.primitives.errors import Unavailable
from spatialclaw.primitives.frames import Frame
from spatialclaw.primitives.geometry.gravity import gravity_known
from spatialclaw.primitives.results import DepthMap

__all__ = ["PlaneRegion", "concave_edges", "plane_regions", "up_in_camera"]

Floats = npt.NDArray[np.float64]


@dataclass(eq=False)
class PlaneRegion:
    """A plane and the pixels that lie on it.

    Attributes:
        normal: (3,) unit vector in camera axes, towards the camera.
        offset: normal @ x + offset = 0 on the plane; the camera is `offset` away from it.
        mask: (H, W) bool.
        area: Sum of the pixels' footprints, in the unit of the depth squared.
        up: Cosine between the normal and up: 1 floor or table, -1 ceiling, 0 wall.
    """

    normal: Floats
    offset: float
    mask: npt.NDArray[np.bool_]
    area: float
    up: float


def up_in_camera(frame: Frame) -> tuple[Floats, bool]:
    """(3,) up in camera axes, and whether it is known from a pose (else the camera is level)."""
    if frame.pose is not None and gravity_known(frame):
        return np.asarray(frame.pose[:3, :3].T @ np.array([0.0, 0.0, 1.0])), True
    return np.array([0.0, -1.0, 0.0]), False


def plane_regions(frame: Frame, depth: DepthMap, *, most: int = 8) -> list[PlaneRegion]:
    """The large planes of a frame, largest first, by RANSAC on its depth.

    Raises:
        Unavailable: The frame has no intrinsics, or hardly any depth.
    """
    if frame.intrinsics is None:
        raise Unavailable(
            "planes need the camera's intrinsics",
            hint="segment(frame, box=(x0, y0, x1, y1))",
        )
    points, keep = _points(frame, depth)
    if keep.sum() < 500:
        raise Unavailable("too few pixels have a depth to find planes", hint="segment(box=...)")
    step = max(1, round(np.sqrt(keep.sum() / 30_000)))
    rows, columns = np.nonzero(keep[::step, ::step])
    sample = points[::step, ::step][rows, columns]
    scale = float(np.median(sample[:, 2]))
    sigma = np.nan_to_num(depth.sigma[::step, ::step][rows, columns], nan=0.01 * scale)
    tolerance = (2.5 * sigma + 0.004 * scale).astype(np.float64)
    normals = _normals(points, keep)[::step, ::step][rows, columns]
    up = _settled_up(frame, sample, normals)
    left = np.ones(len(sample), dtype=bool)
    generator = np.random.default_rng(1)
    result: list[PlaneRegion] = []
    while len(result) < most and left.sum() > 0.02 * len(sample):
        found = _ransac(sample[left], normals[left], tolerance[left], generator)
        if found is None:
            break
        normal, offset = found
        near = np.abs(sample @ normal + offset) < tolerance
        near &= np.abs((normals * normal).sum(axis=1)) > 0.8
        if (near & left).sum() < 0.02 * len(sample):
            break
        left &= ~near
        result.append(_region(frame, points, keep, depth, normal, offset, up, scale))
    return sorted(result, key=lambda region: -region.area)


def concave_edges(frame: Frame, depth: DepthMap) -> npt.NDArray[np.bool_]:
    """(H, W) where two surfaces meet in a hollow: where one thing stands on or against another.

    Convex edges belong to one thing, concave ones part two (Stein et al., CVPR 2014).
    """
    import cv2

    points, keep = _points(frame, depth)
    normals = _normals(points, keep)
    reach = 5
    found = np.zeros(keep.shape, dtype=bool)
    for axis in (0, 1):
        before = np.roll(points, reach, axis=axis), np.roll(normals, reach, axis=axis)
        after = np.roll(points, -reach, axis=axis), np.roll(normals, -reach, axis=axis)
        way = after[0] - before[0]
        length = np.maximum(np.linalg.norm(way, axis=-1), 1e-9)
        rises = (way * before[1]).sum(axis=-1) / length
        falls = -(way * after[1]).sum(axis=-1) / length
        known = np.roll(keep, reach, axis=axis) & np.roll(keep, -reach, axis=axis)
        found |= known & (rises > 0.25) & (falls > 0.25)
    found[:reach], found[-reach:], found[:, :reach], found[:, -reach:] = (False,) * 4
    opened = cv2.morphologyEx(found.astype(np.uint8), cv2.MORPH_OPEN, np.ones((2, 2), np.uint8))
    return np.asarray(opened > 0)


def _points(frame: Frame, depth: DepthMap) -> tuple[Floats, npt.NDArray[np.bool_]]:
    k = frame.intrinsics
    assert k is not None
    z = depth.depth.astype(np.float64)
    rows, columns = np.indices(z.shape)
    x = (columns - k[0, 2]) / k[0, 0] * z
    y = (rows - k[1, 2]) / k[1, 1] * z
    keep = np.isfinite(z)
    return np.nan_to_num(np.stack([x, y, z], axis=-1)), keep


def _normals(points: Floats, keep: npt.NDArray[np.bool_]) -> Floats:
    """(H, W, 3) normals by finite differences of smoothed points, towards the camera."""
    import cv2

    reach = 4
    weight = cv2.blur(keep.astype(np.float64), (5, 5))
    smooth = np.stack([cv2.blur(points[..., i], (5, 5)) for i in range(3)], axis=-1)
    smooth = smooth / np.maximum(weight, 1e-6)[..., None]
    across = np.roll(smooth, -reach, axis=1) - np.roll(smooth, reach, axis=1)
    down = np.roll(smooth, -reach, axis=0) - np.roll(smooth, reach, axis=0)
    normals = np.cross(down, across)
    normals /= np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-12)
    flip = (normals * points).sum(axis=-1) > 0
    normals[flip] *= -1
    return np.asarray(normals)


def _settled_up(frame: Frame, sample: Floats, normals: Floats) -> Floats:
    """Up from the pose, else the direction near the camera's up that most normals share."""
    up, known = up_in_camera(frame)
    if known:
        return up
    for limit in (0.8, 0.9, 0.95, 0.97):
        close = normals @ up > limit
        if close.sum() < 0.01 * len(normals):
            break
        mean = np.median(normals[close], axis=0)
        up = mean / np.linalg.norm(mean)
    return up


def _ransac(
    points: Floats, normals: Floats, tolerance: Floats, generator: np.random.Generator
) -> tuple[Floats, float] | None:
    best, best_count = None, 0
    for _ in range(150):
        index = int(generator.integers(len(points)))
        normal = normals[index]
        if not np.any(normal):
            continue
        offset = -float(normal @ points[index])
        near = np.abs(points @ normal + offset) < tolerance
        near &= normals @ normal > 0.85
        count = int(near.sum())
        if count > best_count:
            best, best_count = near, count
    if best is None or best_count < 50:
        return None
    normal, offset = np.zeros(3), 0.0
    for _ in range(3):
        weights = 1 / tolerance[best] ** 2
        center = (points[best] * weights[:, None]).sum(axis=0) / weights.sum()
        spread = (points[best] - center) * np.sqrt(weights)[:, None]
        normal = np.linalg.svd(spread, full_matrices=False)[2][2]
        if normal @ center > 0:
            normal = -normal
        offset = -float(normal @ center)
        best = (np.abs(points @ normal + offset) < tolerance) & (normals @ normal > 0.8)
        if best.sum() < 30:
            return None
    return normal, offset


def _region(
    frame: Frame,
    points: Floats,
    keep: npt.NDArray[np.bool_],
    depth: DepthMap,
    normal: Floats,
    offset: float,
    up: Floats,
    scale: float,
) -> PlaneRegion:
    import cv2

    k = frame.intrinsics
    assert k is not None
    sigma = np.nan_to_num(depth.sigma, nan=0.01 * scale)
    near = np.abs(points @ normal + offset) < 3 * sigma + 0.006 * scale
    mask = keep & near
    kernel = np.ones((3, 3), dtype=np.uint8)
    mask = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, kernel) > 0
    mask = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8)) > 0
    z = points[mask & keep][:, 2]
    rays = points[mask & keep] / np.maximum(z, 1e-9)[:, None]
    slant = np.abs(rays @ normal)
    footprint = z**2 / (float(k[0, 0]) * float(k[1, 1])) / np.maximum(slant, 0.05)
    return PlaneRegion(normal, offset, mask, float(footprint.sum()), float(normal @ up))
