"""Structure from motion and RGB-D odometry against true poses."""

from __future__ import annotations

import json

import numpy as np
import pytest

from spatialclaw.primitives.reconstruct import reconstruct

pytestmark = [pytest.mark.shared_data, pytest.mark.slow]


def aligned_errors(found, truth):
    """Distances after the best similarity (Umeyama, 1991)."""
    a, b = found - found.mean(axis=0), truth - truth.mean(axis=0)
    u, s, vt = np.linalg.svd(b.T @ a)
    flip = np.diag([1, 1, np.sign(np.linalg.det(u @ vt))])
    scale = (s * np.diag(flip)).sum() / (a**2).sum()
    return np.linalg.norm(b - scale * a @ (u @ flip @ vt).T, axis=1)


def test_a_drive_from_one_camera(shared_data, load):
    picks = (0, 10, 20, 30, 40, 50)
    truth = np.loadtxt(shared_data / "stereo/kitti_drive/poses_all51.txt").reshape(-1, 3, 4)
    k = [[707.09, 0, 601.89], [0, 707.09, 183.11], [0, 0, 1]]
    names = [f"stereo/kitti_drive/left/{i:06d}.png" for i in picks]
    scene = reconstruct(load(*names, intrinsics=[k] * len(picks)))
    assert len(scene.frames) == len(picks)
    assert not scene.metric
    errors = aligned_errors(np.asarray(scene.camera_path), truth[list(picks), :, 3])
    print(f"drive of 60 m: median {np.median(errors):.3f} m, most {errors.max():.3f} m")
    assert errors.max() < 0.3


def test_three_photographs_of_a_door_tell_who_stands_nearest(shared_data, load):
    facts = json.loads((shared_data / "multiview/berlin_cathedral/poses.json").read_text())
    truth = np.array([s["camera_centre_world"] for _, s in sorted(facts["shots"].items())])
    names = [f"multiview/berlin_cathedral/0{i}.jpg" for i in (1, 2, 3)]
    scene = reconstruct(load(*names))
    path = np.asarray(scene.camera_path)
    ratio = np.linalg.norm(path[2] - path[0]) / np.linalg.norm(path[1] - path[0])
    true_ratio = np.linalg.norm(truth[2] - truth[0]) / np.linalg.norm(truth[1] - truth[0])
    assert ratio == pytest.approx(true_ratio, rel=0.1)
    assert path[2] @ path[1] > 0  # 03 lies further along the same way
    assert not scene.metric
    assert "no scale" in scene.note


def test_rgbd_frames_without_poses(kitchen, kitchen_poses):
    picks = (0, 50, 100, 150, 200, 250)
    scene = reconstruct(kitchen(*picks, known="depth"))
    assert scene.metric
    path = np.asarray(scene.camera_path)
    truth = np.array([kitchen_poses(n)[:3, 3] for n in picks])
    steps = np.linalg.norm(np.diff(path, axis=0), axis=1)
    true_steps = np.linalg.norm(np.diff(truth, axis=0), axis=1)
    print(f"steps {np.round(steps, 2)} m, true {np.round(true_steps, 2)} m")
    assert np.abs(steps - true_steps).max() < 0.06
