"""Markers, chessboards and calibration on real pictures."""

from __future__ import annotations

import numpy as np
import pytest

from spatialclaw.primitives.errors import NothingFound
from spatialclaw.primitives.markers import calibrate, chessboard, markers

pytestmark = pytest.mark.shared_data


def test_ids_and_dictionary_of_a_sheet(read):
    found = markers(read("images/aruco_sheet.jpg"))
    assert sorted(m.extra["marker_id"] for m in found) == [24, 42, 66, 70, 87]
    assert {m.extra["dictionary"] for m in found} == {"DICT_5X5_100"}
    assert max(found, key=lambda m: m.area_px).id == 66


def test_april_tags_are_where_the_truth_says(shared_data, read):
    found = markers(read("images/apriltag_swarmathon.jpg"))
    assert {m.extra["dictionary"] for m in found} == {"DICT_APRILTAG_36h11"}
    assert {m.id for m in found} == {0}
    assert 10 <= len(found) <= 16


@pytest.mark.parametrize("number", ["02", "03", "06", "08", "11", "12"])
def test_the_size_of_a_chessboard_is_found(read, number):
    board = chessboard(read(f"images/calibration/chessboard_{number}.jpg"))
    assert (board.extra["columns"], board.extra["rows"]) == (9, 6)
    assert board.points.shape == (54, 2)


def test_calibration_from_chessboards(read):
    names = [f"images/calibration/chessboard_{n}.jpg" for n in ("02", "03", "06", "08", "11", "12")]
    found = calibrate([read(name) for name in names])
    print(found)
    assert found.error_px < 1.2
    assert found.intrinsics[0, 0] == pytest.approx(found.intrinsics[1, 1], rel=0.02)
    assert 1000 < found.intrinsics[0, 0] < 1350
    assert np.abs(found.intrinsics[:2, 2] - [640, 360]).max() < 80


@pytest.mark.parametrize(
    "name",
    ["images/moge_01_HouseIndoor.jpg", "images/sam_cars.jpg", "images/qwen_office.jpg",
     "images/warehouse_3.jpg"],
)  # fmt: skip
def test_windows_and_shelves_are_no_markers(read, name):
    with pytest.raises(NothingFound):
        markers(read(name))
