"""Camera motion between real pictures, against true poses and verified answers."""

from __future__ import annotations

import numpy as np
import pytest

from spatialclaw.primitives.match import homography, transfer
from spatialclaw.primitives.motion import estimate_motion

pytestmark = pytest.mark.shared_data


@pytest.mark.parametrize(
    ("first", "second", "word"),
    [
        ("multiview/lund_street/01.jpg", "multiview/lund_street/02.jpg", "forward"),
        ("multiview/sceaux_castle/100_7101.jpg", "multiview/sceaux_castle/100_7102.jpg", "right"),
        ("multiview/sydney_opera/000.png", "multiview/sydney_opera/010.png", "right"),
        ("multiview/sydney_opera/010.png", "multiview/sydney_opera/000.png", "left"),
        (
            "benchmarks_samples/blink_multiview_a.png",
            "benchmarks_samples/blink_multiview_b.png",
            "right",
        ),
        ("multiview/berlin_cathedral/01.jpg", "multiview/berlin_cathedral/02.jpg", "forward"),
        ("multiview/berlin_cathedral/03.jpg", "multiview/berlin_cathedral/01.jpg", "backward"),
    ],
)
def test_direction_without_any_calibration(load, first, second, word):
    frames = load(first, second)
    motion = estimate_motion(frames[0], frames[1])
    assert motion.direction == word
    assert motion.confidence > 0.5
    assert not motion.metric


def test_a_camera_that_only_turned_is_said_to_have_turned(load):
    frames = load("benchmarks_samples/mmsi_image2.jpg", "benchmarks_samples/mmsi_image3.jpg")
    motion = estimate_motion(frames[0], frames[1])
    assert motion.turn == "right"
    assert motion.yaw_deg > 15
    assert motion.direction == "none"


@pytest.mark.slow
def test_kitchen_movements_without_calibration_follow_the_true_poses(kitchen, kitchen_poses):
    """All neighbours, 50 frames apart, whose true direction leads by more than 15 degrees."""
    right = wrong = 0
    for number in range(0, 950, 50):
        truth = np.linalg.inv(kitchen_poses(number)) @ kitchen_poses(number + 50)
        size = np.sort(np.abs(truth[:3, 3]))[::-1]
        if np.degrees(np.pi / 4 - np.arctan2(size[1], size[0])) < 15:
            continue
        axis = int(np.argmax(np.abs(truth[:3, 3])))
        words = (("left", "right"), ("up", "down"), ("backward", "forward"))[axis]
        frames = kitchen(number, number + 50)
        found = estimate_motion(frames[0], frames[1])
        same = found.direction == words[int(truth[axis, 3] > 0)]
        right, wrong = right + same, wrong + (not same)
    print(f"directions right: {right} of {right + wrong}")
    assert right >= 9
    assert wrong <= 1


@pytest.mark.slow
def test_kitchen_turns_without_calibration_follow_the_true_poses(kitchen, kitchen_poses):
    errors = []
    for number in (150, 450, 700, 750, 850, 900):  # where the true main turn is sideways
        truth = np.linalg.inv(kitchen_poses(number)) @ kitchen_poses(number + 50)
        yaw = np.degrees(np.arctan2(truth[0, 2], truth[2, 2]))
        frames = kitchen(number, number + 50)
        found = estimate_motion(frames[0], frames[1])
        assert found.turn == ("right" if yaw > 0 else "left")
        errors.append(abs(found.yaw_deg - yaw) / abs(yaw))
    print(f"yaw, median relative error: {np.median(errors):.2f}")
    assert np.median(errors) < 0.25


def test_depth_gives_metres(kitchen, kitchen_poses):
    errors = []
    for number in (0, 100, 250, 300, 500, 600):
        frames = kitchen(number, number + 50, known="depth")
        found = estimate_motion(frames[0], frames[1])
        truth = np.linalg.inv(kitchen_poses(number)) @ kitchen_poses(number + 50)
        assert found.metric
        errors.append(abs(found.distance - np.linalg.norm(truth[:3, 3])))
    print(f"length of the movement, median error: {np.median(errors):.3f} m")
    assert np.median(errors) < 0.04


def test_known_intrinsics_give_the_direction_to_a_few_degrees(load):
    k = [[1452.44, 0, 708], [0, 1452.44, 532], [0, 0, 1]]
    folder = "multiview/sceaux_castle/100_710"
    frames = load(f"{folder}1.jpg", f"{folder}2.jpg", intrinsics=[k, k])
    found = estimate_motion(frames[0], frames[1])
    truth = np.array([0.99, -0.04, -0.14])
    angle = np.degrees(np.arccos(found.translation @ truth / np.linalg.norm(truth)))
    assert angle < 5
    assert found.turn_deg == pytest.approx(7.7, abs=0.7)
    assert found.turn == "left"


def test_points_of_a_plane_are_found_in_the_other_picture(shared_data, load):
    truth = np.loadtxt(shared_data / "multiview/graf/H1to3.txt")
    frames = load("multiview/graf/graf1.png", "multiview/graf/graf3.png")
    errors = []
    for pixel in ((400, 320), (200, 200), (600, 450), (300, 500), (500, 150)):
        x, y, w = truth @ [*pixel, 1.0]
        found = transfer(pixel, frames[0], frames[1])
        errors.append(np.hypot(*(found.pixel - [x / w, y / w])))
    print(f"transfer errors: {np.round(errors, 2)} px")
    assert max(errors) < 3.0
    plane = homography(frames[0], frames[1])
    assert plane.inliers > 100


def test_points_of_a_deep_scene_are_found_in_the_other_picture(kitchen, kitchen_poses):
    """True depth and poses say where a point goes; local matches have to find it without them."""
    errors = []
    frames = kitchen(300, 350, known="depth")
    relative = np.linalg.inv(kitchen_poses(350)) @ kitchen_poses(300)
    k = frames[0].intrinsics
    plain = kitchen(300, 350)
    for x, y in ((200, 200), (320, 300), (420, 180), (260, 380), (480, 300)):
        z = float(np.nanmedian(frames[0].depth[y - 3 : y + 4, x - 3 : x + 4]))
        if not np.isfinite(z):
            continue
        point = np.linalg.inv(k) @ [x, y, 1.0] * z
        seen = k @ (relative[:3, :3] @ point + relative[:3, 3])
        target = seen[:2] / seen[2]
        if not (10 < target[0] < 630 and 10 < target[1] < 470):
            continue
        found = transfer((x, y), plain[0], plain[1])
        errors.append(np.hypot(*(found.pixel - target)))
    # Depth and colour of these pictures are up to 25 px apart, and so is this "truth".
    print(f"transfer errors: {np.round(errors, 1)} px")
    assert np.median(errors) < 25
