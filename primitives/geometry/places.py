"""Where things are: one position, or all points, of whatever a cell holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spatialclaw.primitives.context import frame_from_ref, frame_of
from spatialclaw.primitives.errors import (
    Ambiguous,
    FrameOfReferenceError,
    NothingFound,
    PrimitiveError,
    Unavailable,
)
from spatialclaw.primitives.frames import Frame
from spatialclaw.primitives.geometry.camera import (
    camera_center,
    to_world,
    unproject,
)
from spatialclaw.primitives.geometry.masks import mask_points
from spatialclaw.primitives.geometry.points import Points, world_ref
from spatialclaw.primitives.results import Mask, Masks

if TYPE_CHECKING:
    from spatialclaw.primitives.scene import Scene

__all__ = ["cloud_of", "common", "frame_behind", "heading_of", "name_of", "position_of", "scene"]


def name_of(thing: Any) -> str:
    """A short name for evidence: the label, else what kind of thing it is."""
    if isinstance(thing, Masks) or (isinstance(thing, list) and thing and _all_masks(thing)):
        return name_of(thing[0])
    label = getattr(thing, "label", "") or getattr(thing, "name", "")
    if label:
        return str(label)
    if isinstance(thing, Points) and thing.ndim == 1:
        return f"({', '.join(f'{v:.3g}' for v in thing)}) in {thing.ref}"
    if isinstance(thing, tuple | list) and len(thing) == 2:
        return f"pixel ({thing[0]:g}, {thing[1]:g})"
    return type(thing).__name__.lower()


def frame_behind(*things: Any, frame: Frame | int | None = None) -> Frame | None:
    """The frame that the first of several things was seen in, or None when none says."""
    if frame is not None:
        return frame_of(None, frame)
    for thing in things:
        if isinstance(thing, Frame):
            return thing
        if isinstance(thing, Points) or hasattr(thing, "ref"):
            found = frame_from_ref(getattr(thing, "ref", ""))
            if found is not None:
                return found
        elif getattr(thing, "frame", None) is not None:
            try:
                return frame_of(thing)
            except Unavailable:
                continue
    return None


def cloud_of(thing: Any, *, frame: Frame | int | None = None, depth: Any = None) -> Points:
    """All known 3-D points of a thing.

    Args:
        thing: `Points`, a `Mask` or several of one thing (joined in the world), a pixel (x, y),
            a box or a bool mask with `frame`, a `Frame` (its camera), a `Box3D` (its corners).
        frame: The frame of pixels and bare masks.
        depth: As for `geometry.unproject`.

    Returns:
        (N, 3) points.
    """
    _check_kind(thing)
    if isinstance(thing, Points) and thing.shape[-1] == 3:
        return _rows(thing)
    if isinstance(thing, Frame):
        return _rows(position_of(thing))
    cloud = getattr(thing, "points", None)
    if isinstance(cloud, Points) and not isinstance(thing, Mask):
        return cloud
    if hasattr(thing, "corners"):
        corners: Points = thing.corners
        return corners
    if isinstance(thing, Mask):
        return mask_points(thing, depth, frame=None if frame is None else frame_of(thing, frame))
    if isinstance(thing, Masks) or (isinstance(thing, list) and _all_masks(thing)):
        return _stacked(common(*(mask_points(one, depth) for one in _one_thing(thing))))
    array = np.asarray(thing)
    if array.dtype == bool or array.shape == (4,):
        return mask_points(array, depth, frame=frame_of(None, frame))
    return _rows(position_of(thing, frame=frame, depth=depth))


def position_of(thing: Any, *, frame: Frame | int | None = None, depth: Any = None) -> Points:
    """Where a thing is: one point.

    Args:
        thing: As for `cloud_of`; of many points the median, of a box its centre.
        frame: The frame of pixels and bare masks.
        depth: As for `geometry.unproject`.

    Returns:
        (3,) point with `sigma` where known.
    """
    _check_kind(thing)
    if isinstance(thing, Frame):
        return camera_center(thing)
    center = getattr(thing, "center", None)
    if isinstance(center, Points):
        return center
    if isinstance(thing, Points) and thing.shape[-1] == 3:
        return thing if thing.ndim == 1 else _middle(thing)
    many = isinstance(thing, Mask | Masks) or (isinstance(thing, list) and _all_masks(thing))
    if many or np.asarray(thing).dtype == bool or np.shape(thing) == (4,):
        return _middle(cloud_of(thing, frame=frame, depth=depth))
    if isinstance(thing, Points):
        where = frame_from_ref(thing.ref) if frame is None else frame_of(None, frame)
        if where is None:
            raise Unavailable(f"which frame is {thing.ref}?", hint="the argument frame=frames[0]")
        return _one(unproject(where, np.atleast_2d(thing), depth, window=2))
    array = np.asarray(thing, dtype=np.float64)
    if array.shape == (2,):
        if frame is None:
            raise FrameOfReferenceError(
                f"({array[0]:g}, {array[1]:g}) is a pixel, of which frame is not said",
                hint="the argument frame=frames[0]",
            )
        return _one(unproject(frame_of(None, frame), array[None], depth, window=2))
    raise FrameOfReferenceError(
        f"a bare array of shape {array.shape} has no frame of reference",
        hint="geometry.points(xyz, 'world') or geometry.points(xyz, frames[0])",
    )


def common(*given: Points, frame: Frame | None = None) -> list[Points]:
    """Several points in one frame of reference: as they are when they agree, else the world.

    Raises:
        FrameOfReferenceError: They differ and the poses that would join them are missing.
    """
    refs = {value.ref for value in given}
    if len(refs) <= 1:
        return list(given)
    moved = []
    for value in given:
        if value.ref.startswith("world"):
            moved.append(value)
            continue
        where = frame_from_ref(value.ref)
        if where is None and frame is not None and value.ref == f"camera {frame.position}":
            where = frame
        if where is None or where.pose is None:
            raise FrameOfReferenceError(
                f"points in {' and '.join(sorted(refs))} cannot be joined: the pose that leads "
                f"from {value.ref} to the world is not known",
                hint="things seen in one frame, or scene = reconstruct(frames)",
            )
        moved.append(to_world(value, where))
    if len({value.ref for value in moved}) > 1:
        raise FrameOfReferenceError(
            f"points in {' and '.join(sorted(refs))} belong to different captures",
            hint="things of one capture",
        )
    return moved


def heading_of(frame: Frame, ref: str) -> npt.NDArray[np.float64]:
    """(3,) viewing direction of a frame's camera in its own axes or in the world."""
    if ref == world_ref(frame) and frame.pose is not None:
        return np.asarray(frame.pose[:3, 2])
    return np.array([0.0, 0.0, 1.0])


