"""What all tests of evaluations share."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Prepared benchmarks go to a folder of the tests, not to the user's."""
    name = "SPATIALCLAW_BENCHMARKS_CACHE"
    before = os.environ.get(name)
    os.environ[name] = str(tmp_path_factory.mktemp("benchmarks"))
    yield
    if before is None:
        del os.environ[name]
    else:
        os.environ[name] = before
