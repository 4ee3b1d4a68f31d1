"""RapidOCR: printed text, with models that come inside the package."""

from __future__ import annotations

import importlib.metadata
import logging
from collections.abc import Sequence
from typing import Any

import numpy as np

from spatialclaw.errors import PerceptionError
from spatialclaw.perception.adapter import Adapter, Call, ModelInfo, Output
from spatialclaw.perception.adapters.common import missing_packages

__all__ = ["RapidOcr", "adapters"]


class RapidOcr:
    """Method "read_text": params min_score (0.5). Runs on the CPU with onnxruntime."""

    info = ModelInfo(
        name="rapidocr",
        methods=("read_text",),
        licence="Apache-2.0",
        memory_bytes=200_000_000,
        packages=("rapidocr", "onnxruntime"),
        extra="ocr",
        note="Reads printed Latin and Chinese text; its models come inside the package.",
    )

    def __init__(self) -> None:
        self._engine: Any = None

    def available(self) -> str | None:
        """None when the package is here, else the command that brings it."""
        return missing_packages(self.info)

    def fingerprint(self) -> str:
        """The package's version: it carries the models."""
        return importlib.metadata.version("rapidocr")

    def load(self, device: str) -> None:
        """Makes the engine; the device is the CPU whatever is said."""
        if (reason := self.available()) is not None:
            raise PerceptionError(reason)
        from rapidocr import RapidOCR

        self._engine = RapidOCR(params={"Global.log_level": "error"})
        logging.getLogger("RapidOCR").setLevel(logging.ERROR)

    def unload(self) -> None:
        """Frees the engine."""
        self._engine = None

    def run(self, calls: Sequence[Call]) -> list[Output]:
        """Reads the pictures one after the other."""
        if self._engine is None:
            raise PerceptionError(f"{self.info.name} is not loaded")
        return [self._read(call) for call in calls]

    def _read(self, call: Call) -> Output:
        # The engine takes BGR as OpenCV reads it.
        found = self._engine(np.ascontiguousarray(call.images[0][..., ::-1]))
        empty = found.boxes is None or found.txts is None or found.scores is None
        quads = np.zeros((0, 4, 2)) if empty else np.asarray(found.boxes)
        texts = [] if empty else [str(text) for text in found.txts]
        scores = np.zeros(0) if empty else np.asarray(found.scores)
        kept = scores >= float(call.params.get("min_score", 0.5))
        return Output(
            {
                "quads": quads[kept].astype(np.float32).reshape(-1, 4, 2),
                "scores": scores[kept].astype(np.float32),
            },
            {"texts": [text for text, keep in zip(texts, kept, strict=True) if keep]},
        )


def adapters() -> list[Adapter]:
    """The engine with its default models."""
    return [RapidOcr()]
