"""People and faces without weights: OpenCV's HOG detector and Haar cascades."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spatialclaw.primitives.errors import NothingFound
from spatialclaw.primitives.frames import Frame
from spatialclaw.primitives.imaging import as_frame, grey
from spatialclaw.primitives.results import Mask, Masks

__all__ = ["faces", "overlap", "people"]

Floats = npt.NDArray[np.float64]

LONG_SIDES = (640, 1280)
"""The first look has a long side within these, the second is 1.4 times larger."""
MISSING = -0.35
"""Response counted for a look that did not find what another look found."""
ACCEPT = 0.25
"""Mean response over all looks from which a person is reported."""


def overlap(a: Floats, b: Floats, *, of_smaller: bool = False) -> Floats:
    """(N, M) intersection over union (or over the smaller box) of boxes (N, 4) and (M, 4)."""
    a, b = np.asarray(a, dtype=np.float64)[:, None], np.asarray(b, dtype=np.float64)[None]
    width = np.minimum(a[..., 2], b[..., 2]) - np.maximum(a[..., 0], b[..., 0])
    height = np.minimum(a[..., 3], b[..., 3]) - np.maximum(a[..., 1], b[..., 1])
    both = np.maximum(width, 0) * np.maximum(height, 0)
    area_a = (a[..., 2] - a[..., 0]) * (a[..., 3] - a[..., 1])
    area_b = (b[..., 2] - b[..., 0]) * (b[..., 3] - b[..., 1])
    whole = np.minimum(area_a, area_b) if of_smaller else area_a + area_b - both
    return np.asarray(both / np.maximum(whole, 1e-9))


def suppress(boxes: Floats, scores: Floats, *, limit: float, of_smaller: bool = False) -> list[int]:
    """Indices of the boxes that no better box covers (non-maximum suppression), best first."""
    kept: list[int] = []
    for index in np.argsort(-scores):
        best = overlap(boxes[[index]], boxes[kept], of_smaller=of_smaller) if kept else np.zeros(1)
        if not kept or float(best.max()) < limit:
            kept.append(int(index))
    return kept


def people(frame: Any, *, accept: float = ACCEPT, quick: bool = False) -> Masks:
    """Standing and walking people, wholly visible, by the HOG detector of Dalal and Triggs.

    The picture and its mirror image are searched at two sizes; a person is what the looks agree on.
    Where the frame has depth, boxes that are not 1.0 to 2.2 m tall are dropped. It misses people
    who sit, are cut off, are seen from far above, or stand close together.

    Args:
        frame: A frame.
        accept: Mean response of the looks from which a person counts (higher: fewer, surer).
        quick: One look only, for videos.

    Returns:
        `Masks` labelled "person" with `.box`; the mask is the inside of an ellipse in the box.

    Raises:
        NothingFound: None was found.

    Example:
        >>> len(people(frames[0])), people(frames[0]).boxes
    """
    picture = as_frame(frame)
    boxes, scores = hog_boxes(picture.image, quick=quick)
    keep = scores >= accept
    keep &= _plausible_height(picture, boxes)
    boxes, scores = boxes[keep], scores[keep]
    if not len(boxes):
        raise NothingFound(
            f"the HOG detector finds nobody in frame {picture.position}; it misses people who sit, "
            "are cut off or seen from above",
            hint="faces(frame), track(frames, 'people') in a video, or locate(frame, 'the person')",
        )
    found = []
    for box, score in zip(boxes, scores, strict=True):
        confidence = float(1 / (1 + np.exp(-1.8 * (score - 0.8))))
        person = _mask(picture, box, "person", min(0.97, confidence), "hog")
        found.append(_at_one_depth(picture, person))
    return Masks(
        found, note="HOG finds upright, wholly visible people only; groups may count as one"
    )


def _plausible_height(frame: Frame, boxes: Floats) -> npt.NDArray[np.bool_]:
    good = np.ones(len(boxes), dtype=bool)
    if frame.depth is None or frame.intrinsics is None or not frame.metric:
        return good
    for index, box in enumerate(boxes):
        distance = _distance(frame, box)
        if distance is not None:
            height = float(box[3] - box[1]) * distance / float(frame.intrinsics[1, 1])
            good[index] = 1.0 <= height <= 2.2
    return good


def hog_boxes(image: npt.NDArray[np.uint8], *, quick: bool = False) -> tuple[Floats, Floats]:
    """Boxes (N, 4) of people and their mean response over all looks."""
    import cv2

    detector = cv2.HOGDescriptor()
    detector.setSVMDetector(cv2.HOGDescriptor.getDefaultPeopleDetector())
    picture = grey(image)
    long_side = max(picture.shape)
    first = float(np.clip(long_side, *LONG_SIDES))
    sizes = (first,) if quick else (first, 1.4 * first)
    looks: list[tuple[Floats, Floats]] = []
    for size in sizes:
        factor = min(size / long_side, 2.0)
        mode = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
        scaled = cv2.resize(picture, None, fx=factor, fy=factor, interpolation=mode)
        for mirrored in (False,) if quick else (False, True):
            view = np.ascontiguousarray(scaled[:, ::-1]) if mirrored else scaled
            stride = (8, 8) if quick else (4, 4)
            rectangles, responses = detector.detectMultiScale(
                view,
                hitThreshold=MISSING,
                winStride=stride,
                padding=(16, 16),
                scale=1.05,
                groupThreshold=0,
            )
            box = np.asarray(rectangles, dtype=np.float64).reshape(-1, 4)
            if mirrored:
                box[:, 0] = view.shape[1] - box[:, 0] - box[:, 2]
            # The detector's window has a margin of an eighth around the person.
            box[:, 0] += 0.14 * box[:, 2]
            box[:, 2] *= 0.72
            box[:, 1] += 0.07 * box[:, 3]
            box[:, 3] *= 0.86
            box[:, 2:] += box[:, :2]
            looks.append((box / factor, np.ravel(responses).astype(np.float64)))
    return _agree(looks)


def _agree(looks: list[tuple[Floats, Floats]]) -> tuple[Floats, Floats]:
    boxes = np.concatenate([b for b, _ in looks])
    scores = np.concatenate([s for _, s in looks])
    if not len(boxes):
        return np.empty((0, 4)), np.empty(0)
    centers = suppress(boxes, scores, limit=0.35)
    merged, means = [], []
    for index in centers:
        responses, near = [], []
        for look_boxes, look_scores in looks:
            match = overlap(boxes[[index]], look_boxes)[0] > 0.5 if len(look_boxes) else []
            if np.any(match):
                best = int(np.argmax(np.where(match, look_scores, -np.inf)))
                responses.append(float(look_scores[best]))
                near.append(look_boxes[best])
            else:
                responses.append(MISSING)
        means.append(float(np.mean(responses)))
        merged.append(np.median(near, axis=0) if near else boxes[index])
    result, mean = np.array(merged), np.array(means)
    keep = suppress(result, mean, limit=0.6, of_smaller=True)
    return result[keep], mean[keep]


def faces(frame: Any) -> Masks:
    """Faces, frontal and in profile, by Haar cascades.

    Returns:
        `Masks` labelled "face" with `.box`.

    Raises:
        NothingFound: None was found.

    Example:
        >>> faces(frames[0]).boxes
    """
    import cv2

    folder = Path(cv2.__file__).parent / "data"
    picture = as_frame(frame)
    image = grey(picture.image)
    factor = float(np.clip(1000 / max(image.shape), 0.2, 2.0))
    mode = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    scaled = cv2.equalizeHist(cv2.resize(image, None, fx=factor, fy=factor, interpolation=mode))
    boxes: list[Floats] = []
    weights: list[float] = []
    for name, mirrored, neighbours in (
        ("haarcascade_frontalface_alt2.xml", False, 5),
        ("haarcascade_profileface.xml", False, 7),
        ("haarcascade_profileface.xml", True, 7),
    ):
        cascade = cv2.CascadeClassifier(str(folder / name))
        view = np.ascontiguousarray(scaled[:, ::-1]) if mirrored else scaled
        found, _, level = cascade.detectMultiScale3(
            view,
            scaleFactor=1.08,
            minNeighbors=neighbours,
            minSize=(24, 24),
            outputRejectLevels=True,
        )
        for box, weight in zip(found, np.ravel(level), strict=True):
            x, y, width, height = (float(v) for v in box)
            if mirrored:
                x = view.shape[1] - x - width
            boxes.append(np.array([x, y, x + width, y + height]) / factor)
            weights.append(float(weight))
    if not boxes:
        raise NothingFound(
            f"the cascades find no face in frame {picture.position}",
            hint="people(frame), or locate(frame, 'the face')",
        )
    keep = suppress(np.array(boxes), np.array(weights), limit=0.4, of_smaller=True)
    return Masks(
        [
            _mask(picture, boxes[i], "face", float(np.clip(0.3 + weights[i] / 8, 0.2, 0.9)), "haar")
            for i in keep
        ]
    )


def _at_one_depth(frame: Frame, person: Mask) -> Mask:
    """The person without what is seen beside it: pixels at another depth leave the mask."""
    distance = _distance(frame, np.array(person.box))
    depth = frame.depth
    if distance is None or depth is None:
        return person
    away = np.abs(depth - distance) > 0.5 + 0.03 * distance
    x0, y0, x1, y1 = (int(v) for v in person.box)
    inside = np.zeros_like(person.mask)
    inside[y0 : y1 + 1, x0 : x1 + 1] = True
    with np.errstate(invalid="ignore"):
        near = inside & (np.abs(depth - distance) <= 0.5 + 0.03 * distance)
    person.mask = (person.mask & ~away) | near
    person.extra["depth"] = round(distance, 3)
    return person


def _distance(frame: Frame, box: Floats) -> float | None:
    """Depth of the middle third of a box, where the person is, in the unit of the frame's depth."""
    if frame.depth is None:
        return None
    x0, y0, x1, y1 = box
    third, rows = (x1 - x0) / 3, (y1 - y0) / 4
    part = frame.depth[
        int(max(y0 + rows, 0)) : int(y1 - rows) + 1, int(max(x0 + third, 0)) : int(x1 - third) + 1
    ]
    known = part[np.isfinite(part)]
    return float(np.percentile(known, 30)) if known.size >= 5 else None


def _mask(frame: Frame, box: Floats, label: str, score: float, method: str) -> Mask:
    x0, y0, x1, y1 = (float(v) for v in box)
    x0, x1 = max(x0, 0.0), min(x1, frame.width - 1.0)
    y0, y1 = max(y0, 0.0), min(y1, frame.height - 1.0)
    rows, columns = np.ogrid[: frame.height, : frame.width]
    half_width, half_height = max((x1 - x0) / 2, 0.5), max((y1 - y0) / 2, 0.5)
    inside = (
        ((columns - (x0 + x1) / 2) / half_width) ** 2 + ((rows - (y0 + y1) / 2) / half_height) ** 2
    ) <= 1
    return Mask(
        inside,
        frame.position,
        label=label,
        score=round(score, 3),
        method=method,
        box=(x0, y0, x1, y1),
    )
