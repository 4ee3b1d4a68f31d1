"""Depth Anything V2, the metric models: indoors up to 20 m, outdoors up to 80 m."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from spatialclaw.perception.adapter import Adapter, Call, Image, ModelInfo, Output
from spatialclaw.perception.adapters.common import TorchAdapter, hub_files

__all__ = ["DepthAnything", "adapters"]

SIZES = {"small": 24_800_000, "base": 97_500_000, "large": 335_300_000}


DOMAINS = {"indoor": "indoors, up to 20 m", "outdoor": "outdoors, up to 80 m"}


class DepthAnything(TorchAdapter):
    """One size for one kind of place. Method "depth"."""

    def __init__(self, size: str, where: str) -> None:
        super().__init__()
        self.domain = DOMAINS[where]
        self.info = ModelInfo(
            name=f"depth-anything-v2-{where}-{size}",
            methods=("depth",),
            hub=f"depth-anything/Depth-Anything-V2-Metric-{where.title()}-{size.title()}-hf",
            files=hub_files(),
            licence="Apache-2.0" if size == "small" else "CC-BY-NC-4.0",
            memory_bytes=2 * SIZES[size],
            download_bytes=4 * SIZES[size],
            packages=("torch", "transformers", "safetensors"),
            note=f"Metric depth from one picture, {where}s; fast on a CPU when small.",
        )

    def _open(self, folder: Path) -> dict[str, Any]:
        from transformers import AutoImageProcessor, DepthAnythingForDepthEstimation

        return {
            "model": self._model(DepthAnythingForDepthEstimation, folder),
            "processor": AutoImageProcessor.from_pretrained(folder, local_files_only=True),
        }

    def _answer(self, calls: Sequence[Call]) -> list[Output]:
        import torch
        import torch.nn.functional as functional

        tensors = [self._prepared(call.images[0]) for call in calls]
        # The processor keeps the aspect: only pictures of like shape go together.
        groups: dict[tuple[int, ...], list[int]] = {}
        for place, tensor in enumerate(tensors):
            groups.setdefault(tuple(tensor.shape), []).append(place)
        results: dict[int, Output] = {}
        for places in groups.values():
            batch = torch.cat([tensors[place] for place in places]).to(self.device, self.dtype)
            found = self.parts["model"](pixel_values=batch).predicted_depth.float()
            for place, each in zip(places, found, strict=True):
                height, width = calls[place].images[0].shape[:2]
                size = self._filled(height, width)
                large = functional.interpolate(
                    each[None, None], size=size, mode="bicubic", align_corners=False
                )[0, 0]
                depth = large[:height, :width].cpu().numpy().astype(np.float32)
                depth[~(depth > 0)] = np.nan
                results[place] = Output(
                    {"depth": depth}, {"focal_px": None, "metric": True, "domain": self.domain}
                )
        return [results[place] for place in range(len(calls))]

    def _filled(self, height: int, width: int) -> tuple[int, int]:
        """The size to which a narrow strip is filled up: upstream rounds such a side to nothing."""
        processor = self.parts["processor"]
        most = max(1, int(processor.size["height"]) // int(processor.ensure_multiple_of))
        return max(height, -(-width // most)), max(width, -(-height // most))

    def _prepared(self, image: Image) -> Any:
        """(1, 3, h, w) as upstream's processor makes it."""
        height, width = image.shape[:2]
        size = self._filled(height, width)
        if size != (height, width):
            fill = ((0, size[0] - height), (0, size[1] - width), (0, 0))
            image = np.pad(image, fill, mode="edge")
        # A picture of three rows would be taken for channels first if that were left open.
        return self.parts["processor"](
            images=image, return_tensors="pt", input_data_format="channels_last"
        )["pixel_values"]


def adapters() -> list[Adapter]:
    """Three sizes, two kinds of place."""
    return [DepthAnything(size, where) for where in ("indoor", "outdoor") for size in SIZES]
