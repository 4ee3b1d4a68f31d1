"""A question of a benchmark as everything after its loader sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

__all__ = ["Dataset", "Medium", "Row", "Sampling", "Truth"]

Kind = Literal["image", "video", "frames", "depth", "mask", "capture"]
Format = Literal["letter", "number", "yes_no", "word", "text", "point", "points", "box", "json"]


@dataclass(frozen=True)
class Medium:
    """A picture, video or folder that a question shows.

    Attributes:
        kind: What it is.
        path: Where it lies on this machine, once prepared.
        clip: (start, end) in seconds of a video, or None for all of it.
        frame_indices: Frames of the video that the data itself names, or None.
        role: "query", "view", "reference" or "video".
        name: As the question calls it, such as "Image-1"; "" when it does not.
        archive: The archive that holds it, and its name in there, while it may still have to be
            taken out (`spatialclaw.evaluation.data.fetch` does); None when `path` is all.
    """

    kind: Kind
    path: Path
    clip: tuple[float, float] | None = None
    frame_indices: tuple[int, ...] | None = None
    role: str = "query"
    name: str = ""
    archive: tuple[Path, str] | None = None


@dataclass(frozen=True)
class Truth:
    """The true answer.

    Attributes:
        type: "choice", "number", "integer", "yes_no", "text", "point", "points", "polygon",
            "mask", "motion5", "poses" or "json".
        value: Typed: a letter, a float, a str, a list.
        text: The string that the official rule compares with; "" for the value written out.
        unit: Of a number, or None.
    """

    type: str
    value: Any
    text: str = ""
    unit: str | None = None


@dataclass(frozen=True)
class Sampling:
    """Which frames of a video are shown.

    Attributes:
        policy: "uniform", "fps" or "given".
        n: How many, for "uniform".
        max_fps: Upper bound on the rate, or None.
    """

    policy: Literal["uniform", "fps", "given"] = "uniform"
    n: int = 32
    max_fps: float | None = None


@dataclass(frozen=True)
class Row:
    """One question.

    Attributes:
        benchmark: Our name of the benchmark.
        uid: Unique and stable within it.
        index: Position in file order, before any shuffling.
        question: Text without options and without the request for a form.
        media: In the order in which the question refers to them.
        truth: The true answer; never shown to a model.
        question_raw: As in the file.
        options: Letter (or "Yes", "No") to text without its prefix; None when free.
        format: The form of answer that is asked for.
        task: Question type as in the data; what the benchmark's rule is given.
        extra: The other columns of the row that its scorer reads, by their names in the data.
        tags: For break-downs: category, difficulty, dataset, ...
        group: What questions about the same scene or video share; intervals are clustered by it.
        group_path: For trees and levels.
        sampling: The benchmark's usual frames.
        prompt: The benchmark's own request, for direct runs: keys system, prefix, suffix.
        hidden: Columns that no model may see: explanations, hints, thoughts.
        parts: The question with its media in place, where the data says where: texts, and positions
            in `media`. Empty: all media first, then the text.
        frame_refs: Frames that the text names, to be shown for certain: (as named, fraction of the
            video from 0 to 1).
        unit: Of the number that is asked for, where the data says so.
    """

    benchmark: str
    uid: str
    index: int
    question: str
    media: tuple[Medium, ...]
    truth: Truth
    question_raw: str = ""
    options: Mapping[str, str] | None = None
    format: Format = "text"
    task: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    group: str = ""
    group_path: tuple[str, ...] = ()
    sampling: Sampling = field(default_factory=Sampling)
    prompt: Mapping[str, str] | None = None
    hidden: Mapping[str, Any] = field(default_factory=dict)
    parts: tuple[str | int, ...] = ()
    frame_refs: tuple[tuple[str, float], ...] = ()
    unit: str | None = None


@dataclass(frozen=True)
class Dataset:
    """The prepared questions of a benchmark.

    Attributes:
        benchmark: Our name, with "@" and the subset where it is not the usual one.
        rows: The questions whose media are all there, in file order.
        revision: Commit of the hub repository, or a digest of the folder given.
        source: Where it came from: hub id or folder, for the manifest.
        files: Name to sha256 of the files read, for the manifest.
        missing: One line for each question left out, and why.
        notes: What else the user should know.
        expected: The published number of questions, or None.
    """

    benchmark: str
    rows: Sequence[Row]
    revision: str = ""
    source: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    missing: Sequence[str] = ()
    notes: Sequence[str] = ()
    expected: int | None = None
