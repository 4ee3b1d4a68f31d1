"""OWLv2: boxes of whatever words name, several words at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from spatialclaw.perception.adapter import Adapter, Call, ModelInfo, Output
from spatialclaw.perception.adapters.common import TOKENIZER, TorchAdapter, hub_files
from spatialclaw.perception.adapters.grounding_dino import asked_of, detections

__all__ = ["Owlv2", "adapters"]

SIZES = {
    "base": ("google/owlv2-base-patch16-ensemble", 155_000_000),
    "large": ("google/owlv2-large-patch14-ensemble", 438_000_000),
}


class Owlv2(TorchAdapter):
    """Method "detect": params text, min_score (0.2), max_instances."""

    def __init__(self, size: str) -> None:
        super().__init__()
        hub, count = SIZES[size]
        self.info = ModelInfo(
            name=f"owlv2-{size}",
            methods=("detect",),
            hub=hub,
            files=hub_files(*TOKENIZER),
            licence="Apache-2.0",
            memory_bytes=2 * count,
            download_bytes=4 * count,
            packages=("torch", "transformers", "safetensors"),
            note="Boxes from words; quicker with many words than Grounding DINO.",
        )

    def _open(self, folder: Path) -> dict[str, Any]:
        from transformers import AutoImageProcessor, AutoTokenizer, Owlv2ForObjectDetection

        return {
            "model": self._model(Owlv2ForObjectDetection, folder),
            "pictures": AutoImageProcessor.from_pretrained(folder, local_files_only=True),
            "words": AutoTokenizer.from_pretrained(folder, local_files_only=True),
        }

    def _answer(self, calls: Sequence[Call]) -> list[Output]:
        return [self._detect(call) for call in calls]

    def _detect(self, call: Call) -> Output:
        image = call.images[0]
        height, width = image.shape[:2]
        asked = asked_of(call)
        length = int(self.parts["model"].config.text_config.max_position_embeddings)
        words = self.parts["words"](
            [f"a photo of a {phrase}" for phrase in asked],
            padding="max_length",
            max_length=length,
            truncation=True,
            return_tensors="pt",
        ).to(self.device)
        tensor = self.parts["pictures"](
            images=image, return_tensors="pt", input_data_format="channels_last"
        )["pixel_values"]
        found = self.parts["model"](
            input_ids=words["input_ids"],
            attention_mask=words["attention_mask"],
            pixel_values=tensor.to(self.device, self.dtype),
        )
        logits = found.logits[0].float()  # (queries, phrases)
        # Of logits, not of chances: two phrases of which the model is certain are both 1.
        best = logits.argmax(dim=1).cpu().numpy()
        sure = logits.amax(dim=1).sigmoid().cpu().numpy()
        kept = np.flatnonzero(sure > float(call.params.get("min_score", 0.2)))
        middles = found.pred_boxes[0].float().cpu().numpy()[kept]
        # The picture was padded below or to the right to a square, of which boxes are fractions.
        side = float(max(height, width))
        corners = np.concatenate(
            [middles[:, :2] - middles[:, 2:] / 2, middles[:, :2] + middles[:, 2:] / 2], axis=1
        )
        labels = [asked[int(best[place])] for place in kept]
        return detections(
            (corners * side).tolist(), sure[kept].tolist(), labels, (height, width), call
        )


def adapters() -> list[Adapter]:
    """Both sizes of the ensemble checkpoints, the ones their authors recommend."""
    return [Owlv2(size) for size in SIZES]
