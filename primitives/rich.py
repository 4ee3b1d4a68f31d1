"""How results show themselves in a notebook: pictures, numbers with their error, scenes to turn.

All text is escaped; pictures go along as data, nothing is fetched from anywhere. In the kernels
that the agent works in nothing of this happens: there `show` puts pictures into an observation.
"""

from __future__ import annotations

import base64
import html
import secrets
from collections.abc import Sequence
from importlib import resources
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Rich", "enabled", "html_of", "switch"]

MAX_EDGE = 640
THUMBNAIL = 180
THUMBNAILS = 12
SCENE_POINTS = 6_000

_on = True


def switch(on: bool) -> None:
    """Switches rich displays on or off in this process."""
    global _on
    _on = on


def enabled() -> bool:
    """Whether results show themselves as HTML in this process."""
    return _on


class Rich:
    """Gives a result its display in notebooks; the text is its repr."""

    __slots__ = ()

    def _repr_html_(self) -> str | None:
        return html_of(self) if _on else None


def html_of(thing: Any) -> str:
    """A result as a piece of HTML that stands alone."""
    name = type(thing).__name__
    if name == "Measurement":
        return _measurement(thing)
    if name == "Scene":
        return _scene(thing)
    if name == "Frame":
        return _figure(thing.image, repr(thing))
    if name == "Frames":
        return _frames(thing)
    from spatialclaw.primitives.show import picture

    shown = picture(thing)
    if shown is None:
        return f"<pre>{html.escape(repr(thing))}</pre>"
    return _figure(shown.pixels, repr(thing))


def _figure(pixels: npt.NDArray[np.uint8], text: str) -> str:
    lines = html.escape(text)
    return (
        f'<figure style="margin:0">{_image(pixels, MAX_EDGE, text)}'
        f'<figcaption><pre style="margin:.3em 0;white-space:pre-wrap">{lines}</pre>'
        "</figcaption></figure>"
    )


def _image(pixels: npt.NDArray[np.uint8], edge: int, alt: str) -> str:
    import cv2

    from spatialclaw.primitives.show import encode

    height, width = pixels.shape[:2]
    factor = min(1.0, edge / max(height, width))
    if factor < 1:
        size = (max(1, round(width * factor)), max(1, round(height * factor)))
        small = cv2.resize(np.ascontiguousarray(pixels), size, interpolation=cv2.INTER_AREA)
        pixels = np.asarray(small, dtype=np.uint8)
    data, kind = encode(np.asarray(pixels, dtype=np.uint8))
    text = base64.b64encode(data).decode("ascii")
    label = html.escape(alt.splitlines()[0][:200] if alt else "", quote=True)
    return (
        f'<img src="data:{kind};base64,{text}" alt="{label}" '
        f'width="{pixels.shape[1]}" style="max-width:100%">'
    )


def _frames(frames: Any) -> str:
    count = len(frames)
    chosen: Sequence[Any] = frames if count <= THUMBNAILS else frames.sample(THUMBNAILS)
    tiles = []
    for frame in chosen:
        when = "" if frame.time is None else f" {frame.time:.2f} s"
        caption = html.escape(f"[{frame.position}] {frame.name}{when}")
        tiles.append(
            '<figure style="margin:0 .5em .5em 0;display:inline-block">'
            f"{_image(frame.image, THUMBNAIL, repr(frame))}"
            f"<figcaption><small>{caption}</small></figcaption></figure>"
        )
    more = f" ({len(chosen)} of them below)" if len(chosen) < count else ""
    head = html.escape(repr(frames).splitlines()[0] if count else "<no frames>")
    return f"<div><code>{head}</code>{more}</div><div>{''.join(tiles)}</div>"


def _measurement(found: Any) -> str:
    # what a person looks at in a notebook is not what a model read: no note of it is taken
    text = html.escape(found._text().replace("+-", "±"))
    method = f" <small>by {html.escape(found.method)}</small>" if found.method else ""
    lines = "".join(f"<li>{html.escape(line)}</li>" for line in found.evidence)
    evidence = f'<ul style="margin:.2em 0 0">{lines}</ul>' if lines else ""
    return f"<div><b>{text}</b>{method}{evidence}</div>"


def _scene(scene: Any) -> str:
    """Points and the camera's way in a small viewer: drag to turn, wheel to come closer."""
    head = html.escape(repr(scene))
    points, colours = scene.points(most=SCENE_POINTS), scene.colours(most=SCENE_POINTS)
    cloud = np.asarray(points, dtype=np.float64).reshape(-1, 3)
    colours = np.asarray(colours, dtype=np.uint8).reshape(-1, 3)
    finite = np.isfinite(cloud).all(axis=1)
    cloud, colours = cloud[finite], colours[finite]
    if not len(cloud):
        return f"<code>{head}</code><div>no points</div>"
    step = max(1, len(cloud) // SCENE_POINTS)
    cloud, colours = cloud[::step], colours[::step]
    low, high = np.percentile(cloud, 1, axis=0), np.percentile(cloud, 99, axis=0)
    centre, size = (low + high) / 2, max(float((high - low).max()), 1e-6)
    inside = (np.abs(cloud - centre) <= size).all(axis=1)
    packed = np.round((cloud[inside] - centre) / size * 16383).astype("<i2")
    path = np.round((np.asarray(scene.camera_path) - centre) / size * 16383)
    script = resources.files("spatialclaw.primitives").joinpath("scene_view.js").read_text("utf-8")
    name = f"scene-{secrets.token_hex(6)}"
    data = {
        "POINTS": base64.b64encode(packed.tobytes()).decode("ascii"),
        "COLOURS": base64.b64encode(colours[inside].tobytes()).decode("ascii"),
        "PATH": base64.b64encode(path.clip(-32767, 32767).astype("<i2").tobytes()).decode("ascii"),
        "NAME": name,
    }
    for key, value in data.items():
        script = script.replace(f"@{key}@", value)
    unit = " m" if scene.metric else " units"
    return (
        f"<div><code>{head}</code></div>"
        f'<canvas id="{name}" width="640" height="420" tabindex="0" role="img" '
        'aria-label="the scene in 3-D; drag or use the arrow keys to turn it" '
        'style="max-width:100%;background:#16181d;border-radius:4px;touch-action:none"></canvas>'
        f"<div><small>{len(packed)} points, {size:.3g}{unit} across; drag or arrow keys turn, "
        "wheel or + and - zoom; the line is the camera's way</small></div>"
        f"<script>{script}</script>"
    )
