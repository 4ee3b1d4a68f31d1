# ruff: noqa: E501  (what is typed, in one line each)
"""A person at the terminal, a recorded run, and the choice among backends."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from support.doubles import FakeMedia, LocalExecutor

from spatialclaw.agent.budget import Limits
from spatialclaw.agent.environment import Environment
from spatialclaw.agent.loop import run
from spatialclaw.agent.types import Answer, Task
from spatialclaw.backends import find_local_servers, resolve
from spatialclaw.backends.human import HumanBackend
from spatialclaw.backends.replay import ReplayBackend
from spatialclaw.backends.scripted import ScriptedBackend
from spatialclaw.backends.scripted_server import ScriptedServer
from spatialclaw.config import Settings
from spatialclaw.errors import ConfigError, RunError

TASK = Task("How far is the cup?", unit="m")


async def answer(backend: Any, *, plan: bool = True) -> Answer:
    environment = Environment()
    first = await environment.areset(
        TASK, media=FakeMedia(), kernel=LocalExecutor(), limits=Limits(plan=plan)
    )
    return await run(backend.policy(TASK), environment, first, backend=backend.name)


TYPED = [
    ("a blank line ends a cell", "the plan\nd = 2\n\nsubmit(d, 'm')\n\n"),
    ("a dot ends a cell", "the plan\nd = 2\n.\nsubmit(d, 'm')\n.\n"),
    ("the end of input ends a cell", "the plan\nd = 2\nsubmit(d, 'm')"),
    ("no plan", "\nsubmit(2, 'm')\n.\n"),
    ("a blank line inside a function", "p\ndef f():\n    a = 1\n\n    return a\n\nd = f() + 1\n.\nsubmit(d, 'm')\n.\n"),
    ("a fenced cell", "p\n```python\nd = 2\n\nsubmit(d, 'm')\n```\n"),
    ("a cell that fails first", "p\nnothing\n\nsubmit(2, 'm')\n\n"),
]  # fmt: skip


@pytest.mark.parametrize(("typed"), [pytest.param(text, id=name) for name, text in TYPED])
async def test_a_person_answers(typed: str) -> None:
    seen = io.StringIO()
    result = await answer(HumanBackend(stream=io.StringIO(typed), output=seen))
    assert (result.value, result.status) == (2, "submitted")
    assert "How far is the cup?" in seen.getvalue()


async def test_a_person_who_leaves_is_a_failed_run() -> None:
    result = await answer(HumanBackend(stream=io.StringIO("plan\n"), output=io.StringIO()))
    assert result.status == "failed"
    assert "input ended" in result.reason


async def test_a_script_that_runs_out_says_so() -> None:
    with pytest.raises(RunError, match="holds 1 replies"):
        await answer(ScriptedBackend(["only a plan"]))


def test_a_folder_without_a_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="not a run folder"):
        ReplayBackend(tmp_path)
    (tmp_path / "events.jsonl").write_text("")
    with pytest.raises(RunError, match="no replies"):
        ReplayBackend(tmp_path)


async def test_auto_takes_what_is_named_then_what_answers_then_the_planner() -> None:
    named = await resolve(
        Settings(base_url="http://h/v1"), sources={"base_url": "environment OPENAI_BASE_URL"}
    )
    assert named.backend.name == "openai"
    assert "environment OPENAI_BASE_URL" in named.why
    keyed = await resolve(Settings(api_key="sk-x"))
    assert keyed.backend.name == "openai"
    assert "api.openai.com" in keyed.why
    with ScriptedServer([], model="local-vl") as server:
        local = await resolve(Settings(), ports=[9, server.port])
        assert local.backend.name == "openai"
        assert local.backend.model == "local-vl"
        assert server.base_url in local.why
    nothing = await resolve(Settings(), ports=[9])
    assert nothing.backend.name == "builtin"
    assert "no local server answers" in nothing.why


async def test_a_web_page_on_a_known_port_is_no_server() -> None:
    with ScriptedServer([], list_models=False) as server:
        assert await find_local_servers([server.port]) == []


async def test_a_server_that_hangs_costs_under_a_second() -> None:
    import asyncio
    import time

    async def hang(reader: Any, writer: Any) -> None:
        await asyncio.sleep(5)
        writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    started = time.monotonic()
    assert await find_local_servers([port]) == []
    assert time.monotonic() - started < 2
    server.close()


async def test_an_unknown_backend_is_told() -> None:
    with pytest.raises(ConfigError, match="no backend 'gpt'"):
        await resolve(Settings(backend="gpt"))


async def test_a_cap_on_money_needs_prices() -> None:
    settings = Settings(backend="openai", base_url="http://h/v1", max_cost=1)
    with pytest.raises(ConfigError, match="needs prices"):
        await resolve(settings)


async def test_the_planner_writes_cells_only() -> None:
    with pytest.raises(ConfigError, match="interface is tools"):
        await resolve(Settings(backend="builtin", interface="tools"))


async def test_a_person_who_thinks_too_long_does_not_hold_the_program() -> None:
    import asyncio
    import os
    import threading

    reader, writer = os.pipe()
    with os.fdopen(reader) as stream:
        backend = HumanBackend(stream=stream, output=io.StringIO())
        environment = Environment()
        first = await environment.areset(
            TASK, media=FakeMedia(), kernel=LocalExecutor(),
            limits=Limits(max_seconds=0.2, answer_seconds=0.1),
        )  # fmt: skip
        result = await asyncio.wait_for(run(backend.policy(TASK), environment, first), 5)
        assert result.status == "failed"
        assert "took longer" in result.reason
        waiting = [t for t in threading.enumerate() if t.name == "stdin"]
        assert all(thread.daemon for thread in waiting)
        os.close(writer)
        for thread in waiting:
            thread.join(2)


async def test_a_person_is_told_where_pictures_lie_and_what_there_is(tmp_path: Path) -> None:
    from support.doubles import picture

    from spatialclaw.agent.types import Observation
    from spatialclaw.backends.base import RunContext
    from spatialclaw.backends.human import HumanPolicy
    from spatialclaw.traces import Recorder

    output = io.StringIO()
    policy = HumanPolicy(io.StringIO("?\na plan\n?\nprint(1)\n.\n"), output)
    record = Recorder(tmp_path)
    policy.bind(RunContext(record))
    assert await policy.reply(Observation("plan", "task", [picture()])) == "a plan"
    assert await policy.reply(Observation("cell", "go")) == "```python\nprint(1)\n```"
    record.close()
    said = output.getvalue()
    (name,) = (tmp_path / "images").iterdir()
    assert f"[1] {name}" in said
    assert said.count("# What a cell has") == 2
    assert "`locate`" not in said.split("# Method")[0]
