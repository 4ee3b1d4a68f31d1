"""Calibrations as OpenCV's FileStorage writes them (YAML or XML): one camera or a stereo pair."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spatialclaw.errors import MediaError
from spatialclaw.media.cameras import Calibration, camera_from_matrix
from spatialclaw.media.files import read_text
from spatialclaw.media.model import Camera

__all__ = ["calibration_from_opencv"]

Matrix = npt.NDArray[np.float64]

_LEFT = ("M1", "K1", "cameraMatrix1", "camera_matrix_1", "left_camera_matrix", "KL", "K_left")
_RIGHT = ("M2", "K2", "cameraMatrix2", "camera_matrix_2", "right_camera_matrix", "KR", "K_right")
_LEFT_D = ("D1", "distCoeffs1", "dist_coeffs_1", "left_distortion", "DL", "D_left")
_RIGHT_D = ("D2", "distCoeffs2", "dist_coeffs_2", "right_distortion", "DR", "D_right")
_ONE = ("camera_matrix", "cameraMatrix", "K", "M")
_ONE_D = ("distortion_coefficients", "distCoeffs", "dist_coeffs", "D")
#: Baselines between these are believable in metres, and above the last in millimetres.
_METRES, _MILLIMETRES = (0.01, 2.0), 20.0


def calibration_from_opencv(path: Path) -> Calibration:
    """The calibration in a FileStorage file.

    Rectified pairs are recognised by ``P1`` and ``P2`` without ``R`` and ``T``; a pair with ``R``
    and ``T`` (the second camera's, OpenCV's ``stereoCalibrate``) is rectified when its pictures
    are read.

    Raises:
        MediaError: It is not such a file, or holds no camera.
    """
    import cv2

    text = read_text(path)
    if not text.lstrip().startswith(("%YAML", "<?xml", "{")):
        text = "%YAML:1.0\n---\n" + text
    try:
        storage = cv2.FileStorage(text, cv2.FILE_STORAGE_READ | cv2.FILE_STORAGE_MEMORY)
        values = _read(storage)
    except (cv2.error, SystemError) as error:  # the binding raises either
        raise MediaError(
            f"{path}: not a calibration that OpenCV can read",
            hint="Write it with cv2.FileStorage, or give a JSON with fx, fy, cx, cy.",
        ) from error
    name = path.name
    size = _size(values)
    first, second = _first(values, _LEFT), _first(values, _RIGHT)
    p1, p2 = values.get("P1"), values.get("P2")
    turn, shift = _first(values, ("R",)), _first(values, ("T",))
    if first is not None and second is not None and turn is not None and shift is not None:
        left = _camera(first, _first(values, _LEFT_D), size, name)
        right = _camera(second, _first(values, _RIGHT_D), size, name)
        baseline, notes = _metres(float(np.linalg.norm(shift)), values, name)
        if turn.size == 3:
            turn = cv2.Rodrigues(turn.reshape(3))[0]
        return Calibration(
            left,
            right,
            baseline,
            notes=tuple(notes),
            rectify={"R": turn.reshape(3, 3), "T": shift.reshape(3)},
        )
    if p1 is not None and p2 is not None and p1.size == 12 and p2.size == 12:
        p1, p2 = p1.reshape(3, 4), p2.reshape(3, 4)
        length = p1[0, 3] / p1[0, 0] - p2[0, 3] / p2[0, 0]
        baseline, notes = _metres(float(length), values, name)
        left = _camera(p1[:, :3], None, size, name)
        right = _camera(p2[:, :3], None, size, name)
        return Calibration(left, right, baseline, right.cx - left.cx, notes=tuple(notes))
    one = _first(values, _ONE)
    if one is None:
        raise MediaError(
            f"{path}: holds no camera",
            hint="Expected are camera_matrix, or M1 D1 M2 D2 R T of a stereo pair, or P1 and P2.",
        )
    return Calibration(_camera(one, _first(values, _ONE_D), size, name))


def _read(storage: Any) -> dict[str, Any]:
    values: dict[str, Any] = {}
    names = list(storage.root().keys())
    for key in names:
        node = storage.getNode(key)
        if node.isMap():
            matrix = _matrix(node)
            if matrix is not None:
                values[key] = matrix
        elif node.isReal() or node.isInt():
            values[key] = float(node.real())
        elif node.isString():
            values[key] = node.string()
        elif node.isSeq():
            numbers = [node.at(i) for i in range(node.size())]
            if all(number.isReal() or number.isInt() for number in numbers):
                values[key] = np.array([float(number.real()) for number in numbers])
    return values


def _matrix(node: Any) -> Matrix | None:
    """A matrix as OpenCV writes it, or as ROS does: rows, cols and data without a type."""
    import cv2

    try:
        matrix = node.mat()
    except cv2.error:
        data = node.getNode("data")
        numbers = [data.at(i) for i in range(data.size())] if data.isSeq() else []
        if not numbers or not all(number.isReal() or number.isInt() for number in numbers):
            return None
        return np.array([float(number.real()) for number in numbers])
    return None if matrix is None else np.asarray(matrix, dtype=np.float64)


def _first(values: dict[str, Any], names: tuple[str, ...]) -> Matrix | None:
    return next((values[n] for n in names if isinstance(values.get(n), np.ndarray)), None)


def _size(values: dict[str, Any]) -> tuple[int | None, int | None]:
    for names in (("image_width", "image_height"), ("width", "height")):
        if all(isinstance(values.get(name), float) for name in names):
            return int(values[names[0]]), int(values[names[1]])
    for name in ("image_size", "imageSize", "size"):
        value = values.get(name)
        if isinstance(value, np.ndarray) and value.size == 2:
            return int(value.reshape(-1)[0]), int(value.reshape(-1)[1])
    return None, None


def _camera(
    matrix: Matrix, distortion: Matrix | None, size: tuple[int | None, int | None], name: str
) -> Camera:
    camera = camera_from_matrix(matrix, name, width=size[0], height=size[1])
    if distortion is None:
        return camera
    values = tuple(float(value) for value in distortion.reshape(-1))
    return Camera(camera.fx, camera.fy, camera.cx, camera.cy, *size, distortion=values, origin=name)


def _metres(length: float, values: dict[str, Any], name: str) -> tuple[float | None, list[str]]:
    """The baseline in metres: the file does not say its unit, unless it has a key for it."""
    unit = str(values.get("unit", values.get("units", ""))).strip().casefold()
    factor = {"m": 1.0, "mm": 1e-3, "cm": 1e-2, "metre": 1.0, "meter": 1.0}.get(unit.rstrip("s"))
    if not length > 0:
        raise MediaError(f"{name}: the baseline is {length:g}; it is above 0")
    if unit == "m" or factor is not None:
        return length * (factor or 1.0), []
    if _METRES[0] <= length <= _METRES[1]:
        return length, [f"{name}: the baseline {length:.4g} has no unit; taken as metres"]
    if length >= _MILLIMETRES:
        return length / 1000, [
            f"{name}: the baseline {length:.4g} has no unit; taken as millimetres"
        ]
    return None, [
        f"{name}: the unit of the baseline {length:.4g} is not clear, so scale is unknown"
    ]
