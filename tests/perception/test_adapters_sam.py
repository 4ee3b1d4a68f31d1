"""SAM 2.1 and SAM 3 through their adapters: real classes, tiny random weights, on the CPU."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

import tiny_models  # noqa: E402

from spatialclaw.errors import PerceptionError  # noqa: E402
from spatialclaw.perception import weights  # noqa: E402
from spatialclaw.perception.adapter import Adapter, Call  # noqa: E402
from spatialclaw.perception.adapters import composite, sam2, sam2_video, sam3  # noqa: E402
from spatialclaw.perception.adapters import grounding_dino as dino  # noqa: E402
from spatialclaw.perception.fetch import pull  # noqa: E402
from spatialclaw.primitives.errors import TooMuch  # noqa: E402


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """A cache with tiny weights of every family, fetched from folders."""
    home = tmp_path_factory.mktemp("hub")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_CACHE", str(home / "cache"))
        pull(sam2.Sam2("tiny").info, source=tiny_models.sam2(home / "sam2"))
        pull(sam3.Sam3().info, source=tiny_models.sam3(home / "sam3"))
        pull(dino.GroundingDino("tiny").info, source=tiny_models.grounding_dino(home / "dino"))
        yield home


@pytest.fixture(scope="module")
def cutter(hub):
    adapter = sam2.Sam2("tiny")
    adapter.load("cpu")
    return adapter


@pytest.fixture(scope="module")
def follower(hub):
    adapter = sam2_video.Sam2Video("tiny")
    adapter.load("cpu")
    return adapter


def same(one, other):
    assert one.meta == other.meta
    assert set(one.arrays) == set(other.arrays)
    for name, array in one.arrays.items():
        np.testing.assert_array_equal(array, other.arrays[name])


def test_they_are_adapters_and_here(hub):
    for adapter in (sam2.Sam2("tiny"), sam2_video.Sam2Video("tiny"), sam3.Sam3(), sam3.Sam3Video()):
        assert isinstance(adapter, Adapter)
        assert adapter.available() is None
    # The tracker and the cutter of one size are one download.
    assert sam2_video.Sam2Video("tiny").info.hub == sam2.Sam2("tiny").info.hub
    assert "models pull sam2.1-large" in sam2.Sam2("large").available()


@pytest.mark.parametrize("shape", [(50, 90), (90, 50), (3, 200), (1, 1), (300, 301)])
def test_masks_have_the_pixels_of_the_picture(cutter, shape):
    image = tiny_models.picture(*shape)
    call = Call("segment", [image], {"points": [[0, 0]]})
    found = cutter.run([call])[0]
    assert found.arrays["masks"].shape == (1, *shape)
    assert found.arrays["masks"].dtype == np.bool_
    assert found.arrays["boxes"].shape == (1, 4)
    assert 0 <= found.arrays["scores"][0] <= 1
    same(found, cutter.run([call])[0])


def test_a_batch_answers_like_single_calls(cutter):
    first, second = tiny_models.picture(50, 90), tiny_models.picture(70, 60, 1)
    calls = [
        Call("segment", [first], {"points": [[20, 20]], "labels": [1]}),
        Call("segment", [second], {"box": [3, 4, 30, 40], "text": "cup"}),
        Call("segment", [first], {"points": [[5, 5], [40, 40]], "labels": [1, 0]}),
    ]
    together = cutter.run(calls)
    assert [each.meta["labels"] for each in together] == [[""], ["cup"], [""]]
    for call, each in zip(calls, together, strict=True):
        (alone,) = cutter.run([call])
        # Batched convolutions may round differently: a pixel at the very edge may flip.
        assert (alone.arrays["masks"] != each.arrays["masks"]).mean() < 0.001
        np.testing.assert_allclose(alone.arrays["scores"], each.arrays["scores"], atol=1e-4)


def test_a_picture_is_looked_at_once_for_prompts_that_follow(hub):
    adapter = sam2.Sam2("tiny")
    adapter.load("cpu")
    looks = []
    model = adapter.parts["model"]
    embed = model.get_image_embeddings
    model.get_image_embeddings = lambda batch: looks.append(len(batch)) or embed(batch)
    images = [tiny_models.picture(50, 90, seed) for seed in range(6)]
    first = adapter.run([Call("segment", [images[0]], {"points": [[9, 9]]})])[0]
    again = adapter.run([Call("segment", [images[0].copy()], {"points": [[9, 9]]})])[0]
    assert looks == [1]
    same(first, again)
    for image in images[1:]:
        adapter.run([Call("segment", [image], {"points": [[9, 9]]})])
    assert len(adapter._seen) == sam2.KEPT
    same(first, adapter.run([Call("segment", [images[0]], {"points": [[9, 9]]})])[0])
    assert looks == [1] * 7
    adapter.unload()
    assert not adapter._seen


def test_as_many_masks_as_boxes_and_none_for_none(cutter):
    image = tiny_models.picture(50, 90)
    boxes = [[3, 4, 30, 40], [10, 10, 49, 49], [0, 0, 89, 49]]
    found = cutter.run([Call("segment", [image], {"boxes": boxes})])[0]
    assert found.arrays["masks"].shape == (3, 50, 90)
    nothing = cutter.run([Call("segment", [image], {"boxes": []})])[0]
    assert nothing.arrays["masks"].shape == (0, 50, 90)
    assert nothing.arrays["boxes"].shape == (0, 4)


def test_the_prompt_matters(cutter):
    image = tiny_models.picture(50, 90)
    one, other, masked = cutter.run(
        [
            Call("segment", [image], {"points": [[5, 5]]}),
            Call("segment", [image], {"points": [[80, 40]]}),
            Call("segment", [image], {}, {"mask": np.eye(50, 90, dtype=bool)}),
        ]
    )
    assert one.arrays["scores"][0] != other.arrays["scores"][0]
    assert masked.arrays["scores"][0] != one.arrays["scores"][0]
    with pytest.raises(ValueError, match="points, box"):
        cutter.run([Call("segment", [image], {})])


def test_everything_in_the_picture(cutter):
    image = tiny_models.picture(50, 90)
    loose = {"side": 4, "min_score": -1e9, "min_stability": -1}
    found = cutter.run([Call("automatic", [image], loose)])[0]
    count = len(found.arrays["masks"])
    assert count >= 1
    assert (np.diff(found.arrays["scores"]) <= 0).all()
    few = cutter.run([Call("automatic", [image], {**loose, "max_instances": 1})])[0]
    assert len(few.arrays["masks"]) == 1
    none = cutter.run([Call("automatic", [image], {"side": 2, "min_score": 2})])[0]
    assert none.arrays["masks"].shape == (0, 50, 90)


def test_half_precision_runs_where_it_is_asked_for(hub):
    """As on a GPU, but for the device: no tensor of another precision in the way."""

    class Halved(sam2.Sam2):
        def load(self, device):
            super().load(device)
            self.dtype = torch.bfloat16
            self.parts["model"].to(self.dtype)

    adapter = Halved("tiny")
    adapter.load("cpu")
    image = tiny_models.picture(50, 90)
    calls = [
        Call("segment", [image], {"points": [[20, 20]], "box": [3, 4, 30, 40]}),
        Call("segment", [image], {}, {"mask": np.ones((50, 90), dtype=bool)}),
    ]
    assert [len(each.arrays["masks"]) for each in adapter.run(calls)] == [1, 1]


def frames(count, shape=(50, 90)):
    return [tiny_models.picture(*shape, seed) for seed in range(count)]


def test_tracks_forwards_and_backwards_from_where_it_was_marked(follower):
    prompts = [
        {"frame": 3, "id": 7, "box": [3, 4, 30, 40], "label": "cup"},
        {"frame": 1, "id": 2, "points": [[20, 20], [60, 40]], "labels": [1, 0]},
    ]
    call = Call("track", frames(6), {"prompts": prompts})
    found = follower.run([call])[0]
    assert found.arrays["masks"].shape == (6, 2, 50, 90)
    assert found.arrays["scores"].shape == (6, 2)
    assert found.meta == {"ids": [2, 7], "labels": ["", "cup"]}
    assert (found.arrays["scores"] > 0).all()  # every frame was looked at, both ways
    same(found, follower.run([call])[0])


def test_one_thing_is_followed_alike_with_and_without_another(follower):
    cup = {"frame": 2, "id": 1, "box": [3, 4, 30, 40]}
    dog = {"frame": 2, "id": 9, "points": [[70, 30]]}
    both = follower.run([Call("track", frames(5), {"prompts": [cup, dog]})])[0]
    alone = follower.run([Call("track", frames(5), {"prompts": [cup]})])[0]
    np.testing.assert_array_equal(both.arrays["masks"][:, 0], alone.arrays["masks"][:, 0])


def test_forgetting_what_is_never_looked_at_changes_nothing(follower, monkeypatch):
    """Memory stays bounded: outputs beyond the model's reach are dropped, with the same result."""
    held = []
    forget = sam2_video._forget

    def counting(session, *rest):
        forget(session, *rest)
        kept = session.output_dict_per_obj[0]["non_cond_frame_outputs"]
        held.append(len(kept))

    call = Call("track", frames(24), {"prompts": [{"frame": 9, "id": 1, "box": [3, 4, 60, 40]}]})
    monkeypatch.setattr(sam2_video, "_forget", counting)
    bounded = follower.run([call])[0]
    monkeypatch.setattr(sam2_video, "_forget", lambda *_: None)
    same(bounded, follower.run([call])[0])
    config = follower.parts["model"].config
    span = max(config.num_maskmem, config.max_object_pointers_in_encoder)
    assert max(held) <= 2 * span + 2 < 24


