"""Budgets of a run: cells, seconds, tokens and money."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from spatialclaw.agent.types import Usage

__all__ = ["Budget", "BudgetKind", "Limits", "limits_from"]

BudgetKind = Literal["steps", "seconds", "tokens", "cost"]


@dataclass(frozen=True)
class Limits:
    """What a run may take.

    Attributes:
        max_steps: Cells that run.
        max_seconds: Wall time, everything included.
        max_tokens: Input and output tokens of all model calls, or None.
        max_cost: US dollars, or None.
        cell_timeout: Seconds one cell may take.
        format_errors: Replies without a usable cell in a row before the answer is asked for.
        answer_seconds: Time kept after `max_seconds` for the one last reply.
        plan: Whether a plan is asked for first.
        verify: How often a verifier may send an answer back.
        shown_frames: Pictures of the input given with the task, at most.
        frame_edge: Their longer edge in pixels, at most.
        shown_edge: Longer edge of the pictures that cells show, at most.
    """

    max_steps: int = 30
    max_seconds: float = 900.0
    max_tokens: int | None = None
    max_cost: float | None = None
    cell_timeout: float = 120.0
    format_errors: int = 3
    answer_seconds: float = 60.0
    plan: bool = True
    verify: int = 0
    shown_frames: int = 8
    frame_edge: int = 768
    shown_edge: int = 1024


@dataclass
class Budget:
    """Counts what a run took against its limits."""

    limits: Limits
    clock: Callable[[], float] = time.monotonic
    steps: int = 0
    usage: Usage = field(default_factory=Usage)
    last_tokens: int = 0
    last_cost: float = 0.0
    started: float = field(init=False)

    def __post_init__(self) -> None:
        self.started = self.clock()

    @property
    def seconds(self) -> float:
        """Wall time since the start."""
        return self.clock() - self.started

    @property
    def seconds_left(self) -> float:
        """Wall time left, never below 0."""
        return max(0.0, self.limits.max_seconds - self.seconds)

    @property
    def tokens(self) -> int:
        """Input and output tokens so far."""
        return self.usage.input_tokens + self.usage.output_tokens

    def spend(self, usage: Usage) -> None:
        """Adds what one model call took."""
        self.usage.add(usage)
        self.last_tokens = usage.input_tokens + usage.output_tokens
        self.last_cost = usage.cost_usd or 0.0

    def exhausted(self) -> tuple[BudgetKind, float, float] | None:
        """The first budget that is used up as (kind, used, cap), or None.

        Tokens and money count as used up when a further step and the last reply, each as large as
        the last call, would go beyond the cap: so the cap holds and there is still an answer.
        """
        limits = self.limits
        cost = self.usage.cost_usd or 0.0
        used: list[tuple[BudgetKind, float, float, float | None]] = [
            ("steps", self.steps, 0, limits.max_steps),
            ("seconds", self.seconds, 0, limits.max_seconds),
            ("tokens", self.tokens, 2 * self.last_tokens, limits.max_tokens),
            ("cost", cost, 2 * self.last_cost, limits.max_cost),
        ]
        for kind, value, ahead, cap in used:
            if cap is not None and value + ahead >= cap:
                return kind, value, cap
        return None

    def describe_end(self) -> str:
        """Which budget ended the run, in words."""
        spent = self.exhausted()
        if spent is None:
            return "no usable cell came"
        kind, value, cap = spent
        unit = {"steps": "cells", "seconds": "s", "tokens": "tokens", "cost": "USD"}[kind]
        return f"{value:.4g} of {cap:.4g} {unit}"

    def left(self) -> dict[str, float]:
        """What is left of each budget that has a cap."""
        limits = self.limits
        left: dict[str, float] = {
            "steps": max(0, limits.max_steps - self.steps),
            "seconds": round(self.seconds_left, 1),
        }
        if limits.max_tokens is not None:
            left["tokens"] = max(0, limits.max_tokens - self.tokens)
        if limits.max_cost is not None:
            left["cost_usd"] = max(0.0, limits.max_cost - (self.usage.cost_usd or 0.0))
        return left


def limits_from(settings: Any) -> Limits:
    """The limits that settings name; the defaults without settings."""
    if settings is None:
        return Limits()
    return Limits(
        max_steps=settings.max_steps,
        max_seconds=settings.max_seconds,
        max_tokens=settings.max_tokens,
        max_cost=settings.max_cost,
        cell_timeout=settings.cell_timeout,
        verify=settings.verify,
    )
