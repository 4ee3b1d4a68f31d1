"""Loose files, in any order: pictures with the depth maps, calibrations and poses given along.

Only the files given are used; neighbours of a picture are never picked up.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from spatialclaw.errors import MediaError
from spatialclaw.media.camera_texts import calibration_from_projections
from spatialclaw.media.cameras import Calibration
from spatialclaw.media.classify import Item, classify_all, key_of, numbers_of, side_of
from spatialclaw.media.images import picture_size, read_picture
from spatialclaw.media.loose_depth import add_depths, add_lidar, kitti_camera
from spatialclaw.media.loose_poses import add_poses, finish_world, pose_shots, time_in
from spatialclaw.media.model import Camera, SequencePlan, Shot
from spatialclaw.media.stereo import (
    check_pair,
    disparity_depth,
    join_pair,
    rectified_evidence,
    rectify_pair,
    right_camera,
    same_picture,
    sizes_differ,
)

__all__ = ["assemble", "assemble_items"]

Matrix = npt.NDArray[np.float64]


def assemble(paths: Sequence[Path], name: str, *, given: bool) -> list[SequencePlan]:
    """The sequences that loose files make: the pictures together, each video for itself.

    Args:
        paths: Files, in the order given.
        name: What to call the sequence of pictures.
        given: Whether a user named each of them; in a folder, files that say nothing are noted
            and left out.

    Raises:
        MediaError: A file cannot be used, or they do not fit together.
    """
    return assemble_items(classify_all(paths), name, given=given)


def assemble_items(items: Sequence[Item], name: str, *, given: bool) -> list[SequencePlan]:
    """See `assemble`; the files are classified already."""
    unused = [item for item in items if item.kind in ("unknown", "labels", "transforms")]
    for item in unused:
        if given and item.kind == "unknown":
            raise MediaError(
                f"{item.path}: nothing that is understood ({item.why or 'its form is unknown'})",
                hint="Give pictures, videos, depth maps, intrinsics, calibrations or poses.",
            )
    notes = [f"not used: {', '.join(item.name for item in unused)}"] if unused else []
    items = [item for item in items if item not in unused]
    videos = [item for item in items if item.kind == "video"]
    rest = [item for item in items if item.kind != "video"]
    calibration, used = _merged(rest)
    pictures = any(item.kind in _SHOWS for item in rest)
    plans = []
    for item in videos:
        try:
            plans.append(_video_plan(item, calibration))
        except MediaError as error:
            # In a folder, one bad file does not spoil the others.
            if given or (item is videos[-1] and not plans and not pictures):
                raise
            notes.append(f"left out: {error}")
    if not pictures and videos:
        for plan in plans:
            plan.notes = list(dict.fromkeys([*plan.notes, *notes, *calibration.notes]))
            plan.files += [(item.path, item.kind) for item in rest]
            idle = [item.name for item in rest if item not in used]
            if idle:
                plan.notes.append(f"{', '.join(idle)}: not used with a video")
        return plans
    if rest:
        plan = _pictures_plan(rest, calibration, name)
        plan.notes = [*notes, *calibration.notes, *plan.notes]
        plans.insert(0, plan)
    return plans


_SHOWS = frozenset({"colour", "depth", "pose", "poses", "track", "trajectory"})


def _video_plan(item: Item, calibration: Calibration) -> SequencePlan:
    from spatialclaw.media.video import open_video

    source = open_video(item.path)
    camera = (calibration.by_picture or {}).get(item.name, calibration.camera)
    return SequencePlan(
        item.name,
        "video",
        video=source,
        camera=camera,
        notes=list(source.notes),
        files=[(item.path, "video")],
    )


def _merged(items: Sequence[Item]) -> tuple[Calibration, list[Item]]:
    """What all calibrations say together; the first to say a thing is heard."""
    merged = Calibration()
    used = []
    for item in items:
        value = item.calibration
        if value is None:
            continue
        used.append(item)
        if merged.camera is not None and value.camera is not None:
            same = np.allclose(merged.camera.matrix, value.camera.matrix, rtol=1e-3)
            if not same:
                merged = replace(
                    merged,
                    notes=(*merged.notes, f"{item.name}: a second camera; it is not used"),
                )
        merged = Calibration(
            merged.camera or value.camera,
            merged.right or value.right,
            merged.baseline_m if merged.baseline_m is not None else value.baseline_m,
            merged.doffs_px or value.doffs_px,
            merged.units_per_metre or value.units_per_metre,
            merged.disparity_scale or value.disparity_scale,
            merged.by_picture or value.by_picture,
            (*merged.notes, *value.notes),
            merged.rectify or value.rectify,
        )
    return merged, used


def _pictures_plan(items: Sequence[Item], calibration: Calibration, name: str) -> SequencePlan:
    plan = SequencePlan(name, files=[(item.path, item.kind) for item in items])
    colours = [item for item in items if item.kind == "colour"]
    depths = [item for item in items if item.kind == "depth"]
    own = _cameras_by_key(items, colours)
    if not colours and depths:
        colours = _seen_depths(depths, plan)
    if colours:
        plan.shots = [_shot(i, item, calibration, own) for i, item in enumerate(colours)]
        if len({shot.name for shot in plan.shots}) < len(colours):
            for shot, item in zip(plan.shots, colours, strict=True):
                shot.name = f"{item.path.parent.name}/{item.name}"
        _number(plan.shots, colours, items)
        _time(plan, colours)
        add_depths(plan, colours, depths, calibration)
        add_lidar(plan, colours, items)
        add_poses(plan, colours, items)
        _add_stereo(plan, colours, items, calibration)
    else:
        plan.shots = pose_shots(items, plan)
        idle = [item.name for item in items if item.kind in ("calibration", "lidar")]
        if plan.shots and idle:
            plan.notes.append(f"not used without a picture: {', '.join(idle)}")
    for item in items:
        if item.kind == "homography":
            plan.info.setdefault("homographies", {})[item.name] = item.value.tolist()
            plan.notes.append(
                f"{item.name}: a 3x3 homography, in frames.info['homographies'][{item.name!r}]"
            )
    if not plan.shots:
        raise MediaError(
            f"no picture, video or pose among {', '.join(item.name for item in items)}",
            hint="Give the picture that they are about, too.",
        )
    finish_world(plan, z_up=plan.z_up)
    plan.kind = _kind(plan)
    return plan


def _kind(plan: SequencePlan) -> str:
    if any(shot.stereo for shot in plan.shots):
        return "stereo"
    if any(shot.depth for shot in plan.shots):
        return "rgbd"
    if plan.kind != "images":
        return plan.kind
    return "multiview" if any(shot.pose is not None for shot in plan.shots) else "images"


def _shot(position: int, item: Item, calibration: Calibration, own: dict[Path, Camera]) -> Shot:
    camera = own.get(item.path) or (calibration.by_picture or {}).get(item.name)
    if camera is None and calibration.rectify is None:
        camera = calibration.camera
    return Shot(item.name, partial(read_picture, item.path), position, camera=camera)


def _cameras_by_key(items: Sequence[Item], colours: Sequence[Item]) -> dict[Path, Camera]:
    """The camera of each picture, where as many cameras as pictures are given and names agree."""
    cameras = {
        key_of(item): item.value.camera
        for item in items
        if item.kind == "calibration" and item.value.camera is not None
    }
    if len(cameras) < 2 or {key_of(item) for item in colours} != set(cameras):
        return {}
    return {item.path: cameras[key_of(item)] for item in colours}


def _seen_depths(depths: Sequence[Item], plan: SequencePlan) -> list[Item]:
    plan.notes.append("no colour picture is given: the pictures show the depth, near is bright")
    return [Item(item.path, "depth", mode="seen") for item in depths]


def _number(shots: Sequence[Shot], colours: Sequence[Item], items: Sequence[Item]) -> None:
    """Frames of a numbered recording keep their numbers; other pictures are counted."""
    stems = [item.path.name.split(".")[0] for item in colours]
    recorded = all(re.fullmatch(r"(frame|image_\d)?[-_]?\d{3,}", stem) for stem in stems)
    tracked = any(item.kind in ("track", "pose") for item in items)
    numbers = numbers_of(colours)
    if numbers is not None and (recorded or tracked):
        for shot, number in zip(shots, numbers, strict=True):
            shot.index = number


def _time(plan: SequencePlan, colours: Sequence[Item]) -> None:
    """Times of pictures that are named by their time, as TUM and ROS do."""
    times = [time_in(item.name) for item in colours]
    known = [time for time in times if time is not None and time > 1e8]
    if len(known) == len(colours) > 1:
        for shot, time in zip(plan.shots, known, strict=True):
            shot.time = round(time - min(known), 6)
        plan.notes.append("times are those in the names of the files, from the first picture on")


def _add_stereo(
    plan: SequencePlan, colours: Sequence[Item], items: Sequence[Item], calibration: Calibration
) -> None:
    sides = [side_of(item) for item in colours]
    calibration = _stereo_calibration(colours, items, calibration, sides)
    if len(colours) < 2:
        _add_disparities(plan, colours, items, calibration)
        return
    stereo = calibration.stereo or calibration.rectify is not None
    if stereo and len(colours) == 2 and sides[0] == sides[1] and sides[0] is not None:
        names = " and ".join(item.name for item in colours)
        if same_picture(*(item.path for item in colours)):
            raise MediaError(
                f"{names} are the same picture",
                hint="A stereo pair has a left and a right picture of the same moment.",
            )
        plan.notes.append(f"{names} are both named {sides[0]}: they are taken as no stereo pair")
        return
    if stereo and len(colours) == 2 and set(sides) != {"left", "right"}:
        sides = ["left", "right"]
        plan.notes.append(f"{colours[0].name} is taken as left, {colours[1].name} as right")
    lefts = [i for i, side in enumerate(sides) if side == "left"]
    rights = {_pair_key(colours[i]): i for i, side in enumerate(sides) if side == "right"}
    pairs = [(i, rights[_pair_key(colours[i])]) for i in lefts if _pair_key(colours[i]) in rights]
    if not pairs and len(colours) == 2 and set(sides) == {"left", "right"}:
        pairs = [(sides.index("left"), sides.index("right"))]
    if not pairs:
        return
    if not stereo:
        note = rectified_evidence(*(colours[i].path for i in pairs[0]))
        if note is None:
            return
        plan.notes.append(note)
    for left, right in pairs:
        paths = (colours[left].path, colours[right].path)
        if picture_size(paths[0]) != picture_size(paths[1]):
            raise sizes_differ(paths)
        if stereo and (left, right) == pairs[0]:
            straight = calibration.rectify is None
            doubt = check_pair(*paths, doffs_px=calibration.doffs_px, rectified=straight)
            plan.notes += [doubt] if doubt else []
        if calibration.rectify is not None:
            rectify_pair(plan.shots[left], plan.shots[right], paths, calibration)
        elif calibration.camera is not None:
            plan.shots[left].camera = calibration.camera
            plan.shots[right].camera = right_camera(calibration)
    _order_pairs(plan, pairs, calibration)
    _add_disparities(plan, colours, items, calibration)


def _pair_key(item: Item) -> tuple[str, ...]:
    return tuple(part for part in key_of(item) if part not in ("l", "r"))


def _stereo_calibration(
    colours: Sequence[Item],
    items: Sequence[Item],
    calibration: Calibration,
    sides: Sequence[str | None],
) -> Calibration:
    """The calibration with the baseline from KITTI's projection matrices, when pictures ask."""
    if calibration.stereo or "right" not in sides:
        return calibration
    table = next((item for item in items if item.kind == "projections"), None)
    if table is None:
        return calibration
    left = next((c for c, side in zip(colours, sides, strict=True) if side == "left"), colours[0])
    right = next(c for c, side in zip(colours, sides, strict=True) if side == "right")
    names = (kitti_camera(left, table.value), kitti_camera(right, table.value))
    if None in names or names[0] == names[1]:
        return calibration
    return calibration_from_projections(table.value, str(names[0]), str(names[1]), table.name)


