"""Pixels, cameras and the world: there and back, and what happens at the edges."""

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
from spatialclaw.primitives.results import DepthMap, Mask

angles = st.floats(-3.1, 3.1)
lengths = st.floats(-5, 5)
REAL = furnished().frames(standing(), standing(3.4, 0.6, 1.4, (0.8, 4.0, 0.5)))


@pytest.fixture
def views():
    context.use_sequences([REAL])
    return REAL


@given(st.floats(0, 319), st.floats(0, 239), st.floats(0.1, 50))
@settings(max_examples=60, deadline=None)
def test_pixel_to_space_to_pixel_is_the_identity(x, y, z):
    frame = REAL[1]
    there = geometry.unproject(frame, (x, y), z)
    world = geometry.to_world(there, frame)
    assert world.ref == "world"
    for place in (there, world):
        assert geometry.project(place, frame).plain == pytest.approx([x, y], abs=1e-6)
    assert geometry.to_camera(world, frame).plain == pytest.approx(there.plain, abs=1e-9)


@given(st.tuples(angles, angles, angles), st.tuples(lengths, lengths, lengths), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_a_transform_and_its_inverse_undo_each_other(turn, shift, seed):
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", turn).as_matrix()
    matrix[:3, 3] = shift
    cloud = points(np.random.default_rng(seed).normal(size=(5, 3)), "camera 0", sigma=0.1)
    there = geometry.transform(matrix, cloud, "world")
    back = geometry.transform(np.linalg.inv(matrix), there, "camera 0")
    assert back.plain == pytest.approx(cloud.plain, abs=1e-9)
    assert (there.ref, back.ref) == ("world", "camera 0")
    assert float(there.sigma) == pytest.approx(0.1)
    aligned = geometry.rigid(cloud, there)
    assert aligned.matrix == pytest.approx(matrix, abs=1e-8)


def test_unproject_gives_the_true_place_of_a_corner_of_the_table(views):
    # The wardrobe's front lower right corner: (0.9, 4.3, 0) in the room.
    corner = np.array([0.9, 4.3, 0.6]) - standing()[:3, 3]
    pixel = geometry.project(points(corner, "world"), views[0])
    inside = pixel.plain - np.array([1.5, 0])
    found = geometry.to_world(geometry.unproject(views[0], inside), views[0])
    assert found.plain == pytest.approx(corner, abs=0.05)
    assert found.metric
    assert 0 < float(found.sigma) < 0.05


def test_points_behind_the_camera_are_nan_and_all_behind_is_an_error(views):
    both = geometry.project(points([[0, 0, 2.0], [0, 0, -2.0]], "camera 0"), views[0])
    assert np.isfinite(both.plain[0]).all()
    assert np.isnan(both.plain[1]).all()
    with pytest.raises(NothingFound, match="behind the camera"):
        geometry.project(points([0, 0, -1.0], "camera 0"), views[0])
    seen = geometry.in_view(points([[0, 0, 2.0], [0, 0, -2.0], [9, 0, 2.0]], "camera 0"), views[0])
    assert seen.tolist() == [True, False, False]


def test_a_point_behind_a_wall_is_in_view_but_hidden(views):
    far = points([[0, 0, 9.0], [0, 0, 1.0]], "camera 0")
    assert geometry.in_view(far, views[0]).tolist() == [True, True]
    assert geometry.in_view(far, views[0], occlusion=True).tolist() == [False, True]


def test_points_of_another_camera_are_converted_by_their_poses(views):
    place = geometry.unproject(views[0], (160, 120))
    moved = geometry.to_camera(place, views[1])
    assert moved.ref == "camera 1"
    pixel = geometry.project(place, views[1])
    again = geometry.to_camera(geometry.to_world(place, views[0]), views[1])
    assert moved.plain == pytest.approx(again.plain)
    assert pixel.ref == "pixel 1"
    with pytest.raises(FrameOfReferenceError, match="unproject"):
        geometry.to_world(points([3.0, 4.0], "pixel 0"), views[0])


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda f: geometry.unproject(f, (400, 10)), ValueError, "outside the 320x240"),
        (lambda f: geometry.unproject(f, (float("nan"), 10)), ValueError, "NaN"),
        (lambda f: geometry.unproject(f, (1, 2, 3)), ValueError, "pixels are"),
        (
            lambda f: geometry.unproject(f, points([1.0, 2.0], "pixel 1")),
            FrameOfReferenceError,
            "pixel 1",
        ),
        (lambda f: geometry.unproject(f, depth=np.ones((3, 3))), ValueError, "one size"),
        (lambda f: geometry.rays(f, (1, 1), intrinsics=np.zeros((3, 3))), ValueError, "above 0"),
        (lambda f: geometry.transform(np.eye(2), [0, 0, 1], "world"), ValueError, "4, 4"),
        (
            lambda f: geometry.mask_points(np.zeros((240, 320), bool), frame=f),
            NothingFound,
            "empty",
        ),
        (lambda f: geometry.mask_points(np.zeros((3, 3), bool), frame=f), ValueError, "the frame"),
    ],
)
def test_wrong_input_says_what_is_wrong(views, call, error, says):
    with pytest.raises(error, match=says):
        call(views[0])


def test_missing_knowledge_is_said_with_what_to_do():
    bare = Frames.from_arrays([np.zeros((8, 8, 3), np.uint8)])[0]
    with pytest.raises(Unavailable, match="intrinsics="):
        geometry.unproject(bare, (1, 1), 2.0)
    found = geometry.unproject(bare, (4, 4), 2.0, intrinsics=[[8, 0, 4], [0, 8, 4], [0, 0, 1]])
    assert found.tolist() == [0, 0, 2]
    with pytest.raises(Unavailable, match="pose"):
        geometry.to_world(found, bare)


