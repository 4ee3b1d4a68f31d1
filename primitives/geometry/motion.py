"""How the camera moved between two frames, in the words people use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spatialclaw.primitives.errors import ScaleUnknown
from spatialclaw.primitives.frames import Frame
from spatialclaw.primitives.geometry.gravity import gravity_known
from spatialclaw.primitives.geometry.words import choose, wrap_deg

__all__ = ["CameraMotion", "camera_motion"]

Floats = npt.NDArray[np.float64]


@dataclass(eq=False)
class CameraMotion:
    """The move of the camera from frame a to frame b, in the axes of camera a.

    Attributes:
        rotation: (3, 3) the orientation of camera b in the axes of camera a:
            ``x_a = rotation @ x_b + translation``.
        translation: (3,) the position of camera b in the axes of camera a (x right, y down,
            z forward): metres when `metric`, else of unknown scale; 0 when it did not move.
        metric: Whether `translation` is in metres.
        confidence: 0..1.
        method: "poses", "essential matrix" and so on.
        angle_sigma_deg: One standard deviation of the direction of `translation`, degrees.
        moved: False when the camera only turned, as far as the method can tell.
        note: What to know about it, one line.
        up: (3,) the up vector in the axes of camera a, or None: turns and words then go by the
            camera's own axes.
    """

    rotation: Floats
    translation: Floats
    metric: bool = True
    confidence: float = 1.0
    method: str = "poses"
    angle_sigma_deg: float | None = None
    moved: bool = True
    note: str = ""
    up: Floats | None = None

    @property
    def yaw_deg(self) -> float:
        """Turn to the right (+) or left (-), degrees, about the vertical where `up` is known."""
        yaw_b, yaw_a = self._angles(self.rotation)[0], self._angles(np.eye(3))[0]
        return wrap_deg(yaw_b - yaw_a)

    @property
    def pitch_deg(self) -> float:
        """Turn up (+) or down (-), degrees."""
        return self._angles(self.rotation)[1] - self._angles(np.eye(3))[1]

    @property
    def roll_deg(self) -> float:
        """Turn about the viewing direction, degrees, + clockwise as the photographer sees it."""
        return wrap_deg(self._angles(self.rotation)[2] - self._angles(np.eye(3))[2])

    def _level(self) -> Floats:
        """Rows: right, down and ahead of camera a, levelled where the up vector is known."""
        up = np.array([0.0, -1.0, 0.0]) if self.up is None else np.asarray(self.up, dtype=float)
        ahead = np.array([0.0, 0.0, 1.0])
        ahead = ahead - (ahead @ up) * up
        length = float(np.linalg.norm(ahead))
        if length < 0.1:  # looks straight up or down: its own axes are the better ones
            return np.eye(3)
        ahead /= length
        return np.stack([np.cross(ahead, up), -up, ahead])

    def _angles(self, orientation: Floats) -> tuple[float, float, float]:
        """Yaw, pitch and roll in degrees of a camera's axes (columns) in the levelled axes."""
        axes = self._level() @ orientation
        right, (x, y, z) = axes[:, 0], axes[:, 2]
        flat = float(np.hypot(x, z))
        if flat < 1e-9:
            return 0.0, float(np.degrees(np.arctan2(-y, flat))), 0.0
        level = np.array([z, 0.0, -x]) / flat
        down = np.cross(axes[:, 2], level)
        return (
            float(np.degrees(np.arctan2(x, z))),
            float(np.degrees(np.arctan2(-y, flat))),
            float(np.degrees(np.arctan2(right @ down, right @ level))),
        )

    @property
    def turn_deg(self) -> float:
        """The whole angle of the rotation, degrees, 0..180."""
        cosine = np.clip((np.trace(self.rotation) - 1) / 2, -1, 1)
        return float(np.degrees(np.arccos(cosine)))

    @property
    def distance(self) -> float:
        """Metres between the two positions.

        Raises:
            ScaleUnknown: The translation is known in direction only.
        """
        if not self.metric:
            raise ScaleUnknown(
                f"the camera's move is known in direction only ({self.method})",
                hint="frames with depth or poses; .translation and .direction hold without scale",
            )
        return float(np.linalg.norm(self.translation))

    @property
    def direction(self) -> str:
        """Main direction of the move: right, left, up, down, forward or backward; or "none"."""
        return self._main()[0]

    @property
    def margin_deg(self) -> float:
        """By how many degrees the move could change before `direction` would."""
        return self._main()[1]

    @property
    def turn(self) -> str:
        """Main turn: "right", "left", "up", "down", "clockwise", "counterclockwise" or "none"."""
        parts = {
            "right": self.yaw_deg,
            "up": self.pitch_deg,
            "clockwise": self.roll_deg,
        }
        opposite = {"right": "left", "up": "down", "clockwise": "counterclockwise"}
        name = max(parts, key=lambda key: abs(parts[key]))
        if abs(parts[name]) < 0.5:
            return "none"
        return name if parts[name] > 0 else opposite[name]

    def among(self, options: list[str]) -> tuple[str, float]:
        """The option that fits the move best, and its margin in degrees.

        Args:
            options: Of "left", "right", "up", "down", "forward", "backward" and combinations such
                as "forward-left".

        Example:
            >>> m = CameraMotion(np.eye(3), np.array([1.0, 0.0, 0.9]))
            >>> m.among(["left", "right"])[0]
            'right'
        """
        return choose(self._level() @ self.translation, options)

    def _main(self) -> tuple[str, float]:
        if not self.moved or not np.any(self.translation):
            return "none", 0.0
        return self.among(["right", "left", "up", "down", "forward", "backward"])

    def __repr__(self) -> str:
        if not self.moved or not np.any(self.translation):
            move = "did not move"
        else:
            far = f" {self.distance:.3f} m" if self.metric else ""
            x, y, z = self.translation
            move = f"moved {self.direction}{far} (x {x:+.3f}, y {y:+.3f}, z {z:+.3f})"
            move += f", sure by {self.margin_deg:.0f} deg"
        note = f"; {self.note}" if self.note else ""
        return (
            f"<CameraMotion by {self.method}: {move}; turned {self.turn}: yaw {self.yaw_deg:+.1f} "
            f"(+ right), pitch {self.pitch_deg:+.1f} (+ up), roll {self.roll_deg:+.1f} deg; "
            f"confidence {self.confidence:.2f}{note}>"
        )