def _order_pairs(
    plan: SequencePlan, pairs: Sequence[tuple[int, int]], calibration: Calibration
) -> None:
    """Right pictures go to the end, so that the left ones follow each other in time."""
    rights = [right for _, right in pairs]
    if calibration.rectify is not None:
        # The new cameras share one principal point.
        calibration = replace(calibration, doffs_px=0.0)
    order = [i for i in range(len(plan.shots)) if i not in rights] + rights
    place = {old: new for new, old in enumerate(order)}
    for left, right in pairs:
        join_pair(plan.shots[left], plan.shots[right], place[right], calibration)
    plan.shots = [plan.shots[i] for i in order]


def _add_disparities(
    plan: SequencePlan, colours: Sequence[Item], items: Sequence[Item], calibration: Calibration
) -> None:
    by_name = {Path(shot.name).name: shot for shot in reversed(plan.shots)}
    for item in items:
        if item.kind != "disparity":
            continue
        scale = calibration.disparity_scale or (1.0 if item.mode == "F" else None)
        if side_of(item) == "right" or calibration.camera is None or not calibration.baseline_m:
            plan.notes.append(f"{item.name}: a disparity map without use here (right, or no scale)")
            continue
        if scale is None:
            plan.notes.append(f"{item.name}: not used; say disparity_scale in the calibration")
            continue
        lefts = [c for c in colours if side_of(c) != "right"]
        if len(lefts) != 1:
            plan.notes.append(f"{item.name}: not used; cannot tell which picture it belongs to")
            continue
        shot = by_name[lefts[0].name]
        if shot.depth is None:
            shot.depth = partial(
                disparity_depth,
                item.path,
                calibration.camera,
                calibration.baseline_m,
                calibration.doffs_px,
                scale,
            )
            shot.depth_source, shot.depth_name = "disparity", item.name
