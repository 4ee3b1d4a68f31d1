"""Pictures whose truth is known because they are made here."""

from __future__ import annotations

import cv2
import numpy as np


def texture(height: int = 240, width: int = 320, seed: int = 0) -> np.ndarray:
    """A grey-brown texture with detail at all scales, (H, W, 3) uint8."""
    generator = np.random.default_rng(seed)
    layers = np.zeros((height, width, 3), dtype=np.float32)
    for scale in (2, 5, 12, 30):
        small = generator.uniform(0, 1, (height // scale + 2, width // scale + 2, 3))
        layers += cv2.resize(small.astype(np.float32), (width, height)) / 4
    return (40 + 175 * layers).clip(0, 255).astype(np.uint8)


def shifted(image: np.ndarray, x: float, y: float) -> np.ndarray:
    """The picture moved by (x, y) pixels, its border repeated."""
    matrix = np.array([[1, 0, x], [0, 1, y]], dtype=np.float64)
    size = image.shape[1::-1]
    return cv2.warpAffine(image, matrix, size, borderMode=cv2.BORDER_REFLECT)
