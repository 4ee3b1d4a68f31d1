"""Makes exact depth and instance maps as imperfect as perception is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spatialclaw.evaluation.synth.render import View

__all__ = ["Degradation", "degraded"]


@dataclass(frozen=True)
class Degradation:
    """How depth and instance maps are spoiled.

    Attributes:
        depth_noise: Standard deviation of the depth, as a fraction of it.
        depth_bias: Factor on all depth, 1 for none: what a wrong scale does.
        depth_dropout: Share of the picture without depth, in blotches.
        object_dropout: Chance that an object is missed in a picture.
        edge: Pixels by which the outlines of objects are off, at most.
    """

    depth_noise: float = 0.0
    depth_bias: float = 1.0
    depth_dropout: float = 0.0
    object_dropout: float = 0.0
    edge: int = 0


def degraded(view: View, how: Degradation, seed: int) -> View:
    """The same picture with spoiled depth and instances."""
    import cv2

    rng = np.random.default_rng([seed, 8])
    depth: npt.NDArray[np.float32] = view.depth * np.float32(how.depth_bias)
    if how.depth_noise:
        noise = rng.standard_normal(depth.shape, dtype=np.float32)
        np.multiply(depth, 1 + how.depth_noise * noise, out=depth, casting="same_kind")
    if how.depth_dropout:
        height, width = depth.shape
        coarse = rng.random((height // 16 + 2, width // 16 + 2), dtype=np.float32)
        smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
        depth[smooth < np.quantile(smooth, how.depth_dropout)] = 0
    instances = view.instances.copy()
    if how.edge:
        # Each pixel takes the label of one nearby: outlines wobble.
        height, width = instances.shape
        y, x = np.mgrid[:height, :width].astype(np.float32)
        shape = (2, height // 24 + 2, width // 24 + 2)
        coarse = rng.uniform(-how.edge, how.edge, shape).astype(np.float32)
        across, down = (cv2.resize(shift, (width, height)) for shift in coarse)
        instances = cv2.remap(
            instances, x + across, y + down, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE
        )
    for number in np.unique(instances):
        if number and rng.random() < how.object_dropout:
            instances[instances == number] = 0
    return View(view.image, depth.astype(np.float32), instances.astype(np.uint16))
