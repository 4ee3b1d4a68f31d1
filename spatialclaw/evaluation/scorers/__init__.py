"""Scorers: each defined once, as the benchmark's own code defines it, with a name and a version."""

from collections.abc import Mapping
from typing import Any

from spatialclaw.evaluation.scorers import (  # noqa: F401
    choice,
    number,
    plain,
    points,
    structured,
    trajectory,
)
from spatialclaw.evaluation.scorers.base import REGISTRY, Scored
from spatialclaw.evaluation.scorers.number import mra

__all__ = ["REGISTRY", "Scored", "mra", "score"]


def score(name: str, reply: str, truth: str, args: Mapping[str, Any] | None = None) -> Scored:
    """Scores one reply with the scorer of that name.

    Args:
        name: A name of `REGISTRY`, such as "letter-mindcube" or "mra".
        reply: What was said, untouched.
        truth: The true answer as text.
        args: What the scorer needs of the row; its docstring says which.

    Raises:
        KeyError: No scorer has that name.
    """
    return REGISTRY[name][1](reply, truth, args or {})
