"""COLMAP's text models: ``cameras.txt``, ``images.txt``, ``points3D.txt``; scale unknown.

Poses are world-to-camera; the principal point counts from the corner of the first pixel, here from
its centre: half a pixel less. (colmap.github.io/format.html, colmap.github.io/cameras.html)
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from spatialclaw.errors import MediaError
from spatialclaw.media.files import natural_key, read_text
from spatialclaw.media.images import picture_size, read_picture
from spatialclaw.media.loose_poses import finish_world
from spatialclaw.media.model import Camera, DepthMap, SequencePlan, Shot
from spatialclaw.media.poses import from_quaternion, inverse

__all__ = ["find_colmap", "read_colmap"]

_FOLDERS = (".", "sparse/0", "sparse", "colmap/sparse/0", "colmap", "dense/sparse", "model")
_PICTURE_FOLDERS = (
    "images",
    "../images",
    "../../images",
    ".",
    "..",
    "../..",
    "input",
    "dense/images",
)
#: Parameters of each model: positions of fx, fy, cx, cy and the coefficients in OpenCV's order.
_MODELS: dict[str, tuple[tuple[int, int, int, int], tuple[int, ...], bool]] = {
    "SIMPLE_PINHOLE": ((0, 0, 1, 2), (), False),
    "PINHOLE": ((0, 1, 2, 3), (), False),
    "SIMPLE_RADIAL": ((0, 0, 1, 2), (3,), False),
    "RADIAL": ((0, 0, 1, 2), (3, 4), False),
    "OPENCV": ((0, 1, 2, 3), (4, 5, 6, 7), False),
    "FULL_OPENCV": ((0, 1, 2, 3), (4, 5, 6, 7, 8, 9, 10, 11), False),
    "OPENCV_FISHEYE": ((0, 1, 2, 3), (4, 5, 6, 7), True),
    "SIMPLE_RADIAL_FISHEYE": ((0, 0, 1, 2), (3,), True),
    "RADIAL_FISHEYE": ((0, 0, 1, 2), (3, 4), True),
}


def find_colmap(folder: Path) -> Path | None:
    """The folder of the text model under a folder, or None.

    Raises:
        MediaError: There is only a binary model.
    """
    for name in _FOLDERS:
        model = folder / name
        if (model / "cameras.txt").is_file() and (model / "images.txt").is_file():
            return model
    for name in _FOLDERS:
        if (folder / name / "cameras.bin").is_file() and (folder / name / "images.bin").is_file():
            raise MediaError(
                f"{folder / name}: a binary COLMAP model",
                hint="Convert it: colmap model_converter --input_path . --output_path . "
                "--output_type TXT",
            )
    return None


def read_colmap(folder: Path, model: Path) -> SequencePlan:
    """The capture that a COLMAP text model describes.

    Args:
        folder: The folder given.
        model: Folder of the text files.

    Raises:
        MediaError: It is malformed, or its pictures are missing.
    """
    cameras = _cameras(model / "cameras.txt")
    points = _points(model / "points3D.txt")
    plan = SequencePlan(folder.resolve().name, "multiview")
    plan.files = [(model / "cameras.txt", "colmap"), (model / "images.txt", "colmap")]
    for number, (name, camera_id, pose, seen) in enumerate(_images(model / "images.txt")):
        if camera_id not in cameras:
            raise MediaError(f"images.txt: {name} has the unknown camera {camera_id}")
        path = _picture(folder, model, name)
        plan.files.append((path, "colour"))
        camera = cameras[camera_id]
        shot = Shot(
            path.name,
            partial(read_picture, path),
            number,
            camera=camera,
            pose=pose,
            pose_source="colmap",
            metric=False,
        )
        known = np.array([points[i] for i in seen if i in points]).reshape(-1, 3)
        if len(known) and not camera.distorted:
            shot.depth = partial(_sparse_depth, path, camera, inverse(pose), known)
            shot.depth_source, shot.depth_name = "colmap points", "points3D.txt"
        plan.shots.append(shot)
    plan.notes.append("COLMAP: the scale is unknown, so distances are ratios and not metres")
    finish_world(plan)
    return plan


def _lines(path: Path) -> list[str]:
    return [line for line in read_text(path).splitlines() if not line.startswith("#")]


def _cameras(path: Path) -> dict[int, Camera]:
    cameras = {}
    for line in _lines(path):
        parts = line.split()
        if not parts:
            continue
        try:
            number, model = int(parts[0]), parts[1]
            width, height = int(parts[2]), int(parts[3])
            values = [float(part) for part in parts[4:]]
            (fx, fy, cx, cy), extra, fisheye = _MODELS[model]
            camera = Camera(
                values[fx],
                values[fy],
                values[cx] - 0.5,
                values[cy] - 0.5,
                width,
                height,
                source="colmap",
                origin="cameras.txt",
            )
            coefficients = [values[i] for i in extra]
        except KeyError as error:
            raise MediaError(
                f"cameras.txt: the camera model {parts[1]} is not read",
                hint="Undistort first: colmap image_undistorter gives PINHOLE cameras.",
            ) from error
        except (IndexError, ValueError) as error:
            raise MediaError(f"cameras.txt: malformed line: {line[:80]}") from error
        if coefficients:
            size = 4 if len(coefficients) <= 4 else 8
            padded = coefficients + [0.0] * (size - len(coefficients))
            camera = replace(camera, distortion=tuple(padded), fisheye=fisheye)
        cameras[number] = camera
    if not cameras:
        raise MediaError(f"{path}: lists no camera")
    return cameras


def _images(path: Path) -> list[tuple[str, int, npt.NDArray[np.float64], list[int]]]:
    """(name, camera, camera-to-world, ids of the points seen) by name in natural order."""
    lines = _lines(path)
    found = []
    at = 0
    while at < len(lines):
        parts = lines[at].split(maxsplit=9)
        if not parts:
            at += 1
            continue
        seen = lines[at + 1].split() if at + 1 < len(lines) else []
        try:
            w, x, y, z, *shift = (float(part) for part in parts[1:8])
            name = parts[9].strip()
            points = [int(part) for part in seen[2::3] if part != "-1"]
            camera = int(parts[8])
        except (IndexError, ValueError) as error:
            raise MediaError(f"images.txt: malformed line: {lines[at][:80]}") from error
        pose = inverse(from_quaternion((x, y, z, w), shift, f"images.txt, {name}"))
        found.append((name, camera, pose, points))
        at += 2
    if not found:
        raise MediaError(f"{path}: lists no image")
    return sorted(found, key=lambda entry: natural_key(entry[0]))


def _points(path: Path) -> dict[int, tuple[float, float, float]]:
    if not path.is_file() or path.stat().st_size == 0:
        return {}
    points = {}
    for line in _lines(path):
        parts = line.split(maxsplit=4)
        if not parts:
            continue
        try:
            points[int(parts[0])] = (float(parts[1]), float(parts[2]), float(parts[3]))
        except (IndexError, ValueError) as error:
            raise MediaError(f"points3D.txt: malformed line: {line[:80]}") from error
    return points


def _picture(folder: Path, model: Path, name: str) -> Path:
    for base in (folder, model):
        for place in _PICTURE_FOLDERS:
            path = base / place / name
            if path.is_file():
                return path
    raise MediaError(
        f"images.txt: names {name}, which is not in {folder / 'images'}",
        hint='Put the pictures into a folder "images" beside the model.',
    )


def _sparse_depth(
    path: Path,
    camera: Camera,
    world_to_camera: npt.NDArray[np.float64],
    points: npt.NDArray[np.float64],
) -> DepthMap:
    """Depth at the reconstructed points seen in a picture, in the reconstruction's scale."""
    width, height = picture_size(path)
    own, _ = camera.for_picture(width, height, path.name)
    local = points @ world_to_camera[:3, :3].T + world_to_camera[:3, 3]
    local = local[np.isfinite(local).all(axis=1) & (local[:, 2] > 1e-9)]
    depth = np.full((height, width), np.nan, dtype=np.float32)
    x = np.rint(own.fx * local[:, 0] / local[:, 2] + own.cx)
    y = np.rint(own.fy * local[:, 1] / local[:, 2] + own.cy)
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    depth[y[inside].astype(int), x[inside].astype(int)] = local[inside, 2]
    return DepthMap(
        depth, (f"{path.name}: depth only at {int(inside.sum())} reconstructed points",)
    )
