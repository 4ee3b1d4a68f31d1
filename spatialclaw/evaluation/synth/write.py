"""Writes captures: pictures, depth, who is where, and `transforms.json`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spatialclaw.evaluation.synth.camera import Camera
from spatialclaw.evaluation.synth.render import View
from spatialclaw.evaluation.synth.scene import Thing

__all__ = ["write_capture", "write_picture", "write_stereo", "write_video"]

# Camera axes: ours x right, y down, z forward; in the file x right, y up, z backward.
_OPENGL = np.diag([1.0, -1.0, -1.0, 1.0])


def write_picture(path: Path, image: npt.NDArray[Any], quality: int = 88) -> None:
    """Writes RGB uint8 as JPEG or PNG, or a uint16 map as PNG."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(image)
    if path.suffix == ".jpg":
        picture.save(path, quality=quality, subsampling=0, optimize=True)
    else:
        picture.save(path, optimize=True)


def write_capture(
    folder: Path,
    cameras: Sequence[Camera],
    views: Sequence[View],
    things: Sequence[Thing],
) -> Path:
    """Writes a folder in the form of nerfstudio's `transforms.json`; returns that file.

    Depth is 16-bit PNG in millimetres, 0 where unknown; instance maps are 16-bit PNG with each
    object's id.
    """
    lens = cameras[0]
    frames: list[dict[str, Any]] = []
    for number, (camera, view) in enumerate(zip(cameras, views, strict=True), start=1):
        names = {
            "file_path": f"images/{number:02d}.jpg",
            "depth_file_path": f"depth/{number:02d}.png",
            "instance_file_path": f"instances/{number:02d}.png",
        }
        write_picture(folder / names["file_path"], view.image)
        millimetres = np.clip(np.round(view.depth * 1000), 0, 65535).astype(np.uint16)
        write_picture(folder / names["depth_file_path"], millimetres)
        write_picture(folder / names["instance_file_path"], view.instances)
        frame: dict[str, Any] = dict(names)
        if camera.time is not None:
            frame["timestamp"] = round(camera.time, 6)
        matrix = camera.pose @ _OPENGL
        frame["transform_matrix"] = [[round(float(v), 8) for v in row] for row in matrix]
        frames.append(frame)
    record = {
        "camera_model": "OPENCV",
        "fl_x": lens.focal,
        "fl_y": lens.focal,
        "cx": lens.width / 2,  # the file counts from the corner of the first pixel
        "cy": lens.height / 2,
        "w": lens.width,
        "h": lens.height,
        "k1": 0.0,
        "k2": 0.0,
        "p1": 0.0,
        "p2": 0.0,
        "depth_unit_scale_factor": 0.001,
        "objects": [{"name": thing.name, "id": thing.id} for thing in things],
        "frames": frames,
    }
    path = folder / "transforms.json"
    path.write_text(json.dumps(record, indent=1) + "\n")
    return path


def write_stereo(folder: Path, camera: Camera, baseline: float, left: View, right: View) -> Path:
    """Writes a rectified pair as PNG with `calib.json` in pixels and metres; returns that file."""
    write_picture(folder / "left.png", left.image)
    write_picture(folder / "right.png", right.image)
    middle = camera.intrinsics
    record = {
        "fx_px": camera.focal,
        "fy_px": camera.focal,
        "cx_px": middle[0, 2],
        "cy_px": middle[1, 2],
        "doffs_px": 0.0,
        "baseline_m": baseline,
        "width": camera.width,
        "height": camera.height,
    }
    path = folder / "calib.json"
    path.write_text(json.dumps(record, indent=1) + "\n")
    return path


def write_video(path: Path, images: Sequence[npt.NDArray[np.uint8]], fps: int) -> None:
    """Writes RGB pictures of even size as H.264."""
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = images[0].shape[:2]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        # One thread: the same bytes each time.
        stream.options = {"crf": "20", "preset": "slow", "threads": "1"}
        for image in images:
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
