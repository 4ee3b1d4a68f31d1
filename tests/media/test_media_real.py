"""The real captures come in with the numbers that are known of them."""

from __future__ import annotations

import numpy as np
import pytest

from spatialclaw.media import load
from spatialclaw.media.video import open_video

pytestmark = pytest.mark.shared_data


@pytest.fixture
def real(shared_data, opened):
    return lambda *names, **options: opened(*(shared_data / name for name in names), **options)


def unproject(frame, x, y):
    k = frame.intrinsics
    z = float(np.nanmedian(frame.depth[y - 2 : y + 3, x - 2 : x + 3]))
    return np.array([(x - k[0, 2]) / k[0, 0] * z, (y - k[1, 2]) / k[1, 1] * z, z])


def test_tum_office(real):
    folder = "rgbd/tum_office"
    (frame,) = real(f"{folder}/depth.png", f"{folder}/intrinsics.json", f"{folder}/color.png")
    apart = np.linalg.norm(unproject(frame, 148, 222) - unproject(frame, 543, 212))
    assert apart == pytest.approx(1.6, abs=0.05)


def test_nyu_basement(real):
    frames = real("rgbd/nyu_basement")
    assert len(frames) == 3
    assert unproject(frames[0], 505, 185)[2] == pytest.approx(5.8, abs=0.5)


def test_kitti_pedestrian_in_the_scan(real):
    folder = "rgbd/kitti_object"
    (frame,) = real(
        f"{folder}/velodyne_000000.bin",
        f"{folder}/calib_000000.txt",
        f"{folder}/image_2_000000.png",
    )
    # The middle of the pedestrian's box in the label file.
    inside = frame.depth[170:280, 745:780]
    assert np.isfinite(inside).sum() > 100
    assert np.nanmedian(inside) == pytest.approx(8.5, abs=0.15)


def test_kitti_lidar_folder(real):
    (frame,) = real("rgbd/kitti_lidar")
    assert np.isfinite(frame.depth).mean() == pytest.approx(0.21, abs=0.01)
    assert np.nanmax(frame.depth) == pytest.approx(83, abs=1)


def test_poses_without_pictures(real, shared_data):
    names = [
        path.relative_to(shared_data) for path in shared_data.glob("rgbd/redkitchen/*.pose.txt")
    ]
    frames = {frame.index: frame for frame in real(*names)}
    apart = np.linalg.norm(frames[400].pose[:3, 3] - frames[0].pose[:3, 3])
    assert apart == pytest.approx(1.18, abs=0.01)


def test_redkitchen_motion(real):
    frames = {frame.index: frame for frame in real("rgbd/redkitchen")}
    moved = (np.linalg.inv(frames[300].pose) @ frames[350].pose)[:3, 3]
    assert np.allclose(moved, [0.46, 0.08, -0.11], atol=0.01)
    assert 0.4 < np.nanmedian(frames[0].depth) < 4


def test_kitti_drive_travelled(real):
    folder = "stereo/kitti_drive"
    first, last = real(
        f"{folder}/left/000000.png", f"{folder}/left/000050.png", f"{folder}/poses_all51.txt"
    )
    assert np.linalg.norm(last.pose[:3, 3] - first.pose[:3, 3]) == pytest.approx(59.9, abs=0.1)


def test_kitti_drive_folder(real):
    frames = real("stereo/kitti_drive")
    pairs = {frame.name: frame.stereo for frame in frames if frame.stereo}
    assert set(pairs) == {"left/000000.png", "left/000010.png", "left/000020.png"}
    assert frames[pairs["left/000010.png"]["right"]].name == "right/000010.png"
    assert frames[0].stereo["baseline_m"] == pytest.approx(0.5372, abs=1e-3)


def test_motorcycle(real):
    frames = real("stereo/motorcycle")
    assert frames[0].stereo["doffs_px"] == pytest.approx(31.086)
    assert np.nanmin(frames[0].depth) == pytest.approx(2.11, abs=0.01)
    assert np.nanmax(frames[0].depth) == pytest.approx(5.02, abs=0.01)


@pytest.mark.parametrize("name", ["cones", "wood2", "motorcycle"])
def test_pairs_without_calibration_are_recognised(real, name):
    frames = real(f"stereo/{name}/left.png", f"stereo/{name}/right.png")
    assert frames[0].stereo["right"] == 1
    assert frames[0].stereo["baseline_m"] is None


def test_intrinsics_of_many_pictures_in_one_file(real):
    names = ("office", "lounge", "autonomous_driving", "manipulation")
    frames = real(*(f"images/qwen_{name}.jpg" for name in names), "images/qwen_cam_infos.json")
    focal = [frame.intrinsics[0, 0] for frame in frames]
    assert focal == pytest.approx([1470.4, 529.5, 1266.4, 866.27 * 0.625], abs=0.1)


def test_photographs_with_exif(real):
    frames = real("multiview/lund_street")
    assert len(frames) == 5
    assert frames[0].intrinsics_source == "exif"
    assert frames[0].focal_sigma > 50
    assert len(frames.info["gps"]) == 5
    assert frames.info["gps"][0]["latitude"] == pytest.approx(55.7, abs=0.2)


def test_berlin_reconstruction(real):
    frames = real("multiview/berlin_cathedral")
    assert not frames[0].metric
    ahead = [float(frame.pose[:3, 3] @ frames[0].pose[:3, 2]) for frame in frames]
    assert ahead == pytest.approx([0, 4.0, 10.0], abs=0.2)
    assert frames[0].intrinsics[0, 0] == pytest.approx(0.8697 * 3264, abs=1)


def test_homography_and_k(real):
    assert "H1to3.txt" in real("multiview/graf").info["homographies"]
    assert real("multiview/sceaux_castle")[0].intrinsics[0, 0] == 1452.44


@pytest.mark.parametrize(
    ("name", "count", "rate"),
    [
        ("bedroom", 200, 30),
        ("blocks", 292, 29.97),
        ("juggle", 247, 24),
        ("one_by_one_person", 1394, 10),
        ("cars_from_above", 377, 12.5),
    ],
)
def test_videos(shared_data, name, count, rate):
    source = open_video(shared_data / "video" / f"{name}.mp4")
    assert source.count == count
    assert source.rate == pytest.approx(rate, abs=0.01)


def test_frames_are_the_ones_that_decoding_everything_gives(shared_data):
    import av

    path = shared_data / "video" / "cars_from_above.mp4"
    wanted = [0, 1, 59, 60, 61, 200, 375, 376]
    with av.open(str(path)) as container:
        truth = {
            i: frame.to_ndarray(format="rgb24")
            for i, frame in enumerate(container.decode(video=0))
            if i in wanted
        }
    got = {frame.index: frame.image for frame in open_video(path).decode(wanted)}
    assert sorted(got) == wanted
    assert all(np.abs(got[i].astype(int) - truth[i]).max() <= 3 for i in wanted)


def test_description_is_compact_and_true(tmp_path, shared_data):
    names = ("rgbd/redkitchen", "video/bedroom.mp4")
    media = load([shared_data / name for name in names], workdir=tmp_path / "run")
    text = media.describe()
    assert len(text) < 3500
    assert '`videos[0]` (also `frames`): 20 frames of rgbd "redkitchen", 640x480 pixels' in text
    assert "fx 585.0" in text
    assert "Video: 200 frames in 6.63 s, 30 per second" in text
    assert str(shared_data) not in text
