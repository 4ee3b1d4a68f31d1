"""Open3D and Redwood captures: folders ``color`` and ``depth``, intrinsics JSON, trajectory."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from spatialclaw.errors import MediaError
from spatialclaw.media.cameras import Calibration, calibration_from_json, load_json
from spatialclaw.media.files import PICTURE_SUFFIXES, listing, number_in
from spatialclaw.media.images import read_depth, read_picture
from spatialclaw.media.loose_poses import finish_world
from spatialclaw.media.model import SequencePlan, Shot
from spatialclaw.media.poses import poses_from_json, read_log

__all__ = ["is_redwood", "read_redwood"]

_COLOUR = ("color", "rgb", "image", "colour", "images")
_DEPTH = ("depth", "depths")
#: Open3D's default for its own captures: millimetres.
_UNITS_PER_METRE = 1000.0


def is_redwood(folder: Path) -> bool:
    """Whether a folder is in this form: colour and depth in folders of their own, and a camera."""
    colour, depth = _part(folder, _COLOUR), _part(folder, _DEPTH)
    return colour is not None and depth is not None and bool(_describing(folder))


def read_redwood(folder: Path) -> SequencePlan:
    """The capture in such a folder.

    Raises:
        MediaError: Counts or files do not fit together.
    """
    colour_folder, depth_folder = _part(folder, _COLOUR), _part(folder, _DEPTH)
    assert colour_folder is not None
    assert depth_folder is not None
    colours, depths = _pictures(colour_folder), _pictures(depth_folder)
    plan = SequencePlan(folder.resolve().name, "rgbd")
    calibration, poses = Calibration(), None
    for path in _describing(folder):
        if path.suffix == ".log":
            poses = read_log(path)
            plan.files.append((path, "trajectory"))
            continue
        data = load_json(path)
        found = calibration_from_json(data, path.name)
        if isinstance(data, dict) and "parameters" in data:
            listed = poses_from_json(data, path.name)
            poses = dict(enumerate(listed.values() if isinstance(listed, dict) else listed))
            plan.files.append((path, "trajectory"))
        if found is not None and found.camera is not None and calibration.camera is None:
            calibration = found
            plan.files.append((path, "calibration"))
    pairs = _pairs(colours, depths)
    if not pairs:
        raise MediaError(
            f"{folder}: {len(colours)} colour pictures and {len(depths)} depth maps do not pair up",
            hint="Give both of a pair the same number in their names.",
        )
    for position, (colour, depth) in enumerate(pairs):
        plan.files += [(colour, "colour"), (depth, "depth")]
        plan.shots.append(
            Shot(
                colour.name,
                partial(read_picture, colour),
                position,
                camera=calibration.camera,
                pose=_pose(poses, colours.index(colour)),
                pose_source="trajectory",
                depth=partial(read_depth, depth, calibration.units_per_metre or _UNITS_PER_METRE),
                depth_source="rgbd",
                depth_name=depth.name,
            )
        )
    if calibration.camera is None:
        plan.notes.append("no intrinsics are given: depths are known, widths and heights are not")
    if len(pairs) < max(len(colours), len(depths)):
        plan.notes.append(
            f"{len(pairs)} pairs of {len(colours)} colour pictures and {len(depths)} depth maps"
        )
    plan.notes += calibration.notes
    finish_world(plan)
    return plan


def _part(folder: Path, names: tuple[str, ...]) -> Path | None:
    return next((folder / name for name in names if (folder / name).is_dir()), None)


def _describing(folder: Path) -> list[Path]:
    return [
        path
        for path in listing(folder)
        if path.is_file() and path.suffix.lower() in (".json", ".log")
    ]


def _pictures(folder: Path) -> list[Path]:
    return [path for path in listing(folder) if path.suffix.lower() in PICTURE_SUFFIXES | {".npy"}]


def _pairs(colours: list[Path], depths: list[Path]) -> list[tuple[Path, Path]]:
    by_stem = {path.stem: path for path in depths}
    by_number = {number_in(path.name): path for path in depths}
    if all(path.stem in by_stem for path in colours):
        return [(path, by_stem[path.stem]) for path in colours]
    numbered = [
        (path, by_number[number])
        for path in colours
        if (number := number_in(path.name)) is not None and number in by_number
    ]
    if numbered:
        return numbered
    return list(zip(colours, depths, strict=True)) if len(colours) == len(depths) else []


def _pose(
    poses: dict[int, npt.NDArray[np.float64]] | None, number: int
) -> npt.NDArray[np.float64] | None:
    return None if poses is None else poses.get(number)
