"""Settings: flag, then environment, then file, then default, each with where it came from."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from spatialclaw.errors import ConfigError

__all__ = ["ENVIRONMENT_PREFIX", "Resolved", "Settings", "resolve_settings"]

ENVIRONMENT_PREFIX = "SPATIALCLAW_"
CONFIG_NAME = "spatialclaw.toml"
# Variables of other tools that name the same thing, after our own.
_ALIASES = {"base_url": ("OPENAI_BASE_URL",), "api_key": ("OPENAI_API_KEY",)}
# Variables that are no settings of a run.
_OTHER_VARIABLES = (
    "CONFIG",
    "DEBUG",
    "SHARED_DATA",
    "BENCHMARKS_CACHE",
    "PERCEPTION_CACHE",
    "PERCEPTION_CACHE_SIZE",
    "PERCEPTION_DEVICE",
    "PERCEPTION_IDLE",
    "PERCEPTION_MEMORY",
    "PERCEPTION_MODEL_IDLE",
    "PERCEPTION_QUEUE",
    "PERCEPTION_RUNTIME",
    "SERVE_TOKEN",
)
# Keys may lie in the environment only: a file is copied and committed, a flag is seen by `ps`.
_ENVIRONMENT_ONLY = frozenset({"api_key", "perception_token"})


class Settings(BaseModel):
    """Everything that changes how a question is answered."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    backend: str = Field("auto", description="auto, openai, builtin, human or replay:RUN")
    model: str | None = Field(None, description="the model's name on the server")
    base_url: str | None = Field(None, description="the server, such as http://localhost:8000/v1")
    api_key: SecretStr | None = Field(None, description="the server's key (environment only)")
    interface: Literal["code", "tools", "single-pass", "direct"] = Field(
        "code", description="how the model acts"
    )
    max_steps: int = Field(30, ge=1, le=1000, description="cells at most")
    max_seconds: float = Field(900, gt=0, description="wall time for a question")
    max_tokens: int | None = Field(None, ge=1, description="input and output tokens in all")
    max_cost: float | None = Field(None, gt=0, description="US dollars, where prices are known")
    cell_timeout: float = Field(120, gt=0, description="seconds a cell may take")
    frames: int = Field(32, ge=1, le=10_000, description="frames taken from a video")
    confine: Literal["strict", "process", "off"] = Field(
        "strict", description="how the kernel is confined"
    )
    memory: int = Field(
        4096, ge=256, le=1_000_000, description="memory a kernel may take, in megabytes"
    )
    runs_dir: Path = Field(Path("spatialclaw-runs"), description="where run folders are made")
    seed: int = Field(0, ge=0, description="seed of everything random")
    temperature: float | None = Field(None, ge=0, le=2, description="sampling temperature")
    request_timeout: float = Field(180, gt=0, description="seconds one model request may take")
    max_retries: int = Field(4, ge=0, le=20, description="times a failed request is repeated")
    price_input: float | None = Field(None, ge=0, description="US dollars a million input tokens")
    price_output: float | None = Field(None, ge=0, description="US dollars a million output tokens")
    route: Literal["auto", "always", "never"] = Field(
        "auto", description="whether a cheap look first decides if cells are needed"
    )
    verify: int = Field(0, ge=0, le=5, description="times a second opinion may send an answer back")
    votes: int = Field(1, ge=1, le=50, description="branches that answer, made one answer")
    without: str = Field(
        "", description="sections of the prompts to leave out, separated by commas"
    )
    primitives: str = Field(
        "", description="the only primitives of a cell, separated by commas (default: all)"
    )
    perception_url: str | None = Field(
        None, description="where perception runs, several separated by commas (default: here)"
    )
    perception_token: SecretStr | None = Field(
        None, description="what `spatialclaw serve` there printed (environment only)"
    )
    prompts_dir: Path | None = Field(None, description="a folder of prompts of one's own")
    benchmarks_dir: Path | None = Field(None, description="a folder of benchmarks of one's own")

    def public(self) -> dict[str, Any]:
        """The settings as JSON values, without what is secret."""
        secret = ("api_key", "perception_token")
        values = self.model_dump(mode="json", exclude=set(secret))
        for name in secret:
            values[name] = "set" if getattr(self, name) is not None else None
        return values


