"""What answers here, by which method, and what brings the rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from spatialclaw.primitives.frames import Frame, Frames

__all__ = ["METHODS", "Availability", "availability", "available"]

METHODS = ("depth", "segment_text", "segment", "track_text", "reconstruct", "read_text")
"""The methods of models that are asked about."""

ModelFor = Callable[[str], tuple[str | None, str]]


@dataclass(frozen=True)
class Way:
    """How one primitive answers for this input.

    Attributes:
        primitive: As it is called.
        without: What answers without a model, "" when nothing does.
        model: The model that answers, or None.
        command: What brings a model where there is none, "" where there is one or none is of use.
    """

    primitive: str
    without: str
    model: str | None = None
    command: str = ""

    def __str__(self) -> str:
        here = self.without or "nothing"
        if self.model is not None:
            return f"{self.primitive}: {self.without + '; ' if self.without else ''}{self.model}"
        return f"{self.primitive}: {here}" + (f"; more: {self.command}" if self.command else "")


class Availability(tuple[Way, ...]):
    """One `Way` for each primitive that looks at pictures; prints as a line each."""

    def __repr__(self) -> str:
        return "\n".join(map(str, self))


def available() -> Availability:
    """What answers for the frames of this run: a line for each primitive, with its method.

    Returns:
        `Availability`: a tuple of ways with `.primitive`, `.without`, `.model` and `.command`.

    Example:
        >>> available()
        depth: nothing; more: spatialclaw models pull depth-anything-v2-indoor-small
        ...
    """
    from spatialclaw.primitives import context
    from spatialclaw.primitives.perceive import model_for

    return availability(context.sequences(), model_for)


def availability(sequences: Sequence[Frames], model_for: ModelFor) -> Availability:
    """What answers for given frames.

    Args:
        sequences: The input.
        model_for: Name of the model that answers a method, or None, and the command.
    """
    frames = [frame for sequence in sequences for frame in sequence]
    names = sorted({thing.name for sequence in sequences for thing in sequence.objects})
    several = any(len(sequence) > 1 for sequence in sequences)
    named = [f"names of the capture ({len(names)})"] if names else []
    deep = any(frame.depth is not None for frame in frames)

    def way(primitive: str, without: list[str], *methods: str) -> Way:
        said = [model_for(method) for method in methods]
        best = next((model for model, _ in said if model is not None), None)
        command = "" if best is not None or not said else said[0][1]
        return Way(primitive, ", ".join(without), best, command)

    words = [*named, "people, faces, markers, colours"]
    words += ["floor, walls and table tops by depth"] if deep else []
    at = ["edges of depth"] if deep else []
    moving = [*named, "colours", "all that moves", "boxes"] if several else []
    return Availability(
        (
            way("depth", _depths(frames, several=several), "depth"),
            way("segment, detect by name", words, "segment_text"),
            way("segment by points or box", [*at, "GrabCut"], "segment"),
            way("track", moving, "track_text") if several else Way("track", "needs a video"),
            way("reconstruct", _worlds(frames, several=several), "reconstruct"),
            way("read_text", [], "read_text"),
        )
    )


def _depths(frames: Sequence[Frame], *, several: bool) -> list[str]:
    ways = sorted({frame.depth_source or "rgbd" for frame in frames if frame.depth is not None})
    if any(frame.stereo is not None for frame in frames):
        ways.append("stereo pair")
    if several:
        ways.append("points that frames share (sparse)")
    return ways


def _worlds(frames: Sequence[Frame], *, several: bool) -> list[str]:
    if several and all(frame.pose is not None for frame in frames):
        return ["poses of the capture"]
    if frames and all(frame.depth is not None for frame in frames):
        return ["RGB-D odometry"] if several else ["one frame with depth"]
    return ["structure from motion (no scale)"] if several else []
