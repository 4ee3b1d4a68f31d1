"""Directions and camera moves in words, with the margin by which they hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rooms import furnished, standing

from spatialclaw.primitives import context, geometry
from spatialclaw.primitives.errors import FrameOfReferenceError, PrimitiveError
from spatialclaw.primitives.geometry import CameraMotion, Direction, points
from spatialclaw.primitives.geometry.words import SECTORS, bearing, bearing_word, choose
from spatialclaw.primitives.results import Mask

ORIGIN = points([0.0, 0, 0], "world")
NORTH = points([0.0, 5, 0], "world")


def at(x, y, z=0.0):
    return points([x, y, z], "world")


@pytest.mark.parametrize(
    ("target", "angle", "eight", "four", "two", "quadrant"),
    [
        (at(0, 3), 0, "front", "front", "right", "front-right"),
        (at(2, 2), 45, "front-right", None, "right", "front-right"),
        (at(3, 0), 90, "right", "right", "right", None),
        (at(2, -2), 135, "behind-right", None, "right", "behind-right"),
        (at(0.01, -3), 179.8, "behind", "behind", "right", "behind-right"),
        (at(-2, -2), -135, "behind-left", None, "left", "behind-left"),
        (at(-3, 0.0), -90, "left", "left", "left", None),
        (at(-2, 2), -45, "front-left", None, "left", "front-left"),
    ],
)
def test_one_who_stands_at_a_and_faces_b(target, angle, eight, four, two, quadrant):
    found = geometry.direction(target, viewer=ORIGIN, facing=NORTH)
    assert found.angle_deg == pytest.approx(angle, abs=0.1)
    assert found.word == eight
    assert four is None or found.word4 == four
    assert found.word2 == two or angle == 0
    assert quadrant is None or angle == 0 or found.quadrant == quadrant
    assert found.distance == pytest.approx(float(np.linalg.norm(target)))


def test_the_height_does_not_change_the_side():
    low = geometry.direction(at(1, 1, -5), viewer=ORIGIN, facing=NORTH)
    assert low.angle_deg == pytest.approx(45)
    assert low.elevation_deg == pytest.approx(-74.2, abs=0.1)


@given(st.floats(-179, 179), st.sampled_from([2, 4, 8]))
@settings(max_examples=200, deadline=None)
def test_a_margin_is_the_angle_at_which_the_word_changes(angle, sectors):
    word, margin = bearing_word(angle, SECTORS[sectors])
    assert 0 <= margin <= 180 / sectors + 1e-6
    inner = max(0.0, 0.99 * margin - 1e-9)
    assert bearing_word(angle + inner, SECTORS[sectors])[0] == word
    assert bearing_word(angle - inner, SECTORS[sectors])[0] == word
    beyond = {bearing_word(angle + s * (margin + 1e-3), SECTORS[sectors])[0] for s in (1, -1)}
    assert beyond != {word}


@pytest.mark.parametrize(
    ("angle", "options", "word", "margin"),
    [
        (100, ["left", "right", "back"], "right", 35),
        (-150, ["left", "right", "back"], "back", 15),
        (10, ["left", "right"], "right", 10),
        (-100, ["front-left", "front-right", "back-left", "back-right"], "back-left", 10),
        (50, ["Front Right", "Front Left"], "Front Right", 50),
        (170, ["in front", "behind"], "behind", 80),
        (-60, ["northwest", "east"], "northwest", 82.5),
    ],
)
def test_the_best_of_given_options(angle, options, word, margin):
    found = bearing_word(angle, options)
    assert found[0] == word
    assert found[1] == pytest.approx(margin)


def test_a_word_that_is_no_direction_is_refused():
    with pytest.raises(ValueError, match="not a direction"):
        bearing("purple")
    with pytest.raises(ValueError, match="horizontal"):
        bearing("above")
    with pytest.raises(ValueError, match="length 0"):
        choose([0, 0, 0], ["left", "right"])


@pytest.mark.parametrize(
    ("facing", "angle", "word"),
    [("north", 90, "east"), ("south", 90, "west"), ("east", -45, "northeast"), (180.0, 0, "south")],
)
def test_compass_words_from_a_known_heading(facing, angle, word):
    found = Direction(angle_deg=angle, elevation_deg=0, distance=1).compass(facing)
    assert found == (word, pytest.approx(22.5))


@pytest.fixture
def room():
    frames = furnished().frames(standing(), standing(3.4, 0.6, 1.5, (0.8, 4.0, 0.5)))
    context.use_sequences([frames])
    names = ("wardrobe", "table", "stool")
    things = {
        name: Mask(frames[0].instances == i, 0, name, method="capture", id=i)
        for i, name in enumerate(names, 1)
    }
    return frames, things


def test_from_the_camera_and_from_things_in_the_room(room):
    frames, things = room
    seen = geometry.direction(things["stool"])
    assert seen.word2 == "right"
    assert seen.angle_deg == pytest.approx(30, abs=1.5)
    # Standing at the table (2.4, 3.4) and facing the stool (3.4, 2.4), the wardrobe is behind.
    found = geometry.direction(things["wardrobe"], viewer=things["table"], facing=things["stool"])
    assert found.word4 == "behind"
    assert found.sigma_deg is not None
    assert geometry.direction(things["table"], viewer=frames[1]).word2 == "right"


def test_from_an_objects_own_front(room):
    frames, things = room
    table = geometry.oriented_box(
        geometry.to_world(geometry.mask_points(things["table"]), frames[0])
    )
    stool = geometry.to_world(geometry.mask_points(things["stool"]), frames[0])
    with pytest.raises(FrameOfReferenceError, match="faces"):
        geometry.direction(stool, viewer=table)
    # The table faces away from the camera (+y); the stool, nearer, is behind it to the right.
    assert geometry.direction(stool, viewer=table.facing((0, 1, 0))).quadrant == "behind-right"


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: geometry.direction(at(1, 1)), FrameOfReferenceError),
        (lambda: geometry.direction(at(1, 1), viewer=ORIGIN), FrameOfReferenceError),
        (lambda: geometry.direction(at(0, 0), viewer=ORIGIN, facing=NORTH), PrimitiveError),
        (lambda: geometry.direction(at(1, 1), viewer=ORIGIN, heading=(0, 0, 1)), PrimitiveError),
        (
            lambda: geometry.direction(
                points([0, 0, 1.0], "camera 9"), viewer=ORIGIN, facing=NORTH
            ),
            FrameOfReferenceError,
        ),
    ],
)
def test_what_leaves_a_direction_open_is_an_error(call, error):
    context.use_sequences([])
    with pytest.raises(error):
        call()


def test_relations_as_the_camera_sees_them(room):
    _, things = room
    found = geometry.relation(things["wardrobe"], things["stool"])
    assert found.side.word == "left"
    assert found.depth is not None
    assert found.depth.word == "behind"
    assert found.height.word == "above"
    assert found.among(["to the left of", "to the right of"])[0] == "to the left of"
    assert found.among(["in front of", "behind"])[0] == "behind"
    assert found.side.sigmas > 5


def test_relations_without_depth_use_the_picture_and_say_so(room):
    frames, things = room
    flat = frames[0].replaced(depth_offset=None, pose=None)
    flat.siblings = None
    a, b = Mask(things["wardrobe"].mask, 0, "a"), Mask(things["stool"].mask, 0, "b")
    found = geometry.relation(a, b, flat)
    assert (found.side.word, found.side.unit, found.depth) == ("left", "px", None)
    with pytest.raises(PrimitiveError, match="depth"):
        found.among(["in front", "behind"])


def test_camera_motion_from_poses(room):
    frames, _ = room
    found = geometry.camera_motion(frames[0], frames[1])
    assert found.method == "poses"
    assert found.direction == "right"
    assert found.distance == pytest.approx(np.hypot(1.4, 0.2), abs=1e-6)
    assert found.yaw_deg == pytest.approx(-37.4, abs=0.2)
    assert found.roll_deg == pytest.approx(0, abs=1e-6)
    assert found.among(["left", "right"])[0] == "right"
    back = geometry.camera_motion(frames[1], frames[0])
    assert back.yaw_deg == pytest.approx(37.4, abs=0.2)


@pytest.mark.parametrize(
    ("move", "direction", "turn"),
    [
        ("move forward 1", "forward", "none"),
        ("move left 1", "left", "none"),
        ("turn right 30", "none", "right"),
        ("turn left 5, move backward 2", "backward", "left"),
        ("look up 20, move up 1", "up", "up"),
        ("roll right 15", "none", "clockwise"),
    ],
)
def test_every_move_has_its_word(move, direction, turn):
    start = geometry.look_at((1, 1, 1.5), (2, 4, 1.5))
    room = furnished()
    frames = room.frames(start, geometry.pose_moved(start, move))
    found = geometry.camera_motion(frames[0], frames[1])
    assert found.direction == direction
    assert found.turn == turn
    assert direction == "none" or found.margin_deg > 20


def test_a_motion_without_scale_has_no_metres():
    found = CameraMotion(np.eye(3), np.array([0.0, 0, 1]), metric=False, method="essential matrix")
    assert found.direction == "forward"
    with pytest.raises(PrimitiveError, match="direction only"):
        _ = found.distance
