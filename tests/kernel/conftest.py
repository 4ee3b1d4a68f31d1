from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from spatialclaw.kernel import Kernel, KernelOptions
from spatialclaw.primitives.frames import MANIFEST_VERSION


@pytest.fixture
async def kernel() -> AsyncIterator[Kernel]:
    async with await Kernel.start(KernelOptions()) as kernel:
        yield kernel


@pytest.fixture
async def transactional() -> AsyncIterator[Kernel]:
    async with await Kernel.start(KernelOptions(transactional=True)) as kernel:
        yield kernel


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Two frames of a video, 40 x 24, grey 10 and 200."""
    frames, blob = [], b""
    for index, level in enumerate((10, 200)):
        image = np.full((24, 40, 3), level, np.uint8)
        frames.append(
            {
                "index": index,
                "width": 40,
                "height": 24,
                "time": index * 0.5,
                "image_offset": len(blob),
                "name": f"frame {index}",
            }
        )
        blob += image.tobytes()
        blob += b"\0" * (-len(blob) % 64)
    path = tmp_path / "frames.json"
    content = {
        "version": MANIFEST_VERSION,
        "sequences": [{"name": "clip", "kind": "video", "frames": frames}],
    }
    path.write_text(json.dumps(content), encoding="utf-8")
    path.with_name("frames.bin").write_bytes(blob)
    return path
