"""From pixels to metres and back: the pinhole camera and poses."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from spatialclaw.primitives.errors import (
    NothingFound,
    Unavailable,
)
from spatialclaw.primitives.frames import Frame
from spatialclaw.primitives.geometry.points import (
    Points,
    camera_ref,
    pixel_ref,
    require_ref,
    world_ref,
)
from spatialclaw.primitives.results import DepthMap
from spatialclaw.primitives.scene_report import arm

__all__ = [
    "camera_center",
    "camera_path",
    "depth_of",
    "field_of_view",
    "in_view",
    "one_surface",
    "project",
    "rays",
    "to_camera",
    "to_world",
    "transform",
    "unproject",
]

Floats = npt.NDArray[np.float64]


def depth_of(frame: Frame, depth: Any = None) -> DepthMap:
    """The depth to use for a frame: the one given, or the best that is available.

    Args:
        frame: The frame.
        depth: None, a `DepthMap`, or an (H, W) array in metres.

    Raises:
        Unavailable: Nothing gives a depth for this frame.
    """
    if depth is None:
        from spatialclaw.primitives.depth import depth as best_depth

        return best_depth(frame)
    if isinstance(depth, DepthMap):
        array = depth.depth
    else:
        array = np.asarray(depth, dtype=np.float32)
        array = np.where(array > 0, array, np.nan).astype(np.float32)
        unknown = np.full_like(array, np.nan)
        depth = DepthMap(array, unknown, frame.position, "given", metric=frame.metric)
    if array.shape != (frame.height, frame.width):
        raise ValueError(
            f"the depth is {array.shape[1]}x{array.shape[0]}, {frame.name} is "
            f"{frame.width}x{frame.height}; both must be of one size"
        )
    made: DepthMap = depth
    return made


def unproject(
    frame: Frame,
    pixels: npt.ArrayLike | None = None,
    depth: Any = None,
    *,
    window: int = 0,
    intrinsics: npt.ArrayLike | None = None,
) -> Points:
    """Pixels of a frame as 3-D points in its camera.

    Args:
        frame: The frame.
        pixels: (N, 2) or (2,) pixels (x, y); None: every pixel that has a depth.
        depth: None for the best depth there is; a `DepthMap`; an (H, W) array; or one number for
            each pixel, metres along the optical axis.
        window: Radius in pixels of the neighbourhood whose median depth is taken (0: the pixel
            itself). Helps where the depth has holes.
        intrinsics: (3, 3) matrix to use instead of the frame's own.

    Returns:
        (N, 3) or (3,) points, ref "camera i", with `sigma`; NaN where the depth is unknown.

    Raises:
        NothingFound: No depth at any of the pixels.
        Unavailable: No depth or no intrinsics for this frame.

    Example:
        ``geometry.unproject(frames[0], [(320, 240), (100, 50)])``
    """
    arm()
    matrix = _intrinsics(frame, intrinsics)
    given = None if pixels is None else _as_pixels(frame, pixels)
    values = np.asarray(0.0)
    sigma: Any
    metric, method = frame.metric, "given depth"
    direct = depth is not None and not isinstance(depth, DepthMap) and given is not None
    if direct:
        values = np.asarray(depth, dtype=np.float64)
        direct = values.ndim <= 1
    if direct and given is not None:
        z = np.broadcast_to(values, given.shape[:-1]).astype(np.float64)
        z = np.where(z > 0, z, np.nan)
        sigma = np.full(z.shape, np.nan)
    else:
        found = depth_of(frame, depth)
        metric, method = found.metric, found.method
        if given is None:
            rows, columns = np.nonzero(np.isfinite(found.depth))
            given = np.stack([columns, rows], axis=-1).astype(np.float64)
            z = found.depth[rows, columns].astype(np.float64)
            sigma = found.sigma[rows, columns].astype(np.float64)
        else:
            z, sigma = _sample(found, given, window)
    if np.size(z) and not np.isfinite(z).any():
        where = np.round(np.atleast_2d(given)[0]).astype(int)
        raise NothingFound(
            f"no depth at {np.size(z)} pixel(s) of {frame.name}, such as ({where[0]}, {where[1]})",
            hint=f"geometry.unproject(frame, pixels, window={max(5, 3 * window)}) or another depth",
        )
    x = (given[..., 0] - matrix[0, 2] - matrix[0, 1] / matrix[1, 1] * (given[..., 1] - matrix[1, 2])) / matrix[0, 0]  # fmt: skip # noqa: E501
    y = (given[..., 1] - matrix[1, 2]) / matrix[1, 1]
    xyz = np.stack([x * z, y * z, z], axis=-1)
    sideways = z * np.hypot(x, y) * _focal_error(frame, matrix)
    total = np.sqrt(np.square(sigma) * (1 + x**2 + y**2) + np.square(sideways))
    known = bool(np.isfinite(total).any())
    result = Points(xyz, camera_ref(frame), metric=metric, sigma=total if known else None)
    result.method = method
    return result


def rays(frame: Frame, pixels: npt.ArrayLike, *, intrinsics: npt.ArrayLike | None = None) -> Points:
    """Unit directions from the camera through pixels.

    Args:
        frame: The frame.
        pixels: (N, 2) or (2,) pixels (x, y).
        intrinsics: (3, 3) matrix to use instead of the frame's own.

    Returns:
        (N, 3) or (3,) directions in "camera i".

    Example:
        ``geometry.rays(frames[0], (320, 240))``
    """
    given = _as_pixels(frame, pixels)
    matrix = _intrinsics(frame, intrinsics)
    homogeneous = np.concatenate([given, np.ones((*given.shape[:-1], 1))], axis=-1)
    direction = homogeneous @ np.linalg.inv(matrix).T
    direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
    return Points(direction, camera_ref(frame), metric=False)


def project(
    points: npt.ArrayLike, frame: Frame, *, intrinsics: npt.ArrayLike | None = None
) -> Points:
    """3-D points as pixels of a frame.

    Args:
        points: (N, 3) or (3,) points in the world, in this camera, or in another camera with pose;
            a plain array is taken to be in this camera.
        frame: The frame.
        intrinsics: (3, 3) matrix to use instead of the frame's own.

    Returns:
        (N, 2) or (2,) pixels, ref "pixel i"; they may lie outside the picture (`in_view` tells);
        NaN for points behind the camera.

    Raises:
        NothingFound: All points are behind the camera.

    Example:
        ``geometry.project(box.corners, frames[3])``
    """
    matrix = _intrinsics(frame, intrinsics)
    camera = to_camera(points, frame).plain
    z = camera[..., 2]
    ahead = z > 1e-9
    if np.size(z) and not np.any(ahead):
        raise NothingFound(
            f"all {np.size(z)} point(s) lie behind the camera of {frame.name}",
            hint="a frame that looks at them; geometry.in_view(points, frame) tells",
        )
    depth = np.where(ahead, z, np.nan)[..., None]
    pixels = ((camera / depth) @ matrix.T)[..., :2]
    return Points(pixels, pixel_ref(frame), metric=False)


def in_view(points: npt.ArrayLike, frame: Frame, *, occlusion: bool = False) -> Any:
    """Which points lie in front of a camera and inside its picture.

    Args:
        points: (N, 3) or (3,) points, as for `project`.
        frame: The frame.
        occlusion: Also ask that nothing in the frame's depth is more than 5 % nearer.

    Returns:
        (N,) bool.
    """
    camera = to_camera(points, frame).plain
    z = camera[..., 2]
    safe = np.where(z > 1e-9, z, np.nan)[..., None]
    pixels = ((camera / safe) @ _intrinsics(frame, None).T)[..., :2]
    x, y = pixels[..., 0], pixels[..., 1]
    with np.errstate(invalid="ignore"):
        inside = (x > -0.5) & (y > -0.5) & (x < frame.width - 0.5) & (y < frame.height - 0.5)
    if occlusion:
        seen, _ = _sample(depth_of(frame), np.where(inside[..., None], pixels, 0.0), 0)
        inside &= ~(seen < 0.95 * z)
    return inside


def to_world(points: npt.ArrayLike, frame: Frame) -> Points:
    """Points of a camera, in the world.

    Args:
        points: (N, 3) or (3,) points in "camera i" of this frame (or already in the world).
        frame: The frame they were seen in.

    Raises:
        Unavailable: The frame has no pose.
        FrameOfReferenceError: The points belong to another camera, or are pixels.

    Example:
        ``geometry.to_world(geometry.unproject(frames[2], (320, 240)), frames[2])``
    """
    world = world_ref(frame)
    if isinstance(points, Points) and points.ref == world:
        return points
    camera = require_ref(points, camera_ref(frame))
    return transform(_pose(frame), camera, world)


def to_camera(points: npt.ArrayLike, frame: Frame) -> Points:
    """Points in the axes of a frame's camera (x right, y down, z forward).

    Args:
        points: (N, 3) or (3,) points in the world, in this camera, or in the camera of another
            frame of the same sequence.
        frame: The frame.

    Raises:
        Unavailable: A pose is needed and missing.
        FrameOfReferenceError: The points are pixels.

    Example:
        ``geometry.to_camera(point_in_world, frames[0])``
    """
    own = camera_ref(frame)
    if not isinstance(points, Points) or points.ref == own:
        return require_ref(points, own)
    if points.ref.startswith("camera") and frame.siblings is not None:
        for other in frame.siblings:
            if camera_ref(other) == points.ref:
                points = to_world(points, other)
                break
    world = require_ref(points, world_ref(frame))
    return transform(np.linalg.inv(_pose(frame)), world, own)


def transform(matrix: npt.ArrayLike, points: npt.ArrayLike, ref: str) -> Points:
    """Points moved by a transform into another frame of reference.

    Args:
        matrix: (4, 4) transform, or (3, 3) rotation: ``new = R @ old + t``.
        points: (N, 3) or (3,) points.
        ref: Frame of reference of the result, such as "world".

    Example:
        >>> T = np.eye(4); T[2, 3] = 1.0
        >>> transform(T, [0.0, 0.0, 1.0], "world").tolist()
        [0.0, 0.0, 2.0]
    """
    array = np.asarray(matrix, dtype=np.float64)
    if array.shape not in ((4, 4), (3, 3)):
        raise ValueError(f"a transform is (4, 4) or (3, 3), not {array.shape}")
    xyz = np.asarray(points, dtype=np.float64)
    moved = xyz @ array[:3, :3].T
    if array.shape == (4, 4):
        moved = moved + array[:3, 3]
    made = Points(moved, ref, metric=getattr(points, "metric", True))
    if isinstance(points, Points):
        made.sigma, made.method = points.sigma, points.method
        if made.sigma is not None:
            made.sigma = made.sigma * abs(np.linalg.det(array[:3, :3])) ** (1 / 3)
    return made


def camera_center(frame: Frame) -> Points:
    """Position of a frame's camera, in the world when its pose is known.

    Example:
        ``measure.distance(geometry.camera_center(frames[0]), geometry.camera_center(frames[9]))``
    """
    if frame.pose is None:
        return Points(np.zeros(3), camera_ref(frame), metric=frame.metric, sigma=0.0)
    return Points(frame.pose[:3, 3], world_ref(frame), metric=frame.metric, sigma=0.0)


def camera_path(frames: Any) -> Points:
    """Positions of the camera in the world, one for each frame.

    Args:
        frames: Frames with poses.

    Returns:
        (N, 3) points in the world.

    Raises:
        Unavailable: A frame has no pose.

    Example:
        ``measure.path_length(geometry.camera_path(frames))``
    """
    views = list(frames)
    if not views:
        raise NothingFound("no frames")
    path = Points(
        [_pose(frame)[:3, 3] for frame in views],
        world_ref(views[0]),
        metric=all(frame.metric for frame in views),
        sigma=0.0,
    )
    path.method = "poses"
    return path


def field_of_view(frame: Frame) -> tuple[float, float]:
    """Horizontal and vertical field of view of a frame, degrees."""
    matrix = _intrinsics(frame, None)
    return (
        float(np.degrees(2 * np.arctan(frame.width / 2 / matrix[0, 0]))),
        float(np.degrees(2 * np.arctan(frame.height / 2 / matrix[1, 1]))),
    )


def one_surface(z: npt.NDArray[Any], sigma: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Drops what lies before or behind the thing: groups apart in depth with few of the pixels."""
    order = np.argsort(z, kind="stable")
    spread = float(np.nanmedian(sigma)) if np.isfinite(sigma).any() else 0.0
    gap = max(0.04 * float(np.median(z)), 4 * spread)
    group = np.cumsum(np.r_[0, np.diff(z[order]) > gap])
    sizes = np.bincount(group)
    wanted = sizes >= max(1.0, 0.15 * sizes.max())
    keep = np.zeros(len(z), dtype=bool)
    keep[order] = wanted[group]
    return keep


