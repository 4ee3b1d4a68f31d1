"""Drawing gives a new picture, leaves its input alone, and puts marks where they belong."""

from __future__ import annotations

import numpy as np
import pytest
from rooms import furnished, standing

from spatialclaw.primitives import context, draw, geometry
from spatialclaw.primitives.errors import FrameOfReferenceError, NothingFound
from spatialclaw.primitives.geometry import points
from spatialclaw.primitives.results import DepthMap, Flow, Mask, Masks, Track, Tracks

RED = (230, 25, 75)
FRAMES = furnished().frames(standing(), standing(1.0, 1.0))
FRAME = FRAMES[0]
TABLE = Mask(FRAME.instances == 2, 0, "table")
PLACE = geometry.unproject(FRAME, (160, 150))
BOX = geometry.oriented_box(
    geometry.mask_points(TABLE, frame=FRAME), up=geometry.gravity(FRAME), label="table"
)
TRACK = Track(3, np.arange(3), np.arange(3) * 0.1, np.array([[10, 10, 30, 40.0]] * 3), "cat")

CALLS = {
    "boxes": lambda p: draw.boxes(p, [(10, 10, 60, 60), (100, 50, 140, 90)], ["a", "b"]),
    "mask boxes": lambda p: draw.boxes(p, Masks([TABLE])),
    "solid": lambda p: draw.boxes(p, BOX, frame=FRAME),
    "points": lambda p: draw.points(p, [(5, 5), (100, 100)], True),
    "3-D points": lambda p: draw.points(p, PLACE, ["here"], frame=FRAME),
    "lines": lambda p: draw.lines(p, [(0, 0, 100, 100)], ["1 m"]),
    "3-D arrows": lambda p: draw.arrows(p, [(PLACE, BOX.center)], frame=FRAME),
    "arrows": lambda p: draw.arrows(p, [((0, 0), (90, 50))]),
    "polylines": lambda p: draw.polylines(p, [(0, 0), (50, 90), (90, 10)], closed=True),
    "masks": lambda p: draw.masks(p, Masks([TABLE])),
    "map of instances": lambda p: draw.masks(p, FRAME.instances),
    "text": lambda p: draw.text(p, "two\nlines ä°", "bottom right"),
    "grid": lambda p: draw.grid(p),
    "axes": lambda p: draw.axes(p, BOX, frame=FRAME),
    "trajectory": lambda p: draw.trajectory(p, Tracks([TRACK])),
    "3-D trajectory": lambda p: draw.trajectory(
        p, points([[0, 0, 2.0], [1, 0, 3]], "camera 0"), frame=FRAME
    ),
    "flow": lambda p: draw.flow(
        p, Flow(np.full((240, 320, 2), 6, np.float32), 0, 1, "dis", np.ones((240, 320), np.float32))
    ),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("kind", ["frame", "uint8", "grey", "float", "rgba"])
def test_each_gives_a_new_picture_of_the_same_size(name, kind):
    image = np.array(FRAME.image)
    picture = {
        "frame": FRAME,
        "uint8": image,
        "grey": image[..., 0].copy(),
        "float": image.astype(np.float32) / 255,
        "rgba": np.dstack([image, np.full((240, 320), 255, np.uint8)]),
    }[kind]
    before = np.array(picture.image if kind == "frame" else picture)
    drawn = CALLS[name](picture)
    assert drawn.shape == (240, 320, 3)
    assert drawn.dtype == np.uint8
    assert (np.asarray(drawn) != image).any()
    after = picture.image if kind == "frame" else picture
    assert np.array_equal(before, after)
    again = drawn.copy()
    CALLS[name](drawn)
    assert np.array_equal(again, drawn)


def where(picture, colour):
    away = np.abs(np.asarray(picture).astype(int) - colour)
    rows, columns = np.nonzero((away < 70).all(axis=-1))
    return columns, rows


def test_a_box_lies_where_it_was_asked_for():
    x, y = where(
        draw.boxes(np.zeros((200, 300, 3), np.uint8), [(50, 60, 150, 160)], color="red"), RED
    )
    assert abs(x.min() - 50) <= 1
    assert abs(x.max() - 150) <= 1
    assert abs(y.min() - 60) <= 1
    assert abs(y.max() - 160) <= 1


def test_points_in_space_land_on_their_pixel_from_any_camera():
    world = geometry.to_world(PLACE, FRAME)
    for place in (PLACE, world):
        x, y = where(draw.points(FRAME, place, color="red"), RED)
        assert (x.mean(), y.mean()) == pytest.approx((160, 150), abs=0.6)


def test_marks_grow_with_the_picture_so_that_they_stay_readable():
    parts = []
    for width in (200, 1000, 4000):
        blank = np.zeros((width * 3 // 4, width, 3), np.uint8)
        drawn = draw.points(blank, [(width / 2, width / 3)], ["cup"], color="red")
        parts.append((np.asarray(drawn) != 0).any(axis=-1).mean())
    assert parts[1] == pytest.approx(parts[2], rel=0.5)
    assert parts[0] >= parts[1]


def test_labels_stay_inside_and_off_each_other():
    blank = np.zeros((300, 400, 3), np.uint8)
    corners = [(0, 0), (399, 0), (0, 299), (399, 299)]
    drawn = draw.points(blank, corners, ["first", "second", "third", "fourth"])
    alone = [draw.points(blank, [c], ["first"], color="red") for c in corners]
    sizes = [len(where(picture, RED)[0]) for picture in alone]
    assert min(sizes) > 0.8 * max(sizes)
    assert drawn.shape == blank.shape


def test_a_drawing_remembers_its_frame():
    first = draw.boxes(FRAME, [(10, 10, 50, 50)])
    second = draw.points(first, PLACE)
    assert second.frame is FRAME
    assert second[10:20, 10:20].frame is None


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda i: draw.points(i, PLACE), FrameOfReferenceError, "frame=frames"),
        (lambda i: draw.points(i, np.zeros((2, 3))), FrameOfReferenceError, "geometry.points"),
        (
            lambda i: draw.points(FRAME, points([1.0, 2], "pixel 9")),
            FrameOfReferenceError,
            "pixel 9",
        ),
        (lambda i: draw.axes(i), FrameOfReferenceError, "camera"),
        (lambda i: draw.boxes(i, [(1, 2, 3, 4)], ["a", "b"]), ValueError, "2 labels for 1"),
        (lambda i: draw.boxes(i, [(1, 2, 3, 4)], color="mauve"), ValueError, "mauve"),
        (lambda i: draw.masks(i, np.ones((3, 3), bool)), ValueError, "the picture"),
        (lambda i: draw.lines(i, [(1, 2, 3)]), ValueError, "x0, y0, x1, y1"),
        (lambda i: draw.boxes(np.zeros((3, 3, 7)), []), TypeError, "H, W, 3"),
        (lambda i: draw.boxes(FRAMES, []), TypeError, r"frames\[0\]"),
        (lambda i: draw.grid(i, 0), ValueError, "at least 1"),
        (lambda i: draw.depth(np.full((4, 4), np.nan)), NothingFound, "empty"),
        (lambda i: draw.sheet([]), NothingFound, "no pictures"),
    ],
)
def test_wrong_input_says_what_is_wrong(call, error, says):
    with pytest.raises(error, match=says):
        call(np.zeros((50, 60, 3), np.uint8))


