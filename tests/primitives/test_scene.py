"""Scenes: rooms, free floor, ways through, objects in the world, new viewpoints."""

from __future__ import annotations

import numpy as np
import pytest
from rooms import INTRINSICS, Room, furnished, standing

from spatialclaw.primitives import context, draw, geometry, measure
from spatialclaw.primitives.errors import (
    FrameOfReferenceError,
    NothingFound,
    ScaleUnknown,
    Unavailable,
)
from spatialclaw.primitives.frames import Frames, SceneObject
from spatialclaw.primitives.geometry import look_at, points
from spatialclaw.primitives.render import HOLE, render
from spatialclaw.primitives.results import DepthMap, Mask
from spatialclaw.primitives.scene import Scene

CORNERS = ((0.3, 0.3), (3.7, 0.3), (3.7, 4.7), (1.2, 4.7), (0.3, 2.5), (3.7, 2.5))


def walk(room):
    poses = [
        look_at((x, y, 1.6), (2 + (2 - x) * 0.3, 2.5 + (2.5 - y) * 0.3, 0.2)) for x, y in CORNERS
    ]
    return room.frames(*poses, noise=0.0)


@pytest.fixture(scope="module")
def home():
    room = furnished()
    frames = walk(room)
    return room, frames, Scene.from_frames(frames)


def test_the_room_has_its_true_size(home):
    _, frames, scene = home
    found = scene.floor_area()
    assert found.value == pytest.approx(20, rel=0.03)
    assert found.unit == "m^2"
    assert abs(found.value - 20) < 3 * found.sigma
    assert scene.room().walls_seen == 4
    assert scene.room().sides == pytest.approx((5, 4), rel=0.02)
    assert scene.floor_area(outline="hull").value == pytest.approx(20, rel=0.05)
    assert scene.floor_area(outline="seen").value == pytest.approx(20, rel=0.05)
    assert measure.room_size(frames).value == pytest.approx(found.value)
    with pytest.raises(ValueError, match="rectangle, hull or seen"):
        scene.floor_area(outline="circle")


def test_a_turned_room_is_measured_along_its_own_walls():
    room = Room(3.0, 6.0)
    turn = np.eye(4)
    turn[:3, :3] = geometry.rotation_about((0, 0, 1), 25)
    poses = [
        look_at((x, y, 1.5), (3 - x, 6 - y, 0.1))
        for x, y in ((0.3, 0.4), (2.7, 0.5), (2.6, 5.6), (0.3, 5.5))
    ]
    frames = room.frames(*poses)
    turned = Frames([f.replaced(pose=(turn @ f.pose).tolist()) for f in frames])
    for frame in turned:
        frame.siblings = turned
    assert Scene.from_frames(turned).room().sides == pytest.approx((6, 3), rel=0.03)


def test_one_view_alone_says_what_it_could_not_see():
    frames = furnished().frames(standing(), known_poses=False)
    scene = Scene.from_frames(frames[0])
    assert scene.up_known
    assert scene.frames[0].pose is not None
    found = scene.floor_area()
    assert 8 < found.value < 22
    assert found.sigma > 1
    assert "of 4 walls" in found.evidence[0]


def test_objects_stand_where_they_do(home):
    room, frames, scene = home
    masks = [
        Mask(f.instances == i, f.position, name, method="capture", id=i)
        for f in frames
        for i, name in ((2, "table"), (3, "stool"))
        if (f.instances == i).sum() > 50
    ]
    table, stool = sorted(scene.objects(masks), key=lambda box: -box.length)
    assert (table.label, stool.label) == ("table", "stool")
    assert table.extent == pytest.approx([1.2, 0.7, 0.72], rel=0.06)
    assert table.center.plain + room.origin == pytest.approx([2.4, 3.4, 0.36], abs=0.04)
    assert stool.extent == pytest.approx([0.4, 0.4, 0.44], rel=0.1)
    assert scene.objects([Mask(np.zeros((240, 320), bool), 0, "ghost")]) == []
    with pytest.raises(Unavailable, match="not part"):
        scene.box(Mask(np.ones((240, 320), bool), 77, "lost"))


