"""The options that ask, explore and eval share; `Settings` says what each means."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import Parameter, signature
from pathlib import Path
from typing import Annotated, Any

import typer

from spatialclaw.config import Resolved, Settings, resolve_settings

__all__ = ["shared_options"]

_TYPES: dict[str, Any] = {
    "max_steps": int,
    "max_seconds": float,
    "max_tokens": int,
    "max_cost": float,
    "cell_timeout": float,
    "frames": int,
    "memory": int,
    "seed": int,
    "temperature": float,
    "request_timeout": float,
    "max_retries": int,
    "verify": int,
    "votes": int,
    "price_input": float,
    "price_output": float,
    "runs_dir": Path,
    "prompts_dir": Path,
    "benchmarks_dir": Path,
}
_NOT_FLAGS = frozenset({"api_key", "perception_token"})


def shared_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the shared options to a command, which gets them resolved as `resolved`."""
    own = [p for p in signature(command, eval_str=True).parameters.values() if p.name != "resolved"]
    names = [name for name in Settings.model_fields if name not in _NOT_FLAGS]
    shared = [_parameter(name) for name in names]
    config = Parameter(
        "config",
        Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[
            Path | None,
            typer.Option("--config", help="a TOML file of settings", rich_help_panel="Settings"),
        ],
    )

    @wraps(command)
    def wrapper(**arguments: Any) -> Any:
        path = arguments.pop("config")
        flags = {name: arguments.pop(name) for name in names}
        resolved: Resolved = resolve_settings(flags, config=path)
        return command(resolved=resolved, **arguments)

    keyword = [p.replace(kind=Parameter.KEYWORD_ONLY) for p in own]
    wrapper.__signature__ = signature(command, eval_str=True).replace(  # type: ignore[attr-defined]
        parameters=[*keyword, *shared, config]
    )
    annotations = {p.name: p.annotation for p in [*keyword, *shared, config]}
    wrapper.__annotations__ = annotations
    return wrapper


def _parameter(name: str) -> Parameter:
    field = Settings.model_fields[name]
    default = "" if field.default is None else f" (default: {field.default})"
    choices = getattr(field.annotation, "__args__", ())
    literal = [c for c in choices if isinstance(c, str)]
    text = f"{field.description}{': ' + ', '.join(literal) if literal else ''}{default}"
    option = typer.Option(
        f"--{name.replace('_', '-')}",
        help=text,
        show_default=False,
        rich_help_panel="Settings",
    )
    kind = _TYPES.get(name, str)
    return Parameter(
        name, Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind | None, option]
    )