def camera_motion(frame_a: Frame, frame_b: Frame, **options: Any) -> CameraMotion:
    """How the camera moved and turned between two frames: direction, yaw, metres.

    From the poses where both frames have them, else estimated from the pictures (then without
    scale unless there is depth).

    Args:
        frame_a: The earlier frame.
        frame_b: The later frame.
        **options: Passed to the estimation from pictures.

    Returns:
        A `CameraMotion`: ``.direction`` ("left", "forward"...), ``.margin_deg``, ``.yaw_deg``
        (+ right), ``.pitch_deg`` (+ up), ``.roll_deg``, ``.translation``, ``.distance``.

    Raises:
        NothingFound: The pictures do not overlap enough.

    Example:
        ``geometry.camera_motion(frames[0], frames[-1]).direction``
    """
    same_world = frame_a.sequence == frame_b.sequence
    if frame_a.pose is not None and frame_b.pose is not None and same_world and not options:
        relative = np.linalg.inv(frame_a.pose) @ frame_b.pose
        return CameraMotion(
            rotation=relative[:3, :3],
            translation=relative[:3, 3],
            metric=frame_a.metric and frame_b.metric,
            moved=bool(np.linalg.norm(relative[:3, 3]) > 1e-6),
            method="poses",
            up=frame_a.pose[2, :3] if gravity_known(frame_a) else None,
            note="" if frame_a.pose_source is None else f"poses from {frame_a.pose_source}",
        )
    from spatialclaw.primitives.motion import estimate_motion

    motion: CameraMotion = estimate_motion(frame_a, frame_b, **options)
    return motion
