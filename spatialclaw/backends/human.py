"""A person writes the cells at the terminal, or a script through a pipe."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from collections.abc import Callable
from typing import TextIO

from spatialclaw.agent.parser import python_parses
from spatialclaw.agent.types import Observation, Task
from spatialclaw.backends.base import ChatClient, GiveUp, Policy, RunContext

__all__ = ["HumanBackend", "HumanPolicy"]


class HumanBackend:
    """Reads plans and cells from a stream, stdin by default.

    Args:
        stream: Where replies are typed.
        output: Where observations and prompts are written; stderr by default.
        chat: The VLM for `locate` and `look`, or None.
    """

    name = "human"
    model: str | None = None

    def __init__(
        self,
        *,
        stream: TextIO | None = None,
        output: TextIO | None = None,
        chat: ChatClient | None = None,
    ) -> None:
        self._stream = stream
        self._output = output
        self.chat = chat

    def policy(self, task: Task) -> Policy:
        """Reads the replies of one run."""
        return HumanPolicy(self._stream or sys.stdin, self._output or sys.stderr)

    async def aclose(self) -> None:
        """Nothing is held open."""


class HumanPolicy:
    """Shows each observation and reads the reply to it.

    A cell ends with a line that holds only a dot, or with a blank line once it compiles; a fenced
    block ends with its fence. The plan is one line, which may be empty. A line that holds only a
    question mark shows what a cell can call.

    Args:
        stream: Where replies are typed.
        output: Where the observations are written.
    """

    def __init__(self, stream: TextIO, output: TextIO) -> None:
        self._stream = stream
        self._output = output
        self._run: RunContext | None = None
        self._greeted = False

    def bind(self, run: RunContext) -> None:
        """Takes the run, for the names of its pictures and what a cell can call."""
        self._run = run

    async def reply(self, observation: Observation) -> str:
        """Reads one reply.

        Raises:
            GiveUp: The input ended.
        """
        self._say(f"\n{observation.text}\n")
        for line in self._pictures(observation):
            self._say(f"{line}\n")
        if not self._greeted:
            self._say("(a line with only ? shows what a cell can call)\n")
            self._greeted = True
        reply = await _in_daemon(lambda: self._read(observation.kind))
        if reply is None:
            raise GiveUp("the input ended before an answer was submitted")
        return reply

    def _pictures(self, observation: Observation) -> list[str]:
        """Where the pictures of an observation lie."""
        folder = getattr(self._run.record, "run_dir", None) if self._run is not None else None
        if self._run is None or folder is None:
            count = len(observation.images)
            return [f"[{count} picture{'s' * (count > 1)}: see the run folder]"] if count else []
        names = [self._run.record.image(p.data, p.media_type) for p in observation.images]
        return [f"[{i}] {folder / name}" for i, name in enumerate(names, start=1)]

    def _explain(self) -> None:
        from spatialclaw.agent.conversation import system_prompt
        from spatialclaw.agent.prompts import Prompts

        if self._run is None:
            return
        settings = self._run.settings
        text = system_prompt(
            settings.get("prompts") or Prompts(),
            interface=self._run.interface,
            only=settings.get("primitives") or None,
            chat=self._run.chat is not None,
        )
        self._say(f"\n{text}\n\n")

    def _read(self, kind: str) -> str | None:
        if kind in ("plan", "answer_now"):
            while True:
                self._say("plan (one line)> " if kind == "plan" else "answer> ")
                line = self._stream.readline()
                if line.strip() != "?":
                    return line.rstrip("\n") if line else None
                self._explain()
        self._say("cell (end with a line '.', or with a blank line once it compiles)> ")
        lines: list[str] = []
        fence: str | None = None
        while True:
            line = self._stream.readline()
            text = line.rstrip("\n")
            if not line:
                break
            if text.strip() == "?" and not lines:
                self._explain()
                continue
            if text.strip() == ".":
                if lines:
                    break
                continue  # a habit after the plan; nothing was typed yet
            if fence is None and text.strip().startswith(("```", "~~~")):
                fence = text.strip()[:3]
            elif fence is not None and text.strip() == fence:
                lines.append(text)
                break
            elif fence is None and not text.strip():
                if not lines:
                    continue
                if _complete(lines, interactive=self._stream.isatty()):
                    break
            lines.append(text)
        if not lines:
            return None
        code = "\n".join(lines)
        return code if fence else f"```python\n{code}\n```"

    def _say(self, text: str) -> None:
        try:
            self._output.write(text)
            self._output.flush()
        except BrokenPipeError:
            # Nobody reads along; the cells still come.
            return


def _complete(lines: list[str], *, interactive: bool) -> bool:
    """Whether a blank line ends the cell: it compiles, and nothing is open.

    In a pipe, a blank line after an indented one may stand inside of a function, so it ends
    nothing; a person who sees the prompt means the end, as in any Python console.
    """
    if not python_parses("\n".join(lines)):
        return False
    return interactive or not lines[-1].startswith((" ", "\t"))


async def _in_daemon(work: Callable[[], str | None]) -> str | None:
    """Runs blocking work on a daemon thread.

    A thread of the usual pool would keep the program from ending (Ctrl-C, budget) until a line is
    typed.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[str | None] = loop.create_future()

    def run() -> None:
        try:
            result, error = work(), None
        except (OSError, ValueError) as raised:
            # The stream was closed: as good as its end.
            result, error = None, raised
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(finish, result, error)

    def finish(result: str | None, error: Exception | None) -> None:
        if not future.done():
            future.set_result(result if error is None else None)

    threading.Thread(target=run, daemon=True, name="stdin").start()
    return await future
