"""The tools that any MCP client gets: ask, run_cell, show and measure.

Needs the official SDK, package `mcp`, of version 1 or 2. A client's model is as untrusted as any:
its cells run in the same confined kernels, and media are read below the roots only.
"""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

try:
    from mcp.server.mcpserver import Context, Image, MCPServer
    from mcp.server.mcpserver.exceptions import ToolError
except ModuleNotFoundError:  # version 1
    from mcp.server.fastmcp import Context, Image
    from mcp.server.fastmcp import FastMCP as MCPServer
    from mcp.server.fastmcp.exceptions import ToolError

from spatialclaw.agent.prompts import Prompts
from spatialclaw.agent.types import Answer
from spatialclaw.api import Session
from spatialclaw.config import Resolved
from spatialclaw.errors import SpatialclawError
from spatialclaw.kernel.results import CellResult

__all__ = ["Sessions", "serve"]

MAX_SESSIONS = 3
MAX_PICTURES = 8
T = TypeVar("T")


class Sessions:
    """Live sessions by their media, the least used of which is closed for a new one.

    Args:
        resolved: Settings.
        roots: Folders that media may lie below.
    """

    def __init__(self, resolved: Resolved, roots: Sequence[Path]) -> None:
        self._resolved = resolved
        self._roots = [root.resolve() for root in roots]
        self._open: OrderedDict[tuple[str, ...], Session] = OrderedDict()
        self._lock = asyncio.Lock()

    async def use(self, media: list[str] | None, work: Callable[[Session], T]) -> T:
        """Does something in the session over media; in the last one without media.

        Raises:
            ToolError: What a user would have been told.
        """
        async with self._lock:
            try:
                session = await asyncio.to_thread(self._session, media)
                return await asyncio.to_thread(work, session)
            except SpatialclawError as error:
                raise ToolError(str(error)) from None

    async def aclose(self) -> None:
        """Ends all sessions."""
        async with self._lock:
            while self._open:
                _, session = self._open.popitem()
                await asyncio.to_thread(session.close)

    def _session(self, media: list[str] | None) -> Session:
        if not media:
            if not self._open:
                raise ToolError("name the media: paths of pictures, a video or a capture")
            return next(reversed(self._open.values()))
        paths = tuple(str(self._checked(path)) for path in media)
        if paths in self._open:
            self._open.move_to_end(paths)
            return self._open[paths]
        session = Session.of_resolved(list(paths), self._resolved).open()
        while len(self._open) >= MAX_SESSIONS:
            _, oldest = self._open.popitem(last=False)
            oldest.close()
        self._open[paths] = session
        return session

    def _checked(self, text: str) -> Path:
        path = (self._roots[0] / Path(text).expanduser()).resolve()
        if not any(path.is_relative_to(root) for root in self._roots):
            below = ", ".join(map(str, self._roots))
            raise ToolError(f"{text} is not below {below}; start the server with --root FOLDER")
        return path


def serve(resolved: Resolved, roots: Sequence[Path]) -> None:
    """Serves the tools on stdin and stdout until the client goes."""
    sessions = Sessions(resolved, roots)

    async def run() -> None:
        try:
            await _server(sessions).run_stdio_async()
        finally:
            await sessions.aclose()

    asyncio.run(run())


def _server(sessions: Sessions) -> Any:
    prompts = Prompts()
    server = MCPServer("spatialclaw", instructions=prompts.render("mcp/instructions"))

    def tool(name: str) -> Callable[[Any], Any]:
        described: Callable[[Any], Any] = server.tool(
            name=name, description=prompts.render(f"mcp/{name}"), structured_output=False
        )
        return described

    @tool("ask")
    async def ask(
        ctx: Context,
        question: str,
        media: list[str] | None = None,
        choices: list[str] | None = None,
    ) -> list[Any]:
        loop, count = asyncio.get_running_loop(), 0
        heard: list[Any] = [None]  # nothing is told once the question is answered

        async def told(message: str) -> None:
            nonlocal count
            count += 1
            await ctx.report_progress(count, message=message)

        def event(happened: dict[str, Any]) -> None:
            message = _progress(happened)
            if message:
                asyncio.run_coroutine_threadsafe(told(message), loop)

        def work(session: Session) -> Answer:
            heard[0] = event
            try:
                session.listen(lambda happened: heard[0] and heard[0](happened))
                return session.ask(question, choices=choices or None)
            finally:
                heard[0] = None

        return _answer(await sessions.use(media, work))

    @tool("run_cell")
    async def run_cell(code: str, media: list[str] | None = None) -> list[Any]:
        return _cell(await sessions.use(media, lambda session: session.run(code)))

    @tool("show")
    async def show(
        expression: str = "frames", media: list[str] | None = None, title: str = ""
    ) -> list[Any]:
        code = f"show({expression}\n, title={title!r})"
        return _cell(await sessions.use(media, lambda session: session.run(code)))

    @tool("measure")
    async def measure(expression: str, media: list[str] | None = None) -> list[Any]:
        return _cell(await sessions.use(media, lambda s: s.run(_MEASURE.format(expression))))

    return server


_MEASURE = """\
_measured = (
{}
)
print(_measured.as_record() if hasattr(_measured, "as_record") else _measured)
"""


def _progress(event: dict[str, Any]) -> str:
    kind = event.get("kind")
    if kind == "plan":
        return "the plan is made"
    if kind == "cell":
        return f"cell {event.get('number')} has run"
    return "the model is at work" if kind == "request" else ""


def _answer(answer: Answer) -> list[Any]:
    if answer.status == "failed":
        raise ToolError(f"no answer: {answer.reason}")
    said = {
        "answer": answer.value,
        "text": answer.text,
        "unit": answer.unit,
        "confidence": answer.confidence,
        "status": answer.status,
        "evidence": answer.evidence,
        "steps": answer.steps,
        "run_dir": str(answer.run) if answer.run else None,
    }
    return [json.dumps(said, ensure_ascii=False, default=str)]


def _cell(result: CellResult) -> list[Any]:
    parts = [result.stdout, result.stderr, result.result or ""]
    if result.error is not None:
        parts.append(f"{result.error.name}: {result.error.message}")
        parts.append(result.lost)
        raise ToolError("\n".join(part.rstrip() for part in parts if part.strip()))
    new = [f"{v.name}: {v.summary}" for v in result.variables if v.change != "deleted"]
    parts += new[:20]
    text = "\n".join(part.rstrip() for part in parts if part.strip())
    found: list[Any] = [text] if text else []
    for shown in result.images[:MAX_PICTURES]:
        found.append(Image(data=shown.data, format=shown.media_type.partition("/")[2]))
    return found or ["(the cell printed and showed nothing)"]
