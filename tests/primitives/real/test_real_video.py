"""Fixed and moving cameras, passers-by and traffic in real videos."""

from __future__ import annotations

import pytest

from spatialclaw.primitives.background import camera_state
from spatialclaw.primitives.track import passages, track

pytestmark = [pytest.mark.shared_data, pytest.mark.slow]


def test_a_camera_on_a_tripod_stands_still(video):
    state = camera_state(video("juggle.mp4", 20))
    assert not state.moves
    assert state.kind == "static"


def test_a_camera_held_by_hand_moves(video):
    assert camera_state(video("bedroom.mp4", 20)).moves


@pytest.mark.parametrize("count", [90, 150])
def test_people_who_come_one_after_another_are_counted(video, count):
    found = passages(video("one_by_one_person.mp4", count))
    assert len(found) == 6
    sides = [p.leaves for p in found]
    assert max(set(sides), key=sides.count) == "right"
    starts = [6.4, 24.0, 51.2, 75.0, 92.8, 124.5]
    assert all(abs(p.start_s - s) < 3.0 for p, s in zip(found, starts, strict=True))


def test_cars_and_their_directions(video):
    frames = video("cars_from_above.mp4", 90)
    found = passages(frames, track(frames, "cars"))
    assert [p.heading for p in found] == ["up", "down", "up", "down"]
