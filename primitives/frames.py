"""Frames: the pictures a run is about, mapped read-only from one array file.

The host decodes the media once and writes two files; a kernel maps them without copying:

* ``frames.json``: the manifest, described by :data:`MANIFEST_VERSION` and the fields of `Frame`;
* ``frames.bin``: the arrays, each C-contiguous at the 64-byte aligned offset the manifest gives:
  images uint8 (H, W, 3) RGB, depths float32 (H, W) metres with NaN where unknown, instance maps
  uint16 (H, W) with 0 where nothing is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar, overload

import numpy as np
import numpy.typing as npt

from spatialclaw.primitives.rich import Rich

__all__ = ["MANIFEST_VERSION", "Frame", "Frames", "SceneObject", "map_frames", "open_frames"]

MANIFEST_VERSION = 1
Number = TypeVar("Number", np.uint8, np.uint16, np.float32)


class SceneObject:
    """A thing that the capture itself names.

    Attributes:
        name: What it is called, for example "office chair".
        id: Its value in the instance maps, `Frame.instances`; never 0.
    """

    def __init__(self, name: str, id: int) -> None:
        self.name = name
        self.id = id

    def __repr__(self) -> str:
        return f"SceneObject({self.name!r}, id={self.id})"


class Frame(Rich):
    """One picture, with what is known about the camera that took it.

    Attributes:
        image: (H, W, 3) uint8 RGB, read-only; copy before changing it.
        index: Number of the frame in its video as stored, else position of the picture.
        position: Position in its sequence: ``frames[frame.position]``; results refer to it.
        time: Seconds from the start of the video or capture, or None.
        name: File name (and for videos the frame), to speak of it.
        intrinsics: (3, 3) pinhole matrix in pixels, centre of the first pixel at (0, 0), or None.
        intrinsics_source: "file", "exif" and so on, or None.
        focal_sigma: One standard deviation of the focal length, pixels, or None.
        pose: (4, 4) camera-to-world, metres; camera x right, y down, z forward; world z up; or
            None.
        pose_source: What the pose comes from, or None.
        metric: Whether pose and depth are in metres (False: known up to a scale).
        depth: (H, W) float32 metres along the optical axis, NaN where unknown, or None.
        depth_source: "rgbd", "lidar" and so on, or None.
        instances: (H, W) uint16 map of named objects (see `Frames.objects`), or None.
        source_size: (width, height) of the picture as stored, after EXIF orientation.
        source_scale: Frame pixels per source pixel (1.0 unless the picture was made smaller).
        stereo: For the left picture of a rectified pair: {"right": position of the right picture
            in the same Frames, "baseline_m": metres or None, "doffs_px": cx_right - cx_left}; else
            None.
        notes: What happened while it was decoded that matters, one line each.
        siblings: The whole sequence the frame belongs to (where `stereo["right"]` and the named
            objects are looked up), or None for a frame made alone.
    """

    def __init__(self, record: dict[str, Any], blob: npt.NDArray[np.uint8]) -> None:
        self._record = record
        self._blob = blob
        self.index: int = record["index"]
        self.position: int = record.get("position", 0)
        self.time: float | None = record.get("time")
        self.name: str = record.get("name") or f"frame {self.index}"
        self.intrinsics_source: str | None = record.get("intrinsics_source")
        self.focal_sigma: float | None = record.get("focal_sigma")
        self.pose_source: str | None = record.get("pose_source")
        self.metric: bool = record.get("metric", True)
        self.depth_source: str | None = record.get("depth_source")
        self.source_size: tuple[int, int] = tuple(
            record.get("source_size") or (record["width"], record["height"])
        )
        self.source_scale: float = record.get("source_scale", 1.0)
        self.stereo: dict[str, Any] | None = record.get("stereo")
        self.notes: list[str] = list(record.get("notes") or [])
        self.sequence: int = record.get("sequence", 0)
        self.siblings: Frames | None = None
        self.intrinsics = _matrix(record.get("intrinsics"), (3, 3))
        self.pose = _matrix(record.get("pose"), (4, 4))

    @property
    def width(self) -> int:
        """Width in pixels."""
        return int(self._record["width"])

    @property
    def height(self) -> int:
        """Height in pixels."""
        return int(self._record["height"])

    @property
    def image(self) -> npt.NDArray[np.uint8]:
        """(H, W, 3) uint8 RGB, read-only."""
        image = self._array("image", np.uint8, (self.height, self.width, 3))
        assert image is not None
        return image

    @property
    def depth(self) -> npt.NDArray[np.float32] | None:
        """(H, W) float32 metres along the optical axis, NaN where unknown, or None."""
        return self._array("depth", np.float32, (self.height, self.width))

    @property
    def instances(self) -> npt.NDArray[np.uint16] | None:
        """(H, W) uint16 instance map of the capture's named objects, 0 where none, or None."""
        return self._array("instances", np.uint16, (self.height, self.width))

    def _array(
        self, what: str, kind: type[Number], shape: tuple[int, ...]
    ) -> npt.NDArray[Number] | None:
        offset = self._record.get(f"{what}_offset")
        if offset is None:
            return None
        size = int(np.prod(shape)) * np.dtype(kind).itemsize
        array: npt.NDArray[Number] = self._blob[offset : offset + size].view(kind).reshape(shape)
        return array

    def same_picture(self, other: Frame) -> bool:
        """Whether both show the same stored pixels, whatever else is known about them."""
        mine, theirs = self._record["image_offset"], other._record["image_offset"]
        return self._blob is other._blob and mine == theirs

    def replaced(self, **fields: Any) -> Frame:
        """The same picture with other knowledge about it, such as ``pose=`` or ``intrinsics=``.

        Args:
            **fields: Attributes of `Frame` that come from its record: pose, intrinsics, metric,
                pose_source, intrinsics_source, focal_sigma, time, name, notes.
        """
        made = Frame({**self._record, "position": self.position, **fields}, self._blob)
        made.siblings = self.siblings
        return made

    def learn_intrinsics(
        self, matrix: npt.NDArray[np.float64], source: str, sigma: float | None = None
    ) -> None:
        """Gives this frame a camera where it had none.

        Args:
            matrix: (3, 3) pinhole matrix in pixels.
            source: Where it is from.
            sigma: One standard deviation of the focal length, pixels.
        """
        if self.intrinsics is not None:
            raise ValueError(f"{self.name} has intrinsics, by {self.intrinsics_source}")
        told = {"intrinsics": matrix.tolist(), "intrinsics_source": source, "focal_sigma": sigma}
        self._record = {**self._record, **told}
        self.intrinsics = _matrix(matrix.tolist(), (3, 3))
        self.intrinsics_source, self.focal_sigma = source, sigma

    def __repr__(self) -> str:
        known = [
            word
            for word, value in (
                ("intrinsics", self.intrinsics),
                ("depth", self._record.get("depth_offset")),
                ("pose", self.pose),
                ("instances", self._record.get("instances_offset")),
                ("stereo", self.stereo),
            )
            if value is not None
        ]
        when = "" if self.time is None else f" at {self.time:.2f} s"
        has = f", has {', '.join(known)}" if known else ""
        return f"<Frame {self.index} {self.name!r}{when}, {self.width}x{self.height}{has}>"