def test_what_fits_on_the_free_floor(home):
    room, _, scene = home
    space = scene.free_space()
    assert 14 < space.area.value < 18.6
    assert scene.fits((1.5, 1.0))
    assert not scene.fits((4.2, 3.5))
    under_table = points(np.array([2.4, 3.4, 0]) - room.origin, "world")
    assert not scene.fits((1.5, 1.0), under_table, within=0.3)
    spot = scene.fits((1.5, 1.0)).place.plain + room.origin
    for center, extent in (
        ((0.5, 4.6), (0.8, 0.6)),
        ((2.4, 3.4), (1.2, 0.7)),
        ((3.4, 2.4), (0.4, 0.4)),
    ):
        assert (np.abs(spot[:2] - center) > np.array(extent) / 4).any()


def test_the_way_leads_around_the_table(home):
    room, _, scene = home
    a = points(np.array([1.0, 1.0, 0]) - room.origin, "world")
    b = points(np.array([3.0, 4.3, 0]) - room.origin, "world")
    way = scene.path(a, b, width=0.4)
    straight = np.hypot(2.0, 3.3)
    assert straight < way.length.value < 1.6 * straight
    for place in way.points.plain[1:-1] + room.origin:
        turned = geometry.rotation_about((0, 0, 1), -30) @ (place - [2.4, 3.4, place[2]])
        assert not (np.abs(turned[:2]) < [0.6, 0.35]).all()
    with pytest.raises(NothingFound, match="width"):
        scene.path(a, b, width=6.0)


def test_poses_are_needed_for_several_frames():
    frames = furnished().frames(standing(), standing(1, 1), known_poses=False)
    with pytest.raises(Unavailable, match=r"reconstruct\(frames\)"):
        Scene.from_frames(frames)
    with pytest.raises(NothingFound, match="no frames"):
        Scene.from_frames([])


def test_a_scene_without_scale_refuses_metres():
    frames = furnished().frames(standing(), known_poses=False)
    loose = DepthMap(
        np.array(frames[0].depth), np.full((240, 320), 0.01, np.float32), 0, "views", metric=False
    )
    scene = Scene.from_frames(frames[0], depth=loose)
    assert not scene.metric
    with pytest.raises(ScaleUnknown):
        scene.floor_area()
    assert scene.floor_area(scale_free=True).unit == "unit^2"


def test_points_of_any_camera_reach_the_world(home):
    room, frames, scene = home
    there = geometry.unproject(frames[2], (160, 120))
    assert scene.to_world(there).ref == "world"
    with pytest.raises(Unavailable, match="not part"):
        scene.to_world(points([0, 0, 1.0], "camera 55"))
    cloud = scene.points(most=5000)
    assert cloud.ref == "world"
    assert len(cloud) == len(scene.colours(most=5000))
    inside = cloud.plain + room.origin
    assert (inside > -0.02).all()
    assert (inside < [4.02, 5.02, 2.52]).all()


def test_low_confidence_is_left_out():
    frames = furnished().frames(standing(), known_poses=True)
    sure = np.ones((240, 320), np.float32)
    sure[:, :160] = 0.2
    scene = Scene(frames, confidences=[sure])
    whole, half = scene.points(), scene.points(confidence=0.5)
    assert len(half) == pytest.approx(len(whole) / 2, rel=0.1)


def test_a_new_viewpoint_shows_what_a_camera_would_see_there(home):
    room, frames, _ = home
    for move in ("turn left 10", "move forward 0.4", "turn right 8, move left 0.3"):
        there = geometry.pose_moved(frames[0].pose, move)
        seen = render(frames, move)
        shift = np.eye(4)
        shift[:3, 3] = room.origin
        _, ids = room.see(shift @ there)
        truth = (40 * ids + 60).astype(int)
        known = (seen != HOLE).any(axis=-1)
        assert known.mean() > 0.9
        assert (np.abs(seen[known][:, 0].astype(int) - truth[known]) < 5).mean() > 0.97


