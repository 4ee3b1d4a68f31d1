"""What the readers of media hand to the writer: cameras, shots and sequences.

A reader does not decode: it lists `Shot`s, each of which knows how to get its picture, so that a
folder of a thousand photographs costs one photograph of memory.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spatialclaw.errors import MediaError

if TYPE_CHECKING:
    from spatialclaw.media.video import VideoSource

__all__ = ["Camera", "DepthMap", "Picture", "SequencePlan", "Shot"]

#: Relative difference up to which two ratios of sizes count as the same.
SAME_RATIO = 0.01
#: How far the principal point may lie from the middle, as a part of the width or height.
CENTRE_TOLERANCE = 0.2


@dataclass(frozen=True)
class Picture:
    """A decoded picture.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        source_size: (width, height) as stored, after EXIF orientation.
        scale: Pixels of `image` per stored pixel.
        notes: What happened while it was decoded.
        exif_camera: Camera told by the EXIF data, for the stored size, or None.
        gps: {"latitude", "longitude", "altitude_m"} from the EXIF data, or None.
    """

    image: npt.NDArray[np.uint8]
    source_size: tuple[int, int]
    scale: float = 1.0
    notes: tuple[str, ...] = ()
    exif_camera: Camera | None = None
    gps: dict[str, float] | None = None


@dataclass(frozen=True)
class DepthMap:
    """A depth map as read.

    Attributes:
        depth: (H, W) float32 metres along the optical axis, NaN where unknown.
        notes: What happened while it was read.
    """

    depth: npt.NDArray[np.float32]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Camera:
    """A pinhole camera, possibly with distortion; centre of the first pixel at (0, 0).

    Attributes:
        fx, fy, cx, cy: Pixels.
        width, height: Size of the picture that the numbers are about, or None when not said.
        distortion: OpenCV's coefficients in OpenCV's order (k1 k2 p1 p2 k3 ..., or the four of
            the fisheye model), or empty.
        fisheye: Whether `distortion` is of OpenCV's fisheye model.
        source: "file", "exif" and so on.
        focal_sigma: One standard deviation of the focal length, pixels, or None.
        origin: Name of the file, to speak of it.
    """

    fx: float
    fy: float
    cx: float
    cy: float
    width: int | None = None
    height: int | None = None
    distortion: tuple[float, ...] = ()
    fisheye: bool = False
    source: str = "file"
    focal_sigma: float | None = None
    origin: str = "intrinsics"

    def __post_init__(self) -> None:
        numbers = (self.fx, self.fy, self.cx, self.cy, *self.distortion)
        if not all(math.isfinite(value) for value in numbers):
            raise MediaError(
                f"{self.origin}: the intrinsics hold a number that is not finite",
                hint="Give fx, fy, cx and cy in pixels.",
            )
        if min(self.width or 1, self.height or 1) < 1 or 0 in (self.width, self.height):
            raise MediaError(f"{self.origin}: a picture of {self.width}x{self.height} is none")
        if self.fx <= 0 or self.fy <= 0:
            raise MediaError(
                f"{self.origin}: the focal length is {self.fx:g} x {self.fy:g} px",
                hint="fx and fy are in pixels and above 0.",
            )

    @property
    def matrix(self) -> npt.NDArray[np.float64]:
        """(3, 3) pinhole matrix in pixels."""
        return np.array([[self.fx, 0, self.cx], [0, self.fy, self.cy], [0, 0, 1]], dtype=np.float64)

    @property
    def distorted(self) -> bool:
        """Whether any coefficient of distortion differs from zero."""
        return any(abs(value) > 1e-12 for value in self.distortion)

    def scaled(self, x: float, y: float) -> Camera:
        """The camera of the picture resized by these factors."""
        return replace(
            self,
            fx=self.fx * x,
            fy=self.fy * y,
            cx=(self.cx + 0.5) * x - 0.5,
            cy=(self.cy + 0.5) * y - 0.5,
            width=None if self.width is None else round(self.width * x),
            height=None if self.height is None else round(self.height * y),
            focal_sigma=None if self.focal_sigma is None else self.focal_sigma * x,
        )

    def for_picture(self, width: int, height: int, name: str) -> tuple[Camera, str | None]:
        """The camera in pixels of a picture of this size, and a note when it was scaled.

        Raises:
            MediaError: The intrinsics cannot belong to a picture of this size.
        """
        if self.width is not None and self.height is not None:
            if (self.width, self.height) == (width, height):
                return self, None
            return self._rescaled(self.width, self.height, width, height, name)
        off_x = abs(self.cx - (width - 1) / 2) / width
        off_y = abs(self.cy - (height - 1) / 2) / height
        if max(off_x, off_y) <= CENTRE_TOLERANCE * 0.5:
            return self, None
        # Taken at another resolution, the principal point is off the middle by one factor in both.
        kx, ky = (2 * self.cx + 1) / width, (2 * self.cy + 1) / height
        if min(kx, ky) > 0 and abs(kx / ky - 1) <= 0.02 and not 0.8 <= kx <= 1.25:
            factor = _plain_ratio((kx + ky) / 2)
            if factor is not None:
                camera = self.scaled(1 / factor, 1 / factor)
                note = (
                    f"{self.origin}: the principal point ({self.cx:g}, {self.cy:g}) is the middle "
                    f"of a {width * factor:.0f}x{height * factor:.0f} picture, {name} is "
                    f"{width}x{height}: the intrinsics were scaled by {1 / factor:.4g}"
                )
                return replace(camera, width=width, height=height), note
        if max(off_x, off_y) <= CENTRE_TOLERANCE:
            return self, None
        raise MediaError(
            f"{self.origin}: the principal point ({self.cx:g}, {self.cy:g}) is far from the middle "
            f"of {name} ({width}x{height}), so these are the intrinsics of another picture size",
            hint='Add "width" and "height", the size they were measured at, to the file (equal to '
            "the picture's if they are right as they are).",
        )

    def _rescaled(
        self, own_width: int, own_height: int, width: int, height: int, name: str
    ) -> tuple[Camera, str]:
        x, y = width / own_width, height / own_height
        rounding = 0.51 / min(width, height, own_width, own_height)
        if abs(x / y - 1) > max(SAME_RATIO, 2 * rounding):
            raise MediaError(
                f"{self.origin}: the intrinsics are for {own_width}x{own_height}, "
                f"{name} is {width}x{height}",
                hint="Give the intrinsics of this picture; another aspect means that it was cut.",
            )
        camera = replace(self.scaled(x, y), width=width, height=height)
        note = (
            f"{self.origin}: the intrinsics for {own_width}x{own_height} were scaled to "
            f"{width}x{height}"
        )
        return camera, note


def _plain_ratio(factor: float) -> float | None:
    """The simple ratio (2, 1.6, 0.5, 4/3 ...) that a factor evidently is, or None."""
    plain = [n / d for d in (1, 2, 3, 4, 5) for n in range(1, 8 * d + 1)]
    near = min(plain, key=lambda value: abs(value - factor))
    return near if abs(near / factor - 1) < 0.03 else None


@dataclass
class Shot:
    """One frame to be: how to get its picture, and what is known about it.

    Attributes:
        name: File name, to speak of it.
        picture: Gives the decoded picture, at most so many pixels large.
        index: Number of the frame (see `Frame.index`).
        time: Seconds, or None.
        camera: Camera in pixels of the stored picture, or None.
        pose: (4, 4) camera-to-world in the world of the run, or None.
        pose_source: What the pose comes from.
        metric: Whether pose and depth are in metres.
        depth: Gives the depth map, or None.
        depth_source: "rgbd", "lidar" and so on.
        depth_name: File name of the depth map, to speak of it.
        instances: Gives the (H, W) map of the named objects, or None.
        stereo: See `Frame.stereo`.
        notes: One line each.
    """

    name: str
    picture: Callable[[int], Picture]
    index: int = 0
    time: float | None = None
    camera: Camera | None = None
    pose: npt.NDArray[np.float64] | None = None
    pose_source: str | None = None
    metric: bool = True
    depth: Callable[[], DepthMap] | None = None
    depth_source: str | None = None
    depth_name: str = "the depth map"
    instances: Callable[[], npt.NDArray[np.uint16]] | None = None
    stereo: dict[str, Any] | None = None
    notes: list[str] = field(default_factory=list)


@dataclass
class SequencePlan:
    """One sequence to be.

    Attributes:
        name: What it is called.
        kind: "images", "video", "rgbd", "stereo", "multiview" or "poses".
        shots: Its frames, or empty for a video.
        video: The video that gives the frames, or None.
        camera: The camera of a video's frames, or None.
        objects: (name, id) of the named objects.
        info: Whatever else is known (see `Frames.info`).
        notes: One line each.
        files: Every file used, with its kind, in order.
        tolerant: Whether a damaged picture is left out with a note, as in a folder, instead of
            being an error.
        track: All poses of the recording, by `Shot.index`, where there are more than shots.
        z_up: Whether the poses' own world has z up, against gravity.
    """

    name: str
    kind: str = "images"
    shots: list[Shot] = field(default_factory=list)
    video: VideoSource | None = None
    camera: Camera | None = None
    objects: Sequence[tuple[str, int]] = ()
    info: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    files: list[tuple[Path, str]] = field(default_factory=list)
    tolerant: bool = False
    z_up: bool = False
    track: list[npt.NDArray[np.float64]] = field(default_factory=list)
