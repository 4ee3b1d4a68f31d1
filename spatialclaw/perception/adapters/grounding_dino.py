"""Grounding DINO: boxes of whatever a phrase names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from spatialclaw.perception.adapter import Adapter, Call, ModelInfo, Output
from spatialclaw.perception.adapters.common import (
    TOKENIZER,
    BadRequest,
    TorchAdapter,
    from_edges,
    hub_files,
    suppressed,
)

__all__ = ["GroundingDino", "adapters", "phrases"]

SIZES = {"tiny": 172_000_000, "base": 233_000_000}


def phrases(text: str) -> list[str]:
    """What is asked for, one thing each: "red cup, plates" -> ["red cup", "plates"]."""
    parts = text.replace(";", ",").replace(".", ",").replace("\n", ",").split(",")
    return list(dict.fromkeys(p.strip().lower() for p in parts if p.strip()))


def asked_of(call: Call) -> list[str]:
    """The phrases of a call.

    Raises:
        BadRequest: There are none.
    """
    found = phrases(str(call.params.get("text") or ""))
    if not found:
        raise BadRequest("say what to look for", hint="segment(frame, 'red cup')")
    return found


class GroundingDino(TorchAdapter):
    """Method "detect": params text, min_score (0.25), min_text_score (0.25), max_instances."""

    half = "float32"  # its deformable attention loses boxes in half precision

    def __init__(self, size: str) -> None:
        super().__init__()
        self.info = ModelInfo(
            name=f"grounding-dino-{size}",
            methods=("detect",),
            hub=f"IDEA-Research/grounding-dino-{size}",
            files=hub_files(*TOKENIZER),
            licence="Apache-2.0",
            memory_bytes=4 * SIZES[size],
            download_bytes=4 * SIZES[size],
            packages=("torch", "transformers", "safetensors"),
            note="Boxes from words; with SAM 2.1 also masks.",
        )

    def _open(self, folder: Path) -> dict[str, Any]:
        from transformers import AutoTokenizer, GroundingDinoForObjectDetection
        from transformers.models.grounding_dino.processing_grounding_dino import (
            GroundingDinoProcessor,
        )

        return {
            "model": self._model(GroundingDinoForObjectDetection, folder),
            "processor": GroundingDinoProcessor(
                image_processor=_image_processor(folder),
                tokenizer=AutoTokenizer.from_pretrained(folder, local_files_only=True),
            ),
        }

    def _answer(self, calls: Sequence[Call]) -> list[Output]:
        return [self._detect(call) for call in calls]

    def _detect(self, call: Call) -> Output:
        image = call.images[0]
        height, width = image.shape[:2]
        asked = asked_of(call)
        boxes: list[Any] = []
        scores: list[float] = []
        labels: list[str] = []
        # A phrase at a time: together they run into one another ("cup plate") and labels mix.
        for phrase in asked:
            inputs = self.parts["processor"](
                images=image,
                text=[f"{phrase}."],
                return_tensors="pt",
                input_data_format="channels_last",
            ).to(self.device)
            found = self.parts["model"](**inputs)
            (kept,) = self.parts["processor"].post_process_grounded_object_detection(
                found,
                inputs["input_ids"],
                threshold=float(call.params.get("min_score", 0.25)),
                text_threshold=float(call.params.get("min_text_score", 0.25)),
                target_sizes=[(height, width)],
            )
            boxes += kept["boxes"].float().cpu().numpy().tolist()
            scores += kept["scores"].float().cpu().numpy().tolist()
            labels += [phrase] * len(kept["scores"])
        return detections(boxes, scores, labels, (height, width), call)


def detections(
    boxes: list[Any], scores: list[float], labels: list[str], size: tuple[int, int], call: Call
) -> Output:
    """Best first, one box a thing and label."""
    corners = from_edges(np.array(boxes, dtype=np.float32), size[1], size[0])
    sure = np.array(scores, dtype=np.float32)
    kept: list[int] = []
    for label in dict.fromkeys(labels):
        places = [place for place, each in enumerate(labels) if each == label]
        kept += [places[i] for i in suppressed(corners[places], sure[places], 0.7)]
    kept.sort(key=lambda place: -sure[place])
    kept = kept[: int(call.params.get("max_instances", 300))]
    return Output(
        {"boxes": corners[kept], "scores": sure[kept]},
        {"labels": [labels[place] for place in kept]},
    )


def _image_processor(folder: Path) -> Any:
    from transformers import AutoImageProcessor

    return AutoImageProcessor.from_pretrained(folder, local_files_only=True)


def adapters() -> list[Adapter]:
    """Both released sizes."""
    return [GroundingDino(size) for size in SIZES]
