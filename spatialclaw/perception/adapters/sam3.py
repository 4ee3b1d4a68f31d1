"""SAM 3: every instance of what a phrase names, in a picture or through a video."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spatialclaw.perception.adapter import Adapter, Call, Image, ModelInfo, Output
from spatialclaw.perception.adapters import mask_parts, pixels
from spatialclaw.perception.adapters.common import (
    TOKENIZER,
    BadRequest,
    TorchAdapter,
    from_edges,
    hub_files,
    instances,
)
from spatialclaw.perception.adapters.grounding_dino import asked_of
from spatialclaw.perception.adapters.sam2_video import LazyFrames, room_for_masks

__all__ = ["Sam3", "Sam3Video", "adapters"]

COUNT = 848_000_000
HALF = (0.5, 0.5, 0.5)
WORDS = {"padding": "max_length", "max_length": 32, "truncation": True, "return_tensors": "pt"}
GATED_NOTE = "Meta asks for an agreement and a token."


class Sam3(TorchAdapter):
    """Methods "segment_text" and "detect": params text, min_score (0.3), max_instances."""

    half = "bfloat16"
    info = ModelInfo(
        name="sam3",
        methods=("segment_text", "detect"),
        hub="facebook/sam3",
        files=hub_files(*TOKENIZER),
        licence="SAM License",
        memory_bytes=2 * COUNT,
        download_bytes=4 * COUNT,
        packages=("torch", "transformers", "safetensors"),
        gated=True,
        note=f"All instances of a phrase, with masks. {GATED_NOTE}",
    )

    def _open(self, folder: Path) -> dict[str, Any]:
        from transformers import AutoTokenizer, Sam3Model

        return {
            "model": self._model(Sam3Model, folder),
            "words": AutoTokenizer.from_pretrained(folder, local_files_only=True),
        }

    def _answer(self, calls: Sequence[Call]) -> list[Output]:
        import torch

        tensors = [_prepared(self, call.images[0]) for call in calls]
        model = self.parts["model"]
        seen = model.get_vision_features(torch.stack(tensors))
        return [self._one(call, _row(seen, place)) for place, call in enumerate(calls)]

    def _one(self, call: Call, seen: Any) -> Output:
        height, width = call.images[0].shape[:2]
        lowest = float(call.params.get("min_score", 0.3))
        masks, boxes, scores, labels = [], [], [], []
        for phrase in asked_of(call):
            words = self.parts["words"]([phrase], **WORDS).to(self.device)
            found = self.parts["model"](
                vision_embeds=seen,
                input_ids=words["input_ids"],
                attention_mask=words["attention_mask"],
            )
            sure = found.pred_logits[0].float().sigmoid()
            if found.presence_logits is not None:
                sure = sure * found.presence_logits[0].float().sigmoid()
            kept = sure > lowest
            # As upstream: chances are enlarged, not logits, and cut at one half.
            chances = found.pred_masks[0][kept].sigmoid()
            masks.append(pixels.full_masks(chances, (height, width), 0.5))
            corners = found.pred_boxes[0][kept].float().cpu().numpy()
            boxes.append(from_edges(corners * [[width, height, width, height]], width, height))
            scores.append(sure[kept].cpu().numpy())
            labels += [phrase] * int(kept.sum())
        whole, sureness = np.concatenate(masks), np.concatenate(scores)
        order = np.argsort(-sureness, kind="stable")[: int(call.params.get("max_instances", 300))]
        return instances(
            whole[order],
            sureness[order],
            [labels[place] for place in order],
            np.concatenate(boxes)[order],
        )


class Sam3Video(TorchAdapter):
    """Method "track_text": params text; every instance keeps its id and its own phrase's label."""

    half = "bfloat16"
    info = ModelInfo(
        name="sam3-video",
        methods=("track_text",),
        hub="facebook/sam3",
        files=hub_files(*TOKENIZER),
        licence="SAM License",
        memory_bytes=2 * COUNT,
        download_bytes=4 * COUNT,
        packages=("torch", "transformers", "safetensors"),
        gated=True,
        note=f"Follows all instances of a phrase; shares its files with sam3. {GATED_NOTE}",
    )

    def _open(self, folder: Path) -> dict[str, Any]:
        from transformers import AutoTokenizer, Sam3VideoModel

        mask_parts.provide()
        return {
            "model": self._model(Sam3VideoModel, folder),
            "words": AutoTokenizer.from_pretrained(folder, local_files_only=True),
        }

    def _answer(self, calls: Sequence[Call]) -> list[Output]:
        return [self._track(call) for call in calls]

    def _track(self, call: Call) -> Output:
        from transformers.models.sam3_video.modeling_sam3_video import Sam3VideoInferenceSession

        size = (call.images[0].shape[0], call.images[0].shape[1])
        if any(image.shape[:2] != size for image in call.images):
            raise BadRequest("the frames of a video have one size")
        model = self.parts["model"]
        session = Sam3VideoInferenceSession(
            video_height=size[0],
            video_width=size[1],
            inference_device=self.device,
            inference_state_device=self.device,
            video_storage_device=self.device,
            dtype=self.dtype,
        )
        session.processed_frames = LazyFrames(call.images, lambda image: _prepared(self, image))
        for phrase in asked_of(call):
            number = session.add_prompt(phrase)
            words = self.parts["words"]([phrase], **WORDS).to(self.device)
            session.prompt_input_ids[number] = words["input_ids"]
            session.prompt_attention_masks[number] = words["attention_mask"]
        tracker = model.config.tracker_config
        span = max(tracker.num_maskmem, tracker.max_object_pointers_in_encoder)
        span += int(model.config.hotstart_delay)
        frames: dict[int, dict[int, tuple[npt.NDArray[np.uint8], float]]] = {}
        for found in model.propagate_in_video_iterator(session, start_frame_idx=0):
            frames[int(found.frame_idx)] = _told(session, found, size)
            for outputs in session.output_dict_per_obj.values():
                kept = outputs["non_cond_frame_outputs"]
                for index in [i for i in kept if i < found.frame_idx - span]:
                    del kept[index]
        return _assembled(session, frames, len(call.images), size)


