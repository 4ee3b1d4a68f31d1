"""Geometry of two views: relative pose, triangulation, and whether either can be known at all.

A relative pose here is (R, c): R (3, 3) turns axes of camera b into axes of camera a, and c (3,) is
the position of camera b in the axes of camera a (unit length unless the scale is known).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "TwoView",
    "degeneracy",
    "epipolar_errors",
    "fit_rotation",
    "refine",
    "relative_pose",
    "rotation_errors",
    "triangulate",
]

Floats = npt.NDArray[np.float64]


@dataclass(eq=False)
class TwoView:
    """A relative pose of two cameras, found from matches.

    Attributes:
        rotation: (3, 3) axes of camera b in axes of camera a.
        center: (3,) unit vector: position of camera b in the axes of camera a.
        focal: Focal length in pixels that was used or found (camera a).
        inliers: (N,) bool, the matches that agree.
        in_front: Part of the inliers that lie in front of both cameras, 0..1.
        error_px: Median Sampson distance of the inliers, pixels.
        cost: Robust sum of the errors, lower is better.
        inverse_depth: (N,) 1 / depth in camera a in units of the baseline; NaN for outliers.
    """

    rotation: Floats
    center: Floats
    focal: float
    inliers: npt.NDArray[np.bool_]
    in_front: float
    error_px: float
    cost: float
    inverse_depth: Floats = field(default_factory=lambda: np.empty(0))


def normalised(points: Floats, intrinsics: Floats) -> Floats:
    """(N, 3) rays with z = 1 in camera axes for (N, 2) pixels."""
    homogeneous = np.c_[points, np.ones(len(points))]
    return np.asarray(homogeneous @ np.linalg.inv(intrinsics).T)


def _cross(vector: Floats) -> Floats:
    x, y, z = vector
    return np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])


def epipolar_errors(
    points_a: Floats,
    points_b: Floats,
    rotation: Floats,
    center: Floats,
    intrinsics_a: Floats,
    intrinsics_b: Floats,
) -> Floats:
    """(N,) signed Sampson distances in pixels (Hartley and Zisserman, 2nd ed., 11.4.3)."""
    # x_b = R^T (x_a - c), hence x_a^T [c]x R x_b = 0.
    essential = _cross(center) @ rotation
    fundamental = np.linalg.inv(intrinsics_a).T @ essential @ np.linalg.inv(intrinsics_b)
    a = np.c_[points_a, np.ones(len(points_a))]
    b = np.c_[points_b, np.ones(len(points_b))]
    line_a = b @ fundamental.T
    line_b = a @ fundamental
    algebraic = (a * line_a).sum(axis=1)
    gradient = (line_a[:, :2] ** 2).sum(axis=1) + (line_b[:, :2] ** 2).sum(axis=1)
    return np.asarray(algebraic / np.sqrt(gradient + 1e-18))


def rotation_errors(
    points_a: Floats, points_b: Floats, rotation: Floats, k_a: Floats, k_b: Floats
) -> Floats:
    """(N,) distances in pixels between points of b and where a pure rotation puts those of a."""
    rays = normalised(points_a, k_a) @ rotation
    rays = rays / np.where(np.abs(rays[:, 2:]) < 1e-6, 1e-6, rays[:, 2:])
    return np.asarray(np.linalg.norm((rays @ k_b.T)[:, :2] - points_b, axis=1))


def triangulate(
    points_a: Floats,
    points_b: Floats,
    rotation: Floats,
    center: Floats,
    intrinsics_a: Floats,
    intrinsics_b: Floats,
) -> tuple[Floats, Floats, Floats]:
    """Points in camera a by the midpoint of the two rays, and how well they are known.

    Returns:
        points (N, 3) in camera a in units of `center`; depth along the optical axis in camera b
        (N,); angle between the rays (N,) in radians.
    """
    rays_a = normalised(points_a, intrinsics_a)
    rays_b = normalised(points_b, intrinsics_b) @ rotation.T
    aa = (rays_a**2).sum(axis=1)
    bb = (rays_b**2).sum(axis=1)
    ab = (rays_a * rays_b).sum(axis=1)
    ac, bc = rays_a @ center, rays_b @ center
    determinant = np.maximum(aa * bb - ab**2, 1e-15)
    along_a = (ac * bb - bc * ab) / determinant
    along_b = (ac * ab - bc * aa) / determinant
    points = (along_a[:, None] * rays_a + center + along_b[:, None] * rays_b) / 2
    angle = np.arctan2(np.sqrt(determinant), ab)
    return points, along_b, angle


def inverse_depths(
    points_a: Floats, points_b: Floats, rotation: Floats, center: Floats, k_a: Floats, k_b: Floats
) -> Floats:
    """(N,) 1 / depth in camera a, least squares in the second picture: stable for far points."""
    directions = normalised(points_a, k_a)
    # x_b ~ R^T (d - rho c): linear in rho for each coordinate of the second picture.
    turned = directions @ rotation
    moved = center @ rotation
    b = normalised(points_b, k_b)
    left = moved[:2] - b[:, :2] * moved[2]
    right = turned[:, :2] - b[:, :2] * turned[:, 2:]
    return np.asarray((left * right).sum(axis=1) / ((left**2).sum(axis=1) + 1e-15))


def _unpack(
    parameters: Floats, base_rotation: Floats, base_center: Floats, tangent: Floats
) -> tuple[Floats, Floats]:
    import cv2

    rotation = np.asarray(cv2.Rodrigues(parameters[:3])[0]) @ base_rotation
    center = base_center + tangent @ parameters[3:5]
    return rotation, center / np.linalg.norm(center)


def refine(
    points_a: Floats,
    points_b: Floats,
    rotation: Floats,
    center: Floats,
    intrinsics_a: Floats,
    intrinsics_b: Floats,
    *,
    focal_sigma: float = 0.0,
    noise_px: float = 0.7,
) -> tuple[Floats, Floats, float, float]:
    """Robust non-linear refinement of a relative pose, and of one common focal factor.

    Args:
        points_a: (N, 2) pixels in camera a.
        points_b: (N, 2) pixels in camera b.
        rotation: (3, 3) first guess.
        center: (3,) first guess.
        intrinsics_a: (3, 3).
        intrinsics_b: (3, 3).
        focal_sigma: Standard deviation of the logarithm of the focal length as given (0: it is
            exact and stays); one factor scales both cameras.
        noise_px: Error of a good match.

    Returns:
        rotation, center, the factor on the focal length, and the robust cost.
    """
    from scipy.optimize import least_squares

    _, _, basis = np.linalg.svd(center.reshape(1, 3))
    tangent = basis[1:].T

    def scaled(intrinsics: Floats, factor: float) -> Floats:
        return np.asarray(intrinsics * np.array([[factor, 1, 1], [1, factor, 1], [1, 1, 1]]))

    def residuals(parameters: Floats) -> Floats:
        r, c = _unpack(parameters, rotation, center, tangent)
        factor = float(np.exp(parameters[5] * focal_sigma)) if focal_sigma else 1.0
        errors = epipolar_errors(
            points_a, points_b, r, c, scaled(intrinsics_a, factor), scaled(intrinsics_b, factor)
        )
        return np.asarray(_cauchy(errors / noise_px))

    def whole(parameters: Floats) -> Floats:
        values = residuals(parameters)
        return np.r_[values, parameters[5]] if focal_sigma else values

    if len(points_a) > 500:  # enough for a direction; keeps the cost of a fit bounded
        pick = np.random.default_rng(1).choice(len(points_a), 500, replace=False)
        points_a, points_b = points_a[pick], points_b[pick]
    start = np.zeros(6 if focal_sigma else 5)
    fit = least_squares(whole, start, method="trf", x_scale=0.05, max_nfev=40)
    r, c = _unpack(fit.x, rotation, center, tangent)
    factor = float(np.exp(fit.x[5] * focal_sigma)) if focal_sigma else 1.0
    return r, c, factor, float(2 * fit.cost)


def _cauchy(errors: Floats) -> Floats:
    """Residuals whose squares are the Cauchy loss: least squares on them is robust."""
    return np.asarray(np.sign(errors) * np.sqrt(np.log1p(errors**2)))


def relative_pose(
    points_a: Floats,
    points_b: Floats,
    intrinsics_a: Floats,
    intrinsics_b: Floats,
    *,
    threshold_px: float = 1.5,
    focal_sigma: float = 0.0,
) -> TwoView | None:
    """The relative pose of two cameras from matches: five-point RANSAC, then refinement.

    Args:
        points_a: (N, 2) pixels in camera a.
        points_b: (N, 2) pixels in camera b.
        intrinsics_a: (3, 3).
        intrinsics_b: (3, 3).
        threshold_px: Distance from the epipolar line that an inlier may have.
        focal_sigma: Doubt about the focal length, standard deviation of its logarithm.

    Returns:
        The pose, or None when fewer than 8 matches agree with one.
    """
    import cv2

    if len(points_a) < 8:
        return None
    focal = float(intrinsics_a[0, 0])
    rays_a = np.ascontiguousarray(normalised(points_a, intrinsics_a)[:, :2])
    rays_b = np.ascontiguousarray(normalised(points_b, intrinsics_b)[:, :2])
    cv2.setRNGSeed(1)
    mean_focal = np.sqrt(focal * float(intrinsics_b[0, 0]))
    try:
        essential, mask = cv2.findEssentialMat(
            rays_a, rays_b, np.eye(3), cv2.USAC_MAGSAC, 0.999, threshold_px / mean_focal, 2000
        )
    except cv2.error:
        return None  # degenerate sample: all points on one line
    if essential is None or essential.shape != (3, 3) or mask.sum() < 8:
        return None
    keep = mask.ravel() > 0
    # recoverPose: x_b = R x_a + t.
    _, r, t, _ = cv2.recoverPose(essential, rays_a[keep], rays_b[keep], np.eye(3), 1e9)[:4]
    start = r.T, (-r.T @ t).ravel()
    return complete(
        points_a,
        points_b,
        start[0],
        start[1],
        intrinsics_a,
        intrinsics_b,
        threshold_px=threshold_px,
        focal_sigma=focal_sigma,
    )


def complete(
    points_a: Floats,
    points_b: Floats,
    rotation: Floats,
    center: Floats,
    intrinsics_a: Floats,
    intrinsics_b: Floats,
    *,
    threshold_px: float,
    focal_sigma: float,
) -> TwoView | None:
    """Refines a first guess of a pose and says what it is worth."""
    r, c, factor, cost = refine(
        points_a,
        points_b,
        rotation,
        center,
        intrinsics_a,
        intrinsics_b,
        focal_sigma=focal_sigma,
        noise_px=threshold_px / 2,
    )
    scale = np.array([[factor, 1, 1], [1, factor, 1], [1, 1, 1]])
    k_a, k_b = intrinsics_a * scale, intrinsics_b * scale
    errors = np.abs(epipolar_errors(points_a, points_b, r, c, k_a, k_b))
    keep = errors < 2 * threshold_px
    if keep.sum() < 8:
        return None
    inverse = inverse_depths(points_a, points_b, r, c, k_a, k_b)
    # The epipolar error does not know the sign of c: take the one that puts points in front.
    parallax = np.abs(inverse) > 1e-3
    if (np.sign(inverse) * (keep & parallax)).sum() < 0:
        c, inverse = -c, -inverse
    noise = _inverse_depth_noise(points_a, points_b, r, c, k_a, k_b, threshold_px)
    clear = keep & (np.abs(inverse) > 2 * noise)
    in_front = float((inverse[clear] > 0).mean()) if clear.any() else 0.5
    inverse = np.where(keep, inverse, np.nan)
    return TwoView(
        r, c, float(k_a[0, 0]), keep, in_front, float(np.median(errors[keep])), cost, inverse
    )


def _inverse_depth_noise(
    points_a: Floats, points_b: Floats, r: Floats, c: Floats, k_a: Floats, k_b: Floats, px: float
) -> Floats:
    moved = c @ r
    b = normalised(points_b, k_b)
    lever = np.linalg.norm(moved[:2] - b[:, :2] * moved[2], axis=1)
    return np.asarray(px / float(k_b[0, 0]) / np.maximum(lever, 1e-9))


def fit_rotation(
    points_a: Floats,
    points_b: Floats,
    intrinsics_a: Floats,
    intrinsics_b: Floats,
    *,
    threshold_px: float = 1.5,
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """The rotation that best explains the matches without any translation.

    Two-point RANSAC (Kabsch on the rays), then a least-squares fit to the inliers.

    Returns:
        rotation (3, 3), axes of camera b in axes of camera a, and the inliers (N,).
    """
    a = normalised(points_a, intrinsics_a)
    b = normalised(points_b, intrinsics_b)
    a /= np.linalg.norm(a, axis=1, keepdims=True)
    b /= np.linalg.norm(b, axis=1, keepdims=True)
    generator = np.random.default_rng(1)
    best, best_cost = np.eye(3), np.inf
    some = generator.permutation(len(a))[:250]
    some_a, some_b = points_a[some], points_b[some]
    for _ in range(80):
        pick = generator.choice(len(a), 2, replace=False)
        rotation = _kabsch(a[pick], b[pick])
        errors = rotation_errors(some_a, some_b, rotation, intrinsics_a, intrinsics_b)
        cost = float(np.minimum(errors, 3 * threshold_px).sum())
        if cost < best_cost:
            best, best_cost = rotation, cost
    keep = np.ones(len(a), dtype=bool)
    for _ in range(3):
        errors = rotation_errors(points_a, points_b, best, intrinsics_a, intrinsics_b)
        keep = errors < 3 * threshold_px
        if keep.sum() < 3:
            break
        best = _kabsch(a[keep], b[keep])
    return best, keep


def _kabsch(a: Floats, b: Floats) -> Floats:
    u, _, vt = np.linalg.svd(a.T @ b)
    sign = np.sign(np.linalg.det(u @ vt))
    return np.asarray(u @ np.diag([1, 1, sign]) @ vt)


def degeneracy(
    points_a: Floats,
    points_b: Floats,
    view: TwoView,
    k_a: Floats,
    k_b: Floats,
    *,
    threshold_px: float = 1.5,
) -> dict[str, Any]:
    """Whether the translation can be known: parallax left when a rotation is taken out.

    Returns:
        `rotation` (3, 3) of the best pure rotation, `rotation_only` part of the pose's inliers that
        it explains, `parallax_px` 80th percentile of what it leaves, `plane` part that one
        homography explains.
    """
    import cv2

    keep = view.inliers
    a, b = points_a[keep], points_b[keep]
    rotation, explained = fit_rotation(a, b, k_a, k_b, threshold_px=threshold_px)
    errors = rotation_errors(a, b, rotation, k_a, k_b)
    plane = 0.0
    if len(a) >= 8:
        _, mask = cv2.findHomography(a, b, cv2.RANSAC, 2 * threshold_px)
        plane = 0.0 if mask is None else float(mask.mean())
    return {
        "rotation": rotation,
        "rotation_only": float(explained.mean()),
        "parallax_px": float(np.percentile(errors, 80)),
        "plane": plane,
    }
