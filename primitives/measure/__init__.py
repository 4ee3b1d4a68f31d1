"""Measures: each gives a `Measurement` with value, unit, one standard deviation and evidence.

``measure.distance(a, b)``, ``.size(thing)``, ``.height``, ``.width``, ``.length``, ``.area``,
``.height_above_floor``, ``.room_size``, ``.angle``, ``.speed(track)``, ``.count(things)``.
Arithmetic and comparisons keep unit and error:
``measure.distance(a, b) / measure.distance(a, c) > 1``.
"""

from spatialclaw.primitives.measure.distances import distance, distance_px, height_above_floor
from spatialclaw.primitives.measure.measurement import Comparison, Measurement
from spatialclaw.primitives.measure.others import (
    angle,
    area,
    count,
    path_length,
    room_size,
)
from spatialclaw.primitives.measure.sizes import box, height, length, size, volume, width
from spatialclaw.primitives.measure.speeds import speed, speed_px

__all__ = [
    "Comparison",
    "Measurement",
    "angle",
    "area",
    "box",
    "count",
    "distance",
    "distance_px",
    "height",
    "height_above_floor",
    "length",
    "path_length",
    "room_size",
    "size",
    "speed",
    "speed_px",
    "volume",
    "width",
]
