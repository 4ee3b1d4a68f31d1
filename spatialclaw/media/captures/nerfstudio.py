"""``transforms.json`` as nerfstudio, Polycam, Record3D and instant-ngp write it, with objects.

Poses are camera-to-world in OpenGL axes (x right, y up, z backward), the world has z up. The
principal point counts from the corner of the first pixel, here from its centre: half a pixel less.

Objects are optional: a list ``objects`` of names with ids, and for each frame an instance map
(``instances_path``), whose values are the ids, or masks (``mask_path`` of an object: one picture
for all frames, a list in the order of the frames, or a mapping from a frame's file to its mask).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spatialclaw.errors import MediaError
from spatialclaw.media.cameras import load_json
from spatialclaw.media.files import natural_key
from spatialclaw.media.images import read_depth, read_labels, read_picture
from spatialclaw.media.loose_poses import finish_world
from spatialclaw.media.model import Camera, SequencePlan, Shot
from spatialclaw.media.poses import FROM_OPENGL, pose_matrix
from spatialclaw.media.values import finite_number, whole_number

__all__ = ["find_nerfstudio", "read_nerfstudio"]

_NAMES = ("transforms.json", "transforms_train.json")
_PICTURES = ("", ".png", ".jpg", ".jpeg", ".JPG", ".PNG", ".webp")
_DEPTH = ("depth_file_path", "depth_path")
_INSTANCES = (
    "instances_path",
    "instances_file_path",
    "instance_file_path",
    "instance_path",
    "instance_map_path",
    "instance_map",
    "instances",
)
#: Metres per stored unit, where the file does not say: nerfstudio's default, millimetres.
_DEPTH_UNIT = 0.001
#: Mean angle between the cameras' up and world z beyond which the world's z is doubted, degrees.
_DOUBTFUL_UP_DEG = 60.0


def find_nerfstudio(folder: Path) -> Path | None:
    """The transforms file of a folder, or None."""
    return next((folder / name for name in _NAMES if (folder / name).is_file()), None)


def read_nerfstudio(path: Path) -> SequencePlan:
    """The capture that a transforms file describes.

    Args:
        path: The file; paths in it are relative to its folder.

    Raises:
        MediaError: It is malformed, or names files that are missing.
    """
    data = load_json(path)
    frames = data.get("frames") if isinstance(data, Mapping) else None
    if not isinstance(frames, list) or not frames:
        raise MediaError(f'{path}: has no "frames"', hint="Is it a transforms.json of nerfstudio?")
    folder = path.parent
    plan = SequencePlan(folder.resolve().name, "multiview", files=[(path, "transforms")])
    objects = _objects(data, path.name)
    plan.objects = [(name, number) for name, number, _ in objects]
    entries = [_checked(entry, i, path.name) for i, entry in enumerate(frames)]
    if all(entry.get("time") is None for entry in entries):
        entries.sort(key=lambda entry: natural_key(str(entry["file_path"])))
    unit = finite_number(data, ("depth_unit_scale_factor",), path.name)
    unit = _DEPTH_UNIT if unit is None else unit
    if not unit > 0:
        raise MediaError(f"{path.name}: depth_unit_scale_factor is {unit:g}; it is above 0")
    for position, entry in enumerate(entries):
        plan.shots.append(_shot(plan, data, entry, position, folder, path.name, objects, unit))
    deep = any(shot.depth for shot in plan.shots)
    metric = data.get("metric")
    for shot in plan.shots:
        shot.metric = bool(metric) if metric is not None else deep
    if metric is None and not deep:
        plan.notes.append(
            f"{path.name}: has no depth and does not say that it is metric, so the scale is unknown"
        )
    plan.kind = "rgbd" if deep else "multiview"
    _note_up(plan)
    finish_world(plan, z_up=True)
    return plan


def _checked(entry: Any, position: int, name: str) -> Mapping[str, Any]:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("file_path"), str):
        raise MediaError(f"{name}: frame {position} has no file_path")
    return entry


def _shot(
    plan: SequencePlan,
    data: Mapping[str, Any],
    entry: Mapping[str, Any],
    position: int,
    folder: Path,
    origin: str,
    objects: Sequence[tuple[str, int, Any]],
    unit: float,
) -> Shot:
    picture = _existing(folder, str(entry["file_path"]), _PICTURES, origin)
    plan.files.append((picture, "colour"))
    time = entry.get("time", entry.get("timestamp"))
    shot = Shot(
        picture.name,
        partial(read_picture, picture),
        position,
        float(time) if isinstance(time, int | float) and math.isfinite(time) else None,
        camera=_camera({**data, **entry}, picture, origin),
    )
    if "transform_matrix" in entry:
        pose = pose_matrix(entry["transform_matrix"], f"{origin}, {picture.name}")
        shot.pose, shot.pose_source = pose @ FROM_OPENGL, origin
    depth_name = next((entry[key] for key in _DEPTH if isinstance(entry.get(key), str)), None)
    if depth_name is not None:
        depth = _existing(folder, depth_name, ("", ".png", ".npy"), origin)
        plan.files.append((depth, "depth"))
        per_metre = (
            1.0 if depth.suffix == ".npy" and "depth_unit_scale_factor" not in data else 1 / unit
        )
        shot.depth = partial(read_depth, depth, per_metre)
        shot.depth_source, shot.depth_name = "rgbd", depth.name
    shot.instances = _instances(entry, position, folder, origin, objects, plan)
    return shot


def _existing(folder: Path, name: str, suffixes: Sequence[str], origin: str) -> Path:
    plain = name.removeprefix("./").replace("\\", "/")
    for base in (folder / plain, folder / "images" / Path(plain).name):
        for suffix in suffixes:
            candidate = base.with_name(base.name + suffix)
            if candidate.is_file():
                return candidate
    raise MediaError(
        f"{origin}: names {name}, which is not in {folder}",
        hint="Paths in it are relative to its own folder.",
    )


def _camera(values: Mapping[str, Any], picture: Path, origin: str) -> Camera | None:
    def number(*names: str) -> float | None:
        return finite_number(values, names, origin)

    width, height = (
        whole_number(values, ("w", "width"), origin),
        whole_number(values, ("h", "height"), origin),
    )
    fx = number("fl_x", "fx")
    angle = number("camera_angle_x")
    if fx is None and angle is not None:
        if width is None or height is None:
            from spatialclaw.media.images import picture_size

            width, height = picture_size(picture)
        if not 0 < angle < math.pi:
            raise MediaError(f"{origin}: camera_angle_x is {angle:g}; it is in radians")
        fx = 0.5 * width / math.tan(0.5 * angle)
    if fx is None:
        return None
    fy = number("fl_y", "fy") or fx
    cx, cy = number("cx"), number("cy")
    if cx is None or cy is None:
        if width is None or height is None:
            raise MediaError(f"{origin}: has fl_x and neither cx, cy nor w, h")
        cx, cy = width / 2 if cx is None else cx, height / 2 if cy is None else cy
    camera = Camera(
        fx,
        fy,
        cx - 0.5,
        cy - 0.5,
        width,
        height,
        origin=origin,
    )
    k = [number(name) or 0.0 for name in ("k1", "k2", "p1", "p2", "k3", "k4")]
    if "FISHEYE" in str(values.get("camera_model", "")).upper():
        return replace(camera, distortion=(k[0], k[1], k[4], k[5]), fisheye=True)
    return replace(camera, distortion=tuple(k[:5]))


def _objects(data: Mapping[str, Any], origin: str) -> list[tuple[str, int, Any]]:
    """(name, id, mask path or None) of the named objects."""
    listed = data.get("objects") or []
    if isinstance(listed, Mapping):
        listed = [
            {"name": name, **value} if isinstance(value, Mapping) else {"name": name, "id": value}
            for name, value in listed.items()
        ]
    found: list[tuple[str, int, Any]] = []
    if not isinstance(listed, list):
        raise MediaError(f'{origin}: "objects" is a list of names with ids')
    for i, thing in enumerate(listed, 1):
        if not isinstance(thing, Mapping) or not str(thing.get("name", "")).strip():
            raise MediaError(f"{origin}: object {i} has no name")
        number = thing.get("id", thing.get("instance_id", thing.get("instance")))
        masks = thing.get("mask_path", thing.get("masks", thing.get("mask_paths")))
        if number is None and masks is not None:
            number = i
        if isinstance(number, bool) or not isinstance(number, int) or not 0 < number < 65536:
            raise MediaError(
                f"{origin}: object {thing['name']!r} has the id {number!r}",
                hint="Ids are whole numbers from 1 to 65535.",
            )
        if any(number == other for _, other, _ in found):
            raise MediaError(f"{origin}: two objects have the id {number}")
        found.append((str(thing["name"]), number, masks))
    return found


def _instances(
    entry: Mapping[str, Any],
    position: int,
    folder: Path,
    origin: str,
    objects: Sequence[tuple[str, int, Any]],
    plan: SequencePlan,
) -> Any:
    name = next((entry[key] for key in _INSTANCES if isinstance(entry.get(key), str)), None)
    if name is not None:
        path = _existing(folder, name, ("", ".png"), origin)
        plan.files.append((path, "instances"))
        return partial(read_labels, path)
    masks: list[tuple[int, Path]] = []
    for _, number, where in objects:
        own: Any = where
        if isinstance(where, list):
            own = where[position] if position < len(where) else None
        elif isinstance(where, Mapping):
            file_path = str(entry["file_path"])
            own = where.get(file_path, where.get(Path(file_path).name, where.get(str(position))))
        if isinstance(own, str):
            path = _existing(folder, own, ("", ".png"), origin)
            plan.files.append((path, "mask"))
            masks.append((number, path))
    return partial(_from_masks, masks) if masks else None


def _from_masks(masks: Sequence[tuple[int, Path]]) -> npt.NDArray[np.uint16]:
    """One instance map of several masks; where they overlap the later one counts."""
    result: npt.NDArray[np.uint16] | None = None
    for number, path in masks:
        mask = read_labels(path)
        if result is None:
            result = np.zeros_like(mask)
        if mask.shape != result.shape:
            raise MediaError(
                f"{path.name} is {mask.shape[1]}x{mask.shape[0]}, other masks of the frame are "
                f"{result.shape[1]}x{result.shape[0]}"
            )
        result[mask > 0] = number
    assert result is not None
    return result


def _note_up(plan: SequencePlan) -> None:
    ups = [-shot.pose[:3, 1] for shot in plan.shots if shot.pose is not None]
    if not ups:
        return
    mean = np.mean(ups, axis=0)
    angle = math.degrees(
        math.acos(np.clip(mean[2] / max(float(np.linalg.norm(mean)), 1e-9), -1, 1))
    )
    if angle > _DOUBTFUL_UP_DEG:
        plan.notes.append(
            f"the cameras' mean up is {angle:.0f} degrees off world z: the capture's world may not "
            "have z up as its format says"
        )
