"""Which pixels belong to the thing at some points or in a box."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from spatialclaw.primitives import modelled, regions
from spatialclaw.primitives.depth import depth as depth_of
from spatialclaw.primitives.errors import NothingFound, PrimitiveError, Unavailable
from spatialclaw.primitives.frames import Frame
from spatialclaw.primitives.imaging import siblings
from spatialclaw.primitives.results import Mask, Masks

__all__ = ["by_prompt"]

BoolMask = npt.NDArray[np.bool_]


def by_prompt(
    frame: Frame,
    what: str,
    points: Any,
    labels: Any,
    box: Any,
    method: str,
    model: str | None,
) -> Masks:
    """The thing at points or in a box; see `segment`.

    Raises:
        NothingFound: Nothing could be cut out.
        Unavailable: The method asked for needs what the frame has not.
    """
    pixels = np.empty((0, 2))
    if points is not None:
        pixels = np.atleast_2d(np.asarray(points, dtype=np.float64))[:, :2]
        outside = (pixels < -0.5) | (pixels > np.array([frame.width, frame.height]) - 0.5)
        if outside.any() or not np.isfinite(pixels).all():
            raise ValueError(
                f"points {pixels.tolist()} are not all inside the {frame.width}x{frame.height} "
                "picture"
            )
    signs = np.ones(len(pixels), dtype=np.int64)
    if labels is not None:
        signs = np.asarray(labels, dtype=np.int64).reshape(-1)
        if signs.shape[0] != len(pixels):
            raise ValueError(f"{len(pixels)} points but {signs.shape[0]} labels")
    extra = pixels if len(pixels) else None
    if box is not None:
        corners = tuple(float(v) for v in np.asarray(box, dtype=np.float64).reshape(4))
        if not (corners[2] > corners[0] and corners[3] > corners[1]):
            raise ValueError(f"box {corners}: give (x0, y0, x1, y1) with x1 > x0 and y1 > y0")
        by_model, failed = _model_at(frame, what, pixels, signs, corners, method, model)
        if by_model is not None:
            return by_model
        mask, score = regions.by_box(frame.image, (corners[0], corners[1], corners[2], corners[3]))
        if len(pixels):
            part, score = regions.by_points(frame.image, pixels, signs)
            mask = part & _inside(frame, corners)
        return _one(frame, mask, what, score, "grabcut", extra, failed)
    if not (signs == 1).any():
        raise ValueError("give at least one point on the thing (label 1)")
    instances = frame.instances
    if instances is not None and method in ("auto", "capture"):
        found = _captured_at(frame, pixels[signs == 1])
        if found is not None:
            return found
    by_model, failed = _model_at(frame, what, pixels, signs, None, method, model)
    if by_model is not None:
        return by_model
    dense = frame.depth is not None and float(np.isfinite(frame.depth).mean()) > 0.4
    if method in ("auto", "depth") and dense:
        mask = _grown(frame, pixels[signs == 1])
        share = float(mask.mean())
        if 0.0002 < share < 0.5:
            mask &= ~_beside(frame, pixels[signs == 0])
            return _one(frame, mask, what, 0.7 if share < 0.2 else 0.45, "depth", extra, failed)
    if method == "depth" and not dense:
        raise Unavailable("the frame has no dense depth", hint="method='grabcut'")
    mask, score = regions.by_points(frame.image, pixels, signs)
    return _one(frame, mask, what, score, "grabcut", extra, failed)


def _model_at(
    frame: Frame,
    what: str,
    pixels: npt.NDArray[np.float64],
    signs: npt.NDArray[np.int64],
    corners: tuple[float, ...] | None,
    method: str,
    model: str | None,
) -> tuple[Masks | None, str]:
    """What a model cuts out, if it is to be asked; and why not, if it failed."""
    if method == "model":
        return modelled.segments_at(frame, what, pixels, signs, corners, model), ""
    if method != "auto" or not modelled.has_model("segment"):
        return None, ""
    try:
        return modelled.segments_at(frame, what, pixels, signs, corners), ""
    except PrimitiveError as error:  # geometry can answer too; the result's note tells
        return None, f"the model failed: {error.message}"


def _inside(frame: Frame, corners: tuple[float, ...]) -> BoolMask:
    rows, columns = np.ogrid[: frame.height, : frame.width]
    x0, y0, x1, y1 = corners
    return np.asarray((columns >= x0) & (columns <= x1) & (rows >= y0) & (rows <= y1))


def _captured_at(frame: Frame, pixels: npt.NDArray[np.float64]) -> Masks | None:
    assert frame.instances is not None
    seeds = pixels.round().astype(int)
    values = frame.instances[seeds[:, 1].clip(0), seeds[:, 0].clip(0)]
    numbers = [int(v) for v in np.unique(values) if v]
    names = {thing.id: thing.name for thing in siblings(frame).objects}
    if len(numbers) != 1 or numbers[0] not in names:
        return None
    mask = np.asarray(frame.instances == numbers[0])
    return Masks(
        [
            Mask(
                mask,
                frame.position,
                label=names[numbers[0]],
                score=0.98,
                method="capture",
                id=numbers[0],
                points=pixels,
            )
        ]
    )


def _grown(frame: Frame, seeds: npt.NDArray[np.float64]) -> BoolMask:
    from spatialclaw.primitives.planes import concave_edges, plane_regions

    known = depth_of(frame)
    barrier: BoolMask | None = None
    columns = seeds[:, 0].round().astype(int).clip(0, frame.width - 1)
    rows = seeds[:, 1].round().astype(int).clip(0, frame.height - 1)
    if frame.intrinsics is not None:
        try:
            large = [p for p in plane_regions(frame, known, most=4) if p.mask.mean() > 0.06]
        except Unavailable:
            large = []
        barrier = concave_edges(frame, known)
        for plane in large:
            if not plane.mask[rows, columns].any():
                barrier = barrier | plane.mask
        barrier[rows, columns] = False
    return regions.by_depth(known.depth, known.sigma, seeds, barrier=barrier)


def _beside(frame: Frame, seeds: npt.NDArray[np.float64]) -> BoolMask:
    if not len(seeds):
        return np.zeros((frame.height, frame.width), dtype=bool)
    known = depth_of(frame)
    return regions.by_depth(known.depth, known.sigma, seeds)


def _one(
    frame: Frame,
    mask: BoolMask,
    what: str,
    score: float,
    method: str,
    points: Any,
    note: str = "",
) -> Masks:
    if not mask.any():
        raise NothingFound(
            f"nothing could be cut out in frame {frame.position}", hint="a box around the thing"
        )
    return Masks(
        [Mask(mask, frame.position, label=what, score=score, method=method, points=points)],
        note=note,
    )