def scene(frames: Any, depth: Any = None) -> Scene:
    """The scene of frames with depth: rooms, objects, free floor and views from above.

    Args:
        frames: Frames with depth and poses, or one frame with depth (turned upright by gravity).
        depth: For a single frame, as for `geometry.unproject`.

    Returns:
        A scene in the world: ``.points()``, ``.floor_area()``, ``.objects(masks)``,
        ``.fits(size)``, ``.path(a, b)``, ``.bev()``; `render` shows it from elsewhere.

    Raises:
        Unavailable: Several frames and no poses (see `reconstruct`), or no depth.

    Example:
        ``s = geometry.scene(frames); show(s.bev(objects=s.objects(segment(frames[0], "chair"))))``
    """
    from spatialclaw.primitives.scene import Scene

    return Scene.from_frames(frames, depth)


def _check_kind(thing: Any) -> None:
    if isinstance(thing, str):
        raise PrimitiveError(
            f"{thing!r} is a word, not a place", hint=f"segment(frames[0], {thing!r})[0]"
        )
    if thing is None:
        raise PrimitiveError("None is not a place", hint="a mask, a pixel with frame=, or Points")


def _one_thing(masks: Any) -> list[Mask]:
    """The masks, when they are one thing: one mask, or one for each frame, or all of one id.

    Raises:
        NothingFound: There are none.
        Ambiguous: Several masks of one frame that are not known to be one thing.
    """
    given = list(masks)
    if not given:
        raise NothingFound(
            "no masks: nothing was found to measure", hint=getattr(masks, "note", "")
        )
    ids = {mask.id for mask in given}
    if len({mask.frame for mask in given}) < len(given) and (len(ids) > 1 or None in ids):
        raise Ambiguous(
            f"{len(given)} masks are given where one thing is needed",
            candidates=given,
            hint="one of them, such as masks[0]",
        )
    return given


def _all_masks(things: list[Any]) -> bool:
    return all(isinstance(one, Mask) for one in things)


def _stacked(clouds: list[Points]) -> Points:
    joined = Points(
        np.concatenate([cloud.plain for cloud in clouds]),
        clouds[0].ref,
        metric=all(cloud.metric for cloud in clouds),
    )
    if all(cloud.sigma is not None for cloud in clouds):
        parts = [np.broadcast_to(cloud.sigma, len(cloud)) for cloud in clouds]
        joined.sigma = np.concatenate(parts)
    joined.method = clouds[0].method
    return joined


def _rows(point: Points) -> Points:
    if point.ndim > 1:
        return point
    rows = Points(point.plain[None], point.ref, metric=point.metric, sigma=point.sigma)
    rows.method = point.method
    return rows


def _one(rows: Points) -> Points:
    if not np.isfinite(rows.plain).all():
        raise PrimitiveError("no depth there", hint="a nearby pixel, or a mask of the thing")
    row: Points = rows[0]
    return row


def _middle(cloud: Points) -> Points:
    """The median, with the error the depth has in common and the scatter of the points."""
    middle = Points(np.median(cloud.plain, axis=0), cloud.ref, metric=cloud.metric)
    middle.method = cloud.method
    scatter = 1.4826 * np.median(np.abs(cloud.plain - middle.plain), axis=0)
    random = float(np.linalg.norm(scatter)) / np.sqrt(max(1, len(cloud)))
    own = 0.0 if cloud.sigma is None else float(np.nanmedian(cloud.sigma))
    middle.sigma = np.asarray(np.hypot(random, own))
    return middle
