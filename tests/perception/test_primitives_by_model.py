"""depth, segment, track and read_text with models: which method answers, and what is said.

The adapters are real, on tiny random weights; only the way to the service is cut short, which has
tests of its own.
"""

from __future__ import annotations

import numpy as np
import pytest

from spatialclaw.perception.adapter import Call, ModelInfo, Output
from spatialclaw.primitives import modelled, text
from spatialclaw.primitives.depth import depth
from spatialclaw.primitives.errors import NothingFound, TimedOut, TooMuch, Unavailable
from spatialclaw.primitives.frames import Frames, SceneObject
from spatialclaw.primitives.perceive import ModelOutput
from spatialclaw.primitives.segment import detect, segment
from spatialclaw.primitives.text import read_text
from spatialclaw.primitives.track import track

K = [[200.0, 0, 79.5], [0, 200.0, 59.5], [0, 0, 1]]


def picture(seed=0, height=120, width=160):
    rng = np.random.default_rng(seed)
    image = np.full((height, width, 3), 120, np.uint8)
    image += rng.integers(0, 12, image.shape, dtype=np.uint8)
    image[30:70, 20:60] = (200, 30, 30)
    return image


class Answers:
    """A model that answers as it is told, through the real types of the seam."""

    def __init__(self, **by_method):
        self.by_method = by_method
        self.calls = []

    @property
    def info(self):
        return ModelInfo("told", tuple(self.by_method))

    def run(self, calls):
        return [self.by_method[call.method](call) for call in calls]


@pytest.fixture
def connect(monkeypatch):
    """Puts models behind `ask_model`, each for the methods of its info."""

    def put(*adapters):
        asked = []

        def model_for(method):
            for adapter in adapters:
                if method in adapter.info.methods:
                    return adapter.info.name, ""
            return None, f"spatialclaw models pull something-for-{method}"

        def ask_model(method, things, *, timeout=120.0, model=None, fresh=False, **params):
            name, command = model_for(method)
            if name is None:
                raise Unavailable(f"no model for {method}", hint=command)
            adapter = next(each for each in adapters if method in each.info.methods)
            frames = list(things) if isinstance(things, list | tuple | Frames) else [things]
            arrays = {k: v for k, v in params.items() if isinstance(v, np.ndarray)}
            plain = {k: v for k, v in params.items() if k not in arrays and v is not None}
            call = Call(method, [frame.image for frame in frames], plain, arrays)
            asked.append(call)
            (found,) = adapter.run([call])
            return ModelOutput(dict(found.arrays), dict(found.meta), name)

        for module in (modelled, text):
            monkeypatch.setattr(module, "model_for", model_for)
            monkeypatch.setattr(module, "ask_model", ask_model)
        return asked

    return put


def box_mask(call, box=(20, 30, 59, 69)):
    mask = np.zeros(call.images[0].shape[:2], dtype=bool)
    mask[box[1] : box[3] + 1, box[0] : box[2] + 1] = True
    return mask


def one_instance(call):
    mask = box_mask(call)
    return Output(
        {
            "masks": mask[None],
            "boxes": np.float32([[20, 30, 59, 69]]),
            "scores": np.float32([0.9]),
        },
        {"labels": [call.params.get("text", "")]},
    )


def none_at_all(call):
    height, width = call.images[0].shape[:2]
    return Output(
        {
            "masks": np.zeros((0, height, width), bool),
            "boxes": np.zeros((0, 4), np.float32),
            "scores": np.zeros(0, np.float32),
        },
        {"labels": []},
    )


def two_metres(call, metric=True, focal=150.0):
    depth_map = np.full(call.images[0].shape[:2], 2.0, np.float32)
    depth_map[0, 0] = np.nan
    return Output({"depth": depth_map}, {"metric": metric, "focal_px": focal})


def failing(error):
    def answer(call):
        raise error

    return answer


def test_without_models_every_refusal_names_the_command(connect):
    connect()
    frame = Frames.from_arrays([picture()])[0]
    with pytest.raises(Unavailable, match="a depth model: spatialclaw models pull"):
        depth(frame)
    with pytest.raises(Unavailable, match="knows words: spatialclaw models pull"):
        segment(frame, "typewriter")
    with pytest.raises(Unavailable, match="OCR model: spatialclaw models pull"):
        read_text(frame)
    for call in (
        lambda: depth(frame, method="model"),
        lambda: segment(frame, "cup", method="model"),
        lambda: segment(frame, points=(5, 5), method="model"),
        lambda: segment(frame, method="everything"),
        lambda: depth(frame, model="depth-pro"),
    ):
        with pytest.raises(Unavailable, match="spatialclaw models pull"):
            call()


