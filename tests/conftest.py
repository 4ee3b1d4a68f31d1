"""Fixtures that every area uses."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def find_shared_data() -> Path | None:
    """The folder of real sample data, when there is one."""
    named = os.environ.get("SPATIALCLAW_SHARED_DATA")
    candidates = [Path(named)] if named else []
    candidates += [ROOT / "shared" / "data", ROOT.parent / "shared" / "data"]
    return next((path for path in candidates if (path / "questions.json").is_file()), None)


@pytest.fixture(scope="session", autouse=True)
def _perception_of_the_tests() -> Iterator[None]:
    """A perception service and cache apart from the user's, ended and removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="sc-"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPATIALCLAW_PERCEPTION_RUNTIME", str(folder))
        patch.setenv("SPATIALCLAW_PERCEPTION_CACHE", str(folder / "cache"))
        yield
        if any(folder.glob("*.sock")):
            from spatialclaw.perception import starting

            starting.stop()
    shutil.rmtree(folder, ignore_errors=True)


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
