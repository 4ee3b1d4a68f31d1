"""candidates: who points where, merged, numbered, and honest about who could not say."""

from __future__ import annotations

import numpy as np
import pytest

from spatialclaw.primitives import modelled, pointing, vlm
from spatialclaw.primitives.errors import NothingFound, Unavailable
from spatialclaw.primitives.frames import Frames
from spatialclaw.primitives.perceive import ModelOutput
from spatialclaw.primitives.pointing import candidates


@pytest.fixture
def frame():
    image = np.full((120, 160, 3), 110, np.uint8)
    image[30:70, 20:60] = (210, 20, 20)
    return Frames.from_arrays([image])[0]


@pytest.fixture
def say(monkeypatch):
    """What the VLM and a pointing model answer."""

    def put(by_vlm=None, by_model=None):
        def locate(frame, what):
            if by_vlm is None:
                raise Unavailable("no VLM in this run")
            if not by_vlm:
                raise NothingFound("the VLM sees none")
            return np.array(by_vlm, dtype=float)

        def ask_model(method, things, **params):
            assert method == "point"
            arrays = {
                "points": np.array(by_model, dtype=np.float32).reshape(-1, 2),
                "scores": np.linspace(0.5, 0.9, len(by_model)).astype(np.float32),
            }
            return ModelOutput(arrays, {}, "pointer")

        def model_for(method):
            here = method == "point" and by_model is not None
            return ("pointer", "") if here else (None, "spatialclaw models pull x")

        monkeypatch.setattr(vlm, "locate", locate)
        monkeypatch.setattr(modelled, "ask_model", ask_model)
        monkeypatch.setattr(modelled, "model_for", model_for)

    return put


def test_agreeing_sources_come_first(frame, say):
    say(by_vlm=[(140, 10), (41, 50)], by_model=[(40, 51)])
    found = candidates(frame, "red box")
    assert found.by[0] == ("vlm", "pointer", "colour")
    np.testing.assert_allclose(found.points[0], [41, 50])
    assert found.by[1] == ("vlm",)
    assert len(found) == 2
    assert "[0] (41, 50) by vlm, pointer, colour" in repr(found)


def test_one_source_never_merges_its_own_points(frame, say):
    say(by_vlm=[(40, 50), (42, 51)])
    assert len(candidates(frame, "handle")) == 2


def test_the_picture_has_the_frames_size_and_marks(frame, say):
    say(by_vlm=[(100, 100)])
    drawn = np.asarray(candidates(frame, "corner").picture)
    assert drawn.shape == frame.image.shape
    assert (drawn[95:106, 95:106] != frame.image[95:106, 95:106]).any()


def test_who_could_not_say_is_told(frame, say):
    say(by_vlm=None, by_model=[(10, 10), (90, 90)])
    found = candidates(frame, "handle")
    assert [who for (who,) in found.by] == ["pointer", "pointer"]
    assert found.points[0].tolist() == [90, 90]  # the surer first
    assert "no VLM in this run" in found.note
    assert "models pull" in found.note or "no method without weights" in found.note


def test_nobody_sees_it_and_nobody_can_say(frame, say):
    say(by_vlm=[], by_model=[])
    with pytest.raises(NothingFound, match="nobody points at 'unicorn'"):
        candidates(frame, "unicorn")
    say(by_vlm=None)
    with pytest.raises(Unavailable, match="nobody points"):
        candidates(frame, "unicorn")
    with pytest.raises(ValueError, match="say what"):
        candidates(frame, " ")


def test_the_point_of_a_ring_lies_on_the_ring():
    from spatialclaw.primitives.results import Mask

    rows, columns = np.ogrid[:101, :101]
    radius = np.hypot(rows - 50, columns - 50)
    ring = (radius < 45) & (radius > 30)
    x, y = pointing._inside(Mask(ring, 0)).astype(int)
    assert ring[y, x]
