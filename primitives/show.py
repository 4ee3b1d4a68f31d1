"""`show`: put pictures into the next observation."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from spatialclaw.primitives import runtime
from spatialclaw.primitives.draw.canvas import Drawing
from spatialclaw.primitives.errors import TooMuch
from spatialclaw.primitives.frames import Frame, Frames
from spatialclaw.primitives.results import DepthMap, Flow, Mask, Masks, Matches, Track, Tracks

__all__ = ["Picture", "encode", "picture", "show"]

MAX_EDGE = 1280
MAX_PICTURES = 16
QUALITY = 88

Pixels = npt.NDArray[np.uint8]


@dataclass
class Picture:
    """A picture with where its pixels come from.

    Attributes:
        pixels: (H, W, 3) uint8 RGB.
        source: {"kind": "frame", "frame": position, "scale": s, "offset": [x, y]} when source pixel
            = pixel / scale + offset; else {"kind": "array"} or {"kind": "figure"}.
        title: Caption.
        sharp: Drawn or plotted: better kept without loss.
    """

    pixels: Pixels
    source: dict[str, Any] = field(default_factory=lambda: {"kind": "array"})
    title: str = ""
    sharp: bool = False


def show(*things: Any, title: str = "", pin: bool = False, max_edge: int = MAX_EDGE) -> None:
    """Put pictures into the next observation, so that you see them; `pin` keeps them in view.

    Args:
        *things: Frames, images (grey, bool, float or RGB(A) arrays), masks, depth maps, flow,
            tracks, matplotlib figures, PIL images; lists of them. Text among them becomes the
            caption of what follows. Other objects are printed.
        title: Caption of all.
        pin: Whether the pictures stay in view when older ones are no longer sent (four at most).
        max_edge: Longest side in pixels; larger pictures are made smaller, and the caption says by
            how much.

    Example:
        >>> show(frames[0], title="the table")
        >>> show(draw.boxes(frames[0], masks.boxes), segment(frames[0], "red"))
    """
    caption = ""
    count = 0
    for thing in _flatten(things):
        if isinstance(thing, str):
            caption = thing
            continue
        shown = picture(thing)
        if shown is None:
            print(thing)
            continue
        count += 1
        if count > MAX_PICTURES:
            raise TooMuch(
                f"show: more than {MAX_PICTURES} pictures in one call",
                hint="show(draw.grid(images)) or show(frames.sample(8))",
            )
        shown.title = title or caption or shown.title
        _publish(shown, max_edge, pin=pin)


def _flatten(things: Any) -> list[Any]:
    flat: list[Any] = []
    for thing in things:
        if isinstance(thing, Frames) or (
            isinstance(thing, list | tuple) and not isinstance(thing, Masks | Tracks)
        ):
            flat += _flatten(list(thing))
        else:
            flat.append(thing)
    return flat


def _publish(shown: Picture, max_edge: int, *, pin: bool = False) -> None:
    pixels, factor = _smaller(shown.pixels, max_edge)
    source = dict(shown.source)
    if factor != 1.0 and source.get("kind") == "frame":
        # with pixel centres at whole numbers, so that source = pixel / scale + offset
        source["scale"] = source.get("scale", 1.0) * factor
        shift = (1 / factor - 1) / 2
        offset = source.get("offset", [0, 0])
        source["offset"] = [round(o + shift, 6) for o in offset]
    data, media_type = encode(pixels, sharp=shown.sharp)
    height, width = pixels.shape[:2]
    meta = {
        "title": shown.title[:500],
        "width": width,
        "height": height,
        "media_type": media_type,
        "source": source,
        "original": [shown.pixels.shape[1], shown.pixels.shape[0]],
        "pinned": bool(pin),
    }
    runtime.publish(
        {
            runtime.SHOWN_TYPE: meta,
            media_type: base64.b64encode(data).decode("ascii"),
            "text/plain": f"<picture {width}x{height}{': ' + shown.title if shown.title else ''}>",
        }
    )


def encode(pixels: Pixels, *, sharp: bool = False) -> tuple[bytes, str]:
    """A picture as PNG when it is small or sharp and has few colours, else as JPEG.

    Args:
        pixels: (H, W, 3) uint8 RGB.
        sharp: Prefer PNG.

    Returns:
        The bytes and their media type.
    """
    import cv2

    bgr = cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2BGR)
    if sharp or pixels.shape[0] * pixels.shape[1] <= 64 * 64:
        ok, data = cv2.imencode(".png", bgr, [cv2.IMWRITE_PNG_COMPRESSION, 3])
        if ok and data.size <= 1_500_000:
            return data.tobytes(), "image/png"
    ok, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    if not ok:
        raise ValueError(f"a picture of shape {pixels.shape} cannot be encoded")
    return data.tobytes(), "image/jpeg"


def _smaller(pixels: Pixels, max_edge: int) -> tuple[Pixels, float]:
    height, width = pixels.shape[:2]
    if max(height, width) <= max_edge:
        return pixels, 1.0
    import cv2

    factor = max_edge / max(height, width)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    small: Pixels = np.asarray(
        cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8
    )
    return small, size[0] / width


def picture(thing: Any) -> Picture | None:
    """A picture of whatever can be seen; None when it cannot."""
    if isinstance(thing, Picture):
        return thing
    if isinstance(thing, Frame):
        return Picture(thing.image, _frame_source(thing), str(thing.name))
    if isinstance(thing, Drawing):
        return _drawing_picture(thing)
    if isinstance(thing, np.ndarray):
        return Picture(to_rgb(thing))
    if isinstance(thing, Mask):
        return _masks_picture(Masks([thing]))
    if isinstance(thing, Masks):
        return _masks_picture(thing)
    if isinstance(thing, DepthMap):
        return _with_frame_source(to_rgb(thing.depth), thing.frame, repr(thing))
    if isinstance(thing, Flow):
        return _with_frame_source(_flow_colours(thing.flow), thing.frame, repr(thing))
    if isinstance(thing, Track):
        return _tracks_picture([thing])
    if isinstance(thing, Tracks):
        return _tracks_picture(list(thing))
    if isinstance(thing, Matches):
        return _matches_picture(thing)
    name = type(thing).__module__
    if name.startswith("matplotlib") and hasattr(thing, "savefig"):
        return _figure(thing)
    if name.startswith("matplotlib") and hasattr(thing, "get_figure"):
        return _figure(thing.get_figure())
    if name.startswith("PIL") and hasattr(thing, "convert"):
        return Picture(np.asarray(thing.convert("RGB")))
    for attribute in ("image", "picture"):
        inner = getattr(type(thing), attribute, None) or getattr(thing, attribute, None)
        if isinstance(inner, np.ndarray):
            return Picture(to_rgb(inner))
    return None


def to_rgb(array: npt.NDArray[Any]) -> Pixels:
    """An (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) array of any number type as (H, W, 3) uint8.

    uint8 is taken as it is; bool becomes black and white; floats in 0..1 with three or four
    channels are colours; any other numbers are spread between their 1st and 99th percentile, in
    colours when there is one channel, with grey 60 where they are not finite. Transparency is laid
    over white.

    Raises:
        ValueError: No picture: the wrong number of dimensions or channels, or empty.
    """
    plain = np.asarray(array).view(np.ndarray)
    if plain.ndim == 3 and plain.shape[2] == 1:
        plain = plain[..., 0]
    if plain.ndim not in (2, 3) or 0 in plain.shape or (plain.ndim == 3 and plain.shape[2] > 4):
        raise ValueError(
            f"an array of shape {plain.shape} is no picture; expected (H, W), (H, W, 3) or "
            "(H, W, 4)"
        )
    if plain.ndim == 3 and plain.shape[2] == 2:
        return _flow_colours(plain.astype(np.float32))
    if plain.dtype == np.bool_:
        plain = plain.astype(np.uint8) * np.uint8(255)
    if plain.dtype != np.uint8:
        plain = _spread(plain)
    if plain.ndim == 2:
        return np.repeat(plain[..., None], 3, axis=2)
    if plain.shape[2] == 4:
        alpha = plain[..., 3:].astype(np.uint16)
        mixed = (plain[..., :3].astype(np.uint16) * alpha + 255 * (255 - alpha) + 127) // 255
        return mixed.astype(np.uint8)
    return plain


def _spread(array: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    values = array.astype(np.float32)
    finite = np.isfinite(values)
    if array.ndim == 3 and array.dtype.kind == "f" and finite.any():
        low, high = float(values[finite].min()), float(values[finite].max())
        if low >= -1e-3 and high <= 1 + 1e-3:
            colours = np.where(finite, values, 0.0).clip(0, 1) * 255
            return colours.round().astype(np.uint8)
    if not finite.any():
        return np.full(array.shape, 60, np.uint8)
    sample = values[finite]
    if sample.size > 200_000:
        sample = sample[:: sample.size // 100_000]
    low, high = (float(v) for v in np.percentile(sample, (1, 99)))
    if high <= low:
        low, high = float(sample.min()), float(sample.max())
    spread = (np.where(finite, values, low) - low) / max(high - low, 1e-12)
    levels: npt.NDArray[np.uint8] = (spread.clip(0, 1) * 255).round().astype(np.uint8)
    if array.ndim == 2:
        import cv2

        coloured = cv2.applyColorMap(levels, cv2.COLORMAP_TURBO)[..., ::-1].copy()
        coloured[~finite] = 60
        return np.asarray(coloured, dtype=np.uint8)
    return levels


def _flow_colours(flow: npt.NDArray[np.float32]) -> Pixels:
    import cv2

    finite = np.isfinite(flow).all(axis=2)
    dx, dy = np.where(finite, flow[..., 0], 0), np.where(finite, flow[..., 1], 0)
    length = np.hypot(dx, dy)
    top = max(float(np.percentile(length, 99)), 1e-6)
    hue = (np.degrees(np.arctan2(dy, dx)) % 360 / 2).astype(np.uint8)
    value = ((length / top).clip(0, 1) * 255).astype(np.uint8)
    hsv = np.stack([hue, np.full_like(hue, 255), value], axis=-1)
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB), dtype=np.uint8)


def _frame_source(frame: Frame) -> dict[str, Any]:
    return {
        "kind": "frame",
        "frame": frame.position,
        "sequence": frame.sequence,
        "scale": 1.0,
        "offset": [0, 0],
    }


def _frame(position: int) -> Frame | None:
    from spatialclaw.primitives.context import frame_of
    from spatialclaw.primitives.errors import Unavailable

    try:
        return frame_of(None, position)
    except Unavailable:
        return None


def _with_frame_source(pixels: Pixels, position: int, title: str) -> Picture:
    frame = _frame(position)
    if frame is not None and (frame.height, frame.width) == pixels.shape[:2]:
        return Picture(pixels, _frame_source(frame), title)
    return Picture(pixels, title=title)


def _drawing_picture(drawing: Drawing) -> Picture:
    """A drawing, with the frame whose pixels it has and what is drawn on it."""
    names = list(dict.fromkeys(mark.label or mark.kind for mark in drawing.marks))
    frame, pixels = drawing.frame, to_rgb(drawing)
    title = drawing.caption
    if not title and names:
        title = f"{frame.name} with {', '.join(names)}" if frame is not None else ", ".join(names)
    if frame is not None and (frame.height, frame.width) == pixels.shape[:2]:
        return Picture(pixels, _frame_source(frame), title or f"{frame.name}, drawn on")
    return Picture(pixels, title=title)


_COLOURS = np.array(
    [[230, 60, 50], [50, 140, 230], [70, 190, 80], [240, 180, 40], [170, 80, 200], [40, 190, 190]],
    dtype=np.float32,
)


def _masks_picture(masks: Masks) -> Picture | None:
    if not len(masks):
        return None
    first = masks[0]
    frame = _frame(first.frame)
    same = frame is not None and (frame.height, frame.width) == first.mask.shape
    base = frame.image if frame is not None and same else np.zeros((*first.mask.shape, 3), np.uint8)
    mixed = base.astype(np.float32)
    for index, mask in enumerate(masks):
        if mask.mask.shape == base.shape[:2]:
            colour = _COLOURS[index % len(_COLOURS)]
            mixed[mask.mask] = mixed[mask.mask] * 0.45 + colour * 0.55
    pixels = np.ascontiguousarray(mixed.astype(np.uint8))
    for index, mask in enumerate(masks):
        colour = tuple(int(c) for c in _COLOURS[index % len(_COLOURS)])
        _box(pixels, mask.box, colour, f"{index} {mask.label}".strip())
    title = f"{len(masks)} by {masks.method}"
    if frame is not None and same:
        return Picture(pixels, _frame_source(frame), title)
    return Picture(pixels, title=title)


def _tracks_picture(tracks: list[Track]) -> Picture | None:
    import cv2

    if not tracks or not len(tracks[0]):
        return None
    last = max(int(t.frames[-1]) for t in tracks if len(t))
    frame = _frame(last)
    if frame is None:
        return None
    pixels = frame.image.copy()
    for index, track in enumerate(tracks):
        colour = tuple(int(c) for c in _COLOURS[index % len(_COLOURS)])
        path = track.centers.round().astype(np.int32)
        cv2.polylines(pixels, [path.reshape(-1, 1, 2)], False, colour, 2, cv2.LINE_AA)
        _box(pixels, tuple(track.boxes[-1]), colour, f"{track.id} {track.label}".strip())
    return Picture(
        pixels,
        _frame_source(frame),
        f"{len(tracks)} track{'s' * (len(tracks) != 1)} on frame {last}",
    )


def _matches_picture(matches: Matches) -> Picture | None:
    import cv2

    a, b = _frame(matches.frame_a), _frame(matches.frame_b)
    if a is None or b is None:
        return None
    height = max(a.height, b.height)
    pixels = np.full((height, a.width + b.width, 3), 255, np.uint8)
    pixels[: a.height, : a.width] = a.image
    pixels[: b.height, a.width :] = b.image
    step = max(1, len(matches) // 100)
    for index, (p, q) in enumerate(
        zip(matches.points_a[::step], matches.points_b[::step], strict=True)
    ):
        colour = tuple(int(c) for c in _COLOURS[index % len(_COLOURS)])
        start = (round(float(p[0])), round(float(p[1])))
        end = (round(float(q[0])) + a.width, round(float(q[1])))
        cv2.line(pixels, start, end, colour, 1, cv2.LINE_AA)
    return Picture(pixels, title=repr(matches))


def _box(pixels: Pixels, box: Any, colour: tuple[int, ...], label: str) -> None:
    import cv2

    x0, y0, x1, y1 = (round(float(v)) for v in box)
    cv2.rectangle(pixels, (x0, y0), (x1, y1), colour, 2)
    if label:
        cv2.putText(
            pixels, label[:40], (x0 + 3, max(14, y0 - 5)), cv2.FONT_HERSHEY_SIMPLEX, 0.5, colour, 1,
            cv2.LINE_AA,
        )  # fmt: skip


def _figure(figure: Any) -> Picture:
    from PIL import Image

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100, bbox_inches="tight", facecolor="white")
    buffer.seek(0)
    with Image.open(buffer) as image:
        pixels = np.asarray(image.convert("RGB"))
    return Picture(pixels, {"kind": "figure"}, sharp=True)