def test_frames_of_a_video_are_made_when_looked_at():
    made = []
    lazy = sam2_video.LazyFrames(frames(4), lambda image: made.append(1) or image)
    assert len(lazy) == 4
    assert list(lazy) == [0, 1, 2, 3]
    assert 4 not in lazy
    assert made == []
    assert lazy[2].shape == (50, 90, 3)
    assert made == [1]


def test_what_a_tracker_refuses(follower):
    mixed = [tiny_models.picture(50, 90), tiny_models.picture(60, 90)]
    prompt = {"frame": 0, "id": 1, "box": [3, 4, 30, 40]}
    with pytest.raises(ValueError, match="one size"):
        follower.run([Call("track", mixed, {"prompts": [prompt]})])
    with pytest.raises(ValueError, match="needs prompts"):
        follower.run([Call("track", frames(2), {})])
    with pytest.raises(ValueError, match="frame 5 of 2"):
        follower.run([Call("track", frames(2), {"prompts": [{**prompt, "frame": 5}]})])
    with pytest.raises(ValueError, match="neither points nor box nor mask"):
        follower.run([Call("track", frames(2), {"prompts": [{"frame": 0, "id": 1}]})])
    with pytest.raises(TooMuch, match=r"frames.sample\(\d+\)"):
        sam2_video.room_for_masks(1000, 10, (1080, 1920))


