"""Loose files in any order: what belongs together is put together, and nothing else is used."""

from __future__ import annotations

import itertools
import json

import cv2
import numpy as np
import pytest
from media_samples import picture, save, save_depth

from spatialclaw.errors import MediaError
from spatialclaw.media import load

INTRINSICS = {"fx": 50.0, "fy": 52.0, "cx": 31.0, "cy": 24.0}


def write_json(path, data):
    path.write_text(json.dumps(data))
    return path


@pytest.fixture
def rgbd(tmp_path):
    depth = np.full((48, 64), 2.0)
    depth[:10] = np.nan
    depth[10:20] = 3.5
    return {
        "colour": save(tmp_path / "color.png", picture()),
        "depth": save_depth(tmp_path / "depth.png", depth, 5000),
        "camera": write_json(tmp_path / "intrinsics.json", {**INTRINSICS, "depth_scale": 5000}),
    }


@pytest.mark.parametrize("order", list(itertools.permutations(["colour", "depth", "camera"])))
def test_colour_depth_intrinsics_in_any_order(rgbd, opened, order):
    frames = opened(*(rgbd[name] for name in order))
    (frame,) = frames
    assert frames.kind == "rgbd"
    assert np.isnan(frame.depth[5, 5])
    assert frame.depth[15, 30] == pytest.approx(3.5)
    assert frame.depth[40, 30] == pytest.approx(2.0)
    assert frame.intrinsics[1, 1] == 52.0
    assert frame.intrinsics_source == "file"
    assert frame.depth_source == "rgbd"
    assert frame.name == "color.png"


def test_neighbours_are_not_picked_up(rgbd, opened):
    (frame,) = opened(rgbd["colour"])
    assert frame.depth is None
    assert frame.intrinsics is None


def test_depth_without_intrinsics_says_so(rgbd, opened):
    frames = opened(rgbd["colour"], rgbd["depth"])
    assert frames[0].intrinsics is None
    assert frames[0].depth is not None
    assert any("no intrinsics are given" in note for note in frames.media.notes)
    assert any("taken as millimetres" in note for note in frames.media.notes)


def test_depth_alone_is_shown(rgbd, opened):
    frames = opened(rgbd["depth"], rgbd["camera"])
    (frame,) = frames
    assert frame.depth[40, 30] == pytest.approx(2.0)
    assert frame.image[40, 30, 0] > frame.image[15, 30, 0] > frame.image[5, 30, 0]
    assert any("the pictures show the depth" in note for note in frames.media.notes)


@pytest.mark.parametrize(
    "content",
    [
        {"fx_px": 50, "fy_px": 52, "cx_px": 31, "cy_px": 24},
        {"camera": {"intrinsics": {"fx": 50, "fy": 52, "cx": 31, "cy": 24}}},
        {"fl_x": 50, "fl_y": 52, "cx": 31, "cy": 24, "w": 64, "h": 48},
        {"FX": 50, "FY": 52, "PPX": 31, "PPY": 24},
        {"K": [[50, 0, 31], [0, 52, 24], [0, 0, 1]]},
        {"K": [50, 0, 31, 0, 52, 24, 0, 0, 1]},
        {"camera_matrix": {"rows": 3, "cols": 3, "data": [50, 0, 31, 0, 52, 24, 0, 0, 1]}},
        # Open3D writes the matrix column by column.
        {"width": 64, "height": 48, "intrinsic_matrix": [50, 0, 0, 0, 52, 0, 31, 24, 1]},
        {"intrinsics": [50, 52, 31, 24]},
        {"focal_length": [50, 52], "principal_point": [31, 24], "resolution": [64, 48]},
        {"a.png": {"fx": 50, "fy": 52, "cx": 31, "cy": 24}, "b.png": {"fx": 9, "cx": 1, "cy": 1}},
        [[50, 0, 31], [0, 52, 24], [0, 0, 1]],
    ],
)
def test_forms_of_intrinsics(tmp_path, opened, content):
    image = save(tmp_path / "a.png", picture())
    if isinstance(content, dict) and "b.png" in content:
        content["b.png"] = {"fx": 900, "cx": 31, "cy": 24}
    (frame,) = opened(write_json(tmp_path / "camera.json", content), image)
    assert frame.intrinsics.tolist() == [[50, 0, 31], [0, 52, 24], [0, 0, 1]]