def test_depth_of_one_photo_comes_from_the_model(connect):
    asked = connect(Answers(depth=two_metres))
    found = depth(Frames.from_arrays([picture()])[0])
    assert (found.method, found.metric) == ("told", True)
    assert found.depth[5, 5] == 2.0
    assert np.isnan(found.depth[0, 0])
    assert found.sigma[5, 5] > 0.1  # its scale is a guess
    assert 0 < found.confidence < 0.9
    assert "focal length 150 px by the model" in found.note
    assert "intrinsics" not in asked[0].params
    assert len(asked) == 1


def test_a_photo_without_a_camera_gets_the_models(connect):
    from spatialclaw.primitives import geometry
    from spatialclaw.primitives.reconstruct import reconstruct

    asked = connect(Answers(depth=two_metres))
    frame = Frames.from_arrays([picture()])[0]
    assert frame.intrinsics is None
    point = geometry.unproject(frame, (79.5 + 75, 59.5))
    np.testing.assert_allclose(point, [1.0, 0.0, 2.0], atol=1e-6)
    assert point.metric
    assert frame.intrinsics_source == "told"
    assert point.sigma > 0.3  # scale and focal length are guesses, and said to be
    scene = reconstruct(frame)
    assert scene.metric
    assert scene.frames[0].intrinsics_source == "told"
    assert len(asked) == 1
    with pytest.raises(ValueError, match="has intrinsics, by told"):
        frame.learn_intrinsics(np.eye(3), "again")


def test_without_a_focal_length_the_camera_stays_unknown(connect):
    from spatialclaw.primitives import geometry

    connect(Answers(depth=lambda call: two_metres(call, focal=None)))
    frame = Frames.from_arrays([picture()])[0]
    with pytest.raises(Unavailable, match="intrinsics are not known"):
        geometry.unproject(frame, (5, 5))


def test_a_cameras_absence_is_not_sent(connect):
    asked = connect(Answers(depth=two_metres))
    depth(Frames.from_arrays([picture()])[0])
    assert "intrinsics" not in asked[0].params


def test_known_intrinsics_go_to_the_model(connect):
    asked = connect(Answers(depth=two_metres))
    found = depth(Frames.from_arrays([picture()], intrinsics=[K])[0])
    assert asked[0].params["intrinsics"] == K
    assert "focal length" not in found.note


def test_depth_without_scale_is_marked(connect):
    connect(Answers(depth=lambda call: two_metres(call, metric=False, focal=None)))
    found = depth(Frames.from_arrays([picture()])[0])
    assert not found.metric
    assert "no scale" in found.note


def test_the_captures_own_depth_goes_first_and_scales_the_models(connect):
    connect(Answers(depth=two_metres))
    measured = np.full((120, 160), 3.0, np.float32)
    measured[:, 80:] = np.nan
    frame = Frames.from_arrays([picture()], depths=[measured], intrinsics=[K])[0]
    assert depth(frame).method == "rgbd"
    made = depth(frame, method="model")
    assert made.method == "told+scale"
    assert made.depth[60, 120] == pytest.approx(3.0, rel=1e-3)
    assert made.sigma[60, 120] < 0.1
    assert "scaled by 1.50" in made.note


def test_depths_that_do_not_fit_are_not_scaled(connect):
    connect(Answers(depth=two_metres))
    rng = np.random.default_rng(0)
    wild = np.exp(rng.uniform(-3, 3, (120, 160))).astype(np.float32)
    frame = Frames.from_arrays([picture()], depths=[wild], intrinsics=[K])[0]
    made = depth(frame, method="model")
    assert made.method == "told"
    assert "does not fit" in made.note


@pytest.mark.parametrize("error", [TooMuch("out of memory"), TimedOut("no answer in 300 s")])
def test_a_failing_depth_model_is_told(connect, error):
    connect(Answers(depth=failing(error)))
    with pytest.raises(Unavailable, match=f"the depth model failed: {error.message}"):
        depth(Frames.from_arrays([picture()])[0])


def test_a_name_goes_to_the_model_and_quantifiers_do_not(connect):
    asked = connect(Answers(segment_text=one_instance))
    frame = Frames.from_arrays([picture()])[0]
    (found,) = segment(frame, "all the red mugs")
    assert asked[0].params["text"] == "red mugs"
    assert (found.method, found.label, found.score) == ("told", "red mugs", 0.9)
    assert found.box == (20, 30, 59, 69)
    assert found.frame == 0
    assert detect(frame, "mug")[0].method == "told"