def _prepared(adapter: TorchAdapter, image: Image) -> Any:
    """(3, side, side) as Sam3ImageProcessor makes it."""
    said = adapter._statistics()
    side = said.get("size") or {"height": 1008, "width": 1008}
    tensor = pixels.resized_then_normalised(
        image,
        (int(side["height"]), int(side["width"])),
        said.get("image_mean", HALF),
        said.get("image_std", HALF),
    )
    return tensor[0].to(adapter.device, adapter.dtype)


def _row(seen: Any, place: int) -> Any:
    """The vision features of one picture of a batch."""

    def cut(value: Any) -> Any:
        if isinstance(value, list | tuple):
            return type(value)(cut(each) for each in value)
        return value[place : place + 1] if hasattr(value, "shape") else value

    return type(seen)(**{name: cut(value) for name, value in seen.items()})


def _told(
    session: Any, found: Any, size: tuple[int, int]
) -> dict[int, tuple[npt.NDArray[np.uint8], float]]:
    """The shown instances of one frame: packed mask and score by id.

    Two instances of one phrase do not share a pixel: the tracker's surer one has it.
    """
    hidden = set(found.suppressed_obj_ids or ()) | set(session.hotstart_removed_obj_ids)
    ids = [each for each in sorted(found.obj_id_to_mask) if each not in hidden]
    masks = {}
    for each in ids:
        logits = found.obj_id_to_mask[each].reshape(1, *found.obj_id_to_mask[each].shape[-2:])
        mask = pixels.full_masks(logits, size)[0]
        if mask.any():
            masks[each] = mask
    sure = {each: float(found.obj_id_to_tracker_score.get(each, 0.0)) for each in masks}
    taken: dict[int, npt.NDArray[np.bool_]] = {}
    result = {}
    for each in sorted(masks, key=lambda i: -sure[i]):
        prompt = session.obj_id_to_prompt_id[each]
        free = ~taken.setdefault(prompt, np.zeros(size, dtype=np.bool_))
        mask = masks[each] & free
        taken[prompt] |= mask
        score = float(found.obj_id_to_score.get(each, 0.0))
        result[each] = (np.packbits(mask), score)
    return result


def _assembled(
    session: Any,
    frames: dict[int, dict[int, tuple[npt.NDArray[np.uint8], float]]],
    count: int,
    size: tuple[int, int],
) -> Output:
    ids = sorted({each for told in frames.values() for each in told})
    room_for_masks(count, len(ids), size)
    masks = np.zeros((count, len(ids), *size), dtype=np.bool_)
    scores = np.zeros((count, len(ids)), dtype=np.float32)
    for index, told in frames.items():
        for each, (packed, score) in told.items():
            flat = np.unpackbits(packed, count=size[0] * size[1])
            masks[index, ids.index(each)] = flat.reshape(size)
            scores[index, ids.index(each)] = score
    labels = [session.prompts[session.obj_id_to_prompt_id[each]] for each in ids]
    return Output({"masks": masks, "scores": scores}, {"ids": ids, "labels": labels})


def adapters() -> list[Adapter]:
    """For pictures and for videos."""
    return [Sam3(), Sam3Video()]
