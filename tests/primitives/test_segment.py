"""Segments by name, colour, point and box."""

from __future__ import annotations

import numpy as np
import pytest
from synthetic import texture

from spatialclaw.primitives.colours import colour_in, colour_name, membership
from spatialclaw.primitives.errors import NothingFound, Unavailable
from spatialclaw.primitives.frames import Frames, SceneObject
from spatialclaw.primitives.segment import detect, segment
from spatialclaw.primitives.wording import match_names, name_score

K = [[300.0, 0, 159.5], [0, 300.0, 119.5], [0, 0, 1]]


@pytest.fixture
def room():
    """A capture with two chairs (one red), a desk, and a lamp out of view."""
    image = np.full((240, 320, 3), 128, dtype=np.uint8)
    instances = np.zeros((240, 320), dtype=np.uint16)
    for number, (x, colour) in enumerate([(20, (200, 30, 30)), (120, (30, 60, 200))], start=1):
        image[100:180, x : x + 60] = colour
        instances[100:180, x : x + 60] = number
    image[60:200, 230:310], instances[60:200, 230:310] = (150, 100, 60), 3
    objects = [SceneObject("office chair", 1), SceneObject("office chair 2", 2)]
    objects += [SceneObject("desk", 3), SceneObject("floor lamp", 4)]
    return Frames.from_arrays([image], instances=[instances], objects=objects)[0]


@pytest.mark.parametrize(
    ("what", "ids"),
    [
        ("chair", [1, 2]),
        ("all chairs", [1, 2]),
        ("the office chairs", [1, 2]),
        ("Desk", [3]),
        ("table", [3]),
        ("offise chair", [1, 2]),
        ("red chair", [1]),
        ("blue chair", [2]),
        ("office chair 2", [2]),
    ],
)
def test_named_objects_of_a_capture(room, what, ids):
    found = segment(room, what)
    assert sorted(m.id for m in found) == ids
    assert found.method == "capture"
    assert all(m.score > 0.5 for m in found)


def test_an_object_out_of_view_is_not_found_here(room):
    with pytest.raises(NothingFound, match="not visible"):
        segment(room, "floor lamp")


def test_an_unknown_noun_names_what_there_is_and_what_to_do(room):
    with pytest.raises(Unavailable, match=r"desk.*locate\(frame, 'teapot'\)"):
        segment(room, "teapot")


def test_no_chair_of_that_colour(room):
    with pytest.raises(NothingFound, match="none of them green"):
        segment(room, "green chair")


def test_detect_is_the_same_with_boxes(room):
    assert detect(room, "desk").boxes.tolist() == [[230, 60, 309, 199]]


def test_a_point_on_a_named_object_gives_it(room):
    assert segment(room, points=(40, 140))[0].id == 1


def test_colours_of_things_that_nobody_names():
    image = np.full((200, 300, 3), 235, dtype=np.uint8)
    image[40:100, 40:100] = (205, 35, 30)
    image[120:180, 200:260] = (25, 30, 95)
    found = segment(image, "red cube")
    assert found[0].box == (40, 40, 99, 99)
    assert found[0].score < 0.6
    assert "cube" in found.note
    assert segment(image, "dark blue thing")[0].box == (200, 120, 259, 179)
    with pytest.raises(NothingFound, match="nothing green"):
        segment(image, "green cube")


@pytest.mark.parametrize(
    ("name", "rgb"),
    [
        ("red", (200, 30, 30)), ("dark red", (110, 15, 20)), ("orange", (240, 130, 20)),
        ("yellow", (240, 220, 40)), ("green", (40, 150, 50)), ("dark green", (20, 70, 30)),
        ("turquoise", (30, 190, 200)), ("blue", (40, 80, 200)), ("light blue", (130, 185, 240)),
        ("dark blue", (20, 30, 80)), ("purple", (120, 40, 160)), ("pink", (240, 130, 170)),
        ("brown", (110, 70, 40)), ("beige", (220, 200, 165)), ("white", (240, 240, 238)),
        ("grey", (130, 130, 132)), ("black", (20, 20, 22)), ("navy", (20, 30, 90)),
        ("pink", (150, 20, 95)),
    ],
)  # fmt: skip
def test_colour_names(name, rgb):
    patch = np.full((4, 4, 3), rgb, dtype=np.uint8)
    assert membership(patch, name).min() > 0.5
    basic = colour_in(name)[0].split()[-1]
    assert next(iter(colour_name(patch))) == basic