@pytest.mark.parametrize(
    "text",
    [
        "50 0 31\n0 52 24\n0 0 1\n",
        "50 0 31 0\n0 52 24 0\n0 0 1 0\n0 0 0 1\n",
        "50 0 31 -20\n0 52 24 0\n0 0 1 0\n",
        "50, 0, 31\n0, 52, 24\n0, 0, 1",
        "50 0 31 0 52 24 0 0 1",
        "50 52 31 24",
    ],
)
def test_intrinsics_in_a_text(tmp_path, opened, text):
    image = save(tmp_path / "a.png", picture())
    (tmp_path / "K.txt").write_text(text)
    (frame,) = opened(image, tmp_path / "K.txt")
    assert frame.intrinsics.tolist() == [[50, 0, 31], [0, 52, 24], [0, 0, 1]]


@pytest.mark.parametrize(
    ("said", "stored"),
    [
        ({"depth_scale": 5000}, 10000),
        ({"depth_scale": 1000.0}, 2000),
        ({"depth_scale": 0.001}, 2000),
        ({"depth_unit_scale_factor": 0.0002}, 10000),
        ({"depth_unit": "uint16 / 256 = metres, 0 = none"}, 512),
        ({"depth_unit": "value / 5000 = metres"}, 10000),
        ({"depth_unit": "millimetre, uint16"}, 2000),
        ({"depth_unit": "cm"}, 200),
        ({"depth_unit": "metres"}, 2),
        ({"depth_unit": "5000 units per metre"}, 10000),
        ({"depth_unit": "raw values, divide by 256 to get metres"}, 512),
        ({"depth_unit": "multiply by 0.001 for metres"}, 2000),
        ({"depth_scale": "1/5000"}, 10000),
        ({}, 2000),
    ],
)
def test_depth_units(tmp_path, opened, said, stored):
    image = save(tmp_path / "rgb_7.png", picture())
    depth = save(tmp_path / "depth_7.png", np.full((48, 64), stored, np.uint16))
    (frame,) = opened(image, depth, write_json(tmp_path / "c.json", {**INTRINSICS, **said}))
    assert frame.depth[0, 0] == pytest.approx(2.0)


def test_intrinsics_of_another_resolution_are_scaled_when_said(tmp_path, opened):
    image = save(tmp_path / "a.png", picture(320, 240))
    camera = write_json(
        tmp_path / "c.json", {"fx": 500, "cx": 319.5, "cy": 239.5, "width": 640, "height": 480}
    )
    frames = opened(image, camera)
    assert frames[0].intrinsics[0].tolist() == [250, 0, 159.5]
    assert any("scaled" in note for note in frames.media.notes)


def test_intrinsics_of_another_resolution_are_scaled_when_evident(tmp_path, opened):
    image = save(tmp_path / "a.png", picture(640, 480))
    frames = opened(image, write_json(tmp_path / "c.json", {"fx": 800, "cx": 512, "cy": 384}))
    assert frames[0].intrinsics[0, 0] == pytest.approx(500)
    assert any("middle of a 1024x768 picture" in note for note in frames.media.notes)


def test_principal_point_off_the_middle_is_kept_when_the_size_is_said(tmp_path, opened):
    image = save(tmp_path / "a.png", picture(640, 480))
    camera = {"fx": 500, "cx": 100, "cy": 400, "width": 640, "height": 480}
    assert opened(image, write_json(tmp_path / "c.json", camera))[0].intrinsics[0, 2] == 100


def test_depth_of_another_size_is_brought_to_the_colour(tmp_path, opened):
    depth = np.full((24, 32), 1.0)
    depth[:, 16:] = 3.0
    frames = opened(
        save(tmp_path / "color.jpg", picture(64, 48)), save_depth(tmp_path / "depth.png", depth)
    )
    assert frames[0].depth.shape == (48, 64)
    assert set(np.unique(frames[0].depth)) == {1.0, 3.0}
    assert frames[0].depth[20, 31] == 1.0
    assert frames[0].depth[20, 32] == 3.0
    assert any("by the nearest pixel" in note for note in frames.media.notes)


