"""Measures on real captures, against the truth that came with them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from spatialclaw import media
from spatialclaw.primitives import context, draw, geometry, measure
from spatialclaw.primitives.render import HOLE, render

pytestmark = pytest.mark.shared_data


@pytest.fixture
def opened(shared_data: Path, tmp_path: Path):
    def load(folder: str, *names: str):
        found = media.load([str(shared_data / folder / name) for name in names], workdir=tmp_path)
        context.use_sequences(found.sequences)
        return found.sequences[0]

    return load


@pytest.fixture
def office(opened):
    return opened("rgbd/tum_office", "color.png", "depth.png", "intrinsics.json")


@pytest.fixture
def basement(opened):
    return opened("rgbd/nyu_basement", "rgb_00000.jpg", "depth_00000.png", "intrinsics.json")


@pytest.fixture
def motorcycle(opened):
    return opened("stereo/motorcycle", "left.png", "right.png", "calib.json")


@pytest.mark.parametrize(
    ("a", "b", "truth", "tolerance"),
    [((148, 222), (543, 212), 1.6, 0.1), ((85, 340), (480, 255), 1.34, 0.15)],
)
def test_distances_on_a_real_desk(office, a, b, truth, tolerance):
    found = measure.distance(a, b, frame=office[0])
    assert found.value == pytest.approx(truth, abs=tolerance)
    assert 0 < found.sigma < tolerance


def test_heights_and_distances_in_a_real_basement(basement):
    top = measure.height_above_floor((255, 108), frame=basement[0])
    assert top.value == pytest.approx(1.6, abs=0.12)
    assert measure.distance((505, 185), frame=basement[0]).value == pytest.approx(5.8, abs=0.5)


@pytest.mark.parametrize("place", ["office", "basement"])
def test_the_floor_and_gravity_agree_on_real_depth(place, request):
    frame = request.getfixturevalue(place)[0]
    floor = geometry.ground_plane(frame)
    away = np.degrees(np.arccos(np.clip(floor.normal @ geometry.gravity(frame).plain, -1, 1)))
    assert away < 3
    assert 1.0 < floor.distance([0, 0, 0]) < 2.2
    below = np.mean(floor.distance(geometry.unproject(frame)) < -0.1)
    assert below < 0.01


def test_a_pedestrian_in_sparse_lidar(opened):
    names = ("image_2_000000.png", "velodyne_000000.bin", "calib_000000.txt")
    frame = opened("rgbd/kitti_object", *names)[0]
    box = (712, 143, 811, 308)
    assert measure.distance(box, frame=frame).value == pytest.approx(8.6, abs=0.5)
    assert measure.height(box, frame=frame).value == pytest.approx(1.89, abs=0.15)
    assert measure.height_above_floor(box, frame=frame).value == pytest.approx(1.89, abs=0.15)


def test_the_road_below_a_car_that_looks_ahead(opened):
    frame = opened("rgbd/kitti_lidar", "rgb.png", "depth.png", "intrinsics.json")[0]
    road = geometry.ground_plane(frame)
    # The cameras of this car are mounted 1.65 m above the road.
    assert road.distance([0, 0, 0]) == pytest.approx(1.65, abs=0.1)
    assert geometry.gravity(frame)[1] < -0.99


def test_distances_by_real_stereo(motorcycle):
    depth = measure.distance((535, 160), frame=motorcycle[0], kind="depth")
    assert depth.value == pytest.approx(2.15, abs=0.15)
    wheels = measure.distance((205, 335), (590, 375), frame=motorcycle[0])
    assert wheels.value == pytest.approx(0.92, abs=0.06)


def test_a_small_turn_shows_the_same_room(office):
    frame = office[0]
    same = render(frame, "turn left 0")
    known = (same != HOLE).any(axis=-1)
    away = np.abs(same[known].astype(int) - frame.image[known]).mean(axis=-1)
    assert known.mean() > 0.7
    assert np.median(away) < 6
    assert geometry.scene(frame).bev().ndim == 3
    assert draw.depth(frame).shape == frame.image.shape
