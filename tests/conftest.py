"""Fixtures that every area uses."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def find_shared_data() -> Path | None:
    """The folder of real sample data, when there is one."""
    named = os.environ.get("SPATIALCLAW_SHARED_DATA")
    candidates = [Path(named)] if named else []
    candidates += [ROOT / "shared" / "data", ROOT.parent / "shared" / "data"]
    return next((path for path in candidates if (path / "questions.json").is_file()), None)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real pictures, stereo pairs, RGB-D captures and videos with ground truth."""
    folder = find_shared_data()
    if folder is None:
        pytest.skip("the folder of real sample data (shared/data) is not beside the checkout")
    return folder


@pytest.fixture(scope="session")
def examples() -> Path:
    """The example captures of the repository."""
    return ROOT / "examples"
