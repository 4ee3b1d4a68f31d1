"""`load`: from the arguments of a question to the frames of a run."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from spatialclaw.errors import MediaError
from spatialclaw.media.demux import undecodable
from spatialclaw.media.develop import camera_fields, develop, undistorted
from spatialclaw.media.files import sha256
from spatialclaw.media.images import MAX_IMAGE_PIXELS
from spatialclaw.media.model import Camera, SequencePlan
from spatialclaw.media.sources import expand, plan_sequences
from spatialclaw.media.store import Store
from spatialclaw.media.video import MAX_VIDEO_PIXELS, VideoSource
from spatialclaw.primitives.frames import Frames, open_frames
from spatialclaw.progress import task

__all__ = ["MAX_FRAMES", "MAX_TOTAL_PIXELS", "Media", "VideoPart", "load"]

#: Most frames of one run, frames without pictures aside.
MAX_FRAMES = 1000
#: Most pixels of all frames of a run together (1.2 GB of array file); above, they are made smaller.
MAX_TOTAL_PIXELS = 400_000_000
#: The array file of one further decoding may have so many bytes.
MAX_MORE_BYTES = 512 * 1024 * 1024
#: And all further decodings of a run together so many.
MAX_MORE_TOTAL_BYTES = 4 * 1024 * 1024 * 1024


@dataclass(frozen=True)
class VideoPart:
    """Which frames of one video are taken.

    Attributes:
        start: Seconds; the beginning when None.
        stop: Seconds; the end when None, or when it lies beyond the end.
        indices: These frame numbers and no others, or None.
        max_fps: At most so many frames per second, or None.
    """

    start: float | None = None
    stop: float | None = None
    indices: tuple[int, ...] | None = None
    max_fps: float | None = None

    def pick(self, source: VideoSource, frames: int) -> list[int]:
        """The numbers of at most `frames` frames of a video."""
        if self.indices is not None:
            return source.pick(indices=self.indices)
        stop = None if self.stop is None else min(self.stop, source.duration)
        seconds = (source.duration if stop is None else stop) - (self.start or 0.0)
        if self.max_fps is not None:
            frames = max(1, min(frames, int(seconds * self.max_fps) + 1))
        return source.pick(count=frames, start=self.start, stop=stop)


@dataclass
class Media:
    """What a question is about, decoded.

    Attributes:
        manifest: Path of ``frames.json``; a kernel opens it with `open_frames`.
        sequences: One `Frames` for each video, or for pictures that belong together.
        inputs: For each path as given: "path", "kind", "bytes", "files" and "sha256".
        notes: What happened that matters, one line each.
        workdir: Where the frames are.
    """

    manifest: Path
    sequences: list[Frames]
    inputs: list[dict[str, Any]]
    notes: list[str]
    workdir: Path
    _videos: dict[int, tuple[VideoSource, Camera | None]] = field(default_factory=dict, repr=False)
    _further: int = field(default=0, repr=False)
    _further_bytes: int = field(default=0, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def describe(self, render: Callable[..., str] | None = None) -> str:
        """What the model is told about the frames: sizes, times, what is known of the cameras.

        Args:
            render: Renders a template by name, ``render("media", **values)``; the package's own
                when None.
        """
        from spatialclaw.media.describe import describe

        return describe(self, render)

    def decode(
        self,
        sequence: int,
        *,
        times: Sequence[float] | None = None,
        indices: Sequence[int] | None = None,
        fps: float | None = None,
        count: int | None = None,
        start: float | None = None,
        stop: float | None = None,
        max_size: int | None = None,
        max_frames: int = 256,
        max_bytes: int = MAX_MORE_BYTES,
    ) -> Path:
        """Decodes further frames of a video.

        Args:
            sequence: Which of `sequences`; it must be a video.
            times: The frames on screen at these seconds.
            indices: These frame numbers.
            fps: So many frames per second, between `start` and `stop`.
            count: So many evenly spaced frames, between `start` and `stop`.
            start: Seconds; the beginning when None.
            stop: Seconds; the end when None.
            max_size: Longest side in pixels.
            max_frames: More frames than this are refused.
            max_bytes: Frames are made smaller so that they need no more than this.

        Returns:
            Path of a manifest of its own, with one sequence.

        Raises:
            MediaError: It is no video, too much is asked for, or nothing could be decoded.
        """
        if sequence not in self._videos:
            known = ", ".join(str(i) for i in sorted(self._videos)) or "none"
            raise MediaError(f"sequence {sequence} is no video", hint=f"Videos here: {known}.")
        source, camera = self._videos[sequence]
        if all(value is None for value in (times, indices, fps, count)):
            raise MediaError("which frames?", hint="Give times, indices, fps or count.")
        picks = source.pick(
            count=count, fps=fps, times=times, indices=indices, start=start, stop=stop
        )
        if len(picks) > max_frames:
            raise MediaError(
                f"{len(picks)} frames are asked for, at most {max_frames} are decoded at once",
                hint="Ask for a part of the video with start and stop, or for fewer frames.",
            )
        limit = min(MAX_VIDEO_PIXELS, max_bytes // (3 * max(1, len(picks))))
        if max_size is not None:
            if max_size < 16:
                raise MediaError(f"max_size is {max_size}", hint="Give 16 pixels or more.")
            scale = min(1.0, max_size / max(source.size))
            limit = min(limit, int(source.size[0] * source.size[1] * scale * scale))
        with self._lock:
            if self._further_bytes > MAX_MORE_TOTAL_BYTES:
                raise MediaError(
                    f"{self._further_bytes / 1e9:.1f} GB of further frames were decoded already",
                    hint="Work with the frames at hand, or ask for small ones with max_size.",
                )
            self._further += 1
            number = self._further
        with Store(self.workdir / f"further-{number:04d}") as store:
            store.begin(source.path.name, "video", info=_video_info(source))
            missing = _write_video(store, source, picks, camera, max(limit, 256), lambda line: None)
            if len(missing) == len(picks):
                raise MediaError(f"{source.path.name}: none of these frames can be decoded")
            with self._lock:
                self._further_bytes += store.size
            return store.finish()


def load(
    paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    frames: int = 32,
    workdir: str | os.PathLike[str],
    fps: float | None = None,
    times: Sequence[float] | None = None,
    max_frame_pixels: int | None = None,
    parts: Mapping[Path, VideoPart] | None = None,
) -> Media:
    """Decodes the media of a question once, into an array file that kernels map.

    Args:
        paths: Pictures, videos, folders and captures, and the files that describe them (depth maps,
            intrinsics, calibrations, poses), in any order.
        frames: Frames of each video, and at most so many views of a folder or capture.
        workdir: Folder for the array file.
        fps: Take so many frames per second of video instead.
        times: Take the frames of videos on screen at these seconds instead.
        max_frame_pixels: Larger frames are made smaller; by default 16 megapixels for pictures and
            full HD for videos.
        parts: Of videos, by their paths as given; the others are shown whole.

    Returns:
        The frames with all that is known about them.

    Raises:
        MediaError: Something cannot be used; the message says what and what to do.
    """
    if isinstance(paths, str | os.PathLike):
        paths = [paths]
    given = expand([Path(path) for path in paths])
    if not given:
        raise MediaError("no media given", hint="Name a picture, a video or a folder.")
    if frames < 1:
        raise MediaError(f"frames is {frames}", hint="Ask for at least one frame.")
    if max_frame_pixels is not None and max_frame_pixels < 256:
        raise MediaError(f"max_frame_pixels is {max_frame_pixels}", hint="Give 256 or more.")
    plans = plan_sequences(given, frames=frames)
    parts = parts or {}
    picks = [_picks(plan, frames, fps, times, parts) for plan in plans]
    total = sum(
        len(chosen) if plan.video else 0 if plan.kind == "poses" else len(plan.shots)
        for plan, chosen in zip(plans, picks, strict=True)
    )
    if total > MAX_FRAMES:
        raise MediaError(
            f"{total} frames are too many for one question (at most {MAX_FRAMES})",
            hint="Give fewer files or a folder, or fewer frames of each (--frames).",
        )
    share = MAX_TOTAL_PIXELS // max(1, total)
    folder = Path(workdir)
    media = Media(folder / "frames.json", [], _inputs(given, plans), [], folder)
    with (
        task("decoding", total=total, unit="frames") as advance,
        Store(folder, on_frame=advance) as store,
    ):
        for number, (plan, chosen) in enumerate(zip(plans, picks, strict=True)):
            if plan.video is not None:
                media._videos[number] = (plan.video, plan.camera)
                limit = min(max_frame_pixels or MAX_VIDEO_PIXELS, share)
                again = partial(_picks, plan, frames, fps, times, parts)
                _write_video_plan(store, plan, chosen, limit, again, retry=times is None)
            else:
                limit = min(max_frame_pixels or MAX_IMAGE_PIXELS, share)
                _write_shots(store, plan, limit)
            media.notes += plan.notes
        store.finish()
    media.sequences = open_frames(media.manifest)
    for sequence in media.sequences:
        media.notes += _grouped([frame.notes for frame in sequence])
    media.notes = list(dict.fromkeys(media.notes))
    return media


def _grouped(notes: Sequence[Sequence[str]]) -> list[str]:
    """Notes that differ only in the name of the file become one."""
    names: dict[str, list[str]] = {}
    for line in dict.fromkeys(line for lines in notes for line in lines):
        name, colon, text = line.partition(": ")
        names.setdefault(text if colon else "", []).append(name)
    grouped = [name for name in names.pop("", [])]
    for text, files in names.items():
        first = files[0] if len(files) == 1 else f"{files[0]} and {len(files) - 1} more"
        grouped.append(f"{first}: {text}")
    return grouped


def _picks(
    plan: SequencePlan,
    frames: int,
    fps: float | None,
    times: Sequence[float] | None,
    parts: Mapping[Path, VideoPart],
) -> list[int]:
    if plan.video is None:
        return []
    part = parts.get(plan.video.path)
    if part is not None:
        return part.pick(plan.video, frames)
    if times is not None:
        return plan.video.pick(times=times)
    return plan.video.pick(fps=fps) if fps is not None else plan.video.pick(count=frames)


def _write_shots(store: Store, plan: SequencePlan, max_pixels: int) -> None:
    places: list[dict[str, Any]] = []
    info = dict(plan.info)
    store.begin(plan.name, plan.kind, objects=plan.objects, info=info)
    tolerant = plan.tolerant and not any(shot.stereo for shot in plan.shots)
    written = 0
    for shot in plan.shots:
        try:
            ready = develop(shot, max_pixels)
        except MediaError as error:
            if not tolerant or (shot is plan.shots[-1] and not written):
                raise
            plan.notes.append(f"left out: {error}")
            continue
        store.add(ready.record, ready.image, ready.depth, ready.instances)
        if ready.gps is not None:
            places.append({"frame": written, "name": shot.name, **ready.gps})
        written += 1
    if places:
        info["gps"] = places


def _write_video_plan(
    store: Store,
    plan: SequencePlan,
    picks: list[int],
    max_pixels: int,
    again: Callable[[], list[int]],
    *,
    retry: bool,
) -> None:
    source = plan.video
    assert source is not None
    info = {**plan.info, **_video_info(source)}
    store.begin(plan.name, plan.kind, objects=plan.objects, info=info)
    missing = _write_video(store, source, picks, plan.camera, max_pixels, plan.notes.append)
    if missing and missing[-1] == picks[-1] and retry:
        # A broken tail: find the real end and spread the frames anew.
        source.trim()
        plan.notes += [note for note in source.notes if note not in plan.notes]
        info.update(_video_info(source))
        store.restart()
        picks = again()
        missing = _write_video(store, source, picks, plan.camera, max_pixels, plan.notes.append)
    if len(missing) == len(picks):
        raise undecodable(source.path)
    if missing:
        plan.notes.append(
            f"{source.path.name}: {len(missing)} of {len(picks)} wanted frames are damaged and "
            f"left out (numbers {', '.join(str(i) for i in missing[:5])}"
            f"{' ...' * (len(missing) > 5)})"
        )


def _write_video(
    store: Store,
    source: VideoSource,
    picks: Iterable[int],
    camera: Camera | None,
    max_pixels: int,
    note: Any,
) -> list[int]:
    """Writes frames of a video; gives the numbers of those that could not be decoded."""
    wanted = list(picks)
    missing = set(wanted)
    own, scaled_note = (None, None)
    if camera is not None:
        own, scaled_note = camera.for_picture(*source.size, source.path.name)
    if scaled_note:
        note(scaled_note)
    scale = 1.0
    for frame in source.decode(wanted, max_pixels=max_pixels):
        missing.discard(frame.index)
        image, scale = frame.image, frame.scale
        shown = None
        if own is not None:
            shown = own.scaled(image.shape[1] / source.size[0], image.shape[0] / source.size[1])
            if shown.distorted:
                image, _, _ = undistorted(shown, image, None, None)
        store.add(
            {
                "index": frame.index,
                "time": round(frame.time, 6),
                "name": f"{source.path.name} frame {frame.index}",
                **camera_fields(shown),
                "source_size": list(source.size),
                "source_scale": frame.scale,
            },
            image,
        )
    if own is not None and own.distorted:
        note(f"{source.path.name}: lens distortion removed; positions are in the straight picture")
    if scale < 1.0:
        note(
            f"{source.path.name}: {source.size[0]}x{source.size[1]} made smaller (x{scale:.4g}); "
            "pixel positions are in the small frames"
        )
    return sorted(missing)


def _video_info(source: VideoSource) -> dict[str, Any]:
    return {
        "duration_s": round(source.duration, 6),
        "frame_count": source.count,
        "frame_rate": None if source.rate is None else round(source.rate, 6),
        "constant_rate": source.constant_rate,
        "size": list(source.size),
    }


def _inputs(given: Sequence[Path], plans: Sequence[SequencePlan]) -> list[dict[str, Any]]:
    """What each argument was: kind, bytes and hash, for the record of the run."""
    used = {path: kind for plan in plans for path, kind in plan.files}
    hashes = {path: sha256(path) for path in used}
    result = []
    for path in given:
        files = [file for file in used if file == path or path in file.parents]
        digest = hashlib.sha256()
        for file in sorted(files):
            digest.update(f"{file.relative_to(path)}\0{hashes[file]}\n".encode())
        result.append(
            {
                "path": str(path),
                "kind": "folder" if path.is_dir() else used.get(path, "capture"),
                "bytes": sum(file.stat().st_size for file in files),
                "files": len(files),
                "sha256": digest.hexdigest() if path.is_dir() else hashes.get(path),
            }
        )
    return result
