"""Cameras in text files: a 3x3 matrix, Middlebury's calib.txt and KITTI's projection matrices."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from spatialclaw.errors import MediaError
from spatialclaw.media.cameras import Calibration, camera_from_matrix, looks_like_intrinsics
from spatialclaw.media.model import Camera
from spatialclaw.media.poses import matrix_rows, numbers_table

__all__ = [
    "bare_projections",
    "calibration_from_middlebury",
    "calibration_from_projections",
    "camera_from_text",
    "projections",
]

Matrix = npt.NDArray[np.float64]


def calibration_from_middlebury(text: str, origin: str) -> Calibration | None:
    """A calib.txt in the form of Middlebury 2014: cam0=[...] cam1=[...] doffs= baseline= (mm).

    Returns:
        The calibration, or None when the text is of another form.
    """
    values = dict(re.findall(r"^\s*(\w+)\s*=\s*(.+?)\s*$", text, re.MULTILINE))
    if "cam0" not in values:
        return None

    def matrix(name: str) -> Matrix:
        numbers = re.findall(r"[-+]?\d*\.?\d+(?:[eE][-+]?\d+)?", values[name])
        return np.array([float(number) for number in numbers])

    def number(name: str) -> float | None:
        try:
            return float(values[name]) if name in values else None
        except ValueError as error:
            raise MediaError(f"{origin}: {name}={values[name]} is no number") from error

    width, height = number("width"), number("height")
    size = {
        "width": None if width is None else int(width),
        "height": None if height is None else int(height),
    }
    camera = camera_from_matrix(matrix("cam0"), f"{origin} (cam0)", **size)
    right = (
        camera_from_matrix(matrix("cam1"), f"{origin} (cam1)", **size) if "cam1" in values else None
    )
    baseline = number("baseline")
    doffs = number("doffs")
    if doffs is None:
        doffs = right.cx - camera.cx if right is not None else 0.0
    if baseline is not None and not (math.isfinite(baseline) and baseline > 0):
        raise MediaError(f"{origin}: the baseline is {baseline:g} mm; it is above 0")
    return Calibration(camera, right, None if baseline is None else baseline / 1000, doffs)


def projections(text: str) -> dict[str, Matrix]:
    """The matrices of a KITTI calib file: "P2: 12 numbers", "R0_rect: 9 numbers" and so on.

    A file with two or more bare lines of 12 numbers gives P0, P1 and so on, in order.
    """
    found: dict[str, Matrix] = {}
    for line in text.splitlines():
        name, colon, rest = line.partition(":")
        if not colon:
            continue
        try:
            values = [float(part) for part in rest.split()]
        except ValueError:
            continue
        if len(values) in (9, 12) and not all(math.isfinite(value) for value in values):
            raise MediaError(f"the calibration's {name.strip()} holds NaN or infinity")
        # The raw recordings say P_rect_02 and R_rect_00 for P2 and R0_rect.
        key = re.sub(r"^P_rect_0(\d)$", r"P\1", name.strip())
        key = "R0_rect" if key == "R_rect_00" else key
        if len(values) == 12:
            found[key] = np.array(values).reshape(3, 4)
        elif len(values) == 9:
            found[key] = np.array(values).reshape(3, 3)
    return found


def calibration_from_projections(
    matrices: Mapping[str, Matrix], left: str, right: str, origin: str
) -> Calibration:
    """Rectified stereo from two of KITTI's projection matrices (``P = K [I | t]``, metres)."""
    first, second = matrices[left], matrices[right]
    camera = camera_from_matrix(first, f"{origin} ({left})")
    other = camera_from_matrix(second, f"{origin} ({right})")
    baseline = first[0, 3] / first[0, 0] - second[0, 3] / second[0, 0]
    if not baseline > 0:
        raise MediaError(
            f"{origin}: by {left} and {right} the right camera is {baseline:g} m to the right",
            hint="The baseline is above 0: are the matrices in order?",
        )
    return Calibration(camera, other, float(baseline), other.cx - camera.cx)


def bare_projections(rows: list[list[float]] | None) -> dict[str, Matrix]:
    """P0, P1 and so on of a table in which each line is a 3x4 projection matrix, or nothing."""
    if rows is None or not 2 <= len(rows) <= 4 or any(len(row) != 12 for row in rows):
        return {}
    matrices = [np.array(row).reshape(3, 4) for row in rows]
    plausible = all(
        np.isfinite(m).all() and m[0, 0] > 20 and m[1, 1] > 20 and abs(m[2, 2] - 1) < 1e-6
        for m in matrices
    )
    return {f"P{i}": m for i, m in enumerate(matrices)} if plausible else {}


def camera_from_text(path: Path, text: str) -> Camera | None:
    """A camera from a text of 3x3 numbers, or None when it is not one."""
    rows = numbers_table(text, path.name)
    matrix = matrix_rows(rows, 3, 3)
    if matrix is None:
        return None
    return camera_from_matrix(matrix, path.name) if looks_like_intrinsics(matrix) else None
