"""Reading cameras: intrinsics and stereo calibrations in JSON.

Keys are matched without case, with or without a unit at the end (``fx``, ``fx_px``), nested or
flat. Nothing is guessed: what a file does not say stays unknown.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spatialclaw.errors import MediaError
from spatialclaw.media.depth_units import depth_units
from spatialclaw.media.files import read_text
from spatialclaw.media.model import Camera
from spatialclaw.media.values import finite_number, flatten, whole_number

__all__ = [
    "Calibration",
    "calibration_from_json",
    "camera_from_matrix",
    "load_json",
    "looks_like_intrinsics",
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


#: Baselines whose names do not say their unit.
_UNSAID = ("baseline", "b", "stereo_baseline")


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
    flat = flatten(data)
    camera = _camera(data, flat, origin)
    right = None
    for key in ("right", "camera_right", "cam1", "right_camera"):
        if isinstance(data.get(key), Mapping):
            right = _camera(data[key], flatten(data[key]), f"{origin} ({key})")
    doffs = finite_number(flat, ("doffs",), origin)
    right_cx = finite_number(flat, ("cx_right", "cx1"), origin)
    if doffs is None and camera is not None:
        if right is not None:
            doffs = right.cx - camera.cx
        elif right_cx is not None:
            doffs = right_cx - camera.cx
    units, notes = depth_units(flat, origin)
    baseline = _baseline(flat, origin, notes)
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
        camera = _camera(nested, flatten(nested), f"{origin}, {name}")
        if camera is not None:
            cameras[Path(str(name)).name] = camera
    return cameras


def _camera(data: Mapping[str, Any], flat: Mapping[str, Any], origin: str) -> Camera | None:
    for name in ("resolution", "image_size", "size"):
        value = flat.get(name)
        if isinstance(value, list) and len(value) == 2:
            flat = {"width": value[0], "height": value[1], **flat}
    width, height = whole_number(flat, _WIDTH, origin), whole_number(flat, _HEIGHT, origin)
    camera = None
    for key in _MATRIX:
        if key in flat and isinstance(flat[key], list):
            camera = camera_from_matrix(flat[key], origin, width=width, height=height)
            break
    if camera is None:
        flat = _unpacked(flat, origin)
        focal = finite_number(flat, _FOCAL, origin)
        fx = finite_number(flat, _FOCAL_X, origin)
        fy = finite_number(flat, _FOCAL_Y, origin)
        fx = fx if fx is not None else focal if focal is not None else fy
        fy = fy if fy is not None else fx
        cx, cy = finite_number(flat, _CENTRE_X, origin), finite_number(flat, _CENTRE_Y, origin)
        if fx is None and width is not None:
            fx = fy = _from_view(flat, width, origin)
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


def _unpacked(flat: Mapping[str, Any], origin: str) -> dict[str, Any]:
    """Pairs such as "principal_point": [cx, cy] taken apart."""
    result = dict(flat)
    for names, keys in (
        (("focal", "focal_length", "f"), ("fx", "fy")),
        (("principal_point", "pp", "c", "center", "centre"), ("cx", "cy")),
    ):
        for name in names:
            value = result.get(name)
            if isinstance(value, list) and len(value) == 2:
                result.update({k: v for k, v in zip(keys, value, strict=True) if k not in result})
                del result[name]
    return result


def _from_view(flat: Mapping[str, Any], width: int, origin: str) -> float | None:
    """The focal length in pixels from a horizontal field of view."""
    radians = finite_number(flat, ("camera_angle_x", "hfov_rad"), origin)
    degrees = finite_number(flat, ("hfov_deg", "hfov", "fov_x_deg", "fov_x", "fovx"), origin)
    angle = math.radians(degrees) if degrees is not None else radians
    if angle is None:
        return None
    if not 0 < angle < math.pi:
        raise MediaError(
            f"{origin}: the field of view is {math.degrees(angle):g} degrees",
            hint="It is between 0 and 180 degrees.",
        )
    return width / 2 / math.tan(angle / 2)


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


def _baseline(flat: Mapping[str, Any], origin: str, notes: list[str]) -> float | None:
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
            if key in _UNSAID and abs(metres) >= 20:
                # No pair of cameras is 20 m apart and more; Middlebury writes millimetres.
                metres /= 1000
                notes.append(f"{origin}: {key} {value:g} has no unit; taken as millimetres")
            elif key in _UNSAID and abs(metres) > 5:
                raise MediaError(
                    f"{origin}: a baseline of {metres:g} m is too long to be in metres",
                    hint="Name it baseline_m, baseline_cm or baseline_mm.",
                )
            return abs(metres)
    return None