def test_nothing_to_draw_gives_the_picture_back():
    for call in (draw.boxes, draw.points, draw.lines, draw.masks):
        assert np.array_equal(call(FRAME, []), FRAME.image)


def test_marks_outside_the_picture_do_no_harm():
    blank = np.zeros((50, 60, 3), np.uint8)
    far = draw.lines(blank, [(-1e7, -1e7, 1e7, 1e7), (1e9, 5, 1e9, 9)])
    assert (np.asarray(far) != 0).any()
    draw.boxes(blank, [(-500, -500, 1000, 1000)], ["huge"])
    draw.points(blank, [(1e6, 5), (float("nan"), 3)])
    behind = points([[0, 0, -1.0], [0, 0, 2.0]], "camera 0")
    draw.polylines(FRAME, behind)


def test_a_box_that_reaches_behind_the_camera_is_cut_not_mirrored():
    hall = geometry.Box3D(points([0, 0, 0.0], "camera 0"), np.eye(3), [2, 2, 8], label="hall")
    drawn = draw.boxes(FRAME, hall, color="red")
    assert len(where(drawn, RED)[0]) > 20


def test_depth_is_coloured_with_its_scale():
    context.use_sequences([FRAMES])
    drawn = draw.depth(FRAME)
    assert drawn.shape == (240, 320, 3)
    holes = np.array(FRAME.depth)
    holes[100:140, 20:60] = np.nan
    drawn = draw.depth(DepthMap(holes, np.full_like(holes, np.nan), 0, "rgbd"))
    assert (np.asarray(drawn)[105:135, 25:55] == 0).all()
    near_red, far_blue = draw.depth(np.tile(np.linspace(1, 5, 90), (60, 1)))[50, [2, 30]]
    assert near_red[0] > far_blue[0] or near_red[2] < far_blue[2]


def test_a_sheet_takes_pictures_of_any_size():
    images = [np.zeros((h, w, 3), np.uint8) for h, w in ((40, 60), (300, 90), (50, 50))]
    drawn = draw.sheet(images, ["a", "b", "c"], columns=2, width=600)
    assert drawn.shape[1] == 600
    assert np.array_equal(draw.grid(images[:2]).shape, draw.sheet(images[:2]).shape)
    assert draw.sheet(FRAMES).shape[1] == 1280
