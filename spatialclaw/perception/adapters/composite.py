"""Words to masks without SAM 3: a detector's boxes, cut out and followed by SAM 2.1."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from spatialclaw.errors import PerceptionError
from spatialclaw.perception import weights
from spatialclaw.perception.adapter import Adapter, Call, ModelInfo, Output
from spatialclaw.perception.adapters import grounding_dino, owlv2, sam2, sam2_video

__all__ = ["GroundedSam2", "adapters"]


class GroundedSam2:
    """Methods "segment_text" and "track_text" of a detector and SAM 2.1, the best pair on disk.

    For "track_text" the things are looked for in frame params["frame"] (0), boxes prompt the
    tracker, and what the detector does not see there is not followed.
    """

    info = ModelInfo(
        name="grounded-sam2",
        methods=("segment_text", "track_text"),
        licence="Apache-2.0",
        packages=("torch", "transformers", "safetensors"),
        note="Masks from words without SAM 3: Grounding DINO or OWLv2 with SAM 2.1.",
    )

    def __init__(self) -> None:
        self._detector: Adapter | None = None
        self._cutter: Adapter | None = None
        self._follower: Adapter | None = None

    def _pair(self) -> tuple[Adapter, sam2.Sam2] | None:
        detectors = [*grounding_dino.adapters()[::-1], *owlv2.adapters()[::-1]]
        finder = next((each for each in detectors if each.available() is None), None)
        sizes = [sam2.Sam2(size) for size in ("large", "base-plus", "small", "tiny")]
        cutter = next((each for each in sizes if each.available() is None), None)
        return None if finder is None or cutter is None else (finder, cutter)

    def available(self) -> str | None:
        """None when a detector and a SAM 2.1 are here, else the commands that bring them."""
        if self._pair() is not None:
            return None
        both = [grounding_dino.GroundingDino("tiny"), sam2.Sam2("small")]
        first = next(reason for each in both if (reason := each.available()) is not None)
        if "pip install" in first:
            return first.replace(both[0].info.name, self.info.name)
        return (
            "grounded-sam2 needs a detector and SAM 2.1: "
            "spatialclaw models pull grounding-dino-tiny sam2.1-small"
        )

    def needs(self) -> tuple[str, ...]:
        """The models to fetch for it."""
        return "grounding-dino-tiny", "sam2.1-small"

    def fingerprint(self) -> str:
        """Of both models."""
        pair = self._pair()
        return "+".join(f"{p.info.name}@{weights.fingerprint(p.info)}" for p in pair or ())

    def load(self, device: str) -> None:
        """Loads the pair; the tracker follows with its first call."""
        pair = self._pair()
        if pair is None:
            raise PerceptionError(str(self.available()))
        for part in pair:
            part.load(device)
        self._detector, self._cutter = pair
        self._follower = None

    def unload(self) -> None:
        """Frees all parts."""
        for part in (self._detector, self._cutter, self._follower):
            if part is not None:
                part.unload()
        self._detector = self._cutter = self._follower = None

    def run(self, calls: Sequence[Call]) -> list[Output]:
        """Detects, then cuts out or follows."""
        if self._detector is None or self._cutter is None:
            raise PerceptionError(f"{self.info.name} is not loaded")
        return [self._follow(c) if c.method == "track_text" else self._cut(c) for c in calls]

    def _found(self, call: Call, image: int) -> Output:
        assert self._detector is not None
        looked = Call("detect", [call.images[image]], call.params)
        return self._detector.run([looked])[0]

    def _cut(self, call: Call) -> Output:
        assert self._cutter is not None
        found = self._found(call, 0)
        boxes = found.arrays["boxes"]
        cut = self._cutter.run([Call("segment", call.images, {"boxes": boxes.tolist()})])[0]
        # How sure it is what was asked for is the detector's to say, not the cutter's.
        arrays = {**cut.arrays, "scores": found.arrays["scores"], "boxes": boxes}
        return Output(arrays, {"labels": list(found.meta["labels"])})

    def _follow(self, call: Call) -> Output:
        assert isinstance(self._cutter, sam2.Sam2)
        start = int(call.params.get("frame", 0))
        found = self._found(call, start)
        boxes, labels = found.arrays["boxes"], list(found.meta["labels"])
        count, size = len(call.images), call.images[0].shape[:2]
        if not len(boxes):
            empty = {
                "masks": np.zeros((count, 0, *size), dtype=np.bool_),
                "scores": np.zeros((count, 0), dtype=np.float32),
            }
            return Output(empty, {"ids": [], "labels": []})
        if self._follower is None:
            size_name = self._cutter.info.name.removeprefix("sam2.1-")
            self._follower = sam2_video.Sam2Video(size_name)
            self._follower.load(self._cutter.device)
        prompts = [
            {"frame": start, "id": place + 1, "box": box, "label": label}
            for place, (box, label) in enumerate(zip(boxes.tolist(), labels, strict=True))
        ]
        followed = self._follower.run([Call("track", call.images, {"prompts": prompts})])[0]
        scores = followed.arrays["scores"] * found.arrays["scores"][None]
        return Output({**followed.arrays, "scores": scores}, followed.meta)


def adapters() -> list[Adapter]:
    """One, of whatever parts there are."""
    return [GroundedSam2()]
