"""Text in pictures, read by the model of the OCR package."""

from __future__ import annotations

from typing import Any

import numpy as np

from spatialclaw.primitives.errors import NothingFound, Unavailable
from spatialclaw.primitives.imaging import as_frame
from spatialclaw.primitives.perceive import ask_model, model_for
from spatialclaw.primitives.results import Mask, Masks

__all__ = ["read_text"]


def read_text(frame: Any, *, model: str | None = None) -> Masks:
    """Printed text in a picture, where an OCR package is installed.

    Args:
        frame: A frame.
        model: A reading model by name.

    Returns:
        `Masks`; each with the text as `.label`, its corners in `.points` and a `.score`, in
        reading order.

    Raises:
        Unavailable: No OCR package is installed; says the command.
        NothingFound: No text is found.

    Example:
        >>> [m.label for m in read_text(frames[0])]
    """
    picture = as_frame(frame)
    name, command = model_for("read_text")
    if model is None and name is None:
        raise Unavailable(
            "nothing here reads text",
            hint=f"look(frame, 'what does the sign say?') with a VLM, or an OCR model: {command}",
        )
    read = ask_model("read_text", picture, model=model)
    if not read.meta["texts"]:
        raise NothingFound(
            f"{read.model} reads no text in frame {picture.position}",
            hint="a larger picture: cut out and enlarge the part with the text",
        )
    import cv2

    found = []
    for corners, text, score in zip(
        read.arrays["quads"], read.meta["texts"], read.arrays["scores"], strict=True
    ):
        points = np.asarray(corners, dtype=np.float64).reshape(-1, 2)
        canvas = np.zeros(picture.image.shape[:2], dtype=np.uint8)
        cv2.fillPoly(canvas, [points.round().astype(np.int32)], 1)
        found.append(
            Mask(
                canvas > 0,
                picture.position,
                label=str(text),
                score=round(float(score), 3),
                method=read.model,
                points=points,
            )
        )
    return Masks(found, method=read.model, note="; ".join(read.notes))
