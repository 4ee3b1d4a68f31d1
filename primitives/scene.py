"""A scene: frames with poses in one world, and what stands in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spatialclaw.primitives.errors import NothingFound, PrimitiveError, Unavailable
from spatialclaw.primitives.floors import FreeSpace, free_space
from spatialclaw.primitives.frames import Frame, Frames
from spatialclaw.primitives.geometry.boxes import Box3D, oriented_box
from spatialclaw.primitives.geometry.camera import (
    depth_of,
    to_world,
)
from spatialclaw.primitives.geometry.gravity import gravity, gravity_known
from spatialclaw.primitives.geometry.masks import mask_points
from spatialclaw.primitives.geometry.planes import Plane, ground_plane
from spatialclaw.primitives.geometry.points import Points, world_ref
from spatialclaw.primitives.results import DepthMap, Mask
from spatialclaw.primitives.rich import Rich
from spatialclaw.primitives.rooms import Room, room_of
from spatialclaw.primitives.scene_report import arm

if TYPE_CHECKING:
    from spatialclaw.primitives.fusion import Mesh
    from spatialclaw.primitives.wandering import Wandering

__all__ = ["Scene"]

Floats = npt.NDArray[np.float64]


class Scene(Rich):
    """Frames placed in one world (metres when `metric`, z up when `up_known`).

    Attributes:
        frames: The frames, each with `pose` and `intrinsics`; ``scene.frames[i]`` goes wherever a
            frame does.
        metric: Whether the world is in metres.
        up_known: Whether z is against gravity.
        method: What placed the frames.
        confidence: 0..1 for the whole.
        note: What to know about it, one line.
        sparse: Points known besides the depth maps, or None.

    Example:
        ``scene = geometry.scene(frames); scene.floor_area(); show(scene.bev())``
    """

    def __init__(
        self,
        frames: Frames | Sequence[Frame],
        *,
        depths: Sequence[DepthMap | None] | None = None,
        confidences: Sequence[npt.NDArray[np.float32] | None] | None = None,
        sparse: Points | None = None,
        metric: bool = True,
        up_known: bool = True,
        method: str = "poses",
        confidence: float = 1.0,
        note: str = "",
    ) -> None:
        """Makes a scene of frames whose poses are known.

        Args:
            frames: Frames with pose and intrinsics (``frame.replaced(pose=..., intrinsics=...)``).
            depths: A `DepthMap` for each frame; None: the frames' own, where they have one.
            confidences: (H, W) confidence 0..1 for each frame, or None.
            sparse: (N, 3) further points in the world.
            metric: Whether the world is in metres.
            up_known: Whether z is against gravity.
            method: What placed the frames.
            confidence: 0..1 for the whole.
            note: What to know about it.

        Raises:
            Unavailable: A frame has no pose.
        """
        lost = [frame.name for frame in frames if frame.pose is None]
        if lost:
            raise Unavailable(
                f"{len(lost)} of {len(frames)} frames have no pose, such as {lost[0]}",
                hint="reconstruct(frames), which estimates poses",
            )
        first = frames[0] if len(frames) else None
        kind = frames.kind if isinstance(frames, Frames) else "images"
        objects = frames.objects if isinstance(frames, Frames) else ()
        self.frames = Frames(list(frames), kind=kind, objects=objects)
        self.metric = metric
        self.up_known = up_known
        self.method = method
        self.confidence = confidence
        self.note = note
        self.sparse = sparse
        self.ref = "world" if first is None else world_ref(first)
        self._depths: list[DepthMap | None] = list(depths) if depths else [None] * len(frames)
        self._confidences = list(confidences) if confidences else [None] * len(frames)
        self._clouds: dict[Any, tuple[Points, npt.NDArray[np.uint8]]] = {}
        arm()

    @classmethod
    def from_frames(cls, frames: Frames | Frame | Sequence[Frame], depth: Any = None) -> Scene:
        """The scene of frames with depth: with their poses, or of one frame alone.

        A single frame without pose is put at the origin and turned upright by gravity.

        Args:
            frames: Frames with depth and poses, or one frame with depth.
            depth: For a single frame, as for `geometry.unproject`.

        Raises:
            Unavailable: Several frames and no poses; or no depth.
        """
        several = [frames] if isinstance(frames, Frame) else list(frames)
        if not several:
            raise NothingFound("no frames to make a scene of")
        if len(several) == 1:
            found = depth_of(several[0], depth)
            frame, up_known = _upright(several[0])
            return cls([frame], depths=[found], metric=found.metric, up_known=up_known,
                       method=found.method)  # fmt: skip
        metric = all(frame.metric for frame in several)
        source = frames if isinstance(frames, Frames) else Frames(several)
        return cls(
            source,
            metric=metric,
            up_known=gravity_known(several[0]),
            method="poses and depth of the capture",
        )

    @property
    def poses(self) -> Floats:
        """(N, 4, 4) camera-to-world pose of each frame."""
        return np.array([frame.pose for frame in self.frames])

    @property
    def camera_path(self) -> Points:
        """(N, 3) positions of the camera in the world."""
        return Points(self.poses[:, :3, 3], self.ref, metric=self.metric)

    def depth(self, i: int) -> DepthMap:
        """The depth map of the i-th frame of the scene."""
        known = self._depths[i]
        if known is None:
            known = self._depths[i] = depth_of(self.frames[i])
        return known

    def points(
        self, *, most: int = 200_000, confidence: float = 0.0, frames: Sequence[int] | None = None
    ) -> Points:
        """All points in the world, fused from the depth maps on demand.

        Args:
            most: About how many points at most.
            confidence: Leave out points whose confidence is below, 0..1.
            frames: Positions in ``scene.frames`` to use; None: all.

        Returns:
            (N, 3) points; `scene.colours(...)` with the same arguments gives their colours.
        """
        return self._fused(most, confidence, frames)[0]

    def colours(
        self, *, most: int = 200_000, confidence: float = 0.0, frames: Sequence[int] | None = None
    ) -> npt.NDArray[np.uint8]:
        """(N, 3) uint8 RGB of `points` with the same arguments."""
        return self._fused(most, confidence, frames)[1]

    def to_world(self, points: Points) -> Points:
        """Points of any camera of the scene, in the world.

        Example:
            ``scene.to_world(geometry.unproject(frames[4], (320, 240)))``
        """
        if points.ref == self.ref:
            return points
        return to_world(points, self._frame_with(points.ref))

    def points_of(self, thing: Any) -> Points:
        """The points of a `Mask` (or of several masks of one thing), in the world."""
        masks = _sightings(thing)
        parts = []
        for mask in masks:
            i = self._index(mask)
            frame = self.frames[i]
            own = mask_points(mask, self.depth(i), frame=frame, erode=1)
            parts.append(to_world(own, frame))
        joined = Points(np.concatenate([p.plain for p in parts]), self.ref, metric=self.metric)
        known = [p.sigma for p in parts if p.sigma is not None]
        joined.sigma = np.concatenate(known) if len(known) == len(parts) else None
        joined.method = parts[0].method
        return joined

    def box(self, thing: Any, label: str = "") -> Box3D:
        """The upright box of a `Mask`, or of several masks of one thing, in the world."""
        masks = _sightings(thing)
        made = oriented_box(self.points_of(masks), label=label or masks[0].label)
        # The edges lost one pixel to erosion and half a pixel to the centres of the outermost.
        footprints = []
        for mask in masks:
            frame = self.frames[self._index(mask)]
            assert frame.pose is not None
            assert frame.intrinsics is not None
            away = float(np.linalg.norm(made.center.plain - frame.pose[:3, 3]))
            footprints.append(away / float(frame.intrinsics[0, 0]))
        made.extent = made.extent + 3 * float(min(footprints)) * 0.8
        return made

    def in_metres(
        self,
        *,
        between: tuple[Any, Any] | None = None,
        length_m: float | None = None,
        camera_height_m: float | None = None,
        marker_m: float | None = None,
    ) -> Scene:
        """The same scene in metres, by one length that is known from elsewhere.

        Args:
            between: Two places (`Points`, `Box3D`, `Mask`) that are `length_m` apart.
            length_m: The distance of the two places, metres.
            camera_height_m: Height of the camera above the floor, metres.
            marker_m: Side of the ArUco markers or AprilTags in the pictures, metres.

        Raises:
            NothingFound: The floor, or a marker in two frames, is not seen.

        Example:
            ``reconstruct(frames).in_metres(camera_height_m=1.5).floor_area()``
        """
        from spatialclaw.primitives.scaling import in_metres

        return in_metres(
            self, between=between, length_m=length_m, camera_height_m=camera_height_m,
            marker_m=marker_m,
        )  # fmt: skip

    def motion(self, thing: Sequence[Mask]) -> Wandering:
        """Where a thing is in each frame that shows it, and whether it moved.

        Args:
            thing: Masks of the same thing, at most one a frame.

        Raises:
            Unavailable: Fewer than two sightings have depth.

        Example:
            ``scene.motion(segment(frames[0], "car") + segment(frames[5], "car"))``
        """
        from spatialclaw.primitives.wandering import wandering

        thing = _sightings(thing)
        biggest = max(thing, key=lambda mask: mask.area_px)
        try:
            size = self.box(biggest).length
        except PrimitiveError:  # too little of it: then only noise counts
            size = 0.0
        return wandering(thing, self.frames, size=size)

    def objects(self, masks: Sequence[Mask]) -> list[Box3D]:
        """A box in the world for each thing; masks with the same id are one thing.

        The box of a thing that moves is that of its largest sighting.

        Args:
            masks: Masks in frames of the scene; those without depth under them are left out.

        Returns:
            One `Box3D` a thing, with label, center, extents, points and, for a thing seen in
            several frames, `.motion`.

        Example:
            ``scene.objects(segment(frames[0], "chair"))``
        """
        groups: dict[Any, list[Mask]] = {}
        for number, mask in enumerate(masks):
            key = ("id", mask.id) if mask.id is not None else ("mask", number)
            groups.setdefault(key, []).append(mask)
        boxes = []
        for group in groups.values():
            seen = []
            for mask in group:
                try:
                    seen.append((mask, self.points_of(mask)))
                except NothingFound:
                    continue
            if not seen or sum(len(p) for _, p in seen) < 4:
                continue
            sightings = [mask for mask, _ in seen]
            motion = self._motion_of(sightings)
            if motion is not None and motion.moved:
                sightings = [max(sightings, key=lambda mask: mask.area_px)]
            made = self.box(sightings)
            made.motion = motion
            boxes.append(made)
        return boxes

    def floor(self) -> Plane:
        """The floor as a plane in the world; `plane.distance(points)` is the height above it."""
        return ground_plane(self.points(most=60_000), up=(0, 0, 1))

    def room(self) -> Room:
        """The room: its floor, oriented rectangle, outline and height."""
        return room_of(self.points(most=150_000), self.floor(), self.camera_path)

    def floor_area(self, *, outline: str = "auto", scale_free: bool = False) -> Any:
        """Area of the floor of the room, m^2.

        Args:
            outline: "rectangle": between the outermost walls; "hull": convex outline of all that
                was seen; "seen": cells that were seen, holes filled; "auto": the rectangle where at
                least three walls were seen, else the hull.
            scale_free: Answer in "unit^2" when the scale is not known.

        Raises:
            ScaleUnknown: The scale is not known and `scale_free` is False.
        """
        return self.room().area(outline, metric=self.metric, scale_free=scale_free)

    def free_space(self, *, height: float = 1.8, cell: float | None = None) -> FreeSpace:
        """Where the floor is free: a grid of free, occupied and unknown cells.

        Args:
            height: Things up to this height above the floor are in the way, metres.
            cell: Side of a cell, metres; None: 5 cm, or 1/100 of the scene without scale.

        Example:
            ``scene.free_space().fits((0.8, 0.6))``
        """
        size = cell or (0.05 if self.metric else 0.01 * self._size())
        return free_space(self.points(), self.floor(), height, size)

    def fits(self, size: Sequence[float], where: Any = None, *, within: float = 1.0) -> Any:
        """Whether a thing of that size can stand on free floor.

        Args:
            size: (length, width) or (length, width, height), metres.
            where: A place it must be near to; None: anywhere.
            within: How near, metres.

        Returns:
            A `Fit`: true or false, with the place, the turn and the spare factor.
        """
        tall = float(size[2]) if len(size) > 2 else 1.8
        near = None if where is None else self.place(where)
        return self.free_space(height=tall).fits((size[0], size[1]), near=near, within=within)

    def path(self, a: Any, b: Any, *, width: float = 0.5) -> Any:
        """The shortest way over free floor from a to b for something of that width.

        Args:
            a: A place: `Points`, `Box3D` or `Mask`.
            b: The other place.
            width: Width of what moves, metres.

        Returns:
            A `Path`: ``.points`` (N, 3) on the floor and ``.length`` in metres.

        Raises:
            NothingFound: There is no way over known free floor.
        """
        return self.free_space().path(self.place(a), self.place(b), width=width)

    def mesh(self, *, voxel: float | None = None, farthest: float | None = None) -> Mesh:
        """The surface that all depth maps agree on, fused (TSDF); see `Mesh` for what it can tell.

        Args:
            voxel: Side of a voxel, metres; None: 1/200 of the scene's size, at least 5 mm.
            farthest: Depth beyond this is left out, metres.

        Example:
            ``scene.mesh().hit((0, 0, 0), (0, 1, 0))``
        """
        from spatialclaw.primitives.fusion import fuse

        return fuse(self, voxel=voxel, farthest=farthest)

    def bev(self, **options: Any) -> npt.NDArray[np.uint8]:
        """Bird's-eye view with camera path and compass; see `draw.bev` for the options."""
        from spatialclaw.primitives.draw import bev

        return bev(self, **options)

    def place(self, thing: Any) -> Points:
        """(3,) middle of a `Points`, `Box3D` or `Mask`, in the world."""
        from spatialclaw.primitives.geometry.places import position_of

        if isinstance(thing, Mask):
            cloud = self.points_of(thing)
            return Points(np.median(cloud.plain, axis=0), self.ref, metric=self.metric)
        return self.to_world(position_of(thing))

    def _motion_of(self, sightings: Sequence[Mask]) -> Wandering | None:
        """How a thing moved, or None when it is seen once, or twice in one frame."""
        frames = [mask.frame for mask in sightings]
        if len(frames) < 2 or len(set(frames)) < len(frames):
            return None
        try:
            return self.motion(sightings)
        except PrimitiveError:  # too few sightings with depth
            return None

    def _index(self, mask: Mask) -> int:
        for i, frame in enumerate(self.frames):
            if frame.position == mask.frame:
                return i
        raise Unavailable(
            f"frame {mask.frame} is not part of this scene", hint="masks of scene.frames"
        )

    def _frame_with(self, ref: str) -> Frame:
        for frame in self.frames:
            if ref == f"camera {frame.position}" or ref.endswith(f":{frame.position}"):
                return frame
        raise Unavailable(f"{ref} is not part of this scene", hint="points of scene.frames")

    def _size(self) -> float:
        cloud = self.points(most=20_000).plain
        return float(np.linalg.norm(np.percentile(cloud, 98, 0) - np.percentile(cloud, 2, 0)))

    def _fused(
        self, most: int, confidence: float, frames: Sequence[int] | None
    ) -> tuple[Points, npt.NDArray[np.uint8]]:
        picks = tuple(range(len(self.frames))) if frames is None else tuple(frames)
        key = (most, confidence, picks)
        if key in self._clouds:
            return self._clouds[key]
        rows, colours, methods = [], [], []
        for i in picks:
            try:
                found = self.depth(i)
            except PrimitiveError:
                if self.sparse is None:
                    raise
                continue
            xyz, colour = _cloud(self.frames[i], found, self._confidences[i], confidence,
                                 most // max(1, len(picks)))  # fmt: skip
            rows.append(xyz)
            colours.append(colour)
            methods.append(found.method)
        if self.sparse is not None and len(self.sparse):
            rows.append(self.sparse.plain)
            colours.append(np.full((len(self.sparse), 3), 128, dtype=np.uint8))
            methods.append(self.sparse.method or "sparse")
        if not rows or not sum(len(r) for r in rows):
            raise NothingFound("the scene has no points", hint="frames with depth")
        joined = Points(np.concatenate(rows), self.ref, metric=self.metric)
        joined.method = " + ".join(dict.fromkeys(methods))
        self._clouds[key] = (joined, np.concatenate(colours))
        return self._clouds[key]

    def __repr__(self) -> str:
        unit = "metres" if self.metric else "no scale"
        up = "z up" if self.up_known else "up not known"
        note = f"; {self.note}" if self.note else ""
        return f"<Scene: {len(self.frames)} frames by {self.method}, {unit}, {up}{note}>"


def _sightings(thing: Any) -> list[Mask]:
    """The masks of a thing; a name is refused with what to pass instead."""
    if isinstance(thing, str):
        raise TypeError(f"{thing!r} is a name; pass its masks: segment(frames[0], {thing!r})")
    return [thing] if isinstance(thing, Mask) else list(thing)


def _upright(frame: Frame) -> tuple[Frame, bool]:
    """The frame with a pose at the origin whose world is upright as far as gravity is known."""
    if frame.pose is not None:
        return frame, gravity_known(frame)
    up_known = True
    try:
        up = gravity(frame).plain
    except PrimitiveError:
        up, up_known = gravity(frame, assume_level=True).plain, False
    ahead = np.array([0.0, 0.0, 1.0])
    ahead = ahead - (ahead @ up) * up
    if np.linalg.norm(ahead) < 1e-6:
        ahead = np.array([0.0, 1.0, 0.0]) - up[1] * up
    ahead /= np.linalg.norm(ahead)
    pose = np.eye(4)
    # World x to the right of the camera, y the way it looks, z up.
    pose[:3, :3] = np.stack([np.cross(ahead, up), ahead, up])
    return frame.replaced(pose=pose.tolist(), pose_source="gravity"), up_known


def _cloud(
    frame: Frame, found: DepthMap, sure: Any, least: float, most: int
) -> tuple[Floats, npt.NDArray[np.uint8]]:
    """Points in the world and their colours; pixels at steps of the depth are left out."""
    assert frame.intrinsics is not None
    assert frame.pose is not None
    z = found.depth
    stride = max(1, int(np.ceil(np.sqrt(np.isfinite(z).sum() / max(1, most)))))
    keep = np.isfinite(z)
    if sure is not None and least > 0:
        keep &= np.asarray(sure) >= least
    dense = keep.mean() > 0.2
    if dense:
        with np.errstate(invalid="ignore"):
            step_x = np.abs(np.diff(z, axis=1, append=z[:, -1:])) > 0.05 * z
            step_y = np.abs(np.diff(z, axis=0, append=z[-1:])) > 0.05 * z
        keep &= ~(step_x | step_y)
        grid = np.zeros_like(keep)
        grid[stride // 2 :: stride, stride // 2 :: stride] = True
        keep &= grid
    rows, columns = np.nonzero(keep)
    if not dense and len(rows) > most:
        picks = np.linspace(0, len(rows) - 1, most).astype(int)
        rows, columns = rows[picks], columns[picks]
    rays = (
        np.stack([columns, rows, np.ones_like(rows)], axis=-1) @ np.linalg.inv(frame.intrinsics).T
    )
    xyz = rays * z[rows, columns].astype(np.float64)[:, None]
    return xyz @ frame.pose[:3, :3].T + frame.pose[:3, 3], frame.image[rows, columns]