class Resolved(BaseModel):
    """Settings with the source of each: "flag", "environment NAME", "file PATH" or "default"."""

    model_config = ConfigDict(frozen=True)

    settings: Settings
    sources: dict[str, str]
    unknown_environment: list[str] = Field(default_factory=list)


def resolve_settings(
    flags: Mapping[str, Any] | None = None,
    *,
    config: Path | None = None,
    environ: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Resolved:
    """Resolves the settings.

    Args:
        flags: Values given on the command line or in a call; None means not given.
        config: A TOML file; by default ``spatialclaw.toml`` in `folder`, when there is one.
        environ: The environment; the process's by default.
        folder: Where to look for the file; the current folder by default.

    Raises:
        ConfigError: An unknown key, a malformed value, or a file that cannot be read.
    """
    environ = os.environ if environ is None else environ
    values: dict[str, Any] = {}
    sources = dict.fromkeys(Settings.model_fields, "default")
    layers = [
        _from_file(config, environ, folder or Path.cwd()),
        _from_environment(environ),
        _from_flags(flags or {}),
    ]
    for layer in layers:
        for name, (value, source) in layer.items():
            values[name] = value
            sources[name] = source
    try:
        settings = Settings(**values)
    except ValidationError as error:
        raise _explain(error, sources) from error
    names = {f"{ENVIRONMENT_PREFIX}{name.upper()}" for name in Settings.model_fields}
    names |= {f"{ENVIRONMENT_PREFIX}{other}" for other in _OTHER_VARIABLES}
    unknown = sorted(n for n in environ if n.startswith(ENVIRONMENT_PREFIX) and n not in names)
    return Resolved(settings=settings, sources=sources, unknown_environment=unknown)


_Layer = dict[str, tuple[Any, str]]


def _from_flags(flags: Mapping[str, Any]) -> _Layer:
    given = {name: value for name, value in flags.items() if value is not None}
    unknown = [name for name in given if name not in Settings.model_fields]
    if unknown:
        raise _unknown_key(unknown[0], "the call")
    return {name: (value, "flag") for name, value in given.items()}


def _from_environment(environ: Mapping[str, str]) -> _Layer:
    layer: _Layer = {}
    for name in Settings.model_fields:
        for variable in (f"{ENVIRONMENT_PREFIX}{name.upper()}", *_ALIASES.get(name, ())):
            if environ.get(variable):
                layer[name] = (environ[variable], f"environment {variable}")
                break
    return layer


def _from_file(config: Path | None, environ: Mapping[str, str], folder: Path) -> _Layer:
    named = config or (
        Path(environ[f"{ENVIRONMENT_PREFIX}CONFIG"])
        if environ.get(f"{ENVIRONMENT_PREFIX}CONFIG")
        else None
    )
    path = named or folder / CONFIG_NAME
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if named is None:
            return {}
        raise ConfigError(f"no such settings file: {path}") from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"the settings file {path} cannot be read: {error}") from error
    for name in data:
        if name in _ENVIRONMENT_ONLY:
            raise ConfigError(
                f"{name} does not belong into {path}",
                hint=f"Set {ENVIRONMENT_PREFIX}{name.upper()} in the environment instead.",
            )
        if name not in Settings.model_fields:
            raise _unknown_key(name, str(path))
    return {name: (value, f"file {path}") for name, value in data.items()}


def _unknown_key(name: str, where: str) -> ConfigError:
    close = difflib.get_close_matches(name, Settings.model_fields, n=1)
    hint = f"Did you mean {close[0]}?" if close else "`spatialclaw doctor` lists the settings."
    return ConfigError(f"unknown setting {name!r} in {where}", hint=hint)


def _explain(error: ValidationError, sources: Mapping[str, str]) -> ConfigError:
    first = error.errors()[0]
    name = str(first["loc"][0]) if first["loc"] else "?"
    shown = "" if name in _ENVIRONMENT_ONLY else f" {first['input']!r}"
    reason = first["msg"][0].lower() + first["msg"][1:]
    flag = f"--{name.replace('_', '-')}"
    return ConfigError(f"{flag}{shown} (from {sources.get(name, '?')}): {reason}")