def test_sam3_gives_every_instance_the_label_of_its_own_phrase(hub):
    adapter = sam3.Sam3()
    adapter.load("cpu")
    pictures = [tiny_models.picture(50, 90), tiny_models.picture(70, 60, 1)]
    params = {"text": "red cup, dog", "min_score": 0.0}
    both = adapter.run([Call("segment_text", [image], params) for image in pictures])
    for image, found in zip(pictures, both, strict=True):
        count = len(found.arrays["scores"])
        assert found.arrays["masks"].shape == (count, *image.shape[:2])
        assert sorted(set(found.meta["labels"])) == ["dog", "red cup"]
        assert found.meta["labels"].count("dog") == found.meta["labels"].count("red cup") == 6
        assert (np.diff(found.arrays["scores"]) <= 0).all()
        boxes = found.arrays["boxes"]
        assert (boxes >= 0).all()
        assert (boxes[:, 2] <= image.shape[1] - 1).all()
        assert (boxes[:, 3] <= image.shape[0] - 1).all()
    strict = adapter.run([Call("segment_text", pictures[:1], {"text": "dog", "min_score": 1.0})])[0]
    assert strict.arrays["masks"].shape == (0, 50, 90)
    assert strict.meta["labels"] == []


def test_sam3_follows_with_ids_that_stay(hub):
    adapter = sam3.Sam3Video()
    adapter.load("cpu")
    still = [tiny_models.picture(50, 90)] * 3
    found = adapter.run([Call("track_text", still, {"text": "red cup, dog"})])[0]
    masks, ids = found.arrays["masks"], found.meta["ids"]
    assert masks.shape == (3, len(ids), 50, 90)
    assert len(set(ids)) == len(ids) > 1
    assert set(found.meta["labels"]) <= {"red cup", "dog"}
    # No pixel belongs to two instances of one phrase.
    for phrase in set(found.meta["labels"]):
        columns = [place for place, label in enumerate(found.meta["labels"]) if label == phrase]
        assert masks[:, columns].sum(axis=1).max() <= 1


