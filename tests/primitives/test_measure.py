"""Measurements keep unit and error; measures are right against exact truth."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rooms import Room, furnished, standing

from spatialclaw.primitives import context, geometry, measure
from spatialclaw.primitives.errors import (
    Ambiguous,
    FrameOfReferenceError,
    NothingFound,
    PrimitiveError,
    ScaleUnknown,
    Unavailable,
)
from spatialclaw.primitives.geometry import points
from spatialclaw.primitives.measure import Measurement
from spatialclaw.primitives.measure.units import parse_unit
from spatialclaw.primitives.results import DepthMap, Mask, Masks, Track, Tracks

finite = st.floats(0.01, 1000)


@pytest.mark.parametrize(
    ("value", "unit", "other", "expected"),
    [
        (1.5, "m", "cm", 150),
        (1, "m", "mm", 1000),
        (1, "ft", "in", 12),
        (1, "metre", "feet", 3.280839895),
        (1, "m^2", "cm^2", 10_000),
        (1, "m^3", "l", 1000),
        (1, "square metre", "sq ft", 10.763910417),
        (90, "deg", "rad", math.pi / 2),
        (10, "m/s", "km/h", 36),
        (10, "m/s", "mph", 22.369362921),
        (1, "deg/s", "rad/s", math.pi / 180),
        (3, "px/s", "px/ms", 0.003),
        (2, "h", "min", 120),
    ],
)
def test_units_convert_there_and_back(value, unit, other, expected):
    found = Measurement(value, unit, 0.1 * value).to(other)
    assert found.value == pytest.approx(expected)
    assert found.sigma == pytest.approx(0.1 * expected)
    assert found.to(unit).value == pytest.approx(value)


@pytest.mark.parametrize(
    ("unit", "other"), [("m", "s"), ("m", "px"), ("unit", "m"), ("m^2", "m"), ("count", "m")]
)
def test_units_of_different_things_do_not_convert(unit, other):
    with pytest.raises(ValueError, match="cannot be given"):
        Measurement(1, unit).to(other)
    with pytest.raises(ValueError, match="parsec"):
        parse_unit("parsec")


@given(finite, finite, finite, finite)
@settings(deadline=None)
def test_arithmetic_follows_units_and_first_order_errors(a, b, sa, sb):
    x, y = Measurement(a, "m", sa), Measurement(b, "m", sb)
    assert (x + y).sigma == pytest.approx(math.hypot(sa, sb))
    assert (x - y).value == pytest.approx(a - b)
    assert (x * y).unit == "m^2"
    assert (x / y).unit == ""
    assert (x / y).value == pytest.approx(a / b)
    assert (x / y).sigma == pytest.approx(a / b * math.hypot(sa / a, sb / b))
    assert (x / Measurement(2.0, "s", 0.0)).unit == "m/s"
    assert (2 * x).sigma == pytest.approx(2 * sa)
    assert (1 / x).unit == "1/m"
    assert (x**2).unit == "m^2"
    assert float(x.to("cm") + y) == pytest.approx(100 * (a + b))


def test_first_order_errors_agree_with_sampling():
    rng = np.random.default_rng(0)
    a, b = Measurement(3.0, "m", 0.1), Measurement(2.0, "m", 0.05)
    found = a * b / Measurement(1.5, "s", 0.03)
    samples = rng.normal(3, 0.1, 200_000) * rng.normal(2, 0.05, 200_000)
    samples /= rng.normal(1.5, 0.03, 200_000)
    assert found.sigma == pytest.approx(samples.std(), rel=0.02)
    assert found.unit == "m^2/s"


def test_comparisons_say_by_how_much_they_hold():
    near, far = Measurement(2.0, "m", 0.03), Measurement(250.0, "cm", 4.0)
    assert near < far
    assert not near > far
    assert (near < far).sigmas == pytest.approx(-0.5 / 0.05)
    assert (far > near).probability > 0.999
    assert (near > 1.9).sigmas == pytest.approx(0.1 / 0.03)
    assert sorted([far, near]) == [near, far]
    assert max(near, far) is far
    assert near.agrees(Measurement(2.05, "m", 0.03))
    assert not near.agrees(far)
    assert Measurement(100, "cm") == Measurement(1, "m")
    assert Measurement(1, "m") != Measurement(1, "s")
    with pytest.raises(ValueError, match="cannot be given"):
        _ = near < Measurement(1, "s")


def test_unknown_errors_stay_unknown():
    a, b = Measurement(2.0, "m", None), Measurement(1.0, "m", 0.1)
    assert (a + b).sigma is None
    assert (a > b).sigmas is None
    assert Measurement(2.0, "m", float("nan")).sigma is None
    with pytest.raises(ValueError, match="neither"):
        a.agrees(a)


def test_several_measurements_of_one_thing_combine():
    good = Measurement.combine([Measurement(1.0, "m", 0.1), Measurement(120, "cm", 10.0)])
    assert good.value == pytest.approx(1.1)
    assert good.sigma >= 0.1 / math.sqrt(2)
    apart = Measurement.combine([Measurement(1.0, "m", 0.01), Measurement(2.0, "m", 0.01)])
    assert apart.sigma > 0.3
    assert Measurement.combine([Measurement(v, "m") for v in (1, 2, 9)]).value == 2


def test_a_measurement_prints_as_one_useful_line():
    text = repr(Measurement(1.6021, "m", 0.0282, ("cup to laptop",), "distance by rgbd"))
    assert text == "<Measurement 1.602 +- 0.028 m by distance by rgbd: cup to laptop>"
    assert f"{Measurement(1.26, 'm'):.1f}" == "1.3 m"
    assert str(Measurement(3, "count", 0.0)) == "3 count"


@pytest.fixture(params=[0.0, 0.002], ids=["exact", "noisy"])
def room(request):
    built = furnished()
    frames = built.frames(
        standing(1.6, 0.4, 1.7, at=(1.7, 4.0, 0.5)),
        standing(3.4, 0.6, 1.5, (0.8, 4.0, 0.5)),
        noise=request.param,
    )
    context.use_sequences([frames])
    names = ("wardrobe", "table", "stool")
    things = {
        (name, f.position): Mask(f.instances == i, f.position, name, method="capture", id=i)
        for f in frames
        for i, name in enumerate(names, 1)
    }
    return built, frames, things


def test_distances_against_truth(room):
    _, frames, things = room
    table, wardrobe = things["table", 0], things["wardrobe", 0]
    eye = np.array([1.6, 0.4, 1.7])
    corner = (0.9, 4.3, 1.0)
    pixel = geometry.project(points(np.array(corner) - eye, "world"), frames[0]).plain - [2, 0]
    found = measure.distance(tuple(pixel), frame=frames[0])
    assert found.value == pytest.approx(np.linalg.norm(np.array(corner) - eye), abs=0.05)
    assert found.unit == "m"
    assert 0 < found.sigma < 0.1
    gap = measure.distance(table, wardrobe, kind="closest")
    corners = np.array([[sx * 0.6, sy * 0.35] for sx in (-1, 1) for sy in (-1, 1)])
    c, s = np.cos(np.radians(30)), np.sin(np.radians(30))
    outline = corners @ np.array([[c, s], [-s, c]]) + [2.4, 3.4]
    sides = ((0, 1), (1, 3), (3, 2), (2, 0))
    edge = np.concatenate([np.linspace(outline[i], outline[j], 300) for i, j in sides])
    away = np.maximum(np.abs(edge - [0.5, 4.6]) - [0.4, 0.3], 0)
    assert gap.value == pytest.approx(np.linalg.norm(away, axis=1).min(), abs=0.08)
    assert measure.distance(table, kind="depth") < measure.distance(table)
    across, rise = (measure.distance(table, wardrobe, kind=k) for k in ("horizontal", "vertical"))
    whole = measure.distance(table, wardrobe)
    assert math.hypot(across.value, rise.value) == pytest.approx(whole.value, rel=1e-6)
    assert "table in frame 0 by capture" in whole.evidence[0]


def test_things_seen_in_different_frames_meet_in_the_world(room):
    _, frames, things = room
    a, b = things["wardrobe", 0], things["table", 1]
    same = measure.distance(things["wardrobe", 0], things["table", 0])
    assert measure.distance(a, b).value == pytest.approx(same.value, abs=0.25)
    travel = measure.distance(frames[0], frames[1])
    assert travel.value == pytest.approx(math.dist((1.6, 0.4, 1.7), (3.4, 0.6, 1.5)), abs=1e-6)
    context.use_sequences([furnished().frames(standing(), standing(1, 1), known_poses=False)])
    with pytest.raises(FrameOfReferenceError, match="reconstruct"):
        measure.distance(a, b)


def test_sizes_against_truth(room):
    _, _, things = room
    wardrobe, table = things["wardrobe", 0], things["table", 0]
    assert measure.height(wardrobe).value == pytest.approx(1.8, rel=0.03)
    assert measure.width(wardrobe).value == pytest.approx(0.8, rel=0.06)
    assert measure.height(table).value == pytest.approx(0.72, rel=0.05)
    assert measure.length(table).value == pytest.approx(1.2, rel=0.05)
    assert measure.size(table).to("cm").value == pytest.approx(120, rel=0.05)
    assert measure.height_above_floor(wardrobe).value == pytest.approx(1.8, abs=0.05)
    assert measure.height_above_floor(table, "bottom").value == pytest.approx(0, abs=0.06)
    both = [things["table", 0], things["table", 1]]
    assert measure.size(both).value == pytest.approx(1.2, rel=0.08)


def test_a_detections_box_gives_height_and_width():
    frames = (
        Room()
        .add("person", (2.0, 3.0, 0.9), (0.5, 0.3, 1.8))
        .frames(standing(at=(2.0, 4.0, 0.8)), known_poses=False)
    )
    rows, columns = np.nonzero(frames[0].instances)
    box = tuple(float(v) for v in (columns.min(), rows.min(), columns.max(), rows.max()))
    detected = Mask(np.zeros((240, 320), bool), 0, "person", box=box)
    assert measure.height(detected, frame=frames[0]).value == pytest.approx(1.8, rel=0.06)
    assert measure.width(box, frame=frames[0]).value == pytest.approx(0.5, rel=0.1)
    top = measure.height_above_floor(detected, frame=frames[0])
    assert top.value == pytest.approx(1.8, abs=0.1)
    assert "flat box" in measure.size(detected, frame=frames[0]).evidence[1]


def test_a_thing_cut_off_by_the_picture_is_said_to_be():
    frames = furnished().frames(standing())
    found = measure.size(Mask(frames[0].instances == 3, 0, "stool"), frame=frames[0])
    assert any("lower bound" in line for line in found.evidence)


def test_areas_against_truth(room):
    _, frames, _ = room
    wall = np.zeros((240, 320), bool)
    wall[5:25, 100:220] = True
    corners = [(99.5, 4.5), (219.5, 4.5), (219.5, 24.5), (99.5, 24.5)]
    eye = np.array([1.6, 0.4, 1.7])
    heading = geometry.rays(frames[0], corners).plain @ frames[0].pose[:3, :3].T
    truth = geometry.polygon_area(eye + heading * ((5 - eye[1]) / heading[:, 1])[:, None])
    assert measure.area(wall, frame=frames[0]).value == pytest.approx(truth, rel=0.04)
    polygon = points([[0, 0, 1.0], [2, 0, 1], [2, 1, 1], [0, 1, 1]], "world", sigma=0.01)
    assert measure.area(polygon).value == pytest.approx(2)
    assert measure.area(polygon).sigma == pytest.approx(0.01 * 6 / 2)
    assert measure.area(polygon).unit == "m^2"


def test_a_curved_surface_is_measured_by_triangles():
    rows, columns = np.indices((240, 320))
    x, y = (columns - 159.5) / 300, (rows - 119.5) / 300
    # A ball of radius 0.5 m, 2 m ahead.
    a, b, c = x**2 + y**2 + 1, -4.0, 4 - 0.25
    root = b * b - 4 * a * c
    ball = root > 0
    depth = np.where(ball, (-b - np.sqrt(np.where(ball, root, 0))) / (2 * a), 9.0)
    frames = Room().frames(standing())
    frame = frames[0].replaced(pose=None)
    found = measure.area(ball, frame=frame, depth=depth)
    # The visible cap of a ball of radius r from distance d: 2 pi r^2 (1 - r / d); its rim, seen at
    # a grazing angle, is lost.
    cap = 2 * np.pi * 0.25 * (1 - 0.25)
    assert 0.75 * cap < found.value < 1.05 * cap
    assert "curved" in found.evidence[0]


def test_metres_are_refused_where_the_scale_is_unknown(room):
    _, frames, things = room
    loose = DepthMap(
        np.array(frames[0].depth), np.full((240, 320), 0.01, np.float32), 0, "views", metric=False
    )
    for call in (measure.distance, measure.size, measure.height, measure.area):
        with pytest.raises(ScaleUnknown, match="scale_free=True"):
            call(things["table", 0], depth=loose)
    a = measure.distance(things["table", 0], depth=loose, scale_free=True)
    b = measure.distance(things["wardrobe", 0], depth=loose, scale_free=True)
    assert a.unit == "unit"
    assert (a / b).unit == ""
    with pytest.raises(ValueError, match="scale of the scene"):
        a.to("m")


@pytest.mark.parametrize(
    ("a", "b", "c", "value"),
    [
        ((1, 0, 0), (0, 0, 0), (0, 1, 0), 90),
        ((1, 0, 0), (0, 0, 0), (2, 0, 0), 0),
        ((1, 0, 0), (0, 0, 0), (-1, 1e-9, 0), 180),
    ],
)
def test_angles_at_a_vertex(a, b, c, value):
    places = [points(np.array(p, float), "world", sigma=0.01) for p in (a, b, c)]
    found = measure.angle(*places)
    assert found.value == pytest.approx(value, abs=1e-6)
    assert found.sigma > 0


def test_angles_of_planes_and_lines():
    floor = geometry.fit_plane(points([[0, 0, 0.0], [1, 0, 0], [0, 1, 0], [1, 1, 0]], "world"))
    ramp = geometry.fit_plane(points([[0, 0, 0.0], [1, 0, 1], [0, 1, 0], [1, 1, 1]], "world"))
    assert measure.angle(floor, ramp).value == pytest.approx(45)
    assert measure.angle(floor, np.array([0, 1.0, 1.0])).value == pytest.approx(45)
    assert measure.angle(np.array([1.0, 0, 0]), np.array([-1.0, 0, 0])).value == 180


@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_speeds_of_a_straight_and_a_round_way(noise):
    rng = np.random.default_rng(3)
    times = np.linspace(0, 4, 41)
    straight = np.outer(times, [1.2, 0.5, 0]) + rng.normal(0, noise, (41, 3))
    found = measure.speed(points(straight, "world", sigma=max(noise, 1e-6)), times)
    assert found.value == pytest.approx(1.3, rel=0.02)
    assert found.unit == "m/s"
    assert abs(found.value - 1.3) < 4 * max(found.sigma, 1e-9)
    turn = times * np.pi / 4
    circle = np.column_stack([np.cos(turn), np.sin(turn), 0 * turn]) + rng.normal(0, noise, (41, 3))
    found = measure.speed(points(circle, "world"), times)
    assert found.value == pytest.approx(np.pi / 4, rel=0.1)
    net = measure.speed(points(circle, "world"), times, kind="net")
    assert net.value < 0.8 * found.value


def test_a_track_of_boxes_is_placed_by_depth():
    boxes, moving = [], []
    for step in range(5):
        scene = Room().add("robot", (1.2 + 0.3 * step, 3.0, 0.5), (0.5, 0.5, 1.0))
        rows, columns = np.nonzero(scene.see(standing())[1])
        boxes.append((columns.min(), rows.min(), columns.max(), rows.max()))
        moving.append(scene.frames(standing())[0].replaced(time=0.25 * step, position=step))
    followed = Track(0, np.arange(5), 0.25 * np.arange(5), np.array(boxes, float), "robot")
    found = measure.speed(followed, frames=moving)
    assert found.value == pytest.approx(1.2, rel=0.08)
    flat = measure.speed_px(followed)
    assert flat.unit == "px/s"
    assert flat.value > 50


@pytest.mark.parametrize(
    "call",
    [
        lambda: measure.speed(points([[0, 0, 0.0]], "world"), [0.0]),
        lambda: measure.speed(points([[0, 0, 0.0], [1, 0, 0]], "world"), [1.0, 1.0]),
        lambda: measure.speed(points([[0, 0, 0.0], [1, 0, 0]], "world"), [float("nan"), 1.0]),
        lambda: measure.speed(points([[0, 0, 0.0], [1, 0, 0]], "world")),
    ],
)
def test_no_speed_without_times(call):
    with pytest.raises(Unavailable, match="times"):
        call()


def test_counts():
    def mask(frame, number=None, label="chair", score=1.0):
        return Mask(np.ones((2, 2), bool), frame, label, id=number, score=score)

    same = Masks([mask(0, 1), mask(1, 1), mask(1, 2)])
    assert measure.count(same).value == 2
    assert measure.count(Masks([mask(0), mask(1), mask(1)])).value == 2
    assert measure.count(Masks()).value == 0
    assert measure.count(Masks([mask(0), mask(0, label="cup")]), label="cup").value == 1
    assert measure.count(Tracks()).value == 0
    assert measure.count([1, 2, 3]).value == 3
    unsure = measure.count(Masks([mask(0, score=0.5), mask(0, score=0.9)]))
    assert unsure.sigma > 0.5
    assert unsure.unit == "count"


def test_one_thing_is_needed_and_several_are_ambiguous(room):
    _, _, things = room
    table, wardrobe = things["table", 0], things["wardrobe", 0]
    with pytest.raises(Ambiguous, match=r"masks\[0\]") as caught:
        measure.distance(Masks([table, wardrobe]))
    assert caught.value.candidates == [table, wardrobe]
    assert measure.distance(Masks([table])).value == measure.distance(table).value
    with pytest.raises(NothingFound, match="no masks"):
        measure.size(Masks())
    with pytest.raises(PrimitiveError, match=r"segment\(frames\[0\], 'cup'\)"):
        measure.distance("cup")
    with pytest.raises(PrimitiveError, match="not a place"):
        measure.height(None)


def test_the_way_of_the_camera():
    frames = furnished().frames(standing(), standing(3.0), standing(3.0, 1.4))
    assert measure.path_length(frames).value == pytest.approx(2)
    assert geometry.camera_path(frames).ref == "world"
    loose = [frame.replaced(metric=False) for frame in frames]
    with pytest.raises(ScaleUnknown):
        measure.path_length(loose)
    assert measure.path_length(loose, scale_free=True).unit == "unit"
    with pytest.raises(Unavailable, match="pose"):
        measure.path_length(furnished().frames(standing(), known_poses=False))


def test_pixels_measure_pixels():
    assert measure.distance_px((0, 0), (3, 4)).value == 5
    assert measure.distance_px((0, 0, 10, 10), (5, 10)).value == 5
    with pytest.raises(ValueError, match="a pixel is"):
        measure.distance_px((1, 2, 3), (0, 0))


def test_the_camera_may_be_far_from_level():
    frames = furnished().frames(standing(at=(2.0, 2.5, 0.2)), known_poses=False)
    context.use_sequences([frames])
    found = measure.height_above_floor(Mask(frames[0].instances == 2, 0, "table"))
    assert found.value == pytest.approx(0.72, abs=0.04)
