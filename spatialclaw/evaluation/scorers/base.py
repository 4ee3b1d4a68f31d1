"""What a scorer is, and the pieces that several of them share."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["REGISTRY", "Scored", "Scorer", "no_answer", "scorer", "tag_content"]


@dataclass(frozen=True)
class Scored:
    """The score of one reply.

    Attributes:
        score: 0..1.
        read: What the scorer read out of the reply; None when it could read nothing.
        extra: Further figures, such as the same score under another normalisation.
    """

    score: float
    read: Any = None
    extra: Mapping[str, float] | None = None


Scorer = Callable[[str, str, Mapping[str, Any]], Scored]
REGISTRY: dict[str, tuple[int, Scorer]] = {}


def scorer(name: str, *, version: int = 1) -> Callable[[Scorer], Scorer]:
    """Registers a scorer under its name; the version changes whenever a score could."""

    def register(function: Scorer) -> Scorer:
        if name in REGISTRY:
            raise ValueError(f"two scorers are named {name!r}")
        REGISTRY[name] = (version, function)
        return function

    return register


def no_answer(reply: str) -> bool:
    """Whether there is no answer: it scores 0 everywhere, whatever a benchmark's own code does."""
    return not reply.strip()


def tag_content(reply: str, *, tag: str = "answer", ignore_case: bool = False) -> str | None:
    """The content of the first ``<answer>...</answer>``, or None."""
    flags = re.DOTALL | (re.IGNORECASE if ignore_case else 0)
    match = re.search(rf"<{tag}>(.*?)</{tag}>", reply, flags)
    return match.group(1) if match else None
