"""Scenes with exact truth: a room and boxes, depth by intersecting rays, no rendering library."""

from __future__ import annotations

from typing import Any

import numpy as np

from spatialclaw.primitives.frames import Frames, SceneObject
from spatialclaw.primitives.geometry import look_at

INTRINSICS = np.array([[300.0, 0, 159.5], [0, 300.0, 119.5], [0, 0, 1]])
SIZE = (240, 320)


class Room:
    """An empty box room (x 0..width, y 0..depth, z 0..height) with upright boxes in it."""

    def __init__(self, width: float = 4.0, depth: float = 5.0, height: float = 2.5) -> None:
        self.size = np.array([width, depth, height])
        self.boxes: list[tuple[str, np.ndarray, np.ndarray, float]] = []

    def add(self, name: str, center: Any, extent: Any, yaw_deg: float = 0.0) -> Room:
        self.boxes.append((name, np.array(center, float), np.array(extent, float), yaw_deg))
        return self

    def see(self, pose: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(H, W) depth along the axis and instance ids of a camera."""
        rows, columns = np.indices(SIZE)
        rays = np.stack([columns, rows, np.ones(SIZE)], -1) @ np.linalg.inv(INTRINSICS).T
        rays = rays @ pose[:3, :3].T
        eye = pose[:3, 3]
        with np.errstate(divide="ignore"):
            far = np.where(rays > 0, (self.size - eye) / rays, -eye / rays)
        depth, ids = far.min(axis=-1), np.zeros(SIZE, np.uint16)
        for number, (_, center, extent, yaw) in enumerate(self.boxes, 1):
            c, s = np.cos(np.radians(yaw)), np.sin(np.radians(yaw))
            turn = np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])
            start, heading = turn @ (eye - center), rays @ turn.T
            heading = np.where(np.abs(heading) < 1e-12, 1e-12, heading)
            a, b = (-extent / 2 - start) / heading, (extent / 2 - start) / heading
            near, out = np.minimum(a, b).max(-1), np.maximum(a, b).min(-1)
            hit = (near < out) & (near > 0) & (near < depth)
            depth, ids = np.where(hit, near, depth), np.where(hit, number, ids)
        return depth, ids.astype(np.uint16)

    def frames(self, *poses: np.ndarray, known_poses: bool = True, noise: float = 0.0) -> Frames:
        rng = np.random.default_rng(0)
        views = [self.see(pose) for pose in poses]
        # The house's world has the first camera at its origin.
        shift = np.eye(4)
        shift[:3, 3] = -poses[0][:3, 3]
        self.origin = poses[0][:3, 3].copy()
        images = [np.repeat((40 * ids + 60)[..., None], 3, -1).astype(np.uint8) for _, ids in views]
        return Frames.from_arrays(
            images,
            depths=[d + noise * d**2 * rng.standard_normal(d.shape) for d, _ in views],
            instances=[ids for _, ids in views],
            objects=[SceneObject(name, i) for i, (name, *_) in enumerate(self.boxes, 1)],
            intrinsics=[INTRINSICS for _ in poses],
            poses=[shift @ pose for pose in poses] if known_poses else None,
            times=[0.5 * i for i in range(len(poses))],
        )


def furnished() -> Room:
    room = Room()
    room.add("wardrobe", (0.5, 4.6, 0.9), (0.8, 0.6, 1.8))
    room.add("table", (2.4, 3.4, 0.36), (1.2, 0.7, 0.72), 30)
    room.add("stool", (3.4, 2.4, 0.22), (0.4, 0.4, 0.44))
    return room


def standing(
    x: float = 2.0, y: float = 0.4, z: float = 1.5, at: Any = (2.0, 4.0, 0.5)
) -> np.ndarray:
    return look_at((x, y, z), at)
