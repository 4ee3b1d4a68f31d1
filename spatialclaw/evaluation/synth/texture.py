"""Colours of surfaces: patterns laid over a surface's own coordinates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from spatialclaw.evaluation.synth.mesh import Material

__all__ = ["albedo", "value_noise"]

Floats = npt.NDArray[np.float32]


def albedo(
    materials: Sequence[Material], which: npt.NDArray[np.int64], texture: Floats
) -> tuple[Floats, Floats, Floats]:
    """Linear colour (N, 3), gloss (N,) and glow (N,) of N points of a scene.

    Args:
        materials: All materials of the scene.
        which: (N,) index of each point's material.
        texture: (N, 3) the pattern's coordinates of each point.
    """
    colour = np.zeros((len(which), 3), np.float32)
    gloss = np.array([m.gloss for m in materials], np.float32)[which]
    glow = np.array([m.glow for m in materials], np.float32)[which]
    order = np.argsort(which, kind="stable")
    cuts = np.searchsorted(which[order], np.arange(len(materials) + 1))
    for index in np.unique(which):
        chosen = order[cuts[index] : cuts[index + 1]]
        colour[chosen] = _pattern(materials[index], texture[chosen])
    return colour, gloss, glow


def _linear(srgb: npt.ArrayLike) -> Floats:
    values = np.asarray(srgb, dtype=np.float32)
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4).astype(
        np.float32
    )


def value_noise(points: Floats, seed: int = 0) -> Floats:
    """(N,) smooth noise in 0..1 over (N, 3) points, one bump a unit."""
    base = np.floor(points).astype(np.int64)
    local = points - base
    local = local * local * (3 - 2 * local)
    total = np.zeros(len(points), np.float32)
    for corner in range(8):
        offset = np.array([corner & 1, corner >> 1 & 1, corner >> 2 & 1])
        weight = np.prod(np.where(offset, local, 1 - local), axis=1)
        cell = (base + offset).astype(np.uint64)
        with np.errstate(over="ignore"):
            key = (
                cell[:, 0] * np.uint64(0x9E3779B97F4A7C15)
                ^ cell[:, 1] * np.uint64(0xC2B2AE3D27D4EB4F)
                ^ cell[:, 2] * np.uint64(0x165667B19E3779F9)
            ) + np.uint64(seed)
            key = (key ^ key >> np.uint64(29)) * np.uint64(0xBF58476D1CE4E5B9)
        total += weight * ((key >> np.uint64(40)).astype(np.float32) / 2**24)
    return total


def _pattern(material: Material, texture: Floats) -> Floats:
    first, second = _linear(material.colour), _linear(material.second)
    scaled = texture / material.scale
    if material.pattern == "picture":
        assert material.picture is not None
        return _lookup(material.picture, texture)
    if material.pattern == "plain":
        return np.broadcast_to(first, texture.shape).astype(np.float32)
    if material.pattern == "wood":
        grain = value_noise(scaled * np.array([1.2, 14, 14], np.float32))
        rings = value_noise(scaled * np.array([0.7, 4, 4], np.float32), 3)
        mix = 0.55 * grain + 0.45 * rings
    elif material.pattern == "planks":
        row = np.floor(scaled[:, 1])
        shift = (row * 0.37) % 1 * 7
        board = np.floor(scaled[:, 0] / 7 + shift)
        tone = value_noise(np.stack([row * 3.7, board * 5.3, row * 0], 1).astype(np.float32), 5)
        grain = value_noise(scaled * np.array([1.0, 9, 1], np.float32))
        edge = np.abs(scaled[:, 1] - row - 0.5) > 0.485
        end = np.abs((scaled[:, 0] / 7 + shift) - board - 0.5) > 0.497
        mix = np.where(edge | end, 1.6, 0.6 * tone + 0.4 * grain)
    elif material.pattern == "tiles":
        inside = np.abs(scaled - np.floor(scaled) - 0.5)[:, :2]
        tone = value_noise(np.floor(scaled).astype(np.float32) * 2.3, 7)
        mix = np.where((inside > 0.48).any(1), 1.0, 0.25 * tone)
    elif material.pattern == "stripes":
        mix = (np.floor(scaled[:, 0]) % 2).astype(np.float32)
    elif material.pattern == "checker":
        # A hair off the integers: flat surfaces lie exactly on them.
        mix = np.floor(scaled + 1e-4).sum(1) % 2
    elif material.pattern == "fabric":
        mix = 0.5 * value_noise(scaled * 1.0) + 0.5 * value_noise(scaled * 4.1, 9)
    else:  # speckle
        mix = np.clip(value_noise(scaled) * 3.2 - 1.6, 0, 1)
    return (first + (second - first) * mix[:, None]).astype(np.float32)


def _lookup(picture: npt.NDArray[np.uint8], texture: Floats) -> Floats:
    height, width = picture.shape[:2]
    x = np.clip((texture[:, 0] * width).astype(np.int64), 0, width - 1)
    y = np.clip((texture[:, 1] * height).astype(np.int64), 0, height - 1)
    return _linear(picture[y, x].astype(np.float32) / 255)
