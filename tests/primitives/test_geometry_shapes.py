"""Planes, gravity, boxes, hulls and alignments against exact truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rooms import INTRINSICS, Room, furnished, standing
from scipy.spatial.transform import Rotation

from spatialclaw.primitives import context, geometry
from spatialclaw.primitives.errors import FrameOfReferenceError, NothingFound, Unavailable
from spatialclaw.primitives.frames import Frames
from spatialclaw.primitives.geometry import points
from spatialclaw.primitives.geometry.hulls import smallest_rectangle

RNG = np.random.default_rng(1)


def surface_of_box(extent, n=4000):
    """Points spread evenly over the six faces."""
    extent = np.asarray(extent, float)
    areas = np.array([extent[1] * extent[2], extent[0] * extent[2], extent[0] * extent[1]])
    axis = RNG.choice(3, n, p=areas / areas.sum())
    xyz = (RNG.random((n, 3)) - 0.5) * extent
    xyz[np.arange(n), axis] = RNG.choice([-0.5, 0.5], n) * extent[axis]
    return xyz


def test_a_plane_among_outliers_is_found_with_all_its_inliers():
    flat = np.column_stack([RNG.random((700, 2)) * 4, np.zeros(700)])
    flat[:, 2] = 0.3 * flat[:, 0] - 0.1 * flat[:, 1] + 2 + RNG.normal(0, 0.004, 700)
    cloud = np.concatenate([flat, RNG.random((300, 3)) * 4])
    plane = geometry.fit_plane(points(cloud, "world"))
    truth = np.array([0.3, -0.1, -1.0])
    assert plane.angle_deg(truth) < 0.3
    assert plane.inliers[:700].mean() > 0.97
    assert 0.002 < plane.sigma < 0.02
    assert plane.ref == "world"


@pytest.mark.parametrize(
    ("cloud", "says"),
    [
        (np.zeros((0, 3)), "three points"),
        (np.zeros((2, 3)), "three points"),
        (np.full((10, 3), np.nan), "three points"),
        (np.outer(np.arange(20.0), [1, 2, 3]), "one line"),
    ],
)
def test_no_plane_through_too_little(cloud, says):
    with pytest.raises(NothingFound, match=says):
        geometry.fit_plane(cloud)


def test_several_planes_come_largest_first():
    room = surface_of_box((6, 4, 2.5), 6000)
    planes = geometry.fit_planes(room, 6)
    assert len(planes) == 6
    sizes = [plane.inliers.sum() for plane in planes]
    assert sizes == sorted(sizes, reverse=True)
    assert abs(planes[0].normal[2]) == pytest.approx(1, abs=1e-3)


def test_planes_measure_in_their_own_frame_only():
    plane = geometry.fit_plane(points([[0, 0, 1.0], [1, 0, 1], [0, 1, 1], [1, 1, 1]], "world"))
    assert abs(plane.distance(points([0, 0, 3.0], "world"))) == pytest.approx(2)
    assert plane.project(points([[5, 5, 7.0]], "world")).plain[0] == pytest.approx([5, 5, 1])
    with pytest.raises(FrameOfReferenceError, match="camera 0"):
        plane.distance(points([0, 0, 3.0], "camera 0"))


def test_rays_meet_a_plane_ahead_only():
    plane = geometry.fit_plane(points([[0, 0, 0.0], [1, 0, 0], [0, 1, 0], [1, 1, 0]], "world"))
    hits = geometry.intersect_ray(plane, [0, 0, 2], [[1, 0, -1], [1, 0, 1], [1, 0, 0]])
    assert hits.plain[0] == pytest.approx([2, 0, 0])
    assert np.isnan(hits.plain[1:]).all()


@pytest.mark.parametrize("tilt_deg", [0, 15, 35])
@pytest.mark.parametrize("noise", [0.0, 0.003])
def test_gravity_is_read_from_floor_and_walls(tilt_deg, noise):
    far = 2.0 / np.tan(np.radians(max(tilt_deg, 1)))
    pose = standing(2.0, 0.4, 1.5, at=(2.3, 0.4 + far, 1.5 - 2.0 * (tilt_deg > 0)))
    frames = furnished().frames(pose, known_poses=False, noise=noise)
    up = geometry.gravity(frames[0])
    truth = pose[2, :3]
    assert np.degrees(np.arccos(np.clip(up @ truth, -1, 1))) < 1.5
    assert up.method == "surfaces"


def test_gravity_comes_from_the_pose_where_the_capture_knows_it():
    frames = furnished().frames(standing())
    assert geometry.gravity(frames[0]).method == "pose"
    frames.info["gravity"] = "assumed-first-camera"
    assert geometry.gravity(frames[0]).method == "surfaces"


def test_gravity_of_a_bare_picture_is_only_assumed_when_asked():
    flat = Frames.from_arrays([np.full((240, 320, 3), 128, np.uint8)], intrinsics=[INTRINSICS])[0]
    with pytest.raises(Unavailable, match="assume_level"):
        geometry.gravity(flat)
    assert geometry.gravity(flat, assume_level=True).method == "level assumed"


@pytest.mark.parametrize("noise", [0.0, 0.003])
def test_the_ground_is_the_floor_and_not_the_table(noise):
    frames = furnished().frames(standing(), known_poses=False, noise=noise)
    floor = geometry.ground_plane(frames[0])
    assert floor.distance([0, 0, 0]) == pytest.approx(1.5, abs=0.02)
    assert floor.ref == "camera 0"


def test_the_ground_of_fused_points_is_found_in_the_world():
    frames = furnished().frames(standing(), standing(3.6, 0.4, 1.5))
    cloud = np.concatenate([geometry.to_world(geometry.unproject(f), f).plain for f in frames])
    floor = geometry.ground_plane(points(cloud[::7], "world"))
    assert floor.normal == pytest.approx([0, 0, 1], abs=0.01)
    assert floor.d == pytest.approx(1.5, abs=0.02)


def test_no_floor_in_view_is_said():
    wall = np.column_stack([RNG.random((400, 2)) * 3, np.full(400, 2.0)])
    with pytest.raises(NothingFound, match="faces up"):
        geometry.ground_plane(points(wall, "camera 0"), up=(0, -1, 0))


@given(st.floats(-180, 180), st.floats(0.3, 3), st.floats(0.2, 2), st.floats(0.1, 2))
@settings(max_examples=25, deadline=None)
def test_an_upright_box_has_the_true_sides_and_yaw(yaw, length, width, height):
    turn = geometry.rotation_about((0, 0, 1), yaw)
    cloud = points(surface_of_box((length, width, height), 3000) @ turn.T + [1, 2, 3], "world")
    box = geometry.oriented_box(cloud)
    assert sorted(box.extent[:2]) == pytest.approx(sorted((length, width)), rel=0.04, abs=0.02)
    assert box.height == pytest.approx(height, rel=0.03)
    assert box.center.plain == pytest.approx([1, 2, 3], abs=0.03)
    assert box.axes[2].tolist() == [0, 0, 1]
    assert np.linalg.det(box.axes) == pytest.approx(1)
    assert box.contains(cloud, margin=0.02).mean() > 0.97


def test_two_visible_sides_give_the_right_corner_not_the_diagonal():
    long = np.column_stack([RNG.random(600) * 0.8, np.zeros(600), RNG.random(600)])
    short = np.column_stack([np.zeros(450), RNG.random(450) * 0.6, RNG.random(450)])
    box = geometry.oriented_box(points(np.concatenate([long, short]), "world"))
    assert box.length == pytest.approx(0.8, abs=0.02)
    assert box.depth == pytest.approx(0.6, abs=0.02)
    assert box.width == box.length
    assert box.facing((1, 0, 0)).width == pytest.approx(0.6, abs=0.02)


def test_a_free_box_fits_a_tilted_book():
    turn = Rotation.from_euler("xyz", (30, 40, 50), degrees=True).as_matrix()
    cloud = points(surface_of_box((0.3, 0.2, 0.04), 2000) @ turn.T, "camera 0")
    box = geometry.oriented_box(cloud)
    assert box.extent == pytest.approx([0.3, 0.2, 0.04], rel=0.06)


def test_outliers_do_not_blow_up_a_box():
    cloud = np.concatenate([surface_of_box((1, 0.5, 0.4), 5000), RNG.normal(0, 3, (15, 3))])
    box = geometry.oriented_box(points(cloud, "world"))
    assert box.extent == pytest.approx([1, 0.5, 0.4], rel=0.08)


def test_boxes_tell_distance_overlap_and_inside():
    a = geometry.oriented_box(points(surface_of_box((1, 1, 1)), "world"))
    b = geometry.oriented_box(points(surface_of_box((1, 1, 1)) + np.array([3, 0, 0]), "world"))
    assert a.distance(b) == pytest.approx(2, abs=0.03)
    assert a.distance(a) == 0
    assert a.distance(points([0.0, 0, 2], "world")) == pytest.approx(1.5, abs=0.02)
    assert a.overlap(b) == 0
    assert a.overlap(a) == pytest.approx(1, abs=0.02)
    with pytest.raises(FrameOfReferenceError):
        a.distance(points([0.0, 0, 2], "camera 0"))
    with pytest.raises(NothingFound, match="four points"):
        geometry.oriented_box(np.zeros((2, 3)))


def test_an_object_has_its_own_right_and_front():
    chair = geometry.oriented_box(points(surface_of_box((1, 1, 1)) + np.array([5, 0, 0]), "world"))
    with pytest.raises(FrameOfReferenceError, match="facing"):
        geometry.to_object(points([5.0, 2, 0], "world"), chair)
    faced = chair.facing((0, -1, 0))
    lamp = points([[3.0, -1, 1]], "world")
    local = geometry.to_object(lamp, faced)
    assert local.plain[0] == pytest.approx([2, -1, 1], abs=0.03)
    assert geometry.from_object(local, faced).plain == pytest.approx(lamp.plain)


@pytest.mark.parametrize(
    ("corners", "area"),
    [
        ([[0, 0], [2, 0], [2, 1], [0, 1]], 2.0),
        ([[0, 0, 5], [0, 3, 5], [0, 3, 9], [0, 0, 9]], 12.0),
        ([[0, 0], [4, 0], [4, 1], [1, 1], [1, 4], [0, 4]], 7.0),
    ],
)
def test_polygon_areas(corners, area):
    assert geometry.polygon_area(corners) == pytest.approx(area)


def test_hulls():
    square = np.array([[0, 0, 1], [2, 0, 1], [2, 2, 1], [0, 2, 1], [1, 1, 1.0]])
    assert geometry.convex_hull_area(square) == pytest.approx(4)
    assert geometry.convex_hull_area(square, normal=(0, 0, 1)) == pytest.approx(4)
    assert geometry.convex_hull_volume(surface_of_box((1, 2, 3), 20000)) == pytest.approx(
        6, rel=0.02
    )
    corners, sides = smallest_rectangle([[0, 0], [3, 3], [2, 4], [-1, 1]])
    assert sides == pytest.approx([np.sqrt(18), np.sqrt(2)])
    assert corners.shape == (4, 2)
    with pytest.raises(NothingFound):
        geometry.convex_hull_area([[0, 0], [1, 1], [2, 2]])
    with pytest.raises(NothingFound, match="no volume"):
        geometry.convex_hull_volume(square)


def test_a_similarity_brings_metres_to_a_scale_free_scene():
    cloud = RNG.normal(size=(30, 3))
    turn = Rotation.from_euler("xyz", (0.3, -0.5, 1.0)).as_matrix()
    found = geometry.similarity(cloud, 2.5 * cloud @ turn.T + [1, 2, 3])
    assert found.scale == pytest.approx(2.5)
    assert found.rmse < 1e-9
    mirrored = geometry.rigid(cloud, cloud * [1, 1, -1])
    assert np.linalg.det(mirrored.matrix[:3, :3]) == pytest.approx(1)
    with pytest.raises(NothingFound, match="three pairs"):
        geometry.rigid(cloud[:2], cloud[:2])
    with pytest.raises(NothingFound, match="one line"):
        geometry.rigid(np.outer(np.arange(5.0), [1, 1, 1]), np.outer(np.arange(5.0), [1, 1, 1]))


def test_icp_joins_two_views_of_a_room():
    cloud = surface_of_box((4, 3, 2.5), 9000)
    matrix = np.eye(4)
    matrix[:3, :3] = geometry.rotation_about((0.2, 0.1, 1), 6)
    matrix[:3, 3] = (0.1, -0.06, 0.04)
    target = cloud[::2] @ matrix[:3, :3].T + matrix[:3, 3] + RNG.normal(0, 0.003, (4500, 3))
    found = geometry.icp(cloud[1::2], target)
    assert found.matrix == pytest.approx(matrix, abs=0.01)
    assert found.overlap > 0.95
    assert found.rmse < 0.02
    with pytest.raises(NothingFound, match="partner"):
        geometry.icp(cloud, target + 100)
    with pytest.raises(NothingFound, match="too few"):
        geometry.icp(cloud[:5], target)


def test_homographies_map_pixels():
    shift = np.array([[1, 0, 5], [0, 1, -2], [0, 0, 1.0]])
    assert geometry.apply_homography(shift, [[1, 1], [2, 2]]).tolist() == [[6, -1], [7, 0]]
    to_infinity = np.array([[1, 0, 0], [0, 1, 0], [-1, 0, 1.0]])
    assert np.isnan(geometry.apply_homography(to_infinity, (1, 0))).all()


def test_a_room_without_furniture_still_has_a_floor():
    frames = Room(3, 4).frames(standing(1.5, 0.3, 1.2, (1.5, 3.0, 0.4)))
    context.use_sequences([frames])
    assert geometry.ground_plane(frames[0]).distance([0, 0, 0]) == pytest.approx(1.2, abs=0.01)
