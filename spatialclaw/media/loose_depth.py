"""Which loose depth map or LiDAR scan belongs to which loose picture."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from spatialclaw.errors import MediaError
from spatialclaw.media.cameras import Calibration, camera_from_matrix
from spatialclaw.media.classify import Item, key_of, side_of
from spatialclaw.media.files import number_in
from spatialclaw.media.images import picture_size, read_depth, read_values
from spatialclaw.media.lidar import lidar_depth
from spatialclaw.media.model import Picture, SequencePlan

__all__ = ["add_depths", "add_lidar", "kitti_camera"]

Matrix = npt.NDArray[np.float64]


def add_depths(
    plan: SequencePlan, colours: Sequence[Item], depths: Sequence[Item], calibration: Calibration
) -> None:
    """Gives each picture its depth map.

    Raises:
        MediaError: It cannot be told which picture a depth map belongs to.
    """
    units = calibration.units_per_metre
    usable = []
    for item in depths:
        if item.mode == "L" and units is None:
            plan.notes.append(
                f"{item.name}: 8 bits and no depth_scale, so it is not used as a depth map"
            )
        else:
            usable.append(item)
    if usable and any(re.match(r"frame-\d+\.color\.", item.name) for item in colours):
        plan.notes.append(
            "7-Scenes style recordings usually have depth that is not registered to the colour: "
            "their edges may differ by some pixels"
        )
    for position, item in _paired(colours, usable, plan):
        shot = plan.shots[position]
        shot.depth = partial(read_depth, item.path, units)
        shot.depth_source, shot.depth_name = "rgbd", item.name
        if colours[position].mode == "seen":
            shot.picture = partial(_show_depth, item.path)
    if usable and calibration.camera is None and not calibration.by_picture:
        plan.notes.append("no intrinsics are given: depths are known, widths and heights are not")


def _paired(
    colours: Sequence[Item], others: Sequence[Item], plan: SequencePlan
) -> list[tuple[int, Item]]:
    """Which picture (by position) each depth map belongs to."""
    if not others:
        return []
    if len(colours) == len(others) == 1:
        return [(0, others[0])]
    keys = [key_of(item) for item in colours]
    pairs = []
    for item in others:
        key = key_of(item)
        if keys.count(key) > 1:
            side = side_of(item)
            # Of a stereo pair, a depth map without a side is the left picture's.
            fitting = [
                i
                for i, c in enumerate(colours)
                if keys[i] == key and side_of(c) in (side or "left", None)
            ]
        else:
            fitting = [i for i, own in enumerate(keys) if own == key]
        if len(fitting) == 1:
            pairs.append((fitting[0], item))
    if len(pairs) == len(others) and len({position for position, _ in pairs}) == len(pairs):
        return pairs
    if len(colours) == len(others):
        plan.notes.append("depth maps are paired with the pictures in the order of their names")
        return list(enumerate(others))
    lost = sorted({item.name for item in others} - {item.name for _, item in pairs})
    raise MediaError(
        f"{lost[0] if lost else others[0].name}: cannot tell which picture this depth map belongs "
        f"to ({len(colours)} pictures, {len(others)} depth maps)",
        hint="Give both the same name apart from the word depth, such as rgb_01.png depth_01.png.",
    )


def add_lidar(plan: SequencePlan, colours: Sequence[Item], items: Sequence[Item]) -> None:
    """Gives each picture its camera by KITTI's matrices, and the depth of its LiDAR scan.

    Raises:
        MediaError: A scan comes without its calibration.
    """
    scans = [item for item in items if item.kind == "lidar"]
    tables = [item for item in items if item.kind == "projections"]
    if not tables:
        if scans:
            raise MediaError(
                f"{scans[0].name}: a LiDAR scan needs its calibration",
                hint="Give KITTI's calib file (P2, R0_rect, Tr_velo_to_cam) of the frame, too.",
            )
        return
    for position, colour in enumerate(colours):
        table = _same_number(colour, tables)
        scan = _same_number(colour, scans) if scans else None
        if table is None:
            continue
        camera_name = kitti_camera(colour, table.value)
        if camera_name is None:
            continue
        shot = plan.shots[position]
        if shot.camera is None:
            shot.camera = camera_from_matrix(
                table.value[camera_name], f"{table.name} ({camera_name})"
            )
        if scan is not None:
            size = picture_size(colour.path)
            shot.depth = partial(lidar_depth, scan.path, table.value, camera_name, *size)
            shot.depth_source, shot.depth_name = "lidar", scan.name


def _same_number(colour: Item, others: Sequence[Item]) -> Item | None:
    if len(others) == 1:
        return others[0]
    number = number_in(colour.name)
    return next((other for other in others if number_in(other.name) == number), None)


def kitti_camera(colour: Item, matrices: dict[str, Matrix]) -> str | None:
    """P0 to P3 by the picture's name or folder (image_2), else the left colour camera."""
    for text in (colour.path.stem, colour.path.parent.name):
        found = re.match(r"image_?0?([0-3])(_|$)", text)
        if found and f"P{found.group(1)}" in matrices:
            return f"P{found.group(1)}"
    right = side_of(colour) == "right"
    order = ("P1", "P3") if right else ("P0", "P2")
    if colour.mode not in ("L", "I;16"):
        order = (order[1], order[0])
    return next((name for name in order if name in matrices), None)


def _show_depth(path: Path, max_pixels: int) -> Picture:
    values = read_values(path)
    known = np.isfinite(values) & (values > 0)
    image = np.zeros((*values.shape, 3), dtype=np.uint8)
    if known.any():
        near, far = np.percentile(values[known], (1, 99))
        bright = np.clip(255 - 215 * (values - near) / max(far - near, 1e-9), 40, 255)
        image[known] = bright[known, None].astype(np.uint8)
    return Picture(image, (values.shape[1], values.shape[0]))