def test_depth_follows_a_picture_made_smaller(tmp_path, opened):
    colour = save(tmp_path / "color.jpg", picture(640, 480))
    depth = save_depth(tmp_path / "depth.png", np.full((480, 640), 1.5))
    frame = opened(colour, depth, max_frame_pixels=19_200)[0]
    assert frame.image.shape == (120, 160, 3)
    assert frame.depth.shape == (120, 160)


@pytest.mark.parametrize("kind", ["npy", "tiff", "pfm"])
def test_floating_point_depth_is_in_metres(tmp_path, opened, kind):
    depth = np.full((48, 64), 1.25, np.float32)
    depth[0, 0], depth[0, 1], depth[0, 2] = np.nan, np.inf, -1
    path = tmp_path / f"depth.{kind}"
    if kind == "npy":
        np.save(path, depth)
    elif kind == "tiff":
        save(path, depth)
    else:
        path.write_bytes(b"Pf\n64 48\n-1.0\n" + np.flipud(depth).astype("<f4").tobytes())
    (frame,) = opened(save(tmp_path / "color.png", picture()), path)
    assert np.isnan(frame.depth[0, :3]).all()
    assert frame.depth[5, 5] == 1.25
    assert not any("millimetres" in note for note in frame.notes)


def test_depth_beside_a_stereo_pair_is_the_left_pictures(tmp_path, opened):
    paths = [save(tmp_path / f"{side}.png", picture()) for side in ("right", "left")]
    frames = opened(*paths, save_depth(tmp_path / "depth.png", np.full((48, 64), 2.0)))
    assert {frame.name: frame.depth is not None for frame in frames} == {
        "left.png": True,
        "right.png": False,
    }


def test_several_pairs_are_matched_by_name(tmp_path, opened):
    paths = []
    for i in (10, 9, 1):
        paths.append(save(tmp_path / f"rgb_{i:02}.jpg", picture(seed=i)))
        paths.append(save_depth(tmp_path / f"depth_{i:02}.png", np.full((48, 64), float(i))))
    paths.append(save(tmp_path / "overview.jpg", picture()))
    frames = opened(*paths)
    assert [frame.name for frame in frames] == [
        "rgb_10.jpg",
        "rgb_09.jpg",
        "rgb_01.jpg",
        "overview.jpg",
    ]
    assert [None if f.depth is None else f.depth[0, 0] for f in frames] == [10, 9, 1, None]


def test_a_deep_picture_alone_is_a_picture(tmp_path, opened):
    (frame,) = opened(save_depth(tmp_path / "scan.png", np.full((48, 64), 2.0)))
    assert frame.depth is None


# --- poses


def pose_text(pose):
    return "\n".join(" ".join(f"{value:.9e}" for value in row) for row in pose)


def test_pose_files_beside_pictures(tmp_path, opened):
    paths = []
    for i in (0, 50):
        pose = np.eye(4)
        pose[2, 3] = i / 10
        paths.append(save(tmp_path / f"frame-{i:06}.color.jpg", picture()))
        (tmp_path / f"frame-{i:06}.pose.txt").write_text(pose_text(pose))
        paths.append(tmp_path / f"frame-{i:06}.pose.txt")
    frames = opened(*paths)
    assert [frame.index for frame in frames] == [0, 50]
    # First camera at the origin, looking along y, z up.
    assert np.allclose(frames[0].pose[:3, 3], 0)
    assert np.allclose(frames[0].pose[:3, 2], [0, 1, 0])
    assert np.allclose(frames[0].pose[:3, 1], [0, 0, -1])
    assert np.allclose(frames[1].pose[:3, 3], [0, 5, 0])
    assert frames.info["gravity"] == "assumed-first-camera"
    assert np.allclose(np.array(frames.info["world_from_source"]) @ np.eye(4), frames[0].pose)


