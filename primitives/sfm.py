"""Structure from motion: where the cameras of several pictures stood, from the pictures alone."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from spatialclaw.primitives import twoview
from spatialclaw.primitives.bundle import Problem, adjust, residuals
from spatialclaw.primitives.errors import NothingFound
from spatialclaw.primitives.frames import Frame
from spatialclaw.primitives.imaging import assumed_intrinsics
from spatialclaw.primitives.match import features, match_features
from spatialclaw.primitives.motion import by_views
from spatialclaw.progress import task

__all__ = ["Structure", "structure_from_motion"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

MOST_FEATURES = 3000


@dataclass(eq=False)
class Structure:
    """Cameras and points up to one scale.

    Attributes:
        index: Which of the given frames were placed.
        rotations: (C, 3, 3) world to camera of the placed frames.
        translations: (C, 3).
        intrinsics: (3, 3) of each placed frame.
        points: (P, 3) in the world, the axes of the first placed camera.
        seen: For each placed frame the (N,) point numbers and (N, 2) pixels.
        error_px: Median reprojection error.
        note: What to know, one line.
    """

    index: list[int]
    rotations: Floats
    translations: Floats
    intrinsics: list[Floats]
    points: Floats
    seen: list[tuple[Ints, Floats]]
    error_px: float
    note: str = ""

    @property
    def centers(self) -> Floats:
        """(C, 3) positions of the cameras."""
        return np.asarray(-np.einsum("nji,nj->ni", self.rotations, self.translations))


@dataclass(eq=False)
class _State:
    frames: list[Frame]
    matrices: list[Floats]
    tracks: list[dict[int, Floats]]
    poses: dict[int, tuple[Floats, Floats]] = field(default_factory=dict)
    points: dict[int, Floats] = field(default_factory=dict)
    known_focal: bool = True


def structure_from_motion(frames: list[Frame], *, video: bool = False) -> Structure:
    """Places the frames by matched points: best pair first, then one by one, then all together.

    SIFT matches checked by epipolar geometry, five-point pose of the pair with most parallax, PnP
    for each further frame, bundle adjustment. An unknown focal length is adjusted with the rest.

    Args:
        frames: Two frames or more.
        video: Neighbours in the list overlap: only near ones are matched.

    Raises:
        NothingFound: No two frames share enough points with parallax.
    """
    described = []
    with task("finding points", total=len(frames), unit="frames") as advance:
        for frame in frames:
            described.append(features(frame.image, 1280, MOST_FEATURES))
            advance(1)
    pairs = _matched_pairs(frames, described, video=video)
    if not pairs:
        raise NothingFound(
            "no two frames share 20 points or more", hint="frames that overlap by half and more"
        )
    matrices, known, start = _start(frames, described, pairs)
    state = _State(frames, matrices, _tracks(described, pairs), known_focal=known)
    _first_pair(state, start)
    with task("placing frames", total=len(frames), unit="frames", done=2) as advance:
        while True:
            added = _next_frame(state)
            if added is None:
                break
            advance(1)
            _triangulate(state)
            if len(state.poses) % 4 == 0:
                _bundle(state, rounds=5)
                _drop_outliers(state)
    _bundle(state, rounds=15)
    _drop_outliers(state)
    _triangulate(state)
    error = _bundle(state, rounds=20)
    _drop_outliers(state)
    return _structure(state, error)


_Pairs = dict[tuple[int, int], tuple[Ints, Ints]]


def _matched_pairs(
    frames: list[Frame], described: list[tuple[Floats, Any]], *, video: bool
) -> _Pairs:
    import cv2

    result: _Pairs = {}
    count = len(frames)
    for i in range(count):
        for j in range(i + 1, count):
            near = j - i <= 3 or (j - i) in (5, 8)
            if (video or count > 14) and not near:
                continue
            first, second, _ = match_features(described[i][1], described[j][1])
            if len(first) < 20:
                continue
            a, b = described[i][0][first], described[j][0][second]
            threshold = max(1.5, max(frames[i].width, frames[i].height) / 700)
            cv2.setRNGSeed(1)
            try:
                _, mask = cv2.findFundamentalMat(a, b, cv2.USAC_MAGSAC, threshold, 0.999, 3000)
            except cv2.error:
                continue  # points on one line: no geometry
            if mask is None or mask.sum() < 20:
                continue
            keep = mask.ravel() > 0
            result[i, j] = (first[keep], second[keep])
    return result


def _start(
    frames: list[Frame], described: list[tuple[Floats, Any]], pairs: _Pairs
) -> tuple[list[Floats], bool, tuple[int, int, Floats, Floats]]:
    """Intrinsics to begin with, whether they are known, and the pair to begin with."""
    known = all(frame.intrinsics is not None for frame in frames)
    best: tuple[float, tuple[int, int], Any] | None = None
    ranked = sorted(pairs, key=lambda pair: -_promise(described, pairs, pair))[:6]
    for i, j in ranked:
        a, b = described[i][0][pairs[i, j][0]], described[j][0][pairs[i, j][1]]
        try:
            motion = by_views(frames[i], frames[j], a, b)
        except NothingFound:
            continue
        if not motion.moved:
            continue
        long_side = max(frames[i].width, frames[i].height)
        focal = motion.focal_px or long_side
        k_i = frames[i].intrinsics
        k_j = frames[j].intrinsics
        if k_i is None or k_j is None:
            k_i = assumed_intrinsics(frames[i].width, frames[i].height, focal / long_side)
            k_j = assumed_intrinsics(frames[j].width, frames[j].height, focal / long_side)
        _, _, angle = twoview.triangulate(a, b, motion.rotation, motion.translation, k_i, k_j)
        quality = len(a) * min(float(np.degrees(np.median(angle))), 12.0) * motion.confidence
        if best is None or quality > best[0]:
            best = (quality, (i, j), motion)
    if best is None:
        raise NothingFound(
            "no two frames show enough parallax: the camera may only have turned",
            hint="frames taken from different places",
        )
    _, (i, j), motion = best
    share = (motion.focal_px or 1.0) / max(frames[i].width, frames[i].height)
    matrices = [
        np.array(f.intrinsics)
        if f.intrinsics is not None and known
        else assumed_intrinsics(f.width, f.height, share)
        for f in frames
    ]
    return matrices, known, (i, j, motion.rotation, motion.translation)


def _promise(described: list[tuple[Floats, Any]], pairs: _Pairs, pair: tuple[int, int]) -> float:
    """Many matches that moved apart from each other: parallax, not only a shift."""
    i, j = pair
    a, b = described[i][0][pairs[pair][0]], described[j][0][pairs[pair][1]]
    shift = b - a
    spread = float(np.median(np.linalg.norm(shift - np.median(shift, axis=0), axis=1)))
    return float(np.sqrt(len(a))) * min(spread, 60.0)


def _tracks(described: list[tuple[Floats, Any]], pairs: _Pairs) -> list[dict[int, Floats]]:
    """Matches of pairs joined into points: frame -> pixel. Points seen twice in a frame are out."""
    parent: dict[tuple[int, int], tuple[int, int]] = {}

    def root(node: tuple[int, int]) -> tuple[int, int]:
        while parent.setdefault(node, node) != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for (i, j), (first, second) in pairs.items():
        for x, y in zip(first.tolist(), second.tolist(), strict=True):
            parent[root((i, x))] = root((j, y))
    groups: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
    for node in list(parent):
        groups[root(node)].append(node)
    tracks = []
    for nodes in groups.values():
        frames_of = [frame for frame, _ in nodes]
        if len(nodes) >= 2 and len(set(frames_of)) == len(nodes):
            tracks.append({frame: described[frame][0][number] for frame, number in nodes})
    return tracks


def _first_pair(state: _State, start: tuple[int, int, Floats, Floats]) -> None:
    i, j, rotation, center = start
    state.poses[i] = (np.eye(3), np.zeros(3))
    state.poses[j] = (rotation.T, -rotation.T @ center)
    _triangulate(state)
    if len(state.points) < 15:
        raise NothingFound("too few points could be triangulated", hint="frames with more overlap")
    _bundle(state, rounds=10)
    _drop_outliers(state)


def _triangulate(state: _State) -> None:
    """Points seen by two placed frames or more that have none yet: linear, then checked."""
    rows: list[int] = []
    systems: list[Floats] = []
    for number, track in enumerate(state.tracks):
        if number in state.points:
            continue
        views = [frame for frame in track if frame in state.poses]
        if len(views) < 2:
            continue
        equations = []
        for frame in views:
            r, t = state.poses[frame]
            matrix = state.matrices[frame] @ np.c_[r, t]
            x, y = track[frame]
            scale = state.matrices[frame][0, 0]
            equations += [(x * matrix[2] - matrix[0]) / scale, (y * matrix[2] - matrix[1]) / scale]
        rows.append(number)
        systems.append(np.array(equations))
    for number, system in zip(rows, systems, strict=True):
        point = np.linalg.svd(system)[2][3]
        if abs(point[3]) < 1e-9:
            continue
        place = point[:3] / point[3]
        if _is_good(state, number, place, 4.0):
            state.points[number] = place


def _is_good(state: _State, number: int, place: Floats, limit: float) -> bool:
    rays = []
    for frame, pixel in state.tracks[number].items():
        if frame not in state.poses:
            continue
        r, t = state.poses[frame]
        seen = r @ place + t
        if seen[2] <= 1e-6:
            return False
        image = (state.matrices[frame] @ (seen / seen[2]))[:2]
        if np.linalg.norm(image - pixel) > limit * _unit(state.frames[frame]):
            return False
        ray = place + r.T @ t
        rays.append(ray / np.linalg.norm(ray))
    directions = np.array(rays)
    return bool((directions @ directions.T).min() < np.cos(np.radians(0.8)))


def _unit(frame: Frame) -> float:
    return max(1.0, max(frame.width, frame.height) / 1000)


def _next_frame(state: _State) -> int | None:
    """Places the frame that sees most known points; None when no frame sees enough."""
    import cv2

    counts: dict[int, list[int]] = defaultdict(list)
    for number in state.points:
        for frame in state.tracks[number]:
            if frame not in state.poses:
                counts[frame].append(number)
    for frame in sorted(counts, key=lambda f: -len(counts[f])):
        numbers = counts[frame]
        if len(numbers) < 12:
            return None
        points = np.array([state.points[n] for n in numbers])
        pixels = np.array([state.tracks[n][frame] for n in numbers])
        cv2.setRNGSeed(1)
        good, turn, shift, inliers = cv2.solvePnPRansac(
            points,
            pixels,
            state.matrices[frame],
            None,
            iterationsCount=1000,
            reprojectionError=4.0 * _unit(state.frames[frame]),
            confidence=0.999,
            flags=cv2.SOLVEPNP_SQPNP,
        )
        if not good or inliers is None or len(inliers) < max(10, 0.25 * len(numbers)):
            continue
        index = inliers.ravel()
        turn, shift = cv2.solvePnPRefineLM(
            points[index], pixels[index], state.matrices[frame], None, turn, shift
        )
        state.poses[frame] = (np.asarray(cv2.Rodrigues(turn)[0]), shift.ravel())
        return frame
    return None


def _problem(state: _State) -> tuple[Problem, list[int], list[int]]:
    order = list(state.poses)
    numbers = list(state.points)
    place = {frame: i for i, frame in enumerate(order)}
    camera, point, pixels = [], [], []
    for i, number in enumerate(numbers):
        for frame, pixel in state.tracks[number].items():
            if frame in place:
                camera.append(place[frame])
                point.append(i)
                pixels.append(pixel)
    matrices = [state.matrices[frame] for frame in order]
    return (
        Problem(
            np.array([state.poses[f][0] for f in order]),
            np.array([state.poses[f][1] for f in order]),
            np.array([m[0, 0] for m in matrices]),
            np.array([m[:2, 2] for m in matrices]),
            np.array([state.points[n] for n in numbers]).reshape(-1, 3),
            np.array(camera, dtype=np.int64),
            np.array(point, dtype=np.int64),
            np.array(pixels, dtype=np.float64).reshape(-1, 2),
        ),
        order,
        numbers,
    )


def _bundle(state: _State, *, rounds: int) -> float:
    problem, order, numbers = _problem(state)
    if not len(problem.points):
        return float("nan")
    free = not state.known_focal and len(order) >= 3
    huber = 1.5 * _unit(state.frames[order[0]])
    error = adjust(problem, rounds=rounds, huber_px=huber, free_focal=free, focal_sigma=0.25)
    for i, frame in enumerate(order):
        state.poses[frame] = (problem.rotations[i], problem.translations[i])
    for i, number in enumerate(numbers):
        state.points[number] = problem.points[i]
    if free:
        factor = problem.focals[0] / state.matrices[order[0]][0, 0]
        for matrix in state.matrices:
            matrix[0, 0] *= factor
            matrix[1, 1] *= factor
    return error


def _drop_outliers(state: _State) -> None:
    """Sightings far from where their point projects go; points left with one sighting too."""
    problem, order, numbers = _problem(state)
    if not len(problem.points):
        return
    size = np.linalg.norm(residuals(problem), axis=1)
    limits = np.array([3.0 * _unit(state.frames[f]) for f in order])
    for i in np.flatnonzero(size > limits[problem.camera]):
        state.tracks[numbers[problem.point[i]]].pop(order[problem.camera[i]], None)
    for number in numbers:
        if (
            not _is_good(state, number, state.points[number], 4.0)
            or len([f for f in state.tracks[number] if f in state.poses]) < 2
        ):
            del state.points[number]


def _structure(state: _State, error: float) -> Structure:
    order = sorted(state.poses)
    numbers = list(state.points)
    number_at = {number: i for i, number in enumerate(numbers)}
    points = np.array([state.points[n] for n in numbers]).reshape(-1, 3)
    base_r, base_t = state.poses[order[0]]
    rotations, translations = [], []
    for frame in order:  # the world becomes the axes of the first placed camera
        r, t = state.poses[frame]
        turned = r @ base_r.T
        rotations.append(turned)
        translations.append(t - turned @ base_t)
    points = points @ base_r.T + base_t
    seen = []
    for frame in order:
        here = [(number_at[n], state.tracks[n][frame]) for n in numbers if frame in state.tracks[n]]
        seen.append(
            (
                np.array([n for n, _ in here], dtype=np.int64),
                np.array([p for _, p in here], dtype=np.float64).reshape(-1, 2),
            )
        )
    left = len(state.frames) - len(order)
    note = f"{len(points)} points in {len(order)} frames, median error {error:.2f} px"
    if left:
        lost = [state.frames[i].position for i in range(len(state.frames)) if i not in order]
        note += f"; frames {lost} could not be placed"
    if not state.known_focal:
        note += f"; focal length estimated {state.matrices[order[0]][0, 0]:.0f} px"
    return Structure(
        order,
        np.array(rotations),
        np.array(translations),
        [state.matrices[f] for f in order],
        points,
        seen,
        error,
        note,
    )
