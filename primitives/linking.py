"""Sightings in single frames joined into tracks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spatialclaw.primitives.frames import Frame
from spatialclaw.primitives.people import overlap

__all__ = ["Sighting", "clean", "link", "sighting"]

Floats = npt.NDArray[np.float64]


@dataclass(eq=False)
class Sighting:
    """One thing seen in one frame: its box, its colours and how sure it is."""

    box: tuple[float, float, float, float]
    look: Floats
    label: str
    score: float
    id: int | None = None

    @property
    def center(self) -> Floats:
        """(2,) middle of the box."""
        return np.array([(self.box[0] + self.box[2]) / 2, (self.box[1] + self.box[3]) / 2])

    @property
    def diagonal(self) -> float:
        """Diagonal of the box, pixels."""
        return float(np.hypot(self.box[2] - self.box[0], self.box[3] - self.box[1])) + 1.0

    @property
    def area(self) -> float:
        """Area of the box, pixels."""
        return (self.box[2] - self.box[0] + 1) * (self.box[3] - self.box[1] + 1)


def sighting(
    frame: Frame, box: Any, mask: npt.NDArray[np.bool_], label: str, score: float, id: int | None
) -> Sighting:
    """A sighting with its colour histogram (4 x 4 x 4 bins of RGB)."""
    x0, y0, x1, y1 = (int(v) for v in box)
    step = max(1, (y1 - y0) // 80)
    part = frame.image[max(y0, 0) : y1 + 1 : step, max(x0, 0) : x1 + 1 : step]
    inside = mask[max(y0, 0) : y1 + 1 : step, max(x0, 0) : x1 + 1 : step]
    pixels = part[inside] if inside.any() else part.reshape(-1, 3)
    bins = (pixels // 64).astype(int) @ np.array([16, 4, 1])
    look = np.bincount(bins, minlength=64).astype(np.float64)
    corners = (float(box[0]), float(box[1]), float(box[2]), float(box[3]))
    return Sighting(corners, look / max(look.sum(), 1.0), label, score, id)


Rows = list[tuple[int, Sighting]]


def link(frames: list[Frame], seen: list[list[Sighting]]) -> list[Rows]:
    """Joins sightings of neighbouring frames by place, speed and colours (optimal assignment)."""
    from scipy.optimize import linear_sum_assignment

    done: list[Rows] = []
    active: list[Rows] = []
    for index, sightings in enumerate(seen):
        active, gone = _alive(active, index, frames)
        done += gone
        if active and sightings:
            cost = np.array([[_cost(rows, index, one) for one in sightings] for rows in active])
            chosen_rows, chosen = linear_sum_assignment(cost)
            pairs = [(r, c) for r, c in zip(chosen_rows, chosen, strict=True) if cost[r, c] < 1.5]
        else:
            pairs = []
        taken = set()
        for row, column in pairs:
            active[row].append((index, sightings[column]))
            taken.add(column)
        active += [[(index, one)] for i, one in enumerate(sightings) if i not in taken]
    return done + active


def _alive(active: list[Rows], index: int, frames: list[Frame]) -> tuple[list[Rows], list[Rows]]:
    """Tracks that may go on, and those lost for more than a second (two frames without times)."""
    keep: list[Rows] = []
    gone: list[Rows] = []
    for rows in active:
        missed = index - rows[-1][0] - 1
        now, last = frames[index].time, frames[rows[-1][0]].time
        waited = 0.0 if now is None or last is None else now - last
        lost = missed >= 1 and (missed > 2 if now is None or last is None else waited > 1.2)
        (gone if lost else keep).append(rows)
    return keep, gone


def _cost(rows: Rows, index: int, one: Sighting) -> float:
    """0 for the same place and colours; 1.5 and more is no match."""
    last_index, last = rows[-1]
    place = last.center
    steps = index - last_index
    if len(rows) >= 2:
        before_index, before = rows[max(0, len(rows) - 3)]
        speed = (last.center - before.center) / max(last_index - before_index, 1)
        place = place + speed * steps
    size = (last.diagonal + one.diagonal) / 2
    away = min(
        float(np.linalg.norm(one.center - place)), float(np.linalg.norm(one.center - last.center))
    )
    # Parts grow and shrink at the border of the picture, where their middles jump: use overlap too.
    boxes = overlap(np.array([last.box]), np.array([one.box]), of_smaller=True)
    away = away / size * (1 - 0.5 * float(boxes[0, 0]))
    colours = 1 - float(np.minimum(last.look, one.look).sum())
    if away > 0.8 + 0.25 * steps:
        return 10.0
    return away + 0.6 * colours


def clean(tracks: list[Rows], frames: list[Frame]) -> list[Rows]:
    """Joins the pieces of one thing, and drops parts, shadows and flicker."""
    joined = _stitched([rows for rows in tracks if rows], frames)
    joined.sort(key=lambda rows: -_weight(rows))
    kept: list[Rows] = []
    for rows in joined:
        if any(_is_part(rows, other) for other in kept):
            continue
        kept.append(rows)
    if not kept:
        return []
    largest = max(float(np.median([s.area for _, s in rows])) for rows in kept)
    return [rows for rows in kept if len(rows) >= 2 and not _flickers(rows, largest, len(frames))]


def _weight(rows: Rows) -> float:
    return len(rows) * float(np.median([s.area for _, s in rows]))


def _is_part(rows: Rows, other: Rows) -> bool:
    """Whether a track is mostly inside or right beside another that is there at the same time."""
    boxes = {index: one.box for index, one in other}
    first, last = other[0][0], other[-1][0]
    usual = float(np.median([one.area for _, one in other]))
    inside = 0
    for index, one in rows:
        if not first - 1 <= index <= last + 1:
            continue
        near = min(boxes, key=lambda k: abs(k - index))
        x0, y0, x1, y1 = boxes[near]
        # A shadow or an arm that breaks loose for a moment may lie further out.
        reach = 0.6 if len(rows) <= max(3, 0.15 * len(other)) else 0.15
        dx, dy = reach * (x1 - x0), reach * (y1 - y0)
        wide = np.array([[x0 - dx, y0 - dy, x1 + dx, y1 + dy]])
        small = one.area < 0.6 * max(usual, (x1 - x0 + 1) * (y1 - y0 + 1))
        inside += small and float(overlap(np.array([one.box]), wide, of_smaller=True)[0, 0]) > 0.5
    return inside >= (0.5 if len(rows) <= 3 else 0.6) * len(rows)


def _flickers(rows: Rows, largest: float, count: int) -> bool:
    """Small and going nowhere: leaves, reflections, noise."""
    centers = np.array([s.center for _, s in rows])
    diagonal = float(np.median([s.diagonal for _, s in rows]))
    path = float(np.linalg.norm(centers.max(axis=0) - centers.min(axis=0)))
    area = float(np.median([s.area for _, s in rows]))
    brief = len(rows) <= max(2, 0.01 * count)
    return (area < 0.05 * largest and path < 2 * diagonal) or (brief and path < 0.3 * diagonal)


def _stitched(tracks: list[Rows], frames: list[Frame]) -> list[Rows]:
    """Joins a track that ends with one that starts soon after near there and looks alike."""
    tracks = sorted(tracks, key=lambda rows: rows[0][0])
    changed = True
    while changed:
        changed = False
        for a in tracks:
            best: tuple[float, Rows] | None = None
            for b in tracks:
                if b is a or b[0][0] <= a[0][0] or b[-1][0] <= a[-1][0]:
                    continue
                if a[-1][0] - b[0][0] > 2:
                    continue
                cost = _gap_cost(a, b, frames)
                if cost < 1.0 and (best is None or cost < best[0]):
                    best = (cost, b)
            if best is not None:
                a.extend(row for row in best[1] if row[0] > a[-1][0])
                tracks.remove(best[1])
                changed = True
                break
    return tracks


def _gap_cost(a: Rows, b: Rows, frames: list[Frame]) -> float:
    (end, last), (start, first) = a[-1], b[0]
    if start <= end:  # one broke up into two for a moment: compare the places then
        last = min(a, key=lambda row: abs(row[0] - start))[1]
    steps = max(start - end, 1)
    now, before = frames[start].time, frames[end].time
    if now is not None and before is not None:
        if now - before > 2.5 and steps > 1:
            return 10.0
    elif steps > 5:
        return 10.0
    colours = 1 - float(np.minimum(last.look, first.look).sum())
    away = float(np.linalg.norm(first.center - last.center)) / (
        (last.diagonal + first.diagonal) / 2
    )
    if _leaves(last, frames[end]) and _leaves(first, frames[start]) and away > 0.5:
        return 10.0  # one goes out, another comes in
    return 0.7 * away + 0.8 * colours + 0.05 * steps


def _leaves(one: Sighting, frame: Frame) -> bool:
    x0, y0, x1, y1 = one.box
    rim = 0.01 * max(frame.width, frame.height) + 1
    return x0 < rim or y0 < rim or x1 > frame.width - 1 - rim or y1 > frame.height - 1 - rim
