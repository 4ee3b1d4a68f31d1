"""Random damage to any file of an input gives frames or one line, never anything else."""

from __future__ import annotations

import json
import random
import shutil

import cv2
import numpy as np
import pytest
from media_samples import picture, save, save_depth, save_video

from spatialclaw.errors import MediaError
from spatialclaw.media import load

TOKENS = ["nan", "inf", "-1", "0", "x", "", "1e309", "9" * 20, "-0.5", "1 2 3", "é", "#", "[", "]"]
POSE = "1 0 0 {x}\n0 1 0 0\n0 0 1 0\n0 0 0 1\n"


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text if isinstance(text, str) else json.dumps(text))


def make_nerfstudio(root):
    frames = []
    for i in range(2):
        save(root / f"{i}.jpg", picture(seed=i))
        save_depth(root / f"depth_{i}.png", np.full((48, 64), 2.0))
        matrix = [[1, 0, 0, i], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]]
        frames.append(
            {
                "file_path": f"{i}.jpg",
                "depth_file_path": f"depth_{i}.png",
                "transform_matrix": matrix,
            }
        )
    camera = {"fl_x": 50, "fl_y": 50, "cx": 32, "cy": 24, "w": 64, "h": 48, "k1": 0.01}
    objects = [{"name": "chair", "id": 1}]
    write(root / "transforms.json", {**camera, "objects": objects, "frames": frames})


def make_tum(root):
    for i in range(3):
        save(root / "rgb" / f"{i}.5.png", picture(640, 480))
        save_depth(root / "depth" / f"{i}.5.png", np.full((480, 640), 2.0), 5000)
    write(root / "rgb.txt", "\n".join(f"{i}.5 rgb/{i}.5.png" for i in range(3)))
    write(root / "depth.txt", "\n".join(f"{i}.5 depth/{i}.5.png" for i in range(3)))
    write(root / "groundtruth.txt", "\n".join(f"{i}.5 {i} 0 1 0 0 0 1" for i in range(3)))


def make_colmap(root):
    for name in ("a.jpg", "b.jpg"):
        save(root / "images" / name, picture())
    write(root / "cameras.txt", "1 OPENCV 64 48 50 52 32 24 0.1 0 0 0\n")
    write(root / "images.txt", "1 1 0 0 0 0 0 0 1 a.jpg\n9 9 7\n2 1 0 0 0 -1 0 0 1 b.jpg\n9 9 7\n")
    write(root / "points3D.txt", "7 0 0 4 255 0 0 0.5 1 0 2 0\n")


def make_redwood(root):
    for i in range(2):
        save(root / "color" / f"{i}.jpg", picture())
        save_depth(root / "depth" / f"{i}.png", np.full((48, 64), 2.0))
    write(root / "camera.json", {"intrinsic_matrix": [50, 0, 0, 0, 50, 0, 31, 24, 1]})
    write(root / "way.log", "".join(f"{i} {i} {i + 1}\n" + POSE.format(x=i) for i in range(2)))


def make_stereo(root):
    for side in ("left", "right"):
        save(root / f"{side}.png", picture(seed=len(side)))
    storage = cv2.FileStorage(str(root / "stereo.yml"), cv2.FILE_STORAGE_WRITE)
    matrix = np.array([[50.0, 0, 31], [0, 50, 24], [0, 0, 1]])
    for name, value in (("M1", matrix), ("M2", matrix), ("R", np.eye(3))):
        storage.write(name, value)
    storage.write("T", np.array([[-0.1], [0], [0]]))
    storage.release()


def make_middlebury(root):
    for i in range(2):
        save(root / f"im{i}.png", picture(seed=i))
    cameras = "cam0=[50 0 31; 0 50 24; 0 0 1]\ncam1=[50 0 35; 0 50 24; 0 0 1]\n"
    write(root / "calib.txt", cameras + "doffs=4\nbaseline=200\nwidth=64\nheight=48\n")


def make_kitti(root):
    save(root / "image_2" / "000001.png", picture())
    (root / "velodyne").mkdir()
    np.array([[3.0, 0, 0, 0]], "<f4").tofile(root / "velodyne" / "000001.bin")
    rest = "R0_rect: 1 0 0 0 1 0 0 0 1\nTr_velo_to_cam: 0 -1 0 0 0 0 -1 0 1 0 0 0\n"
    write(root / "calib" / "000001.txt", "P2: 50 0 31 0 0 50 24 0 0 0 1 0\n" + rest)
    write(root / "poses.txt", "1 0 0 0 0 1 0 0 0 0 1 0\n" * 3)


def make_scenes(root):
    for i in range(2):
        save(root / f"frame-00000{i}.color.jpg", picture())
        save_depth(root / f"frame-00000{i}.depth.png", np.full((48, 64), 2.0))
        write(root / f"frame-00000{i}.pose.txt", POSE.format(x=i))
    write(root / "camera-intrinsics.txt", "50 0 31\n0 50 24\n0 0 1\n")


def make_videos(root):
    root.mkdir()
    for suffix in ("mp4", "mkv", "ts"):
        save_video(root / f"a.{suffix}", 24)


MAKERS = {name.removeprefix("make_"): make for name, make in globals().items() if "make_" in name}


@pytest.mark.parametrize("form", sorted(MAKERS))
def test_damage(tmp_path, form):
    whole = tmp_path / "whole"
    MAKERS[form](whole)
    assert load(whole, workdir=tmp_path / "run").describe()
    rng = random.Random(form)
    messages = []
    for attempt in range(25):
        root = tmp_path / f"{attempt}"
        shutil.copytree(whole, root)
        victim = rng.choice(sorted(path for path in root.rglob("*") if path.is_file()))
        if victim.suffix in (".txt", ".log", ".json", ".yml") and rng.random() < 0.8:
            words = victim.read_text().split(" ")
            for _ in range(rng.randint(1, 3)):
                words[rng.randrange(len(words))] = rng.choice(TOKENS)
            victim.write_text(" ".join(words))
        else:
            data = bytearray(victim.read_bytes())
            at = rng.randrange(len(data))
            if rng.random() < 0.4:
                data = data[:at]
            else:
                data[at : at + 200] = rng.randbytes(min(200, len(data) - at))
            victim.write_bytes(bytes(data))
        try:
            media = load(root, workdir=tmp_path / "run", frames=4)
        except MediaError as error:
            messages.append(str(error))
        else:
            assert media.describe()
        shutil.rmtree(root)
    assert all("\n" not in message and len(message) < 500 for message in messages)
