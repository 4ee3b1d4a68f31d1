"""Makes docs/howto/view.webp: a step of an example's run as the viewer shows it.

Run ``python docs/view_picture.py``; it needs a chromium (or its path in SPATIALCLAW_CHROMIUM).
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from PIL import Image

import spatialclaw as sc
from spatialclaw.traces import Run

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests" / "viewer"))

from viewer_chromium import Chromium, find  # noqa: E402
from viewer_runs import Viewer  # noqa: E402

QUESTION = "How far is the lamp from the camera?"


def main() -> None:
    """Asks, views, takes the picture."""
    program = find()
    if program is None:
        sys.exit("no chromium here")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SPATIALCLAW_SCREENSHOTS"] = folder
        runs, room = Path(folder, "runs"), HERE.parent / "examples" / "room"
        answer = sc.ask(room, QUESTION, backend="builtin", runs_dir=runs)
        assert answer.run is not None
        run = Path(answer.run)
        cell = next(c for c in Run(run).cells if "measure.distance" in c["code"])
        viewer, browser = Viewer(runs), Chromium(program)
        page = browser.page(width=1100)
        page.open(viewer.address)
        page.open(f"{viewer.root}/run/{run.name}")
        page.run(f"document.getElementById('e{cell['seq']}').scrollIntoView()")
        page.until(f"document.querySelector('#e{cell['seq']} .scene').dataset.view")
        page.screenshot("view")
        browser.close()
        viewer.close()
        target = HERE / "howto" / "view.webp"
        picture = Image.open(Path(folder, "view.png")).convert("RGB").crop((0, 0, 1100, 680))
        picture.save(target, quality=82, method=6)


if __name__ == "__main__":
    main()
