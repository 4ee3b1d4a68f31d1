"""Labelled marks: drawn again they move, undo takes them back, each picture has its history."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from rooms import furnished, standing

from spatialclaw.primitives import draw
from spatialclaw.primitives.draw import history
from spatialclaw.primitives.errors import NothingFound

FRAMES = furnished().frames(standing(), standing(1.0, 1.0))


@pytest.fixture(autouse=True)
def _fresh():
    history._sheets.clear()


def blank(width=300, height=200, shade=0):
    return np.full((height, width, 3), shade, np.uint8)


def same(a, b):
    return np.array_equal(np.asarray(a), np.asarray(b))


def test_a_label_drawn_again_moves():
    frame = FRAMES[0]
    draw.points(frame, (50, 50), label="cup")
    moved = draw.points(frame, (200, 120), label="cup")
    assert same(moved[30:70, 30:70], frame.image[30:70, 30:70])
    assert not same(moved[110:130, 190:210], frame.image[110:130, 190:210])
    assert [(m.label, m.kind) for m in draw.marks(frame)] == [("cup", "points")]
    assert draw.marks(frame)[0].at == pytest.approx(np.array([[200, 120]]))


def test_marks_stay_on_their_own_picture():
    draw.boxes(FRAMES[0], (10, 10, 60, 60), label="a")
    both = draw.arrows(FRAMES[0], (5, 5, 90, 90), label="b")
    draw.text(FRAMES[1], "here", (20, 20), label="c")
    assert [m.label for m in draw.marks(FRAMES[0])] == ["a", "b"]
    assert [m.label for m in draw.marks(FRAMES[1])] == ["c"]
    assert same(draw.redraw(FRAMES[0]), both)
    image = blank()
    draw.boxes(image, (1, 1, 20, 20), label="d")
    assert [m.label for m in draw.marks(image.copy())] == ["d"]
    assert draw.marks(blank(shade=9)) == []
    # Without a label a mark is on the returned picture only.
    loose = draw.boxes(FRAMES[0], (100, 100, 150, 150))
    assert same(loose[:90, :90], FRAMES[0].image[:90, :90])
    assert [m.label for m in draw.marks(FRAMES[0])] == ["a", "b"]


def test_undo_goes_back_change_by_change():
    frame = FRAMES[0]
    first = draw.boxes(frame, (10, 10, 60, 60), label="a")
    second = draw.polylines(frame, [(0, 0), (50, 90), (90, 10)], label="b", closed=True)
    draw.boxes(frame, (100, 10, 160, 60), label="a")
    assert same(draw.undo(frame), second)
    erased = draw.erase(frame, "a")
    assert [m.label for m in draw.marks(erased)] == ["b"]
    assert same(draw.undo(frame), second)
    assert same(draw.undo(frame), first)
    assert same(draw.undo(frame, 5), frame.image)
    with pytest.raises(NothingFound, match="nothing with a label"):
        draw.undo(frame)
    draw.boxes(frame, (10, 10, 60, 60), label="a")
    with pytest.raises(NothingFound, match="no mark 'b'"):
        draw.erase(frame, "b")


def test_a_drawing_is_drawn_on_further_and_its_labels_move_too():
    one = draw.grid(FRAMES[0], 50)
    two = draw.boxes(one, (10, 10, 60, 60), label="a")
    three = draw.boxes(two, (100, 100, 160, 160), label="a")
    assert same(three[5:95, 5:95], one[5:95, 5:95])
    assert [m.kind for m in draw.marks(three)] == ["grid", "boxes"]
    assert same(draw.undo(three), two)
    assert [m.label for m in two.marks] == [None, "a"]


def test_pixels_changed_by_hand_are_kept():
    drawing = draw.boxes(FRAMES[0], (10, 10, 60, 60), label="a")
    drawing[150:160] = 7
    further = draw.points(drawing, (100, 100), label="b")
    assert (np.asarray(further)[150:160, :90] == 7).all()
    assert [m.label for m in draw.marks(further)] == ["b"]


def test_a_crop_has_marks_of_its_own():
    crop = FRAMES[0].image[50:150, 60:200]
    draw.points(crop, (10, 10), label="a")
    assert draw.marks(FRAMES[0]) == []
    assert [m.label for m in draw.marks(crop)] == ["a"]


@pytest.mark.parametrize(
    ("coords", "box"), [("0-1", (0.1, 0.2, 0.5, 1.0)), ("0-1000", (100, 200, 500, 1000))]
)
def test_coordinates_may_be_normalised(coords, box):
    image = blank(301, 201)
    drawn = draw.boxes(image, box, coords=coords, label="a", color="red")
    assert same(drawn, draw.boxes(image, (30, 40, 150, 200), ["a"], color="red"))
    assert draw.marks(image)[0].at == pytest.approx(np.array([[30, 40], [150, 200]]))
    draw.points(image, (box[0], box[1]), coords=coords, label="p")
    draw.lines(image, box, coords=coords, label="l")
    draw.text(image, "t", (box[0], box[1]), coords=coords, label="t")
    for mark in draw.marks(image)[1:]:
        assert mark.at[0] == pytest.approx([30, 40])


def test_the_wrong_convention_is_told():
    with pytest.raises(ValueError, match="320 is given"):
        draw.points(blank(), (320, 100), coords="0-1")
    with pytest.raises(ValueError, match="use 'pixel'"):
        draw.points(blank(), (320, 100), coords="percent")
    with pytest.raises(ValueError, match="label"):
        draw.points(blank(), (3, 1), label=" ")
    with pytest.raises(ValueError, match="x0, y0, x1, y1"):
        draw.boxes(blank(), (1, 2, 3), label="a")
    assert draw.marks(blank()) == []


def test_before_and_after_stand_side_by_side():
    frame = FRAMES[0]
    before = draw.boxes(frame, (10, 60, 60, 100), label="a")
    draw.boxes(frame, (200, 60, 260, 100), label="a")
    pair = draw.before_after(frame)
    height, width = frame.height, frame.width
    assert pair.shape[0] > 2 * height
    assert same(pair[50:height, :width], before[50:])
    whole = draw.before_after(frame, since="start")
    assert same(whole[50:height, :width], frame.image[50:])
    tall = draw.before_after(blank(100, 200), blank(100, 200, 90))
    assert tall.shape[1] > 200
    with pytest.raises(ValueError, match="since"):
        draw.before_after(frame, since="ever")


def test_colours_stay_with_their_labels():
    image = blank()
    draw.points(image, (20, 20), label="a")
    draw.points(image, (60, 20), label="b")
    first = np.asarray(draw.points(image, (100, 100), label="a"))[100, 100].tolist()
    second = np.asarray(draw.redraw(image))[20, 60].tolist()
    draw.undo(image, 9)
    assert first == np.asarray(draw.points(image, (100, 100), label="a"))[100, 100].tolist()
    assert first != second


def test_the_marks_are_plain_state():
    drawing = draw.boxes(FRAMES[0].image.copy(), (10, 10, 60, 60), label="a")
    marks = pickle.loads(pickle.dumps(draw.marks(drawing)))
    assert repr(marks[0]) == "<Mark 'a': boxes at (10, 10), (60, 60)>"
