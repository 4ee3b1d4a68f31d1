"""TUM RGB-D folders: ``rgb.txt``, ``depth.txt`` and ``groundtruth.txt`` joined by time."""

from __future__ import annotations

import math
import re
from functools import partial
from pathlib import Path

import numpy as np

from spatialclaw.errors import MediaError
from spatialclaw.media.camera_texts import camera_from_text
from spatialclaw.media.cameras import calibration_from_json, load_json
from spatialclaw.media.files import find_one, read_text
from spatialclaw.media.images import read_depth, read_picture
from spatialclaw.media.loose_poses import finish_world
from spatialclaw.media.model import Camera, SequencePlan, Shot
from spatialclaw.media.poses import read_tum_trajectory

__all__ = ["is_tum", "read_tum"]

#: Pictures, depth and poses belong together up to this difference, seconds (TUM's associate.py).
_SAME_MOMENT = 0.02
_UNITS_PER_METRE = 5000.0
#: Calibrations of the three recorders, from the page of file formats of the TUM RGB-D benchmark.
_PUBLISHED = {
    "freiburg1": (517.3, 516.5, 318.6, 255.3),
    "freiburg2": (520.9, 521.0, 325.1, 249.7),
    "freiburg3": (535.4, 539.2, 320.1, 247.6),
}
#: The same page's recommendation for all recorders; they differ from it by up to 3 %.
_DEFAULT = (525.0, 525.0, 319.5, 239.5)
_DEFAULT_SIGMA = 10.0


def is_tum(folder: Path) -> bool:
    """Whether a folder is in this form."""
    return (folder / "rgb.txt").is_file()


def read_tum(folder: Path) -> SequencePlan:
    """The capture in a TUM RGB-D folder; times count from the first picture.

    Raises:
        MediaError: A list is malformed, or names files that are missing.
    """
    colours = _list(folder / "rgb.txt")
    plan = SequencePlan(folder.resolve().name, "rgbd", files=[(folder / "rgb.txt", "list")])
    depths = _list(folder / "depth.txt") if (folder / "depth.txt").is_file() else []
    depth_times = np.array([time for time, _ in depths])
    truth = find_one(folder, ("groundtruth.txt", "trajectory.txt"))
    trajectory = None if truth is None else read_tum_trajectory(truth)
    if truth is not None:
        plan.files.append((truth, "trajectory"))
    camera = _camera(folder, plan)
    units = _UNITS_PER_METRE
    alone = 0
    for position, (time, name) in enumerate(colours):
        path = _existing(folder, name, "rgb.txt")
        plan.files.append((path, "colour"))
        shot = Shot(
            path.name,
            partial(read_picture, path),
            position,
            time - colours[0][0],
            camera=camera,
        )
        if depths:
            near = int(np.argmin(np.abs(depth_times - time)))
            if abs(depth_times[near] - time) <= _SAME_MOMENT:
                depth = _existing(folder, depths[near][1], "depth.txt")
                plan.files.append((depth, "depth"))
                shot.depth = partial(read_depth, depth, units)
                shot.depth_source, shot.depth_name = "rgbd", depth.name
            else:
                alone += 1
        if trajectory is not None and truth is not None:
            shot.pose = trajectory.at(time, _SAME_MOMENT)
            shot.pose_source = truth.name
        plan.shots.append(shot)
    if alone:
        plan.notes.append(
            f"{alone} of {len(colours)} pictures have no depth map within {_SAME_MOMENT} s"
        )
    ups = [-shot.pose[2, 1] for shot in plan.shots if shot.pose is not None]
    # The recorders' world is that of the motion capture room, z up.
    finish_world(plan, z_up=bool(ups) and float(np.mean(ups)) > 0.2)
    plan.kind = "rgbd" if depths else "multiview" if ups else "images"
    return plan


def _list(path: Path) -> list[tuple[float, str]]:
    entries = []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        bare = line.strip()
        if not bare or bare.startswith("#"):
            continue
        time, _, name = bare.partition(" ")
        try:
            entries.append((float(time), name.strip()))
            if not math.isfinite(entries[-1][0]):
                raise ValueError(time)
        except ValueError as error:
            raise MediaError(
                f"{path}: line {number} is not a time and a file name", hint="As in TUM RGB-D."
            ) from error
    if not entries:
        raise MediaError(f"{path}: lists no file")
    return sorted(entries)


def _existing(folder: Path, name: str, origin: str) -> Path:
    path = folder / name
    if not path.is_file():
        raise MediaError(f"{origin}: names {name}, which is not in {folder}")
    return path


def _camera(folder: Path, plan: SequencePlan) -> Camera:
    given = find_one(folder, ("intrinsics.json", "camera.json", "calibration.json"))
    if given is not None:
        calibration = calibration_from_json(load_json(given), given.name)
        if calibration is not None and calibration.camera is not None:
            plan.files.append((given, "calibration"))
            return calibration.camera
    text = find_one(folder, ("intrinsics.txt", "camera-intrinsics.txt", "calibration.txt", "K.txt"))
    if text is not None:
        camera = camera_from_text(text, read_text(text))
        if camera is not None:
            plan.files.append((text, "calibration"))
            return camera
    found = re.search(r"(?:freiburg|fr)([123])(?!\d)", folder.resolve().name, re.IGNORECASE)
    if found:
        name = f"freiburg{found.group(1)}"
        plan.notes.append(f"no intrinsics file: the published ones of {name} are used")
        return Camera(*_PUBLISHED[name], 640, 480, source="dataset", origin=name)
    plan.notes.append(
        f"no intrinsics file: the benchmark's default f = {_DEFAULT[0]:g} px is used (give "
        "intrinsics.json if you have it)"
    )
    return Camera(
        *_DEFAULT, 640, 480, source="dataset default", focal_sigma=_DEFAULT_SIGMA, origin="default"
    )
