"""spatial-synth: scenes drawn from a seed, with exact truth; nothing to download.

    spatialclaw eval spatial-synth            500 questions, made once
    spatialclaw eval spatial-synth@degraded   the same under degraded perception
    python -m benchmarks.spatial_synth OUT [--questions N] [--seed S] [--degrade LEVEL] [--jobs N]

Options stand behind "@": ``spatial-synth@n=200,seed=7,degrade=light``.

Rooms, tabletops, streets and stereo pairs, in turn, each with questions of all its families, until
there are so many. ``OUT/questions.jsonl`` has the form of ``examples/questions.jsonl`` (`Question`
in `spatialclaw.evaluation.synth.questions`); ``OUT/manifest.json`` says what it was made from. The
same arguments give the same questions. Generation goes on where it was killed.

The objects and the depth in the captures are the renderer's own: oracle perception. ``--degrade``
spoils them (the truth stays), so that loops, prompts and primitives can be compared under it.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from itertools import count, islice
from pathlib import Path
from typing import Any

from spatialclaw.errors import SpatialclawError, UsageError
from spatialclaw.evaluation.benchmark import Benchmark
from spatialclaw.evaluation.data.custom import read_custom
from spatialclaw.evaluation.data.files import write_once
from spatialclaw.evaluation.rows import Dataset
from spatialclaw.evaluation.synth import captures
from spatialclaw.evaluation.synth.captures import Order
from spatialclaw.evaluation.synth.degrade import Degradation
from spatialclaw.evaluation.synth.questions import Question
from spatialclaw.evaluation.synth.render import Quality

__all__ = ["BENCHMARK", "LEVELS", "VERSION", "Plan", "generate", "main", "plans"]

NAME = "spatial-synth"
VERSION = 1
WIDTH = 480
_ROOM = Quality(grid=2, shadow=1, corners=1, smooth=1)
_STREET = Quality(grid=1, shadow=1, corners=0, smooth=0)

LEVELS: dict[str, Degradation | None] = {
    "none": None,
    "light": Degradation(depth_noise=0.01, depth_dropout=0.05, object_dropout=0.02, edge=1),
    "medium": Degradation(0.03, 1.03, 0.15, 0.1, 3),
    "heavy": Degradation(0.06, 1.08, 0.3, 0.25, 6),
}
"""Names of degradations for the command line."""


@dataclass(frozen=True)
class Plan:
    """One capture to be made.

    Attributes:
        kind: "room", "tabletop", "street", "video" or "stereo".
        seed: Everything about it follows from this.
        questions: How many questions it is asked at most.
    """

    kind: str
    seed: int
    questions: int

    @property
    def name(self) -> str:
        """Its name in the benchmark, and that of its folder or file."""
        return f"{self.kind}-{self.seed:06d}"


# Kind -> (questions at most, how it is made, further fields of its order).
_KINDS: dict[str, tuple[int, Callable[[Order], list[Question]], dict[str, Any]]] = {
    "room": (20, captures.room, {"frames": 8, "quality": _ROOM}),
    "tabletop": (14, captures.tabletop, {"frames": 4, "quality": _ROOM}),
    "street": (8, captures.street_capture, {"frames": 16, "quality": _STREET}),
    "video": (6, captures.street_video, {"quality": _STREET}),
    "stereo": (6, captures.stereo, {"frames": 8, "quality": _ROOM}),
}
_TURN = ("room", "tabletop", "room", "street", "room", "tabletop", "video", "room", "stereo")


def plans(seed: int) -> Iterator[Plan]:
    """Captures without end, the kinds taking turns."""
    for number in count():
        kind = _TURN[number % len(_TURN)]
        yield Plan(kind, seed * 1_000_000 + number, _KINDS[kind][0])


def make(plan: Plan, out: Path, degradation: Degradation | None) -> list[dict[str, Any]]:
    """Makes one capture under ``out/media`` unless it is there; returns its questions."""
    record = out / "parts" / f"{plan.name}.json"
    if record.is_file():
        found: list[dict[str, Any]] = json.loads(record.read_text())
        return found
    _, maker, fields = _KINDS[plan.kind]
    target = out / "media" / (f"{plan.name}.mp4" if plan.kind == "video" else plan.name)
    if target.is_dir():
        shutil.rmtree(target)
    inside = ("left.png", "right.png", "calib.json") if plan.kind == "stereo" else ("",)
    media = [str(Path("media") / target.name / name) for name in inside]
    order = Order(
        plan.seed,
        target,
        media,
        plan.name,
        width=WIDTH,
        questions=plan.questions,
        degradation=degradation,
        **fields,
    )
    questions = [question.record() for question in maker(order)]
    record.parent.mkdir(parents=True, exist_ok=True)
    draft = record.with_suffix(".part")
    draft.write_text(json.dumps(questions))
    draft.replace(record)  # the record is there only when the whole capture is
    return questions


def _end_quietly() -> None:
    """Lets an interrupt end a worker at once, without a traceback of its own."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def generate(
    out: Path,
    questions: int = 500,
    seed: int = 0,
    *,
    degrade: str = "none",
    jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Makes the benchmark in a folder; returns its ``questions.jsonl``.

    Args:
        out: The folder; what is there of the same benchmark is kept.
        questions: How many.
        seed: Of everything.
        degrade: One of `LEVELS`.
        jobs: Processes that draw.
        progress: Told (questions so far, all) after each capture.

    Raises:
        UsageError: A bad number or level, or the folder holds another benchmark.
    """
    if questions < 1:
        raise UsageError(f"{questions} questions", hint="Ask for one or more.")
    if degrade not in LEVELS:
        raise UsageError(f"no degradation {degrade!r}", hint=f"There are {', '.join(LEVELS)}.")
    level = LEVELS[degrade]
    manifest = {
        "name": NAME,
        "version": VERSION,
        "seed": seed,
        "degrade": degrade,
        "degradation": None if level is None else asdict(level),
        "width": WIDTH,
    }
    _claim(out, manifest)
    rows: list[dict[str, Any]] = []
    coming = plans(seed)
    with ProcessPoolExecutor(max(1, jobs), initializer=_end_quietly) as pool:
        while len(rows) < questions:
            # As many captures as are surely needed, so that their number does not depend on jobs.
            batch = list(islice(coming, max(1, (questions - len(rows)) // 20)))
            for made in pool.map(make, batch, [out] * len(batch), [level] * len(batch)):
                rows += made
                if progress is not None:
                    progress(min(len(rows), questions), questions)
    rows = rows[:questions]
    listing = out / "questions.jsonl"
    listing.write_text("".join(json.dumps(row) + "\n" for row in rows))
    manifest["questions"] = len(rows)
    manifest["families"] = dict(Counter(row["family"] for row in rows))
    (out / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    return listing


def options(text: str) -> tuple[int, int, str]:
    """Number of questions, seed and degradation from what stands behind "@".

    Raises:
        UsageError: It is none of them.
    """
    values = {"n": "500", "seed": "0", "degrade": "none"}
    for part in filter(None, (part.strip() for part in text.split(","))):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals and (key == "degraded" or key in LEVELS):
            key, value = "degrade", "medium" if key == "degraded" else key
        if key not in values or (key != "degrade" and not value.isdigit()):
            raise UsageError(
                f"{NAME} has no option {part!r}",
                hint=f"Say {NAME}@n=200,seed=7,degrade=light, or {NAME}@degraded.",
            )
        values[key] = value
    if values["degrade"] not in LEVELS:
        raise UsageError(
            f"no degradation {values['degrade']!r}", hint=f"There are {', '.join(LEVELS)}."
        )
    return int(values["n"]), int(values["seed"]), values["degrade"]


def dataset(text: str, cache: Path, tell: Callable[[str], None]) -> Dataset:
    """The questions, drawn now unless they are in the cache; fewer are the first of more."""
    wanted, seed, degrade = options(text)
    out = cache / f"v{VERSION}-seed{seed}-{degrade}"
    listing = out / f"questions-{wanted}.jsonl"
    if not listing.is_file():
        out.mkdir(parents=True, exist_ok=True)
        with (out / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # another process may be drawing the same
            if not listing.is_file():
                tell(f"drawing {wanted} questions of {NAME} in {out}, once")
                made = generate(
                    out,
                    wanted,
                    seed,
                    degrade=degrade,
                    jobs=os.cpu_count() or 1,
                    progress=lambda done, whole: tell(f"{done} of {whole} questions"),
                )
                write_once(listing, made.read_bytes())
    return read_custom(listing, out, f"{NAME}@{text}" if text else NAME)


def rule(question_type: str, extra: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Numbers within the question's tolerance, choices, yes or no."""
    from spatialclaw.benchmarks import custom

    return custom.rule(question_type, extra)