def test_holes_in_the_depth_are_nan_or_filled_from_the_neighbourhood(views):
    depth = np.array(views[0].depth)
    depth[100:103, 100:103] = np.nan
    with pytest.raises(NothingFound, match="window="):
        geometry.unproject(views[0], (101, 101), depth)
    assert np.isnan(geometry.unproject(views[0], [(101, 101), (5, 5)], depth).plain[0]).all()
    found = geometry.unproject(views[0], (101, 101), depth, window=3)
    truth = geometry.unproject(views[0], (101, 101))
    assert found.plain == pytest.approx(truth.plain, abs=0.05)


def test_the_error_of_the_focal_length_reaches_the_points():
    room = furnished()
    sharp = room.frames(standing())[0]
    vague = sharp.replaced(focal_sigma=30.0)
    at_edge = (300, 120)
    assert geometry.unproject(vague, at_edge).sigma > 2 * geometry.unproject(sharp, at_edge).sigma
    depth = DepthMap(
        np.array(sharp.depth), np.full(sharp.depth.shape, 0.2, np.float32), 0, "given", metric=False
    )
    assert geometry.unproject(sharp, (160, 120), depth).sigma >= 0.2
    assert not geometry.unproject(sharp, (160, 120), depth).metric


def test_mask_points_leave_out_the_edge_and_what_shines_through(views):
    frame = views[0]
    table = frame.instances == 2
    leaky = Mask(table.copy(), 0, "table")
    rows, columns = np.nonzero(table)
    leaky.mask[rows.min() - 4 : rows.min(), columns.min() : columns.max()] = True
    cloud = geometry.mask_points(leaky)
    world = geometry.to_world(cloud, frame).plain + standing()[:3, 3]
    assert np.percentile(world[:, 2], 99) == pytest.approx(0.72, abs=0.03)
    assert cloud.ref == "camera 0"
    assert cloud.sigma is not None


def test_a_detection_without_mask_uses_the_middle_of_its_box(views):
    rows, columns = np.nonzero(views[0].instances == 1)
    box = (columns.min(), rows.min(), columns.max(), rows.max())
    detected = Mask(np.zeros((240, 320), bool), 0, "wardrobe", box=tuple(float(v) for v in box))
    assert np.median(geometry.mask_points(detected)[:, 2]) == pytest.approx(
        np.median(geometry.mask_points(Mask(views[0].instances == 1, 0))[:, 2]), abs=0.15
    )


def test_lines_of_sight_cross_where_the_thing_is(views):
    truth = points(np.array([0.5, 4.3, 1.0]) - standing()[:3, 3], "world")
    seen = [geometry.project(truth, frame).plain for frame in views]
    found = geometry.triangulate(seen, views)
    assert found.plain == pytest.approx(truth.plain, abs=1e-6)
    ends = geometry.epipolar_line(views[0], seen[0], views[1])
    assert ends is not None
    (x0, y0), (x1, y1) = ends
    away = abs((y1 - y0) * seen[1][0] - (x1 - x0) * seen[1][1] + x1 * y0 - y1 * x0)
    assert away / np.hypot(y1 - y0, x1 - x0) < 1e-3
    with pytest.raises(ValueError, match="one pixel for each"):
        geometry.triangulate(seen[:1], views)


def test_field_of_view_and_rays(views):
    wide, tall = geometry.field_of_view(views[0])
    assert wide == pytest.approx(2 * np.degrees(np.arctan(160 / 300)))
    assert tall < wide
    ray = geometry.rays(views[0], (INTRINSICS[0, 2], INTRINSICS[1, 2]))
    assert ray.tolist() == pytest.approx([0, 0, 1])


@pytest.mark.parametrize(
    ("move", "place", "ahead"),
    [
        ("move forward 2", (0, 2, 0), (0, 1, 0)),
        ("move right 1, move up 0.5", (1, 0, 0.5), (0, 1, 0)),
        ("turn left 90", (0, 0, 0), (-1, 0, 0)),
        ("turn right 90 then move forward 1", (1, 0, 0), (1, 0, 0)),
        ("turn around", (0, 0, 0), (0, -1, 0)),
        ("look up 90", (0, 0, 0), (0, 0, 1)),
        ("look down 45", (0, 0, 0), (0, 0.7071, -0.7071)),
        ("orbit right 90 at 2", (2, 2, 0), (-1, 0, 0)),
        ("orbit left 90 at 2", (-2, 2, 0), (1, 0, 0)),
        ("orbit up 90 at 2", (0, 2, 2), (0, 0, -1)),
        ("roll right 30", (0, 0, 0), (0, 1, 0)),
    ],
)
def test_spoken_camera_moves(move, place, ahead):
    pose = geometry.pose_moved(geometry.look_at((0, 0, 0), (0, 1, 0)), move)
    assert pose[:3, 3] == pytest.approx(place, abs=1e-4)
    assert pose[:3, 2] == pytest.approx(ahead, abs=1e-4)
    assert np.linalg.det(pose[:3, :3]) == pytest.approx(1)


def test_an_unknown_move_lists_the_moves():
    with pytest.raises(ValueError, match="turn left"):
        geometry.pose_moved(np.eye(4), "fly away")


def test_a_frame_made_scale_free_gives_scale_free_points():
    frames = Room().frames(standing())
    loose = frames[0].replaced(metric=False)
    assert not geometry.camera_center(loose).metric
