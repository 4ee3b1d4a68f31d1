"""A client of the official SDK talks to the server's process."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mcp")

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

pytestmark = pytest.mark.kernel


@pytest.fixture
def folder(tmp_path: Path, examples: Path) -> Path:
    """A root with a capture in it, and a secret beside it."""
    root = tmp_path / "my pictures é"
    shutil.copytree(examples / "tabletop", root / "table")
    shutil.copy(examples / "stereo" / "left.png", tmp_path / "outside.png")
    (root / "link.png").symlink_to(tmp_path / "outside.png")
    return root


@asynccontextmanager
async def client(folder: Path, tmp_path: Path) -> AsyncIterator[ClientSession]:
    arguments = ["-m", "spatialclaw", "mcp", "--root", str(folder), "--backend", "builtin"]
    arguments += ["--runs-dir", str(tmp_path / "runs")]
    server = StdioServerParameters(command=sys.executable, args=arguments, cwd=str(tmp_path))
    async with stdio_client(server) as (read, write), ClientSession(read, write) as session:
        await session.initialize()
        yield session


def text(result: Any) -> str:
    return "\n".join(part.text for part in result.content if part.type == "text")


def failed(result: Any) -> bool:
    return bool(getattr(result, "is_error", None) or getattr(result, "isError", None))


async def test_a_client_asks_runs_shows_and_measures(folder: Path, tmp_path: Path) -> None:
    async with client(folder, tmp_path) as session:
        tools = (await session.list_tools()).tools
        assert {tool.name for tool in tools} == {"ask", "run_cell", "show", "measure"}
        assert all(tool.description for tool in tools)

        question = {"media": ["table"], "question": "How many mugs are in this scene?"}
        answer = json.loads(text(await session.call_tool("ask", question)))
        assert answer["answer"] == 2
        assert answer["unit"] == "count"
        assert answer["run_dir"].startswith(str(tmp_path))

        # the state of the agent's cells is there, and so is what is added to it
        code = {"code": "masks = segment(frames[0], 'bowl'); print(len(masks))"}
        assert text(await session.call_tool("run_cell", code)).startswith("1")

        shown = await session.call_tool("show", {"expression": "masks"})
        pictures = [part for part in shown.content if part.type == "image"]
        assert len(pictures) == 1

        height = await session.call_tool("measure", {"expression": "measure.height(masks[0])"})
        assert "'unit': 'm'" in text(height)

        wrong = await session.call_tool("run_cell", {"code": "1/0"})
        assert failed(wrong)
        assert "ZeroDivisionError" in text(wrong)


async def test_its_cells_are_confined_and_media_come_from_the_root_only(
    folder: Path, tmp_path: Path
) -> None:
    async with client(folder, tmp_path) as session:
        nothing = await session.call_tool("run_cell", {"code": "1"})
        assert failed(nothing)
        assert "name the media" in text(nothing)
        for path in ("../outside.png", str(tmp_path / "outside.png"), "link.png", "/etc/passwd"):
            refused = await session.call_tool("show", {"media": [path]})
            assert failed(refused), path
            assert "is not below" in text(refused)
        missing = await session.call_tool("show", {"media": ["gone.png"]})
        assert failed(missing)
        if sys.platform == "linux":
            code = f"print(open({str(tmp_path / 'outside.png')!r}, 'rb').read(4))"
            read = await session.call_tool("run_cell", {"code": code, "media": ["table"]})
            assert "FileNotFoundError" in text(read)
            code = "import socket; socket.create_connection(('127.0.0.1', 80), 1)"
            assert failed(await session.call_tool("run_cell", {"code": code}))