def _sample(found: DepthMap, pixels: Floats, window: int) -> tuple[Floats, Floats]:
    height, width = found.depth.shape
    flat = np.round(pixels.reshape(-1, 2)).astype(int)
    outside = (flat < 0).any(axis=1) | (flat[:, 0] >= width) | (flat[:, 1] >= height)
    if outside.any():
        x, y = pixels.reshape(-1, 2)[int(np.argmax(outside))]
        raise ValueError(f"pixel ({x:.0f}, {y:.0f}) lies outside the {width}x{height} picture")
    if window <= 0:
        z = found.depth[flat[:, 1], flat[:, 0]].astype(np.float64)
        sigma = found.sigma[flat[:, 1], flat[:, 0]].astype(np.float64)
    else:
        z, sigma = np.full(len(flat), np.nan), np.full(len(flat), np.nan)
        for i, (x, y) in enumerate(flat):
            rows = slice(max(0, y - window), y + window + 1)
            columns = slice(max(0, x - window), x + window + 1)
            patch = found.depth[rows, columns]
            known = np.isfinite(patch)
            if not known.any():
                continue
            near = patch[known].astype(np.float64)
            keep = one_surface(near, found.sigma[rows, columns][known])
            z[i] = np.median(near[keep])
            own = found.sigma[rows, columns][known][keep]
            scatter = 1.4826 * np.median(np.abs(near[keep] - z[i]))
            typical = np.nanmedian(own) if np.isfinite(own).any() else 0.0
            sigma[i] = np.hypot(typical, scatter)
    shape = pixels.shape[:-1]
    return z.reshape(shape), sigma.reshape(shape)


