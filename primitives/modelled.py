"""What models answer, as the results of the primitives; and what is said where there is no model.

The primitives call this first where a model knows better than geometry; `TooMuch` and `TimedOut`
of a model do not end a call that another method can answer, they are told in its note.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spatialclaw.primitives.errors import NothingFound, PrimitiveError, TooMuch
from spatialclaw.primitives.frames import Frame
from spatialclaw.primitives.perceive import ModelOutput, ask_model, model_for
from spatialclaw.primitives.results import DepthMap, Mask, Masks, Track, Tracks

__all__ = [
    "bring",
    "depth_map",
    "everything",
    "has_model",
    "learn_camera",
    "points_of",
    "segments_at",
    "segments_named",
    "tracks_named",
    "tracks_of_boxes",
    "views",
]

Floats = npt.NDArray[np.float64]

# Assumed, not measured: the relative error of the scale of a metric single-picture model outside
# its training data, and of the focal length that such a model estimates.
SCALE_SIGMA = 0.15
FOCAL_SIGMA = 0.15
LONG = 300.0
MOST_FRAMES = 256
_QUANTIFIERS = re.compile(r"^(?:(?:all|every|each|any|both|the|a|an|of|these|those)\s+)+", re.I)


def has_model(method: str, model: str | None = None) -> bool:
    """Whether a model would answer; always, where one is asked for by name."""
    if model is not None:
        return True
    try:
        return model_for(method)[0] is not None
    except PrimitiveError:  # a host that cannot say has none for us
        return False


def bring(method: str, what: str) -> str:
    """The end of a hint: how to get a model, as in "a depth model: spatialclaw models pull ..."."""
    try:
        name, command = model_for(method)
    except PrimitiveError as error:
        name, command = None, error.message
    return f"method='model' ({name})" if name is not None else f"{what}: {command}"


def depth_map(frame: Frame, model: str | None = None) -> DepthMap:
    """Depth by a model: its own metres, or the frame's where a part of them is known.

    Raises:
        PrimitiveError: As `ask_model`.
    """
    known = {} if frame.intrinsics is None else {"intrinsics": frame.intrinsics.tolist()}
    found = ask_model("depth", frame, timeout=LONG, model=model, **known)
    values = np.array(found.arrays["depth"], dtype=np.float32)
    values[~(values > 0)] = np.nan
    metric = bool(found.meta.get("metric"))
    parts = [] if metric else ["no scale: only ratios of depths hold"]
    if domain := found.meta.get("domain"):
        parts.append(f"a model for {domain}")
    focal = found.meta.get("focal_px")
    if frame.intrinsics is None and focal:
        middle = [(frame.width - 1) / 2, (frame.height - 1) / 2]
        matrix = np.array([[focal, 0, middle[0]], [0, focal, middle[1]], [0, 0, 1]])
        frame.learn_intrinsics(matrix, found.model, FOCAL_SIGMA * focal)
        parts.append(f"focal length {focal:.0f} px by the model, now the frame's intrinsics")
    made = DepthMap(
        values,
        np.asarray(values * SCALE_SIGMA, dtype=np.float32),
        frame.position,
        found.model,
        metric=metric,
        confidence=0.7 if metric else 0.6,
        note="; ".join([*parts, *found.notes]),
    )
    return _anchored(made, frame)


def learn_camera(frame: Frame) -> bool:
    """Gives a frame without intrinsics those that a depth model tells; False where none does."""
    from spatialclaw.primitives.depth import depth

    if frame.intrinsics is None and has_model("depth"):
        try:
            depth(frame)  # which is the model's where nothing measures it, and kept
            if frame.intrinsics is None:
                depth(frame, method="model")
        except PrimitiveError:  # then its camera stays unknown, which the caller says
            return False
    return frame.intrinsics is not None


def _anchored(made: DepthMap, frame: Frame) -> DepthMap:
    """Scaled to what the capture knows: its own sparse depth, or points seen from metric poses."""
    known = _known_depth(frame)
    if known is None:
        return made
    both = np.isfinite(known) & np.isfinite(made.depth) & (known > 0)
    if int(both.sum()) < 20:
        return made
    ratios = np.log(known[both] / made.depth[both])
    middle = float(np.median(ratios))
    spread = float(1.4826 * np.median(np.abs(ratios - middle)))
    if spread > 0.5:
        made.note = f"{made.note}; does not fit the known depths (spread {spread:.0%})".lstrip("; ")
        return made
    scale = float(np.exp(middle))
    values = np.asarray(made.depth * scale, dtype=np.float32)
    told = f"scaled by {scale:.2f} to {int(both.sum())} known depths, spread {spread:.0%}"
    return DepthMap(
        values,
        np.asarray(values * max(spread, 0.02), dtype=np.float32),
        made.frame,
        f"{made.method}+scale",
        metric=True,
        confidence=0.85,
        note=f"{made.note}; {told}".lstrip("; ") if made.metric else told,
    )


def _known_depth(frame: Frame) -> npt.NDArray[np.float32] | None:
    if not frame.metric:
        return None
    if frame.depth is not None:
        return np.asarray(frame.depth, dtype=np.float32)
    if frame.pose is None or frame.intrinsics is None:
        return None
    from spatialclaw.primitives.imaging import siblings
    from spatialclaw.primitives.sparse import sparse_depth

    partners = [other for other in siblings(frame) if other is not frame]
    try:
        found = sparse_depth(frame, partners) if partners else None
    except PrimitiveError:  # nothing in common with the other frames: the model's own scale stays
        return None
    return found.depth if found is not None and found.metric else None


def segments_named(frame: Frame, what: str, model: str | None = None) -> Masks:
    """All instances of what words name.

    Raises:
        NothingFound: The model sees none.
        PrimitiveError: As `ask_model`.
    """
    text = _QUANTIFIERS.sub("", what.strip())
    found = ask_model("segment_text", frame, timeout=LONG, model=model, text=text)
    masks = _masks(found, frame)
    if not masks:
        raise NothingFound(
            f"{found.model} sees no {text!r} in frame {frame.position}",
            hint="another word for it, or another frame",
        )
    return Masks(masks, method=found.model, note="; ".join(found.notes))


def segments_at(
    frame: Frame,
    what: str,
    points: Floats,
    labels: npt.NDArray[np.int64],
    box: Any = None,
    model: str | None = None,
) -> Masks:
    """The thing at points (N, 2) or in a box (4,).

    Raises:
        NothingFound: Nothing could be cut out.
        PrimitiveError: As `ask_model`.
    """
    prompt: dict[str, Any] = {"text": what or None}
    if len(points):
        prompt |= {"points": points.tolist(), "labels": labels.tolist()}
    if box is not None:
        prompt["box"] = [float(value) for value in box]
    found = ask_model("segment", frame, timeout=LONG, model=model, **prompt)
    masks = [mask for mask in _masks(found, frame) if mask.mask.any()]
    if not masks:
        raise NothingFound(
            f"{found.model} cuts nothing out in frame {frame.position}", hint="another point"
        )
    for mask in masks:
        mask.label, mask.points = what, points if len(points) else None
    return Masks(masks, method=found.model, note="; ".join(found.notes))


def points_of(frame: Frame, what: str, model: str | None = None) -> list[tuple[str, Floats]]:
    """Pixels (2,) at which a pointing model points, each with the model's name.

    Raises:
        NothingFound: It points at nothing.
        PrimitiveError: As `ask_model`.
    """
    found = ask_model("point", frame, timeout=LONG, model=model, text=what)
    points = np.asarray(found.arrays["points"], dtype=np.float64).reshape(-1, 2)
    if not len(points):
        raise NothingFound(f"{found.model} points at nothing for {what!r}", hint="other words")
    order = np.argsort(-np.asarray(found.arrays["scores"]), kind="stable")
    return [(found.model, points[place]) for place in order]


def everything(frame: Frame, model: str | None = None) -> Masks:
    """Every region that can be told from its surroundings, without names, surest first."""
    found = ask_model("automatic", frame, timeout=LONG, model=model)
    return Masks(_masks(found, frame), method=found.model, note="; ".join(found.notes))


def _masks(found: ModelOutput, frame: Frame) -> list[Mask]:
    labels = found.meta.get("labels") or [""] * len(found.arrays["masks"])
    rows = zip(
        found.arrays["masks"], found.arrays["boxes"], found.arrays["scores"], labels, strict=True
    )
    made = []
    for mask, box, score, label in rows:
        bits = np.asarray(mask, dtype=np.bool_)
        # A box of the mask itself where there is one; else what the detector said.
        corners = (0.0,) * 4 if bits.any() else tuple(float(v) for v in box)
        made.append(
            Mask(
                bits,
                frame.position,
                label=str(label),
                score=round(float(score), 3),
                method=found.model,
                box=(corners[0], corners[1], corners[2], corners[3]),
            )
        )
    return made


@dataclass(frozen=True)
class Views:
    """What a multi-view model tells of n frames.

    Attributes:
        poses: (n, 4, 4) camera-to-world, in axes of the model's own.
        intrinsics: (n, 3, 3) in the frames' own pixels.
        depths: A map for each frame.
        confidences: (H, W) 0..1 for each frame, or None.
        metric: Whether lengths are metres.
        model: Its name.
    """

    poses: Floats
    intrinsics: Floats
    depths: list[DepthMap]
    confidences: list[npt.NDArray[np.float32] | None]
    metric: bool
    model: str


def views(pictures: Sequence[Frame], model: str | None = None) -> Views:
    """Poses, cameras and depth of several frames at once, by a model; sizes may differ.

    Metres where the model tells them, or where frames have metric depth of their own.

    Raises:
        PrimitiveError: As `ask_model`.
    """
    found = ask_model("reconstruct", list(pictures), timeout=_seconds(pictures), model=model)
    poses = np.array(found.arrays["poses"], dtype=np.float64)
    cameras = np.array(found.arrays["intrinsics"], dtype=np.float64)
    maps = []
    for i, frame in enumerate(pictures):
        values = np.array(found.arrays[f"depth/{i}"], dtype=np.float32)
        if values.shape != (frame.height, frame.width):
            raise PrimitiveError(f"{found.model} gave depth {i} another size than its picture")
        values[~(values > 0)] = np.nan
        maps.append(values)
    ratios = [
        np.log(frame.depth[both] / values[both])
        for frame, values in zip(pictures, maps, strict=True)
        if frame.depth is not None and frame.metric
        for both in [np.isfinite(frame.depth) & (frame.depth > 0) & np.isfinite(values)]
    ]
    known = np.concatenate(ratios) if ratios else np.empty(0)
    metric = bool(found.meta.get("metric"))
    spread = SCALE_SIGMA
    if len(known) >= 20:
        scale = float(np.exp(np.median(known)))
        spread = max(0.02, float(1.4826 * np.median(np.abs(known - np.median(known)))))
        metric = True
        maps = [values * np.float32(scale) for values in maps]
        poses[:, :3, 3] *= scale
    depths = [
        DepthMap(
            values,
            np.asarray(values * spread, dtype=np.float32),
            frame.position,
            found.model,
            metric=metric,
            confidence=0.7,
            note="" if metric else "no scale: only ratios hold",
        )
        for frame, values in zip(pictures, maps, strict=True)
    ]
    sure = [found.arrays.get(f"confidence/{i}") for i in range(len(pictures))]
    confidences = [None if s is None else np.asarray(s, dtype=np.float32) for s in sure]
    return Views(poses, cameras, depths, confidences, metric, found.model)


def tracks_named(pictures: Sequence[Frame], what: str, model: str | None = None) -> Tracks:
    """All instances of what words name, through the frames, each with an id of its own.

    Raises:
        NothingFound: The model sees none in any frame.
        PrimitiveError: As `ask_model`.
    """
    text = _QUANTIFIERS.sub("", what.strip())
    seconds = _seconds(pictures)
    found = ask_model("track_text", list(pictures), timeout=seconds, model=model, text=text)
    tracks = _tracks(found, pictures)
    if not tracks:
        raise NothingFound(
            f"{found.model} sees no {text!r} in the {len(pictures)} frames",
            hint="another word for it, or track(frames) for all that moves",
        )
    return Tracks(tracks, method=found.model, note="; ".join(found.notes))


def _seconds(pictures: Sequence[Frame]) -> float:
    """How long a model may take for a video; raises where it has too many frames."""
    if len(pictures) > MOST_FRAMES:
        raise TooMuch(
            f"{len(pictures)} frames; a model takes {MOST_FRAMES} at a time",
            hint=f"frames.sample({MOST_FRAMES}), or a part of them",
        )
    return LONG + 2.0 * len(pictures)


def tracks_of_boxes(pictures: Sequence[Frame], boxes: Floats, model: str | None = None) -> Tracks:
    """What is in boxes (N, 4) of the first frame, through the frames.

    Raises:
        NothingFound: Nothing could be followed.
        PrimitiveError: As `ask_model`.
    """
    prompts = [{"frame": 0, "id": i, "box": box.tolist()} for i, box in enumerate(boxes)]
    seconds = _seconds(pictures)
    found = ask_model("track", list(pictures), timeout=seconds, model=model, prompts=prompts)
    tracks = _tracks(found, pictures)
    if not tracks:
        raise NothingFound(f"{found.model} could not follow the boxes", hint="tighter boxes")
    return Tracks(tracks, method=found.model, note="; ".join(found.notes))


def _tracks(found: ModelOutput, pictures: Sequence[Frame]) -> list[Track]:
    masks, scores = found.arrays["masks"], found.arrays["scores"]
    made = []
    for column, (number, label) in enumerate(
        zip(found.meta["ids"], found.meta["labels"], strict=True)
    ):
        seen = [i for i in range(len(pictures)) if masks[i, column].any()]
        if not seen:
            continue
        cuts = [np.asarray(masks[i, column], dtype=np.bool_) for i in seen]
        rows = [Mask(cut, pictures[i].position) for cut, i in zip(cuts, seen, strict=True)]
        times = [pictures[i].time for i in seen]
        made.append(
            Track(
                id=int(number),
                frames=np.array([row.frame for row in rows], dtype=np.int64),
                times=np.array([np.nan if t is None else t for t in times], dtype=np.float64),
                boxes=np.array([row.box for row in rows], dtype=np.float64).reshape(-1, 4),
                label=str(label),
                method=found.model,
                score=round(float(np.mean([scores[i, column] for i in seen])), 3),
                masks=cuts,
            )
        )
    return made
