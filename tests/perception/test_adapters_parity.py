"""Ours against upstream's own processors: the same numbers from the same pixels.

Upstream's processors of SAM 2, SAM 3 and Depth Pro need torchvision; where it is absent these
tests are skipped, and ours is what runs.
"""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("torchvision", exc_type=Exception)  # a build for another torch raises at import

import tiny_models
import torch

from spatialclaw.perception.adapter import Call
from spatialclaw.perception.adapters import depth_pro, pixels, sam2, sam2_video, sam3
from spatialclaw.perception.fetch import pull

SHAPES = [(48, 64), (64, 48), (333, 517), (1, 7), (900, 40), (128, 128)]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """Adapters on tiny models, through the real fetching and loading."""
    home = tmp_path_factory.mktemp("hub")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_CACHE", str(home / "cache"))
        made = {}
        for name, make, adapter in (
            ("sam2", tiny_models.sam2, sam2.Sam2("tiny")),
            ("sam2_video", tiny_models.sam2, sam2_video.Sam2Video("tiny")),
            ("depth_pro", tiny_models.depth_pro, depth_pro.DepthPro()),
            ("sam3", tiny_models.sam3, sam3.Sam3()),
            ("sam3_video", tiny_models.sam3, sam3.Sam3Video()),
        ):
            folder = make(home / name)
            pull(adapter.info, source=folder)
            adapter.load("cpu")
            made[name] = adapter
        yield made


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("side", [64, 128])
def test_sam2_pictures_to_the_last_bit(shape, side):
    from transformers import Sam2ImageProcessor

    image = tiny_models.picture(*shape)
    theirs = Sam2ImageProcessor(size={"height": side, "width": side})(
        image, return_tensors="pt", input_data_format="channels_last"
    )
    ours = pixels.resized_then_normalised(
        image, (side, side), Sam2ImageProcessor.image_mean, Sam2ImageProcessor.image_std
    )
    assert torch.equal(ours, theirs["pixel_values"])


@pytest.mark.parametrize("shape", SHAPES)
def test_sam3_pictures_to_the_last_bit(shape):
    from transformers import Sam3ImageProcessor

    image = tiny_models.picture(*shape)
    theirs = Sam3ImageProcessor(size={"height": 112, "width": 112})(
        image, return_tensors="pt", input_data_format="channels_last"
    )
    ours = pixels.resized_then_normalised(image, (112, 112), sam3.HALF, sam3.HALF)
    assert torch.equal(ours, theirs["pixel_values"])


@pytest.mark.parametrize("shape", SHAPES)
def test_depth_pro_pictures_to_the_last_bit(shape):
    from transformers import DepthProImageProcessor

    image = tiny_models.picture(*shape)
    theirs = DepthProImageProcessor(size={"height": 64, "width": 64})(
        image, return_tensors="pt", input_data_format="channels_last"
    )
    ours = pixels.normalised_then_resized(image, (64, 64), (0.5,) * 3, (0.5,) * 3)
    assert torch.equal(ours, theirs["pixel_values"])


def test_depth_pro_answers_to_the_last_bit(loaded):
    from transformers import DepthProForDepthEstimation, DepthProImageProcessor

    adapter = loaded["depth_pro"]
    image = tiny_models.picture(50, 90)
    processor = DepthProImageProcessor.from_pretrained(adapter.folder)
    model = DepthProForDepthEstimation.from_pretrained(adapter.folder).eval()
    with torch.inference_mode():
        found = model(**processor(image, return_tensors="pt"))
        (theirs,) = processor.post_process_depth_estimation(found, target_sizes=[(50, 90)])
    ours = adapter.run([Call("depth", [image])])[0]
    np.testing.assert_array_equal(ours.arrays["depth"], theirs["predicted_depth"].numpy())
    assert ours.meta["focal_px"] == pytest.approx(float(theirs["focal_length"]), rel=1e-6)


def test_sam2_masks_to_the_last_bit(loaded):
    """Of a point that means the same pixel to both: upstream's has no half pixel added."""
    from transformers import Sam2ImageProcessor, Sam2Model, Sam2Processor

    adapter = loaded["sam2"]
    height, width = 50, 90
    image = tiny_models.picture(height, width)
    processor = Sam2Processor(Sam2ImageProcessor.from_pretrained(adapter.folder), target_size=128)
    model = Sam2Model.from_pretrained(adapter.folder).eval()
    point = np.array([31.0, 22.0])
    # Where ours must be for both to name the same place of the stretched picture.
    same = (point * np.array([128 / width, 128 / height]) + 0.5) * [width / 128, height / 128] - 0.5
    with torch.inference_mode():
        given = processor(
            images=image,
            input_points=[[[point.tolist()]]],
            input_labels=[[[1]]],
            return_tensors="pt",
        )
        found = model(**given, multimask_output=True)
        best = int(found.iou_scores[0, 0].argmax())
        (theirs,) = processor.post_process_masks(found.pred_masks, given["original_sizes"])
    ours = adapter.run([Call("segment", [image], {"points": [same.tolist()]})])[0]
    np.testing.assert_array_equal(ours.arrays["masks"][0], theirs[0, best].numpy())
    assert ours.arrays["scores"][0] == pytest.approx(float(found.iou_scores[0, 0, best]), abs=1e-5)


