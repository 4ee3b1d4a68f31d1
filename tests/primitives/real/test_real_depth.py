"""Depth on real pairs, against true disparity."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from spatialclaw.primitives.depth import depth
from spatialclaw.primitives.errors import Unavailable
from spatialclaw.primitives.stereo import disparity

pytestmark = pytest.mark.shared_data


@pytest.fixture(scope="module")
def motorcycle(shared_data, load):
    facts = json.loads((shared_data / "stereo/motorcycle/calib.json").read_text())
    f, cx, cy = facts["fx_px"], facts["cx_left_px"], facts["cy_px"]
    k = [[f, 0, cx], [0, f, cy], [0, 0, 1]]
    pair = {"right": 1, "baseline_m": facts["baseline_mm"] / 1000, "doffs_px": facts["doffs_px"]}
    return load(
        "stereo/motorcycle/left.png",
        "stereo/motorcycle/right.png",
        intrinsics=[k, k],
        stereo=[pair, None],
    )


@pytest.fixture(scope="module")
def drive(shared_data, load):
    facts = json.loads((shared_data / "stereo/kitti_drive/calib.json").read_text())
    k = [[facts["fx_px"], 0, facts["cx_px"]], [0, facts["fy_px"], facts["cy_px"]], [0, 0, 1]]
    pair = {"right": 1, "baseline_m": facts["baseline_m"], "doffs_px": 0.0}

    def at(number):
        sides = (f"stereo/kitti_drive/{side}/{number:06d}.png" for side in ("left", "right"))
        return load(*sides, intrinsics=[k, k], stereo=[pair, None])

    return at


def test_metric_depth_of_single_points(motorcycle):
    found = depth(motorcycle[0])
    assert found.metric
    assert found.depth[160, 535] == pytest.approx(2.151, abs=0.03)
    assert 0 < found.sigma[160, 535] < 0.05


def test_distance_between_two_points(motorcycle):
    k, z = motorcycle[0].intrinsics, depth(motorcycle[0]).depth

    def place(x, y):
        near = z[y - 4 : y + 5, x - 4 : x + 5]
        return np.linalg.inv(k) @ [x, y, 1.0] * float(np.nanmedian(near))

    apart = np.linalg.norm(place(205, 335) - place(590, 375))
    assert apart == pytest.approx(0.923, abs=0.05)


def test_the_right_picture_has_depth_too(motorcycle):
    left, right = depth(motorcycle[0]), depth(motorcycle[1])
    assert right.frame == 1
    shift = round(994.978 * 0.193001 / float(left.depth[160, 535]) - 31.086)
    assert right.depth[160, 535 - shift] == pytest.approx(left.depth[160, 535], rel=0.02)


@pytest.mark.parametrize(
    ("number", "pixel", "metres"), [(0, (780, 210), 13.1), (20, (785, 220), 11.9)]
)
def test_parked_cars_ahead(drive, number, pixel, metres):
    x, y = pixel
    z = depth(drive(number)[0]).depth[y - 5 : y + 6, x - 5 : x + 6]
    assert float(np.nanmedian(z)) == pytest.approx(metres, abs=0.4)


@pytest.mark.parametrize(
    ("name", "scale", "bad", "relative"),
    [("motorcycle", None, 0.08, 0.01), ("cones", 4, 0.07, 0.01), ("wood2", 2, 0.03, 0.01)],
)
def test_dense_disparity(shared_data, read, name, scale, bad, relative):
    folder = shared_data / "stereo" / name
    if scale is None:
        truth = np.load(folder / "disparity_left.npy").astype(float)
    else:
        truth = cv2.imread(str(folder / f"disparity_left_x{scale}.png"), 0).astype(float) / scale
        truth[truth == 0] = np.nan
    found = disparity(read(f"stereo/{name}/left.png"), read(f"stereo/{name}/right.png"))
    error = np.abs(found.disparity - truth)
    given = np.isfinite(error)
    coverage = given.sum() / np.isfinite(truth).sum()
    bad_2 = float((error[given] > 2).mean())
    median = float(np.nanmedian(error / truth))
    print(f"{name}: {coverage:.0%} covered, bad-2.0 {bad_2:.3f}, median relative {median:.4f}")
    assert coverage > 0.8
    assert bad_2 < bad
    assert median < relative


def test_order_without_calibration(load):
    frames = load("stereo/motorcycle/left.png", "stereo/motorcycle/right.png")
    found = depth(frames[0])
    assert not found.metric
    engine, bench, paper = (
        float(np.nanmedian(found.depth[y - 8 : y + 9, x - 8 : x + 9]))
        for x, y in ((380, 330), (50, 270), (330, 60))
    )
    assert engine < min(bench, paper)


def test_pictures_in_the_wrong_order_are_noticed(load):
    right_first = load("stereo/cones/right.png", "stereo/cones/left.png")
    left_first = load("stereo/cones/left.png", "stereo/cones/right.png")
    a, b = depth(right_first[1]).depth, depth(left_first[0]).depth
    both = np.isfinite(a) & np.isfinite(b)
    assert both.mean() > 0.6
    assert np.median(np.abs(a[both] - b[both]) / b[both]) < 0.02


def test_one_picture_has_no_depth_and_says_what_would(load):
    frames = load("images/sam_truck.jpg")
    with pytest.raises(Unavailable, match="an input with a depth map"):
        depth(frames[0])


def test_two_free_views_give_sparse_relative_depth(load):
    folder = "multiview/sceaux_castle/100_710"
    frames = load(f"{folder}1.jpg", f"{folder}2.jpg")
    found = depth(frames[0])
    assert found.method == "two-view"
    assert not found.metric
    assert "sparse" in found.note


def test_poses_of_a_drive_give_metres_from_one_camera(shared_data, load):
    poses = np.loadtxt(shared_data / "stereo/kitti_drive/poses_all51.txt").reshape(-1, 3, 4)
    k = [[707.09, 0, 601.89], [0, 707.09, 183.11], [0, 0, 1]]
    picks = (0, 5, 10, 15)
    full = [np.vstack([poses[i], [0, 0, 0, 1]]) for i in picks]
    names = [f"stereo/kitti_drive/left/{i:06d}.png" for i in picks]
    frames = load(*names, intrinsics=[k] * 4, poses=full)
    found = depth(frames[0])
    assert found.metric
    car = found.depth[180:240, 740:820]
    assert float(np.nanmedian(car)) == pytest.approx(13.1, abs=1.2)
