"""Matches, homographies and single pixels found again."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from synthetic import texture

from spatialclaw.primitives.errors import NothingFound
from spatialclaw.primitives.frames import Frames
from spatialclaw.primitives.match import homography, match, transfer

TRUTH = np.array([[0.95, 0.08, 12.0], [-0.05, 1.02, -8.0], [1e-4, -5e-5, 1.0]])


@pytest.fixture(scope="module")
def frames():
    image = texture(400, 560, 3)
    return Frames.from_arrays([image, cv2.warpPerspective(image, TRUTH, (560, 400))])


def test_matches_agree_with_the_truth(frames):
    found = match(frames[0], frames[1])
    there = cv2.perspectiveTransform(found.points_a[:, None], TRUTH)[:, 0]
    error = np.linalg.norm(there - found.points_b, axis=1)
    assert len(found) > 50
    assert np.median(error) < 0.5
    assert (error < 3).mean() > 0.95


def test_homography(frames):
    found = homography(frames[0], frames[1])
    truth = cv2.perspectiveTransform(np.array([[[300.0, 200.0]]]), TRUTH)[0, 0]
    assert found.apply((300, 200))[0] == pytest.approx(truth, abs=0.5)


def test_transfer_of_a_pixel(frames):
    truth = cv2.perspectiveTransform(np.array([[[150.0, 220.0]]]), TRUTH)[0, 0]
    found = transfer((150, 220), frames[0], frames[1])
    assert found.pixel == pytest.approx(truth, abs=1.5)
    assert found.sigma_px < 3
    assert found.confidence > 0.6


def test_a_pixel_that_leaves_the_picture(frames):
    with pytest.raises(NothingFound, match="outside the 560x400"):
        transfer((300, 2), frames[0], frames[1])


def test_a_pixel_that_is_no_pixel(frames):
    with pytest.raises(ValueError, match="outside the 560x400 picture"):
        transfer((900, 20), frames[0], frames[1])


def test_different_places_do_not_match():
    with pytest.raises(NothingFound, match="found again"):
        match(texture(seed=1), texture(seed=2))


def test_a_blank_picture_does_not_match():
    with pytest.raises(NothingFound):
        match(texture(), np.zeros((240, 320, 3), np.uint8))
