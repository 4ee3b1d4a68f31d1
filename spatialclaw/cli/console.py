"""What a person sees on stderr while a question is worked on."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console as RichConsole
from rich.markup import escape
from rich.status import Status
from rich.syntax import Syntax
from rich.text import Text

from spatialclaw import progress
from spatialclaw.agent.types import Answer
from spatialclaw.traces.notebook_text import clean, clip

__all__ = ["Console", "shown"]

_OUTPUT_LINES = 12
_LONGEST = 20_000


class Console:
    """Prints the plan, the cells and what came of them as the record grows.

    Args:
        quiet: Print nothing.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._console = RichConsole(stderr=True, highlight=False, soft_wrap=True)
        self._status: Status | None = None
        self._started = time.monotonic()

    @contextmanager
    def live(self) -> Iterator[None]:
        """Shows a spinner on a terminal while the body runs."""
        if self._quiet or not self._console.is_terminal:
            yield
            return
        with self._console.status("reading the media") as status:
            self._status = status
            try:
                with progress.shown_by(self._far):
                    yield
            finally:
                self._status = None

    def event(self, event: dict[str, Any]) -> None:
        """Prints one event of the record."""
        if self._quiet:
            return
        handler = getattr(self, f"_on_{event['kind']}", None)
        if handler is not None:
            handler(event)

    def summary(self, answer: Answer) -> None:
        """Prints what the answer rests on and where the run lies."""
        if self._quiet:
            return
        for item in answer.evidence[:8]:
            text = item if isinstance(item, str) else _evidence(item)
            self._line("evidence", text)
        who = f"{answer.backend}{f' ({answer.model})' if answer.model else ''}"
        confidence = "" if answer.confidence is None else f", confidence {answer.confidence:.2f}"
        self._line(
            "run",
            f"{answer.steps} cells in {answer.seconds:.1f} s by {who}{confidence}: {answer.run}",
        )

    def _on_start(self, event: dict[str, Any]) -> None:
        self._busy("starting the kernel")

    def _on_note(self, event: dict[str, Any]) -> None:
        self._line("note", str(event.get("text", "")))

    def _on_plan(self, event: dict[str, Any]) -> None:
        self._rule("plan")
        self._print(Text(shown(str(event.get("text", "")).strip())))
        self._busy("writing a cell")

    def _on_request(self, event: dict[str, Any]) -> None:
        self._busy(f"the model works on: {event.get('purpose', 'a reply')}")

    def _on_cell(self, event: dict[str, Any]) -> None:
        self._rule(f"cell {event.get('number', '?')}")
        code = shown(str(event.get("code", "")).rstrip())
        if self._console.is_terminal:
            self._print(Syntax(code, "python", background_color="default", word_wrap=True))
        else:
            self._print(Text(code))
        self._output(event)
        self._busy("writing the next cell")

    def _output(self, event: dict[str, Any]) -> None:
        result = event.get("result") or {}
        for key in ("stdout", "result"):
            text = str(result.get(key) or "").rstrip()
            if text:
                self._print(Text(_clip(shown(text)), style="dim"))
        error = result.get("error")
        if error:
            told = shown(f"{error['name']}: {error['message']}")
            self._print(Text(_clip(told), style="red"))
        images = event.get("images") or []
        if images:
            self._print(Text(f"[{len(images)} picture{'s' * (len(images) != 1)} shown]", "dim"))

    def _on_verdict(self, event: dict[str, Any]) -> None:
        self._line("check", str(event.get("text", "")))

    def _on_error(self, event: dict[str, Any]) -> None:
        # What ends the run is said once, at the end.
        if event.get("where") not in ("run", "loop"):
            self._line("error", str(event.get("message", "")), style="red")

    def _far(self, state: progress.State | None) -> None:
        self._busy("working" if state is None else state.line)

    def _busy(self, what: str) -> None:
        if self._status is not None:
            self._status.update(escape(what))

    def _rule(self, title: str) -> None:
        self._print(Text(f"── {title} ──", style="bold"))

    def _line(self, tag: str, text: str, *, style: str = "") -> None:
        line = Text(f"{tag}: ", style="bold")
        line.append(" ".join(shown(text).split()), style=style)
        self._print(line)

    def _print(self, what: Any) -> None:
        try:
            self._console.print(what)
        except BrokenPipeError:
            # Nobody reads the progress any more; the work goes on.
            self._quiet = True
            sys.stderr = None


def shown(text: str) -> str:
    """Text of a model or a cell as a terminal may show it: it draws, moves and sets nothing."""
    return clip(clean(text), _LONGEST)


def _clip(text: str) -> str:
    lines = text.splitlines()
    if len(lines) <= _OUTPUT_LINES:
        return text
    head = lines[: _OUTPUT_LINES - 3]
    return "\n".join([*head, f"[... {len(lines) - _OUTPUT_LINES + 1} lines]", *lines[-2:]])


def _evidence(item: Any) -> str:
    if isinstance(item, dict):
        return ", ".join(f"{key} {value}" for key, value in item.items() if value is not None)
    return str(item)
