"""A perception service of the test's own: its runtime folder, cache and models are temporary."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from service_home import Home, picture

from spatialclaw.perception import registry, starting
from spatialclaw.perception.client import Shared, share_pictures

HERE = Path(__file__).parent


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """Folders and environment of a service that the test starts by asking something."""
    package = tmp_path / "package"
    info = package / "sc_test_models-1.0.dist-info"
    info.mkdir(parents=True)
    shutil.copy(HERE / "sc_test_models.py", package)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: sc-test-models\nVersion: 1.0\n")
    entry = "[spatialclaw.models]\ntest = sc_test_models:adapters\n"
    (info / "entry_points.txt").write_text(entry)
    made = Home(tmp_path / "notes", Path(tempfile.mkdtemp(prefix="sc-")), tmp_path / "cache")
    made.folder.mkdir()
    paths = [str(package), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    monkeypatch.syspath_prepend(str(package))
    monkeypatch.setenv("SC_TEST_FOLDER", str(made.folder))
    monkeypatch.setenv("SPATIALCLAW_PERCEPTION_RUNTIME", str(made.runtime))
    monkeypatch.setenv("SPATIALCLAW_PERCEPTION_CACHE", str(made.cache))
    monkeypatch.setenv("SPATIALCLAW_PERCEPTION_IDLE", "60")
    for name in ("SPATIALCLAW_PERCEPTION_URL", "SPATIALCLAW_PERCEPTION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    registry._discovered.cache_clear()
    yield made
    starting.stop()
    registry._discovered.cache_clear()
    assert starting.status() is None
    shutil.rmtree(made.runtime)


@pytest.fixture
def shared() -> Iterator[list[Shared]]:
    """Pictures 0 to 15 in shared memory."""
    made = share_pictures([picture(seed) for seed in range(16)])
    yield made
    os.close(made[0].fd)
