"""Text in pictures: needs a package that carries its own model."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np

from spatialclaw.primitives.errors import NothingFound, Unavailable
from spatialclaw.primitives.imaging import as_frame
from spatialclaw.primitives.results import Mask, Masks

__all__ = ["read_text"]


def read_text(frame: Any) -> Masks:
    """Text in a picture, where an OCR package is installed (rapidocr-onnxruntime).

    Args:
        frame: A frame.

    Returns:
        `Masks`; each with the text as `.label`, its corners in `.points` and a `.score`.

    Raises:
        Unavailable: No OCR package is installed.
        NothingFound: No text is found.

    Example:
        >>> [m.label for m in read_text(frames[0])]
    """
    picture = as_frame(frame)
    module = next(
        (m for m in ("rapidocr_onnxruntime", "rapidocr") if importlib.util.find_spec(m)), None
    )
    if module is None:
        raise Unavailable(
            "no OCR package is installed here",
            hint="look(frame, 'what does the sign say?') with a VLM, or pip install "
            "rapidocr-onnxruntime",
        )
    engine = importlib.import_module(module).RapidOCR()
    rows, _ = engine(np.ascontiguousarray(picture.image[..., ::-1]))
    if not rows:
        raise NothingFound(f"no text in frame {picture.position}", hint="a larger picture")
    import cv2

    found = []
    for corners, text, score in rows:
        points = np.asarray(corners, dtype=np.float64).reshape(-1, 2)
        canvas = np.zeros(picture.image.shape[:2], dtype=np.uint8)
        cv2.fillPoly(canvas, [points.round().astype(np.int32)], 1)
        found.append(
            Mask(
                canvas > 0,
                picture.position,
                label=str(text),
                score=float(score),
                method="rapidocr",
                points=points,
            )
        )
    return Masks(found)
