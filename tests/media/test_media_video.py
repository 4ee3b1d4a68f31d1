"""Frames of videos: exactly those asked for, by presentation time."""

from __future__ import annotations

import numpy as np
import pytest
from media_samples import level, peak_mb, save_video

from spatialclaw.errors import MediaError
from spatialclaw.media import load
from spatialclaw.media.video import open_video
from spatialclaw.primitives.frames import open_frames


def test_uniform_frames_include_the_first_and_the_last(tmp_path, opened):
    frames = opened(save_video(tmp_path / "clip é.mp4", 31), frames=4)
    assert [frame.index for frame in frames] == [0, 10, 20, 30]
    assert [frame.time for frame in frames] == pytest.approx([0, 1, 2, 3])
    assert [level(frame) for frame in frames] == [0, 10, 20, 30]
    assert frames.kind == "video"
    assert frames.info["duration_s"] == pytest.approx(3.0)
    assert frames.info["frame_count"] == 31


@pytest.mark.parametrize("gop", [1, 5, 12, 250])
@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_every_frame_is_the_right_one(tmp_path, opened, gop, codec):
    frames = opened(save_video(tmp_path / "a.mp4", 30, gop=gop, codec=codec), frames=30)
    assert [frame.index for frame in frames] == list(range(30))
    assert [level(frame) for frame in frames] == list(range(30))


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [
        ("mkv", "libx264"),
        ("webm", "libvpx"),
        ("avi", "mpeg4"),
        ("ts", "libx264"),
        ("h264", "libx264"),
    ],
)
def test_container(tmp_path, opened, suffix, codec):
    frames = opened(save_video(tmp_path / f"a.{suffix}", 24, codec=codec), frames=24)
    assert [level(frame) for frame in frames] == list(range(24))
    if suffix == "h264":
        assert any("carries no times" in note for note in frames.media.notes)
    else:
        assert frames[5].time == pytest.approx(0.5, abs=1e-3)


def test_more_frames_than_there_are(tmp_path, opened):
    assert len(opened(save_video(tmp_path / "a.mp4", 5), frames=32)) == 5


def test_one_frame(tmp_path, opened):
    (frame,) = opened(save_video(tmp_path / "a.mp4", 1), frames=8)
    assert frame.time == 0.0


def test_frames_a_second(tmp_path, opened):
    frames = opened(save_video(tmp_path / "a.mp4", 31), fps=2.0)
    assert [frame.index for frame in frames] == [0, 5, 10, 15, 20, 25, 30]


def test_frames_on_screen_at_times(tmp_path, opened):
    frames = opened(save_video(tmp_path / "a.mp4", 30), times=[1.0, 0.0, 0.99, 2.95])
    assert [frame.index for frame in frames] == [0, 9, 10, 29]


def test_variable_frame_rate_goes_by_time(tmp_path, opened):
    # 20 frames in the first two seconds, then one after a pause of eight.
    pts = [i * 100 for i in range(20)] + [10_000]
    path = save_video(tmp_path / "a.mp4", 21, pts=pts)
    frames = opened(path, frames=6)
    assert frames[0].index == 0
    assert frames[-1].index == 20
    assert frames[-1].time == pytest.approx(10.0)
    assert not frames.info["constant_rate"]
    assert any("frame rate varies" in note for note in frames.media.notes)
    assert open_video(path).pick(times=[5.0]) == [19]


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_rotation_is_applied(tmp_path, opened, rotation):
    path = save_video(tmp_path / "a.mp4", 4, size=(96, 64), rotation=rotation)
    frame = opened(path, frames=2)[1]
    turned = rotation % 180 == 90
    assert (frame.width, frame.height) == ((64, 96) if turned else (96, 64))
    bright = {90: np.s_[-4:, :], 180: np.s_[:, -4:], 270: np.s_[:4, :]}[rotation]
    assert frame.image[bright].mean() > 200
    assert frame.image[30:40, 30:34].mean() < 100


def test_pixels_that_are_not_square_become_so(tmp_path, opened):
    path = save_video(tmp_path / "a.mkv", 4, size=(48, 64), aspect=2)
    frames = opened(path, frames=2)
    assert (frames[0].width, frames[0].height) == (96, 64)
    assert any("made square" in note for note in frames.media.notes)


def test_large_frames_are_made_smaller(tmp_path, opened):
    frames = opened(save_video(tmp_path / "a.mp4", 6, size=(640, 360)), max_frame_pixels=14_400)
    assert (frames[0].width, frames[0].height) == (160, 90)
    assert frames[0].source_scale == pytest.approx(0.25)
    assert frames[0].source_size == (640, 360)
    assert any("made smaller" in note for note in frames.media.notes)


@pytest.mark.parametrize("part", [0.35, 0.6, 0.9])
@pytest.mark.parametrize("suffix", ["mkv", "ts", "mp4"])
def test_broken_tail(tmp_path, opened, suffix, part):
    options = {"movflags": "frag_keyframe+empty_moov"} if suffix == "mp4" else None
    path = save_video(tmp_path / f"a.{suffix}", 120, size=(160, 120), options=options)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    frames = opened(path, frames=6)
    assert len(frames) >= 2
    assert frames[0].index == 0
    assert frames[-1].index == frames.info["frame_count"] - 1
    assert [level(frame) for frame in frames] == [round(frame.time * 10) % 32 for frame in frames]


