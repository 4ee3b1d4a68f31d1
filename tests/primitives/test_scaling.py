"""Scenes without scale, put into metres by one known length."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from rooms import INTRINSICS, furnished, standing

from spatialclaw.primitives import geometry
from spatialclaw.primitives.errors import NothingFound
from spatialclaw.primitives.frames import Frames
from spatialclaw.primitives.scene import Scene


def shrunk(factor: float = 0.37) -> Scene:
    """The furnished room with every length multiplied, and its scale declared unknown."""
    poses = [standing(x=1.4 + 0.4 * i) for i in range(4)]
    frames = furnished().frames(*poses)
    made = Frames.from_arrays(
        [f.image for f in frames],
        depths=[f.depth * factor for f in frames],
        instances=[f.instances for f in frames],
        objects=frames.objects,
        intrinsics=[INTRINSICS] * 4,
        poses=[np.block([[p[:3, :3], p[:3, 3:] * factor], [np.eye(4)[3:]]])
               for p in (np.asarray(f.pose) for f in frames)],
        metric=[False] * 4,
    )  # fmt: skip
    return Scene(made, metric=False)


def test_by_the_height_of_the_camera() -> None:
    scene = shrunk()
    assert not scene.metric
    real = scene.in_metres(camera_height_m=1.5)
    assert real.metric
    assert real.camera_path.plain[3, 0] - real.camera_path.plain[0, 0] == pytest.approx(
        1.2, rel=0.02
    )
    assert "height of the camera" in real.note
    assert float(np.nanmedian(real.depth(0).depth)) == pytest.approx(
        float(np.nanmedian(scene.depth(0).depth)) / 0.37, rel=0.02
    )


def test_by_two_places() -> None:
    scene = shrunk()
    a, b = (scene.to_world(geometry.unproject(scene.frames[0], p)) for p in ((60, 200), (260, 200)))
    apart = float(np.linalg.norm(a.plain - b.plain)) / 0.37
    real = scene.in_metres(between=(a, b), length_m=apart)
    assert np.linalg.norm(real.camera_path.plain[-1]) == pytest.approx(1.2, rel=1e-6)


def test_by_markers_seen_in_two_frames() -> None:
    dictionary = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_4X4_50)
    marker = cv2.copyMakeBorder(
        cv2.aruco.generateImageMarker(dictionary, 7, 200), 40, 40, 40, 40,
        cv2.BORDER_CONSTANT, value=255,
    )  # fmt: skip
    k = np.array([[500.0, 0, 319.5], [0, 500.0, 239.5], [0, 0, 1]])
    pictures, poses = [], []
    for x in (-0.25, 0.0, 0.3):  # the marker: 0.5 units a side, two units ahead
        corner = np.array([[-0.35, -0.35], [0.35, -0.35], [0.35, 0.35], [-0.35, 0.35]])
        seen = (np.c_[corner - [x, 0], np.full(4, 2.0)] @ k.T)[:, :2] / 2.0
        source = np.array([[0, 0], [279, 0], [279, 279], [0, 279]], np.float32)
        warp = cv2.getPerspectiveTransform(source, seen.astype(np.float32))
        flat = cv2.warpPerspective(marker, warp, (640, 480), borderValue=120)
        pictures.append(np.repeat(flat[..., None], 3, axis=2))
        pose = np.eye(4)
        pose[0, 3] = x
        poses.append(pose)
    frames = Frames.from_arrays(
        pictures, intrinsics=[k] * 3, poses=poses, metric=[False] * 3,
        depths=[np.full((480, 640), 2.0, np.float32)] * 3,
    )  # fmt: skip
    real = Scene(frames, metric=False).in_metres(marker_m=0.1)
    assert real.camera_path.plain[2, 0] - real.camera_path.plain[0, 0] == pytest.approx(
        0.11, rel=0.02
    )
    with pytest.raises(NothingFound, match="two frames"):
        shrunk().in_metres(marker_m=0.1)


def test_one_known_length_and_no_more() -> None:
    scene = shrunk()
    with pytest.raises(ValueError, match="one known length"):
        scene.in_metres()
    with pytest.raises(ValueError, match="one known length"):
        scene.in_metres(camera_height_m=1.5, marker_m=0.1)
    with pytest.raises(ValueError, match="positive"):
        scene.in_metres(camera_height_m=-1.0)
