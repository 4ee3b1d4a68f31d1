"""Which way is up from straight lines alone: where the verticals of a picture meet."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from spatialclaw.primitives.errors import NothingFound
from spatialclaw.primitives.imaging import grey, shrink

__all__ = ["line_segments", "up_from_lines"]

Floats = npt.NDArray[np.float64]

LARGEST = 960
"""Long side of the picture that is searched for segments."""
TIGHT = np.radians(1.2)
"""A segment belongs to a direction when its plane is this close to it."""
LEVEL = 0.4
"""Weight of being level against the share of the lines that a direction explains."""
MARGIN = 0.02
"""By how much the best direction has to beat the next."""
BINS = 90
"""Azimuths, one degree each: directions 90 degrees apart count as one."""


def line_segments(image: npt.NDArray[np.uint8], *, shortest: float = 0.025) -> Floats:
    """Straight segments of a picture (LSD: Grompone von Gioi et al., PAMI 2010).

    Args:
        image: (H, W, 3) or (H, W) uint8.
        shortest: Least length as a share of the diagonal.

    Returns:
        (N, 4) x0, y0, x1, y1 in pixels of the picture, longest first.
    """
    import cv2

    small, factor = shrink(grey(image), LARGEST)
    found = cv2.createLineSegmentDetector(cv2.LSD_REFINE_STD).detect(small)[0]
    if found is None:
        return np.empty((0, 4))
    segments = (found.reshape(-1, 4).astype(np.float64) + 0.5) * factor - 0.5
    lengths = np.hypot(segments[:, 2] - segments[:, 0], segments[:, 3] - segments[:, 1])
    long = lengths >= shortest * np.hypot(*image.shape[:2])
    order = np.argsort(-lengths[long])
    return np.asarray(segments[long][order])


def up_from_lines(
    image: npt.NDArray[np.uint8],
    intrinsics: npt.NDArray[np.floating],
    *,
    prior: Floats | None = None,
    within_deg: float = 40.0,
) -> tuple[Floats, float]:
    """The up vector of a picture of a man-made place, from its vertical and horizontal lines.

    Each segment and the camera's centre span a plane; the vertical lies in the planes of all
    vertical segments, and the planes of horizontal segments cut the horizon in a few azimuths that
    are multiples of 90 degrees apart (Coughlan and Yuille, "Manhattan World", ICCV 1999; here by
    sampling pairs of segments and refining by least squares).

    Args:
        image: (H, W, 3) uint8.
        intrinsics: (3, 3).
        prior: (3,) rough up vector in camera axes; (0, -1, 0) when None.
        within_deg: The result is at most this far from the prior.

    Returns:
        (3,) unit vector in camera axes, and one standard deviation of its direction in radians.

    Raises:
        NothingFound: Too few straight lines, or they do not agree on an up.
    """
    prior = np.array([0.0, -1.0, 0.0]) if prior is None else np.asarray(prior, dtype=np.float64)
    segments = line_segments(image)[:600]
    if len(segments) < 12:
        raise NothingFound(f"{len(segments)} straight lines are too few to tell which way is up")
    inverse = np.linalg.inv(np.asarray(intrinsics, dtype=np.float64))
    ends = np.concatenate([segments.reshape(-1, 2, 2), np.ones((len(segments), 2, 1))], axis=2)
    rays = ends @ inverse.T
    normals = np.cross(rays[:, 0], rays[:, 1])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    weights = np.hypot(segments[:, 2] - segments[:, 0], segments[:, 3] - segments[:, 1])
    weights = weights / weights.sum()
    tried = _candidates(normals, weights, prior, np.cos(np.radians(within_deg)))
    scores = np.array([_score(up, normals, weights) for up in tried])
    # Rails and table edges that run away from the camera meet below or above, as verticals do when
    # it is tilted: of directions that explain as much, the one nearest to level is likelier.
    scores += LEVEL * (tried @ prior)
    best = int(np.argmax(scores))
    up = tried[best]
    others = scores[tried @ up < np.cos(np.radians(12))]
    if len(others) and others.max() > scores[best] - MARGIN:
        raise NothingFound("the straight lines allow several directions as up")
    for _ in range(4):
        refined = _refined(up, normals, weights)
        if refined @ prior < np.cos(np.radians(within_deg)):
            break
        up = refined
    spread = _spread(up, normals, weights)
    if up[2] > np.sin(np.radians(20)):  # looking up that far is rare, rails and shelves are not
        spread = max(spread, float(np.radians(15)))
    return up, spread


def _candidates(normals: Floats, weights: Floats, prior: Floats, least: float) -> Floats:
    """Directions near the prior: meeting points of pairs, and the prior itself."""
    rng = np.random.default_rng(0)
    # Planes of verticals contain the prior, roughly.
    steep = np.flatnonzero(np.abs(normals @ prior) < np.sin(np.radians(40)))
    found = [prior[None]]
    if len(steep) >= 2:
        chance = weights[steep] / weights[steep].sum()
        pairs = rng.choice(steep, (600, 2), p=chance)
        crosses = np.cross(normals[pairs[:, 0]], normals[pairs[:, 1]])
        lengths = np.linalg.norm(crosses, axis=1)
        crosses = crosses[lengths > 0.02] / lengths[lengths > 0.02, None]
        found.append(np.where((crosses @ prior < 0)[:, None], -crosses, crosses))
    tried = np.concatenate(found)
    return np.asarray(tried[tried @ prior > least])


def _score(up: Floats, normals: Floats, weights: Floats) -> float:
    """Weight of the segments that an up explains, as verticals or as common horizontals."""
    vertical = np.abs(normals @ up) < np.sin(TIGHT)
    level = np.cross(normals, up)
    lengths = np.linalg.norm(level, axis=1)
    # A plane that is nearly level says nothing about the azimuth of what lies in it.
    clear = ~vertical & (lengths > np.sin(np.radians(8)))
    side = np.cross(up, [0.0, 0.0, 1.0])
    side /= max(float(np.linalg.norm(side)), 1e-9)
    azimuth = np.arctan2(level @ np.cross(side, up), level @ side)
    bins = (np.degrees(azimuth) % 90).astype(int) % BINS
    counts = np.bincount(bins[clear], weights[clear], minlength=BINS)
    window = counts + np.roll(counts, 1) + np.roll(counts, -1)
    expected = 3.0 / BINS * float(weights[clear].sum())
    return float(weights[vertical].sum()) + 0.8 * max(0.0, float(window.max()) - expected)


def _refined(up: Floats, normals: Floats, weights: Floats) -> Floats:
    vertical = np.abs(normals @ up) < np.sin(2 * TIGHT)
    if vertical.sum() < 4:
        return up
    chosen = normals[vertical] * weights[vertical, None]
    # A light pull to where it was keeps it determined when all verticals are in one plane.
    matrix = chosen.T @ normals[vertical] - 1e-4 * np.outer(up, up)
    _, vectors = np.linalg.eigh(matrix)
    better = vectors[:, 0]
    return np.asarray(better if better @ up > 0 else -better)


def _spread(up: Floats, normals: Floats, weights: Floats) -> float:
    """Standard deviation of the direction, radians; raises when the lines do not support it."""
    residuals = normals @ up
    vertical = np.abs(residuals) < np.sin(TIGHT)
    explained = _score(up, normals, weights)
    if vertical.sum() < 4 or explained < 0.2:
        raise NothingFound("the straight lines do not agree on which way is up")
    error = max(float(np.sqrt(np.mean(residuals[vertical] ** 2))), np.radians(0.2))
    # Two verticals far apart fix the tilt; verticals side by side leave it open along them.
    values = np.linalg.eigvalsh(normals[vertical].T @ normals[vertical])
    return float(np.clip(error / np.sqrt(max(values[1], 1e-6)), np.radians(0.5), np.radians(15)))
