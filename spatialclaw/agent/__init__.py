"""The plan-code-execute-observe loop, its budgets, and what the model is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spatialclaw.agent.types import Answer, Observation, Task, Usage

if TYPE_CHECKING:
    from spatialclaw.agent.budget import Budget, Limits
    from spatialclaw.agent.environment import Environment
    from spatialclaw.agent.loop import run
    from spatialclaw.agent.prompts import Prompts
    from spatialclaw.agent.question import letters, split_choices
    from spatialclaw.agent.vlm_tools import VlmTools

__all__ = [
    "Answer",
    "Budget",
    "Environment",
    "Limits",
    "Observation",
    "Prompts",
    "Task",
    "Usage",
    "VlmTools",
    "letters",
    "run",
    "split_choices",
]

_LAZY = {
    "Budget": "budget",
    "Environment": "environment",
    "Limits": "budget",
    "Prompts": "prompts",
    "VlmTools": "vlm_tools",
    "letters": "question",
    "run": "loop",
    "split_choices": "question",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
