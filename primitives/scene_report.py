"""Tells the host what a cell made in 3-D, for the report and the viewer.

After a cell that made or changed boxes, points or scenes, or that measured a distance, one message
goes out: the cameras, the boxes, the measured lines, and once the points that the frames show. The
host checks it like everything that comes from a kernel; a cell sees nothing of it.
"""

from __future__ import annotations

import base64
import hashlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spatialclaw.primitives import runtime
from spatialclaw.primitives.context import all_frames, frame_from_ref
from spatialclaw.primitives.errors import PrimitiveError
from spatialclaw.primitives.frames import Frame

__all__ = ["SCENE_TYPE", "arm", "note_line", "scene_message"]

SCENE_TYPE = "application/vnd.spatialclaw.scene+json"
MOST_POINTS = 16_000
MOST_THINGS = 60
_MOST_CAMERAS = 200

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class _Line:
    """A measured distance, between two points of one reference."""

    a: Floats
    b: Floats
    ref: str
    label: str


class _Reporter:
    """What this process has told, and what it has not told yet."""

    def __init__(self) -> None:
        self.armed = False
        self.lines: list[_Line] = []
        self.known: dict[str, int] = {}
        self.cloud_source: Any = None
        self.cloud_id: str | None = None

    def after_cell(self) -> None:
        """Sends what is new; a scene that cannot be told is no fault of the cell."""
        from IPython.core.interactiveshell import InteractiveShell

        lines, self.lines = self.lines, []
        namespace = InteractiveShell.instance().user_ns
        try:
            things = dict(self._changed(namespace))
            if things or lines:
                message = scene_message(things, lines, self, _depth_maps(namespace))
                if message is not None:
                    runtime.publish({SCENE_TYPE: message})
        except Exception:  # whatever a cell put into the namespace must not break the next one
            self.lines = []

    def _changed(self, namespace: dict[str, Any]) -> Iterator[tuple[str, Any]]:
        """Names that hold something in space and did not before."""
        before, self.known = self.known, {}
        for name, value in list(namespace.items()):
            if name.startswith("_") or not _is_spatial(value):
                continue
            self.known[name] = id(value)
            if before.get(name) != id(value):
                yield name, value


_reporter = _Reporter()


def arm() -> None:
    """Something in space was made: look after each cell from now on, in a kernel of a host."""
    if _reporter.armed:
        return
    module = sys.modules.get("IPython.core.interactiveshell")
    shell = module.InteractiveShell._instance if module is not None else None
    watch = getattr(getattr(shell, "kernel", None), "watch", None)
    _reporter.armed = True
    if shell is not None and getattr(watch, "publishes", False):
        shell.events.register("post_execute", _reporter.after_cell)


def note_line(a: Any, b: Any, label: str) -> None:
    """A distance was measured from a to b, (3,) `Points` of one reference."""
    arm()
    if len(_reporter.lines) < MOST_THINGS:
        first, second = (np.asarray(end, dtype=np.float64).reshape(-1)[:3] for end in (a, b))
        _reporter.lines.append(_Line(first, second, str(getattr(a, "ref", "")), label))


def scene_message(
    things: dict[str, Any],
    lines: list[_Line],
    reporter: _Reporter,
    maps: dict[int, Any] | None = None,
) -> dict[str, Any] | None:
    """What changed in space, as plain values; None when nothing of it can be placed.

    Args:
        things: Name -> `Box3D`, `Points`, `Scene` or a list of them.
        lines: Measured distances.
        reporter: Knows which points were sent already.
        maps: A `DepthMap` for the position of a frame that has no depth of its own.
    """
    scenes = [value for value in things.values() if type(value).__name__ == "Scene"]
    frames = list(scenes[-1].frames) if scenes else all_frames()
    place = _Place(frames, [*_refs(things), *(line.ref for line in lines)])
    boxes: list[dict[str, Any]] = []
    marks: list[dict[str, Any]] = []
    for name, thing in _flat(things):
        if type(thing).__name__ == "Box3D":
            boxes += place.box(thing, name)
        elif getattr(thing, "ref", "")[:5] in ("world", "camer") and thing.shape[-1] == 3:
            marks += place.mark(thing, name)
    measured = [found for line in lines for found in place.line(line)]
    if not (boxes or marks or measured or scenes):
        return None
    message: dict[str, Any] = {
        "ref": place.ref,
        "unit": "m" if all(frame.metric for frame in frames) else "",
        "note": place.note,
        "cameras": place.cameras(),
        "boxes": _once(boxes),
        "lines": _once(measured),
        "marks": _once(marks),
    }
    source = scenes[-1] if scenes else place.ref
    if reporter.cloud_id is None or (scenes and source is not reporter.cloud_source):
        cloud = _cloud_of(scenes[-1]) if scenes else place.cloud(maps or {})
        if cloud is not None:
            message["cloud_data"] = cloud
            reporter.cloud_source, reporter.cloud_id = source, _cloud_id(cloud)
    message["cloud"] = reporter.cloud_id
    return message