def test_what_was_never_seen_is_marked(home):
    _, frames, _ = home
    away = render(frames[0], "turn right 40")
    holes = (away == HOLE).all(axis=-1)
    assert 0.3 < holes.mean() < 0.95
    with pytest.raises(NothingFound, match="nothing is in view"):
        render(frames[0], "turn around")
    with pytest.raises(ValueError, match="turn left"):
        render(frames[0], "somersault")


def test_bare_points_are_rendered_from_a_given_place():
    cloud = points(np.random.default_rng(0).random((5000, 3)), "world")
    picture = render(cloud, pose=look_at((0.5, -2, 0.5), (0.5, 0.5, 0.5)), size=(200, 150))
    assert picture.shape == (150, 200, 3)
    assert (picture != HOLE).any()
    with pytest.raises(FrameOfReferenceError, match="look_at"):
        render(cloud)
    with pytest.raises(TypeError, match="scene"):
        render(np.zeros((4, 3)))


def test_the_birds_eye_view_shows_objects_cameras_and_the_way(home):
    _, frames, scene = home
    context.use_sequences([frames])
    box = scene.box([Mask(f.instances == 2, f.position, "table") for f in frames])
    plain = scene.bev(cameras=False)
    marked = scene.bev(objects=[box], path=points([[0, 0, -1.6], [1, 1, -1.6]], "world"))
    assert marked.dtype == np.uint8
    assert marked.shape[2] == 3
    assert max(marked.shape) == 900
    assert (plain.shape != marked.shape) or (plain != marked).any()
    tall, wide = marked.shape[:2]
    assert tall / wide == pytest.approx(5 / 4, rel=0.08)
    with pytest.raises(FrameOfReferenceError, match="no up"):
        draw.bev(points(np.ones((10, 3)), "camera 0"))
    with pytest.raises(FrameOfReferenceError, match="in the world"):
        draw.bev(scene, [geometry.unproject(frames[0], (160, 120))])
    assert draw.bev(points(np.random.default_rng(0).random((100, 3)), "world")).ndim == 3


def test_a_scene_prints_as_one_useful_line(home):
    _, _, scene = home
    assert repr(scene) == "<Scene: 6 frames by poses and depth of the capture, metres, z up>"


def test_things_tell_whether_they_moved() -> None:
    """A stool that stands, and one that is carried 0.9 m; the camera walks meanwhile."""
    poses = [standing(x=1.6 + 0.15 * i) for i in range(4)]
    still, moving = [], []
    for i, pose in enumerate(poses):
        room = Room().add("stool", (3.0, 2.6, 0.22), (0.4, 0.4, 0.44))
        room.add("box", (1.4 + 0.3 * i, 3.2, 0.2), (0.4, 0.4, 0.4))
        depth, ids = room.see(pose)
        still.append(depth)
        moving.append(ids)
    shift = np.eye(4)
    shift[:3, 3] = -poses[0][:3, 3]
    frames = Frames.from_arrays(
        [np.repeat((40 * ids + 60)[..., None], 3, -1).astype(np.uint8) for ids in moving],
        depths=still,
        instances=moving,
        objects=[SceneObject("stool", 1), SceneObject("box", 2)],
        intrinsics=[INTRINSICS] * 4,
        poses=[shift @ pose for pose in poses],
        times=[0.0, 1.0, 2.0, 3.0],
    )
    scene = Scene.from_frames(frames)
    masks = [
        Mask(ids == number, i, label=name, id=number)
        for i, ids in enumerate(moving)
        for number, name in ((1, "stool"), (2, "box"))
    ]
    by_name = {box.label: box for box in scene.objects(masks)}
    assert not by_name["stool"].motion.moved
    carried = by_name["box"].motion
    assert carried.moved
    assert carried.distance == pytest.approx(0.9, abs=0.08)
    assert carried.speed == pytest.approx(0.3, abs=0.03)
    assert by_name["box"].length < 0.6
