"""Half precision, as on a GPU but for the device: no tensor of another precision in the way."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import tiny_models
import torch

from spatialclaw.perception.adapter import Call
from spatialclaw.perception.adapters import (
    depth_anything,
    depth_pro,
    grounding_dino,
    owlv2,
    sam2,
    sam2_video,
    sam3,
)
from spatialclaw.perception.fetch import pull

IMAGE = tiny_models.picture(50, 90)
FRAMES = [tiny_models.picture(50, 90, seed) for seed in range(4)]
MASK = np.zeros((50, 90), dtype=bool)
MASK[10:40, 20:60] = True

CASES = {
    "points": (tiny_models.sam2, sam2.Sam2("tiny"), "segment", [IMAGE], {"points": [[9, 9]]}, {}),
    "box": (tiny_models.sam2, sam2.Sam2("tiny"), "segment", [IMAGE], {"box": [3, 4, 30, 40]}, {}),
    "mask": (tiny_models.sam2, sam2.Sam2("tiny"), "segment", [IMAGE], {}, {"mask": MASK}),
    "everything": (tiny_models.sam2, sam2.Sam2("tiny"), "automatic", [IMAGE], {"side": 2}, {}),
    "track box": (
        tiny_models.sam2,
        sam2_video.Sam2Video("tiny"),
        "track",
        FRAMES,
        {"prompts": [{"frame": 1, "id": 1, "box": [3, 4, 30, 40]}]},
        {},
    ),
    "track mask": (
        tiny_models.sam2,
        sam2_video.Sam2Video("tiny"),
        "track",
        FRAMES,
        {"prompts": [{"frame": 2, "id": 1}]},
        {"mask/0": MASK},
    ),
    "sam3": (
        tiny_models.sam3,
        sam3.Sam3(),
        "segment_text",
        [IMAGE],
        {"text": "red cup, dog", "min_score": 0.0},
        {},
    ),
    "sam3 video": (
        tiny_models.sam3,
        sam3.Sam3Video(),
        "track_text",
        FRAMES,
        {"text": "red cup"},
        {},
    ),
    "depth pro": (tiny_models.depth_pro, depth_pro.DepthPro(), "depth", [IMAGE], {}, {}),
    "depth anything": (
        tiny_models.depth_anything,
        depth_anything.DepthAnything("small", "indoor"),
        "depth",
        [IMAGE],
        {},
        {},
    ),
    "owlv2": (
        tiny_models.owlv2,
        owlv2.Owlv2("base"),
        "detect",
        [IMAGE],
        {"text": "dog", "min_score": 0.0},
        {},
    ),
    "grounding dino": (
        tiny_models.grounding_dino,
        grounding_dino.GroundingDino("tiny"),
        "detect",
        [IMAGE],
        {"text": "dog", "min_score": 0.0},
        {},
    ),
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Each kind of tiny model once."""
    home = tmp_path_factory.mktemp("models")
    made = {}
    for make, *_ in CASES.values():
        if make not in made:
            made[make] = make(home / make.__name__)
    return made


@pytest.mark.parametrize("name", CASES)
def test_runs_in_the_precision_it_has_on_a_gpu(name, folders, tmp_path, monkeypatch):
    make, adapter, method, images, params, arrays = CASES[name]
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    pull(adapter.info, source=folders[make])
    whole = adapter
    monkeypatch.setattr(whole, "_precision", lambda device: getattr(torch, whole.half))
    whole.load("cpu")
    weights = {p.dtype for p in whole.parts["model"].parameters()}
    assert weights == {getattr(torch, whole.half)}
    (found,) = whole.run([Call(method, images, params, arrays)])
    whole.unload()
    for array in found.arrays.values():
        if array.dtype != np.bool_ and array.size:
            assert array.dtype == np.float32
            assert np.isfinite(array).mean() > 0.9