BENCHMARK = Benchmark(
    name=NAME,
    title=NAME,
    hub="",
    count=500,
    inputs="captures, video, stereo",
    answers="number, letter, yes/no",
    licence="none needed: drawn from a seed",
    aliases=("synth",),
    note="Drawn once, minutes on a CPU. @degraded spoils depth and objects; the truth stays.",
    compared="made here",
    rule=rule,
    generate=dataset,
)


def _claim(out: Path, manifest: dict[str, Any]) -> None:
    path = out / "manifest.json"
    if path.is_file():
        there = json.loads(path.read_text())
        for key, value in manifest.items():
            if there.get(key) != value:
                raise UsageError(
                    f"{out} holds another benchmark ({key} {there.get(key)!r}, not {value!r})",
                    hint="Name another folder.",
                )
        return
    out.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(manifest, indent=1) + "\n")


def main(arguments: list[str] | None = None) -> int:
    """The command; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.spatial_synth",
        description="Draws scenes from a seed, with questions whose answers are exactly known.",
    )
    parser.add_argument("out", type=Path, help="folder to make it in")
    parser.add_argument("--questions", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--degrade", default="none", help=", ".join(LEVELS))
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args(arguments)

    def tell(done: int, wanted: int) -> None:
        print(f"{done} of {wanted} questions", file=sys.stderr, flush=True)

    try:
        listing = generate(
            options.out,
            options.questions,
            options.seed,
            degrade=options.degrade,
            jobs=options.jobs,
            progress=tell,
        )
    except SpatialclawError as error:
        print(f"spatial-synth: {error}", file=sys.stderr)
        return error.exit_status
    print(listing)
    return 0


if __name__ == "__main__":
    sys.exit(main())