def test_the_capture_and_markers_go_before_the_model(connect):
    asked = connect(Answers(segment_text=one_instance))
    ids = np.zeros((120, 160), np.uint16)
    ids[30:70, 20:60] = 4
    frames = Frames.from_arrays([picture()], instances=[ids], objects=[SceneObject("mug", 4)])
    assert segment(frames[0], "mug")[0].method == "capture"
    assert asked == []
    with pytest.raises(NothingFound):
        segment(Frames.from_arrays([picture()])[0], "aruco marker")
    assert asked == []


def test_what_the_model_does_not_see_is_not_guessed(connect):
    """Red there is, but the model that knows words says that it is no cup."""
    connect(Answers(segment_text=none_at_all))
    frame = Frames.from_arrays([picture()])[0]
    with pytest.raises(NothingFound, match="told sees no 'red cup'"):
        segment(frame, "red cup")
    assert segment(frame, "red cup", method="colour")[0].method == "colour"


def test_a_failing_model_leaves_it_to_geometry_and_says_so(connect):
    fails = failing(TooMuch("out of memory"))
    connect(Answers(segment_text=fails, segment=fails, track=fails, track_text=fails))
    frame = Frames.from_arrays([picture()])[0]
    by_colour = segment(frame, "red thing")
    assert by_colour.method == "colour"
    assert "the model failed: out of memory" in by_colour.note
    by_point = segment(frame, points=(40, 50))
    assert by_point.method == "grabcut"
    assert "the model failed: out of memory" in by_point.note
    assert "the model failed" in segment(frame, box=(10, 20, 80, 90)).note


def test_points_and_boxes_go_to_the_model(connect):
    asked = connect(Answers(segment=one_instance))
    frame = Frames.from_arrays([picture()])[0]
    (found,) = segment(frame, "mug", points=[(40, 50), (100, 100)], labels=[1, 0])
    assert asked[0].params["points"] == [[40, 50], [100, 100]]
    assert asked[0].params["labels"] == [1, 0]
    assert (found.method, found.label) == ("told", "mug")
    segment(frame, box=(10, 20, 80, 90))
    assert asked[1].params["box"] == [10, 20, 80, 90]
    assert segment(frame, points=(40, 50), method="grabcut")[0].method == "grabcut"
    assert len(asked) == 2


def test_everything(connect):
    connect(Answers(automatic=one_instance))
    assert len(segment(Frames.from_arrays([picture()])[0], method="everything")) == 1


def follow(call):
    masks = np.zeros((len(call.images), 2, 120, 160), bool)
    masks[1:, 0, 30:70, 20:60] = True
    scores = np.full(masks.shape[:2], 0.8, np.float32)
    return Output({"masks": masks, "scores": scores}, {"ids": [3, 9], "labels": ["mug", "mug"]})


def test_tracks_by_name_and_by_box_carry_masks_and_frames(connect):
    asked = connect(Answers(track=follow, track_text=follow))
    frames = Frames.from_arrays([picture(i) for i in range(4)], times=[0.0, 0.5, 1.0, 1.5])
    (one,) = track(frames, "mugs")  # the second is nowhere seen
    assert asked[0].params == {"text": "mugs"}
    assert (one.id, one.method, one.label) == (3, "told", "mug")
    assert one.frames.tolist() == [1, 2, 3]
    assert one.times.tolist() == [0.5, 1.0, 1.5]
    assert len(one.masks) == 3
    assert one.boxes[0].tolist() == [20, 30, 59, 69]
    track(frames, boxes=[(20, 30, 59, 69)])
    assert asked[1].params["prompts"] == [{"frame": 0, "id": 0, "box": [20, 30, 59, 69]}]
    with pytest.raises(ValueError, match="say what"):
        track(frames, method="model")
    with pytest.raises(ValueError, match="use 'auto'"):
        track(frames, "mug", method="magic")


def test_too_many_frames_for_a_model(connect):
    connect(Answers(track_text=follow))
    frames = Frames.from_arrays([picture(height=20, width=20)] * 300)
    with pytest.raises(TooMuch, match=r"frames.sample\(256\)"):
        track(frames, "mug", method="model")


def four_views(metric):
    """Four cameras side by side, all looking along z of the model's own axes."""

    def answer(call):
        count = len(call.images)
        poses = np.tile(np.eye(4), (count, 1, 1))
        poses[:, :3, 3] = np.outer(np.arange(count), [0.5, 0, 0]) + np.array([3, 4, 5])
        arrays = {"poses": poses, "intrinsics": np.tile(np.array(K), (count, 1, 1))}
        for i, image in enumerate(call.images):
            arrays[f"depth/{i}"] = np.full(image.shape[:2], 2.0, np.float32)
            arrays[f"confidence/{i}"] = np.full(image.shape[:2], 0.9, np.float32)
        return Output(arrays, {"metric": metric})

    return answer


