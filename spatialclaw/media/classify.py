"""What each loose file is: a picture, a depth map, a calibration, poses, a video and so on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from spatialclaw.errors import MediaError
from spatialclaw.media.camera_texts import (
    bare_projections,
    calibration_from_middlebury,
    camera_from_text,
    projections,
)
from spatialclaw.media.cameras import (
    Calibration,
    calibration_from_json,
    camera_from_matrix,
    load_json,
    looks_like_intrinsics,
)
from spatialclaw.media.files import (
    DEPTH_WORDS,
    PICTURE_SUFFIXES,
    VIDEO_SUFFIXES,
    number_in,
    read_text,
    require_file,
    sniff,
    words,
)
from spatialclaw.media.images import picture_mode, picture_size
from spatialclaw.media.model import Camera
from spatialclaw.media.poses import (
    matrix_rows,
    numbers_table,
    pose_matrix,
    poses_from_json,
    read_log,
    read_tum_trajectory,
)

__all__ = ["Item", "Kind", "classify", "classify_all", "key_of", "side_of"]

Kind = Literal[
    "colour",
    "depth",
    "disparity",
    "video",
    "calibration",
    "projections",
    "pose",
    "track",
    "trajectory",
    "poses",
    "lidar",
    "homography",
    "transforms",
    "labels",
    "unknown",
]

_TEXT_SUFFIXES = frozenset({".txt", ".csv", ".log", ".traj", ".tum", ".dat", ".cam", ""})
_DISPARITY_WORDS = frozenset({"disp", "disparity", "disparities"})
#: Words that tell what a file holds and not which frame it belongs to.
_KIND_WORDS = (
    frozenset(
        [
            "color",
            "colour",
            "rgb",
            "image",
            "images",
            "img",
            "pose",
            "poses",
            "cam",
            "camera",
            "left",
            "right",
            "velodyne",
            "lidar",
            "calib",
            "calibration",
            "intrinsics",
            "label",
            "mask",
            "png",
            "jpg",
            "jpeg",
            "txt",
            "json",
            "npy",
            "bin",
        ]
    )
    | DEPTH_WORDS
    | _DISPARITY_WORDS
)


#: A line such as "fx = 707.09" or "baseline_m: 0.54".
_PAIR = re.compile(
    r"^\s*([A-Za-z]\w*)\s*[:=]\s*([-+]?\d+\.?\d*(?:[eE][-+]?\d+)?)\s*$", re.MULTILINE
)


@dataclass
class Item:
    """A file and what it is.

    Attributes:
        path: The file.
        kind: What it is.
        value: What was read of it: a `Calibration`, poses and so on.
        mode: Pillow's mode of a picture.
        why: For an unknown file, what was expected.
        reconstruction: Whether poses come from a reconstruction with z up and without a sure scale.
    """

    path: Path
    kind: Kind
    value: Any = None
    mode: str = ""
    why: str = ""
    calibration: Calibration | None = None
    reconstruction: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.value, Calibration):
            self.calibration = self.value

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.name


def classify_all(paths: Sequence[Path]) -> list[Item]:
    """Every file with its kind; which 16-bit pictures are depth maps depends on the others.

    Raises:
        MediaError: A file is missing, empty or damaged.
    """
    items = [classify(path) for path in paths]
    coloured = [item for item in items if item.kind == "colour" and item.mode not in _DEEP]
    camera = any(item.kind in ("calibration", "pose", "projections") for item in items)
    for item in items:
        if item.kind == "colour" and item.mode in _DEEP and side_of(item) is None:
            # Deep grey beside colour is depth; so is a lone one that comes with a camera.
            sizes = {picture_size(other.path) for other in coloured[:1]}
            if coloured or (camera and len(items) > 1):
                item.kind = "depth"
                item.why = "one channel of 16 bits" if sizes else "comes with a camera"
    return items


_DEEP = frozenset({"I;16", "I;16B", "I;16L", "I;16N", "I", "F"})


def classify(path: Path) -> Item:
    """What a file is, by its content and then by its name.

    Raises:
        MediaError: It is missing, empty or damaged.
    """
    require_file(path)
    suffix = path.suffix.lower()
    if suffix in VIDEO_SUFFIXES:
        return _gif(path) if suffix == ".gif" else Item(path, "video")
    if suffix in PICTURE_SUFFIXES:
        return _picture(path)
    if suffix == ".json":
        return _json(path)
    if suffix in (".npy", ".pfm"):
        return _array(path)
    if suffix in (".yml", ".yaml", ".xml"):
        return _opencv(path)
    if suffix == ".bin" and path.stat().st_size % 16 == 0:
        return Item(path, "lidar")
    if suffix in _TEXT_SUFFIXES:
        return _text(path)
    return _by_trying(path)


def key_of(item: Item) -> tuple[str, ...]:
    """What names the frame that a file belongs to: its name without the words for its kind."""
    stem = item.path.name
    while Path(stem).suffix and not re.fullmatch(r"\.\d+", Path(stem).suffix):
        stem = Path(stem).stem
    kept = [word for word in words(stem) if word not in _KIND_WORDS]
    if item.kind == "disparity":
        kept = [word for word in kept if word != "x"]
    return tuple(str(int(word)) if word.isdecimal() else word for word in kept)


def side_of(item: Item) -> Literal["left", "right"] | None:
    """Which picture of a stereo pair a file is by its name or its folder's, or None."""
    for text in (item.path.stem, item.path.parent.name):
        found = words(text)
        if "left" in found and "right" not in found:
            return "left"
        if "right" in found and "left" not in found:
            return "right"
        if re.fullmatch(r"(im|cam|disp|image_?)0", text) or (found and found[-1] == "l"):
            return "left"
        if re.fullmatch(r"(im|cam|disp|image_?)1", text) or (found and found[-1] == "r"):
            return "right"
        if re.match(r"image_0?2(_|$)", text) or re.fullmatch(r"im2|view1", text):
            return "left"
        if re.match(r"image_0?3(_|$)", text) or re.fullmatch(r"im6|view5", text):
            return "right"
    return None


