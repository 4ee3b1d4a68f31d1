"""Runs of the examples, and a Jupyter that finds the kernel `spatialclaw`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import spatialclaw as sc
from spatialclaw.cli.app import load_commands, run_program


@pytest.fixture(scope="session", autouse=True)
def _commands() -> None:
    load_commands()


@pytest.fixture(scope="session")
def program() -> Callable[..., int]:
    return lambda *arguments: run_program([str(a) for a in arguments])


@pytest.fixture(scope="session")
def ask(tmp_path_factory: pytest.TempPathFactory, examples: Path) -> Callable[..., sc.Answer]:
    """Asks the builtin backend about an example, once a question."""
    runs = tmp_path_factory.mktemp("runs of the examples é")
    answers: dict[tuple[str, str], sc.Answer] = {}

    def answer(media: str, question: str, **more: Any) -> sc.Answer:
        key = (media, question)
        if key not in answers:
            answers[key] = sc.ask(
                examples / media, question, backend="builtin", runs_dir=runs, **more
            )
        return answers[key]

    return answer


@pytest.fixture(scope="session")
def room_run(ask: Callable[..., sc.Answer]) -> Path:
    answer = ask("room", "How far is the suitcase from the bin?")
    assert answer.status == "submitted"
    assert answer.run is not None
    return answer.run


@pytest.fixture(scope="session")
def jupyter(
    tmp_path_factory: pytest.TempPathFactory, program: Callable[..., int]
) -> Iterator[Path]:
    """A prefix in which the kernel is installed, and where Jupyter looks."""
    prefix = tmp_path_factory.mktemp("prefix")
    assert program("kernelspec", "install", "--prefix", prefix) == 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_PATH", str(prefix / "share" / "jupyter"))
        patch.setenv("JUPYTER_PLATFORM_DIRS", "1")
        yield prefix