def test_pose_files_alone(tmp_path, opened):
    paths = []
    for i in (400, 0, 50):
        pose = np.eye(4)
        pose[0, 3] = i / 100
        (tmp_path / f"frame-{i:06}.pose.txt").write_text(pose_text(pose))
        paths.append(tmp_path / f"frame-{i:06}.pose.txt")
    frames = opened(*paths)
    assert frames.kind == "poses"
    assert [frame.index for frame in frames] == [0, 50, 400]
    assert np.linalg.norm(frames[2].pose[:3, 3] - frames[0].pose[:3, 3]) == pytest.approx(4.0)
    assert any("only the camera's pose is known" in note for note in frames.media.notes)


def kitti_line(z):
    return f"1 0 0 0 0 1 0 0 0 0 1 {z}"


def test_track_is_mapped_by_the_number_in_the_name(tmp_path, opened):
    (tmp_path / "poses.txt").write_text("\n".join(kitti_line(1.5 * i) for i in range(30)))
    paths = [save(tmp_path / f"{i:06}.png", picture()) for i in (20, 4)]
    frames = opened(*paths, tmp_path / "poses.txt")
    assert [frame.index for frame in frames] == [20, 4]
    assert np.allclose(frames[1].pose[:3, 3], [0, -24, 0])
    track = np.array(frames.info["trajectory"])
    assert track.shape == (30, 3)
    assert np.allclose([track[frame.index] for frame in frames], [f.pose[:3, 3] for f in frames])
    assert "all 30 poses" in frames.media.describe()


def test_track_is_mapped_in_order_when_counts_agree(tmp_path, opened):
    (tmp_path / "poses.txt").write_text("\n".join(kitti_line(i) for i in range(2)))
    paths = [save(tmp_path / f"IMG_{i}.png", picture()) for i in (7101, 7102)]
    frames = opened(*paths, tmp_path / "poses.txt")
    assert np.allclose(frames[1].pose[:3, 3], [0, 1, 0])


def test_track_alone(tmp_path, opened):
    (tmp_path / "poses.txt").write_text("\n".join(kitti_line(i) for i in range(40)))
    frames = opened(tmp_path / "poses.txt")
    assert len(frames) == 40
    assert frames[39].index == 39


def test_tum_trajectory(tmp_path, opened):
    turn = np.sin(np.pi / 4), np.cos(np.pi / 4)
    (tmp_path / "groundtruth.txt").write_text(
        "# t tx ty tz qx qy qz qw\n"
        f"100.0 1 2 3 0 0 0 1\n100.5 2 2 3 0 {turn[0]} 0 {turn[1]}\n101.0 9 9 9 0 0 0 1\n"
    )
    paths = [save(tmp_path / f"view_{t:.3f}.png", picture()) for t in (100.01, 100.49)]
    frames = opened(*paths, tmp_path / "groundtruth.txt")
    assert np.allclose(frames[1].pose[:3, 3], [1, 0, 0])
    # Turned by 90 degrees about the axis that points down: to the right.
    assert np.allclose(frames[1].pose[:3, 2], [1, 0, 0], atol=1e-6)
    alone = opened(tmp_path / "groundtruth.txt")
    assert [frame.time for frame in alone] == pytest.approx([0, 0.5, 1.0])


@pytest.mark.parametrize("form", ["matrix", "c2w", "w2c", "opensfm", "list"])
def test_poses_json(tmp_path, opened, form):
    pose = np.eye(4)
    pose[:3, :3] = cv2.Rodrigues(np.array([0.0, 0.3, 0.0]))[0]
    pose[:3, 3] = [1.0, 0.0, 2.0]
    inverse = np.linalg.inv(pose)

    def entry(matrix):
        if form == "matrix":
            return matrix.tolist()
        if form == "c2w":
            return {"camera_to_world": matrix.tolist()}
        if form == "w2c":
            return {"w2c": np.linalg.inv(matrix).tolist()}
        back = np.linalg.inv(matrix)
        return {
            "rotation": cv2.Rodrigues(back[:3, :3])[0].reshape(-1).tolist(),
            "translation": back[:3, 3].tolist(),
        }

    if form == "list":
        data = [np.eye(4).tolist(), pose.tolist()]
    else:
        data = {"a.png": entry(np.eye(4)), "b.png": entry(pose)}
        data = {"shots": data} if form == "opensfm" else data
    paths = [save(tmp_path / f"{name}.png", picture()) for name in "ab"]
    frames = opened(*paths, write_json(tmp_path / "poses.json", data))
    relative = np.linalg.inv(frames[0].pose) @ frames[1].pose
    assert np.allclose(relative, pose, atol=1e-6)
    assert frames[0].metric is (form != "opensfm")
    assert np.allclose(inverse @ pose, np.eye(4))