def _gif(path: Path) -> Item:
    from PIL import Image

    try:
        with Image.open(path) as image:
            moving = getattr(image, "is_animated", False)
    except OSError:
        moving = False
    return Item(path, "video") if moving else _picture(path)


def _picture(path: Path) -> Item:
    mode = picture_mode(path)
    found = set(words(path.stem)) | {path.parent.name.casefold()}
    if mode in _DEEP | {"L"} and set(words(path.stem)) & _DISPARITY_WORDS:
        return Item(path, "disparity", mode=mode)
    if mode in _DEEP and found & DEPTH_WORDS:
        return Item(path, "depth", mode=mode)
    if mode == "L" and set(words(path.stem)) & DEPTH_WORDS:
        return Item(path, "depth", mode=mode, why="8 bits")
    return Item(path, "colour", mode=mode)


def _array(path: Path) -> Item:
    if set(words(path.stem)) & _DISPARITY_WORDS:
        return Item(path, "disparity", mode="F")
    return Item(path, "depth", mode="F")


def _json(path: Path) -> Item:
    data = load_json(path)
    if isinstance(data, dict) and isinstance(data.get("frames"), list):
        entries = data["frames"]
        if entries and isinstance(entries[0], dict) and "transform_matrix" in entries[0]:
            return Item(path, "transforms", data)
    calibration = calibration_from_json(data, path.name)
    poses = None
    try:
        poses = poses_from_json(data, path.name)
    except MediaError as error:
        why = str(error)
        # A file of numbers for a camera is no file of poses; a file of neither is unknown.
        if calibration is None:
            return Item(path, "unknown", why=why)
    if poses:
        shots = isinstance(data, dict) and "shots" in data
        return Item(path, "poses", poses, calibration=calibration, reconstruction=shots)
    return Item(path, "calibration", calibration)