class Frames(Sequence[Frame], Rich):
    """A sequence of `Frame` in order of time or as given; slices are `Frames` too."""

    def __init__(
        self,
        frames: Sequence[Frame],
        *,
        name: str = "",
        kind: str = "images",
        objects: Sequence[SceneObject] = (),
        info: dict[str, Any] | None = None,
    ) -> None:
        self._frames = list(frames)
        self.name = name
        self.kind = kind
        self.objects: list[SceneObject] = list(objects)
        self.info: dict[str, Any] = dict(info or {})
        for frame in self._frames:
            if frame.siblings is None:
                frame.siblings = self

    @classmethod
    def from_arrays(
        cls,
        images: Sequence[npt.NDArray[np.uint8]],
        *,
        depths: Sequence[npt.NDArray[np.float32] | None] | None = None,
        instances: Sequence[npt.NDArray[np.uint16] | None] | None = None,
        objects: Sequence[SceneObject] = (),
        name: str = "",
        kind: str = "images",
        **fields: Sequence[Any] | None,
    ) -> Frames:
        """Frames of pictures that are already in memory.

        Args:
            images: (H, W, 3) uint8 RGB (or (H, W) grey) each; sizes may differ.
            depths: (H, W) metres each, NaN or 0 where unknown, or None.
            instances: (H, W) uint16 maps of the named objects each, or None.
            objects: The named objects.
            name: Name of the sequence.
            kind: "images", "video" and so on.
            **fields: One value for each frame of any further attribute of `Frame`, such as
                ``intrinsics=[K, K]``, ``times``, ``poses`` or ``stereo``.

        Example:
            >>> Frames.from_arrays([np.zeros((4, 6, 3), np.uint8)], intrinsics=[np.eye(3)])[0].width
            6
        """
        singular = {"times": "time", "poses": "pose", "names": "name"}
        frames = []
        for position, picture in enumerate(images):
            image = np.asarray(picture, dtype=np.uint8)
            if image.ndim == 2:
                image = np.repeat(image[..., None], 3, axis=2)
            record: dict[str, Any] = {
                "index": position,
                "position": position,
                "height": image.shape[0],
                "width": image.shape[1],
                "image_offset": 0,
            }
            parts = [np.ascontiguousarray(image).view(np.uint8).reshape(-1)]
            for what, maps, dtype in (
                ("depth", depths, np.float32),
                ("instances", instances, np.uint16),
            ):
                value = None if maps is None else maps[position]
                if value is None:
                    continue
                array: npt.NDArray[Any] = np.array(value, dtype=dtype)
                if array.shape != image.shape[:2]:
                    raise ValueError(f"{what} is {array.shape}, the picture {image.shape[:2]}")
                if what == "depth":
                    array[~(array > 0)] = np.nan
                    record["depth_source"] = "rgbd"
                filled = sum(part.size for part in parts)
                parts.append(np.zeros(-filled % 64, dtype=np.uint8))
                record[f"{what}_offset"] = filled + -filled % 64
                parts.append(array.reshape(-1).view(np.uint8))
            for field, values in fields.items():
                if values is not None and values[position] is not None:
                    record[singular.get(field, field)] = values[position]
            blob = np.concatenate(parts)
            blob.flags.writeable = False
            frames.append(Frame(record, blob))
        return cls(frames, name=name, kind=kind, objects=objects)

    @overload
    def __getitem__(self, key: int) -> Frame: ...
    @overload
    def __getitem__(self, key: slice) -> Frames: ...
    def __getitem__(self, key: int | slice) -> Frame | Frames:
        if isinstance(key, slice):
            return self._like(self._frames[key])
        try:
            return self._frames[key]
        except IndexError:
            last = len(self._frames) - 1
            raise IndexError(f"frames[{key}]: there are frames 0 to {last}") from None

    def __len__(self) -> int:
        return len(self._frames)

    def __iter__(self) -> Iterator[Frame]:
        return iter(self._frames)

    def at(self, seconds: float) -> Frame:
        """The frame nearest to a time.

        Args:
            seconds: Time from the start of the video.

        Raises:
            ValueError: No frame has a time (the input is not a video).
        """
        timed = [frame for frame in self._frames if frame.time is not None]
        if not timed:
            raise ValueError("these frames have no times; use frames[i]")
        return min(timed, key=lambda frame: abs((frame.time or 0.0) - seconds))

    def sample(self, n: int) -> Frames:
        """At most `n` frames, evenly spaced, first and last included."""
        if n < 1:
            raise ValueError(f"sample({n}): ask for at least one frame")
        count = min(n, len(self._frames))
        picks = np.unique(np.linspace(0, len(self._frames) - 1, count).round().astype(int))
        return self._like([self._frames[i] for i in picks])

    def read(
        self,
        times: Sequence[float] | None = None,
        *,
        fps: float | None = None,
        indices: Sequence[int] | None = None,
        start: float | None = None,
        end: float | None = None,
        max_size: int | None = None,
    ) -> Frames:
        """More frames of this video, decoded by the host. Give one of times, fps and indices.

        Args:
            times: Seconds; the frame on screen at each.
            fps: So many frames a second, between `start` and `end`.
            indices: Numbers of frames as stored.
            start: Seconds.
            end: Seconds.
            max_size: Longest side in pixels.

        Returns:
            Frames of their own: their positions count from 0.

        Raises:
            Unavailable: There is no host to ask, or this is no video.
            TooMuch: The run's calls for more frames are used up.

        Example:
            >>> closer = videos[0].read(fps=10, start=2.0, end=3.5)
        """
        from spatialclaw.primitives import runtime

        sequence = self._frames[0].sequence if self._frames else 0
        wanted = {
            "times": None if times is None else [float(t) for t in times],
            "fps": None if fps is None else float(fps),
            "indices": None if indices is None else [int(i) for i in indices],
            "start": start,
            "end": end,
            "max_size": max_size,
        }
        given: dict[str, Any] = {n: value for n, value in wanted.items() if value is not None}
        reply, fds = runtime.client().call_with_files("media.decode", video=sequence, **given)
        return runtime.frames_of_host(reply["manifest"], fds[0])[0]

    def _like(self, frames: Sequence[Frame]) -> Frames:
        return Frames(frames, name=self.name, kind=self.kind, objects=self.objects, info=self.info)

    def __repr__(self) -> str:
        if not self._frames:
            return "<Frames: none>"
        first = self._frames[0]
        sizes = {(frame.width, frame.height) for frame in self._frames}
        size = f"{first.width}x{first.height}" if len(sizes) == 1 else "mixed sizes"
        named = f", {len(self.objects)} named objects" if self.objects else ""
        count = len(self._frames)
        return f"<Frames {self.name!r}: {count} frame{'s' * (count != 1)}, {size}{named}>"