class _Place:
    """The world that the things of a message are put into: the frames' world, or one camera's."""

    def __init__(self, frames: list[Frame], refs: list[str]) -> None:
        self.frames = [frame for frame in frames if frame.pose is not None][:_MOST_CAMERAS]
        self.ref, self.note, self.only = "world", "", None
        if not self.frames:
            camera = next((ref for ref in refs if ref.startswith("camera")), "")
            self.only = frame_from_ref(camera) if camera else None
            self.ref, self.note = camera, f"{camera} taken as level" if camera else ""

    def points(self, points: Any, ref: str) -> Floats | None:
        """(N, 3) in this world, z up; None when they cannot be placed in it."""
        plain = np.asarray(points, dtype=np.float64).reshape(-1, 3)
        if ref.startswith("world") and (self.frames or not self.ref):
            return plain
        if self.only is not None:
            # Right, ahead, up of a camera that is taken as level.
            return plain @ _LEVEL[:, :3].T if ref == self.ref else None
        frame = frame_from_ref(ref)
        if frame is None or frame.pose is None:
            return None
        return np.asarray(plain @ frame.pose[:3, :3].T + frame.pose[:3, 3])

    def box(self, box: Any, name: str) -> list[dict[str, Any]]:
        """The box as a list of one, or of none."""
        center = self.points(box.center, box.ref)
        tips = self.points(np.asarray(box.center, dtype=np.float64) + box.axes, box.ref)
        if center is None or tips is None or not np.isfinite([*box.extent, *center[0]]).all():
            return []
        axes = (tips - center).reshape(-1)
        return [
            {
                "center": _plain(center[0]),
                "axes": _plain(axes),
                "extent": _plain(box.extent),
                "label": str(box.label or name)[:80],
            }
        ]

    def mark(self, points: Any, name: str) -> list[dict[str, Any]]:
        """A point, or the middle of many, as a list of one, or of none."""
        many = np.asarray(points).reshape(-1, 3)
        rows = self.points(many[:: max(1, len(many) // 2000)], points.ref)
        if rows is None or not len(rows):
            return []
        middle = np.nanmedian(rows, axis=0)
        return [{"at": _plain(middle), "label": name[:80]}] if np.isfinite(middle).all() else []

    def line(self, line: _Line) -> list[dict[str, Any]]:
        """A measured distance as a list of one, or of none."""
        ends = self.points(np.stack([line.a, line.b]), line.ref)
        if ends is None or not np.isfinite(ends).all():
            return []
        return [{"a": _plain(ends[0]), "b": _plain(ends[1]), "label": line.label[:80]}]

    def cameras(self) -> list[dict[str, Any]]:
        """The path of the camera."""
        if self.only is not None:
            return [{"pose": _plain(_LEVEL), "label": self.only.name[:80]}]
        return [
            {"pose": _plain(np.asarray(frame.pose)[:3]), "label": frame.name[:80]}
            for frame in self.frames
        ]

    def cloud(self, maps: dict[int, Any]) -> dict[str, Any] | None:
        """What the depth maps show, thinned; None without depth."""
        frames = self.frames or ([self.only] if self.only is not None else [])
        depths = [(f, maps.get(f.position) if f.depth is None else f.depth) for f in frames]
        seen = [(f, d) for f, d in depths if d is not None and f.intrinsics is not None]
        step = max(1, len(seen) // 24)
        rows, colours = [], []
        for frame, z in seen[::step]:
            pose = _LEVEL if self.only is not None else np.asarray(frame.pose)[:3]
            xyz, rgb = _thinned(frame, z, MOST_POINTS // len(seen[::step]))
            rows.append(xyz @ pose[:, :3].T + pose[:, 3])
            colours.append(rgb)
        return _packed(np.concatenate(rows), np.concatenate(colours)) if rows else None


# Right, ahead, up from right, down, ahead.
_LEVEL = np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0]])


def _thinned(frame: Frame, depth: Any, most: int) -> tuple[Floats, npt.NDArray[np.uint8]]:
    """(N, 3) points in the camera and their colours, from every so many pixels."""
    assert frame.intrinsics is not None
    height, width = depth.shape
    stride = max(1, int(np.ceil(np.sqrt(height * width / max(1, most)))))
    z = np.asarray(depth[::stride, ::stride], dtype=np.float64)
    y, x = np.mgrid[0:height:stride, 0:width:stride]
    keep = np.isfinite(z) & (z > 0)
    k = frame.intrinsics
    z, x, y = z[keep], x[keep], y[keep]
    xyz = np.stack([(x - k[0, 2]) / k[0, 0] * z, (y - k[1, 2]) / k[1, 1] * z, z], axis=1)
    return xyz, frame.image[::stride, ::stride][keep]


def _cloud_of(scene: Any) -> dict[str, Any] | None:
    """The points of a scene, as far as they are known without asking a model."""
    depths = zip(scene.frames, scene._depths, strict=True)
    known = [i for i, (f, found) in enumerate(depths) if f.depth is not None or found is not None]
    try:
        if not known:
            if scene.sparse is None or not len(scene.sparse):
                return None
            plain = np.asarray(scene.sparse, dtype=np.float64)
            return _packed(plain, np.full(plain.shape, 128, np.uint8))
        options: dict[str, Any] = {"most": MOST_POINTS, "frames": known}
        return _packed(np.asarray(scene.points(**options)), scene.colours(**options))
    except PrimitiveError:  # no points in it
        return None


def _packed(xyz: Floats, rgb: npt.NDArray[np.uint8]) -> dict[str, Any] | None:
    """Points and colours in 9 bytes each, in base64; a few that lie far off are left out."""
    keep = np.isfinite(xyz).all(axis=1)
    if keep.sum() < 1:
        return None
    low, high = np.percentile(xyz[keep], (0.5, 99.5), axis=0)
    room = 0.1 * (high - low) + 1e-6
    low, high = low - room, high + room
    keep &= ((xyz >= low) & (xyz <= high)).all(axis=1)
    xyz, rgb = xyz[keep], rgb[keep]
    step = max(1, -(-len(xyz) // (2 * MOST_POINTS)))
    numbers = np.rint((xyz[::step] - low) / (high - low) * 65535).astype("<u2")
    return {
        "low": _plain(low),
        "high": _plain(high),
        "xyz": base64.b64encode(numbers.tobytes()).decode("ascii"),
        "rgb": base64.b64encode(np.ascontiguousarray(rgb[::step]).tobytes()).decode("ascii"),
    }


def _cloud_id(cloud: dict[str, Any]) -> str:
    """The name of a cloud, by its content, as the host computes it."""
    digest = hashlib.sha256(np.array([*cloud["low"], *cloud["high"]], dtype="<f8").tobytes())
    digest.update(cloud["xyz"].encode("ascii"))
    digest.update(cloud["rgb"].encode("ascii"))
    return digest.hexdigest()[:20]


def _depth_maps(namespace: dict[str, Any]) -> dict[int, Any]:
    """The depth maps that cells made, by the position of their frame."""
    found = [v for v in list(namespace.values()) if type(v).__name__ == "DepthMap"]
    return {one.frame: one.depth for one in found if np.ndim(one.depth) == 2}


def _is_spatial(value: Any) -> bool:
    kind = type(value).__name__
    if kind in ("Box3D", "Scene"):
        return True
    if kind == "Points":
        return bool(value.ndim in (1, 2) and value.shape[-1] == 3)
    if kind in ("list", "tuple") and 0 < len(value) <= MOST_THINGS:
        return type(value[0]).__name__ in ("Box3D", "Points") and _is_spatial(value[0])
    return False


def _flat(things: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in things.items():
        if type(value).__name__ == "Scene":
            continue
        if isinstance(value, list | tuple):
            several = len(value) > 1
            for number, item in enumerate(value):
                if _is_spatial(item):
                    yield f"{name}[{number}]" if several else name, item
        else:
            yield name, value


def _once(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One of each place: names for the same thing are told apart by nobody."""
    found: dict[Any, dict[str, Any]] = {}
    for item in items:
        found.setdefault(tuple((k, str(v)) for k, v in item.items() if k != "label"), item)
    return list(found.values())[:MOST_THINGS]


def _refs(things: dict[str, Any]) -> list[str]:
    return [str(getattr(thing, "ref", "")) for _, thing in _flat(things)]


def _plain(values: Any) -> list[float]:
    return [round(float(v), 6) for v in np.asarray(values, dtype=np.float64).reshape(-1)]
