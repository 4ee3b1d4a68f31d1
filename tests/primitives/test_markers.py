"""Markers and chessboards drawn here are found, of any dictionary and size."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from synthetic import texture

from spatialclaw.primitives.errors import NothingFound
from spatialclaw.primitives.frames import Frames
from spatialclaw.primitives.markers import calibrate, chessboard, markers

K = np.array([[500.0, 0, 319.5], [0, 500.0, 239.5], [0, 0, 1]])


def sheet(dictionary: str, numbers: list[int]) -> np.ndarray:
    image = np.full((480, 640), 225, dtype=np.uint8)
    code = cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, dictionary))
    for place, number in enumerate(numbers):
        x, y = 40 + 200 * (place % 3), 60 + 200 * (place // 3)
        image[y : y + 140, x : x + 140] = cv2.aruco.generateImageMarker(code, number, 140)
    return cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)


def board(columns: int, rows: int, square: int = 30) -> np.ndarray:
    image = np.full((480, 640), 235, dtype=np.uint8)
    for i in range(rows + 1):
        for j in range(columns + 1):
            if (i + j) % 2 == 0:
                y, x = 40 + i * square, 60 + j * square
                image[y : y + square, x : x + square] = 25
    return cv2.cvtColor(cv2.GaussianBlur(image, (3, 3), 0), cv2.COLOR_GRAY2RGB)


@pytest.mark.parametrize(
    ("dictionary", "numbers"),
    [
        ("DICT_4X4_50", [3, 17, 41]),
        ("DICT_5X5_100", [7, 60, 99]),
        ("DICT_6X6_250", [0, 101, 249]),
        ("DICT_7X7_1000", [5, 500, 999]),
        ("DICT_APRILTAG_36h11", [0, 20, 300]),
        ("DICT_APRILTAG_16h5", [1, 2, 9]),
        ("DICT_ARUCO_ORIGINAL", [26, 500]),
    ],
)
def test_the_dictionary_need_not_be_known(dictionary, numbers):
    found = markers(sheet(dictionary, numbers))
    assert sorted(m.extra["marker_id"] for m in found) == numbers
    assert {m.extra["dictionary"] for m in found} == {dictionary}
    assert all(m.points.shape == (4, 2) for m in found)


def test_an_empty_wall_has_none():
    with pytest.raises(NothingFound, match="no marker"):
        markers(texture(480, 640))


def test_a_known_side_gives_the_distance():
    image = sheet("DICT_6X6_250", [12])
    frames = Frames.from_arrays([image], intrinsics=[K])
    tag = markers(frames[0], size_m=0.28)[0]
    assert tag.extra["distance_m"] == pytest.approx(500 * 0.28 / 140, rel=0.15)
    assert tag.extra["pose"][2, 3] == pytest.approx(1.0, rel=0.03)


def test_without_intrinsics_there_is_no_pose_and_a_reason():
    tag = markers(sheet("DICT_6X6_250", [12]), size_m=0.1)[0]
    assert tag.extra["pose"] is None
    assert "intrinsics" in tag.extra["why_no_pose"]


@pytest.mark.parametrize(("columns", "rows"), [(9, 6), (7, 7), (5, 4), (10, 5), (4, 3)])
def test_the_size_of_a_chessboard_need_not_be_known(columns, rows):
    found = chessboard(board(columns, rows))
    assert (found.extra["columns"], found.extra["rows"]) == (columns, rows)
    assert np.abs(found.points[0] - [89.5, 69.5]).max() < 1.0


def test_a_chessboard_seen_aslant_is_one_too():
    image = board(8, 5)
    corners = np.array([[0, 0], [639, 0], [639, 479], [0, 479]], dtype=np.float32)
    aslant = np.array([[60, 40], [560, 90], [600, 420], [20, 460]], dtype=np.float32)
    warp = cv2.getPerspectiveTransform(corners, aslant)
    image = cv2.warpPerspective(image, warp, (640, 480), borderValue=(235, 235, 235))
    found = chessboard(image)
    assert (found.extra["columns"], found.extra["rows"]) == (8, 5)


def test_calibration_finds_the_camera_that_took_the_pictures():
    pictures = []
    flat = board(8, 6, 36)
    generator = np.random.default_rng(4)
    for _ in range(6):
        turn = cv2.Rodrigues(generator.uniform(-0.45, 0.45, 3))[0]
        plane = np.c_[turn[:, :2], [generator.uniform(-0.05, 0.05), 0.0, 1.15]]
        place = np.array([[1 / 500, 0, -0.64], [0, 1 / 500, -0.48], [0, 0, 1]])
        warp = K @ plane @ place
        pictures.append(cv2.warpPerspective(flat, warp, (640, 480), borderValue=(235, 235, 235)))
    found = calibrate(pictures)
    assert len(found.frames) >= 4
    assert found.intrinsics[0, 0] == pytest.approx(500, rel=0.04)
    assert found.error_px < 0.5


def test_two_pictures_are_too_few_to_calibrate():
    with pytest.raises(NothingFound, match="three are needed"):
        calibrate([board(8, 6), board(8, 6)])


def test_a_mistyped_kind_is_named():
    with pytest.raises(ValueError, match="no such dictionary"):
        markers(texture(), "DICT_9X9_9")
    with pytest.raises(ValueError, match="barcode"):
        markers(texture(), "barcode")


def test_the_kind_of_marker_can_be_named() -> None:
    dictionary = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_4X4_50)
    code = cv2.aruco.generateImageMarker(dictionary, 7, 200)
    code = cv2.copyMakeBorder(code, 100, 100, 100, 100, cv2.BORDER_CONSTANT, value=255)
    picture = np.repeat(code[..., None], 3, axis=2)
    assert [m.extra["marker_id"] for m in markers(picture, "aruco")] == [7]
    with pytest.raises(NothingFound):
        markers(picture, "apriltag")