def test_the_half_pixel_is_all_that_differs_in_coordinates():
    from transformers import Sam2ImageProcessor, Sam2Processor

    processor = Sam2Processor(Sam2ImageProcessor(size={"height": 1024, "width": 1024}))
    points = [[3.0, 4.0], [700.0, 11.0]]
    theirs = processor(
        original_sizes=[[480, 1280]],
        input_points=[[points]],
        input_labels=[[[1, 1]]],
        return_tensors="pt",
    )["input_points"][0, 0]
    ours = pixels.to_model(np.array(points), (480, 1280), (1024, 1024))
    half = (np.array([1024 / 1280, 1024 / 480]) - 1) / 2
    np.testing.assert_allclose(ours - half, theirs.numpy(), atol=1e-4)


def test_sam2_videos_to_the_last_bit(loaded):
    from transformers import (
        Sam2ImageProcessor,
        Sam2VideoModel,
        Sam2VideoProcessor,
        Sam2VideoVideoProcessor,
    )

    adapter = loaded["sam2_video"]
    frames = [tiny_models.picture(50, 90, seed) for seed in range(7)]
    settings = {"size": {"height": 128, "width": 128}}
    processor = Sam2VideoProcessor(
        Sam2ImageProcessor(**settings), Sam2VideoVideoProcessor(**settings), target_size=128
    )
    model = Sam2VideoModel.from_pretrained(adapter.folder).eval()
    mask = np.zeros((50, 90), dtype=bool)
    mask[10:40, 20:70] = True
    session = processor.init_video_session(video=np.stack(frames), inference_device="cpu")
    processor.add_inputs_to_inference_session(session, frame_idx=3, obj_ids=[5], input_masks=mask)
    theirs = {}
    with torch.inference_mode():
        model(session, frame_idx=3)
        for backwards in (False, True):
            for found in model.propagate_in_video_iterator(
                session, start_frame_idx=3, reverse=backwards
            ):
                large = torch.nn.functional.interpolate(
                    found.pred_masks, (50, 90), mode="bilinear", align_corners=False
                )
                theirs.setdefault(found.frame_idx, (large > 0)[0, 0].numpy())
    ours = adapter.run(
        [Call("track", frames, {"prompts": [{"frame": 3, "id": 5}]}, {"mask/0": mask})]
    )[0]
    for index in range(7):
        np.testing.assert_array_equal(ours.arrays["masks"][index, 0], theirs[index])


def test_sam3_instances_to_the_last_bit(loaded):
    from transformers import AutoTokenizer, Sam3ImageProcessor, Sam3Model, Sam3Processor

    adapter = loaded["sam3"]
    image = tiny_models.picture(50, 90)
    processor = Sam3Processor(
        Sam3ImageProcessor.from_pretrained(adapter.folder),
        AutoTokenizer.from_pretrained(adapter.folder),
    )
    model = Sam3Model.from_pretrained(adapter.folder).eval()
    with torch.inference_mode():
        given = processor(images=image, text="red cup", return_tensors="pt")
        found = model(**given)
        (theirs,) = processor.post_process_instance_segmentation(
            found, threshold=0.1, mask_threshold=0.5, target_sizes=[(50, 90)]
        )
    ours = adapter.run([Call("segment_text", [image], {"text": "red cup", "min_score": 0.1})])[0]
    order = np.argsort(-theirs["scores"].numpy(), kind="stable")
    assert len(order) > 1
    np.testing.assert_array_equal(ours.arrays["masks"], theirs["masks"].numpy()[order] > 0)
    np.testing.assert_allclose(ours.arrays["scores"], theirs["scores"].numpy()[order], atol=1e-6)


def test_sam3_videos_to_the_last_bit(loaded):
    from transformers import (
        AutoTokenizer,
        Sam2VideoVideoProcessor,
        Sam3ImageProcessor,
        Sam3VideoModel,
        Sam3VideoProcessor,
    )

    adapter = loaded["sam3_video"]
    frames = [tiny_models.picture(50, 90, seed // 3) for seed in range(5)]
    half = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    processor = Sam3VideoProcessor(
        Sam3ImageProcessor.from_pretrained(adapter.folder),
        Sam2VideoVideoProcessor(size={"height": 112, "width": 112}, **half),
        AutoTokenizer.from_pretrained(adapter.folder),
    )
    model = Sam3VideoModel.from_pretrained(adapter.folder).eval()
    session = processor.init_video_session(video=np.stack(frames), inference_device="cpu")
    processor.add_text_prompt(session, ["red cup", "dog"])
    ours = adapter.run([Call("track_text", frames, {"text": "red cup, dog"})])[0]
    seen = 0
    for found in model.propagate_in_video_iterator(session, start_frame_idx=0):
        theirs = processor.postprocess_outputs(session, found)
        for each, mask, score in zip(
            theirs["object_ids"].tolist(), theirs["masks"], theirs["scores"], strict=True
        ):
            column = ours.meta["ids"].index(each)
            np.testing.assert_array_equal(
                ours.arrays["masks"][found.frame_idx, column], mask.numpy()
            )
            assert ours.arrays["scores"][found.frame_idx, column] == pytest.approx(float(score))
            seen += 1
        for phrase, members in theirs["prompt_to_obj_ids"].items():
            assert {ours.meta["labels"][ours.meta["ids"].index(m)] for m in members} == {phrase}
    assert seen > 5


def test_suppression_is_that_of_torchvision():
    from torchvision.ops import nms

    from spatialclaw.perception.adapters.common import suppressed

    rng = np.random.default_rng(3)
    low = rng.uniform(0, 60, (200, 2))
    boxes = np.concatenate([low, low + rng.uniform(1, 40, (200, 2))], axis=1)
    scores = rng.uniform(0, 1, 200)
    for overlap in (0.1, 0.5, 0.7):
        theirs = nms(torch.from_numpy(boxes), torch.from_numpy(scores), overlap).tolist()
        assert suppressed(boxes, scores, overlap) == theirs
