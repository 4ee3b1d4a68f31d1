"""Points know their frame of reference, and mixing two is an error that says how to convert."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from rooms import Room, furnished, standing

from spatialclaw.primitives import context, geometry
from spatialclaw.primitives.errors import FrameOfReferenceError
from spatialclaw.primitives.geometry import Points, points


@pytest.mark.parametrize(
    ("a", "b", "hint"),
    [
        ("camera 0", "world", "geometry.to_world(p, frames[0])"),
        ("world", "camera 3", "geometry.to_world(p, frames[3])"),
        ("pixel 2", "world", "geometry.to_world(geometry.unproject(frames[2], p), frames[2])"),
        ("pixel 2", "camera 2", "geometry.unproject(frames[2], p)"),
        ("camera 0", "camera 1", "geometry.to_camera(geometry.to_world(p, frames[0]), frames[1])"),
        ("camera 1:4", "world 1", "geometry.to_world(p, videos[1][4])"),
        ("object chair", "world", "geometry.from_object(p, box)"),
    ],
)
def test_mixing_frames_of_reference_says_the_call_that_converts(a, b, hint):
    first, second = points(np.ones(3), a), points(np.ones(3), b)
    for operation in (
        lambda: first - second,
        lambda: second + first,
        lambda: first @ second,
        lambda: np.linalg.norm(first - second),
        lambda: np.vstack([first, second]),
        lambda: np.cross(first, second),
        lambda: first == second,
    ):
        with pytest.raises(FrameOfReferenceError) as caught:
            operation()
        assert hint in str(caught.value)


def test_slices_keep_the_frame_and_columns_are_plain():
    cloud = points(np.arange(30.0).reshape(10, 3), "camera 2", sigma=np.arange(10) * 0.1)
    assert cloud[3].ref == "camera 2"
    assert float(cloud[3].sigma) == pytest.approx(0.3)
    assert cloud[2:5].ref == "camera 2"
    assert cloud[2:5].sigma.tolist() == pytest.approx([0.2, 0.3, 0.4])
    near = cloud[cloud[:, 2] < 12]
    assert isinstance(near, Points)
    assert len(near.sigma) == len(near) == 4
    assert cloud[[1, 4]].ref == "camera 2"
    for plain in (cloud[:, 2], cloud[..., 0], cloud[:, :2], cloud.T, cloud > 3, cloud[0][1]):
        assert not isinstance(plain, Points)


def test_reductions_keep_the_frame_and_distances_are_plain_numbers():
    cloud = points(np.random.default_rng(0).normal(size=(20, 3)), "world", sigma=0.02)
    for middle in (
        cloud.mean(axis=0),
        np.median(cloud, axis=0),
        cloud.min(axis=0),
        np.mean(cloud, 0),
    ):
        assert middle.ref == "world"
        assert middle.shape == (3,)
    three = cloud[:3]
    for across in (np.min(three, 1), np.percentile(three, 50, 1), np.median(three), np.max(three)):
        assert not isinstance(across, Points)
    assert np.percentile(cloud, [5, 95], axis=0).ref == "world"
    assert type(np.linalg.norm(cloud[0] - cloud[1])) is np.float64
    assert not isinstance(np.linalg.norm(cloud - cloud[0], axis=1), Points)
    assert not isinstance(cloud.mean(), Points)
    assert not isinstance(cloud.sum(axis=1), Points)


def test_arithmetic_with_numbers_and_bare_arrays_keeps_the_frame():
    place = points([1.0, 2.0, 3.0], "world", sigma=0.1)
    up = np.array([0.0, 0, 1])
    assert (place + up).tolist() == [1, 2, 4]
    assert (up + place).ref == "world"
    assert np.add(place, [0, 0, 1]).ref == "world"
    assert (2 * place).ref == "world"
    assert float((2 * place).sigma) == pytest.approx(0.2)
    assert float((place - place).sigma) == pytest.approx(0.1 * np.sqrt(2))
    moved = place.copy()
    moved += 1
    assert moved.ref == "world"
    assert float(place.copy().sigma) == 0.1
    assert not isinstance(place.dot(np.eye(3)), Points)
    assert not isinstance(place * place, Points)
    assert place @ place == pytest.approx(14)


def test_a_sum_of_scale_free_and_metric_points_is_not_metric():
    assert not (points([0.0, 0, 1], "world") - points([0.0, 0, 2], "world", metric=False)).metric


def test_points_survive_pickling_and_say_what_they_are():
    place = points([1.0, 2.0, 3.0], "camera 4", sigma=0.1)
    back = pickle.loads(pickle.dumps(place))
    assert (back.ref, float(back.sigma)) == ("camera 4", 0.1)
    assert "camera 4" in repr(place)
    assert "px" in repr(points([1.0, 2.0], "pixel 4"))


def test_relabelling_points_is_refused():
    with pytest.raises(FrameOfReferenceError, match=r"geometry\.to_world"):
        points(points([0.0, 0, 1], "camera 0"), "world")
    with pytest.raises(ValueError, match="2 or 3 columns"):
        points(np.zeros((3, 4)), "world")


def test_the_frames_of_several_videos_are_told_apart():
    first = Room().frames(standing())
    second = Room().frames(standing())
    second[0].sequence = 1
    a, b = geometry.camera_center(first[0]), geometry.camera_center(second[0])
    assert (a.ref, b.ref) == ("world", "world 1")
    context.use_sequences([first, second])
    assert context.frame_from_ref("camera 1:0") is second[0]
    assert context.frame_from_ref("camera 7") is None


def test_bare_numbers_have_no_frame_of_reference():
    frames = furnished().frames(standing())
    with pytest.raises(FrameOfReferenceError, match="is a pixel"):
        geometry.position_of((100, 100))
    with pytest.raises(FrameOfReferenceError, match="no frame of reference"):
        geometry.position_of(np.zeros(3), frame=frames[0])
