"""Every form of capture comes out in the conventions of the run."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from media_samples import picture, save, save_depth

from spatialclaw.errors import MediaError
from spatialclaw.media import load

# OpenGL camera-to-world of a level camera at (1, 2, 1.5) in a z-up world that looks along +y.
LOOKING_NORTH = [[1, 0, 0, 1.0], [0, 0, -1, 2.0], [0, 1, 0, 1.5], [0, 0, 0, 1]]
# The same, one metre further east, turned by 90 degrees to the left: it looks along -x.
LOOKING_WEST = [[0, 0, 1, 2.0], [1, 0, 0, 2.0], [0, 1, 0, 1.5], [0, 0, 0, 1]]


def write(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(data if isinstance(data, str) else json.dumps(data))
    return path


@pytest.fixture
def nerfstudio(tmp_path):
    root = tmp_path / "my room"
    frames = []
    for i, matrix in enumerate((LOOKING_NORTH, LOOKING_WEST), 1):
        save(root / "images" / f"{i}.jpg", picture(seed=i))
        save_depth(root / "depth" / f"{i}.png", np.full((48, 64), 1.0 + i))
        instances = np.zeros((48, 64), np.uint8)
        instances[10:20, 10:30] = 3
        save(root / "instances" / f"{i}.png", instances)
        frames.append(
            {
                "file_path": f"images/{i}.jpg",
                "depth_file_path": f"depth/{i}.png",
                "instance_file_path": f"instances/{i}.png",
                "transform_matrix": matrix,
            }
        )
    data = {
        "camera_model": "OPENCV",
        "fl_x": 50.0,
        "fl_y": 51.0,
        "cx": 32.0,
        "cy": 24.0,
        "w": 64,
        "h": 48,
        "objects": [{"name": "office chair", "id": 3}, {"name": "table", "id": 4}],
        "frames": frames,
    }
    return root, data


def test_nerfstudio(nerfstudio, opened):
    root, data = nerfstudio
    write(root / "transforms.json", data)
    frames = opened(root)
    first, second = frames
    assert frames.kind == "rgbd"
    assert frames.info["gravity"] == "capture"
    # The centre of the picture is at (31.5, 23.5) when the first pixel's centre is at (0, 0).
    assert first.intrinsics.tolist() == [[50, 0, 31.5], [0, 51, 23.5], [0, 0, 1]]
    assert np.allclose(first.pose[:3, 3], 0)
    assert np.allclose(first.pose[:3, 2], [0, 1, 0])
    assert np.allclose(first.pose[:3, 1], [0, 0, -1])
    assert np.allclose(second.pose[:3, 3], [1, 0, 0])
    assert np.allclose(second.pose[:3, 2], [-1, 0, 0])
    assert first.depth[3, 3] == pytest.approx(2.0)
    assert second.depth[3, 3] == pytest.approx(3.0)
    assert [(thing.name, thing.id) for thing in frames.objects] == [
        ("office chair", 3),
        ("table", 4),
    ]
    assert np.count_nonzero(first.instances == 3) == 200
    assert first.metric


def test_transforms_file_itself(nerfstudio, opened):
    root, data = nerfstudio
    frames = opened(write(root / "transforms.json", data))
    assert len(frames) == 2
    assert frames[0].depth is not None


def test_nerfstudio_depth_unit(nerfstudio, opened):
    root, data = nerfstudio
    write(root / "transforms.json", {**data, "depth_unit_scale_factor": 0.0001})
    assert opened(root)[0].depth[3, 3] == pytest.approx(0.2)


def test_nerfstudio_cameras_of_their_own_and_field_of_view(nerfstudio, opened):
    root, data = nerfstudio
    for key in ("fl_x", "fl_y", "cx", "cy", "w", "h"):
        del data[key]
    data["camera_angle_x"] = 2 * np.arctan(0.5)
    data["frames"][1].update({"fl_x": 99.0, "cx": 30.5, "cy": 20.5})
    write(root / "transforms.json", data)
    first, second = opened(root)
    assert first.intrinsics[0, 0] == pytest.approx(64)
    assert first.intrinsics[0, 2] == pytest.approx(31.5)
    assert second.intrinsics[0].tolist() == [99, 0, 30]


def test_nerfstudio_distortion_is_removed(nerfstudio, opened):
    root, data = nerfstudio
    # A straight edge seen through a lens with barrel distortion is bent; it comes out straight.
    straight = np.zeros((240, 320, 3), np.uint8)
    straight[:, 40:] = 255
    camera = np.array([[200.0, 0, 159.5], [0, 200, 119.5], [0, 0, 1]])
    k = np.array([-0.25, 0.05, 0.0, 0.0])
    grid = np.stack(np.meshgrid(np.arange(320.0), np.arange(240.0)), axis=-1).reshape(-1, 1, 2)
    where = cv2.undistortPoints(grid, camera, k, P=camera).reshape(240, 320, 2).astype(np.float32)
    bent = cv2.remap(straight, where[..., 0], where[..., 1], cv2.INTER_LINEAR)
    save(root / "images" / "1.png", bent)
    data.update({"fl_x": 200, "fl_y": 200, "cx": 160, "cy": 120, "w": 320, "h": 240})
    data.update({"k1": -0.25, "k2": 0.05})
    data["frames"] = [{"file_path": "images/1.png", "transform_matrix": LOOKING_NORTH}]
    data["objects"] = []
    write(root / "transforms.json", data)
    frames = opened(root)
    edges = [int(np.argmax(row > 127)) for row in frames[0].image[20:220:20, 5:, 0]]
    assert max(edges) - min(edges) <= 1
    assert edges[0] == pytest.approx(35, abs=1)
    assert any("lens distortion removed" in note for note in frames.media.notes)


def test_nerfstudio_without_depth_has_no_scale(nerfstudio, opened):
    root, data = nerfstudio
    for frame in data["frames"]:
        del frame["depth_file_path"]
    write(root / "transforms.json", data)
    frames = opened(root)
    assert not frames[0].metric
    assert any("scale is unknown" in note for note in frames.media.notes)
    write(root / "transforms.json", {**data, "metric": True})
    assert opened(root)[0].metric


def test_nerfstudio_masks_of_objects(nerfstudio, opened):
    root, data = nerfstudio
    mask = np.zeros((48, 64), np.uint8)
    mask[:5, :5] = 255
    save(root / "masks" / "lamp.png", mask)
    for frame in data["frames"]:
        del frame["instance_file_path"]
    data["objects"] = [
        {"name": "lamp", "mask_path": ["masks/lamp.png", None]},
        {"name": "rug", "mask_path": {"images/2.jpg": "masks/lamp.png"}},
    ]
    write(root / "transforms.json", data)
    frames = opened(root)
    assert [thing.id for thing in frames.objects] == [1, 2]
    assert np.count_nonzero(frames[0].instances == 1) == 25
    assert np.count_nonzero(frames[1].instances == 2) == 25


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"frames": []}, 'has no "frames"'),
        ({"frames": [{"transform_matrix": LOOKING_NORTH}]}, "frame 0 has no file_path"),
        ({"frames": [{"file_path": "gone.jpg"}]}, "names gone.jpg, which is not in"),
        (
            {"frames": [{"file_path": "images/1.jpg", "depth_file_path": "gone.png"}]},
            "names gone.png",
        ),
        (
            {"frames": [{"file_path": "images/1.jpg", "transform_matrix": [[1, 2], [3, 4]]}]},
            "a pose is 3x4 or 4x4 numbers",
        ),
        ({"w": 48, "h": 64}, "the intrinsics are for 48x64, 1.jpg is 64x48"),
        ({"depth_unit_scale_factor": 0}, "it is above 0"),
        ({"objects": [{"name": "x", "id": 0}]}, "Ids are whole numbers from 1"),
        (
            {"objects": [{"name": "x", "id": 3}, {"name": "y", "id": 3}]},
            "two objects have the id 3",
        ),
        ({"objects": [{"id": 3}]}, "object 1 has no name"),
    ],
)
def test_nerfstudio_mistakes(nerfstudio, tmp_path, change, expected):
    root, data = nerfstudio
    write(root / "transforms.json", {**data, **change})
    with pytest.raises(MediaError) as caught:
        load(root, workdir=tmp_path / "run")
    assert expected in str(caught.value)


def test_depth_that_does_not_fit_its_picture(nerfstudio, tmp_path):
    root, data = nerfstudio
    save_depth(root / "depth" / "2.png", np.ones((48, 48)))
    write(root / "transforms.json", data)
    with pytest.raises(MediaError, match=r"2\.png is 48x48 and 2\.jpg is 64x48"):
        load(root, workdir=tmp_path / "run")


def test_nerfstudio_thinned(nerfstudio, opened):
    root, data = nerfstudio
    data["frames"] = [data["frames"][0]] * 9 + [data["frames"][1]]
    write(root / "transforms.json", data)
    frames = opened(root, frames=4)
    assert [frame.position for frame in frames] == [0, 1, 2, 3]
    assert [frame.index for frame in frames] == [0, 3, 6, 9]
    assert np.allclose(frames.info["trajectory"], [[0, 0, 0]] * 9 + [[1, 0, 0]])


# --- TUM RGB-D


@pytest.fixture
def tum(tmp_path):
    root = tmp_path / "rgbd_dataset_freiburg3_desk"
    rgb, depth, truth = ["# color images"], ["# depth"], ["# timestamp tx ty tz qx qy qz qw"]
    half = np.sqrt(0.5)
    for i in range(4):
        time = 1000.0 + i / 30
        save(root / "rgb" / f"{time:.6f}.png", picture(640, 480, i))
        rgb.append(f"{time:.6f} rgb/{time:.6f}.png")
        if i != 2:
            save_depth(root / "depth" / f"{time + 0.01:.6f}.png", np.full((480, 640), 2.0), 5000)
            depth.append(f"{time + 0.01:.6f} depth/{time + 0.01:.6f}.png")
        # A level camera that looks along y of a z-up world: x is right, down is -z.
        truth.append(f"{time + 0.002:.4f} {i} 0 1.3 {-half} 0 0 {half}")
    write(root / "rgb.txt", "\n".join(rgb))
    write(root / "depth.txt", "\n".join(depth))
    write(root / "groundtruth.txt", "\n".join(truth))
    return root


def test_tum(tum, opened):
    frames = opened(tum)
    assert [frame.depth is None for frame in frames] == [False, False, True, False]
    assert frames[0].depth[9, 9] == pytest.approx(2.0)
    assert frames[0].intrinsics[0, 0] == 535.4
    assert frames[3].time == pytest.approx(0.1)
    assert np.allclose(frames[3].pose[:3, 3], [3, 0, 0])
    assert np.allclose(frames[0].pose[:3, 2], [0, 1, 0], atol=1e-6)
    assert frames.info["gravity"] == "capture"
    assert any("published ones of freiburg3" in note for note in frames.media.notes)
    assert any("have no depth map within" in note for note in frames.media.notes)


def test_tum_with_intrinsics_of_its_own(tum, opened):
    write(tum / "intrinsics.json", {"fx": 500, "fy": 500, "cx": 320, "cy": 240})
    assert opened(tum)[0].intrinsics[0, 0] == 500


def test_tum_unknown_recorder(tum, opened):
    frames = opened(tum.rename(tum.parent / "desk"))
    assert frames[0].intrinsics[0, 0] == 525
    assert frames[0].focal_sigma == 10


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("rgb.txt", "hello world\n", "line 1 is not a time"),
        ("rgb.txt", "# nothing\n", "lists no file"),
        ("rgb.txt", "1.0 rgb/gone.png\n", "names rgb/gone.png"),
        ("groundtruth.txt", "1 2 3\n", "8 numbers on every line"),
    ],
)
def test_tum_mistakes(tum, tmp_path, name, text, expected):
    (tum / name).write_text(text)
    with pytest.raises(MediaError, match=expected):
        load(tum, workdir=tmp_path / "run")


# --- COLMAP


@pytest.fixture
def colmap(tmp_path):
    root = tmp_path / "scene"
    for name in ("b 2.jpg", "a.jpg"):
        save(root / "images" / name, picture())
    model = root / "sparse" / "0"
    write(model / "cameras.txt", "# Camera list\n1 PINHOLE 64 48 50 52 32 24\n")
    # World-to-camera; the second camera is 2 to the right of the first.
    write(
        model / "images.txt",
        "# Image list\n1 1 0 0 0 -2 0 0 1 b 2.jpg\n10 10 7 20 20 -1\n"
        "2 1 0 0 0 0 0 0 1 a.jpg\n31 23 7\n",
    )
    write(model / "points3D.txt", "7 0 0 4 255 0 0 0.5 1 0 2 0\n")
    return root


def test_colmap(colmap, opened):
    frames = opened(colmap)
    assert [frame.name for frame in frames] == ["a.jpg", "b 2.jpg"]
    assert frames[0].intrinsics.tolist() == [[50, 0, 31.5], [0, 52, 23.5], [0, 0, 1]]
    assert np.allclose(frames[1].pose[:3, 3], [2, 0, 0])
    assert not frames[0].metric
    assert np.isfinite(frames[0].depth).sum() == 1
    assert np.nanmax(frames[0].depth) == pytest.approx(4.0)
    assert any("scale is unknown" in note for note in frames.media.notes)


@pytest.mark.parametrize(
    ("line", "fx"),
    [
        ("1 SIMPLE_PINHOLE 64 48 50 32 24", 50),
        ("1 SIMPLE_RADIAL 64 48 50 32 24 0.01", 50),
        ("1 RADIAL 64 48 50 32 24 0.01 0.001", 50),
        ("1 OPENCV 64 48 50 52 32 24 0.01 0 0 0", 50),
        ("1 OPENCV_FISHEYE 64 48 50 52 32 24 0.01 0 0 0", 50),
        ("1 FULL_OPENCV 64 48 50 52 32 24 0.01 0 0 0 0 0 0 0", 50),
        ("1 PINHOLE 128 96 100 104 64 48", 50),
    ],
)
def test_colmap_cameras(colmap, opened, line, fx):
    write(colmap / "sparse" / "0" / "cameras.txt", line + "\n")
    frames = opened(colmap)
    assert frames[0].intrinsics[0, 0] == pytest.approx(fx)
    if "0.01" in line:
        assert any("lens distortion removed" in note for note in frames.media.notes)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("cameras.txt", "1 FOV 64 48 50 32 24 0.1\n", "camera model FOV is not read"),
        ("cameras.txt", "1 PINHOLE 64\n", "malformed line"),
        ("cameras.txt", "# none\n", "lists no camera"),
        ("images.txt", "1 1 0 0 0 0 0 0 9 a.jpg\n\n", "unknown camera 9"),
        ("images.txt", "1 1 0 0 0 0 0 0 1 gone.jpg\n\n", "names gone.jpg"),
        ("images.txt", "1 0 0 0 0 0 0 0 1 a.jpg\n\n", "no rotation"),
        ("images.txt", "what\n", "malformed line"),
        ("points3D.txt", "1 2\n", "malformed line"),
    ],
)
def test_colmap_mistakes(colmap, tmp_path, name, text, expected):
    (colmap / "sparse" / "0" / name).write_text(text)
    with pytest.raises(MediaError, match=expected):
        load(colmap, workdir=tmp_path / "run")


def test_binary_colmap_model_says_how_to_convert(colmap, tmp_path):
    model = colmap / "sparse" / "0"
    for name in ("cameras", "images"):
        (model / f"{name}.txt").rename(model / f"{name}.bin")
    with pytest.raises(MediaError, match="model_converter"):
        load(colmap, workdir=tmp_path / "run")


# --- Open3D / Redwood


@pytest.fixture
def redwood(tmp_path):
    root = tmp_path / "redwood"
    for i in range(3):
        save(root / "color" / f"{i:05}.jpg", picture(seed=i))
        save_depth(root / "depth" / f"{i:05}.png", np.full((48, 64), 1.0 + i))
    write(
        root / "camera_primesense.json",
        {"width": 64, "height": 48, "intrinsic_matrix": [50, 0, 0, 0, 52, 0, 31, 24, 1]},
    )
    return root


def test_redwood(redwood, opened):
    poses = ""
    for i in range(3):
        poses += f"{i} {i} {i + 1}\n1 0 0 {i}\n0 1 0 0\n0 0 1 0\n0 0 0 1\n"
    write(redwood / "trajectory.log", poses)
    frames = opened(redwood)
    assert [frame.depth[0, 0] for frame in frames] == pytest.approx([1, 2, 3])
    assert frames[0].intrinsics.tolist() == [[50, 0, 31], [0, 52, 24], [0, 0, 1]]
    assert np.allclose(frames[2].pose[:3, 3], [2, 0, 0])


def test_open3d_trajectory(redwood, opened):
    def extrinsic(x):  # world-to-camera, column by column
        return [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, -x, 0, 0, 1]

    write(
        redwood / "trajectory.json",
        {
            "class_name": "PinholeCameraTrajectory",
            "parameters": [{"extrinsic": extrinsic(i)} for i in range(3)],
        },
    )
    frames = opened(redwood)
    assert np.allclose(frames[2].pose[:3, 3], [2, 0, 0])


def test_redwood_without_pairs(redwood, tmp_path):
    for path in (redwood / "depth").iterdir():
        path.rename(path.with_name("x" + path.stem.replace("0", "9") + ".png"))
    (redwood / "color" / "00000.jpg").unlink()
    with pytest.raises(MediaError, match="2 colour pictures and 3 depth maps do not pair up"):
        load(redwood, workdir=tmp_path / "run")


# --- 7-Scenes and KITTI folders


def test_seven_scenes_folder(tmp_path, opened):
    root = tmp_path / "seq-01"
    for i in (0, 25, 100):
        save(root / f"frame-{i:06}.color.png", picture())
        depth = np.full((48, 64), 1500, np.uint16)
        depth[0] = 65535
        save(root / f"frame-{i:06}.depth.png", depth)
        pose = np.eye(4)
        pose[0, 3] = i / 100
        write(root / f"frame-{i:06}.pose.txt", "\n".join(" ".join(map(str, r)) for r in pose))
    write(root / "camera-intrinsics.txt", "50 0 32\n0 50 24\n0 0 1\n")
    frames = opened(root)
    assert [frame.index for frame in frames] == [0, 25, 100]
    assert np.isnan(frames[0].depth[0]).all()
    assert frames[0].depth[5, 5] == pytest.approx(1.5)
    assert np.allclose(frames[2].pose[:3, 3], [1, 0, 0])
    assert any("not registered" in note for note in frames.media.notes)


def test_kitti_object_folder(tmp_path, opened):
    root = tmp_path / "training"
    calib = (
        "P2: 50 0 31 0 0 50 24 0 0 0 1 0\nP3: 50 0 31 -25 0 50 24 0 0 0 1 0\n"
        "R0_rect: 1 0 0 0 1 0 0 0 1\nTr_velo_to_cam: 0 -1 0 0 0 0 -1 0 1 0 0 0\n"
    )
    for i in (3, 8):
        save(root / "image_2" / f"{i:06}.png", picture())
        write(root / "calib" / f"{i:06}.txt", calib)
        (root / "velodyne").mkdir(exist_ok=True)
        np.array([[float(i), 0, 0, 0]], "<f4").tofile(root / "velodyne" / f"{i:06}.bin")
        write(
            root / "label_2" / f"{i:06}.txt",
            "Car 0.00 0 -1.6 1 2 3 4 1.4 1.6 4.4 3.2 2.3 34.4 -1.6\n",
        )
    frames = opened(root)
    assert [frame.index for frame in frames] == [3, 8]
    assert [frame.depth[24, 31] for frame in frames] == [3.0, 8.0]
    assert frames[0].intrinsics[0, 0] == 50


def test_scannet_export(tmp_path, opened):
    root = tmp_path / "scene0000_00"
    for i in (0, 20, 100):
        save(root / "color" / f"{i}.jpg", picture(128, 96))
        save_depth(root / "depth" / f"{i}.png", np.full((48, 64), 1.0 + i / 10))
        row = f"1 0 0 {i}\n0 1 0 0\n0 0 1 0\n0 0 0 1\n"
        write(root / "pose" / f"{i}.txt", row if i != 20 else "-inf -inf -inf -inf\n" * 4)
    write(root / "intrinsic" / "intrinsic_color.txt", "100 0 63 0\n0 100 47 0\n0 0 1 0\n0 0 0 1\n")
    frames = opened(root)
    assert [frame.index for frame in frames] == [0, 20, 100]
    assert frames[0].intrinsics[0].tolist() == [100, 0, 63]
    assert frames[2].depth.shape == (96, 128)
    assert np.allclose(frames[2].pose[:3, 3], [100, 0, 0])
    assert frames[1].pose is None
    assert any("NaN or infinity" in note for note in frames.media.notes)