def open_frames(manifest: str | Path) -> list[Frames]:
    """Maps the array file of a manifest read-only, without copying.

    Args:
        manifest: Path of a ``frames.json``; ``frames.bin`` lies beside it.

    Returns:
        One `Frames` for each sequence: a video each, or all pictures of one input together.

    Raises:
        ValueError: The manifest is of another version, or reaches beyond the array file.
    """
    path = Path(manifest)
    data = json.loads(path.read_text(encoding="utf-8"))
    binary = path.with_name("frames.bin")
    blob: npt.NDArray[np.uint8] = np.memmap(binary, dtype=np.uint8, mode="r")
    return map_frames(data, blob, name=str(path))


def map_frames(
    data: dict[str, Any], blob: npt.NDArray[np.uint8], *, name: str = "frames"
) -> list[Frames]:
    """Makes frames of a manifest that was read and an array file that is mapped already.

    Args:
        data: The manifest.
        blob: (bytes,) uint8, all of the array file, read-only.
        name: What to call them in errors.

    Raises:
        ValueError: The manifest is of another version, or reaches beyond the array file.
    """
    if data.get("version") != MANIFEST_VERSION:
        raise ValueError(f"{name}: version {data.get('version')!r}, expected {MANIFEST_VERSION}")
    sequences = []
    for sequence in data["sequences"]:
        for position, record in enumerate(sequence["frames"]):
            record["position"] = position
        frames = [Frame(record, blob) for record in sequence["frames"]]
        for record in sequence["frames"]:
            if record["image_offset"] + 3 * record["width"] * record["height"] > blob.size:
                raise ValueError(f"the array file is shorter than {name} says")
        objects = [SceneObject(o["name"], o["id"]) for o in sequence.get("objects", [])]
        sequences.append(
            Frames(
                frames,
                name=sequence.get("name", ""),
                kind=sequence.get("kind", "images"),
                objects=objects,
                info=sequence.get("info"),
            )
        )
    return sequences


def _matrix(value: Any, shape: tuple[int, int]) -> npt.NDArray[np.float64] | None:
    if value is None:
        return None
    matrix = np.asarray(value, dtype=np.float64).reshape(shape)
    matrix.flags.writeable = False
    return matrix