def test_damaged_tail_inside_the_index(tmp_path, opened):
    path = save_video(tmp_path / "a.mp4", 120, size=(160, 120), options={"movflags": "faststart"})
    data = path.read_bytes()
    path.write_bytes(data[: data.find(b"mdat") + int((len(data) - data.find(b"mdat")) * 0.6)])
    frames = opened(path, frames=6)
    assert frames[0].index == 0
    assert 20 < frames[-1].index < 119
    assert any("used" in note for note in frames.media.notes)


def test_damage_in_the_middle_is_left_out(tmp_path, opened):
    path = save_video(tmp_path / "a.mp4", 64, gop=8, size=(160, 120))
    data = bytearray(path.read_bytes())
    start = data.find(b"mdat") + 4
    middle = start + (len(data) - start) // 3
    data[middle : middle + 600] = b"\xff" * 600
    path.write_bytes(bytes(data))
    frames = opened(path, frames=64)
    assert frames[0].index == 0
    assert frames[-1].index == 63
    assert 30 < len(frames) < 64
    assert any("damaged and left out" in note for note in frames.media.notes)


def test_several_videos_are_sequences_of_their_own(tmp_path):
    paths = [save_video(tmp_path / f"{i}.mp4", 10 + i) for i in range(3)]
    media = load(paths, workdir=tmp_path / "run", frames=4)
    assert [frames.name for frames in media.sequences] == ["0.mp4", "1.mp4", "2.mp4"]
    assert [frames[-1].index for frames in media.sequences] == [9, 10, 11]
    assert media.sequences[2][0].sequence == 2


def test_intrinsics_beside_a_video(tmp_path, opened):
    path = save_video(tmp_path / "a.mp4", 6, size=(640, 360))
    (tmp_path / "K.txt").write_text("500 0 320\n0 500 180\n0 0 1\n")
    frame = opened(path, tmp_path / "K.txt", max_frame_pixels=57_600)[0]
    assert frame.intrinsics[0, 0] == pytest.approx(250)


def test_further_frames(tmp_path):
    path = save_video(tmp_path / "a.mp4", 60)
    media = load(path, workdir=tmp_path / "run", frames=3)
    for options, expected in [
        ({"times": [1.05, 4.0]}, [10, 40]),
        ({"indices": [7, -1]}, [7, 59]),
        ({"fps": 5.0, "start": 1.0, "stop": 2.0}, [10, 12, 14, 16, 18, 20]),
        ({"count": 3, "start": 1.0, "stop": 2.0}, [10, 15, 20]),
    ]:
        manifest = media.decode(0, **options)
        (frames,) = open_frames(manifest)
        assert [frame.index for frame in frames] == expected
        assert [level(frame) for frame in frames] == [i % 32 for i in expected]
    (small,) = open_frames(media.decode(0, indices=[3], max_size=48))
    assert (small[0].width, small[0].height) == (48, 32)
    (little,) = open_frames(media.decode(0, fps=10.0, max_bytes=60_000))
    assert sum(3 * frame.width * frame.height for frame in little) <= 60_000
    # The first frames are still there.
    assert [frame.index for frame in open_frames(media.manifest)[0]] == [0, 30, 59]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, "which frames"),
        ({"fps": 1000.0}, "at most 50"),
        ({"indices": [60]}, "frames 0 to 59"),
        ({"times": [-1.0]}, "from 0 to 5.90 s"),
        ({"times": [60.0]}, "from 0 to 5.90 s"),
        ({"fps": 1.0, "start": 4.0, "stop": 2.0}, "no part of the video"),
        ({"indices": [1], "max_size": 0}, "max_size"),
    ],
)
def test_further_frames_that_cannot_be(tmp_path, options, expected):
    media = load(save_video(tmp_path / "a.mp4", 60), workdir=tmp_path / "run", frames=3)
    with pytest.raises(MediaError) as caught:
        media.decode(0, max_frames=50, **options)
    assert expected in str(caught.value)


def test_no_further_frames_of_pictures(tmp_path):
    from media_samples import picture, save

    media = load(save(tmp_path / "a.png", picture()), workdir=tmp_path / "run")
    with pytest.raises(MediaError, match="sequence 0 is no video"):
        media.decode(0, times=[0.0])


@pytest.mark.slow
def test_4k_in_bounded_memory(tmp_path):
    path = save_video(tmp_path / "a.mp4", 48, size=(3840, 2160), gop=12)
    code = (
        "import sys\n"
        "from spatialclaw.media import load\n"
        "frames = load(sys.argv[1], workdir=sys.argv[2], frames=32).sequences[0]\n"
        "assert len(frames) == 32 and frames[0].width == 1920, frames\n"
    )
    assert peak_mb(code, path, tmp_path / "run") < 600
