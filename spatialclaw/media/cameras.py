"""Reading cameras: intrinsics and stereo calibrations in JSON.

Keys are matched without case, with or without a unit at the end (``fx``, ``fx_px``), nested or
flat. Nothing is guessed: what a file does not say stays unknown.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spatialclaw.errors import MediaError
from spatialclaw.media.files import read_text
from spatialclaw.media.model import Camera

__all__ = [
    "Calibration",
    "calibration_from_json",
    "camera_from_matrix",
    "finite_number",
    "load_json",
    "looks_like_intrinsics",
    "whole_number",
]

Matrix = npt.NDArray[np.float64]

_FOCAL_X = ("fx", "fl_x", "focal_x", "f_x")
_FOCAL_Y = ("fy", "fl_y", "focal_y", "f_y")
_FOCAL = ("f", "focal", "focal_length", "focallength")
_CENTRE_X = ("cx", "ppx", "c_x", "cx_left", "cx0", "principal_x")
_CENTRE_Y = ("cy", "ppy", "c_y", "cy_left", "cy0", "principal_y")
_WIDTH = ("width", "w", "image_width")
_HEIGHT = ("height", "h", "image_height")
_MATRIX = (
    "k",
    "intrinsic_matrix",
    "camera_matrix",
    "cam_matrix",
    "intrinsics",
    "intrinsic",
    "k_left",
    "k1_left",
    "matrix",
)
_UNITS_PER_METRE = ("depth_scale", "depth_factor", "png_depth_scale", "depthmapfactor", "depth_div")
_METRES_PER_UNIT = ("depth_unit_scale_factor", "depth_unit_m", "metres_per_unit")


@dataclass(frozen=True)
class Calibration:
    """What a calibration file tells.

    Attributes:
        camera: The (left) camera, or None.
        right: The right camera, or None.
        baseline_m: Distance of the two cameras in metres, or None.
        doffs_px: cx of the right camera less cx of the left.
        units_per_metre: What a stored depth is divided by, or None when the file does not say.
        disparity_scale: What a stored disparity is divided by, or None.
        by_picture: Cameras by picture name, where the file holds several.
        notes: One line each.
        rectify: {"R", "T", "right"} of a pair that is not rectified yet, or None.
    """

    camera: Camera | None = None
    right: Camera | None = None
    baseline_m: float | None = None
    doffs_px: float = 0.0
    units_per_metre: float | None = None
    disparity_scale: float | None = None
    by_picture: Mapping[str, Camera] | None = None
    notes: tuple[str, ...] = ()
    rectify: Mapping[str, Matrix] | None = None

    @property
    def stereo(self) -> bool:
        """Whether it is about two cameras."""
        return self.baseline_m is not None or self.right is not None or self.doffs_px != 0.0


def load_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        MediaError: Missing, empty or not JSON.
    """
    try:
        return json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise MediaError(
            f"{path}: not valid JSON (line {error.lineno}, column {error.colno}: {error.msg})"
        ) from error
    except RecursionError as error:
        raise MediaError(f"{path}: the JSON is nested too deeply") from error


