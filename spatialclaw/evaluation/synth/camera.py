"""Pinhole cameras and the ways they go through a scene."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

__all__ = ["Camera", "look_at"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Camera:
    """A pinhole camera.

    Attributes:
        width: Pixels.
        height: Pixels.
        focal: Pixels.
        pose: (4, 4) camera-to-world, metres; camera x right, y down, z forward; world z up.
        time: Seconds, or None.
    """

    width: int
    height: int
    focal: float
    pose: Floats
    time: float | None = None

    @property
    def intrinsics(self) -> Floats:
        """(3, 3) with the middle of the first pixel at (0, 0)."""
        cx, cy = (self.width - 1) / 2, (self.height - 1) / 2
        return np.array([[self.focal, 0, cx], [0, self.focal, cy], [0, 0, 1.0]])

    @property
    def position(self) -> Floats:
        """(3,) metres, world."""
        return self.pose[:3, 3]

    @property
    def forward(self) -> Floats:
        """(3,) unit vector along the optical axis, world."""
        return self.pose[:3, 2]

    def rays(
        self, pixels: npt.NDArray[np.generic]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Origins and directions (N, 3), world, of (N, 2) pixels; directions reach depth 1 m."""
        onto = self.pose[:3, :3] @ np.linalg.inv(self.intrinsics)
        directions = (pixels @ onto[:, :2].T + onto[:, 2]).astype(np.float32)
        return np.broadcast_to(self.position.astype(np.float32), directions.shape), directions

    def project(self, points: npt.ArrayLike) -> tuple[Floats, Floats]:
        """Pixels (N, 2) and depths (N,) metres of (N, 3) world points."""
        world = np.atleast_2d(np.asarray(points, dtype=float))
        local = (world - self.position) @ self.pose[:3, :3]
        with np.errstate(divide="ignore", invalid="ignore"):
            pixels = local[:, :2] / local[:, 2:] * self.focal
        return pixels + self.intrinsics[:2, 2], local[:, 2]

    def unproject(self, depth: npt.NDArray[np.float32], mask: npt.NDArray[np.bool_]) -> Floats:
        """World points (N, 3) of the masked pixels of a (H, W) depth map, metres."""
        y, x = np.nonzero(mask)
        z = depth[mask].astype(float)
        local = np.stack([x, y, np.ones(len(x))], 1) @ np.linalg.inv(self.intrinsics).T
        world: Floats = (local * z[:, None]) @ self.pose[:3, :3].T + self.position
        return world

    def at(self, pose: Floats, time: float | None = None) -> Camera:
        """The same camera elsewhere."""
        return replace(self, pose=pose, time=time)


def look_at(position: Sequence[float], target: Sequence[float]) -> Floats:
    """Camera-to-world pose (4, 4) of an upright camera at `position` that looks at `target`."""
    forward = np.asarray(target, dtype=float) - np.asarray(position, dtype=float)
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, np.cross(forward, right), forward], axis=1)
    pose[:3, 3] = position
    return pose
