"""Bundle adjustment: cameras and points moved together until the pictures agree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Problem", "adjust", "residuals"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(eq=False)
class Problem:
    """Cameras, points and where each point is seen.

    Attributes:
        rotations: (C, 3, 3) world to camera.
        translations: (C, 3) world to camera.
        focals: (C,) pixels; both axes.
        centers: (C, 2) principal points, pixels.
        points: (P, 3) in the world.
        camera: (N,) camera of each observation.
        point: (N,) point of each observation.
        pixels: (N, 2) where it is seen.
    """

    rotations: Floats
    translations: Floats
    focals: Floats
    centers: Floats
    points: Floats
    camera: Ints
    point: Ints
    pixels: Floats


def _camera_points(problem: Problem) -> Floats:
    turned = np.einsum(
        "nij,nj->ni", problem.rotations[problem.camera], problem.points[problem.point]
    )
    return np.asarray(turned)


def residuals(problem: Problem) -> Floats:
    """(N, 2) projected minus seen, pixels; large for points behind the camera."""
    seen = _camera_points(problem) + problem.translations[problem.camera]
    z = np.where(seen[:, 2] > 1e-6, seen[:, 2], 1e-6)
    image = seen[:, :2] / z[:, None] * problem.focals[problem.camera, None]
    return np.asarray(image + problem.centers[problem.camera] - problem.pixels)


def adjust(
    problem: Problem,
    *,
    rounds: int = 15,
    huber_px: float = 2.0,
    free_focal: bool = False,
    focal_sigma: float = 0.3,
) -> float:
    """Levenberg-Marquardt with the points eliminated (Triggs et al., 1999, section 6).

    The first camera stays where it is. Changes the problem in place.

    Args:
        problem: What to adjust.
        rounds: Most iterations.
        huber_px: Errors above this count linearly.
        free_focal: One common factor on all focal lengths is adjusted too.
        focal_sigma: How far, as a logarithm, the focal length may be off.

    Returns:
        Median error, pixels.
    """
    damping = 1e-3
    prior = np.log(problem.focals[0])
    cost = _cost(problem, huber_px)
    for _ in range(rounds):
        step = _step(problem, huber_px, damping, free_focal, prior, focal_sigma)
        if step is None:
            damping *= 10
            continue
        before = (
            problem.rotations.copy(),
            problem.translations.copy(),
            problem.points.copy(),
            problem.focals.copy(),
        )
        _apply(problem, *step)
        after = _cost(problem, huber_px)
        if after < cost:
            gain = (cost - after) / max(cost, 1e-12)
            cost, damping = after, max(damping / 5, 1e-9)
            if gain < 1e-4:
                break
        else:
            problem.rotations, problem.translations, problem.points, problem.focals = before
            damping *= 8
            if damping > 1e6:
                break
    return float(np.median(np.linalg.norm(residuals(problem), axis=1)))


def _cost(problem: Problem, huber: float) -> float:
    size = np.linalg.norm(residuals(problem), axis=1)
    return float(np.where(size < huber, size**2, 2 * huber * size - huber**2).sum())


def _step(
    problem: Problem, huber: float, damping: float, free_focal: bool, prior: float, sigma: float
) -> tuple[Floats, Floats, float] | None:
    cameras, points = len(problem.rotations), len(problem.points)
    turned = _camera_points(problem)
    seen = turned + problem.translations[problem.camera]
    z = np.where(seen[:, 2] > 1e-6, seen[:, 2], 1e-6)
    f = problem.focals[problem.camera]
    error = residuals(problem)
    size = np.linalg.norm(error, axis=1)
    weight = np.where(size < huber, 1.0, huber / np.maximum(size, 1e-9))
    weight = np.where(seen[:, 2] > 1e-6, weight, 0.0)
    project = np.zeros((len(z), 2, 3))
    project[:, 0, 0] = project[:, 1, 1] = f / z
    project[:, 0, 2] = -f * seen[:, 0] / z**2
    project[:, 1, 2] = -f * seen[:, 1] / z**2
    turn = np.zeros((len(z), 3, 3))  # derivative of exp(d) R X by d: -[R X]x
    turn[:, 0, 1], turn[:, 0, 2] = turned[:, 2], -turned[:, 1]
    turn[:, 1, 0], turn[:, 1, 2] = -turned[:, 2], turned[:, 0]
    turn[:, 2, 0], turn[:, 2, 1] = turned[:, 1], -turned[:, 0]
    by_camera = np.concatenate([project @ turn, project], axis=2)
    by_point = project @ problem.rotations[problem.camera]
    by_focal = (seen[:, :2] / z[:, None] * f[:, None])[..., None]
    size_c = 6 * cameras + 1
    full = np.zeros((len(z), 2, 7))
    full[..., :6], full[..., 6:] = by_camera, by_focal if free_focal else 0.0
    weighted = full * weight[:, None, None]
    index = np.c_[6 * problem.camera[:, None] + np.arange(6), np.full(len(z), size_c - 1)]
    normal = np.zeros((size_c, size_c))
    np.add.at(normal, (index[:, :, None], index[:, None, :]), np.swapaxes(weighted, 1, 2) @ full)
    right = np.zeros(size_c)
    np.add.at(right, index, -np.einsum("nij,ni->nj", weighted, error))
    if free_focal:
        normal[-1, -1] += 1 / sigma**2
        right[-1] -= (np.log(problem.focals[0]) - prior) / sigma**2
    block = np.zeros((points, 3, 3))
    np.add.at(
        block, problem.point, np.swapaxes(by_point, 1, 2) @ (by_point * weight[:, None, None])
    )
    side = np.zeros((points, 3))
    np.add.at(
        side, problem.point, -np.einsum("nij,ni->nj", by_point * weight[:, None, None], error)
    )
    block += (damping * np.maximum(np.trace(block, axis1=1, axis2=2), 1e-9) / 3)[
        :, None, None
    ] * np.eye(3) + 1e-12 * np.eye(3)
    inverse = np.linalg.inv(block)
    cross = np.swapaxes(weighted, 1, 2) @ by_point  # (N, 7, 3)
    # Sums of W V^-1 W^T over pairs of observations of one point, by a dense matrix for each point.
    lines = np.zeros((size_c, 3 * points))
    columns = 3 * problem.point[:, None] + np.arange(3)
    np.add.at(lines, (index[:, :, None], columns[:, None, :]), cross)
    scaled = np.einsum("cpi,pij->cpj", lines.reshape(size_c, points, 3), inverse)
    reduced = normal - scaled.reshape(size_c, -1) @ lines.T
    reduced[np.diag_indices(size_c)] += damping * np.maximum(np.diag(normal), 1e-9) + 1e-9
    target = right - scaled.reshape(size_c, -1) @ side.ravel()
    fixed = list(range(6)) + ([] if free_focal else [size_c - 1])
    reduced[fixed], reduced[:, fixed], target[fixed] = 0.0, 0.0, 0.0
    reduced[fixed, fixed] = 1.0
    try:
        solution = np.linalg.solve(reduced, target)
    except np.linalg.LinAlgError:
        return None
    rest = side.ravel() - lines.T @ solution
    moved = np.einsum("pij,pj->pi", inverse, rest.reshape(points, 3))
    return solution[:-1].reshape(cameras, 6), moved, float(solution[-1])


def _apply(problem: Problem, cameras: Floats, points: Floats, focal: float) -> None:
    import cv2

    turns = np.array([cv2.Rodrigues(row[:3])[0] for row in cameras])
    problem.rotations = turns @ problem.rotations
    problem.translations = problem.translations + cameras[:, 3:]
    problem.points = problem.points + points
    problem.focals = problem.focals * np.exp(np.clip(focal, -0.3, 0.3))
