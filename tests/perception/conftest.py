"""A perception service of the test's own: its runtime folder, cache and models are temporary."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from service_home import Home, picture

from spatialclaw.perception import registry, starting
from spatialclaw.perception.client import Shared, share_pictures

HERE = Path(__file__).parent


def _made(folder: Path) -> Home:
    package = folder / "package"
    info = package / "sc_test_models-1.0.dist-info"
    info.mkdir(parents=True)
    shutil.copy(HERE / "sc_test_models.py", package)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: sc-test-models\nVersion: 1.0\n")
    entry = "[spatialclaw.models]\ntest = sc_test_models:adapters\n"
    (info / "entry_points.txt").write_text(entry)
    runtime = Path(tempfile.mkdtemp(prefix="sc-"))
    made = Home(package, folder / "notes", runtime, folder / "cache")
    made.folder.mkdir()
    return made


@contextmanager
def _in(home: Home) -> Iterator[Home]:
    with pytest.MonkeyPatch.context() as patch:
        before = [path for path in [os.environ.get("PYTHONPATH")] if path]
        patch.setenv("PYTHONPATH", os.pathsep.join([str(home.package), *before]))
        patch.syspath_prepend(str(home.package))
        patch.setenv("SC_TEST_FOLDER", str(home.folder))
        patch.setenv("SPATIALCLAW_PERCEPTION_RUNTIME", str(home.runtime))
        patch.setenv("SPATIALCLAW_PERCEPTION_CACHE", str(home.cache))
        patch.setenv("SPATIALCLAW_PERCEPTION_IDLE", "60")
        for name in ("SPATIALCLAW_PERCEPTION_URL", "SPATIALCLAW_PERCEPTION_TOKEN"):
            patch.delenv(name, raising=False)
        registry._discovered.cache_clear()
        yield home
    registry._discovered.cache_clear()


def _ended(home: Home) -> None:
    starting.stop()
    assert starting.status() is None
    shutil.rmtree(home.runtime)


@pytest.fixture(scope="session")
def _one_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    made = _made(tmp_path_factory.mktemp("perception"))
    yield made
    with _in(made):
        _ended(made)


@pytest.fixture
def home(_one_home: Home) -> Iterator[Home]:
    """A service that knows nothing of earlier tests, though it may have run in them."""
    shutil.rmtree(_one_home.cache, ignore_errors=True)
    for file in _one_home.folder.iterdir():
        file.unlink()
    with _in(_one_home):
        yield _one_home


@pytest.fixture(scope="module")
def _in_home(_one_home: Home) -> Iterator[None]:
    """The environment of that service, for what a module starts once."""
    with _in(_one_home):
        yield


@pytest.fixture
def own_home(tmp_path: Path) -> Iterator[Home]:
    """A service that is not running yet."""
    made = _made(tmp_path)
    with _in(made):
        yield made
        _ended(made)


@pytest.fixture
def shared() -> Iterator[list[Shared]]:
    """Pictures 0 to 15 in shared memory."""
    made = share_pictures([picture(seed) for seed in range(16)])
    yield made
    os.close(made[0].fd)
