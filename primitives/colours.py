"""Colours by name: which pixels people call "red", "dark blue" or "white"."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from spatialclaw.primitives.imaging import as_frame
from spatialclaw.primitives.wording import words

__all__ = ["COLOURS", "colour_in", "colour_mask", "colour_name", "membership"]

Floats32 = npt.NDArray[np.float32]

# Hue ranges in CIE Lab degrees (centre, half width), by what people call patches of them; the
# anchors of sRGB are red 40, orange 62, yellow 103, green 136, cyan 196, blue 306, magenta 328.
_HUES: dict[str, tuple[float, float]] = {
    "red": (32, 19),
    "orange": (62, 13),
    "yellow": (93, 19),
    "green": (143, 33),
    "turquoise": (193, 19),
    "blue": (266, 46),
    "purple": (320, 17),
    "pink": (356, 24),
}
COLOURS = (*_HUES, "brown", "beige", "black", "grey", "white")
ALIASES = {
    "gray": "grey",
    "silver": "grey",
    "cyan": "turquoise",
    "teal": "turquoise",
    "violet": "purple",
    "lilac": "purple",
    "magenta": "pink",
    "rose": "pink",
    "maroon": "dark red",
    "crimson": "red",
    "scarlet": "red",
    "navy": "dark blue",
    "tan": "beige",
    "cream": "beige",
    "gold": "yellow",
    "golden": "yellow",
    "lime": "light green",
    "olive": "dark green",
    "azure": "light blue",
}
SHADES = {"dark": "dark", "deep": "dark", "light": "light", "pale": "light", "bright": "bright"}


def colour_in(phrase: str) -> tuple[str | None, str]:
    """The colour words of a phrase, and the rest of it.

    Example:
        >>> colour_in("the dark blue cup")
        ('dark blue', 'cup')
    """
    shade, colour, rest = "", None, []
    for word in words(phrase):
        name = ALIASES.get(word, word)
        if word in SHADES and colour is None:
            shade = SHADES[word]
        elif colour is None and name.split()[-1] in COLOURS:
            colour = name
        elif word not in ("coloured", "colored", "colour", "color"):
            rest.append(word)
    if colour is None:
        return None, " ".join(words(phrase))
    if shade and " " not in colour:
        colour = f"{shade} {colour}"
    return colour, " ".join(rest)


def _lab(image: npt.NDArray[np.uint8]) -> tuple[Floats32, Floats32, Floats32]:
    """Lightness 0..100, chroma and hue in degrees of CIE Lab."""
    import cv2

    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    lightness, a, b = lab[..., 0], lab[..., 1], lab[..., 2]
    chroma = np.hypot(a, b)
    hue = np.degrees(np.arctan2(b, a)) % 360
    return lightness, chroma.astype(np.float32), hue.astype(np.float32)


def _ramp(values: Any, low: float, high: float) -> Floats32:
    """0 below `low`, 1 above `high`, straight in between (falling when low > high)."""
    ramp: Floats32 = np.clip((values - low) / (high - low), 0, 1).astype(np.float32)
    return ramp


def membership(image: npt.NDArray[np.uint8], colour: str) -> Floats32:
    """(H, W) 0..1: how well each pixel is called by a colour name.

    Args:
        image: (H, W, 3) uint8 RGB.
        colour: A name of `COLOURS` or an alias, with "dark", "light" or "bright" before it.

    Raises:
        ValueError: The name is not known.
    """
    parsed, rest = colour_in(colour)
    if parsed is None or rest:
        raise ValueError(f"colour {colour!r}: known are {', '.join(COLOURS)}, also dark or light")
    *shades, base = parsed.split()
    lightness, chroma, hue = _lab(image)
    score = _base(base, lightness, chroma, hue)
    if "dark" in shades:
        score = score * _ramp(lightness, 58, 46)
        if base in ("blue", "green", "red", "purple", "brown"):
            # Dark things lose chroma: a dark blue cup is nearly black with a hue.
            center, half = _HUES.get(base, (55.0, 25.0))
            near = _ramp(_apart(hue, center), half + 10, half - 5)
            dim = near * _ramp(lightness, 45, 35) * _ramp(chroma, 5, 10) * _ramp(lightness, 6, 12)
            score = np.maximum(score, dim).astype(np.float32)
    if "light" in shades:
        score = score * _ramp(lightness, 52, 64)
    if "bright" in shades:
        score = score * _ramp(chroma, 30, 50)
    return np.asarray(score, dtype=np.float32)


def _apart(hue: Floats32, center: float) -> Floats32:
    apart: Floats32 = np.abs((hue - center + 180) % 360 - 180)
    return apart


def _base(base: str, lightness: Floats32, chroma: Floats32, hue: Floats32) -> Floats32:
    coloured = _ramp(chroma, 13, 22)
    if base == "white":
        return _ramp(lightness, 68, 80) * _ramp(chroma, 15, 9)
    if base == "black":
        return _ramp(lightness, 32, 22) * _ramp(chroma, 16, 9)
    if base == "grey":
        return _ramp(chroma, 14, 8) * _ramp(lightness, 22, 32) * _ramp(lightness, 86, 76)
    warm = _ramp(_apart(hue, 65), 32, 24)
    if base == "brown":
        return (
            warm
            * _ramp(chroma, 9, 15)
            * _ramp(lightness, 62, 52)
            * _ramp(lightness, 10, 18)
            * (_ramp(chroma, 62, 50))
        )
    if base == "beige":
        return (
            _ramp(_apart(hue, 80), 34, 24) * _ramp(chroma, 6, 10) * _ramp(chroma, 38, 30)
        ) * _ramp(lightness, 58, 68)
    center, half = _HUES[base]
    score = _ramp(_apart(hue, center), half + 5, half - 4) * coloured * _ramp(lightness, 8, 16)
    if base == "red":
        # Light low-chroma reds are pink or skin; brownish ones are brown.
        score = score * _ramp(chroma, 24, 36) * _ramp(lightness, 78, 68)
    elif base == "orange":
        score = score * _ramp(chroma, 38, 50) * _ramp(lightness, 42, 52)
    elif base == "yellow":
        score = score * _ramp(chroma, 28, 40) * _ramp(lightness, 48, 58)
    elif base == "pink":
        # Strong magentas are called pink even when they are dark.
        score = score * np.maximum(
            _ramp(lightness, 40, 52), _ramp(chroma, 38, 48) * _ramp(lightness, 24, 31)
        )
    return np.asarray(score, dtype=np.float32)


def colour_mask(frame: Any, colour: str, *, threshold: float = 0.5) -> npt.NDArray[np.bool_]:
    """(H, W) bool: the pixels of a colour.

    Example:
        >>> colour_mask(frames[0], "dark blue").mean()
    """
    return membership(as_frame(frame).image, colour) >= threshold


def colour_name(frame: Any, mask: npt.NDArray[np.bool_] | None = None) -> dict[str, float]:
    """How much of a picture, or of a mask in it, each colour name covers; largest first.

    Example:
        >>> next(iter(colour_name(frames[0], mask)))
        'red'
    """
    image = as_frame(frame).image
    if mask is not None:
        image = image[mask][:, None]
    if image.size == 0:
        return {}
    layers = np.stack([membership(image, name) for name in COLOURS])
    total = layers.sum(axis=0)
    shares = (layers / np.maximum(total, 1e-6)).reshape(len(COLOURS), -1).mean(axis=1)
    order = np.argsort(-shares)
    return {COLOURS[i]: round(float(shares[i]), 3) for i in order if shares[i] > 0.02}
