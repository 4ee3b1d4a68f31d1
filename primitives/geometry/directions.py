"""Directions, computed: from a camera, from a viewer who faces something, from an object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spatialclaw.primitives.errors import FrameOfReferenceError, PrimitiveError
from spatialclaw.primitives.frames import Frame
from spatialclaw.primitives.geometry.gravity import gravity
from spatialclaw.primitives.geometry.places import (
    common,
    frame_behind,
    heading_of,
    name_of,
    position_of,
)
from spatialclaw.primitives.geometry.points import Points
from spatialclaw.primitives.geometry.words import COMPASS, SECTORS, bearing, bearing_word, wrap_deg

__all__ = ["Direction", "direction"]

Floats = npt.NDArray[np.float64]


@dataclass(eq=False)
class Direction:
    """Where something is for a viewer who faces some way.

    Attributes:
        angle_deg: Clockwise from the facing direction, seen from above: 0 ahead, + to the right,
            - to the left, 180 behind.
        elevation_deg: Above (+) or below (-) the viewer's level.
        distance: From viewer to target, unit of the points.
        metric: Whether `distance` is in metres.
        sigma_deg: One standard deviation of `angle_deg`, or None.
        target: Name of the target.
        viewer: Name of the viewer.
        method: What the viewer's heading comes from.
    """

    angle_deg: float
    elevation_deg: float
    distance: float
    metric: bool = True
    sigma_deg: float | None = None
    target: str = ""
    viewer: str = ""
    method: str = ""

    @property
    def word(self) -> str:
        """One of 8: "front", "front-right", "right", "behind-right", "behind"..."""
        return self.among(SECTORS[8])[0]

    @property
    def word2(self) -> str:
        """The side: "left" or "right"."""
        return self.among(SECTORS[2])[0]

    @property
    def word4(self) -> str:
        """One of 4: "front", "right", "behind" or "left"."""
        return self.among(SECTORS[4])[0]

    @property
    def word8(self) -> str:
        """Same as `word`."""
        return self.word

    @property
    def quadrant(self) -> str:
        """One of "front-left", "front-right", "behind-left" and "behind-right"."""
        return self.among(["front-left", "front-right", "behind-left", "behind-right"])[0]

    @property
    def margin_deg(self) -> float:
        """By how many degrees the angle could change before `word` would."""
        return self.margin(8)

    def margin(self, sectors: int = 8) -> float:
        """The margin of `word2`, `word4` or `word8`, degrees."""
        return self.among(SECTORS[sectors])[1]

    def among(self, options: Sequence[str]) -> tuple[str, float]:
        """The option nearest to the angle, and the margin in degrees.

        Args:
            options: Such as ["left", "right", "back"] or ["front-left", "front-right"].

        Example:
            >>> Direction(angle_deg=-50.0, elevation_deg=0.0, distance=1.0).among(["left", "right"])
            ('left', 50.0)
        """
        return bearing_word(self.angle_deg, options)

    def compass(self, facing: str | float = "north", sectors: int = 8) -> tuple[str, float]:
        """The compass word for a viewer whose heading is known, and the margin in degrees.

        Args:
            facing: Where the viewer faces: "south", or degrees clockwise from north.
            sectors: 4 or 8.

        Example:
            >>> Direction(angle_deg=90.0, elevation_deg=0.0, distance=1.0).compass("south", 4)
            ('west', 45.0)
        """
        heading = bearing(facing) if isinstance(facing, str) else float(facing)
        return bearing_word(wrap_deg(self.angle_deg + heading), COMPASS[sectors])

    def is_within(self, sector_deg: float, about_deg: float = 0.0) -> bool:
        """Whether the angle lies within `sector_deg` / 2 of `about_deg`."""
        return abs(wrap_deg(self.angle_deg - about_deg)) <= sector_deg / 2

    def __repr__(self) -> str:
        unit = " m" if self.metric else " (no scale)"
        sure = "" if self.sigma_deg is None else f" +- {self.sigma_deg:.1f}"
        side = f"{abs(self.angle_deg):.1f}{sure} deg {'right' if self.angle_deg >= 0 else 'left'}"
        names = f"{self.target or 'target'} from {self.viewer or 'viewer'}"
        return (
            f"<Direction: {names}: {self.word}, {side} of straight ahead (holds by "
            f"{self.margin_deg:.0f} deg; left/right by {self.margin(2):.0f}), elevation "
            f"{self.elevation_deg:+.0f} deg, {self.distance:.2f}{unit}>"
        )


def direction(
    target: Any,
    *,
    viewer: Any = None,
    facing: Any = None,
    heading: npt.ArrayLike | None = None,
    up: npt.ArrayLike | None = None,
    frame: Frame | int | None = None,
    depth: Any = None,
) -> Direction:
    """Where a target is for a viewer: angle, words and the margin by which they hold.

    Args:
        target: `Points`, a `Mask`, a `Box3D`, or a pixel (x, y) with `frame`.
        viewer: Where the viewer stands: the same kinds, or a `Frame` (its camera). None: the
            camera that saw the target.
        facing: What the viewer faces, the same kinds. None: a camera's viewing direction, or the
            box's own `front`.
        heading: (3,) direction the viewer faces instead of `facing`, in the viewer's reference.
        up: (3,) up vector; None: z in the world, gravity in a camera.
        frame: Frame of bare pixels and masks.
        depth: As for `unproject`.

    Raises:
        FrameOfReferenceError: The things have no common frame of reference, or nothing says which
            way the viewer faces.

    Example:
        Standing at the door facing the bed, where is the desk?
        ``geometry.direction(desk, viewer=door, facing=bed).among(["left", "right", "back"])``
    """
    seen_in = frame_behind(target, viewer, frame=frame)
    place = position_of(target, frame=frame, depth=depth)
    camera = viewer if isinstance(viewer, Frame) else None
    if viewer is None:
        if seen_in is None and not place.ref.startswith("camera"):
            raise FrameOfReferenceError(
                f"the target is in {place.ref} and no viewer is given",
                hint="geometry.direction(target, viewer=frames[0])",
            )
        camera = seen_in
        stand = Points(np.zeros(3), place.ref, metric=place.metric, sigma=0.0)
        if place.ref.startswith("world") and camera is not None:
            stand = position_of(camera)
    else:
        stand = position_of(viewer, frame=frame, depth=depth)
        if camera is not None and place.ref == f"camera {camera.position}":
            stand = Points(np.zeros(3), place.ref, metric=place.metric, sigma=0.0)
    ahead: Points | None = None
    if facing is not None:
        ahead = position_of(facing, frame=frame, depth=depth)
        place, stand, ahead = common(place, stand, ahead, frame=seen_in)
    else:
        place, stand = common(place, stand, frame=seen_in)
    forward, method = _forward(viewer, camera, stand, ahead, heading)
    vertical = _up(up, stand.ref, camera or seen_in)
    offset = place.plain - stand.plain
    angle, elevation = _angles(offset, forward, vertical)
    flat = offset - (offset @ vertical) * vertical
    sigma = _spread(place, stand, ahead, float(np.linalg.norm(flat)))
    return Direction(
        angle_deg=angle,
        elevation_deg=elevation,
        distance=float(np.linalg.norm(offset)),
        metric=place.metric and stand.metric,
        sigma_deg=sigma,
        target=name_of(target),
        viewer="the camera" if viewer is None else name_of(viewer),
        method=method,
    )


def _forward(
    viewer: Any, camera: Frame | None, stand: Points, ahead: Points | None, heading: Any
) -> tuple[Floats, str]:
    if heading is not None:
        return np.asarray(heading, dtype=np.float64), "heading given"
    if ahead is not None:
        return ahead.plain - stand.plain, "faces what was given"
    if camera is not None:
        return heading_of(camera, stand.ref), "the camera's viewing direction"
    if viewer is None:
        return np.array([0.0, 0.0, 1.0]), "the camera's viewing direction"
    front = getattr(viewer, "front", None)
    if front is not None:
        return np.asarray(front, dtype=np.float64), "the object's own front"
    raise FrameOfReferenceError(
        f"which way {name_of(viewer)} faces is not known",
        hint="facing=thing, heading=(x, y, z), or box.facing(direction)",
    )


def _up(up: Any, ref: str, frame: Frame | None) -> Floats:
    if up is not None:
        if isinstance(up, Points) and up.ref != ref:
            raise FrameOfReferenceError(
                f"the up vector is in {up.ref}, the viewer in {ref}", hint=f"up in {ref}"
            )
        vector = np.asarray(up, dtype=np.float64)
        return vector / np.linalg.norm(vector)
    if ref.startswith("world"):
        return np.array([0.0, 0.0, 1.0])
    if frame is not None:
        return gravity(frame, assume_level=True).plain
    return np.array([0.0, -1.0, 0.0])


def _angles(offset: Floats, forward: Floats, up: Floats) -> tuple[float, float]:
    level = forward - (forward @ up) * up
    length = float(np.linalg.norm(level))
    if length < 1e-6 * max(1e-12, float(np.linalg.norm(forward))):
        raise PrimitiveError(
            "the viewer faces straight up or down, so left and right are not defined",
            hint="heading=(x, y, z) with a horizontal part",
        )
    level = level / length
    right = np.cross(level, up)
    flat = float(np.hypot(offset @ level, offset @ right))
    if float(np.linalg.norm(offset)) == 0.0:
        raise PrimitiveError(
            "the target is where the viewer stands", hint="another viewer or target"
        )
    angle = float(np.degrees(np.arctan2(offset @ right, offset @ level)))
    return wrap_deg(angle), float(np.degrees(np.arctan2(offset @ up, flat)))


def _spread(place: Points, stand: Points, ahead: Points | None, distance: float) -> float | None:
    """First-order error of the angle: position errors over distances."""
    if place.sigma is None or distance <= 0:
        return None
    variance = (float(place.sigma) ** 2 + float(stand.sigma or 0.0) ** 2) / distance**2
    if ahead is not None:
        reach = float(np.linalg.norm(ahead.plain - stand.plain))
        if ahead.sigma is None or reach <= 0:
            return None
        variance += (float(ahead.sigma) ** 2 + float(stand.sigma or 0.0) ** 2) / reach**2
    return float(np.degrees(np.sqrt(variance)))
