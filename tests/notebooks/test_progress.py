"""Long work says how far it is, where somebody looks."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from spatialclaw import progress
from spatialclaw.media import load

LONG = "import time\nfrom spatialclaw.progress import task\n" + (
    "with task('counting', total=4, unit='steps') as advance:\n"
    "    for _ in range(4): time.sleep(0.3); advance(1)\n"
)


def test_the_line_has_a_bar_and_the_time_left() -> None:
    state = progress.State("decoding", 10, "frames", done=5, started=time.monotonic() - 5)
    assert state.line.startswith("decoding ████████████░")
    assert state.line.endswith("5/10 frames, 5 s left")
    state = progress.State("model", 20e6, "B", done=10e6, before=10e6)
    assert state.line.endswith("10.0/20.0 MB")  # nothing gained yet: no pace to tell from
    assert progress.State("looking", None, "files", done=3).line == "looking: 3 files"
    assert progress.State("nothing", 0, "files").line == "nothing: 0 files"


def test_work_is_shown_to_who_asked_and_the_end_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "DELAY", 0.0)
    shown: list[str | None] = []
    with (
        progress.shown_by(lambda state: shown.append(state.line if state else None)),
        pytest.raises(RuntimeError),
        progress.task("work", total=2) as advance,
    ):
        advance(1)
        raise RuntimeError
    assert len(shown) == 2
    assert str(shown[0]).startswith("work")
    assert shown[1] is None


def test_decoding_counts_every_frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "DELAY", 0.0)
    monkeypatch.setattr(progress, "_EVERY", 0.0)
    for number in range(3):
        Image.fromarray(np.full((20, 30, 3), number, np.uint8)).save(tmp_path / f"{number}.png")
    shown: list[tuple[float, float | None]] = []
    with progress.shown_by(
        lambda state: shown.append((state.done, state.total)) if state else None
    ):
        load(sorted(tmp_path.glob("*.png")), workdir=tmp_path / "work")
    assert shown == [(1, 3), (2, 3), (3, 3)]


def test_a_pipe_is_spared() -> None:
    done = subprocess.run([sys.executable, "-c", LONG], capture_output=True, text=True, timeout=60)
    assert done.stdout + done.stderr == ""


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")
def test_a_terminal_sees_a_bar_that_goes_away() -> None:
    import pty

    ours, theirs = pty.openpty()
    subprocess.run([sys.executable, "-c", LONG], stderr=theirs, check=True, timeout=60)
    os.close(theirs)
    seen = os.read(ours, 10_000).decode()
    os.close(ours)
    assert "counting █" in seen
    assert "left" in seen
    assert seen.endswith("\r\x1b[2K")
