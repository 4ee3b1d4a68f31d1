"""What a photograph's EXIF data tell about its camera and place."""

from __future__ import annotations

import math
from typing import Any

from PIL import Image

from spatialclaw.media.model import Camera

__all__ = ["camera_from_exif", "gps_from_exif"]

_EXIF_IFD, _GPS_IFD = 0x8769, 0x8825
_FOCAL_MM, _FOCAL_35MM = 0x920A, 0xA405
_PLANE_X, _PLANE_Y, _PLANE_UNIT = 0xA20E, 0xA20F, 0xA210
_PIXEL_X, _PIXEL_Y = 0xA002, 0xA003
_DIGITAL_ZOOM = 0xA404

#: Diagonal of the 36 mm x 24 mm picture that "35 mm equivalent" refers to (CIPA DCG-001), mm.
_DIAGONAL_35MM = math.hypot(36.0, 24.0)
#: Makers round, take width for diagonal (4 % at 4:3) and give the lens design instead of the lens;
#: phones whose calibration is known lie within 2 to 16 % of what the number says.
_SIGMA_35MM = 0.10
#: Focal length and pixel pitch are nominal values, and the lens breathes.
_SIGMA_PLANE = 0.03
#: The picture was cut or is of another aspect than the one that the data describe.
_SIGMA_CUT = 0.25


def camera_from_exif(exif: Image.Exif, width: int, height: int, name: str) -> Camera | None:
    """The camera that the EXIF data tell, for the stored picture before orientation.

    The focal length in pixels is ``f35 / 43.27 * diagonal`` (35 mm equivalent, by the diagonal),
    or ``focal_mm * pixels_per_mm`` of the sensor plane, scaled to the picture's present size. The
    principal point is taken in the middle.

    Args:
        exif: EXIF data of the picture.
        width: Stored width in pixels, before the EXIF orientation.
        height: Stored height in pixels, before the EXIF orientation.
        name: Name of the picture.

    Returns:
        The camera with `focal_sigma` set, or None when the data do not tell the focal length.
    """
    data = exif.get_ifd(_EXIF_IFD)
    focal = None
    sigma = _SIGMA_35MM
    own = (_number(data.get(_PIXEL_X)), _number(data.get(_PIXEL_Y)))
    plane = _plane_focal(data, width, own[0])
    equivalent = _number(data.get(_FOCAL_35MM))
    if plane is not None and equivalent is not None:
        by_diagonal = equivalent / _DIAGONAL_35MM * math.hypot(width, height)
        if abs(plane / by_diagonal - 1) < 0.25:
            focal, sigma = plane, _SIGMA_PLANE
        else:
            focal = by_diagonal
    elif plane is not None:
        focal, sigma = plane, _SIGMA_PLANE
    elif equivalent is not None:
        focal = equivalent / _DIAGONAL_35MM * math.hypot(width, height)
    if focal is None or not 0.1 * max(width, height) < focal < 100 * max(width, height):
        return None
    if own[0] and own[1] and abs((own[0] / own[1]) / (width / height) - 1) > 0.02:
        sigma = _SIGMA_CUT
    return Camera(
        focal,
        focal,
        (width - 1) / 2,
        (height - 1) / 2,
        width,
        height,
        source="exif",
        focal_sigma=round(sigma * focal, 1),
        origin=f"EXIF of {name}",
    )


def gps_from_exif(exif: Image.Exif) -> dict[str, float] | None:
    """Latitude and longitude in degrees (north and east positive) and altitude, or None."""
    data = exif.get_ifd(_GPS_IFD)
    place: dict[str, float] = {}
    for key, value_tag, sign_tag, negative in (
        ("latitude", 2, 1, "S"),
        ("longitude", 4, 3, "W"),
    ):
        value = data.get(value_tag)
        if not isinstance(value, tuple | list) or len(value) != 3:
            return None
        parts = [_number(part, zero=True) for part in value]
        if any(part is None for part in parts):
            return None
        degrees = sum((part or 0.0) / 60**i for i, part in enumerate(parts))
        sign = -1.0 if str(data.get(sign_tag, "")).strip("\0 ").upper() == negative else 1.0
        place[key] = round(sign * degrees, 8)
    altitude = _number(data.get(6), zero=True)
    if altitude is not None:
        below = data.get(5) in (1, b"\x01")
        place["altitude_m"] = -altitude if below else altitude
    direction = _number(data.get(17), zero=True)
    if direction is not None:
        place["compass_deg"] = direction
    return place


def _plane_focal(data: dict[int, Any], width: int, own_width: float | None) -> float | None:
    focal_mm = _number(data.get(_FOCAL_MM))
    resolution = _number(data.get(_PLANE_X))
    millimetres = {2: 25.4, 3: 10.0, 4: 1.0, 5: 0.001}.get(int(data.get(_PLANE_UNIT) or 2))
    if focal_mm is None or resolution is None or millimetres is None:
        return None
    pixels_per_mm = resolution / millimetres
    # The plane's resolution counts pixels of the picture as taken.
    scale = width / own_width if own_width else 1.0
    sensor_mm = (own_width or width) / pixels_per_mm
    if not 1.0 < sensor_mm < 150.0:
        return None
    return focal_mm * pixels_per_mm * scale


def _number(value: Any, *, zero: bool = False) -> float | None:
    """A finite positive number (or also 0), else None: cameras write 0 for "unknown"."""
    try:
        number = float(value)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    if not math.isfinite(number) or number < 0 or (number == 0 and not zero):
        return None
    return number
