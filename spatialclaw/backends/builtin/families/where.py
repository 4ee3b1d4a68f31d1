"""Where a thing is in the picture, as a pixel or box; what only a model could see."""

from __future__ import annotations

from spatialclaw.backends.builtin.inquiry import Inquiry
from spatialclaw.backends.builtin.steps import Cell, Finding, Investigation, NotGrounded

__all__ = ["facing", "investigate", "video"]

WHERE = """\
f = frames[{frame}]
thing = max(segment(f, {what!r}), key=lambda m: m.score)
print(thing)
x, y = (float(v) for v in (thing.center + 0.5) / f.source_scale - 0.5)
box = [round(float(v), 1) for v in (np.array(thing.box) + 0.5) / f.source_scale - 0.5]
score = round(float(thing.score), 3)
print(f"x = {{round(x, 1)}}")
print(f"y = {{round(y, 1)}}")
print(f"box = {{box}}")
print(f"score = {{score}}")
show(draw.masks(f, [thing]), title={what!r})
"""


def investigate(inquiry: Inquiry) -> Investigation:
    """The pixel or the box of a thing."""
    question = inquiry.question
    thing = question.things[0]
    frame = inquiry.frame_for(thing)
    seen = yield Cell(
        f"Find {thing} in the picture.",
        WHERE.format(frame=frame, what=" ".join(thing.words) or thing.text),
    )
    x, y = seen.number("x"), seen.number("y")
    if x is None or y is None:
        raise NotGrounded(repr(thing.text), [seen.message])
    sure = 0.8 * float(seen.number("score") or 0.5)
    if question.ask == "box":
        return Finding(
            "box", tuple(seen.get("box")), confidence=sure, evidence=("box of its mask",)
        )
    return Finding("point", (x, y), "px", 5.0, sure, ("centre of its mask",))


def facing(inquiry: Inquiry) -> Investigation:
    """Which way a thing faces takes eyes."""
    things = ", ".join(str(thing) for thing in inquiry.question.things)
    yield Cell(
        "Whether the capture says anything about it.", "print(frames.objects, sorted(frames.info))"
    )
    raise NotGrounded(
        f"which way {things or 'it'} faces",
        [
            "neither geometry nor the detectors without weights tell the front of a thing from its back"
        ],
    )


def video(inquiry: Inquiry) -> Investigation:
    """The length of the video, the number of frames or pictures."""
    seen = yield Cell(
        "What the media say about themselves.",
        "print({k: v for k, v in frames.info.items() if k != 'trajectory'})\n"
        "duration = frames.info.get('duration') or frames.info.get('duration_s') or (frames[-1].time if len(frames) else None)\n"
        "stored = frames.info.get('frames') or frames.info.get('frame_count') or len(frames)\n"
        "print(f'duration = {duration}')\nprint(f'stored = {stored}')",
    )
    if inquiry.question.ask == "length":
        duration = seen.number("duration")
        if duration is None:
            raise NotGrounded("the length of the video", [seen.message])
        return Finding("number", duration, "s", 0.1, 0.9, ("from the container",))
    count = seen.number("stored")
    value = int(count) if count is not None and inquiry.facts.is_video else inquiry.facts.count
    return Finding("number", value, "count", 0.4, 0.9, ("from the media",))