def test_a_multi_view_model_places_frames_of_mixed_sizes(connect):
    from spatialclaw.primitives.reconstruct import reconstruct

    connect(Answers(reconstruct=four_views(True)))
    frames = Frames.from_arrays([picture(0), picture(1, 160, 120), picture(2)])
    scene = reconstruct(frames)
    assert (scene.method, scene.metric) == ("told", True)
    path = np.asarray(scene.camera_path)
    np.testing.assert_allclose(path[0], 0, atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(np.diff(path, axis=0), axis=1), 0.5)
    np.testing.assert_allclose(path[:, 2], 0, atol=1e-6)  # side by side is level
    assert scene.depth(1).depth.shape == (160, 120)


def test_a_scale_free_model_is_marked_and_known_depth_gives_it_metres(connect):
    from spatialclaw.primitives.reconstruct import reconstruct

    connect(Answers(reconstruct=four_views(False)))
    pictures = [picture(0), picture(1)]
    scene = reconstruct(Frames.from_arrays(pictures))
    assert not scene.metric
    assert "no scale" in scene.note
    deep = [np.full((120, 160), 6.0, np.float32), None]
    scene = reconstruct(Frames.from_arrays(pictures, depths=deep, intrinsics=[K, K]))
    assert scene.metric
    assert np.linalg.norm(np.asarray(scene.camera_path)[1]) == pytest.approx(1.5)
    assert scene.depth(1).depth[5, 5] == pytest.approx(6.0)


def test_a_failing_multi_view_model_leaves_it_to_geometry(connect):
    from spatialclaw.primitives.reconstruct import reconstruct

    connect(Answers(reconstruct=failing(TooMuch("out of memory"))))
    flat = Frames.from_arrays([picture(0), picture(0)])
    with pytest.raises(NothingFound):
        reconstruct(flat)
    with pytest.raises(TooMuch, match="out of memory"):
        reconstruct(flat, method="model")


def test_text_is_read_with_its_corners(connect):
    quad = np.float32([[[10, 10], [60, 10], [60, 30], [10, 30]]])

    def read(call):
        arrays = {"quads": quad, "scores": np.float32([0.95])}
        return Output(arrays, {"texts": ["EXIT"]})

    def blank(call):
        return Output({"quads": quad[:0], "scores": np.float32([])}, {"texts": []})

    connect(Answers(read_text=read))
    (found,) = read_text(Frames.from_arrays([picture()])[0])
    assert (found.label, found.method, found.box) == ("EXIT", "told", (10, 10, 60, 30))
    connect(Answers(read_text=blank))
    with pytest.raises(NothingFound, match="reads no text"):
        read_text(Frames.from_arrays([picture()])[0])


def test_real_adapters_behind_the_primitives(connect, tmp_path, monkeypatch):
    """The whole way but the transport, with the real classes at tiny sizes."""
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    import tiny_models

    from spatialclaw.perception.adapters import depth_pro, sam2, sam2_video
    from spatialclaw.perception.fetch import pull

    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    made = []
    for make, adapter in (
        (tiny_models.sam2, sam2.Sam2("tiny")),
        (tiny_models.sam2, sam2_video.Sam2Video("tiny")),
        (tiny_models.depth_pro, depth_pro.DepthPro()),
    ):
        pull(adapter.info, source=make(tmp_path / adapter.info.name))
        adapter.load("cpu")
        made.append(adapter)
    connect(*made)
    frames = Frames.from_arrays([picture(i) for i in range(3)], intrinsics=[K] * 3)
    found = depth(frames[0])
    assert (found.method, found.metric, found.depth.shape) == ("depth-pro", True, (120, 160))
    cut = segment(frames[0], points=(40, 50))
    assert cut.method == "sam2.1-tiny"
    assert cut[0].mask.shape == (120, 160)
    # Random weights see what they see; whoever answers, it is not the points that follow.
    found = made[1].run(
        [
            Call(
                "track",
                [frame.image for frame in frames],
                {"prompts": [{"frame": 0, "id": 0, "box": [20, 30, 59, 69]}]},
            )
        ]
    )[0]
    if found.arrays["masks"].any():
        followed = track(frames, boxes=[(20, 30, 59, 69)], method="model")
        assert followed.method == "sam2.1-tiny-video"
    else:
        with pytest.raises(NothingFound, match=r"sam2.1-tiny-video could not"):
            track(frames, boxes=[(20, 30, 59, 69)], method="model")
