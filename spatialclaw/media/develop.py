"""From a shot to the arrays of a frame: decode, undistort, bring depth and picture to one size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spatialclaw.errors import MediaError
from spatialclaw.media.model import Camera, Picture, Shot

__all__ = ["Developed", "camera_fields", "develop", "resample", "undistorted"]


@dataclass(frozen=True)
class Developed:
    """A frame ready to be written.

    Attributes:
        record: Fields of `Frame` other than the arrays.
        image: (H, W, 3) uint8 RGB.
        depth: (H, W) float32 metres, or None.
        instances: (H, W) uint16, or None.
        gps: Place from the EXIF data, or None.
    """

    record: dict[str, Any]
    image: npt.NDArray[np.uint8]
    depth: npt.NDArray[np.float32] | None
    instances: npt.NDArray[np.uint16] | None
    gps: dict[str, float] | None


def develop(shot: Shot, max_pixels: int) -> Developed:
    """Decodes a shot.

    Args:
        shot: What to decode.
        max_pixels: Larger pictures are made smaller.

    Raises:
        MediaError: The picture, its depth or its intrinsics cannot be used.
    """
    picture = shot.picture(max_pixels)
    notes = [*shot.notes, *picture.notes]
    image = picture.image
    height, width = image.shape[:2]
    depth = instances = None
    if shot.depth is not None:
        read = shot.depth()
        notes += read.notes
        depth = _matched(read.depth, picture, shot.name, shot.depth_name, notes)
    if shot.instances is not None:
        instances = _matched(shot.instances(), picture, shot.name, "the instance map", notes)
    camera = shot.camera
    if camera is None and picture.exif_camera is not None:
        camera = picture.exif_camera
    if camera is not None:
        camera, scaled = camera.for_picture(*picture.source_size, shot.name)
        if scaled:
            notes.append(scaled)
        camera = camera.scaled(width / picture.source_size[0], height / picture.source_size[1])
        if camera.distorted:
            image, depth, instances = undistorted(camera, image, depth, instances)
            notes.append(
                f"{shot.name}: lens distortion removed; pixel positions are in the straight picture"
            )
    record: dict[str, Any] = {
        "index": shot.index,
        "time": shot.time,
        "name": shot.name,
        **camera_fields(camera),
        "pose": None if shot.pose is None else np.asarray(shot.pose, dtype=float).tolist(),
        "pose_source": shot.pose_source if shot.pose is not None else None,
        "metric": shot.metric,
        "depth_source": shot.depth_source if depth is not None else None,
        "source_size": list(picture.source_size),
        "source_scale": picture.scale,
        "stereo": shot.stereo,
        "notes": notes,
    }
    return Developed(record, image, depth, instances, picture.gps)


def camera_fields(camera: Camera | None) -> dict[str, Any]:
    """The fields of a frame's record that a camera fills."""
    if camera is None:
        return {"intrinsics": None, "intrinsics_source": None, "focal_sigma": None}
    return {
        "intrinsics": camera.matrix.tolist(),
        "intrinsics_source": camera.source,
        "focal_sigma": camera.focal_sigma,
    }


def undistorted(
    camera: Camera,
    image: npt.NDArray[np.uint8],
    depth: npt.NDArray[np.float32] | None,
    instances: npt.NDArray[np.uint16] | None,
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32] | None, npt.NDArray[np.uint16] | None]:
    """Pictures of the same pinhole camera without its distortion."""
    import cv2

    size = (image.shape[1], image.shape[0])
    matrix = camera.matrix
    coefficients = np.asarray(camera.distortion, dtype=np.float64)
    if camera.fisheye:
        maps = cv2.fisheye.initUndistortRectifyMap(
            matrix, coefficients[:4], np.eye(3), matrix, size, cv2.CV_32FC1
        )
    else:
        maps = cv2.initUndistortRectifyMap(
            matrix, coefficients, np.eye(3), matrix, size, cv2.CV_32FC1
        )
    image = cv2.remap(image, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    if depth is not None:
        depth = cv2.remap(
            depth,
            *maps,
            cv2.INTER_NEAREST,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=float("nan"),
        )
    if instances is not None:
        instances = cv2.remap(
            instances, *maps, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=0
        )
    return image, depth, instances


def resample(array: npt.NDArray[Any], width: int, height: int) -> npt.NDArray[Any]:
    """An (H, W) map at another size, by the nearest pixel."""
    rows = ((np.arange(height) + 0.5) * array.shape[0] / height).astype(np.intp)
    columns = ((np.arange(width) + 0.5) * array.shape[1] / width).astype(np.intp)
    return np.ascontiguousarray(array[rows[:, None], columns[None, :]])


def _matched(
    array: npt.NDArray[Any], picture: Picture, name: str, map_name: str, notes: list[str]
) -> npt.NDArray[Any]:
    height, width = picture.image.shape[:2]
    own_height, own_width = array.shape
    if (own_height, own_width) == (height, width):
        return array
    source_width, source_height = picture.source_size
    # A pixel of rounding in the smaller of the two is no other aspect.
    slack = max(0.01, 1.01 / min(own_width, own_height, width, height))
    if abs((own_width / own_height) / (source_width / source_height) - 1) > slack:
        raise MediaError(
            f"{map_name} is {own_width}x{own_height} and {name} is {source_width}x{source_height}",
            hint="Depth and colour must show the same view: give a depth map aligned to the colour "
            "picture.",
        )
    if (own_width, own_height) != (source_width, source_height):
        notes.append(
            f"{map_name}: {own_width}x{own_height} brought to {width}x{height} by the nearest pixel"
        )
    return resample(array, width, height)
