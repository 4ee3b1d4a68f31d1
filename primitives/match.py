"""The same point in two pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from spatialclaw.primitives.errors import NothingFound
from spatialclaw.primitives.frames import Frame
from spatialclaw.primitives.imaging import as_frame, grey, shrink
from spatialclaw.primitives.results import Matches

__all__ = [
    "Homography",
    "Transfer",
    "features",
    "homography",
    "match",
    "match_features",
    "raw_matches",
    "transfer",
]

Floats = npt.NDArray[np.float64]


@dataclass(eq=False)
class Homography:
    """A projective map between two pictures: right for a plane or a camera that only turned.

    Attributes:
        matrix: (3, 3), from pixels of `frame_a` to pixels of `frame_b`.
        inliers: Number of matches that agree with it.
        total: Number of matches that were tried.
        error_px: Median distance of the inliers, pixels.
        frame_a: Position of the first frame.
        frame_b: Position of the second.
    """

    matrix: Floats
    inliers: int
    total: int
    error_px: float
    frame_a: int
    frame_b: int
    method: str = "sift+magsac"

    def apply(self, points: Any) -> Floats:
        """(N, 2) pixels of the second picture for (N, 2) or (2,) pixels of the first."""
        pixels = np.atleast_2d(np.asarray(points, dtype=np.float64))
        mapped = np.c_[pixels, np.ones(len(pixels))] @ self.matrix.T
        return np.asarray(mapped[:, :2] / mapped[:, 2:])

    def __repr__(self) -> str:
        return (
            f"<Homography {self.frame_a} -> {self.frame_b}: {self.inliers} of {self.total} matches "
            f"agree, median {self.error_px:.2f} px>"
        )


@dataclass(eq=False)
class Transfer:
    """Where a pixel of one picture is seen in another.

    Attributes:
        pixel: (2,) pixel (x, y) in `frame_b`.
        sigma_px: One standard deviation, pixels.
        confidence: 0..1.
        method: "homography", "local affine" or "template".
        support: Number of matches behind it.
        frame_a: Position of the first frame.
        frame_b: Position of the second.
        note: What to know about it, one line.
    """

    pixel: Floats
    sigma_px: float
    confidence: float
    method: str
    support: int
    frame_a: int
    frame_b: int
    note: str = ""

    def __repr__(self) -> str:
        x, y = self.pixel
        return (
            f"<Transfer {self.frame_a} -> {self.frame_b}: pixel ({x:.1f}, {y:.1f}) "
            f"+- {self.sigma_px:.1f} px, confidence {self.confidence:.2f} by {self.method}"
            f"{'; ' * bool(self.note)}{self.note}>"
        )


def features(image: npt.NDArray[np.uint8], longest: int, limit: int) -> tuple[Floats, Any]:
    """SIFT points (N, 2) in pixels and their descriptors (N, 128), or None when there are none."""
    import cv2

    small, factor = shrink(image, longest)
    picture = grey(small)
    if max(picture.shape) < 500:  # small pictures have too few blobs of two pixels and more
        picture = cv2.resize(picture, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
        factor /= 2
    detector = cv2.SIFT.create(nfeatures=limit, contrastThreshold=0.02)
    keypoints, descriptors = detector.detectAndCompute(picture, None)
    if descriptors is None or len(keypoints) < 2:
        return np.empty((0, 2)), None
    pixels = np.array([k.pt for k in keypoints], dtype=np.float64)
    # RootSIFT: Hellinger distance, Arandjelovic and Zisserman, CVPR 2012.
    descriptors /= np.abs(descriptors).sum(axis=1, keepdims=True) + 1e-9
    return (pixels + 0.5) * factor - 0.5, np.sqrt(descriptors)


_found: WeakKeyDictionary[Frame, dict[tuple[int, int], tuple[Floats, Any]]] = WeakKeyDictionary()


def _features_of(
    picture: Frame | npt.NDArray[np.uint8], longest: int, limit: int
) -> tuple[Floats, Any]:
    """Features of a picture, kept as long as its frame."""
    if not isinstance(picture, Frame):
        return features(picture, longest, limit)
    kept = _found.setdefault(picture, {})
    if (longest, limit) not in kept:
        kept[longest, limit] = features(picture.image, longest, limit)
    return kept[longest, limit]


def raw_matches(
    image_a: Frame | npt.NDArray[np.uint8],
    image_b: Frame | npt.NDArray[np.uint8],
    *,
    ratio: float = 0.8,
    longest: int = 1280,
    limit: int = 5000,
) -> tuple[Floats, Floats, Floats]:
    """SIFT matches that pass the ratio test and are mutual; no geometry is checked.

    Returns:
        points_a (N, 2), points_b (N, 2) pixels and scores (N,) 0..1 (1 - distance ratio).
    """
    points_a, descriptors_a = _features_of(image_a, longest, limit)
    points_b, descriptors_b = _features_of(image_b, longest, limit)
    first, second, scores = match_features(descriptors_a, descriptors_b, ratio=ratio)
    if not len(first):
        return np.empty((0, 2)), np.empty((0, 2)), np.empty(0)
    a, b = points_a[first], points_b[second]
    # SIFT gives a point once per orientation: count a pair of places once, the best of them.
    order = np.argsort(-scores)
    places = np.c_[a, b][order].round().astype(int)
    keep = np.sort(order[np.unique(places, axis=0, return_index=True)[1]])
    return a[keep], b[keep], scores[keep]


def match_features(
    descriptors_a: Any, descriptors_b: Any, *, ratio: float = 0.8
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Floats]:
    """Pairs of descriptors that pass the ratio test (Lowe, IJCV 2004) and choose each other.

    Returns:
        Numbers in a (N,), numbers in b (N,) and scores (N,) 0..1 (1 - distance ratio).
    """
    none = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64), np.empty(0)
    if descriptors_a is None or descriptors_b is None or len(descriptors_b) < 2:
        return none
    # Descriptors have length 1: the largest products are the smallest distances.
    count = len(descriptors_a)
    first, second = np.empty(count, dtype=np.int64), np.empty(count)
    best = np.empty(count)
    back, back_best = (
        np.zeros(len(descriptors_b), dtype=np.int64),
        np.full(len(descriptors_b), -2.0),
    )
    for start in range(0, count, 1000):
        products = descriptors_a[start : start + 1000] @ descriptors_b.T
        rows = np.arange(len(products))
        top = products.argmax(axis=1)
        part = slice(start, start + len(products))
        first[part], best[part] = top, products[rows, top]
        column, value = products.argmax(axis=0), products.max(axis=0)
        better = value > back_best
        back[better], back_best[better] = column[better] + start, value[better]
        products[rows, top] = -2.0
        second[part] = products.max(axis=1)
    near = np.sqrt(np.maximum(2 - 2 * best, 0)), np.sqrt(np.maximum(2 - 2 * second, 1e-12))
    value = near[0] / near[1]
    keep = np.flatnonzero((value < ratio) & (back[first] == np.arange(count)))
    return keep, first[keep], 1 - value[keep]


def match(frame_a: Any, frame_b: Any, *, method: str = "auto", verify: bool = True) -> Matches:
    """Points of one frame found again in another.

    Args:
        frame_a: First frame.
        frame_b: Second frame.
        method: "auto" or "sift".
        verify: Keep only matches that agree with one epipolar geometry (a rigid scene).

    Returns:
        `Matches`: `.points_a`, `.points_b` (N, 2) pixels, `.scores` 0..1.

    Raises:
        NothingFound: Fewer than 8 points agree.

    Example:
        >>> m = match(frames[0], frames[1])
        >>> m.points_b - m.points_a          # how far each point moved
    """
    if method not in ("auto", "sift"):
        raise ValueError(f"match(method={method!r}): use 'auto' or 'sift'")
    a, b = as_frame(frame_a), as_frame(frame_b)
    points_a, points_b, scores = raw_matches(a, b)
    if verify and len(points_a) >= 8:
        keep = _rigid(points_a, points_b, _threshold(a, b))
        points_a, points_b, scores = points_a[keep], points_b[keep], scores[keep]
    if len(points_a) < 8:
        raise NothingFound(
            f"only {len(points_a)} points of frame {a.position} are found again in frame "
            f"{b.position}",
            hint="frames that show more of the same place, or flow(a, b) for neighbours in a video",
        )
    return Matches(points_a, points_b, scores, a.position, b.position, "sift")


def _threshold(a: Frame, b: Frame) -> float:
    """Pixels a right match may be off: one in a picture of 1000 pixels."""
    return max(1.0, max(a.width, a.height, b.width, b.height) / 1000)


def _rigid(points_a: Floats, points_b: Floats, threshold: float) -> npt.NDArray[np.bool_]:
    """Matches that agree with the better of a fundamental matrix and a homography."""
    import cv2

    cv2.setRNGSeed(1)
    keep = np.zeros(len(points_a), dtype=bool)
    try:
        _, mask = cv2.findFundamentalMat(
            points_a, points_b, cv2.USAC_MAGSAC, threshold, 0.999, 5000
        )
    except cv2.error:
        mask = None  # degenerate: all points on one line, or too few
    if mask is not None:
        keep = mask.ravel() > 0
    plane = _fit_homography(points_a, points_b, 3 * threshold)
    if plane is not None and plane[1].sum() > keep.sum():
        keep = plane[1]
    return keep


def _fit_homography(
    points_a: Floats, points_b: Floats, threshold: float
) -> tuple[Floats, npt.NDArray[np.bool_]] | None:
    import cv2

    if len(points_a) < 4:
        return None
    cv2.setRNGSeed(1)
    try:
        matrix, mask = cv2.findHomography(
            points_a, points_b, cv2.USAC_MAGSAC, threshold, maxIters=5000, confidence=0.999
        )
    except cv2.error:
        return None  # degenerate points
    if matrix is None:
        return None
    return np.asarray(matrix), mask.ravel() > 0


def homography(frame_a: Any, frame_b: Any) -> Homography:
    """The homography from one picture to another (a plane, or a camera that only turned).

    Raises:
        NothingFound: Fewer than 12 matches agree with one homography.

    Example:
        >>> homography(frames[0], frames[1]).apply((400, 320))
    """
    a, b = as_frame(frame_a), as_frame(frame_b)
    points_a, points_b, _ = raw_matches(a, b)
    fit = _fit_homography(points_a, points_b, 3 * _threshold(a, b))
    if fit is None or fit[1].sum() < 12:
        found = 0 if fit is None else int(fit[1].sum())
        raise NothingFound(
            f"only {found} of {len(points_a)} matches agree with one homography",
            hint="transfer(point, a, b) for a single pixel, or match(a, b)",
        )
    matrix, keep = fit
    result = Homography(matrix, int(keep.sum()), len(points_a), 0.0, a.position, b.position)
    errors = np.linalg.norm(result.apply(points_a[keep]) - points_b[keep], axis=1)
    result.error_px = float(np.median(errors))
    return result


def transfer(point: Any, frame_a: Any, frame_b: Any) -> Transfer:
    """Which pixel of `frame_b` shows pixel `point` of `frame_a`.

    A homography where one explains nearly all matches (a plane, or a turning camera), else an
    affine map fitted to the matches around the point, then refined by correlation of the patch.

    Args:
        point: (x, y) in `frame_a`.
        frame_a: First frame.
        frame_b: Second frame.

    Returns:
        `Transfer` with `.pixel`, `.sigma_px` and `.confidence`.

    Raises:
        ValueError: The point is outside the picture.
        NothingFound: Too few matches around the point, or it falls outside the second picture.

    Example:
        >>> transfer((400, 320), frames[0], frames[1]).pixel
    """
    a, b = as_frame(frame_a), as_frame(frame_b)
    pixel = np.asarray(point, dtype=np.float64).reshape(2)
    if not (0 <= pixel[0] < a.width and 0 <= pixel[1] < a.height):
        raise ValueError(f"pixel {tuple(pixel)} is outside the {a.width}x{a.height} picture")
    points_a, points_b, _ = raw_matches(a, b, longest=1600)
    threshold = _threshold(a, b)
    fit = _fit_homography(points_a, points_b, 3 * threshold)
    rigid = _rigid(points_a, points_b, threshold) if len(points_a) >= 8 else None
    agreeing = 0 if rigid is None else int(rigid.sum())
    if fit is not None and fit[1].sum() >= 15 and fit[1].sum() >= 0.7 * max(agreeing, 1):
        matrix, keep = fit
        near = np.linalg.norm(points_a[keep] - pixel, axis=1) < 0.25 * max(a.width, a.height)
        plane = Homography(matrix, int(keep.sum()), len(points_a), 0.0, a.position, b.position)
        errors = np.linalg.norm(plane.apply(points_a[keep]) - points_b[keep], axis=1)
        sigma = float(np.median(errors)) * 1.5 + 0.3
        found = plane.apply(pixel)[0]
        confidence = 0.95 if near.sum() >= 5 else 0.7
        return _checked(found, sigma, confidence, "homography", int(keep.sum()), a, b)
    if rigid is None or agreeing < 8:
        raise NothingFound(
            f"only {agreeing} matches between frames {a.position} and {b.position}",
            hint="frames that overlap more, or locate(frames[...], 'the thing') in both",
        )
    return _local_transfer(pixel, points_a[rigid], points_b[rigid], a, b)


def _local_transfer(
    pixel: Floats, points_a: Floats, points_b: Floats, a: Frame, b: Frame
) -> Transfer:
    """An affine map from the matches nearest to the pixel, then normalised correlation."""
    distance = np.linalg.norm(points_a - pixel, axis=1)
    order = np.argsort(distance)[:12]
    scale = max(float(distance[order[min(5, len(order) - 1)]]), 1.0)
    weights = np.exp(-0.5 * (distance[order] / scale) ** 2)
    offsets = np.c_[points_a[order] - pixel, np.ones(len(order))]
    # Robust weighted least squares; the ridge pulls towards a pure shift where points are few.
    ridge = np.diag([0.05 * scale**2, 0.05 * scale**2, 1e-6])
    start = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    solution, residual = start, np.zeros(len(order))
    for _ in range(8):
        normal = offsets.T @ (weights[:, None] * offsets) + ridge
        solution = start + np.linalg.solve(
            normal, offsets.T @ (weights[:, None] * (points_b[order] - offsets @ start))
        )
        residual = np.linalg.norm(offsets @ solution - points_b[order], axis=1)
        spread = max(float(np.median(residual)) * 1.5, 0.5)
        base = np.exp(-0.5 * (distance[order] / scale) ** 2)
        weights = base / (1 + (residual / spread) ** 2)
    found = solution[2]
    sigma = float(np.sqrt((weights * residual**2).sum() / weights.sum())) + 0.02 * scale + 0.3
    refined, correlation = _correlate(pixel, found, solution[:2].T, sigma, a, b)
    if correlation > 0.8:
        return _checked(
            refined, min(sigma, 1.0), min(0.95, correlation), "template", len(order), a, b
        )
    confidence = float(np.clip(1.0 - sigma / (0.05 * max(a.width, a.height)), 0.1, 0.9))
    return _checked(found, sigma, confidence, "local affine", len(order), a, b)


def _correlate(
    pixel: Floats, guess: Floats, affine: Floats, sigma: float, a: Frame, b: Frame
) -> tuple[Floats, float]:
    """Best place near `guess` for the patch around `pixel`, warped by the affine map."""
    import cv2

    half = int(max(8, max(a.width, a.height) / 80))
    reach = int(np.ceil(np.clip(3 * sigma, 3, 40)))
    inverse = np.linalg.inv(affine) if abs(np.linalg.det(affine)) > 0.05 else np.eye(2)
    size = 2 * half + 1
    warp = np.c_[inverse, pixel - inverse @ np.array([half, half])]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    patch = cv2.warpAffine(grey(a.image), warp, (size, size), flags=flags)
    if patch.std() < 6:
        return guess, 0.0
    corner = guess - half - reach
    width = size + 2 * reach
    shift = np.array([[1.0, 0.0, corner[0]], [0.0, 1.0, corner[1]]])
    window = cv2.warpAffine(grey(b.image), shift, (width, width), flags=flags)
    scores = cv2.matchTemplate(window, patch, cv2.TM_CCOEFF_NORMED)
    _, best, _, (x, y) = cv2.minMaxLoc(scores)
    return guess + np.array([x - reach, y - reach]), float(best)


def _checked(
    found: Floats, sigma: float, confidence: float, method: str, support: int, a: Frame, b: Frame
) -> Transfer:
    x, y = found
    if not (-0.5 <= x < b.width - 0.5 + sigma and -0.5 <= y < b.height - 0.5 + sigma):
        raise NothingFound(
            f"the point falls at ({x:.0f}, {y:.0f}), outside the {b.width}x{b.height} picture of "
            f"frame {b.position}",
            hint="another frame that shows it",
        )
    return Transfer(
        np.asarray(found, dtype=np.float64),
        sigma,
        confidence,
        method,
        support,
        a.position,
        b.position,
    )
