"""SAM 2.1 through time: things marked in one frame are followed forwards and backwards from it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
    hub_files,
)
from spatialclaw.perception.adapters.sam2 import SIZES
from spatialclaw.primitives.errors import TooMuch

__all__ = ["LazyFrames", "Sam2Video", "adapters", "room_for_masks"]

MOST_MASK_BYTES = 4_000_000_000


class LazyFrames(dict[int, Any]):
    """The frames of a video for a session of transformers: made when looked at, never kept."""

    def __init__(self, images: Sequence[Image], prepare: Any) -> None:
        super().__init__()
        self._images = images
        self._prepare = prepare

    def __len__(self) -> int:
        return len(self._images)

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self._images)))

    def __contains__(self, index: object) -> bool:
        return isinstance(index, int) and 0 <= index < len(self._images)

    def __getitem__(self, index: int) -> Any:
        return self._prepare(self._images[index])


def room_for_masks(count: int, things: int, size: tuple[int, int]) -> None:
    """Raises when the masks of a video would not fit into an answer.

    Raises:
        TooMuch: Says how many frames would.
    """
    needed = count * things * size[0] * size[1]
    if needed > MOST_MASK_BYTES:
        fits = MOST_MASK_BYTES // (things * size[0] * size[1])
        raise TooMuch(
            f"masks of {things} things in {count} frames of {size[1]}x{size[0]} take "
            f"{needed / 1e9:.1f} GB",
            hint=f"at most {fits} frames, frames.sample({fits})",
        )


class Sam2Video(TorchAdapter):
    """One size of SAM 2.1 as a tracker; the same files as for single pictures.

    Method "track": params prompts, a list of {"frame": position, "id": int, "points" with "labels",
    or "box"}; or array ``mask/j`` (H, W) bool for the j-th of them. All frames have one size.
    """

    half = "bfloat16"

    def __init__(self, size: str) -> None:
        super().__init__()
        self.info = ModelInfo(
            name=f"sam2.1-{size}-video",
            methods=("track",),
            hub=f"facebook/sam2.1-hiera-{size}",
            files=hub_files(),
            licence="Apache-2.0",
            memory_bytes=2 * SIZES[size],
            download_bytes=4 * SIZES[size],
            packages=("torch", "transformers", "safetensors"),
            note=f"Follows marked things through a video; shares its files with sam2.1-{size}.",
        )

    def _open(self, folder: Path) -> dict[str, Any]:
        from transformers import Sam2VideoModel

        return {"model": self._model(Sam2VideoModel, folder)}

    @property
    def _side(self) -> int:
        return int(self.parts["model"].config.prompt_encoder_config.image_size)

    def _answer(self, calls: Sequence[Call]) -> list[Output]:
        return [self._track(call) for call in calls]

    def _track(self, call: Call) -> Output:
        size = (call.images[0].shape[0], call.images[0].shape[1])
        if any(image.shape[:2] != size for image in call.images):
            raise BadRequest("the frames of a video have one size")
        prompts = list(call.params.get("prompts") or [])
        if not prompts:
            raise BadRequest("track needs prompts")
        labels: dict[int, str] = {}
        when: dict[int, set[int]] = {}
        for prompt in prompts:
            labels.setdefault(int(prompt["id"]), str(prompt.get("label") or ""))
            when.setdefault(int(prompt["id"]), set()).add(int(prompt["frame"]))
        ids = sorted(labels)
        count = len(call.images)
        if (worst := max(max(frames) for frames in when.values())) >= count:
            raise BadRequest(f"a prompt is on frame {worst} of {count}")
        room_for_masks(count, len(ids), size)
        masks = np.zeros((count, len(ids), *size), dtype=np.bool_)
        scores = np.zeros((count, len(ids)), dtype=np.float32)
        # Things marked in the same frames share a session, and so one look at each frame.
        groups: dict[tuple[int, ...], list[int]] = {}
        for each in ids:
            groups.setdefault(tuple(sorted(when[each])), []).append(each)
        for frames, members in groups.items():
            columns = [ids.index(member) for member in members]
            for index, logits, sure in self._session(call, frames, members, size):
                masks[index, columns] = pixels.full_masks(logits, size)
                scores[index, columns] = sure
        return Output(
            {"masks": masks, "scores": scores},
            {"ids": ids, "labels": [labels[each] for each in ids]},
        )

    def _session(
        self, call: Call, frames: tuple[int, ...], members: list[int], size: tuple[int, int]
    ) -> Iterator[tuple[int, Any, npt.NDArray[np.float32]]]:
        """Frames with the logits (k, h, w) and scores (k,) of the members, each frame once."""
        import torch
        from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoInferenceSession

        model = self.parts["model"]
        session = Sam2VideoInferenceSession(
            video_height=size[0],
            video_width=size[1],
            inference_device=self.device,
            inference_state_device=self.device,
            video_storage_device=self.device,
            dtype=self.dtype,
        )
        session.processed_frames = LazyFrames(call.images, self._prepared)
        for frame in frames:
            for place, prompt in enumerate(call.params["prompts"]):
                if int(prompt["frame"]) == frame and int(prompt["id"]) in members:
                    self._prompt(session, call, prompt, place, size)
            session.obj_with_new_inputs = list(members)
            model(session, frame_idx=frame)
        config = model.config
        span = max(config.num_maskmem, config.max_object_pointers_in_encoder)
        first = frames[0]
        order = [(index, False) for index in range(first, len(call.images))]
        order += [(index, True) for index in range(first - 1, -1, -1)]
        for index, backwards in order:
            found = model(session, frame_idx=index, reverse=backwards)
            _forget(session, index, span, first, backwards)
            logits = found.pred_masks.reshape(len(members), *found.pred_masks.shape[-2:])
            sure = torch.sigmoid(found.object_score_logits.reshape(-1).float()).cpu().numpy()
            yield index, logits, sure

    def _prepared(self, image: Image) -> Any:
        said = self._statistics()
        mean, std = said.get("image_mean", IMAGENET_MEAN), said.get("image_std", IMAGENET_STD)
        tensor = pixels.resized_then_normalised(image, (self._side, self._side), mean, std)
        return tensor[0].to(self.device, self.dtype)

    def _prompt(
        self, session: Any, call: Call, prompt: Any, place: int, size: tuple[int, int]
    ) -> None:
        """Puts one prompt into the session, as Sam2VideoProcessor does."""
        import torch
        import torch.nn.functional as functional

        frame, thing = int(prompt["frame"]), session.obj_id_to_idx(int(prompt["id"]))
        square = (self._side, self._side)
        if (given := call.arrays.get(f"mask/{place}")) is not None:
            mask = torch.from_numpy(np.asarray(given, dtype=np.float32))[None, None]
            if tuple(mask.shape[-2:]) != square:
                mask = functional.interpolate(
                    mask, size=square, mode="bilinear", align_corners=False, antialias=True
                )
            session.add_mask_inputs(thing, frame, (mask >= 0.5).float())
            return
        spots: list[Any] = []
        signs: list[int] = []
        if prompt.get("box") is not None:
            spots += np.asarray(prompt["box"], dtype=np.float64).reshape(2, 2).tolist()
            signs += [2, 3]  # the prompt encoder's labels of a box's two corners
        if prompt.get("points") is not None:
            points = np.asarray(prompt["points"], dtype=np.float64).reshape(-1, 2).tolist()
            spots += points
            signs += list(map(int, prompt.get("labels") or [1] * len(points)))
        if not spots:
            raise BadRequest(f"prompt {place} has neither points nor box nor mask")
        moved = pixels.to_model(np.array(spots), size, square)
        session.add_point_inputs(
            thing,
            frame,
            {
                "point_coords": torch.from_numpy(moved).float()[None, None],
                "point_labels": torch.tensor(signs, dtype=torch.int32)[None, None],
            },
        )


def _forget(session: Any, now: int, span: int, first: int, backwards: bool) -> None:
    """Drops what is further back than the model ever looks, so that memory does not grow.

    What lies about the first marked frame stays until the way back has passed it. The result is
    the same to the last bit as when everything is kept.
    """
    for outputs in session.output_dict_per_obj.values():
        kept = outputs["non_cond_frame_outputs"]
        for index in list(kept):
            behind = index - now if backwards else now - index
            about = not backwards and index - first <= span
            if behind > span and not about:
                del kept[index]


def adapters() -> list[Adapter]:
    """One for each size."""
    return [Sam2Video(size) for size in SIZES]
