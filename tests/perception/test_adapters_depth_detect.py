"""Depth and detection through their adapters: real classes, tiny random weights, on the CPU."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import tiny_models
from hypothesis import given, settings
from hypothesis import strategies as st

from spatialclaw.perception.adapter import Call
from spatialclaw.perception.adapters import depth_anything, depth_pro, owlv2, pixels
from spatialclaw.perception.adapters import grounding_dino as dino
from spatialclaw.perception.adapters.common import boxes_of, from_edges
from spatialclaw.perception.fetch import pull
from spatialclaw.primitives.errors import PrimitiveError

SHAPES = [(50, 90), (90, 50), (3, 60), (1, 1), (130, 131)]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    home = tmp_path_factory.mktemp("hub")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_CACHE", str(home / "cache"))
        made = {}
        for make, adapter in (
            (tiny_models.depth_pro, depth_pro.DepthPro()),
            (tiny_models.depth_anything, depth_anything.DepthAnything("small", "indoor")),
            (tiny_models.grounding_dino, dino.GroundingDino("tiny")),
            (tiny_models.owlv2, owlv2.Owlv2("base")),
        ):
            pull(adapter.info, source=make(home / adapter.info.name))
            assert adapter.available() is None
            adapter.load("cpu")
            made[adapter.info.name] = adapter
        yield made


@pytest.mark.parametrize("name", ["depth-pro", "depth-anything-v2-indoor-small"])
def test_depth_has_the_pixels_of_the_picture(loaded, name):
    calls = [Call("depth", [tiny_models.picture(*shape)]) for shape in SHAPES]
    found = loaded[name].run(calls)
    again = loaded[name].run(calls)
    for shape, one, other in zip(SHAPES, found, again, strict=True):
        depth = one.arrays["depth"]
        assert depth.shape == shape
        assert depth.dtype == np.float32
        assert (depth[np.isfinite(depth)] > 0).all()
        np.testing.assert_array_equal(depth, other.arrays["depth"])


def test_a_known_focal_length_sets_the_scale_of_depth_pro(loaded):
    image = tiny_models.picture(60, 80)
    matrix = np.array([[200.0, 0, 40], [0, 200, 30], [0, 0, 1]])
    twice = matrix * [[2], [2], [1]]
    near, far = loaded["depth-pro"].run(
        [
            Call("depth", [image], {}, {"intrinsics": matrix}),
            Call("depth", [image], {}, {"intrinsics": twice[None]}),
        ]
    )
    assert near.meta["focal_px"] == 200
    assert near.meta["metric"]
    inside = (near.arrays["depth"] < 1e3) & (near.arrays["depth"] > 1e-3)
    ratio = far.arrays["depth"][inside] / near.arrays["depth"][inside]
    np.testing.assert_allclose(ratio, 2, rtol=1e-3)


def test_without_an_angle_and_without_intrinsics_depth_pro_is_not_metric(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    adapter = depth_pro.DepthPro()
    pull(adapter.info, source=tiny_models.depth_pro(tmp_path / "model", angle=False))
    adapter.load("cpu")
    found = adapter.run([Call("depth", [tiny_models.picture(60, 80)])])[0]
    assert found.meta == {"focal_px": None, "focal_guess_px": None, "metric": False}


@pytest.mark.parametrize("name", ["grounding-dino-tiny", "owlv2-base"])
@pytest.mark.parametrize("shape", SHAPES)
def test_boxes_lie_in_the_picture_and_have_labels(loaded, name, shape):
    image = tiny_models.picture(*shape)
    loose = {"text": "red cup, dog.", "min_score": 0.0, "min_text_score": 0.0}
    found = loaded[name].run([Call("detect", [image], loose)])[0]
    boxes = found.arrays["boxes"]
    assert boxes.shape == (len(found.arrays["scores"]), 4)
    assert len(boxes) == len(found.meta["labels"]) > 0
    assert set(found.meta["labels"]) <= {"red cup", "dog"}
    assert (boxes >= 0).all()
    assert (boxes[:, [0, 2]] <= shape[1] - 1).all()
    assert (boxes[:, [1, 3]] <= shape[0] - 1).all()
    assert (boxes[:, 2:] >= boxes[:, :2]).all()
    nothing = loaded[name].run([Call("detect", [image], {**loose, "min_score": 1.1})])[0]
    assert nothing.arrays["boxes"].shape == (0, 4)
    assert nothing.meta["labels"] == []


def test_owlv2_boxes_are_fractions_of_the_padded_square(loaded):
    """The same picture, wide or with the padding drawn in, gives the same boxes."""
    wide = tiny_models.picture(40, 80)
    square = np.full((80, 80, 3), 128, np.uint8)
    square[:40] = wide
    loose = {"text": "dog", "min_score": 0.0}
    adapter = loaded["owlv2-base"]
    tensors = [
        adapter.parts["pictures"](images=i, return_tensors="pt")["pixel_values"]
        for i in (wide, square)
    ]
    assert tensors[0].shape == tensors[1].shape
    found = adapter.run([Call("detect", [wide], loose)])[0].arrays["boxes"]
    other = adapter.run([Call("detect", [square], loose)])[0].arrays["boxes"]
    inside = other[other[:, 3] < 38]
    for box in inside:
        assert np.abs(found - box).max(axis=1).min() < 6


@pytest.mark.parametrize("shape", [(50, 90), (90, 50), (130, 131)])
def test_depth_anything_as_upstream_to_the_last_bit(loaded, shape):
    import torch

    adapter = loaded["depth-anything-v2-indoor-small"]
    image = tiny_models.picture(*shape)
    processor, model = adapter.parts["processor"], adapter.parts["model"]
    with torch.inference_mode():
        found = model(**processor(images=image, return_tensors="pt"))
        (theirs,) = processor.post_process_depth_estimation(found, target_sizes=[shape])
    ours = adapter.run([Call("depth", [image])])[0].arrays["depth"]
    np.testing.assert_array_equal(ours, theirs["predicted_depth"].numpy())


@pytest.mark.parametrize("shape", [(50, 90), (90, 50)])
def test_owlv2_boxes_as_upstream(loaded, shape):
    import torch
    from transformers import Owlv2Processor

    adapter = loaded["owlv2-base"]
    image = tiny_models.picture(*shape)
    pictures, words = adapter.parts["pictures"], adapter.parts["words"]
    processor = Owlv2Processor(image_processor=pictures, tokenizer=words)
    with torch.inference_mode():
        given = processor(
            images=image, text=[["a photo of a dog", "a photo of a cat"]], return_tensors="pt"
        )
        found = adapter.parts["model"](**given)
        (theirs,) = processor.post_process_grounded_object_detection(
            found, threshold=0.0, target_sizes=[shape]
        )
    loose = {"text": "dog, cat", "min_score": 0.0}
    ours = adapter.run([Call("detect", [image], loose)])[0]
    boxes = from_edges(theirs["boxes"].numpy(), shape[1], shape[0])
    scores = theirs["scores"].numpy()
    assert len(ours.arrays["boxes"]) > 0
    for box, score, label in zip(
        ours.arrays["boxes"], ours.arrays["scores"], ours.meta["labels"], strict=True
    ):
        same = np.flatnonzero(np.abs(boxes - box).max(axis=1) < 1e-3)
        assert any(abs(scores[i] - score) < 1e-5 for i in same)
        assert label in {("dog", "cat")[int(theirs["labels"][i])] for i in same}


@pytest.mark.parametrize("name", ["grounding-dino-tiny", "owlv2-base"])
@pytest.mark.parametrize("params", [{}, {"text": " ,. "}])
def test_nothing_asked_for_is_told(loaded, name, params):
    with pytest.raises(PrimitiveError, match="say what to look for"):
        loaded[name].run([Call("detect", [tiny_models.picture(50, 90)], params)])


def test_phrases_are_told_apart():
    assert dino.phrases("Red cup, plates; dog.\nred cup") == ["red cup", "plates", "dog"]
    assert dino.phrases(" , ") == []


sizes = st.tuples(st.integers(1, 4000), st.integers(1, 4000))


@given(size=sizes, target=sizes, data=st.data())
@settings(max_examples=300, deadline=None)
def test_a_pixel_goes_there_and_back(size, target, data):
    x = data.draw(st.integers(0, size[1] - 1))
    y = data.draw(st.integers(0, size[0] - 1))
    there = pixels.to_model(np.array([x, y]), size, target)
    back = pixels.to_model(there, target, size)
    np.testing.assert_allclose(back, [x, y], atol=1e-6)
    # It never leaves the picture: its centre stays within half a pixel of the border's.
    assert -0.5 <= there[0] <= target[1] - 0.5
    assert -0.5 <= there[1] <= target[0] - 0.5


@given(
    height=st.integers(2, 60),
    width=st.integers(2, 60),
    factor=st.integers(2, 5),
    data=st.data(),
)
@settings(max_examples=60, deadline=None)
def test_a_mask_at_the_models_size_comes_back_over_its_pixels(height, width, factor, data):
    """What the stretched copy shows at a pixel's place is that pixel in the mask that returns."""
    import torch

    y0 = data.draw(st.integers(0, height - 2))
    y1 = data.draw(st.integers(y0 + 1, height))
    x0 = data.draw(st.integers(0, width - 2))
    x1 = data.draw(st.integers(x0 + 1, width))
    mask = np.zeros((height, width), dtype=bool)
    mask[y0:y1, x0:x1] = True
    logits = np.where(np.kron(mask, np.ones((factor, factor))) > 0, 10.0, -10.0)
    back = pixels.full_masks(torch.from_numpy(logits)[None], (height, width))[0]
    np.testing.assert_array_equal(back, mask)
    corner = pixels.to_model(
        np.array([[x0, y0], [x1 - 1, y1 - 1]]), mask.shape, (height * factor, width * factor)
    )
    assert all(logits[round(y), round(x)] > 0 for x, y in corner)


@given(mask=st.integers(0, 2**20 - 1))
@settings(max_examples=100, deadline=None)
def test_boxes_hold_their_masks_tightly(mask):
    bits = np.array([mask >> place & 1 for place in range(20)], dtype=bool).reshape(4, 5)
    (box,) = boxes_of(bits[None])
    if not bits.any():
        assert (box == 0).all()
        return
    x0, y0, x1, y1 = box.astype(int)
    assert bits[y0 : y1 + 1, x0 : x1 + 1].sum() == bits.sum()
    assert bits[y0].any()
    assert bits[y1].any()
    assert bits[:, x0].any()
    assert bits[:, x1].any()


def test_edges_become_the_outermost_pixels():
    # A detector's box over the whole picture, and over pixels 10 to 19.
    found = from_edges(np.array([[0, 0, 90, 50], [10, 10, 20, 20], [-5, 3, 200, 3]]), 90, 50)
    assert found.tolist() == [[0, 0, 89, 49], [10, 10, 19, 19], [0, 3, 89, 3]]
