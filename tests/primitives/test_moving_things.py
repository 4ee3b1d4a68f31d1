"""Videos made here: fixed and moving cameras, things that come and go."""

from __future__ import annotations

import numpy as np
import pytest
from synthetic import shifted, texture

from spatialclaw.primitives.background import background, camera_state, moving_things
from spatialclaw.primitives.errors import NothingFound
from spatialclaw.primitives.flow import flow
from spatialclaw.primitives.frames import Frames, SceneObject
from spatialclaw.primitives.track import heading, passages, track


def scene(paths, count=40, camera=(0.0, 0.0), light=0.0, size=(36, 50), rate=10):
    """Boxes of different colours on a texture; `paths` give (x, y) at each frame or None."""
    wide = texture(340, 420, 7)
    generator = np.random.default_rng(2)
    colours = generator.integers(0, 255, (len(paths), 3))
    colours[:, 0] = np.where(np.arange(len(paths)) % 2, 230, 20)
    images = []
    for number in range(count):
        moved = shifted(wide, -camera[0] * number, -camera[1] * number)[50:290, 50:370].copy()
        for path, colour in zip(paths, colours, strict=True):
            place = path(number)
            if place is None:
                continue
            x, y = (int(v) for v in place)
            moved[max(y, 0) : max(y + size[1], 0), max(x, 0) : max(x + size[0], 0)] = colour
        gain = 1 + light * np.sin(number / 5)
        noisy = moved * gain + generator.normal(0, 2, moved.shape)
        images.append(noisy.clip(0, 255).astype(np.uint8))
    return Frames.from_arrays(images, times=[n / rate for n in range(count)], kind="video")


def crossing(start, speed, y, first, last):
    return lambda n: (start + speed * (n - first), y) if first <= n <= last else None


def test_a_fixed_camera_with_traffic_is_fixed():
    state = camera_state(scene([crossing(-36, 12, 90, 5, 34)]))
    assert state.kind == "static"
    assert not state.moves


def test_a_camera_that_pans_moves_and_the_shift_is_measured():
    state = camera_state(scene([], count=12, camera=(3.0, 0.0)))
    assert state.moves
    assert state.shift_px[-1] == pytest.approx([-33, 0], abs=2)


def test_one_frame_cannot_tell():
    with pytest.raises(NothingFound, match="one frame"):
        camera_state(Frames.from_arrays([texture()]))


def test_someone_who_stands_there_most_of_the_time_is_not_the_background():
    """Three visitors at one spot for 70 % of the video."""
    spots = [lambda n, k=k: (150, 90) if 4 + 20 * k <= n < 18 + 20 * k else None for k in range(3)]
    frames = scene(spots, count=64, rate=2)
    empty = background(frames)
    wide = texture(340, 420, 7)[50:290, 50:370]
    assert np.abs(empty.astype(int) - wide)[90:140, 150:186].mean() < 12
    assert len(passages(frames)) == 3


def test_things_that_cross_are_counted_with_their_headings():
    paths = [
        crossing(-36, 14, 40, 2, 30),
        crossing(320, -14, 160, 12, 40),
        lambda n: (200, -50 + 14 * (n - 44)) if n >= 44 else None,
    ]
    frames = scene(paths, count=70, light=0.1)
    found = passages(frames)
    assert [p.heading for p in found] == ["right", "left", "down"]
    assert [p.enters for p in found] == ["left", "right", "top"]
    assert [p.leaves for p in found] == ["right", "left", "bottom"]
    assert found[0].start_s == pytest.approx(0.3, abs=0.3)


def test_speed_in_pixels_comes_from_the_track():
    frames = scene([crossing(20, 6, 90, 0, 30)], count=31)
    one = max(track(frames), key=len)
    seconds = one.times[-3] - one.times[3]
    moved = np.linalg.norm(one.centers[-3] - one.centers[3])
    assert moved / seconds == pytest.approx(60, rel=0.05)
    assert heading(one)[0] == "right"


def test_an_empty_video_has_nothing_that_moves():
    with pytest.raises(NothingFound, match="nothing moves"):
        track(scene([], count=12))


def test_a_moving_camera_does_not_make_the_scene_move():
    frames = scene([crossing(30, 14, 90, 0, 30)], count=16, camera=(3.0, 0.0))
    found = moving_things(frames)
    assert found.method == "compensated"
    hits = 0
    for number, masks in enumerate(found.masks[1:-1], start=1):
        x = 30 + 14 * number
        hits += any(abs(m.center[0] - x - 18) < 40 and abs(m.center[1] - 115) < 40 for m in masks)
    assert hits >= 10
    assert np.median([len(m) for m in found.masks]) <= 2


def test_named_objects_keep_their_ids():
    image = texture(120, 160)
    maps = []
    for number in range(4):
        instances = np.zeros((120, 160), dtype=np.uint16)
        instances[20:40, 10 + 20 * number : 30 + 20 * number] = 5
        instances[80:100, 60:80] = 6
        maps.append(instances)
    objects = [SceneObject("ball", 5), SceneObject("box", 6)]
    frames = Frames.from_arrays(
        [image] * 4, instances=maps, objects=objects, times=[0.0, 1.0, 2.0, 3.0]
    )
    found = track(frames, "the ball")
    assert [t.id for t in found] == [5]
    assert found[0].centers[:, 0].tolist() == [19.5, 39.5, 59.5, 79.5]


def test_a_given_box_is_followed():
    image = texture(seed=7)
    patch = texture(60, 60, 11)
    images = []
    for number in range(8):
        frame = image.copy()
        x, y = 40 + 8 * number, 60 + 3 * number
        frame[y : y + 60, x : x + 60] = patch
        images.append(frame)
    found = track(Frames.from_arrays(images), boxes=(40, 60, 99, 119))
    assert len(found[0]) == 8
    assert found[0].boxes[-1] == pytest.approx([96, 81, 155, 140], abs=4)


def test_flow_of_a_shift_and_its_confidence():
    image = texture()
    frames = Frames.from_arrays([image, shifted(image, 6, -3)])
    found = flow(frames[0], frames[1])
    inner = found.flow[40:200, 40:280]
    assert np.median(inner.reshape(-1, 2), axis=0) == pytest.approx([6, -3], abs=0.2)
    assert np.median(found.confidence[40:200, 40:280]) > 0.9
    with pytest.raises(ValueError, match="differ in size"):
        flow(texture(), texture(100, 100))
