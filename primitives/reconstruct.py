"""Frames placed in one world, with what is known of the space between them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from spatialclaw.primitives import modelled
from spatialclaw.primitives.depth import depth as depth_of
from spatialclaw.primitives.errors import NothingFound, PrimitiveError, Unavailable
from spatialclaw.primitives.frames import Frame, Frames
from spatialclaw.primitives.imaging import as_frame
from spatialclaw.primitives.motion import estimate_motion
from spatialclaw.primitives.results import DepthMap
from spatialclaw.primitives.scene import Scene
from spatialclaw.primitives.sfm import Structure, structure_from_motion

__all__ = ["reconstruct"]

Floats = npt.NDArray[np.float64]

# Camera axes (x right, y down, z forward) of a level camera in a world with z up.
LEVEL = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])


def reconstruct(
    frames: Any, method: str = "auto", *, most: int = 24, model: str | None = None
) -> Scene:
    """Places frames in one world: poses, depth, up.

    The capture's poses where it has them; else RGB-D odometry where it has depth (metric); else a
    multi-view model where one is installed; else structure from motion over the pictures (SIFT,
    five-point, PnP, bundle adjustment): then the scene has no scale (`scene.metric` is False) and
    only ratios of lengths can be told, until `scene.in_metres(...)` is given a length that is
    known. ``.method`` says which it was.

    Args:
        frames: One frame with depth, or several frames.
        method: "auto", "poses", "rgbd", "model" or "sfm".
        most: Number of frames that are used, evenly spaced.
        model: A multi-view model by name, instead of all else.

    Returns:
        A `Scene`: ``.frames`` with poses, ``.camera_path``, ``.points()``, ``.floor_area()``,
        ``.metric``, ``.up_known``.

    Raises:
        NothingFound: The frames do not overlap enough, or the camera only turned.
        Unavailable: One frame without depth.

    Example:
        >>> scene = reconstruct(frames)
        >>> scene.metric, scene.note
    """
    if method not in ("auto", "poses", "rgbd", "model", "sfm"):
        raise ValueError(
            f"reconstruct(method={method!r}): use 'auto', 'poses', 'rgbd', 'model' or 'sfm'"
        )
    pictures = _chosen(frames, most)
    if model is not None or method == "model":
        return _by_model(pictures, model)
    if len(pictures) == 1:
        return Scene.from_frames(pictures[0])
    posed = all(f.pose is not None and f.intrinsics is not None for f in pictures)
    if method == "poses" and not posed:
        raise Unavailable("not every frame has a pose", hint="reconstruct(frames, method='sfm')")
    if posed and method in ("auto", "poses"):
        return _with_poses(pictures)
    deep = [f for f in pictures if f.depth is not None and f.intrinsics is not None]
    if method == "rgbd" or (method == "auto" and len(deep) == len(pictures)):
        return _by_odometry(pictures)
    if method == "auto" and modelled.has_model("reconstruct"):
        try:
            return _by_model(pictures, None)
        except PrimitiveError as error:  # geometry can place them too; the scene's note tells
            scene = _by_motion(pictures)
            scene.note = f"{scene.note}; the model failed: {error.message}"
            return scene
    return _by_motion(pictures)


def _chosen(frames: Any, most: int) -> Frames:
    if isinstance(frames, Frame):
        return Frames([frames])
    several = frames if isinstance(frames, Frames) else Frames([as_frame(f) for f in frames])
    if not len(several):
        raise NothingFound("no frames to reconstruct")
    # The right pictures of stereo pairs add nothing that depth() does not know.
    rights = {f.stereo["right"] for f in several if f.stereo is not None}
    left = [f for f in several if f.position not in rights]
    kept = Frames(left, name=several.name, kind=several.kind, objects=several.objects)
    return kept.sample(most)


def _with_poses(frames: Frames) -> Scene:
    depths: list[DepthMap | None] = []
    for frame in frames:
        try:
            depths.append(depth_of(frame))
        except PrimitiveError:  # this frame adds its pose only
            depths.append(None)
    if all(d is None for d in depths):
        raise NothingFound(
            "the frames have poses, but no depth and no points in common",
            hint="frames that overlap",
        )
    ways = ", ".join(sorted({d.method for d in depths if d is not None}))
    base = Scene.from_frames(frames)
    return Scene(
        frames,
        depths=depths,
        metric=base.metric,
        up_known=base.up_known,
        method=f"poses of the capture, depth by {ways}",
        confidence=min(d.confidence for d in depths if d is not None),
    )


def _by_odometry(frames: Frames) -> Scene:
    """Each frame against the nearest placed ones by PnP on depth."""
    first = Scene.from_frames(frames[0])
    placed = {0: np.asarray(first.frames[0].pose)}
    confidence = [1.0]
    lost = []
    for index in range(1, len(frames)):
        for other in sorted(placed, key=lambda k: index - k)[:3]:
            try:
                motion = estimate_motion(frames[other], frames[index], method="depth")
            except PrimitiveError:  # these two do not overlap: try an earlier one
                continue
            if motion.inliers < 12:
                continue
            step = np.eye(4)
            step[:3, :3], step[:3, 3] = motion.rotation, motion.translation
            placed[index] = placed[other] @ step
            confidence.append(motion.confidence)
            break
        else:
            lost.append(frames[index].position)
    if len(placed) < 2:
        raise NothingFound("no two frames overlap enough to be joined", hint="one frame at a time")
    kept = [
        frames[i].replaced(pose=pose.tolist(), pose_source="rgbd odometry")
        for i, pose in placed.items()
    ]
    note = f"frames {lost} could not be placed" if lost else ""
    return Scene(
        _like(frames, kept),
        metric=all(f.metric for f in kept),
        up_known=first.up_known,
        method="rgbd odometry",
        confidence=float(np.mean(confidence)),
        note=note,
    )


def _like(frames: Frames, kept: list[Frame]) -> Frames:
    return Frames(kept, name=frames.name, kind=frames.kind, objects=frames.objects)


def _by_model(frames: Frames, model: str | None) -> Scene:
    made = modelled.views(list(frames), model)
    back = np.transpose(made.poses[:, :3, :3], (0, 2, 1))
    ahead = -np.einsum("nij,nj->ni", back, made.poses[:, :3, 3])
    matrices = list(made.intrinsics)
    structure = Structure(
        list(range(len(frames))), back, ahead, matrices, np.empty((0, 3)), [], np.nan
    )
    upright, up_from = _upright(structure, frames)
    origin = made.poses[0, :3, 3]
    kept = []
    for frame, pose, matrix in zip(frames, made.poses, matrices, strict=True):
        placed = np.eye(4)
        placed[:3, :3] = upright @ pose[:3, :3]
        placed[:3, 3] = upright @ (pose[:3, 3] - origin)
        kept.append(
            frame.replaced(
                pose=placed.tolist(),
                pose_source=made.model,
                metric=made.metric,
                intrinsics=matrix.tolist(),
                intrinsics_source=frame.intrinsics_source or made.model,
            )
        )
    scale = "" if made.metric else "no scale; "
    return Scene(
        _like(frames, kept),
        depths=made.depths,
        confidences=made.confidences,
        metric=made.metric,
        up_known=up_from == "straight lines",
        method=made.model,
        confidence=0.7,
        note=f"{scale}up from {up_from}",
    )


def _by_motion(frames: Frames) -> Scene:
    from spatialclaw.primitives.geometry.points import points as make_points

    structure = structure_from_motion(list(frames), video=frames.kind == "video")
    upright, up_from = _upright(structure, frames)
    kept, depths = [], []
    scale, metric, why = _scale(frames, structure)
    for i, index in enumerate(structure.index):
        frame = frames[index]
        rotation, translation = structure.rotations[i], structure.translations[i]
        pose = np.eye(4)
        pose[:3, :3] = upright @ rotation.T
        pose[:3, 3] = -upright @ rotation.T @ translation * scale
        kept.append(
            frame.replaced(
                pose=pose.tolist(),
                pose_source="structure from motion",
                metric=metric,
                intrinsics=structure.intrinsics[i].tolist(),
                intrinsics_source=frame.intrinsics_source or "structure from motion",
            )
        )
        depths.append(_sparse_map(kept[-1], structure, i, scale, metric))
    scene_frames = _like(frames, kept)
    cloud = make_points(structure.points @ upright.T * scale, "world")
    share = len(structure.index) / len(frames)
    note = f"{structure.note}; {why}; up from {up_from}"
    return Scene(
        scene_frames,
        depths=depths,
        sparse=cloud,
        metric=metric,
        up_known=up_from == "straight lines",
        method="structure from motion",
        confidence=float(
            np.clip(0.9 * share * min(1.0, 1.5 / max(structure.error_px, 0.5)), 0.1, 0.9)
        ),
        note=note,
    )


def _scale(frames: Frames, structure: Structure) -> tuple[float, bool, str]:
    """Metres for each unit where a frame has metric depth at points of the structure."""
    ratios = []
    for i, index in enumerate(structure.index):
        depth = frames[index].depth
        if depth is None or not frames[index].metric:
            continue
        numbers, pixels = structure.seen[i]
        z = structure.points[numbers] @ structure.rotations[i][2] + structure.translations[i][2]
        rows = pixels[:, 1].round().astype(int).clip(0, depth.shape[0] - 1)
        columns = pixels[:, 0].round().astype(int).clip(0, depth.shape[1] - 1)
        ratio = depth[rows, columns] / z
        ratios.append(ratio[np.isfinite(ratio) & (ratio > 0)])
    values = np.concatenate(ratios) if ratios else np.empty(0)
    if len(values) >= 20:
        return float(np.median(values)), True, f"scale from {len(values)} depths"
    # The first two placed cameras are one unit apart.
    centers = structure.centers
    apart = np.linalg.norm(centers[1:] - centers[0], axis=1)
    unit = float(apart[0]) if len(apart) and apart[0] > 1e-9 else 1.0
    return 1.0 / unit, False, "no scale: the unit is the distance of the first two cameras"


def _upright(structure: Structure, frames: Frames) -> tuple[Floats, str]:
    """Rotation from the axes of the first camera to a world with z up, and what it rests on.

    The straight lines of the pictures where most pictures agree. Else people hold cameras level:
    the x axes of all cameras lie in the horizontal plane; where they all point alike, the tilt
    stays open and the first camera is taken as looking straight ahead.
    """
    by_lines = _up_by_lines(structure, frames)
    if by_lines is not None:
        return _axes(by_lines), "straight lines"
    return _axes(_up_by_level(structure)), "the cameras being held level"


def _up_by_lines(structure: Structure, frames: Frames, *, most: int = 6) -> Floats | None:
    """The up that the lines of most pictures agree on, in the axes of the first camera."""
    from spatialclaw.primitives.geometry.vanishing import up_from_lines

    found = []
    chosen = np.unique(np.linspace(0, len(structure.index) - 1, most).round().astype(int))
    for i in chosen:
        try:
            up, spread = up_from_lines(frames[structure.index[i]].image, structure.intrinsics[i])
        except NothingFound:
            continue
        if spread < np.radians(8):
            found.append(structure.rotations[i].T @ up)
    if len(found) < 2:
        return None
    several = np.array(found)
    middle = np.median(several, axis=0)
    middle /= np.linalg.norm(middle)
    close = several[several @ middle > np.cos(np.radians(6))]
    if len(close) < 2 or len(close) <= len(chosen) / 2:
        return None
    mean = close.mean(axis=0)
    return np.asarray(mean / np.linalg.norm(mean))


def _up_by_level(structure: Structure) -> Floats:
    right = structure.rotations[:, 0]  # x axis of each camera in the axes of the first
    up = -structure.rotations[:, 1].mean(axis=0)
    up /= np.linalg.norm(up)
    matrix = right.T @ right / len(right)
    # Minimise sum (x . u)^2 + small |u - mean up|^2: the second decides where the first cannot.
    weight = 0.05
    solved = np.linalg.solve(matrix + weight * np.eye(3), weight * up)
    return np.asarray(solved / np.linalg.norm(solved))


def _axes(up: Floats) -> Floats:
    """Rotation to axes right, forward, up of a first camera whose up is given."""
    forward = np.array([0.0, 0.0, 1.0])
    forward = forward - (forward @ up) * up
    if np.linalg.norm(forward) < 1e-3:
        return LEVEL
    forward /= np.linalg.norm(forward)
    side = np.cross(forward, up)
    return np.array([side, forward, up])


def _sparse_map(
    frame: Frame, structure: Structure, i: int, scale: float, metric: bool
) -> DepthMap | None:
    from spatialclaw.primitives.sparse import rasterise

    numbers, pixels = structure.seen[i]
    if len(numbers) < 5:
        return None
    z = structure.points[numbers] @ structure.rotations[i][2] + structure.translations[i][2]
    good = z > 0
    depths = z[good] * scale
    return rasterise(
        frame,
        pixels[good],
        depths,
        0.02 * depths,
        metric=metric,
        method="structure from motion",
        note=f"sparse: {int(good.sum())} points",
        confidence=0.8,
    )