def test_a_colour_that_does_not_exist():
    with pytest.raises(ValueError, match="known are red"):
        membership(np.zeros((2, 2, 3), np.uint8), "bluish")


@pytest.mark.parametrize(
    ("phrase", "name", "fits"),
    [
        ("sofa", "couch", True),
        ("the TV", "television", True),
        ("people", "person", True),
        ("shelves", "bookshelf", True),
        ("chair", "armchair", True),
        ("lamp", "table", False),
        ("table lamp", "table", False),
        ("chair 1", "chair 2", False),
        ("cup", "mug", True),
        ("glass", "grass", False),
    ],
)
def test_names(phrase, name, fits):
    assert (name_score(phrase, name) >= 0.5) is fits


def test_the_exact_name_wins_over_similar_ones():
    names = ["desk lamp", "lamp", "armchair", "chair"]
    assert [names[i] for i, _ in match_names("chair", names)] == ["chair"]


def test_a_box_is_filled_by_its_thing():
    image = texture(240, 320)
    image[80:160, 100:200] = (220, 40, 40)
    found = segment(image, box=(90, 70, 210, 170))[0]
    truth = np.zeros((240, 320), dtype=bool)
    truth[80:160, 100:200] = True
    assert (found.mask & truth).sum() / (found.mask | truth).sum() > 0.9


def test_points_pick_one_of_two_things():
    image = np.full((240, 320, 3), (60, 110, 60), dtype=np.uint8)
    image[60:140, 40:120] = image[60:140, 200:280] = (220, 180, 40)
    found = segment(image, points=(80, 100))[0]
    assert found.mask[100, 80]
    assert not found.mask[100, 240]
    assert not found.mask[200, 160]


def test_depth_parts_things_of_one_colour():
    image = np.full((240, 320, 3), 120, dtype=np.uint8)
    values = np.full((240, 320), 3.0)
    values[80:160, 100:200] = 1.5
    frame = Frames.from_arrays([image], depths=[values], intrinsics=[K])[0]
    found = segment(frame, points=(150, 120))[0]
    assert found.method == "depth"
    assert found.area_px == pytest.approx(8000, rel=0.08)


def test_the_floor_is_found_in_depth():
    rows = np.arange(240)[:, None] - 119.5
    below = np.where(rows > 5, 1.4 * 300 / np.maximum(rows, 5), np.inf)
    values = np.minimum(np.broadcast_to(below, (240, 320)), 8.0)
    frame = Frames.from_arrays([texture()], depths=[values], intrinsics=[K])[0]
    floor = segment(frame, "floor")[0]
    assert floor.extra["offset"] == pytest.approx(1.4, abs=0.02)
    assert floor.mask[235, 160]
    assert not floor.mask[100, 160]
    assert segment(frame, "wall")[0].mask[60, 160]


@pytest.mark.parametrize(
    "call",
    [
        lambda f: segment(f),
        lambda f: segment(f, "  "),
        lambda f: segment(f, points=(1000, 10)),
        lambda f: segment(f, points=(10, 10), labels=[1, 0]),
        lambda f: segment(f, points=(10, 10), labels=[0]),
        lambda f: segment(f, box=(50, 50, 10, 10)),
        lambda f: segment(f, "chair", method="magic"),
    ],
)
def test_mistaken_calls_say_what_is_wrong(call):
    with pytest.raises(ValueError, match=r"\w{4,}"):
        call(texture())
