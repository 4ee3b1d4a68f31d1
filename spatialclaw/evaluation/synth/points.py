"""Questions about pixels of a calibrated stereo pair."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
import numpy.typing as npt

from spatialclaw.evaluation.synth.camera import Camera
from spatialclaw.evaluation.synth.questions import Question, choice, number
from spatialclaw.evaluation.synth.render import View

__all__ = ["pixel_questions", "right_camera"]


def right_camera(camera: Camera, baseline: float) -> Camera:
    """The second camera of a rectified pair, `baseline` metres to the right."""
    pose = camera.pose.copy()
    pose[:3, 3] += pose[:3, 0] * baseline
    return camera.at(pose, camera.time)


def fair_pixels(view: View, rng: np.random.Generator, wanted: int = 12) -> list[tuple[int, int]]:
    """(x, y) on smooth surfaces with enough texture to be found again, far from one another."""
    import cv2

    grey = cv2.cvtColor(view.image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    mean, square = cv2.blur(grey, (15, 15)), cv2.blur(grey * grey, (15, 15))
    textured = np.sqrt(np.maximum(square - mean**2, 0)) > 9
    box = np.ones((17, 17), np.uint8)
    spread = cv2.dilate(view.depth, box) - cv2.erode(view.depth, box)
    good = textured & (spread < 0.05 * view.depth) & (view.depth > 0.5)
    height, width = good.shape
    good[: height // 8] = good[-height // 8 :] = False
    good[:, : width // 5] = good[:, -width // 6 :] = False
    y, x = np.nonzero(good)
    chosen: list[tuple[int, int]] = []
    for k in rng.permutation(len(x)):
        if all(np.hypot(x[k] - a, y[k] - b) > 45 for a, b in chosen):
            chosen.append((int(x[k]), int(y[k])))
        if len(chosen) == wanted:
            break
    return chosen


def pixel_questions(
    camera: Camera, view: View, rng: np.random.Generator
) -> dict[str, list[Question]]:
    """Candidates by family, about the left picture of a pair."""
    pixels = fair_pixels(view, rng)
    world = {p: _point(camera, view.depth, p) for p in pixels}
    ranges = {p: float(np.linalg.norm(world[p] - camera.position)) for p in pixels}
    return {
        "distance to camera": list(_depths(view, pixels, ranges)),
        "distance": list(_spans(pixels, world)),
        "closer": list(_nearer(pixels, ranges, rng)),
    }


def _point(
    camera: Camera, depth: npt.NDArray[np.float32], pixel: tuple[int, int]
) -> npt.NDArray[np.float64]:
    mask = np.zeros(depth.shape, bool)
    mask[pixel[1], pixel[0]] = True
    point: npt.NDArray[np.float64] = camera.unproject(depth, mask)[0]
    return point


def _depths(
    view: View, pixels: list[tuple[int, int]], ranges: dict[tuple[int, int], float]
) -> Iterator[Question]:
    for x, y in pixels:
        depth = float(view.depth[y, x])
        if ranges[x, y] < 1.05 * depth:  # along the ray or along the axis: nearly the same
            text = (
                f"How far from the camera is the surface at pixel ({x}, {y}) of the left image,"
                " in meters?"
            )
            yield number("distance to camera", text, depth, "m")


def _spans(
    pixels: list[tuple[int, int]], world: dict[tuple[int, int], npt.NDArray[np.float64]]
) -> Iterator[Question]:
    for a, b in combinations(pixels, 2):
        true = float(np.linalg.norm(world[a] - world[b]))
        if true > 0.8:
            text = (
                f"What is the distance in meters between the point at pixel ({a[0]}, {a[1]}) and"
                f" the point at pixel ({b[0]}, {b[1]}) of the left image?"
            )
            yield number("distance", text, true, "m")


def _nearer(
    pixels: list[tuple[int, int]],
    ranges: dict[tuple[int, int], float],
    rng: np.random.Generator,
) -> Iterator[Question]:
    for a, b in combinations(pixels, 2):
        near, far = sorted((a, b), key=ranges.__getitem__)
        if ranges[far] > 1.25 * ranges[near]:
            words = [f"the point at pixel ({p[0]}, {p[1]})" for p in (a, b)]
            text = f"Which is closer to the camera, {words[0]} or {words[1]}?"
            right, wrong = (words[0], words[1]) if near == a else (words[1], words[0])
            yield choice("closer", text, right, [wrong], rng)
