"""SAM 2.1 on single pictures: points, boxes and masks in, instances out; or everything at once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spatialclaw.perception.adapter import Adapter, Call, Image, ModelInfo, Output
from spatialclaw.perception.adapters import pixels
from spatialclaw.perception.adapters.common import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    BadRequest,
    TorchAdapter,
    boxes_of,
    hub_files,
    instances,
    suppressed,
)

__all__ = ["SIZES", "Sam2", "adapters"]

SIZES = {"tiny": 38_900_000, "small": 46_000_000, "base-plus": 80_800_000, "large": 224_400_000}
"""Numbers of parameters, from the paper's model card."""


KEPT = 4
"""Pictures whose features stay in memory, 8 to 16 MB each."""


class Sam2(TorchAdapter):
    """One size of SAM 2.1.

    Methods "segment" (params points, labels, box or boxes; array mask (H, W) bool) and "automatic"
    (params side: points per side of the grid, min_score, min_stability, max_instances).
    """

    half = "bfloat16"

    def __init__(self, size: str) -> None:
        super().__init__()
        self._seen: dict[bytes, list[Any]] = {}
        self.info = ModelInfo(
            name=f"sam2.1-{size}",
            methods=("segment", "automatic"),
            hub=f"facebook/sam2.1-hiera-{size}",
            files=hub_files(),
            licence="Apache-2.0",
            memory_bytes=2 * SIZES[size],
            download_bytes=4 * SIZES[size],
            packages=("torch", "transformers", "safetensors"),
            note="Masks from points, boxes or masks, or of everything in the picture.",
        )

    def _open(self, folder: Path) -> dict[str, Any]:
        from transformers import Sam2Model

        return {"model": self._model(Sam2Model, folder)}

    @property
    def _side(self) -> int:
        return int(self.parts["model"].config.prompt_encoder_config.image_size)

    def _answer(self, calls: Sequence[Call]) -> list[Output]:
        import torch

        said = self._statistics()
        mean, std = said.get("image_mean", IMAGENET_MEAN), said.get("image_std", IMAGENET_STD)
        # Looking at a picture takes nearly all the time: each is looked at once, and the last few
        # stay known, because prompts for one picture come one after the other.
        keys = [_name_of(call.images[0]) for call in calls]
        seen = {key: self._seen[key] for key in keys if key in self._seen}
        fresh = {key: c.images[0] for key, c in zip(keys, calls, strict=True) if key not in seen}
        if fresh:
            square = (self._side, self._side)
            tensors = [
                pixels.resized_then_normalised(image, square, mean, std) for image in fresh.values()
            ]
            batch = torch.cat(tensors).to(self.device, self.dtype)
            levels = self.parts["model"].get_image_embeddings(batch)
            for place, key in enumerate(fresh):
                seen[key] = [level[place : place + 1].clone() for level in levels]
        for key in keys:
            self._seen.pop(key, None)
            self._seen[key] = seen[key]
        while len(self._seen) > KEPT:
            del self._seen[next(iter(self._seen))]
        results = []
        for call, key in zip(calls, keys, strict=True):
            answer = self._automatic if call.method == "automatic" else self._segment
            results.append(answer(call, seen[key]))
        return results

    def unload(self) -> None:
        """Frees the weights and what is known of the last pictures."""
        self._seen.clear()
        super().unload()

    def _segment(self, call: Call, seen: list[Any]) -> Output:
        import torch

        height, width = call.images[0].shape[:2]
        prompts: dict[str, Any] = {}
        boxes = call.params.get("boxes")
        if boxes is None and call.params.get("box") is not None:
            boxes = [call.params["box"]]
        points = call.params.get("points")
        if boxes is not None:
            corners = np.asarray(boxes, dtype=np.float64).reshape(-1, 2, 2)
            if not len(corners):
                return instances(np.zeros((0, height, width), bool), np.zeros(0), [])
            prompts["input_boxes"] = self._tensor(corners, height, width).reshape(1, -1, 4)
        if points is not None and len(points):
            spots = np.asarray(points, dtype=np.float64).reshape(1, 1, -1, 2)
            signs = call.params.get("labels") or [1] * spots.shape[2]
            prompts["input_points"] = self._tensor(spots, height, width)
            prompts["input_labels"] = torch.tensor([[list(map(int, signs))]], device=self.device)
        if "mask" in call.arrays:
            given = torch.from_numpy(np.asarray(call.arrays["mask"], dtype=np.float32))[None, None]
            # The decoder was trained on logits; its own scale for a certain pixel is about 10.
            prompts["input_masks"] = ((given * 2 - 1) * 10).to(self.device, self.dtype)
        if not prompts:
            raise BadRequest("segment needs points, box, boxes or mask")
        # One click says little: three readings (part, whole, group), and the surest is taken.
        vague = set(prompts) == {"input_points", "input_labels"} and len(points or ()) == 1
        found = self.parts["model"](image_embeddings=list(seen), multimask_output=vague, **prompts)
        logits, scores = found.pred_masks[0].float(), found.iou_scores[0].float()  # (k, m, ...)
        best = scores.argmax(dim=1)
        rows = torch.arange(len(best), device=best.device)
        masks = pixels.full_masks(logits[rows, best], (height, width))
        sure = scores[rows, best].clamp(0, 1).cpu().numpy()
        label = str(call.params.get("text") or "")
        return instances(masks, sure, [label] * len(masks))

    def _automatic(self, call: Call, seen: list[Any]) -> Output:
        """A grid of clicks; kept is what is sure, stable under the threshold, and no repetition.

        The thresholds are those of the authors' SAM2AutomaticMaskGenerator.
        """
        import torch

        height, width = call.images[0].shape[:2]
        side = int(call.params.get("side", 32))
        lowest = float(call.params.get("min_score", 0.8))
        steadiest = float(call.params.get("min_stability", 0.95))
        most = int(call.params.get("max_instances", 200))
        middles = (np.arange(side) + 0.5) / side
        grid = np.stack(np.meshgrid(middles * width, middles * height), axis=-1).reshape(-1, 2)
        spots = self._tensor(grid - 0.5, height, width)
        kept_logits, kept_scores = [], []
        for chunk in spots.split(64):
            labels = torch.ones((1, len(chunk), 1), dtype=torch.int64, device=self.device)
            found = self.parts["model"](
                image_embeddings=list(seen),
                input_points=chunk[None, :, None],
                input_labels=labels,
                multimask_output=True,
            )
            logits = found.pred_masks[0].flatten(0, 1).float()
            scores = found.iou_scores[0].flatten(0, 1).float()
            sure = scores > lowest
            logits, scores = logits[sure], scores[sure]
            steady = _stability(logits) > steadiest
            kept_logits.append(logits[steady].cpu())
            kept_scores.append(scores[steady].cpu())
        logits, scores = torch.cat(kept_logits), torch.cat(kept_scores)
        small = (logits > 0).numpy()
        order = suppressed(boxes_of(small), scores.numpy(), 0.7)[:most]
        masks = pixels.full_masks(logits[order], (height, width))
        some = masks.any(axis=(1, 2))
        sure = scores[order].clamp(0, 1).numpy()[some]
        return instances(masks[some], sure, [""] * int(some.sum()))

    def _tensor(self, points: npt.NDArray[Any], height: int, width: int) -> Any:
        import torch

        moved = pixels.to_model(points, (height, width), (self._side, self._side))
        return torch.from_numpy(moved).to(self.device, torch.float32)


def _name_of(image: Image) -> bytes:
    digest = hashlib.blake2b(repr(image.shape).encode(), digest_size=16)
    digest.update(np.ascontiguousarray(image).data)
    return digest.digest()


def _stability(logits: Any) -> Any:
    """Overlap of the masks at thresholds 1 and -1: 1 where the edge does not depend on it."""
    inner = (logits > 1).sum(dim=(-1, -2)).float()
    outer = (logits > -1).sum(dim=(-1, -2)).float()
    return inner / outer.clamp(min=1)


def adapters() -> list[Adapter]:
    """One for each size."""
    return [Sam2(size) for size in SIZES]
