"""Which way is up."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from spatialclaw.primitives.errors import NothingFound, PrimitiveError, Unavailable
from spatialclaw.primitives.frames import Frame
from spatialclaw.primitives.geometry.normals import frame_normals, point_normals
from spatialclaw.primitives.geometry.points import Points, camera_ref
from spatialclaw.primitives.geometry.vanishing import up_from_lines
from spatialclaw.primitives.imaging import assumed_intrinsics

__all__ = ["gravity", "gravity_known", "up_from_normals", "up_vector"]

Floats = npt.NDArray[np.float64]


def gravity(frame: Frame, *, depth: Any = None, assume_level: bool = False) -> Points:
    """The up vector (against gravity) in the axes of a frame's camera.

    From the pose when the world's z is known to be up; else from the floors and walls in the
    depth: the direction most surfaces are parallel or perpendicular to; else, and where the depth
    is sparse, from where the straight vertical and horizontal lines of the picture meet.

    Args:
        frame: The frame.
        depth: As for `geometry.unproject`.
        assume_level: Take the camera (with poses, the first one) as held level when nothing else
            is known.

    Returns:
        (3,) unit vector, ref "camera i"; `.method` is "pose", "surfaces", "lines" or "level
        assumed", and `.sigma` one standard deviation in radians.

    Raises:
        Unavailable: Neither pose, depth nor lines tell, and `assume_level` is False.

    Example:
        ``tilt = np.degrees(np.arccos(-geometry.gravity(frames[0])[1]))``
    """
    if frame.pose is not None and gravity_known(frame):
        up = Points(frame.pose[2, :3], camera_ref(frame), metric=False, sigma=np.radians(1.0))
        up.method = "pose"
        return up
    failures: list[str] = []
    ways = [_by_surfaces, _by_lines] if _dense(frame, depth) else [_by_lines, _by_surfaces]
    for way in ways:
        try:
            vector, spread, method = way(frame, depth)
        except PrimitiveError as error:
            failures.append(error.message)
            continue
        up = Points(vector, camera_ref(frame), metric=False, sigma=spread)
        up.method = method
        return up
    if assume_level:
        level = [0.0, -1.0, 0.0] if frame.pose is None else frame.pose[2, :3]
        up = Points(level, camera_ref(frame), metric=False, sigma=np.radians(10.0))
        up.method = "level assumed"
        return up
    raise Unavailable(
        f"which way is up is not known in {frame.name}: {'; '.join(failures)}",
        hint="geometry.gravity(frame, assume_level=True) if the camera was held level",
    )


def _dense(frame: Frame, depth: Any) -> bool:
    """Whether surfaces can be seen in the depth, rather than single points."""
    values = frame.depth if depth is None else getattr(depth, "depth", depth)
    return values is not None and float(np.isfinite(np.asarray(values, float)).mean()) > 0.05


def _by_surfaces(frame: Frame, depth: Any) -> tuple[Floats, float, str]:
    _, normals = frame_normals(frame, depth)
    vector, spread = up_from_normals(normals, prior=np.array([0.0, -1.0, 0.0]))
    return vector, spread if _dense(frame, depth) else max(spread, np.radians(8.0)), "surfaces"


def _by_lines(frame: Frame, depth: Any) -> tuple[Floats, float, str]:
    if frame.intrinsics is None:
        guess = assumed_intrinsics(frame.width, frame.height)
        vector, spread = up_from_lines(frame.image, guess)
        return vector, max(spread, float(np.radians(4.0))), "lines, focal length assumed"
    vector, spread = up_from_lines(frame.image, frame.intrinsics)
    return vector, spread, "lines"


def gravity_known(frame: Frame) -> bool:
    """Whether the z of the frame's world is against gravity, as far as the capture says."""
    info = {} if frame.siblings is None else frame.siblings.info
    return frame.pose is not None and info.get("gravity") != "assumed-first-camera"


