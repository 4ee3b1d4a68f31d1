"""What the first cell finds out about the media, and which frame a question means."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from spatialclaw.backends.builtin.language import Question, View
from spatialclaw.backends.builtin.steps import Seen

__all__ = ["LOOK", "Facts", "read_facts"]

LOOK = """\
for f in list(frames)[:6]:
    print(f)
if len(frames) > 6:
    print(f"... {len(frames)} frames in all, the last: {frames[-1]}")
kind = frames.kind
names = [f.name for f in frames]
indices = [f.index for f in frames]
times = [None if f.time is None else round(f.time, 3) for f in frames]
sizes = [(f.width, f.height) for f in frames][:1]
known = {
    what: [f.position for f in frames if getattr(f, what) is not None]
    for what in ("intrinsics", "depth", "pose", "instances", "stereo")
}
objects = [(o.id, o.name) for o in frames.objects]
info = sorted(frames.info)
metric = all(f.metric for f in frames)
for name in ("kind", "names", "indices", "times", "sizes", "known", "objects", "info", "metric"):
    print(f"{name} = {globals()[name]!r}")
show(*(frames if len(frames) < 4 else frames.sample(4)), title="what there is to look at")"""


@dataclass(frozen=True)
class Facts:
    """What is known about the media.

    Attributes:
        kind: "images", "video", "rgbd", "stereo", "multiview" or "poses".
        names: Of the frames.
        indices: Their numbers in the video.
        times: Seconds or None.
        known: What -> positions of the frames that have it.
        objects: (id, name) of the objects that the capture names.
        info: Keys of what else is known.
        metric: Whether poses and depth are in metres.
    """

    kind: str = "images"
    names: tuple[str, ...] = ()
    indices: tuple[int, ...] = ()
    times: tuple[float | None, ...] = ()
    known: dict[str, list[int]] = field(default_factory=dict)
    objects: tuple[tuple[int, str], ...] = ()
    info: tuple[str, ...] = ()
    metric: bool = True

    @property
    def count(self) -> int:
        """Number of frames."""
        return len(self.names)

    @property
    def is_video(self) -> bool:
        """Whether the frames are from a video."""
        return self.kind == "video"

    def has(self, what: str, position: int | None = None) -> bool:
        """Whether a frame, or any, has depth, pose, intrinsics, instances or stereo."""
        positions = self.known.get(what, [])
        return bool(positions) if position is None else position in positions

    @property
    def first_left(self) -> int:
        """The frame to measure in when the question names none: the left one of a rectified pair."""
        for what in ("depth", "stereo"):
            if self.known.get(what):
                return self.known[what][0]
        return 0

    def position(self, view: View, media: tuple[str, ...] = ()) -> int | None:
        """The position of the frame that a question means, or None."""
        if not self.count:
            return None
        last = self.count - 1
        if view.kind == "last":
            return last
        if view.kind == "ordinal":
            place = int(view.value) - 1
            return place if 0 <= place <= last else None
        if view.kind == "sampled":
            share = (view.value - 1) / max(view.total - 1, 1)
            return min(last, max(0, round(share * last)))
        if view.kind == "time":
            timed = [(abs(t - view.value), i) for i, t in enumerate(self.times) if t is not None]
            return min(timed)[1] if timed else None
        if view.kind == "name":
            return self._by_name(view, media)
        return self._by_number(int(view.value), view.text)

    def _by_name(self, view: View, media: tuple[str, ...]) -> int | None:
        wanted = view.text.lower()
        for i, name in enumerate(self.names):
            if wanted in (name.lower(), name.lower().rsplit(".", 1)[0].rsplit("/", 1)[-1]):
                return i
        holding = [i for i, name in enumerate(self.names) if wanted in name.lower()]
        if len(holding) == 1:
            return holding[0]
        return int(view.value) if self.count == len(media) else None

    def _by_number(self, number: int, said: str) -> int | None:
        if self.is_video:
            away = [(abs(index - number), i) for i, index in enumerate(self.indices)]
            return min(away)[1] if away else None
        named = [
            i
            for i, name in enumerate(self.names)
            if number in [int(digits) for digits in re.findall(r"\d{1,9}", name)[:3]]
        ]
        if len(named) == 1:
            return named[0]
        if self.kind == "poses" or said.lstrip("the ").startswith("frame"):
            if number in self.indices:
                return self.indices.index(number)
            place = number if "frame" in said else number - 1
        else:
            place = number - 1
        return place if 0 <= place < self.count else None

    def views(self, question: Question, media: tuple[str, ...] = ()) -> list[int]:
        """Positions of the frames that a question means, in order of mention; unknown ones left out."""
        found = [self.position(view, media) for view in question.views]
        return [place for place in found if place is not None]

    def pair(self, question: Question, media: tuple[str, ...] = ()) -> tuple[int, int] | None:
        """The two frames to compare: those named, else the first and the last."""
        named = list(dict.fromkeys(self.views(question, media)))
        if len(named) >= 2:
            return named[0], named[1]
        if len(named) == 1 and named[0] != 0:
            return 0, named[0]
        return (0, self.count - 1) if self.count > 1 else None


def read_facts(seen: Seen) -> Facts:
    """Reads what `LOOK` printed."""
    values: dict[str, Any] = seen.values
    known = values.get("known")
    return Facts(
        kind=str(values.get("kind", "images")),
        names=tuple(str(name) for name in values.get("names") or ()),
        indices=tuple(int(index) for index in values.get("indices") or ()),
        times=tuple(values.get("times") or ()),
        known=known if isinstance(known, dict) else {},
        objects=tuple((int(i), str(name)) for i, name in values.get("objects") or ()),
        info=tuple(str(key) for key in values.get("info") or ()),
        metric=bool(values.get("metric", True)),
    )
