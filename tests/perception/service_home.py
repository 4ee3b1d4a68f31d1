"""Folders, pictures and calls of the tests of the perception service."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spatialclaw.perception.client import Query, Shared


@dataclass
class Home:
    """Folders of one test.

    Attributes:
        package: A package of models, found by its entry point.
        folder: Where the models write down what they did.
        runtime: The service's socket, lock and log.
        cache: Results.
    """

    package: Path
    folder: Path
    runtime: Path
    cache: Path

    def runs(self, model: str | None = None) -> list[str]:
        """What the models wrote down, of one model or all."""
        file = self.folder / "runs.txt"
        lines = file.read_text().splitlines() if file.exists() else []
        return [line for line in lines if model is None or f" {model} " in line]

    def log(self) -> str:
        """What the service wrote."""
        return "".join(path.read_text() for path in self.runtime.glob("*.log"))


def picture(seed: int = 0, height: int = 48, width: int = 64) -> np.ndarray:
    """Noise that differs from seed to seed."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def query(method: str, pictures: list[Shared], timeout: float = 30.0, **params: object) -> Query:
    """A call."""
    return Query(method, pictures, params, timeout=timeout)
