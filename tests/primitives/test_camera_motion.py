"""Camera motion from matched points with exact truth, and from pictures made here."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from synthetic import shifted, texture

from spatialclaw.primitives.errors import NothingFound, Unavailable
from spatialclaw.primitives.frames import Frames
from spatialclaw.primitives.motion import by_views, estimate_motion
from spatialclaw.primitives.twoview import fit_rotation, refine, triangulate

K = np.array([[520.0, 0, 319.5], [0, 520.0, 239.5], [0, 0, 1]])


def views(center, turn_deg=(0.0, 0.0, 0.0), noise=0.3, count=250, outliers=0.2, seed=3):
    """Matches of points over a ground and in front of a wall; turn is yaw right, pitch up, roll."""
    generator = np.random.default_rng(seed)
    half = count // 2
    ground = np.c_[
        generator.uniform(-4, 4, half), np.full(half, 1.4), generator.uniform(2.5, 12, half)
    ]
    wall = np.c_[
        generator.uniform(-5, 5, half), generator.uniform(-3, 1.4, half),
        generator.uniform(7, 13, half),
    ]  # fmt: skip
    points = np.r_[ground, wall]
    yaw, pitch, roll = np.radians(turn_deg)
    rotation = (
        cv2.Rodrigues(np.array([0, yaw, 0]))[0]
        @ cv2.Rodrigues(np.array([pitch, 0, 0]))[0]
        @ cv2.Rodrigues(np.array([0, 0, roll]))[0]
    )
    moved = (points - np.asarray(center)) @ rotation
    keep = (points[:, 2] > 0.5) & (moved[:, 2] > 0.5)
    a = (points[keep] / points[keep, 2:]) @ K.T
    b = (moved[keep] / moved[keep, 2:]) @ K.T
    a, b = a[:, :2], b[:, :2]
    inside = ((b > 0) & (b < [640, 480]) & (a > 0) & (a < [640, 480])).all(axis=1)
    a, b = a[inside], b[inside]
    a, b = a + generator.normal(0, noise, a.shape), b + generator.normal(0, noise, b.shape)
    wrong = generator.random(len(a)) < outliers
    b[wrong] = generator.uniform(0, [640, 480], (int(wrong.sum()), 2))
    return a, b, rotation


def blank(known: bool) -> Frames:
    image = np.zeros((480, 640, 3), dtype=np.uint8)
    return Frames.from_arrays([image, image], intrinsics=[K, K] if known else None)


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize(
    ("center", "turn", "word"),
    [
        ((0.5, 0, 0), (0, 0, 0), "right"),
        ((-0.5, 0, 0.05), (-6, 0, 0), "left"),
        ((-0.5, 0, 0.05), (8, 0, 0), "left"),
        ((0.6, 0.05, 0), (-10, 2, 0), "right"),
        ((0, -0.5, 0), (0, -4, 0), "up"),
        ((0, 0.4, 0.05), (0, 3, 1), "down"),
        ((0.05, 0, 1.0), (2, 0, 0), "forward"),
        ((0, 0.05, -1.0), (-3, 1, 0), "backward"),
    ],
)
def test_directions(known, center, turn, word):
    a, b, rotation = views(center, turn)
    frames = blank(known)
    found = by_views(frames[0], frames[1], a, b)
    assert found.direction == word
    assert not found.metric
    if known:
        assert found.yaw_deg == pytest.approx(turn[0], abs=0.7)
        assert found.pitch_deg == pytest.approx(turn[1], abs=0.7)
        cosine = found.translation @ np.asarray(center) / np.linalg.norm(center)
        assert np.degrees(np.arccos(np.clip(cosine, -1, 1))) < 8
        assert np.abs(found.rotation - rotation).max() < 0.02


@pytest.mark.parametrize("known", [True, False])
def test_a_turn_alone_has_no_direction(known):
    a, b, _ = views((0, 0, 0), (12, 3, 0))
    frames = blank(known)
    found = by_views(frames[0], frames[1], a, b)
    assert found.direction == "none"
    assert found.turn == "right"
    assert "turn alone" in found.note
    if known:
        assert found.yaw_deg == pytest.approx(12, abs=0.3)


def test_an_unknown_focal_length_is_said():
    a, b, _ = views((0.5, 0, 0), (5, 0, 0))
    frames = blank(known=False)
    found = by_views(frames[0], frames[1], a, b)
    assert "focal length unknown" in found.note
    assert sum(found.probabilities.values()) == pytest.approx(1, abs=0.01)


def test_the_same_picture_twice_is_a_camera_at_rest():
    frames = Frames.from_arrays([texture(480, 640), texture(480, 640)])
    found = estimate_motion(frames[0], frames[1])
    assert found.direction == "none"
    assert found.turn == "none"


def test_pictures_of_different_places():
    frames = Frames.from_arrays([texture(seed=1), texture(seed=5)])
    with pytest.raises(NothingFound, match=r"may not overlap|no rigid"):
        estimate_motion(frames[0], frames[1])


def test_poses_of_the_capture_win():
    there = np.eye(4)
    there[:3, 3] = 0.3, 0.0, -0.1
    image = texture(120, 160)
    frames = Frames.from_arrays([image, image], poses=[np.eye(4).tolist(), there.tolist()])
    found = estimate_motion(frames[0], frames[1])
    assert (found.method, found.direction, found.metric) == ("poses", "right", True)
    assert found.distance == pytest.approx(np.hypot(0.3, 0.1))


def test_depth_of_one_frame_makes_it_metric():
    """A textured wall at 2 m; the camera steps 0.2 m to the right."""
    image = texture(480, 640)
    moved = shifted(image, -520 * 0.2 / 2.0, 0)
    frames = Frames.from_arrays(
        [image, moved], depths=[np.full((480, 640), 2.0), None], intrinsics=[K, K]
    )
    forth = estimate_motion(frames[0], frames[1], method="depth")
    assert forth.metric
    assert forth.translation == pytest.approx([0.2, 0, 0], abs=0.02)
    back = estimate_motion(frames[1], frames[0])  # depth in the second frame only
    assert back.translation == pytest.approx([-0.2, 0, 0], abs=0.02)


def test_a_method_that_cannot_work_says_why():
    frames = Frames.from_arrays([texture(), shifted(texture(), 5, 0)])
    with pytest.raises(Unavailable, match="no poses"):
        estimate_motion(frames[0], frames[1], method="poses")
    with pytest.raises(Unavailable, match="depth"):
        estimate_motion(frames[0], frames[1], method="depth")
    with pytest.raises(ValueError, match="'views'"):
        estimate_motion(frames[0], frames[1], method="guess")


def test_triangulated_points_are_where_they_were():
    rotation = cv2.Rodrigues(np.array([0.02, -0.1, 0.01]))[0]
    center = np.array([0.5, 0.1, -0.05])
    points = np.array([[0.0, 0, 4], [1, -1, 6], [-2, 0.5, 9]])
    moved = (points - center) @ rotation
    a, b = points @ K.T, moved @ K.T
    found, _, angle = triangulate(a[:, :2] / a[:, 2:], b[:, :2] / b[:, 2:], rotation, center, K, K)
    assert found == pytest.approx(points, abs=1e-6)
    assert (np.diff(angle) < 0).all()


def test_refinement_recovers_the_focal_length():
    a, b, rotation = views((0.7, 0.1, 0.4), (-9, 4, 2), noise=0.05, outliers=0)
    center = np.array([0.7, 0.1, 0.4]) / np.linalg.norm([0.7, 0.1, 0.4])
    guess = K * np.array([[1.15, 1, 1], [1, 1.15, 1], [1, 1, 1]])
    _, _, factor, _ = refine(a, b, rotation, center, guess, guess, focal_sigma=0.3)
    assert factor * 1.15 == pytest.approx(1.0, abs=0.06)


def test_a_rotation_is_fitted_through_outliers():
    a, b, rotation = views((0, 0, 0), (10, -2, 3), outliers=0.4)
    found, keep = fit_rotation(a, b, K, K)
    assert np.abs(found - rotation).max() < 0.01
    assert keep.mean() > 0.5
