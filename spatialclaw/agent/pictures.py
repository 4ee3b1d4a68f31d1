"""Pictures for a model: frames as JPEG, of a bounded number and size."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from spatialclaw.kernel.results import Shown
from spatialclaw.primitives.frames import Frame, Frames

__all__ = ["contact_sheet", "encode_frame", "frame_pictures", "resized"]

JPEG_QUALITY = 88


def frame_pictures(sequences: Sequence[Frames], count: int, edge: int) -> list[Shown]:
    """Evenly spaced frames of the input, first and last included.

    Args:
        sequences: The input; each sequence gets its share.
        count: Pictures in all, at most; every sequence gets one while they last.
        edge: Longer edge, pixels.
    """
    filled = [frames for frames in sequences if len(frames)]
    if not filled or count < 1:
        return []
    total = sum(len(frames) for frames in filled)
    pictures: list[Shown] = []
    left = count
    for position, frames in enumerate(filled):
        others = len(filled) - position - 1
        share = max(1, min(left - others, round(count * len(frames) / total)))
        if left < 1:
            break
        picked = frames.sample(share)
        left -= len(picked)
        pictures += [encode_frame(frame, edge) for frame in picked]
    return pictures


def encode_frame(frame: Frame, edge: int) -> Shown:
    """One frame as JPEG; its `source` relates its pixels to those of the frame."""
    from PIL import Image

    scale = min(1.0, edge / max(frame.width, frame.height))
    size = (max(1, round(frame.width * scale)), max(1, round(frame.height * scale)))
    image = Image.fromarray(np.ascontiguousarray(frame.image))
    if size != image.size:
        image = image.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
    time = "" if frame.time is None else f" at {frame.time:.2f} s"
    source: dict[str, Any] = {
        "kind": "frame",
        "frame": frame.position,
        "sequence": frame.sequence,
        "scale": size[0] / frame.width,
        "offset": [0, 0],
    }
    return Shown(_jpeg(image), "image/jpeg", *size, title=f"{frame.name}{time}", source=source)


def resized(picture: Shown, edge: int) -> Shown:
    """A picture made smaller to fit `edge`; itself when it fits. The scale goes into its source."""
    if max(picture.width, picture.height) <= edge:
        return picture
    data, width, height = _shrunk(picture.data, edge)
    source = dict(picture.source)
    if source.get("kind") == "frame":
        source["scale"] = float(source.get("scale", 1.0)) * width / picture.width
    return replace(
        picture, data=data, media_type="image/jpeg", width=width, height=height, source=source
    )


@lru_cache(maxsize=256)
def _shrunk(data: bytes, edge: int) -> tuple[bytes, int, int]:
    """A picture made smaller, encoded once however often it is sent."""
    from PIL import Image

    with Image.open(io.BytesIO(data)) as opened:
        image = opened.convert("RGB")
    scale = edge / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    small = image.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
    return _jpeg(small), *size


def contact_sheet(pictures: Sequence[Shown], edge: int) -> Shown:
    """Several pictures on one, numbered from 1, for servers that take few.

    Args:
        pictures: At least one.
        edge: Longer edge of the sheet, at most.
    """
    data, width, height = _sheet(tuple(picture.data for picture in pictures), edge)
    title = f"sheet of {len(pictures)} pictures"
    return Shown(data, "image/jpeg", width, height, title=title, source={"kind": "sheet"})


@lru_cache(maxsize=64)
def _sheet(pictures: tuple[bytes, ...], edge: int) -> tuple[bytes, int, int]:
    from PIL import Image, ImageDraw, ImageFont, ImageOps

    columns = max(1, round(len(pictures) ** 0.5))
    rows = -(-len(pictures) // columns)
    cell = max(64, edge // max(columns, rows))
    sheet = Image.new("RGB", (columns * cell, rows * cell), (60, 60, 60))
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=max(14, cell // 14))
    for number, data in enumerate(pictures):
        with Image.open(io.BytesIO(data)) as opened:
            small = ImageOps.contain(opened.convert("RGB"), (cell - 4, cell - 4))
        x, y = (number % columns) * cell + 2, (number // columns) * cell + 2
        sheet.paste(small, (x, y))
        label = pen.textbbox((x + 3, y + 3), str(number + 1), font=font)
        pen.rectangle((label[0] - 3, label[1] - 3, label[2] + 3, label[3] + 3), fill=(0, 0, 0))
        pen.text((x + 3, y + 3), str(number + 1), fill=(255, 255, 255), font=font)
    return _jpeg(sheet), *sheet.size


def _jpeg(image: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()
