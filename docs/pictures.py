"""Makes the pictures of the documentation from real runs: python docs/pictures.py.

The builtin backend answers, so that no key is needed and the pictures come out the same.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from PIL import Image

import spatialclaw as sc
from spatialclaw.traces import Run
from spatialclaw.traces.png import write_png

HERE = Path(__file__).resolve().parent
EXAMPLES = HERE.parent / "examples"
QUESTIONS = {
    "distance": ("room", "How far is the suitcase from the bin?"),
    "tabletop": ("tabletop", "How tall is the apple?"),
    "speed": ("street", "What is the average speed of the blue car in km/h?"),
}


def main() -> int:
    """Asks, draws, and fails when a question was not answered."""
    folder = HERE / "pictures"
    folder.mkdir(exist_ok=True)
    failed = 0
    for name, (media, question) in QUESTIONS.items():
        with tempfile.TemporaryDirectory() as runs:
            answer = sc.ask(EXAMPLES / media, question, backend="builtin", runs_dir=Path(runs))
            if answer.status != "submitted" or answer.run is None:
                print(f"{name}: {answer.status} {answer.reason}", file=sys.stderr)
                failed += 1
                continue
            path = write_png(Run(answer.run), folder / f"{name}.png")
        with Image.open(path) as image:  # a page is read over a network: 256 colours are enough
            small = image.convert("RGB").quantize(256, method=Image.Quantize.MEDIANCUT)
        small.save(path, optimize=True)
        print(f"{path.relative_to(HERE.parent)}: {answer.text}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
