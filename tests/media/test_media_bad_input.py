"""Whatever is wrong with the input, one line says what and what to do."""

from __future__ import annotations

import json
import os
import struct

import numpy as np
import pytest
from media_samples import picture, save, save_depth, save_video

from spatialclaw.errors import MediaError
from spatialclaw.media import load


def fails(paths, tmp_path, **options) -> str:
    with pytest.raises(MediaError) as caught:
        load(paths, workdir=tmp_path / "run", **options)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 400
    return message


def test_missing_file(tmp_path):
    assert "nowhere.jpg: no such file or folder. Check the path." in fails(
        tmp_path / "nowhere.jpg", tmp_path
    )


def test_nothing_given(tmp_path):
    assert "no media given" in fails([], tmp_path)


@pytest.mark.parametrize("names", [[], ["notes.md"], ["notes.txt"], ["deep/er/a.jpg"]])
def test_folder_without_media(tmp_path, names):
    folder = tmp_path / "set"
    folder.mkdir()
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".jpg"):
            save(folder / name, picture())
        else:
            (folder / name).write_text("hello")
    assert "no picture or video in this folder" in fails(folder, tmp_path)


def test_folder_of_folders_names_them(tmp_path):
    save(tmp_path / "sets" / "kitchen" / "a.jpg", picture())
    assert "Give one of its folders: kitchen" in fails(tmp_path / "sets", tmp_path)


@pytest.mark.parametrize("suffix", ["jpg", "png", "mp4", "json", "npy", "txt", "bin", "yml"])
def test_zero_bytes(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    path.touch()
    assert "the file is empty (0 bytes)" in fails(path, tmp_path)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tiff"])
@pytest.mark.parametrize("part", [0.05, 0.5, 0.9])
def test_truncated_picture(tmp_path, suffix, part):
    rng = np.random.default_rng(0)
    path = save(tmp_path / f"a.{suffix}", rng.integers(0, 255, (200, 300, 3), np.uint8))
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    message = fails(path, tmp_path)
    assert "cut off or damaged" in message or "not a picture" in message


@pytest.mark.parametrize(
    ("content", "held"),
    [
        (b"this is text, not a picture", "text"),
        (b"<!DOCTYPE html><html>404</html>", "a web page"),
        (b"PK\x03\x04" + b"\0" * 50, "an archive"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "a Git LFS pointer"),
        (b"%PDF-1.4\n" + b"\0" * 50, "a PDF document"),
        (bytes(range(256)) * 4, "binary"),
    ],
)
@pytest.mark.parametrize("suffix", ["jpg", "mp4"])
def test_something_else_renamed(tmp_path, content, held, suffix):
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(content)
    message = fails(path, tmp_path)
    assert held in message or (
        held == "binary" and "cannot be opened" in message.replace("can be", "cannot be")
    )


def test_picture_named_as_video_and_sound_without_picture(tmp_path):
    import av

    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert "holds no video stream" in fails(path, tmp_path)


def test_video_without_a_decodable_frame(tmp_path):
    path = save_video(tmp_path / "a.mp4", 12)
    data = bytearray(path.read_bytes())
    start = data.find(b"mdat") + 4
    size = struct.unpack(">I", data[start - 8 : start - 4])[0]
    data[start : start + size - 8] = b"\x55" * (size - 8)
    path.write_bytes(bytes(data))
    assert "no frame of the video can be decoded" in fails(path, tmp_path)


def test_video_without_its_index(tmp_path):
    path = save_video(tmp_path / "a.mp4", 12)
    data = path.read_bytes()
    path.write_bytes(data[: data.find(b"moov") - 4])
    assert "header or index is missing" in fails(path, tmp_path)


def test_depth_and_colour_of_another_aspect(tmp_path):
    colour = save(tmp_path / "color.png", picture(640, 480))
    depth = save_depth(tmp_path / "depth.png", np.full((360, 640), 2.0))
    message = fails([colour, depth], tmp_path)
    assert "depth.png is 640x360 and color.png is 640x480" in message


@pytest.mark.parametrize("value", [0, 65535])
def test_depth_without_any_measured_pixel(tmp_path, value):
    colour = save(tmp_path / "color.png", picture())
    depth = save(tmp_path / "depth.png", np.full((48, 64), value, np.uint16))
    assert "no pixel holds a depth" in fails([colour, depth], tmp_path)


def test_depth_of_nan(tmp_path):
    colour = save(tmp_path / "color.png", picture())
    np.save(tmp_path / "depth.npy", np.full((48, 64), np.nan, np.float32))
    assert "no pixel holds a depth" in fails([colour, tmp_path / "depth.npy"], tmp_path)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("{", "not valid JSON"),
        ("[]", "no poses in a form that is read"),
        ('{"hello": 1}', "not a pose in a form"),
        ('{"fx": 0, "fy": 500, "cx": 32, "cy": 24}', "the focal length is 0 x 500 px"),
        ('{"fx": -500, "fy": 500, "cx": 32, "cy": 24}', "the focal length is -500"),
        ('{"fx": NaN, "fy": 500, "cx": 32, "cy": 24}', "not a finite number"),
        ('{"fx": "wide", "fy": 500, "cx": 32, "cy": 24}', "fx is 'wide', not a number"),
        ('{"fx": 0.8, "fy": 0.8, "cx": 0.5, "cy": 0.5}', "too small to be in pixels"),
        ('{"fx": 500}', "no principal point"),
        ('{"fx": 500, "fy": 500, "cx": 300, "cy": 30}', "far from the middle of a.png (64x48)"),
        (
            '{"fx": 500, "cx": 50, "cy": 50, "width": 100, "height": 100}',
            "the intrinsics are for 100x100, a.png is 64x48",
        ),
        ('{"fx": 50, "cx": 32, "cy": 24, "depth_scale": 0}', "depth_scale is 0"),
        ('{"fx": 50, "cx": 32, "cy": 24, "baseline_m": 0}', "the baseline is above 0"),
        ('{"fx": 50, "cx": 32, "cy": 24, "baseline": 12}', "too long to be in metres"),
        ('{"K": [1, 2, 3]}', "not a 3x3 matrix"),
        ('{"K": [[1, 2, 3], [4, 5, 6], [7, 8, 9]]}', "not an intrinsics matrix"),
        ('{"fx": 50, "cx": 32, "cy": 24, "width": 6.4, "height": 48}', "whole number of pixels"),
    ],
)
def test_wrong_intrinsics(tmp_path, content, expected):
    image = save(tmp_path / "a.png", picture())
    (tmp_path / "intrinsics.json").write_text(content)
    message = fails([image, tmp_path / "intrinsics.json"], tmp_path)
    assert expected in message


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("1 2 3\n4 5 6\n", "nothing that is understood"),
        ("some words about the weather\n", "nothing that is understood"),
        ("nan 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 0 1\n", "NaN or infinity"),
        ("2 0 0 0\n0 2 0 0\n0 0 2 0\n0 0 0 1\n", "no rotation"),
        ("-1 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 0 1\n", "mirrors"),
    ],
)
def test_wrong_pose_file(tmp_path, content, expected):
    image = save(tmp_path / "a.png", picture())
    (tmp_path / "a.txt").write_text(content)
    assert expected in fails([image, tmp_path / "a.txt"], tmp_path)