def _opencv(path: Path) -> Item:
    from spatialclaw.media.opencv_yaml import calibration_from_opencv

    return Item(path, "calibration", calibration_from_opencv(path))


def _text(path: Path) -> Item:
    text = read_text(path)
    name = path.name
    middlebury = calibration_from_middlebury(text, name)
    if middlebury is not None:
        return Item(path, "calibration", middlebury)
    named = projections(text)
    if any(re.fullmatch(r"P\d", key) for key in named):
        return Item(path, "projections", named)
    if re.match(r"(?:[A-Z][A-Za-z_]+(?: +-?[\d.]+){14,15}\s*\n?)+\Z", text):
        return Item(path, "labels", why="labels are not given to the model")
    pairs = _PAIR.findall(text)
    if len(pairs) >= 3:
        said = calibration_from_json({name: float(value) for name, value in pairs}, name)
        if said is not None:
            return Item(path, "calibration", said)
    if path.suffix.lower() == ".log":
        return Item(path, "poses", list(read_log(path).values()))
    return _table(path, numbers_table(text, name), text)


def _table(path: Path, rows: list[list[float]] | None, text: str) -> Item:
    name = path.name
    if rows is None:
        return Item(path, "unknown", why="neither numbers nor a calibration")
    for height in (4, 3):
        matrix = matrix_rows(rows, height, 4)
        if matrix is not None and looks_like_intrinsics(matrix):
            return Item(path, "calibration", Calibration(camera_from_matrix(matrix[:3, :3], name)))
        if matrix is not None and (len(rows) > 1 or "pose" in words(name)):
            return Item(path, "pose", pose_matrix(matrix, name))
    square = matrix_rows(rows, 3, 3)
    if square is not None:
        camera = camera_from_text(path, text)
        if camera is not None:
            return Item(path, "calibration", Calibration(camera))
        return Item(path, "homography", square)
    bare = bare_projections(rows)
    if bare:
        return Item(path, "projections", bare)
    widths = {len(row) for row in rows}
    if widths == {12}:
        track = [pose_matrix(row, f"{name}, line {i}") for i, row in enumerate(rows, 1)]
        return Item(path, "track", track)
    if widths == {8}:
        return Item(path, "trajectory", read_tum_trajectory(path))
    if widths == {4} and len(rows) == 1 and min(rows[0]) > 0 and rows[0][0] > 10:
        fx, fy, cx, cy = rows[0]
        return Item(path, "calibration", Calibration(Camera(fx, fy, cx, cy, origin=name)))
    if "pose" in words(name):
        raise MediaError(
            f"{name}: a pose file holds 4 rows of 4 numbers, this has {len(rows)} rows of "
            f"{', '.join(str(width) for width in sorted(widths))}"
        )
    return Item(path, "unknown", why=f"{len(rows)} rows of {sorted(widths)} numbers")


def _by_trying(path: Path) -> Item:
    """A file whose name says nothing: a picture, else a video."""
    held = sniff(path)
    if held != "binary":
        return Item(path, "unknown", why=f"the file holds {held}")
    try:
        return _picture(path)
    except MediaError:
        from spatialclaw.media.video import open_video

        try:
            open_video(path)
        except MediaError:
            return Item(path, "unknown", why="neither a picture nor a video")
    return Item(path, "video")


def numbers_of(items: Sequence[Item]) -> list[int] | None:
    """The number in each file's name when every one has its own, else None."""
    numbers = [number_in(item.name) for item in items]
    known = [number for number in numbers if number is not None]
    return known if len(set(known)) == len(items) else None


def blank(width: int = 64, height: int = 48) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A grey picture for frames of which only the pose is known."""
    return np.full((height, width, 3), 128, dtype=np.uint8)
