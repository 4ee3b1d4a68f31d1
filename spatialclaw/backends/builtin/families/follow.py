"""Following what moves: the cells that `passages`, `moving`, comparisons of speed and orders share."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from spatialclaw.backends.builtin.inquiry import Inquiry
from spatialclaw.backends.builtin.language import Thing
from spatialclaw.backends.builtin.steps import Cell, NotGrounded, Seen

__all__ = ["Followed", "densely", "follow"]

DENSE = """\
from spatialclaw.primitives.decode import decode
from spatialclaw.primitives.track import heading, passages
seconds = frames[-1].time or 1.0
rate = min(10.0, 250 / max(seconds, 0.5))
dense = decode(fps=rate, max_size=640)
print(len(dense), "frames,", round(rate, 2), "for each second;", dense[-1])
print(f"rate = {round(rate, 3)}")
"""

ALL = """\
from spatialclaw.primitives.track import heading, passages
dense = frames
print(len(dense), "frames")
"""

FOLLOW = """\
{name} = track(dense, {what!r})
print({name}, {name}.note)
rows = []
for p in passages(dense, {name}):
    word, margin = heading(p.track)
    boxes = p.track.boxes
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    k = max(1, len(areas) // 4)
    path = float(np.linalg.norm(np.diff(p.track.centers, axis=0), axis=1).sum())
    net = p.track.centers[-k:].mean(axis=0) - p.track.centers[:k].mean(axis=0)
    rows.append({{
        "track": {name}.index(p.track), "start": round(float(p.start_s), 2), "end": round(float(p.end_s), 2),
        "heading": word, "margin": round(float(margin), 1), "enters": p.enters, "leaves": p.leaves,
        "area": round(float(np.median(areas)), 1), "grow": round(float(areas[-k:].mean() / max(areas[:k].mean(), 1.0)), 3),
        "path": round(path, 1), "net": [round(float(v), 1) for v in net], "score": float(p.track.score),
    }})
    print(p)
rows = [{{k: (None if v != v else v) for k, v in row.items()}} for row in rows]
print(f"rows = {{rows!r}}")
method, note = {name}.method, {name}.note
print(f"method = {{method!r}}")
print(f"size = {{[dense[0].width, dense[0].height]}}")
"""


@dataclass(frozen=True)
class Followed:
    """What was followed.

    Attributes:
        name: Variable of the tracks in the kernel.
        rows: One dict a passage: track, start, end, heading, margin, enters, leaves, area, grow,
            path, net, score.
        method: How.
        named: Whether the method knew what it followed (by the capture or a colour).
    """

    name: str
    rows: list[dict[str, Any]]
    method: str
    named: bool


def densely(inquiry: Inquiry) -> Generator[Cell, Seen, None]:
    """Makes `dense`: enough frames to follow things.

    Raises:
        NotGrounded: There is one picture only.
    """
    if inquiry.facts.count < 2:
        raise NotGrounded("movement: there is one picture only")
    if "dense" in inquiry.done:
        return
    inquiry.done.add("dense")
    if inquiry.facts.is_video:
        seen = yield Cell("More frames of the video, to follow what moves.", DENSE)
        if seen.ok:
            return
    yield Cell("The frames as they are.", ALL)


def follow(inquiry: Inquiry, thing: Thing) -> Generator[Cell, Seen, Followed]:
    """Follows a thing, or whatever moves when it cannot be told apart.

    Raises:
        NotGrounded: Nothing moves.
    """
    yield from densely(inquiry)
    name = "moving_" + inquiry.variable(thing)
    phrase = " ".join(thing.words) or thing.text
    seen = yield Cell(f"Follow {phrase!r}.", FOLLOW.format(name=name, what=phrase))
    if not seen.ok:
        again = yield Cell("Follow whatever moves.", FOLLOW.format(name=name, what=None))
        if not again.ok:
            raise NotGrounded(f"{thing.text!r} moving", [seen.message, again.message])
        seen = again
    rows = seen.get("rows")
    rows = rows if isinstance(rows, list) else []
    method = str(seen.get("method", ""))
    if not rows:
        raise NotGrounded(f"{thing.text!r} moving", ["nothing comes, goes or moves long enough"])
    return Followed(name, rows, method, method in ("capture", "colour"))
