"""People, surfaces and things in real pictures."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from spatialclaw.primitives.errors import NothingFound
from spatialclaw.primitives.frames import Frames
from spatialclaw.primitives.people import people
from spatialclaw.primitives.segment import segment

pytestmark = pytest.mark.shared_data


def _rgbd(shared_data, read, colour, depth, scale, k):
    raw = cv2.imread(str(shared_data / depth), -1).astype(np.float32) / scale
    return Frames.from_arrays([read(colour)], depths=[raw], intrinsics=[k])[0]


def test_the_pedestrian_of_a_street(read):
    found = people(read("rgbd/kitti_object/image_2_000000.png"))
    assert len(found) == 1
    x0, y0, x1, y1 = found[0].box
    assert 700 < x0 < x1 < 825
    assert y0 < 165
    assert y1 > 290


def test_a_street_without_people_has_none(read):
    with pytest.raises(NothingFound):
        people(read("rgbd/kitti_object/image_2_000002.png"))


def test_the_floor_of_a_basement(shared_data, read):
    k = [[518.86, 0, 325.58], [0, 519.47, 253.74], [0, 0, 1]]
    folder = "rgbd/nyu_basement"
    frame = _rgbd(
        shared_data, read, f"{folder}/rgb_00000.jpg", f"{folder}/depth_00000.png", 1000, k
    )
    floor = segment(frame, "the floor")[0]
    normal, offset = floor.extra["normal"], floor.extra["offset"]
    y, x = 108, 255  # top of the wardrobe: 1.6 m above the floor
    z = float(np.nanmedian(frame.depth[y - 2 : y + 3, x - 2 : x + 3]))
    point = np.linalg.inv(frame.intrinsics) @ [x, y, 1.0] * z
    assert float(normal @ point + offset) == pytest.approx(1.6, abs=0.12)
    assert floor.mask[430, 300]
    assert not floor.mask[150, 280]


def test_a_chair_grows_from_a_point(shared_data, read):
    k = [[535.4, 0, 320.1], [0, 539.2, 247.6], [0, 0, 1]]
    folder = "rgbd/tum_office"
    frame = _rgbd(shared_data, read, f"{folder}/color.png", f"{folder}/depth.png", 5000, k)
    chair = segment(frame, points=(85, 340))[0]
    assert chair.method == "depth"
    assert chair.mask[320, 60]
    assert not chair.mask[460, 300]  # the floor
    assert not chair.mask[100, 300]  # the partition
    assert 8_000 < chair.area_px < 40_000


def test_coloured_things(shared_data, read):
    frame = read("rgbd/tum_office/color.png")
    dice = segment(frame, "yellow die")
    assert any(abs(m.center[0] - 148) < 25 and abs(m.center[1] - 222) < 25 for m in dice)
    assert all(m.score < 0.6 for m in dice)
    assert "not checked" in dice.note


def lidar_depth(shared_data, shape):
    """Depth of the scan's points in the picture, as a loader of such captures makes it."""
    folder = shared_data / "rgbd/kitti_object"
    rows = {}
    for line in (folder / "calib_000000.txt").read_text().splitlines():
        name, _, values = line.partition(":")
        if values:
            rows[name] = np.array(values.split(), dtype=float)
    scan = np.fromfile(folder / "velodyne_000000.bin", dtype=np.float32).reshape(-1, 4)[:, :3]
    rectify = rows["R0_rect"].reshape(3, 3)
    camera = (scan @ rows["Tr_velo_to_cam"].reshape(3, 4)[:, :3].T) + (
        rows["Tr_velo_to_cam"].reshape(3, 4)[:, 3]
    )
    points = camera @ rectify.T
    points = points[points[:, 2] > 1]
    k = rows["P2"].reshape(3, 4)[:, :3]
    pixels = points @ k.T
    x, y = (pixels[:, :2] / pixels[:, 2:]).round().astype(int).T
    inside = (x >= 0) & (x < shape[1]) & (y >= 0) & (y < shape[0])
    depth = np.zeros(shape, dtype=np.float32)
    order = np.argsort(-points[inside, 2])
    depth[y[inside][order], x[inside][order]] = points[inside, 2][order]
    return depth, k


def test_how_far_and_how_tall_the_pedestrian_is(shared_data, read):
    image = read("rgbd/kitti_object/image_2_000000.png")
    depth, k = lidar_depth(shared_data, image.shape[:2])
    frame = Frames.from_arrays([image], depths=[depth], intrinsics=[k])[0]
    found = people(frame)
    assert len(found) == 1
    seen = found[0].mask & np.isfinite(frame.depth)
    x = np.nonzero(seen)[1]
    z = frame.depth[seen]
    place = np.array([np.median((x - k[0, 2]) / k[0, 0] * z), np.median(z)])
    assert float(np.hypot(*place)) == pytest.approx(8.6, abs=0.4)
    height = (found[0].box[3] - found[0].box[1]) * float(np.median(z)) / k[1, 1]
    print(f"pedestrian at {np.hypot(*place):.2f} m, box {height:.2f} m tall (true 8.62 and 1.89)")
    assert height == pytest.approx(1.89, abs=0.25)
