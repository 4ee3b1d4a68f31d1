"""Reconstruction: bundle adjustment with exact truth, and scenes from frames made here."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from synthetic import shifted, texture

from spatialclaw.primitives.bundle import Problem, adjust, residuals
from spatialclaw.primitives.errors import NothingFound, Unavailable
from spatialclaw.primitives.frames import Frames
from spatialclaw.primitives.people import faces, people
from spatialclaw.primitives.reconstruct import reconstruct
from spatialclaw.primitives.text import read_text

K = np.array([[320.0, 0, 159.5], [0, 320.0, 119.5], [0, 0, 1]])


def problem(generator, noise=0.0):
    cameras, points = 6, 200
    places = generator.uniform([-2, -2, 5], [2, 2, 9], (points, 3))
    turns = np.array([cv2.Rodrigues(generator.normal(0, 0.1, 3))[0] for _ in range(cameras)])
    shifts = generator.normal(0, 0.5, (cameras, 3))
    turns[0], shifts[0] = np.eye(3), 0
    camera = np.repeat(np.arange(cameras), points)
    point = np.tile(np.arange(points), cameras)
    made = Problem(
        turns, shifts, np.full(cameras, 600.0), np.tile([320.0, 240.0], (cameras, 1)), places,
        camera, point, np.zeros((len(camera), 2)),
    )  # fmt: skip
    made.pixels = residuals(made) + generator.normal(0, noise, (len(camera), 2))
    return made


def test_bundle_adjustment_finds_cameras_and_focal_length():
    generator = np.random.default_rng(0)
    truth = problem(generator, noise=0.2)
    guess = Problem(
        np.array([cv2.Rodrigues(generator.normal(0, 0.02, 3))[0] @ r for r in truth.rotations]),
        truth.translations + generator.normal(0, 0.05, truth.translations.shape),
        truth.focals * 1.06, truth.centers, truth.points + generator.normal(0, 0.1, (200, 3)),
        truth.camera, truth.point, truth.pixels,
    )  # fmt: skip
    guess.rotations[0], guess.translations[0] = truth.rotations[0], truth.translations[0]
    assert adjust(guess, free_focal=True) < 0.3
    assert guess.focals[0] == pytest.approx(600, rel=0.01)


def test_bundle_adjustment_bears_outliers():
    generator = np.random.default_rng(1)
    truth = problem(generator, noise=0.2)
    wrong = generator.random(len(truth.pixels)) < 0.05
    truth.pixels[wrong] += generator.uniform(-80, 80, (int(wrong.sum()), 2))
    truth.points = truth.points + generator.normal(0, 0.05, truth.points.shape)
    adjust(truth)
    errors = np.linalg.norm(residuals(truth), axis=1)
    assert np.median(errors[~wrong]) < 0.35


def test_rgbd_frames_without_poses_are_chained_in_metres():
    image = texture(240, 320, 4)
    images = [shifted(image, -320 * 0.1 * step / 2.0, 0) for step in range(4)]
    depths = [np.full((240, 320), 2.0)] * 4
    scene = reconstruct(Frames.from_arrays(images, depths=depths, intrinsics=[K] * 4))
    assert scene.metric
    path = np.asarray(scene.camera_path)
    assert np.linalg.norm(path[3] - path[0]) == pytest.approx(0.3, abs=0.02)


def test_pictures_that_share_nothing():
    frames = Frames.from_arrays([texture(seed=s) for s in (1, 2, 3)])
    with pytest.raises(NothingFound, match="share 20 points"):
        reconstruct(frames)


def test_one_picture_without_depth():
    with pytest.raises(Unavailable):
        reconstruct(texture_frame())


def texture_frame():
    return Frames.from_arrays([texture()])[0]


def test_mistaken_method():
    with pytest.raises(ValueError, match="'sfm'"):
        reconstruct(texture_frame(), method="nerf")


def test_nobody_is_found_in_a_texture():
    with pytest.raises(NothingFound, match="nobody"):
        people(np.full((300, 300, 3), 200, np.uint8))
    with pytest.raises(NothingFound, match="no face"):
        faces(np.full((300, 300, 3), 200, np.uint8))


def test_text_without_a_model_says_what_to_do():
    with pytest.raises(Unavailable, match=r"nothing here reads text.*OCR model: "):
        read_text(texture())