def test_sam3_drops_duplicates_and_specks_without_code_from_the_hub(hub):
    from scipy import ndimage
    from transformers.models.sam3_video import modeling_sam3_video

    from spatialclaw.perception.adapters.mask_parts import MaskParts

    adapter = sam3.Sam3Video()
    adapter.load("cpu")
    assert isinstance(modeling_sam3_video.cv_utils_kernel, MaskParts)
    masks = torch.full((3, 40, 40), -5.0)
    masks[0, 5:20, 5:20] = 5
    masks[1, 6:20, 5:20] = 5  # the same thing again, less sure
    masks[2, 25:35, 25:35] = 5
    chances = torch.tensor([0.9, 0.8, 0.7])
    keep = modeling_sam3_video.nms_masks(chances, masks, 0.5, 0.5)
    assert keep.tolist() == [True, False, True]
    holed = torch.full((1, 1, 41, 40), -5.0)
    holed[0, 0, 5:30, 5:30] = 5
    holed[0, 0, 10:12, 10:12] = -5  # a hole of 4
    holed[0, 0, 38, 38] = 5  # a speck
    clean = modeling_sam3_video.fill_holes_in_mask_scores(holed, 16) > 0
    assert clean[0, 0, 5:30, 5:30].all()
    assert not clean[0, 0, 38, 38]
    rng = np.random.default_rng(0)
    noise = rng.random((2, 1, 30, 44)) > 0.6
    _, counts = MaskParts().cc_2d(torch.from_numpy(noise.astype(np.uint8)))
    for one, told in zip(noise[:, 0], counts[:, 0].numpy(), strict=True):
        labels, _ = ndimage.label(one, np.ones((3, 3)))
        sizes = np.bincount(labels.ravel())
        np.testing.assert_array_equal(told[one], sizes[labels[one]])


def test_words_without_sam3_are_a_detectors_boxes_cut_out(hub, monkeypatch):
    adapter = composite.GroundedSam2()
    assert adapter.available() is None
    assert "grounding-dino-tiny@" in adapter.fingerprint()
    adapter.load("cpu")
    image = tiny_models.picture(50, 90)
    loose = {"text": "red cup, dog", "min_score": 0.0, "min_text_score": 0.0, "max_instances": 3}
    found = adapter.run([Call("segment_text", [image], loose)])[0]
    assert found.arrays["masks"].shape == (3, 50, 90)
    assert len(found.meta["labels"]) == 3
    followed = adapter.run([Call("track_text", [image] * 3, loose)])[0]
    assert followed.arrays["masks"].shape == (3, 3, 50, 90)
    assert sorted(followed.meta["labels"]) == sorted(found.meta["labels"])
    nothing = {**loose, "min_score": 1.1}
    assert adapter.run([Call("segment_text", [image], nothing)])[0].meta["labels"] == []
    assert adapter.run([Call("track_text", [image] * 2, nothing)])[0].meta["ids"] == []
    adapter.unload()
    with pytest.raises(PerceptionError, match="not loaded"):
        adapter.run([Call("segment_text", [image], loose)])


def test_not_loaded_and_unloaded(hub):
    adapter = sam2.Sam2("tiny")
    call = Call("segment", [tiny_models.picture(50, 90)], {"points": [[1, 1]]})
    with pytest.raises(PerceptionError, match="not loaded"):
        adapter.run([call])
    adapter.load("cpu")
    adapter.unload()
    with pytest.raises(PerceptionError, match="not loaded"):
        adapter.run([call])
    if not torch.cuda.is_available():
        with pytest.raises(PerceptionError, match="no cuda"):
            adapter.load("cuda:0")


def test_a_changed_byte_is_never_loaded(tmp_path, monkeypatch):
    import os

    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    adapter = sam2.Sam2("tiny")
    pull(adapter.info, source=tiny_models.sam2(tmp_path / "sam2"))
    path = weights.folder(adapter.info) / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(1, 10**18))
    with pytest.raises(PerceptionError, match=r"sha256 differs.*models pull sam2.1-tiny"):
        adapter.load("cpu")


def test_incomplete_weights_are_refused_and_not_made_up(tmp_path, monkeypatch):
    from safetensors.torch import load_file, save_file

    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    folder = tiny_models.sam2(tmp_path / "sam2")
    tensors = load_file(folder / "model.safetensors")
    lost = next(name for name in tensors if name.startswith("mask_decoder."))
    del tensors[lost]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    adapter = sam2.Sam2("tiny")
    pull(adapter.info, source=folder)
    with pytest.raises(PerceptionError, match=r"lack 1 of its weights"):
        adapter.load("cpu")


def test_no_memory_is_a_memory_error(cutter, monkeypatch):
    """The allocator's own refusal: a picture batch of a petabyte."""
    from spatialclaw.perception.adapters import common

    with pytest.raises(MemoryError), common.told_apart():
        torch.empty(10**15)
    with pytest.raises(RuntimeError, match="size"), common.told_apart():
        torch.zeros(2) + torch.zeros(3)