def test_stereo_pictures_of_two_sizes(tmp_path):
    left = save(tmp_path / "left.png", picture(64, 48))
    right = save(tmp_path / "right.png", picture(64, 40))
    calib = tmp_path / "calib.json"
    calib.write_text(json.dumps({"fx": 50, "cx": 32, "cy": 24, "baseline_m": 0.1}))
    assert "left.png is 64x48 and right.png is 64x40" in fails([left, right, calib], tmp_path)


def test_track_that_fits_no_picture(tmp_path):
    images = [save(tmp_path / name, picture()) for name in ("red.png", "green.png")]
    (tmp_path / "poses.txt").write_text("1 0 0 0 0 1 0 0 0 0 1 0\n" * 5)
    message = fails([*images, tmp_path / "poses.txt"], tmp_path)
    assert "5 poses for 2 pictures" in message


def test_a_calibration_alone_shows_nothing(tmp_path):
    (tmp_path / "K.txt").write_text("500 0 320\n0 500 240\n0 0 1\n")
    assert "no picture, video or pose among K.txt" in fails(tmp_path / "K.txt", tmp_path)


@pytest.mark.parametrize(
    "options", [{"frames": 0}, {"max_frame_pixels": 3}, {"times": [99.0]}, {"fps": 0.0}]
)
def test_impossible_wishes(tmp_path, options):
    fails(save_video(tmp_path / "a.mp4", 10), tmp_path, **options)


def test_more_frames_than_fit(tmp_path):
    path = save_video(tmp_path / "a.mp4", 40, size=(32, 32), rate=1000)
    from spatialclaw.media import loading

    keep = loading.MAX_FRAMES
    loading.MAX_FRAMES = 20
    try:
        assert "40 frames are too many" in fails(path, tmp_path, fps=1000.0)
    finally:
        loading.MAX_FRAMES = keep


def test_one_bad_picture_does_not_spoil_a_folder(tmp_path):
    for i in range(3):
        save(tmp_path / "set" / f"{i}.jpg", picture(200, 100, i))
    good = (tmp_path / "set" / "1.jpg").read_bytes()
    (tmp_path / "set" / "1.jpg").write_bytes(good[: len(good) // 2])
    (tmp_path / "set" / "2b.jpg").touch()
    media = load(tmp_path / "set", workdir=tmp_path / "run")
    assert [frame.name for frame in media.sequences[0]] == ["0.jpg", "2.jpg"]
    assert sum("left out" in note for note in media.notes) == 2


def test_one_bad_video_does_not_spoil_a_folder(tmp_path):
    (tmp_path / "set").mkdir()
    for i in range(3):
        save_video(tmp_path / "set" / f"{i}.mp4", 5)
    (tmp_path / "set" / "0.mp4").write_bytes(b"\0" * 500)
    media = load(tmp_path / "set", workdir=tmp_path / "run")
    assert [frames.name for frames in media.sequences] == ["1.mp4", "2.mp4"]
    assert sum("left out" in note and "0.mp4" in note for note in media.notes) == 1


def test_workdir_that_cannot_be_written(tmp_path):
    image = save(tmp_path / "a.png", picture())
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(MediaError, match="cannot be written"):
        load(image, workdir=tmp_path / "file" / "run")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_full_disk(tmp_path):
    image = save(tmp_path / "a.png", picture())
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "frames.bin").symlink_to("/dev/full")
    with pytest.raises(MediaError, match=r"the disk is full.*--frames"):
        load(image, workdir=tmp_path / "run")
