"""Real pictures with ground truth, as frames."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from spatialclaw.primitives.frames import Frames

KITCHEN = [[585.0, 0, 320], [0, 585.0, 240], [0, 0, 1]]


@pytest.fixture(scope="session")
def read(shared_data: Path) -> Callable[[str], np.ndarray]:
    """A picture of the sample data as RGB."""

    def one(name: str) -> np.ndarray:
        image = cv2.imread(str(shared_data / name))
        assert image is not None, name
        return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)

    return one


@pytest.fixture(scope="session")
def load(read: Callable[[str], np.ndarray]) -> Callable[..., Frames]:
    """Pictures of the sample data as one sequence of frames."""

    def several(*names: str, **fields: Any) -> Frames:
        return Frames.from_arrays([read(name) for name in names], **fields)

    return several


@pytest.fixture(scope="session")
def video(shared_data: Path) -> Callable[[str, int], Frames]:
    """`count` frames of a video, evenly spaced, with their times."""

    def some(name: str, count: int) -> Frames:
        capture = cv2.VideoCapture(str(shared_data / "video" / name))
        total = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        rate = capture.get(cv2.CAP_PROP_FPS)
        wanted = set(np.linspace(0, total - 1, count).astype(int).tolist())
        images, times = [], []
        for number in range(total):
            good, image = capture.read()
            if not good:
                break
            if number in wanted:
                images.append(np.ascontiguousarray(image[..., ::-1]))
                times.append(number / rate)
        return Frames.from_arrays(images, times=times, kind="video")

    return some


@pytest.fixture(scope="session")
def kitchen(shared_data: Path, read: Callable[[str], np.ndarray]) -> Callable[..., Frames]:
    """Frames of the kitchen by number; with intrinsics, depth and poses as asked."""

    def some(*numbers: int, known: str = "") -> Frames:
        names = [f"rgbd/redkitchen/frame-{number:06d}" for number in numbers]
        depths = None
        if "depth" in known:
            depths = []
            for name in names:
                raw = cv2.imread(str(shared_data / f"{name}.depth.png"), -1).astype(np.float32)
                raw[raw == 65535] = 0
                depths.append(raw / 1000)
        return Frames.from_arrays(
            [read(f"{name}.color.jpg") for name in names],
            depths=depths,
            intrinsics=[KITCHEN] * len(names) if known else None,
        )

    return some


@pytest.fixture(scope="session")
def kitchen_poses(shared_data: Path) -> Callable[[int], np.ndarray]:
    """The true pose (4, 4), camera to world, of a kitchen frame."""
    folder = shared_data / "rgbd" / "redkitchen"
    return lambda number: np.loadtxt(folder / f"frame-{number:06d}.pose.txt")
