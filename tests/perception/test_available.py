"""What a run says of its input: a line for each primitive, its method, the command for the rest."""

from __future__ import annotations

import numpy as np

from spatialclaw.primitives.available import METHODS, availability, available
from spatialclaw.primitives.frames import Frames, SceneObject

K = [[20.0, 0, 8], [0, 20.0, 6], [0, 0, 1]]
PICTURE = np.zeros((12, 16, 3), np.uint8)


def nothing(method):
    return None, f"spatialclaw models pull for-{method}"


def told(sequences, model_for=nothing):
    return dict(
        line.split(": ", 1) for line in repr(availability(sequences, model_for)).split("\n")
    )


def test_a_photo_without_weights():
    said = told([Frames.from_arrays([PICTURE])])
    assert said["depth"] == "nothing; more: spatialclaw models pull for-depth"
    assert said["segment, detect by name"].startswith("people, faces, markers, colours; more: ")
    assert said["segment by points or box"].startswith("GrabCut; more: ")
    assert said["read_text"].startswith("nothing; more: ")
    assert said["reconstruct"].startswith("nothing; more: ")
    assert said["track"] == "needs a video"


def test_a_photo_with_models():
    names = {"depth": "depth-pro", "segment_text": "sam3"}
    said = told(
        [Frames.from_arrays([PICTURE])],
        lambda m: (names[m], "") if m in names else nothing(m),
    )
    assert said["depth"] == "depth-pro"
    assert said["segment, detect by name"] == "people, faces, markers, colours; sam3"
    assert "more:" in said["segment by points or box"]


def test_a_capture_with_depth_and_names():
    frames = Frames.from_arrays(
        [PICTURE] * 2,
        depths=[np.ones((12, 16), np.float32)] * 2,
        intrinsics=[K] * 2,
        poses=[np.eye(4).tolist()] * 2,
        objects=[SceneObject("mug", 1)],
    )
    said = told([frames])
    assert said["depth"].startswith("rgbd, points that frames share (sparse); more: ")
    assert said["segment, detect by name"].startswith("names of the capture (1), people")
    assert "floor, walls and table tops by depth" in said["segment, detect by name"]
    assert said["reconstruct"].startswith("poses of the capture")
    assert said["track"].startswith("names of the capture (1), colours, all that moves, boxes")


def test_a_stereo_pair_and_no_input():
    stereo = [{"right": 1, "baseline_m": 0.2, "doffs_px": 0.0}, None]
    said = told([Frames.from_arrays([PICTURE] * 2, intrinsics=[K] * 2, stereo=stereo)])
    assert said["depth"].startswith("stereo pair, points")
    assert told([])["reconstruct"].startswith("nothing")


def test_every_method_asked_about_is_one_of_the_registry():
    from spatialclaw.perception.registry import ORDER

    assert set(METHODS) <= set(ORDER)


def test_without_a_host_it_says_so():
    assert "Session" in repr(available())
