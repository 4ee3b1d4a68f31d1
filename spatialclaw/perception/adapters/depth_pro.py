"""Depth Pro: metric depth and focal length from one picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from spatialclaw.perception.adapter import Adapter, Call, ModelInfo, Output
from spatialclaw.perception.adapters import pixels
from spatialclaw.perception.adapters.common import TorchAdapter, hub_files

__all__ = ["DepthPro", "adapters"]


class DepthPro(TorchAdapter):
    """Method "depth"; array or param intrinsics (3, 3), when known, sets the scale."""

    info = ModelInfo(
        name="depth-pro",
        methods=("depth",),
        hub="apple/DepthPro-hf",
        files=hub_files(),
        licence="Apple AMLR (research)",
        memory_bytes=2 * 952_000_000,
        download_bytes=4 * 952_000_000,
        packages=("torch", "transformers", "safetensors"),
        note="Metric depth and focal length from one picture; sharp edges; slow without a GPU.",
    )

    def _open(self, folder: Path) -> dict[str, Any]:
        from transformers import DepthProForDepthEstimation

        return {"model": self._model(DepthProForDepthEstimation, folder)}

    def _answer(self, calls: Sequence[Call]) -> list[Output]:
        import torch
        import torch.nn.functional as functional

        said = self._statistics()
        side = said.get("size") or {"height": 1536, "width": 1536}
        size = (int(side["height"]), int(side["width"]))
        half = (0.5, 0.5, 0.5)
        mean, std = said.get("image_mean", half), said.get("image_std", half)
        batch = torch.cat(
            [pixels.normalised_then_resized(c.images[0], size, mean, std) for c in calls]
        )
        found = self.parts["model"](pixel_values=batch.to(self.device, self.dtype))
        angles = found.field_of_view
        results = []
        for place, call in enumerate(calls):
            height, width = call.images[0].shape[:2]
            inverse = found.predicted_depth[place].float()
            given = call.arrays.get("intrinsics", call.params.get("intrinsics"))
            focal = None
            guessed = None
            if angles is not None:
                angle = torch.deg2rad(angles[place].float().reshape(()))
                looked = float(0.5 * width / torch.tan(0.5 * angle))
                guessed = looked if math.isfinite(looked) and looked > 0 else None
                focal = guessed
            if given is not None:
                focal = float(np.asarray(given, dtype=np.float64).reshape(-1, 3, 3)[0, 0, 0])
            if focal is not None:
                # The network's inverse depth is that of a camera whose focal length is its width.
                inverse = inverse * width / focal
            large = functional.interpolate(
                inverse[None, None], size=(height, width), mode="bilinear", align_corners=False
            )[0, 0]
            depth = (1.0 / large.clamp(min=1e-4, max=1e4)).cpu().numpy()
            results.append(
                Output(
                    {"depth": depth.astype(np.float32)},
                    {
                        "focal_px": guessed if given is None else focal,
                        "focal_guess_px": guessed,
                        "metric": focal is not None,
                    },
                )
            )
        return results


def adapters() -> list[Adapter]:
    """The released model."""
    return [DepthPro()]