def _as_pixels(frame: Frame, pixels: npt.ArrayLike) -> Floats:
    if isinstance(pixels, Points):
        pixels = require_ref(pixels, pixel_ref(frame), "pixels").plain
    array = np.asarray(pixels, dtype=np.float64)
    if array.ndim == 0 or array.shape[-1] != 2:
        raise ValueError(f"pixels are (N, 2) or (x, y), not of shape {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError("a pixel is NaN or infinite; points behind the camera have no pixel")
    return array


def _intrinsics(frame: Frame, given: npt.ArrayLike | None) -> Floats:
    if given is None and frame.intrinsics is None:
        from spatialclaw.primitives.modelled import learn_camera

        learn_camera(frame)
    matrix = frame.intrinsics if given is None else np.asarray(given, dtype=np.float64)
    if matrix is None:
        raise Unavailable(
            f"the camera's intrinsics are not known for {frame.name}",
            hint="the argument intrinsics=[[f, 0, cx], [0, f, cy], [0, 0, 1]] with f in pixels; "
            "without them only pixel measures and ratios at equal depth hold",
        )
    array = np.asarray(matrix, dtype=np.float64)
    if array.shape != (3, 3) or not np.isfinite(array).all() or min(array[0, 0], array[1, 1]) <= 0:
        raise ValueError(
            "intrinsics are [[fx, 0, cx], [0, fy, cy], [0, 0, 1]] with fx and fy above 0"
        )
    return array


def _focal_error(frame: Frame, matrix: Floats) -> float:
    return 0.0 if not frame.focal_sigma else float(frame.focal_sigma / matrix[0, 0])


def _pose(frame: Frame) -> Floats:
    if frame.pose is None:
        raise Unavailable(
            f"the pose of {frame.name} is not known, so its place in the world is not",
            hint="scene = reconstruct(frames) for poses, or stay within one camera",
        )
    return frame.pose
