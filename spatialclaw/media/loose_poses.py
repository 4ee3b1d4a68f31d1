"""Which loose pose belongs to which loose picture, and frames that are poses alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from spatialclaw.errors import MediaError
from spatialclaw.media.classify import Item, blank, key_of, numbers_of
from spatialclaw.media.files import natural_key, number_in
from spatialclaw.media.model import Picture, SequencePlan, Shot
from spatialclaw.media.poses import Trajectory, level_world

__all__ = ["MAX_TRAJECTORY", "add_poses", "finish_world", "pose_shots", "positions", "time_in"]

Matrix = npt.NDArray[np.float64]

#: A pose belongs to a picture when their times differ by no more than this, seconds.
_SAME_MOMENT = 0.05
#: Longer tracks are not listed in `info`.
MAX_TRAJECTORY = 5000
#: Frames without pictures are cheap, but a kernel should not list a million of them.
_MAX_POSES = 5000


def add_poses(plan: SequencePlan, colours: Sequence[Item], items: Sequence[Item]) -> None:
    """Gives the pictures the poses that come with them, in whatever form."""
    for item in items:
        if item.kind == "track":
            poses = _by_number(colours, item.value, item.name)
            _apply(plan, poses, item.name)
            pairs = zip(plan.shots, poses, strict=True)
            if all(s.index < len(item.value) and p is item.value[s.index] for s, p in pairs):
                plan.track = item.value
        elif item.kind == "trajectory":
            _apply(plan, _by_time(colours, item.value, item.name), item.name)
        elif item.kind == "poses":
            _apply_named(plan, colours, item)
    files = [item for item in items if item.kind == "pose"]
    by_key = {key_of(item): item for item in files}
    if len(files) == len(colours) == 1:
        _apply(plan, [files[0].value], files[0].name)
    elif files:
        found = [by_key.get(key_of(item)) for item in colours]
        if not any(found):
            raise MediaError(
                f"{files[0].name}: cannot tell which picture this pose belongs to",
                hint="Give both the same name, such as frame-01.color.jpg frame-01.pose.txt.",
            )
        _apply(plan, [None if item is None else item.value for item in found], "pose files")
        if len(files) > sum(item is not None for item in found):
            plan.notes.append("poses without a picture are not used")


def _apply(plan: SequencePlan, poses: Sequence[Matrix | None], source: str) -> None:
    for shot, pose in zip(plan.shots, poses, strict=True):
        if pose is not None:
            shot.pose, shot.pose_source = pose, source
    plan.notes.append(f"{source}: camera-to-world poses, taken as metres, x right y down z forward")


def _by_number(colours: Sequence[Item], track: list[Matrix], name: str) -> list[Matrix]:
    numbers = [number_in(item.name) for item in colours]
    known = [n for n in numbers if n is not None and n < len(track)]
    distinct = len(set(known)) == len({item.path.stem for item in colours})
    if len(known) == len(colours) and (distinct or len(set(known)) * 2 == len(known)):
        return [track[number] for number in known]
    if len(track) == len(colours):
        return list(track)
    raise MediaError(
        f"{name}: has {len(track)} poses for {len(colours)} pictures, and the pictures' names do "
        "not say which line is theirs",
        hint="Name the pictures by the number of their line, from 0 (000000.png).",
    )


def _by_time(colours: Sequence[Item], trajectory: Trajectory, name: str) -> Sequence[Matrix | None]:
    times = [time_in(item.name) for item in colours]
    if all(time is not None for time in times):
        poses = [trajectory.at(time or 0.0, _SAME_MOMENT) for time in times]
        if any(pose is not None for pose in poses):
            return poses
    if len(trajectory.poses) == len(colours):
        return list(trajectory.poses)
    raise MediaError(
        f"{name}: has {len(trajectory.poses)} poses for {len(colours)} pictures, and no picture's "
        "name is a time of the trajectory",
        hint="Name the pictures by their time in seconds, as TUM does.",
    )


def time_in(name: str) -> float | None:
    """The time in seconds that a name carries ("view_0_1341847980.722988.png"), or None."""
    found = re.findall(r"\d+\.\d+(?=\.\w+$)", name)
    return float(found[-1]) if found else None


def _apply_named(plan: SequencePlan, colours: Sequence[Item], item: Item) -> None:
    if isinstance(item.value, list):
        _apply(plan, _by_number(colours, item.value, item.name), item.name)
        return
    stems = {Path(name).stem: pose for name, pose in item.value.items()}
    poses = [item.value.get(c.name, stems.get(c.path.stem)) for c in colours]
    if not any(pose is not None for pose in poses):
        raise MediaError(
            f"{item.name}: names none of the pictures ({', '.join(list(item.value)[:3])} ...)",
            hint="Its keys are the pictures' file names.",
        )
    for shot, pose in zip(plan.shots, poses, strict=True):
        if pose is not None:
            shot.pose, shot.pose_source, shot.metric = pose, item.name, not item.reconstruction
    if item.reconstruction:
        plan.z_up = True
        plan.notes.append(
            f"{item.name}: poses of a reconstruction; their scale is that of GPS at best, so they "
            "are not taken as metres"
        )
    else:
        plan.notes.append(f"{item.name}: camera-to-world poses, taken as metres")


def pose_shots(items: Sequence[Item], plan: SequencePlan) -> list[Shot]:
    """Frames without pictures, for questions about the camera's way alone."""
    found: list[tuple[str, int, Matrix, float | None]] = []
    files = [item for item in items if item.kind == "pose"]
    files.sort(key=lambda item: natural_key(item.name))
    numbers = numbers_of(files) or list(range(len(files)))
    found += [(f.name, n, f.value, None) for f, n in zip(files, numbers, strict=True)]
    metric = True
    for item in items:
        if item.kind == "track":
            found += [(f"{item.name} line {i}", i, pose, None) for i, pose in enumerate(item.value)]
        elif item.kind == "poses":
            named = isinstance(item.value, dict)
            metric = metric and not item.reconstruction
            entries = item.value.items() if named else enumerate(item.value)
            found += [(str(key), i, pose, None) for i, (key, pose) in enumerate(entries)]
        elif item.kind == "trajectory":
            start = item.value.times[0]
            found += [
                (f"{item.name} line {i}", i, pose, float(time - start))
                for i, (time, pose) in enumerate(
                    zip(item.value.times, item.value.poses, strict=True)
                )
            ]
    if not found:
        return []
    if len(found) > _MAX_POSES:
        picks = np.unique(np.linspace(0, len(found) - 1, _MAX_POSES).round().astype(int))
        plan.notes.append(f"{len(found)} poses: {len(picks)} evenly spaced ones are used")
        found = [found[i] for i in picks]
    plan.kind = "poses"
    plan.notes.append("no pictures: the frames are grey and only the camera's pose is known")
    plan.notes.append("poses: camera-to-world, taken as metres, x right y down z forward")
    load: Callable[[int], Picture] = _blank_picture
    return [
        Shot(name, load, index, time, pose=pose, pose_source=name, metric=metric)
        for name, index, pose, time in found
    ]


def _blank_picture(max_pixels: int) -> Picture:
    image = blank()
    return Picture(image, (image.shape[1], image.shape[0]))


def positions(poses: Sequence[Matrix]) -> list[list[float]]:
    """The camera positions (x, y, z) of poses, rounded to a hundredth of a millimetre."""
    return [[round(float(value), 5) for value in pose[:3, 3]] for pose in poses]


def finish_world(plan: SequencePlan, *, z_up: bool = False) -> None:
    """Puts the poses into the world of the run and says in `info` what is known of gravity."""
    if all(shot.pose is None for shot in plan.shots):
        return
    poses, move = level_world([shot.pose for shot in plan.shots], z_up=z_up)
    for shot, pose in zip(plan.shots, poses, strict=True):
        shot.pose = pose
    plan.info["gravity"] = "capture" if z_up else "assumed-first-camera"
    plan.info["world_from_source"] = move.tolist()
    if 2 < len(plan.track) <= MAX_TRAJECTORY:
        plan.info["trajectory"] = positions([move @ pose for pose in plan.track])
    if not z_up:
        plan.notes.append(
            "gravity is not known: world z is the first camera's up, world y its forward"
        )
