"""Pictures to tensors and masks back, as the models' own processors do it, without torchvision.

The processors of SAM 2, SAM 3 and Depth Pro in transformers import torchvision, which is not to be
had for every build of torch. These few functions make the same numbers from the same pixels
(compared bit by bit in tests/perception/test_adapters_parity.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["full_masks", "normalised_then_resized", "resized_then_normalised", "to_model"]

Image = npt.NDArray[np.uint8]


def to_model(
    points: npt.NDArray[Any], size: tuple[int, int], target: tuple[int, int]
) -> npt.NDArray[np.float64]:
    """Pixels (..., 2) of a picture as pixels of its stretched copy; both count pixel centres.

    The centre of the first pixel is (0, 0) on both sides, so that half a pixel is added before
    scaling and taken off after: a pixel's middle stays its middle.

    Args:
        points: x, y in the picture.
        size: (height, width) of the picture.
        target: (height, width) of the copy.
    """
    scale = np.array([target[1] / size[1], target[0] / size[0]])
    return np.asarray((np.asarray(points, dtype=np.float64) + 0.5) * scale - 0.5)


def resized_then_normalised(
    image: Image, size: tuple[int, int], mean: Sequence[float], std: Sequence[float]
) -> Any:
    """(1, 3, h, w) float32: stretched as bytes, antialiased, then normalised (SAM 2, SAM 3)."""
    import torch
    import torch.nn.functional as functional

    tensor = torch.from_numpy(np.array(image, copy=True)).permute(2, 0, 1)[None]
    if tuple(tensor.shape[-2:]) != size:
        tensor = functional.interpolate(
            tensor, size=size, mode="bilinear", align_corners=False, antialias=True
        )
    return _normalised(tensor.contiguous(), mean, std)


def normalised_then_resized(
    image: Image, size: tuple[int, int], mean: Sequence[float], std: Sequence[float]
) -> Any:
    """(1, 3, h, w) float32: normalised, then stretched without antialiasing (Depth Pro)."""
    import torch
    import torch.nn.functional as functional

    tensor = torch.from_numpy(np.array(image, copy=True)).permute(2, 0, 1)[None].contiguous()
    tensor = _normalised(tensor, mean, std)
    if tuple(tensor.shape[-2:]) == size:
        return tensor
    return functional.interpolate(tensor, size=size, mode="bilinear", align_corners=False)


def _normalised(tensor: Any, mean: Sequence[float], std: Sequence[float]) -> Any:
    import torch

    middle = torch.tensor(mean) * (1.0 / (1 / 255))
    spread = torch.tensor(std) * (1.0 / (1 / 255))
    return tensor.to(torch.float32).sub_(middle[:, None, None]).div_(spread[:, None, None])


def full_masks(logits: Any, size: tuple[int, int], threshold: float = 0.0) -> npt.NDArray[np.bool_]:
    """(k, h, w) logits as (k, H, W) bool in the picture's own pixels, one after the other.

    One after the other, because all in float32 at once would take gigabytes for large pictures.
    """
    import torch.nn.functional as functional

    result = np.zeros((len(logits), *size), dtype=np.bool_)
    for place, each in zip(result, logits, strict=True):
        large = functional.interpolate(
            each[None, None].float(), size=size, mode="bilinear", align_corners=False
        )
        place[:] = (large[0, 0] > threshold).cpu().numpy()
    return result
