"""Depth maps fused into one surface, against exact truth."""

from __future__ import annotations

import numpy as np
import pytest
from rooms import furnished

from spatialclaw.primitives import geometry
from spatialclaw.primitives.errors import NothingFound
from spatialclaw.primitives.frames import Frames
from spatialclaw.primitives.scene import Scene

pytest.importorskip("open3d", exc_type=ImportError)


def views(noise: float = 0.0) -> tuple[Scene, np.ndarray]:
    room = furnished()
    eyes = [(1.0, 0.6, 1.5), (1.6, 0.6, 1.6), (2.2, 0.6, 1.5), (2.8, 0.7, 1.6)]
    poses = [np.asarray(geometry.look_at(eye, (2.0, 4.0, 0.8))) for eye in eyes]
    frames = room.frames(*poses, noise=noise)
    return Scene.from_frames(frames), room.origin


def test_the_surface_lies_where_the_room_is() -> None:
    scene, origin = views()
    mesh = scene.mesh(voxel=0.03)
    assert mesh.frames == 4
    back = mesh.hit((0, 0, 0), (0.1, 1, 0))  # over the table, to the far wall
    assert back.plain[1] == pytest.approx(5.0 - origin[1], abs=0.02)
    assert back.ref == scene.ref
    on_floor = mesh.sample(4000).plain
    below = on_floor[np.abs(on_floor[:, 2] + origin[2]) < 0.1]
    assert len(below) > 100
    assert abs(float(np.median(below[:, 2])) + origin[2]) < 0.01


def test_fusing_averages_the_noise_of_single_frames() -> None:
    scene, origin = views(noise=0.004)
    truth = 5.0 - origin[1]
    mesh = scene.mesh(voxel=0.04)
    fused = [mesh.hit((0, 0, 0), (x, 1, 0)).plain[1] for x in np.linspace(0.05, 0.4, 15)]
    single = scene.points(frames=[0]).plain
    wall = single[np.abs(single[:, 1] - truth) < 0.5][:, 1]
    assert np.std(np.array(fused) - truth) < 0.6 * np.std(wall - truth)


def test_the_surface_is_seen_from_anywhere() -> None:
    scene, _ = views()
    frame = scene.frames[1]
    assert frame.depth is not None
    z, picture = scene.mesh(voxel=0.03).depth(
        frame.pose, frame.intrinsics, (frame.width, frame.height)
    )
    both = np.isfinite(z) & np.isfinite(frame.depth)
    assert both.mean() > 0.85
    assert np.median(np.abs(z - frame.depth)[both]) < 0.01
    assert picture.shape == (frame.height, frame.width, 3)


def test_a_ray_into_the_unseen_says_so() -> None:
    scene, _ = views()
    with pytest.raises(NothingFound, match="meets no surface"):
        scene.mesh(voxel=0.05).hit((0, 0, 0), (0, -1, 0))


def test_frames_without_depth_have_no_surface() -> None:
    picture = np.zeros((48, 64, 3), np.uint8)
    frames = Frames.from_arrays([picture], intrinsics=[np.diag([60.0, 60, 1])], poses=[np.eye(4)])
    with pytest.raises(Exception, match="depth"):
        Scene(frames).mesh()
