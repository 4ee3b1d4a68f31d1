"""Things followed through a video, and who comes and goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spatialclaw.primitives import modelled
from spatialclaw.primitives.errors import NothingFound, PrimitiveError, Unavailable
from spatialclaw.primitives.frames import Frame
from spatialclaw.primitives.imaging import as_frame
from spatialclaw.primitives.linking import Sighting, clean, link, sighting
from spatialclaw.primitives.results import Track, Tracks
from spatialclaw.primitives.wording import words

__all__ = ["Passage", "heading", "passages", "track"]

Floats = npt.NDArray[np.float64]

MOVING_WORDS = frozenset({"moving", "thing", "object", "something", "mover"})


def track(
    frames: Any,
    what: str | None = None,
    boxes: Any = None,
    *,
    method: str = "auto",
    model: str | None = None,
) -> Tracks:
    """Follows things through the frames of a video.

    By name: the capture's named objects by their ids; a tracking model where one is installed (any
    noun phrase, all instances, with masks); else a colour ("red ball") by its largest blobs;
    "people", "cars" or anything else that moves by its difference from the background (the
    camera's own movement is taken out). Without a name: all that moves. By boxes: those places of
    the first frame are followed, by a model where one is installed.

    Args:
        frames: Frames of one video, in order; a few for each second of what moves.
        what: A name, or None for all that moves.
        boxes: One (x0, y0, x1, y1) or several (N, 4) in the first frame.
        method: "auto", "capture", "model", "colour", "moving" or "points" (boxes).
        model: A tracking model by name, instead of all else.

    Returns:
        `Tracks`; each with `.frames` (positions), `.times` s, `.boxes` (N, 4), `.centers`, and
        `.masks` where a model made it.

    Raises:
        NothingFound: Nothing could be followed.

    Example:
        >>> t = track(frames)
        >>> [(k.times[0], k.times[-1], heading(k)) for k in t]
    """
    pictures = [as_frame(frame) for frame in frames]
    if len(pictures) < 2:
        raise NothingFound("tracking needs two frames or more", hint="media.decode more frames")
    if model is not None and method == "auto":
        method = "model"
    if method not in ("auto", "capture", "model", "colour", "moving", "points"):
        raise ValueError(
            f"track(method={method!r}): use 'auto', 'capture', 'model', 'colour', 'moving' or "
            "'points'"
        )
    if boxes is not None:
        places = np.atleast_2d(np.asarray(boxes, dtype=np.float64))
        return _by_boxes(pictures, places, method, model)
    if method == "model":
        if what is None:
            raise ValueError("track(frames, what, method='model'): say what")
        return modelled.tracks_named(pictures, what, model)
    failed = ""
    if what is not None and method != "moving" and not set(words(what)) <= MOVING_WORDS:
        captured = any(frame.instances is not None for frame in pictures)
        if method == "auto" and not captured and modelled.has_model("track_text"):
            try:
                return modelled.tracks_named(pictures, what)
            except NothingFound:
                raise  # it knows the word and sees none; what follows does not know it
            except PrimitiveError as error:
                failed = f"the model failed: {error.message}"
        named = _by_name(pictures, what, method)
        if named is not None:
            return _noted(named, failed)
    return _noted(_moving(pictures, what), failed)


def _noted(tracks: Tracks, more: str) -> Tracks:
    tracks.note = "; ".join(part for part in (tracks.note, more) if part)
    return tracks


def _by_boxes(pictures: list[Frame], boxes: Floats, method: str, model: str | None) -> Tracks:
    from spatialclaw.primitives.following import follow

    if method == "model":
        return modelled.tracks_of_boxes(pictures, boxes, model)
    failed = ""
    if method == "auto" and modelled.has_model("track"):
        try:
            return modelled.tracks_of_boxes(pictures, boxes)
        except PrimitiveError as error:  # points can be followed too; the note tells
            failed = f"the model failed: {error.message}"
    return _noted(follow(pictures, boxes), failed)


def _by_name(pictures: list[Frame], what: str, method: str) -> Tracks | None:
    """Segments by name in each frame, linked by id or by place."""
    from spatialclaw.primitives.colours import colour_in
    from spatialclaw.primitives.segment import segment

    captured = any(f.instances is not None for f in pictures)
    coloured = colour_in(what)[0] is not None
    if not captured and not coloured:
        if method != "auto":
            raise Unavailable(
                f"{what!r}: no named objects and no colour word", hint="track(frames)"
            )
        return None
    seen: list[list[Sighting]] = []
    by_id = False
    for frame in pictures:
        way = "capture" if frame.instances is not None else "colour"
        try:
            masks = segment(frame, what, method=way)
        except PrimitiveError:  # not in this frame: it may come back in the next
            seen.append([])
            continue
        by_id = by_id or way == "capture"
        strongest = list(masks)[:12]
        seen.append([sighting(frame, m.box, m.mask, m.label, m.score, m.id) for m in strongest])
    if not any(seen):
        if method == "auto" and not captured:
            return None
        raise NothingFound(
            f"{what!r} is in none of the {len(pictures)} frames", hint="track(frames)"
        )
    if by_id:
        return _joined_by_id(pictures, seen)
    tracks = clean(link(pictures, seen), pictures)
    return _as_tracks(tracks, pictures, what, "colour", "by colour: what it is was not checked")


def _joined_by_id(pictures: list[Frame], seen: list[list[Sighting]]) -> Tracks:
    numbers = sorted({s.id for row in seen for s in row if s.id is not None})
    result = []
    for number in numbers:
        rows = [
            (f, s) for f, row in zip(pictures, seen, strict=True) for s in row if s.id == number
        ]
        result.append(_track(number, rows, rows[0][1].label, "capture", 0.98))
    return Tracks(result, method="capture")


def _moving(pictures: list[Frame], what: str | None) -> Tracks:
    from spatialclaw.primitives.background import moving_things

    movers = moving_things(pictures)
    seen = [
        [sighting(frame, m.box, m.mask, m.label, m.score, None) for m in list(masks)[:15]]
        for frame, masks in zip(pictures, movers.masks, strict=True)
    ]
    tracks = clean(link(pictures, seen), pictures)
    label = "moving thing" if what is None else what
    note = f"found by movement ({movers.method})"
    if what is not None and not set(words(what)) <= MOVING_WORDS:
        note += f"; whether it is {what!r} was not checked"
    if not tracks:
        raise NothingFound(
            f"nothing moves in the {len(pictures)} frames (camera {movers.camera.kind})",
            hint="more frames for each second, or track(frames, boxes=...)",
        )
    return _as_tracks(tracks, pictures, label, movers.method, note)


def _as_tracks(
    tracks: list[list[tuple[int, Sighting]]],
    pictures: list[Frame],
    label: str,
    method: str,
    note: str,
) -> Tracks:
    result = []
    ordered = sorted(tracks, key=lambda rows: rows[0][0])
    for number, rows in enumerate(ordered):
        score = float(np.mean([s.score for _, s in rows])) * min(1.0, len(rows) / 4)
        pairs = [(pictures[i], s) for i, s in rows]
        result.append(_track(number, pairs, label, method, score))
    return Tracks(result, method=method, note=note)


def _track(
    number: int, rows: Sequence[tuple[Frame, Sighting]], label: str, method: str, score: float
) -> Track:
    return Track(
        id=number,
        frames=np.array([frame.position for frame, _ in rows], dtype=np.int64),
        times=np.array([np.nan if f.time is None else f.time for f, _ in rows], dtype=np.float64),
        boxes=np.array([s.box for _, s in rows], dtype=np.float64).reshape(-1, 4),
        label=label,
        method=method,
        score=round(score, 3),
    )


def heading(one: Track) -> tuple[str, float]:
    """Where a track goes in the picture: "left", "right", "up", "down" or "none", and the margin.

    Returns:
        The word, and the degrees by which it leads the next word.

    Example:
        >>> heading(track(frames)[0])
        ('up', 38.2)
    """
    centers = one.centers
    if len(centers) < 2:
        return "none", 0.0
    count = max(1, len(centers) // 4)
    x, y = np.median(centers[-count:], axis=0) - np.median(centers[:count], axis=0)
    size = float(np.median(np.linalg.norm(one.boxes[:, 2:] - one.boxes[:, :2], axis=1)))
    if np.hypot(x, y) < 0.25 * size:
        return "none", 0.0
    word = ("right" if x > 0 else "left") if abs(x) > abs(y) else ("down" if y > 0 else "up")
    larger, smaller = max(abs(x), abs(y)), min(abs(x), abs(y))
    return word, float(np.degrees(np.pi / 4 - np.arctan2(smaller, larger)))


@dataclass(eq=False)
class Passage:
    """One thing that comes into the picture and leaves it.

    Attributes:
        track: Its track.
        enters: Side where it comes in: "left", "right", "top", "bottom", or "already there".
        leaves: Side where it goes out, or "still there".
        heading: Main direction in the picture: "left", "right", "up", "down" or "none".
        start_s: Seconds of its first sight, NaN when unknown.
        end_s: Seconds of its last sight.
    """

    track: Track
    enters: str
    leaves: str
    heading: str
    start_s: float
    end_s: float

    def __repr__(self) -> str:
        return (
            f"<Passage {self.start_s:.1f} to {self.end_s:.1f} s: enters {self.enters}, leaves "
            f"{self.leaves}, heading {self.heading}>"
        )


def passages(frames: Any, tracks: Tracks | None = None) -> list[Passage]:
    """Everything that comes and goes in a video, one `Passage` each: count them with ``len``.

    A thing that is hidden for long on its way, behind another one, comes as two: look at passages
    that begin or end inside the picture, or beside another thing, before you count them.

    Args:
        frames: Frames of one video, in order, two or more for each second.
        tracks: From ``track(frames)``, when known already.

    Example:
        >>> p = passages(frames)
        >>> len(p), [q.heading for q in p], [q.leaves for q in p]
    """
    pictures = [as_frame(frame) for frame in frames]
    found = tracks if tracks is not None else track(pictures)
    if not found:
        return []
    areas = [float(np.median(np.prod(t.boxes[:, 2:] - t.boxes[:, :2], axis=1))) for t in found]
    first, last = pictures[0].position, pictures[-1].position
    result = []
    for one, area in zip(found, areas, strict=True):
        if area < 0.08 * max(areas) or len(one) < 2:
            continue  # shadows, reflections and flicker
        size = (pictures[0].width, pictures[0].height)
        enters = "already there" if one.frames[0] == first else _side(one, size, start=True)
        leaves = "still there" if one.frames[-1] == last else _side(one, size, start=False)
        result.append(
            Passage(one, enters, leaves, heading(one)[0], float(one.times[0]), float(one.times[-1]))
        )
    return result


def _side(one: Track, size: tuple[int, int], *, start: bool) -> str:
    """The side of the picture that a track comes from or goes to, by place and direction."""
    boxes = one.boxes if not start else one.boxes[::-1]
    x0, y0, x1, y1 = boxes[-1]
    width, height = size
    gaps = np.array([x0, width - 1 - x1, y0, height - 1 - y1]) / max(size)
    centers = (boxes[:, :2] + boxes[:, 2:]) / 2
    diagonal = max(float(np.hypot(x1 - x0, y1 - y0)), 1.0)
    far = np.flatnonzero(np.linalg.norm(centers - centers[-1], axis=1) > 0.25 * diagonal)
    move = centers[-1] - centers[far[-1]] if far.size else np.zeros(2)
    length = float(np.linalg.norm(move))
    normals = np.array([[-1, 0], [1, 0], [0, -1], [0, 1]])
    along = normals @ (move / length) if length > 0 else np.zeros(4)
    return ("left", "right", "top", "bottom")[int(np.argmin(gaps - 0.25 * along))]
