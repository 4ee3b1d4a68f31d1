"""Which way is up, from straight lines alone."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from spatialclaw.media import load
from spatialclaw.primitives import geometry
from spatialclaw.primitives.errors import NothingFound
from spatialclaw.primitives.frames import Frames
from spatialclaw.primitives.geometry.vanishing import line_segments, up_from_lines

EXAMPLES = Path(__file__).parents[2] / "examples"
K = np.array([[300.0, 0, 159.5], [0, 300.0, 119.5], [0, 0, 1]])


def degrees(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.degrees(np.arccos(np.clip(a @ b, -1, 1))))


def cage(pitch_deg: float, roll_deg: float, yaw_deg: float) -> tuple[np.ndarray, np.ndarray]:
    """A picture of the edges of boxes, and its true up vector in camera axes."""
    x, y, z = np.radians([pitch_deg, yaw_deg, roll_deg])
    turn = cv2.Rodrigues(np.array([x, 0, 0]))[0] @ cv2.Rodrigues(np.array([0, y, 0]))[0]
    turn = cv2.Rodrigues(np.array([0, 0, z]))[0] @ turn
    picture = np.full((240, 320, 3), 230, np.uint8)
    rng = np.random.default_rng(3)
    for _ in range(14):
        low = np.array([*rng.uniform(-2.5, 2, 1), *rng.uniform(-1.5, 1, 1), *rng.uniform(3, 7, 1)])
        high = low + rng.uniform(0.5, 1.5, 3)
        grid = np.array(np.meshgrid(*zip(low, high, strict=True), indexing="ij")).reshape(3, -1).T
        seen = grid @ turn.T
        if (seen[:, 2] < 0.5).any():
            continue
        pixels = (seen @ K.T)[:, :2] / seen[:, 2:]
        for a in range(8):
            for b in range(a + 1, 8):
                if (np.abs(grid[a] - grid[b]) > 1e-9).sum() == 1:
                    ends = [tuple((p * 16).round().astype(int).tolist()) for p in pixels[[a, b]]]
                    cv2.line(picture, *ends, (20, 20, 20), 2, cv2.LINE_AA, 4)
    return picture, turn @ np.array([0.0, -1.0, 0.0])


@pytest.mark.parametrize(
    ("pitch", "roll", "yaw"), [(0, 0, 20), (15, 5, 35), (25, -8, -30), (10, 12, 0)]
)
def test_up_of_a_tilted_camera_over_boxes(pitch: float, roll: float, yaw: float) -> None:
    picture, truth = cage(pitch, roll, yaw)
    up, sigma = up_from_lines(picture, K)
    assert degrees(up, truth) < 1.5
    assert sigma < np.radians(5)


@pytest.mark.parametrize("name", ["room", "street"])
def test_rendered_places_agree_with_their_poses(name: str, tmp_path: Path) -> None:
    frames = load([EXAMPLES / name], workdir=tmp_path, frames=4).sequences[0]
    for frame in frames:
        assert frame.intrinsics is not None
        assert frame.pose is not None
        up, _ = up_from_lines(frame.image, frame.intrinsics)
        assert degrees(up, frame.pose[2, :3]) < 1.5


def test_a_large_picture_gives_segments_in_its_own_pixels() -> None:
    picture, truth = cage(15, 5, 35)
    large = cv2.resize(picture, None, fx=5, fy=5, interpolation=cv2.INTER_CUBIC)
    scaled = np.diag([5.0, 5.0, 1.0]) @ K + np.array([[0, 0, 2.0], [0, 0, 2.0], [0, 0, 0]])
    assert degrees(up_from_lines(large, scaled)[0], truth) < 1.5


def test_a_picture_without_lines_says_so() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (240, 320, 3)).astype(np.uint8)
    with pytest.raises(NothingFound):
        up_from_lines(cv2.GaussianBlur(noise, (0, 0), 9), K)
    assert line_segments(np.zeros((40, 60, 3), np.uint8)).shape == (0, 4)


def test_gravity_of_a_lone_picture_is_taken_from_its_lines() -> None:
    picture, truth = cage(15, 5, 35)
    known = geometry.gravity(Frames.from_arrays([picture], intrinsics=[K])[0])
    assert known.method == "lines"
    assert degrees(known.plain, truth) < 1.5
    guessed = geometry.gravity(Frames.from_arrays([picture])[0])
    assert "assumed" in guessed.method
    assert guessed.sigma > known.sigma
