"""Small pictures, videos and captures, made on the spot."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def picture(width: int = 64, height: int = 48, seed: int = 0) -> np.ndarray:
    """A smooth coloured picture that differs from corner to corner."""
    y, x = np.mgrid[0:height, 0:width]
    red = 255 * x / max(width - 1, 1)
    green = 255 * y / max(height - 1, 1)
    blue = np.full_like(red, (37 * seed) % 256)
    return np.stack([red, green, blue], axis=-1).round().astype(np.uint8)


def save(path: Path, array: np.ndarray, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)
    return path


def save_depth(path: Path, depth_m: np.ndarray, units: float = 1000.0) -> Path:
    return save(path, (np.nan_to_num(depth_m) * units).round().astype(np.uint16))


def save_video(
    path: Path,
    count: int = 30,
    *,
    size: tuple[int, int] = (96, 64),
    rate: int = 10,
    gop: int = 8,
    pts: list[int] | None = None,
    rotation: int | None = None,
    aspect: int | None = None,
    codec: str = "libx264",
    options: dict[str, str] | None = None,
) -> Path:
    """A video whose frame i has a grey level of 8 * i (modulo 256) and a white left edge."""
    import av

    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.codec_context.gop_size = gop
        stream.codec_context.time_base = Fraction(1, rate * 100)
        stream.time_base = Fraction(1, rate * 100)
        if codec == "libx264":
            stream.options = {"crf": "10", "preset": "ultrafast", "bf": "2"}
        else:
            stream.bit_rate = 20_000_000
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = Fraction(aspect)
        if rotation is not None:
            stream.set_display_rotation(rotation)
        for i in range(count):
            image = np.full((size[1], size[0], 3), (8 * i) % 256, np.uint8)
            image[:, : size[0] // 8] = 255
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = pts[i] if pts else i * 100
            frame.time_base = Fraction(1, rate * 100)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def level(frame: object) -> int:
    """The number of the frame that a picture of `save_video` shows (modulo 32)."""
    image = frame.image
    height, width = image.shape[:2]
    return round(float(image[height // 3 : -4, width // 2 : -4].mean()) / 8)


def peak_mb(code: str, *arguments: object) -> int:
    """Peak resident memory of a fresh interpreter that runs some code, in megabytes."""
    if not Path("/proc/self/status").exists():
        pytest.skip("peak memory is read from /proc")
    # Not getrusage: its peak is inherited from the process that starts this one.
    code += (
        "\nstatus = open('/proc/self/status').read()"
        "\nprint(int(status.split('VmHWM:')[1].split()[0]) // 1024)\n"
    )
    out = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
    )
    return int(out.stdout)