def test_homography_is_kept(tmp_path, opened):
    (tmp_path / "H1to2.txt").write_text("0.76 -0.3 225\n0.33 1.01 -77\n3e-4 -1e-5 1\n")
    paths = [save(tmp_path / f"{i}.png", picture()) for i in (1, 2)]
    frames = opened(*paths, tmp_path / "H1to2.txt")
    assert frames.info["homographies"]["H1to2.txt"][0][2] == 225
    assert frames[0].intrinsics is None


# --- stereo


def test_left_right_and_calibration(tmp_path, opened):
    left = save(tmp_path / "left.png", picture())
    right = save(tmp_path / "right.png", picture(seed=2))
    calib = write_json(
        tmp_path / "calib.json", {**INTRINSICS, "baseline_mm": 193.0, "doffs_px": 3.0}
    )
    for order in itertools.permutations([left, right, calib]):
        frames = opened(*order)
        by_name = {frame.name: frame for frame in frames}
        assert by_name["left.png"].stereo == {
            "right": by_name["right.png"].position,
            "baseline_m": pytest.approx(0.193),
            "doffs_px": 3.0,
        }
        assert by_name["right.png"].stereo is None
        assert by_name["right.png"].intrinsics[0, 2] == pytest.approx(34.0)
        relative = np.linalg.inv(by_name["left.png"].pose) @ by_name["right.png"].pose
        assert np.allclose(relative[:3, 3], [0.193, 0, 0])
        assert frames.kind == "stereo"


@pytest.mark.parametrize("baseline", [0.193001, 193.001])
def test_calibration_in_lines_of_text(tmp_path, opened, baseline):
    (tmp_path / "calib.txt").write_text(
        f"# stereo rig\nfx = 50\nfy: 50\ncx = 31.0\ncy = 24\nbaseline = {baseline}\n"
    )
    paths = [save(tmp_path / f"{side}.png", picture(seed=len(side))) for side in ("left", "right")]
    frames = opened(*paths, tmp_path / "calib.txt")
    assert frames[0].stereo["baseline_m"] == pytest.approx(0.193001)
    assert frames[0].intrinsics[0, 0] == 50


def test_ros_camera_info(tmp_path, opened):
    (tmp_path / "ost.yaml").write_text(
        "image_width: 64\nimage_height: 48\ncamera_name: narrow\n"
        "camera_matrix:\n  rows: 3\n  cols: 3\n  data: [50.0, 0.0, 31.0, 0, 52.0, 24.0, 0, 0, 1]\n"
        "distortion_model: plumb_bob\n"
        "distortion_coefficients:\n  rows: 1\n  cols: 5\n  data: [0.01, 0.0, 0, 0, 0]\n"
    )
    frames = opened(save(tmp_path / "a.png", picture()), tmp_path / "ost.yaml")
    assert frames[0].intrinsics.tolist() == [[50, 0, 31], [0, 52, 24], [0, 0, 1]]
    assert any("lens distortion removed" in note for note in frames.media.notes)


def test_pair_without_names_is_left_and_right_as_given(tmp_path, opened):
    paths = [
        save(tmp_path / f"{name}.png", picture(seed=ord(name[0]))) for name in ("zwei", "eins")
    ]
    frames = opened(*paths, write_json(tmp_path / "c.json", {**INTRINSICS, "baseline_m": 0.5}))
    assert [frame.name for frame in frames] == ["zwei.png", "eins.png"]
    assert frames[0].stereo["right"] == 1
    assert any("zwei.png is taken as left" in note for note in frames.media.notes)


def textured(shift, tilt=0, size=(300, 200)):
    rng = np.random.default_rng(5)
    wide = cv2.GaussianBlur(rng.integers(0, 255, (size[1] + 40, size[0] + 80), np.uint8), (0, 0), 2)
    wide = cv2.normalize(wide, None, 0, 255, cv2.NORM_MINMAX)
    grey = wide[20 + tilt : 20 + tilt + size[1], 40 + shift : 40 + shift + size[0]]
    return np.repeat(grey[..., None], 3, axis=2)


