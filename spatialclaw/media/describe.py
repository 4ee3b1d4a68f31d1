"""What the model is told about the frames (the words are in ``prompts/media.md``)."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from spatialclaw.primitives.frames import Frame, Frames

if TYPE_CHECKING:
    import jinja2

    from spatialclaw.media.loading import Media

__all__ = ["describe"]

#: Frames listed one by one; of longer sequences the first and last.
_LISTED = 16
_NOTES = 16


def describe(media: Media, render: Callable[..., str] | None = None) -> str:
    """A compact text: sequences, sizes, times, and what is known of the cameras.

    Args:
        media: What was loaded.
        render: Renders the template of a name, as where prompts come from a folder of one's own;
            by default the package's own ``media.md`` is used.
    """
    text = (render or _render)(
        "media",
        sequences=[_sequence(frames) for frames in media.sequences],
        notes=media.notes[:_NOTES],
        further_notes=max(0, len(media.notes) - _NOTES),
    )
    return text.strip() + "\n"


def _render(name: str, **values: Any) -> str:
    return _template().render(**values)


@lru_cache(maxsize=1)
def _template() -> jinja2.Template:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("spatialclaw", "prompts"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # noqa: S701 - Markdown for a model, not HTML
    )
    return environment.get_template("media.md")


def _sequence(frames: Frames) -> dict[str, Any]:
    sizes = sorted({(frame.width, frame.height) for frame in frames})
    listed = list(frames)
    if len(listed) > _LISTED:
        listed = [*listed[: _LISTED - 2], *listed[-2:]]
    times = [frame.time for frame in frames if frame.time is not None]
    return {
        "name": frames.name,
        "kind": frames.kind,
        "count": len(frames),
        "sizes": [f"{width}x{height}" for width, height in sizes[:4]],
        "more_sizes": len(sizes) > 4,
        "source_size": f"{frames[0].source_size[0]}x{frames[0].source_size[1]}",
        "scaled": any(frame.source_scale != 1.0 for frame in frames),
        "scale": f"{frames[0].source_scale:.4g}",
        "first_time": f"{times[0]:.2f}" if times else None,
        "last_time": f"{times[-1]:.2f}" if times else None,
        "info": {
            key: frames.info.get(key)
            for key in ("duration_s", "frame_count", "frame_rate", "constant_rate", "gravity")
        },
        "intrinsics": _intrinsics(frames),
        "depth": _depth(frames),
        "poses": _poses(frames),
        "stereo": _stereo(frames),
        "gps": len(frames.info.get("gps", [])),
        "trajectory": len(frames.info.get("trajectory", [])),
        "objects": [thing.name for thing in frames.objects],
        "frames": [_frame(frame) for frame in listed],
        "skipped": len(frames) - len(listed),
        "skip_at": _LISTED - 2,
    }


def _frame(frame: Frame) -> dict[str, Any]:
    return {
        "position": frame.position,
        "index": frame.index,
        "name": frame.name,
        "size": f"{frame.width}x{frame.height}",
        "time": None if frame.time is None else f"{frame.time:.2f}",
    }


def _intrinsics(frames: Frames) -> dict[str, Any] | None:
    known = [frame for frame in frames if frame.intrinsics is not None]
    if not known:
        return None
    first = known[0]
    k = first.intrinsics
    assert k is not None
    same = all(f.intrinsics is not None and abs(f.intrinsics - k).max() < 0.01 for f in known)
    return {
        "count": len(known),
        "fx": f"{k[0, 0]:.1f}",
        "fy": f"{k[1, 1]:.1f}",
        "cx": f"{k[0, 2]:.1f}",
        "cy": f"{k[1, 2]:.1f}",
        "source": first.intrinsics_source,
        "sigma": None if first.focal_sigma is None else f"{first.focal_sigma:.0f}",
        "same": same,
        "view_deg": f"{math.degrees(2 * math.atan(first.width / 2 / k[0, 0])):.0f}",
    }


def _depth(frames: Frames) -> dict[str, Any] | None:
    known = [frame for frame in frames if frame.depth_source is not None]
    if not known:
        return None
    return {"count": len(known), "source": known[0].depth_source, "metric": known[0].metric}


def _poses(frames: Frames) -> dict[str, Any] | None:
    known = [frame for frame in frames if frame.pose is not None]
    if not known:
        return None
    return {"count": len(known), "source": known[0].pose_source, "metric": known[0].metric}


def _stereo(frames: Frames) -> dict[str, Any] | None:
    known = [frame for frame in frames if frame.stereo]
    if not known or known[0].stereo is None:
        return None
    baseline = known[0].stereo["baseline_m"]
    return {
        "pairs": [(frame.position, frame.stereo["right"]) for frame in known[:4] if frame.stereo],
        "count": len(known),
        "baseline": None if baseline is None else f"{baseline:.4g}",
    }
