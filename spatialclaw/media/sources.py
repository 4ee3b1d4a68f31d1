"""From paths to sequences: which argument is a capture, which a folder, which are loose files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from spatialclaw.errors import MediaError
from spatialclaw.media.captures import read_capture
from spatialclaw.media.captures.nerfstudio import read_nerfstudio
from spatialclaw.media.classify import Item, classify, classify_all
from spatialclaw.media.files import (
    PICTURE_SUFFIXES,
    VIDEO_SUFFIXES,
    is_hidden,
    listing,
    natural_key,
)
from spatialclaw.media.loose import assemble_items
from spatialclaw.media.loose_poses import MAX_TRAJECTORY, positions
from spatialclaw.media.model import SequencePlan

__all__ = ["expand", "plan_sequences", "thin"]

#: Folders in which captures keep their parts; files in them belong to the folder above.
_PART_FOLDERS = frozenset(
    [
        "left",
        "right",
        "rgb",
        "color",
        "colour",
        "image",
        "images",
        "img",
        "imgs",
        "depth",
        "depths",
        "pose",
        "poses",
        "velodyne",
        "calib",
        "intrinsic",
        "intrinsics",
        "label_2",
        "image_0",
        "image_1",
        "image_2",
        "image_3",
        "image_00",
        "image_01",
        "image_02",
        "image_03",
        "cam0",
        "cam1",
        "frames",
        "views",
        "photos",
        "input",
    ]
)
_DESCRIBING = frozenset(
    {".json", ".txt", ".yml", ".yaml", ".xml", ".npy", ".pfm", ".log", ".csv", ".bin", ".traj"}
)
_NEVER = frozenset({"readme", "license", "licence", "notice", "changelog", "requirements"})
_MAX_FILES = 50_000


def expand(given: Sequence[Path]) -> list[Path]:
    """The paths, with patterns such as ``*.jpg`` that no shell has expanded."""
    found: list[Path] = []
    for path in given:
        if not path.exists() and any(mark in path.name for mark in "*?["):
            matches = sorted(path.parent.glob(path.name), key=lambda p: natural_key(p.name))
            if not matches:
                raise MediaError(f"{path}: nothing has such a name", hint="Check the pattern.")
            found += matches
        else:
            found.append(path)
    return found


def plan_sequences(given: Sequence[Path], *, frames: int) -> list[SequencePlan]:
    """The sequences that the arguments make, in the order of the arguments.

    Args:
        given: Files and folders.
        frames: At most so many views of each folder.

    Raises:
        MediaError: An argument cannot be used.
    """
    plans: list[SequencePlan] = []
    loose: list[Path] = []
    at = 0
    for path in dict.fromkeys(given):
        if not path.exists():
            raise MediaError(f"{path}: no such file or folder", hint="Check the path.")
        if path.is_dir():
            plans += [thin(plan, frames) for plan in _folder(path)]
        else:
            if not loose:
                at = len(plans)
            loose.append(path)
    if loose:
        items: list[Item] = []
        captures: list[Item] = []
        for item in classify_all(loose):
            (captures if item.kind == "transforms" else items).append(item)
        mixed = [thin(read_nerfstudio(item.path), frames) for item in captures]
        if items:
            mixed += assemble_items(items, _name(items), given=True)
        plans[at:at] = mixed
    if not plans:
        raise MediaError("no picture or video in what is given")
    return plans


def thin(plan: SequencePlan, frames: int) -> SequencePlan:
    """At most so many views, evenly spaced, first and last included; pairs stay together."""
    rights = {shot.stereo["right"] for shot in plan.shots if shot.stereo}
    lefts = [i for i in range(len(plan.shots)) if i not in rights]
    if len(lefts) <= frames or plan.kind == "poses":
        return plan
    picks = np.unique(np.linspace(0, len(lefts) - 1, frames).round().astype(int))
    kept = [lefts[i] for i in picks]
    kept += [shot.stereo["right"] for i in kept if (shot := plan.shots[i]).stereo]
    place = {old: new for new, old in enumerate(kept)}
    plan.notes.append(
        f"{plan.name}: {len(picks)} of {len(lefts)} views, evenly spaced (more with --frames)"
    )
    poses = [shot.pose for shot in plan.shots if shot.pose is not None]
    counted = all(plan.shots[i].index == i for i in lefts)
    if counted and len(poses) == len(lefts) <= MAX_TRAJECTORY:
        plan.info["trajectory"] = positions(poses)
    for i in kept:
        stereo = plan.shots[i].stereo
        if stereo:
            stereo["right"] = place[stereo["right"]]
    plan.shots = [plan.shots[i] for i in kept]
    names = {shot.name for shot in plan.shots} | {shot.depth_name for shot in plan.shots}
    plan.files = [
        (path, kind)
        for path, kind in plan.files
        if kind not in ("colour", "depth") or path.name in names
    ]
    return plan


def _folder(folder: Path) -> list[SequencePlan]:
    capture = read_capture(folder)
    if capture is not None:
        return [capture]
    paths = _gather(folder)
    items: list[Item] = []
    spoiled: list[str] = []
    for path in paths:
        try:
            items.append(classify(path))
        except MediaError as error:
            # One bad file does not spoil a folder, unless nothing else is there.
            spoiled.append(str(error).replace(str(path), path.name))
    usable = {item.path for item in items}
    items = classify_all([path for path in paths if path in usable])
    if not any(item.kind not in ("unknown", "labels", "calibration") for item in items):
        if spoiled:
            raise MediaError(f"{folder}: nothing usable in it; {spoiled[0]}")
        inside = [path.name for path in listing(folder) if path.is_dir() and _gather(path)]
        hint = (
            f"Give one of its folders: {', '.join(inside[:6])}."
            if inside
            else "It has neither pictures, videos nor a capture that is known."
        )
        raise MediaError(f"{folder}: no picture or video in this folder", hint=hint)
    plans = assemble_items(items, folder.resolve().name, given=False)
    for plan in plans:
        plan.tolerant = True
    plans[0].notes += [f"left out: {why}" for why in spoiled]
    aside = [
        path.name
        for path in listing(folder)
        if path.is_dir() and path.name.casefold() not in _PART_FOLDERS and _gather(path)
    ]
    if aside:
        plans[0].notes.append(f"folders not looked into: {', '.join(aside[:8])}")
    return plans


def _gather(folder: Path) -> list[Path]:
    """Media and describing files of a folder and of the folders of its parts."""
    found: list[Path] = []
    for entry in listing(folder):
        if entry.is_dir() and entry.name.casefold() in _PART_FOLDERS:
            found += [path for path in listing(entry) if _interesting(path)]
        elif _interesting(entry):
            found.append(entry)
        if len(found) > _MAX_FILES:
            raise MediaError(f"{folder}: more than {_MAX_FILES} files", hint="Give fewer of them.")
    shows = any(path.suffix.lower() in PICTURE_SUFFIXES | VIDEO_SUFFIXES for path in found)
    poses = any("pose" in path.name.casefold() for path in found)
    return found if shows or poses else []


def _interesting(path: Path) -> bool:
    if is_hidden(path) or not path.is_file() or path.stem.casefold() in _NEVER:
        return False
    return path.suffix.lower() in PICTURE_SUFFIXES | VIDEO_SUFFIXES | _DESCRIBING


def _name(items: Sequence[Item]) -> str:
    shown = [item for item in items if item.kind in ("colour", "video")] or list(items)
    return shown[0].name if len(shown) == 1 else f"{len(shown)} files"