def camera_from_matrix(
    matrix: Any, origin: str, *, width: int | None = None, height: int | None = None
) -> Camera:
    """A camera from a 3x3 matrix, given row by row, nested or flat.

    Raises:
        MediaError: It is no pinhole matrix.
    """
    try:
        array = np.asarray(matrix, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise MediaError(f"{origin}: the intrinsics are no 3x3 matrix of numbers") from error
    if array.size == 4:
        fx, fy, cx, cy = array.reshape(-1)
        return Camera(fx, fy, cx, cy, width, height, origin=origin)
    if array.size == 12:
        array = array.reshape(3, 4)[:, :3]
    if array.size != 9:
        raise MediaError(f"{origin}: the intrinsics are {array.size} numbers, not a 3x3 matrix")
    k = array.reshape(3, 3)
    if abs(k[0, 2]) < 1e-9 and abs(k[2, 0]) > 1e-9:
        k = k.T  # column by column, as Open3D writes it
    if not np.isfinite(k).all():
        raise MediaError(f"{origin}: the intrinsics hold a number that is not finite")
    if abs(k[2, 2]) < 1e-9:
        raise MediaError(f"{origin}: the last number of an intrinsics matrix is 1, here it is 0")
    k = k / k[2, 2]
    if np.abs(k[[1, 2, 2], [0, 0, 1]]).max() > 1e-3 * max(abs(k[0, 0]), 1):
        raise MediaError(
            f"{origin}: not an intrinsics matrix",
            hint="It has the form fx 0 cx / 0 fy cy / 0 0 1.",
        )
    return Camera(k[0, 0], k[1, 1], k[0, 2], k[1, 2], width, height, origin=origin)


def calibration_from_json(data: Any, origin: str) -> Calibration | None:
    """The calibration that a JSON value holds, or None when it holds none.

    Raises:
        MediaError: It holds one that cannot be right.
    """
    if isinstance(data, list):
        try:
            array = np.asarray(data, dtype=np.float64)
        except (TypeError, ValueError):
            return None
        return Calibration(camera_from_matrix(array, origin)) if array.size == 9 else None
    if not isinstance(data, Mapping):
        return None
    several = _by_picture(data, origin)
    if several:
        return Calibration(by_picture=several)
    flat = _flatten(data)
    camera = _camera(data, flat, origin)
    right = None
    for key in ("right", "camera_right", "cam1", "right_camera"):
        if isinstance(data.get(key), Mapping):
            right = _camera(data[key], _flatten(data[key]), f"{origin} ({key})")
    baseline = _baseline(flat, origin)
    doffs = finite_number(flat, ("doffs",), origin)
    right_cx = finite_number(flat, ("cx_right", "cx1"), origin)
    if doffs is None and camera is not None:
        if right is not None:
            doffs = right.cx - camera.cx
        elif right_cx is not None:
            doffs = right_cx - camera.cx
    units, notes = _depth_units(flat, origin)
    scale = finite_number(flat, ("disparity_scale", "disp_scale"), origin)
    found = (camera, right, baseline, doffs, units, scale)
    said_none = "metric_calibration" in data and data["metric_calibration"] is None
    if all(value is None for value in found) and not said_none:
        return None
    if camera is None and (baseline is not None or said_none):
        notes.append(f"{origin}: gives no focal length, so depth from this pair has no scale")
    return Calibration(camera, right, baseline, doffs or 0.0, units, scale, notes=tuple(notes))


def looks_like_intrinsics(matrix: Matrix) -> bool:
    """Whether a matrix has the form fx 0 cx / 0 fy cy / 0 0 1 (and a column or row of a pose)."""
    bottom = np.abs(matrix[2, :3] - (0, 0, 1)).max() < 1e-6
    return bool(bottom and matrix[0, 0] > 5 and matrix[1, 1] > 5 and abs(matrix[1, 0]) < 1e-6)


def _by_picture(data: Mapping[str, Any], origin: str) -> dict[str, Camera]:
    """Cameras by picture name: {"a.jpg": {"fx": ...}, ...}."""
    if not data or not all(isinstance(value, Mapping | list) for value in data.values()):
        return {}
    if not all(Path(str(key)).suffix for key in data):
        return {}
    cameras = {}
    for name, value in data.items():
        if isinstance(value, list) and np.size(value) not in (4, 9):
            return {}
        nested = {"intrinsics": value} if isinstance(value, list) else value
        camera = _camera(nested, _flatten(nested), f"{origin}, {name}")
        if camera is not None:
            cameras[Path(str(name)).name] = camera
    return cameras


def _camera(data: Mapping[str, Any], flat: Mapping[str, Any], origin: str) -> Camera | None:
    width, height = whole_number(flat, _WIDTH, origin), whole_number(flat, _HEIGHT, origin)
    camera = None
    for key in _MATRIX:
        if key in flat and isinstance(flat[key], list):
            camera = camera_from_matrix(flat[key], origin, width=width, height=height)
            break
    if camera is None:
        focal = finite_number(flat, _FOCAL, origin)
        fx = finite_number(flat, _FOCAL_X, origin)
        fy = finite_number(flat, _FOCAL_Y, origin)
        fx = fx if fx is not None else focal if focal is not None else fy
        fy = fy if fy is not None else fx
        cx, cy = finite_number(flat, _CENTRE_X, origin), finite_number(flat, _CENTRE_Y, origin)
        if fx is None or fy is None:
            return None
        if cx is None or cy is None:
            if width is None or height is None:
                raise MediaError(
                    f"{origin}: gives a focal length and no principal point",
                    hint='Add "cx" and "cy" in pixels, or "width" and "height".',
                )
            cx = (width - 1) / 2 if cx is None else cx
            cy = (height - 1) / 2 if cy is None else cy
        if fx < 10 and "projection_type" in flat and width is not None and height is not None:
            # OpenSfM gives the focal length in units of the longer side.
            fx, fy = fx * max(width, height), fy * max(width, height)
        if fx < 10 and fy < 10:
            raise MediaError(
                f"{origin}: the focal length {fx:g} is too small to be in pixels",
                hint="Give fx and fy in pixels of the picture.",
            )
        camera = Camera(fx, fy, cx, cy, width, height, origin=origin)
    return replace(camera, distortion=_distortion(flat, origin))


def _distortion(flat: Mapping[str, Any], origin: str) -> tuple[float, ...]:
    for key in ("distortion", "dist_coeffs", "dist", "distortion_coefficients", "d", "coeffs"):
        value = flat.get(key)
        if isinstance(value, list) and value and all(isinstance(v, int | float) for v in value):
            if len(value) > 14:
                raise MediaError(f"{origin}: {len(value)} coefficients of distortion are too many")
            size = next(n for n in (4, 5, 8, 12, 14) if n >= len(value))
            return tuple([float(v) for v in value] + [0.0] * (size - len(value)))
    named = [finite_number(flat, (name,), origin) for name in ("k1", "k2", "p1", "p2", "k3")]
    if all(value is None for value in named):
        return ()
    return tuple(value or 0.0 for value in named)


def _baseline(flat: Mapping[str, Any], origin: str) -> float | None:
    for key, unit in (
        ("baseline_m", 1.0),
        ("baseline_mm", 1e-3),
        ("baseline_cm", 1e-2),
        ("baseline", 1.0),
        ("b", 1.0),
        ("stereo_baseline", 1.0),
    ):
        value = flat.get(key)
        if isinstance(value, int | float) and not isinstance(value, bool):
            metres = float(value) * unit
            if not math.isfinite(metres) or metres == 0:
                raise MediaError(f"{origin}: {key} is {value}; the baseline is above 0")
            if key in ("baseline", "b") and abs(metres) > 10:
                raise MediaError(
                    f"{origin}: a baseline of {metres:g} m is too long to be in metres",
                    hint="Name it baseline_mm if it is in millimetres.",
                )
            return abs(metres)
    return None


def _depth_units(flat: Mapping[str, Any], origin: str) -> tuple[float | None, list[str]]:
    """Depth units per metre, from a number or from a sentence such as "value / 5000 = metres"."""
    notes: list[str] = []
    per_unit = finite_number(flat, _METRES_PER_UNIT, origin)
    if per_unit is not None and per_unit > 0:
        return 1 / per_unit, notes
    units = finite_number(flat, _UNITS_PER_METRE, origin)
    if units is not None:
        if not units > 0:
            raise MediaError(f"{origin}: depth_scale is {units:g}; it is units per metre, above 0")
        if units < 1:
            notes.append(
                f"{origin}: depth_scale {units:g} is below 1: taken as metres per unit, "
                f"{1 / units:g} units per metre"
            )
            return 1 / units, notes
        return units, notes
    said = flat.get("depth_unit", flat.get("depth_units"))
    if isinstance(said, str):
        divided = re.search(r"/\s*([\d.]+)\s*=\s*met", said, re.IGNORECASE)
        if divided:
            return float(divided.group(1)), notes
        if re.search(r"\bmm\b|millimet", said, re.IGNORECASE):
            return 1000.0, notes
        if re.search(r"\bcm\b|centimet", said, re.IGNORECASE):
            return 100.0, notes
        if re.fullmatch(r"\s*(m|met(er|re)s?)\s*", said, re.IGNORECASE):
            return 1.0, notes
        notes.append(f'{origin}: the depth unit "{said}" is not understood')
    return None, notes


def _flatten(data: Mapping[str, Any], depth: int = 0) -> dict[str, Any]:
    """One level of names without units, inner values after outer ones."""
    flat: dict[str, Any] = {}
    inner: list[Mapping[str, Any]] = []
    for key, value in data.items():
        name = re.sub(r"_(px|pixels?)$", "", str(key).casefold())
        if isinstance(value, Mapping) and name not in ("right", "camera_right", "cam1"):
            matrix = value.get("data")  # OpenCV writes matrices as {"rows", "cols", "data"}
            if isinstance(matrix, list):
                flat.setdefault(name, matrix)
            else:
                inner.append(value)
        else:
            flat.setdefault(name, value)
    if depth < 3:
        for value in inner:
            for name, thing in _flatten(value, depth + 1).items():
                flat.setdefault(name, thing)
    return flat


def finite_number(flat: Mapping[str, Any], names: tuple[str, ...], origin: str) -> float | None:
    """The first of these values that is given, or None.

    Raises:
        MediaError: It is no finite number.
    """
    for name in names:
        value = flat.get(name)
        if value is None or isinstance(value, bool | list | Mapping):
            continue
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError) as error:
            raise MediaError(f"{origin}: {name} is {str(value)[:40]!r}, not a number") from error
        if not math.isfinite(number):
            raise MediaError(f"{origin}: {name} is {value}, not a finite number")
        return number
    return None


def whole_number(flat: Mapping[str, Any], names: tuple[str, ...], origin: str) -> int | None:
    """The first of these values that is given, as a number of pixels, or None.

    Raises:
        MediaError: It is no whole number of pixels.
    """
    value = finite_number(flat, names, origin)
    if value is None:
        return None
    if not 1 <= value <= 1_000_000 or value != int(value):
        raise MediaError(f"{origin}: {names[0]} is {value:g}; it is a whole number of pixels")
    return int(value)
