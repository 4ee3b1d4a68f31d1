"""Depth: what the input allows, honest where it does not."""

from __future__ import annotations

import numpy as np
import pytest
from synthetic import texture

from spatialclaw.primitives.depth import depth
from spatialclaw.primitives.errors import NothingFound, Unavailable
from spatialclaw.primitives.frames import Frames
from spatialclaw.primitives.stereo import disparity, rectified

K = [[300.0, 0, 159.5], [0, 300.0, 119.5], [0, 0, 1]]


def pair(far: int = 8, near: int = 24):
    """A wall at disparity `far` with a square at `near` in front of it."""
    wide, front = texture(240, 360, 1), texture(240, 360, 2)
    left, right = wide[:, 20:340].copy(), wide[:, 20 + far : 340 + far].copy()
    left[80:160, 120:200] = front[80:160, 120:200]
    right[80:160, 120 - near : 200 - near] = front[80:160, 120:200]
    return left, right


def test_nothing_to_go_on_is_said_with_the_command_that_helps():
    with pytest.raises(Unavailable, match=r"or a depth model: "):
        depth(texture())


def test_calibrated_pair_gives_metres():
    stereo = [{"right": 1, "baseline_m": 0.2, "doffs_px": 0.0}, None]
    frames = Frames.from_arrays(pair(), intrinsics=[K, K], stereo=stereo)
    found = depth(frames[0])
    assert found.metric
    assert found.method == "sgbm"
    assert found.depth[120, 160] == pytest.approx(300 * 0.2 / 24, rel=0.02)
    assert found.depth[40, 260] == pytest.approx(300 * 0.2 / 8, rel=0.03)
    # A standard deviation grows with the square of the distance.
    assert found.sigma[40, 260] > 5 * found.sigma[120, 160]


def test_what_only_one_camera_sees_stays_unknown():
    left, right = pair()
    found = disparity(left, right)
    hidden = found.disparity[90:150, 106:118]  # just left of the square, covered in the right view
    assert np.isnan(hidden).mean() > 0.7


def test_doffs_shift_the_disparity():
    stereo = [{"right": 1, "baseline_m": 0.2, "doffs_px": 12.0}, None]
    frames = Frames.from_arrays(pair(), intrinsics=[K, K], stereo=stereo)
    assert depth(frames[0]).depth[120, 160] == pytest.approx(300 * 0.2 / 36, rel=0.02)


def test_uncalibrated_pair_gives_an_order_only():
    frames = Frames.from_arrays(pair())
    found = depth(frames[0])
    assert not found.metric
    assert found.depth[120, 160] < found.depth[40, 260]
    assert "no calibration" in found.note


def test_a_baseline_given_by_hand_makes_it_metric():
    frames = Frames.from_arrays(pair(), intrinsics=[K, K])
    found = depth(frames[0], other=frames[1], baseline_m=0.2)
    assert found.metric
    assert found.depth[120, 160] == pytest.approx(2.5, rel=0.02)


def test_unrelated_pictures_are_no_pair():
    frames = Frames.from_arrays([texture(seed=1), texture(seed=9)])
    assert not rectified(frames[0].image, frames[1].image).is_rectified
    with pytest.raises(Unavailable, match="no rectified pair"):
        depth(frames[0])


def test_pictures_of_different_sizes_are_refused():
    with pytest.raises(NothingFound, match="equal sizes"):
        disparity(texture(240, 320), texture(200, 320))


def test_captured_depth_comes_back_with_its_gaps():
    values = np.full((240, 320), 2.0)
    values[:20] = 0  # 0 means unknown in a file
    frames = Frames.from_arrays([texture()], depths=[values], intrinsics=[K])
    found = depth(frames[0])
    assert found.method == "rgbd"
    assert np.isnan(found.depth[:20]).all()
    assert found.coverage == pytest.approx(220 / 240)
    assert 0.002 < float(np.nanmedian(found.sigma)) < 0.02


def test_gaps_are_filled_only_when_asked_and_it_is_said():
    values = np.full((240, 320), 2.0)
    values[100:104, 100:104] = 0
    frames = Frames.from_arrays([texture()], depths=[values], intrinsics=[K])
    found = depth(frames[0], fill=True)
    assert found.depth[101, 101] == pytest.approx(2.0)
    assert found.method == "rgbd+filled"
    assert "filled" in found.note
    assert found.sigma[101, 101] > found.sigma[50, 50]
    assert np.isnan(depth(frames[0]).depth[101, 101])


def test_unknown_method_is_named():
    with pytest.raises(ValueError, match="use one of auto, capture"):
        depth(texture(), method="magic")


def test_large_pairs_are_matched_smaller_and_come_back_at_their_size():
    wide = texture(1100, 2300, 1)
    left, right = wide[:, :2200], wide[:, 40:2240]
    found = disparity(np.ascontiguousarray(left), np.ascontiguousarray(right))
    assert found.disparity.shape == (1100, 2200)
    assert float(np.nanmedian(found.disparity)) == pytest.approx(40, abs=0.6)
