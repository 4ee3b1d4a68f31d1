"""Settings: flag, environment, file, default; and what is said of mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from spatialclaw.config import resolve_settings
from spatialclaw.errors import ConfigError


def test_the_order_is_flag_environment_file_default(tmp_path: Path) -> None:
    (tmp_path / "spatialclaw.toml").write_text('max_steps = 3\nmodel = "file"\nframes = 5\n')
    resolved = resolve_settings(
        {"max_steps": 7, "frames": None},
        environ={"SPATIALCLAW_MODEL": "env", "SPATIALCLAW_MAX_STEPS": "9"},
        folder=tmp_path,
    )
    assert resolved.settings.max_steps == 7
    assert resolved.settings.model == "env"
    assert resolved.settings.frames == 5
    assert resolved.sources["max_steps"] == "flag"
    assert resolved.sources["model"] == "environment SPATIALCLAW_MODEL"
    assert resolved.sources["frames"].startswith("file ")
    assert resolved.sources["seed"] == "default"


def test_the_names_of_the_openai_tools_are_understood(tmp_path: Path) -> None:
    environ = {"OPENAI_BASE_URL": "http://localhost:1/v1", "OPENAI_API_KEY": "k"}
    settings = resolve_settings(environ=environ, folder=tmp_path).settings
    assert settings.base_url == "http://localhost:1/v1"
    assert settings.api_key is not None
    assert "k" not in str(settings.public().values())
    ours = resolve_settings(
        environ={**environ, "SPATIALCLAW_BASE_URL": "http://localhost:2/v1"}, folder=tmp_path
    )
    assert ours.settings.base_url == "http://localhost:2/v1"


@pytest.mark.parametrize(
    ("flags", "toml", "says"),
    [
        ({"max_steps": 0}, "", "--max-steps"),
        ({"confine": "loose"}, "", "--confine"),
        ({}, "max_step = 3", "Did you mean max_steps"),
        ({}, 'api_key = "x"', "SPATIALCLAW_API_KEY"),
        ({}, "max_steps = [", "cannot be read"),
    ],
)
def test_mistakes_are_one_clear_line(
    tmp_path: Path, flags: dict[str, object], toml: str, says: str
) -> None:
    (tmp_path / "spatialclaw.toml").write_text(toml)
    with pytest.raises(ConfigError) as caught:
        resolve_settings(flags, environ={}, folder=tmp_path)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_named_file_is_an_error_and_a_missing_default_is_not(tmp_path: Path) -> None:
    resolve_settings(environ={}, folder=tmp_path)
    with pytest.raises(ConfigError, match="no such settings file"):
        resolve_settings(config=tmp_path / "none.toml", environ={}, folder=tmp_path)


def test_variables_that_mean_nothing_are_named(tmp_path: Path) -> None:
    resolved = resolve_settings(environ={"SPATIALCLAW_MAXSTEPS": "3"}, folder=tmp_path)
    assert resolved.unknown_environment == ["SPATIALCLAW_MAXSTEPS"]