def up_vector(thing: Any, *, depth: Any = None) -> Floats:
    """The up vector of whatever is given: a frame's camera, or the reference of points.

    Args:
        thing: A `Frame`, or `Points` in the world (z up) or in a camera.
        depth: As for `geometry.unproject`, for a frame.

    Returns:
        (3,) unit vector in the axes of `thing`.
    """
    if isinstance(thing, Frame):
        return gravity(thing, depth=depth).plain
    ref = getattr(thing, "ref", "")
    if ref.startswith("world"):
        return np.array([0.0, 0.0, 1.0])
    if ref.startswith("object"):
        return np.array([0.0, -1.0, 0.0])
    xyz = np.asarray(thing, dtype=np.float64).reshape(-1, 3)
    xyz = xyz[np.isfinite(xyz).all(axis=1)]
    if not ref.startswith("camera") or len(xyz) < 200:
        raise Unavailable(
            "which way is up is not known for these points",
            hint="the argument up=geometry.gravity(frame)",
        )
    near, normals = point_normals(xyz)
    away = np.einsum("ij,ij->i", near, normals) > 0
    normals = np.where(away[:, None], -normals, normals)
    return up_from_normals(normals, prior=np.array([0.0, -1.0, 0.0]))[0]


def up_from_normals(
    normals: Floats, *, prior: Floats, within_deg: float = 60.0
) -> tuple[Floats, float]:
    """The direction that most normals are parallel or perpendicular to, near a prior.

    The refinement minimises the squared cosines of the perpendicular normals and the squared sines
    of the parallel ones (Gupta, Arbelaez, Malik, "Perceptual organization and recognition of indoor
    scenes from RGB-D images", CVPR 2013, section 3).

    Args:
        normals: (N, 3) unit normals that face the camera.
        prior: (3,) rough up vector.
        within_deg: The result is at most this far from the prior.

    Returns:
        (3,) unit vector and one standard deviation of its direction, radians.

    Raises:
        NothingFound: Too few normals, or no floor or wall among them.
    """
    if len(normals) < 50:
        raise NothingFound(f"{len(normals)} surface normals are too few to tell which way is up")
    rng = np.random.default_rng(0)
    votes = (
        normals if len(normals) <= 4000 else normals[rng.choice(len(normals), 4000, replace=False)]
    )
    signed = np.where((votes @ prior < 0)[:, None], -votes, votes)
    near = signed[signed @ prior > np.cos(np.radians(within_deg))]
    candidates = [prior[None]]
    if len(near):
        candidates.append(near[rng.choice(len(near), min(200, len(near)), replace=False)])
    # Two walls give the vertical as well: the cross product of their normals.
    pairs = votes[rng.integers(0, len(votes), (400, 2))]
    crosses = np.cross(pairs[:, 0], pairs[:, 1])
    lengths = np.linalg.norm(crosses, axis=1)
    crosses = crosses[lengths > 0.7] / lengths[lengths > 0.7, None]
    crosses = np.where((crosses @ prior < 0)[:, None], -crosses, crosses)
    candidates.append(crosses[crosses @ prior > np.cos(np.radians(within_deg))][:100])
    tried = np.concatenate(candidates)
    tight = np.radians(8.0)
    cosines = votes @ tried.T
    upward = (cosines > np.cos(tight)).mean(axis=0)
    downward = (cosines < -np.cos(tight)).mean(axis=0)
    perpendicular = (np.abs(cosines) < np.sin(tight)).mean(axis=0)
    # In a room all three directions explain all surfaces. Floors and tables, which face up, are
    # seen oftener than ceilings, and a far wall taken for the vertical would be a ceiling.
    score = upward + 0.7 * downward + 0.9 * perpendicular + 0.25 * (tried @ prior)
    up = tried[int(np.argmax(score))]
    for width_deg in (15.0, 10.0, 6.0, 4.0):
        cosine = normals @ up
        along = np.abs(cosine) > np.cos(np.radians(width_deg))
        across = np.abs(cosine) < np.sin(np.radians(width_deg))
        if along.sum() + across.sum() < 20:
            break
        matrix = normals[across].T @ normals[across] - normals[along].T @ normals[along]
        _, vectors = np.linalg.eigh(matrix)
        refined = vectors[:, 0] if vectors[:, 0] @ up > 0 else -vectors[:, 0]
        if refined @ up < np.cos(np.radians(10.0)):
            break
        up = refined
    cosine = np.abs(normals @ up)
    agreeing = float(((cosine > np.cos(tight)) | (cosine < np.sin(tight))).mean())
    if agreeing < 0.15:
        raise NothingFound("no floor, table or wall tells which way is up")
    return np.asarray(up), float(np.radians(0.5) / max(agreeing, 0.05))
