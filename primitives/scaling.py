"""A scene without scale put into metres by one length that is known."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spatialclaw.primitives.errors import NothingFound, PrimitiveError
from spatialclaw.primitives.geometry.points import Points
from spatialclaw.primitives.geometry.views import triangulate
from spatialclaw.primitives.markers import markers
from spatialclaw.primitives.results import DepthMap

if TYPE_CHECKING:
    from spatialclaw.primitives.scene import Scene

__all__ = ["in_metres"]

Floats = npt.NDArray[np.float64]


def in_metres(
    scene: Scene,
    *,
    between: tuple[Any, Any] | None = None,
    length_m: float | None = None,
    camera_height_m: float | None = None,
    marker_m: float | None = None,
) -> Scene:
    """The same scene in metres; see `Scene.in_metres`."""
    given = [between is not None, camera_height_m is not None, marker_m is not None]
    if sum(given) != 1 or (between is not None) != (length_m is not None):
        raise ValueError(
            "give one known length: between=(a, b) with length_m=..., camera_height_m=..., or "
            "marker_m=..."
        )
    if between is not None and length_m is not None:
        measured, spread, source = _apart(scene, *between), 0.02, "a known length"
        metres = length_m
    elif camera_height_m is not None:
        measured, spread, source = _height(scene), 0.04, "the height of the camera"
        metres = camera_height_m
    else:
        assert marker_m is not None
        measured, spread, source = _marker_side(scene)
        metres = marker_m
    if not (metres > 0 and np.isfinite(metres)):
        raise ValueError(f"a length in metres is positive, not {metres}")
    if not measured > 0:
        raise NothingFound("the known length has no extent in the scene", hint="other points")
    return _multiplied(scene, metres / measured, f"scale from {source} (within {spread:.0%})")


def _apart(scene: Scene, a: Any, b: Any) -> float:
    places = [scene.place(thing).plain for thing in (a, b)]
    return float(np.linalg.norm(places[0] - places[1]))


def _height(scene: Scene) -> float:
    above = np.asarray(scene.floor().distance(scene.camera_path), dtype=np.float64)
    return float(np.median(np.abs(above)))


def _marker_side(scene: Scene) -> tuple[float, float, str]:
    """Side of the markers that two or more frames show, in the scene's unit."""
    seen: dict[tuple[str, int], list[tuple[Any, Floats]]] = {}
    for frame in scene.frames:
        try:
            found = list(markers(frame))
        except PrimitiveError:  # none in this frame
            continue
        for mark in found:
            if mark.points is not None and mark.extra.get("dictionary"):
                key = (str(mark.extra["dictionary"]), int(mark.extra["marker_id"]))
                seen.setdefault(key, []).append((frame, np.asarray(mark.points, np.float64)))
    sides = []
    for sightings in seen.values():
        if len(sightings) < 2:
            continue
        frames = [frame for frame, _ in sightings]
        corners = []
        for k in range(4):
            try:
                corners.append(triangulate([points[k] for _, points in sightings], frames).plain)
            except ValueError:  # seen under one angle only
                break
        if len(corners) == 4:
            square = np.array(corners)
            sides += np.linalg.norm(np.roll(square, -1, axis=0) - square, axis=1).tolist()
    if not sides:
        raise NothingFound(
            "no ArUco marker or AprilTag is seen in two frames of the scene",
            hint="scene.in_metres(between=(a, b), length_m=...) with a length that is known",
        )
    spread = float(np.std(sides) / np.mean(sides)) + 0.005
    return float(np.median(sides)), spread, f"{len(sides)} sides of markers"


def _multiplied(scene: Scene, factor: float, why: str) -> Scene:
    from spatialclaw.primitives.scene import Scene

    frames, depths = [], []
    for i, frame in enumerate(scene.frames):
        assert frame.pose is not None
        pose = np.array(frame.pose, dtype=np.float64)
        pose[:3, 3] *= factor
        frames.append(frame.replaced(pose=pose.tolist(), metric=True))
        try:
            known: DepthMap | None = scene.depth(i)
        except PrimitiveError:  # this frame has none
            known = None
        depths.append(
            None
            if known is None
            else replace(
                known, depth=known.depth * np.float32(factor),
                sigma=known.sigma * np.float32(factor), metric=True,
                note="; ".join(part for part in (known.note, why) if part),
            )
        )  # fmt: skip
    sparse = None
    if scene.sparse is not None:
        sparse = Points(scene.sparse.plain * factor, scene.sparse.ref, metric=True)
        sparse.method = scene.sparse.method
    notes = [part for part in scene.note.split("; ") if not part.startswith("no scale")]
    made = type(scene.frames)(frames, name=scene.frames.name, kind=scene.frames.kind,
                              objects=scene.frames.objects)  # fmt: skip
    return Scene(
        made, depths=depths, sparse=sparse, metric=True, up_known=scene.up_known,
        method=scene.method, confidence=0.95 * scene.confidence, note="; ".join([*notes, why]),
    )  # fmt: skip
