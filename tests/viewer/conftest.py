"""A viewer of a folder, and a browser to look at it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from viewer_chromium import Chromium, find
from viewer_runs import Viewer


@pytest.fixture
def view() -> Iterator[Any]:
    """A function: folder -> `Viewer`."""
    pytest.importorskip("starlette")
    pytest.importorskip("uvicorn")
    opened: list[Viewer] = []

    def start(folder: Path) -> Viewer:
        opened.append(Viewer(folder))
        return opened[-1]

    yield start
    for viewer in reversed(opened):
        viewer.close()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Chromium]:
    """A browser for all tests; each page has cookies of its own."""
    program = find()
    if program is None:
        pytest.skip("no chromium here: install one, or name it in SPATIALCLAW_CHROMIUM")
    browser = Chromium(program)
    yield browser
    browser.close()
