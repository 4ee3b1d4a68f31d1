"""Fixtures of the builtin backend's tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spatialclaw.agent.types import Answer


@pytest.fixture
def ask(tmp_path: Path) -> Callable[..., Answer]:
    """Asks through the public door, with the builtin backend and a runs folder of its own."""
    import spatialclaw as sc

    def asked(media: Any, question: str, **more: Any) -> Answer:
        return sc.ask(media, question, backend="builtin", runs_dir=tmp_path / "runs", **more)

    return asked