def test_uncalibrated_pair_needs_evidence(tmp_path, opened):
    left = save(tmp_path / "left.png", textured(0))
    right = save(tmp_path / "right.png", textured(12))
    frames = opened(left, right)
    assert frames[0].stereo == {"right": 1, "baseline_m": None, "doffs_px": 0.0}
    assert frames[0].pose is None
    assert any("lie on one row" in note for note in frames.media.notes)
    tilted = save(tmp_path / "t" / "right.png", textured(12, tilt=9))
    assert opened(left, tilted)[0].stereo is None
    swapped = save(tmp_path / "s" / "right.png", textured(-12))
    assert opened(left, swapped)[0].stereo is None


WIDE = {"fx": 250.0, "fy": 250.0, "cx": 149.5, "cy": 99.5}


@pytest.mark.parametrize(
    ("names", "pictures", "says"),
    [
        (("left", "right"), (textured(0), textured(0)), "are the same picture"),
        (("left0", "left1"), (textured(0), textured(0)), "are the same picture"),
        (("left", "right"), (textured(0), textured(-12)), "the two pictures are swapped"),
        (("left", "right"), (textured(0), textured(0) // 2 + 20), "taken from one place"),
    ],
)
def test_a_calibrated_pair_that_is_none_is_told(tmp_path, opened, names, pictures, says):
    paths = [save(tmp_path / f"{n}.png", p) for n, p in zip(names, pictures, strict=True)]
    with pytest.raises(MediaError, match=says):
        opened(*paths, write_json(tmp_path / "calib.json", {**WIDE, "baseline_m": 0.5}))


def test_a_calibrated_pair_that_may_be_none_is_doubted(tmp_path, opened):
    calib = write_json(tmp_path / "calib.json", {**WIDE, "baseline_m": 0.5})
    left = save(tmp_path / "left.png", textured(0))
    frames = opened(left, save(tmp_path / "right.png", textured(12)), calib)
    assert frames[0].stereo["baseline_m"] == 0.5
    assert not any("not to be trusted" in note for note in frames.media.notes)
    tilted = save(tmp_path / "t" / "right.png", textured(12, tilt=9))
    assert any("not to be trusted" in note for note in opened(left, tilted, calib).media.notes)
    two = [save(tmp_path / f"left{i}.png", textured(5 * i)) for i in (0, 1)]
    frames = opened(*two, calib)
    assert frames[0].stereo is None
    assert any("both named left" in note for note in frames.media.notes)


def test_left_alone_uses_the_camera_only(tmp_path, opened):
    left = save(tmp_path / "left.png", picture())
    frames = opened(left, write_json(tmp_path / "c.json", {**INTRINSICS, "baseline_m": 0.5}))
    assert frames[0].stereo is None
    assert frames[0].intrinsics[0, 0] == 50


def test_middlebury_folder(tmp_path, opened):
    folder = tmp_path / "Bicycle"
    save(folder / "im0.png", picture())
    save(folder / "im1.png", picture(seed=3))
    disparity = np.full((48, 64), 10.0, np.float32)
    disparity[0] = np.inf
    for name in ("disp0.pfm", "disp1.pfm"):
        (folder / name).write_bytes(
            b"Pf\n64 48\n-1\n" + np.flipud(disparity).astype("<f4").tobytes()
        )
    (folder / "calib.txt").write_text(
        "cam0=[50 0 31; 0 50 24; 0 0 1]\ncam1=[50 0 35.5; 0 50 24; 0 0 1]\ndoffs=4.5\n"
        "baseline=200.0\nwidth=64\nheight=48\nndisp=60\n"
    )
    frames = opened(folder)
    assert frames[0].stereo == {"right": 1, "baseline_m": 0.2, "doffs_px": 4.5}
    assert frames[1].intrinsics[0, 2] == 35.5
    assert frames[0].depth[30, 30] == pytest.approx(50 * 0.2 / 14.5)
    assert np.isnan(frames[0].depth[0, 0])
    assert frames[1].depth is None


def test_opencv_stereo_yaml_is_rectified(tmp_path, opened):
    # The right camera is turned by 3 degrees; after rectifying, rows agree again.
    matrix = np.array([[300.0, 0, 150], [0, 300, 100], [0, 0, 1]])
    turn = cv2.Rodrigues(np.array([0.0, 0.02, 0.05]))[0]
    image = textured(0)
    homography = matrix @ turn @ np.linalg.inv(matrix)
    right = cv2.warpPerspective(image, homography, (300, 200))
    storage = cv2.FileStorage(str(tmp_path / "stereo.yml"), cv2.FILE_STORAGE_WRITE)
    for name, value in (
        ("M1", matrix),
        ("D1", np.zeros((1, 5))),
        ("M2", matrix),
        ("D2", np.zeros((1, 5))),
        ("R", turn),
        ("T", turn @ np.array([[-0.12], [0.0], [0.0]])),
    ):
        storage.write(name, value)
    storage.release()
    frames = opened(
        save(tmp_path / "left.png", image),
        save(tmp_path / "right.png", np.ascontiguousarray(right)),
        tmp_path / "stereo.yml",
    )
    assert frames[0].stereo["baseline_m"] == pytest.approx(0.12)
    assert any("taken as metres" in note for note in frames.media.notes)
    grey = [cv2.cvtColor(frame.image, cv2.COLOR_RGB2GRAY) for frame in frames]
    offset, _ = cv2.phaseCorrelate(
        grey[0][40:160, 40:260].astype(np.float64), grey[1][40:160, 40:260].astype(np.float64)
    )
    assert abs(offset[1]) < 0.5


def test_opencv_rectified_projections(tmp_path, opened):
    storage = cv2.FileStorage(str(tmp_path / "calib.yml"), cv2.FILE_STORAGE_WRITE)
    projection = np.array([[50.0, 0, 31, 0], [0, 50, 24, 0], [0, 0, 1, 0]])
    storage.write("P1", projection)
    projection[0, 3] = -50 * 0.25
    storage.write("P2", projection)
    storage.release()
    paths = [save(tmp_path / f"{side}.png", picture(seed=len(side))) for side in ("left", "right")]
    frames = opened(*paths, tmp_path / "calib.yml")
    assert frames[0].stereo["baseline_m"] == pytest.approx(0.25)


def test_kitti_projections_with_named_folders(tmp_path, opened):
    root = tmp_path / "drive"
    for side in ("image_0", "image_1"):
        for i in range(3):
            save(root / side / f"{i:06}.png", (picture()[..., 0] // (1 + int(side[-1]))))
    p1 = f"{-50 * 0.54}"
    (root / "calib.txt").write_text(
        f"P0: 50 0 31 0 0 50 24 0 0 0 1 0\nP1: 50 0 31 {p1} 0 50 24 0 0 0 1 0\n"
    )
    (root / "poses.txt").write_text("\n".join(kitti_line(i) for i in range(3)))
    frames = opened(root)
    assert [frame.stereo["right"] for frame in list(frames)[:3]] == [3, 4, 5]
    assert frames[0].stereo["baseline_m"] == pytest.approx(0.54)
    assert np.allclose(frames[2].pose[:3, 3], [0, 2, 0])
    assert np.allclose(frames[5].pose[:3, 3], [0.54, 2, 0])


def test_raw_kitti_calibration(tmp_path, opened):
    (tmp_path / "calib_cam_to_cam.txt").write_text(
        "calib_time: 09-Jan-2012 13:57:47\nK_02: 9 0 1 0 9 1 0 0 1\n"
        "P_rect_02: 50 0 31 0 0 50 24 0 0 0 1 0\nP_rect_03: 50 0 31 -25 0 50 24 0 0 0 1 0\n"
    )
    paths = [save(tmp_path / f"image_0{i}" / "000000_10.png", picture(seed=i)) for i in (2, 3)]
    frames = opened(*paths, tmp_path / "calib_cam_to_cam.txt")
    assert frames[0].stereo["baseline_m"] == pytest.approx(0.5)


def test_bare_projection_lines(tmp_path, opened):
    (tmp_path / "calib.txt").write_text(
        "50 0 31 0 0 50 24 0 0 0 1 0\n50 0 31 -25 0 50 24 0 0 0 1 0\n"
    )
    paths = [
        save(tmp_path / side / "000000.png", picture(seed=len(side))) for side in ("left", "right")
    ]
    frames = opened(*paths, tmp_path / "calib.txt")
    assert frames[0].stereo["baseline_m"] == pytest.approx(0.5)
    assert [frame.name for frame in frames] == ["left/000000.png", "right/000000.png"]


# --- LiDAR


def test_lidar_in_the_camera(tmp_path, opened):
    image = save(tmp_path / "image_2_000007.png", picture(64, 48))
    points = np.array(
        [[10, 0, 0, 0.3], [20, 0, 0, 0.1], [10, 2, 1, 0.5], [-5, 0, 0, 0], [10, 90, 0, 0]], "<f4"
    )
    points.tofile(tmp_path / "velodyne_000007.bin")
    (tmp_path / "calib_000007.txt").write_text(
        "P0: 50 0 31 0 0 50 24 0 0 0 1 0\nP2: 50 0 31 0 0 50 24 0 0 0 1 0\n"
        "R0_rect: 1 0 0 0 1 0 0 0 1\nTr_velo_to_cam: 0 -1 0 0 0 0 -1 0 1 0 0 -0.5\n"
    )
    frames = opened(image, tmp_path / "velodyne_000007.bin", tmp_path / "calib_000007.txt")
    (frame,) = frames
    assert frame.depth_source == "lidar"
    assert frame.depth[24, 31] == pytest.approx(9.5)
    assert frame.depth[round(24 - 50 / 9.5), round(31 - 100 / 9.5)] == pytest.approx(9.5)
    assert np.isfinite(frame.depth).sum() == 2
    with pytest.raises(MediaError, match="needs its calibration"):
        load([image, tmp_path / "velodyne_000007.bin"], workdir=tmp_path / "other")


# --- folders and mixtures


def test_folder_in_natural_order_and_thinned(tmp_path, opened):
    for i in range(1, 13):
        save(tmp_path / "set" / f"view {i}.jpg", picture(seed=i))
    (tmp_path / "set" / ".DS_Store").write_text("x")
    (tmp_path / "set" / "README.md").write_text("x")
    assert [f.name for f in opened(tmp_path / "set")] == [f"view {i}.jpg" for i in range(1, 13)]
    few = opened(tmp_path / "set", frames=3)
    assert [frame.name for frame in few] == ["view 1.jpg", "view 7.jpg", "view 12.jpg"]
    assert any("3 of 12 views" in note for note in few.media.notes)


def test_a_mixture_keeps_its_order(tmp_path):
    from media_samples import save_video

    save(tmp_path / "set" / "a.jpg", picture())
    clip = save_video(tmp_path / "clip.mp4", 5)
    one, two = (save(tmp_path / f"{name}.png", picture()) for name in ("one", "two"))
    media = load([tmp_path / "set", one, clip, two], workdir=tmp_path / "run", frames=2)
    assert [(s.kind, len(s)) for s in media.sequences] == [
        ("images", 1),
        ("images", 2),
        ("video", 2),
    ]
    assert [entry["kind"] for entry in media.inputs] == ["folder", "colour", "video", "colour"]
    assert all(len(entry["sha256"]) == 64 and entry["bytes"] > 0 for entry in media.inputs)


def test_pattern_that_no_shell_expanded(tmp_path, opened):
    for i in (10, 9):
        save(tmp_path / f"view {i}.png", picture())
    assert [frame.name for frame in opened(tmp_path / "view *.png")] == [
        "view 9.png",
        "view 10.png",
    ]
    with pytest.raises(MediaError, match="nothing has such a name"):
        opened(tmp_path / "*.jpg")


def test_pictures_named_by_their_time(tmp_path, opened):
    names = ("view_0_1341847980.722988", "view_1_1341847984.106759")
    frames = opened(*(save(tmp_path / f"{name}.png", picture()) for name in names))
    assert [frame.time for frame in frames] == pytest.approx([0, 3.383771])


def test_the_same_picture_twice_is_one(tmp_path, opened):
    path = save(tmp_path / "a.png", picture())
    assert len(opened(path, path)) == 1
