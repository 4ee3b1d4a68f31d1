"""Makes the example captures and their questions anew: ``python examples/make.py``.

Everything follows from the seeds below. Needs Open3D's system libraries (``spatialclaw doctor``
says whether they are there); takes some minutes on two cores.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from spatialclaw.evaluation.synth import captures
from spatialclaw.evaluation.synth.captures import Order
from spatialclaw.evaluation.synth.questions import Question
from spatialclaw.evaluation.synth.render import Quality

HERE = Path(__file__).resolve().parent
FINE = Quality(grid=3, shadow=2, corners=2, smooth=2)
OUTDOORS = Quality(grid=2, shadow=1, corners=0, smooth=0)
STEREO = ("stereo/left.png", "stereo/right.png", "stereo/calib.json")


def makers(out: Path) -> dict[str, Callable[[], list[Question]]]:
    """What is made, by name."""
    return {
        "room": partial(
            captures.room,
            Order(2, out / "room", ["room"], "room", 640, 10, 52, FINE),
        ),
        "tabletop": partial(
            captures.tabletop,
            Order(TABLETOP_SEED, out / "tabletop", ["tabletop"], "table", 640, 4, 24, FINE),
        ),
        "street": partial(
            captures.street_capture,
            Order(STREET_SEED, out / "street", ["street"], "street", 640, 16, 12, OUTDOORS),
        ),
        "street.mp4": partial(
            captures.street_video,
            Order(STREET_SEED, out / "street.mp4", ["street.mp4"], "video", 480, 0, 9, OUTDOORS),
        ),
        "stereo": partial(
            captures.stereo,
            Order(STEREO_SEED, out / "stereo", STEREO, "stereo", 640, 10, 9, FINE),
        ),
    }


TABLETOP_SEED = 3
STREET_SEED = 1
STEREO_SEED = 4


def main() -> None:
    """Writes all examples, or those named; the questions of the others stay."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("what", nargs="*", help=f"some of: {', '.join(makers(HERE))}")
    parser.add_argument("--out", type=Path, default=HERE, help="where to")
    arguments = parser.parse_args()
    out: Path = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    known = makers(out)
    listing = out / "questions.jsonl"
    kept: dict[str, list[str]] = {name: [] for name in known}
    if listing.is_file():
        for line in listing.read_text().splitlines():
            owner = json.loads(line)["media"][0].split("/")[0]
            kept[owner].append(line)
    for name in arguments.what or known:
        with tempfile.TemporaryDirectory() as scratch:
            made = makers(Path(scratch))[name]()
            if (out / name).is_dir():
                shutil.rmtree(out / name)
            shutil.move(Path(scratch) / name, out / name)
        kept[name] = [json.dumps(question.record()) for question in made]
        listing.write_text("".join(f"{line}\n" for lines in kept.values() for line in lines))
        print(f"{name}: {len(kept[name])} questions", flush=True)


if __name__ == "__main__":
    main()
