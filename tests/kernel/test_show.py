"""What `show` makes of things, with and without a kernel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spatialclaw.kernel import Kernel, KernelOptions
from spatialclaw.primitives.results import DepthMap, Flow, Mask, Masks, Tracks
from spatialclaw.primitives.show import encode, picture, to_rgb

GREY = 60


@pytest.mark.parametrize(
    ("array", "first", "last"),
    [
        (np.array([[0, 255]], np.uint8), (0, 0, 0), (255, 255, 255)),
        (np.array([[False, True]]), (0, 0, 0), (255, 255, 255)),
        (np.array([[[10, 20, 30], [40, 50, 60]]], np.uint8), (10, 20, 30), (40, 50, 60)),
        (np.array([[[0.0, 0.5, 1.0], [1, 1, 1]]]), (0, 128, 255), (255, 255, 255)),
        (np.array([[[9, 9, 9, 0], [9, 9, 9, 255]]], np.uint8), (255, 255, 255), (9, 9, 9)),
        (np.array([[[7], [8]]], np.uint8), (7, 7, 7), (8, 8, 8)),
        (np.full((1, 2), np.nan), (GREY,) * 3, (GREY,) * 3),
        (np.array([[[0.2, np.nan, 0.4], [1, 1, 1]]]), (51, 0, 102), (255, 255, 255)),
    ],
)
def test_arrays_as_pictures(array: Any, first: tuple[int, ...], last: tuple[int, ...]) -> None:
    rgb = to_rgb(array)
    assert rgb.dtype == np.uint8
    assert rgb.shape == (*array.shape[:2], 3)
    assert tuple(rgb[0, 0]) == first
    assert tuple(rgb[-1, -1]) == last


def test_other_numbers_are_spread_in_colours_with_nan_in_grey() -> None:
    depth = np.linspace(1.0, 5.0, 100).reshape(10, 10).astype(np.float32)
    depth[0, 0] = np.nan
    depth[9, 9] = np.inf
    rgb = to_rgb(depth)
    assert tuple(rgb[0, 0]) == tuple(rgb[9, 9]) == (GREY,) * 3
    assert len({tuple(p) for p in rgb.reshape(-1, 3)}) > 50
    assert to_rgb(np.full((4, 4), 7.5)).shape == (4, 4, 3)
    assert to_rgb(np.arange(12).reshape(3, 4)).shape == (3, 4, 3)


@pytest.mark.parametrize("shape", [(3,), (0, 4), (4, 0, 3), (2, 2, 5), (1, 2, 3, 4), ()])
def test_what_is_no_picture_says_its_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=str(shape).replace("(", r"\(").replace(")", r"\)")):
        to_rgb(np.zeros(shape))


def test_results_of_perception_have_pictures() -> None:
    mask = np.zeros((20, 30), bool)
    mask[5:10, 5:20] = True
    flow = np.ones((20, 30, 2), np.float32)
    things = [
        Mask(mask, 0, label="cup"),
        Masks([Mask(mask, 0), Mask(~mask, 0)]),
        DepthMap(np.ones((20, 30), np.float32), np.ones((20, 30), np.float32), 0, "rgbd"),
        Flow(flow, 0, 1, "dis", np.ones((20, 30), np.float32)),
    ]
    for thing in things:
        shown = picture(thing)
        assert shown is not None
        assert shown.pixels.shape == (20, 30, 3)
        assert shown.pixels.dtype == np.uint8
    assert picture(Masks([])) is None
    assert picture(Tracks([])) is None
    assert picture("text") is None
    assert picture(object()) is None


def test_encoding_keeps_small_and_sharp_pictures_exact() -> None:
    import cv2

    rng = np.random.default_rng(1)
    small = rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)
    data, media_type = encode(small)
    assert media_type == "image/png"
    back = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert np.array_equal(back, small)
    assert encode(np.zeros((500, 500, 3), np.uint8))[1] == "image/jpeg"
    assert encode(np.zeros((500, 500, 3), np.uint8), sharp=True)[1] == "image/png"


pytest_kernel = pytest.mark.kernel


@pytest_kernel
async def test_a_shrunk_frame_says_how_to_get_back_to_its_pixels(manifest: Path) -> None:
    async with await Kernel.start(KernelOptions(manifest=manifest)) as kernel:
        result = await kernel.execute("show(frames[0], max_edge=20)")
        (shown,) = result.images
        assert (shown.width, shown.height) == (20, 12)
        scale, offset = shown.source["scale"], shown.source["offset"]
        # the corner of the picture, half a pixel outside, is the corner of the frame
        assert (-0.5) / scale + offset[0] == pytest.approx(-0.5)
        assert (19.5) / scale + offset[0] == pytest.approx(39.5)
        result = await kernel.execute("show(frames, 'caption', frames[0], title='')")
        assert [s.source["frame"] for s in result.images] == [0, 1, 0]
        assert [s.title for s in result.images] == ["frame 0", "frame 1", "caption"]


@pytest_kernel
async def test_results_are_drawn_on_their_frames(manifest: Path) -> None:
    async with await Kernel.start(KernelOptions(manifest=manifest)) as kernel:
        result = await kernel.execute(
            "from spatialclaw.primitives.results import *\n"
            "m = np.zeros((24, 40), bool); m[4:9, 5:20] = True\n"
            "show(Mask(m, 1, label='cup'))\n"
            "b = np.array([[1, 2, 9, 9], [3, 4, 12, 12.]])\n"
            "show(Tracks([Track(0, np.array([0, 1]), np.array([0, .5]), b)]))\n"
            "p = np.array([[1, 2.], [5, 6]])\n"
            "show(Matches(p, p, np.ones(2), 0, 1, 'sift'))"
        )
        assert result.ok, result.error
        assert [s.source.get("frame") for s in result.images] == [1, 1, None]
        assert result.images[2].width == 80


@pytest_kernel
async def test_too_many_pictures_in_one_call(kernel: Kernel) -> None:
    result = await kernel.execute("show(*[np.zeros((8, 8, 3), np.uint8)] * 30)")
    assert result.error is not None
    assert result.error.name == "TooMuch"
    assert len(result.images) == 16


@pytest_kernel
async def test_what_cannot_be_seen_is_printed(kernel: Kernel) -> None:
    result = await kernel.execute("show(3.5, {'a': 1})")
    assert result.stdout == "3.5\n{'a': 1}\n"
    assert result.images == []


def test_outside_a_kernel_nothing_breaks(capsys: pytest.CaptureFixture[str]) -> None:
    from spatialclaw.primitives.show import show
    from spatialclaw.primitives.submit import submit

    show(np.zeros((10, 10, 3), np.uint8), title="black")
    submit(3, unit="m")
    out = capsys.readouterr().out
    assert "<picture 10x10: black>" in out
    assert "submitted 3 m" in out
