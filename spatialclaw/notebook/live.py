"""The agent's cells in a notebook, as they are written and run."""

from __future__ import annotations

import html
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from spatialclaw.traces.notebook_text import clean, clip, plain_markdown

__all__ = ["LiveView", "in_notebook", "live_view"]

_FENCE = re.compile(r"```(?:python|py)?[^\n]*\n(.*?)(?:```|\Z)", re.DOTALL)
_OUTPUT = 6_000
_BOX = (
    "border-left:3px solid {colour};padding:.2em .6em;margin:.2em 0;overflow-x:auto;font-size:.95em"
)


def in_notebook() -> bool:
    """Whether this code runs in a kernel of Jupyter, VS Code or Colab."""
    module = sys.modules.get("IPython.core.interactiveshell")
    shell = module.InteractiveShell._instance if module is not None else None
    return shell is not None and hasattr(shell, "kernel")


def live_view() -> LiveView | None:
    """What shows a run as its record grows; None outside a notebook."""
    return LiveView() if in_notebook() else None


class LiveView:
    """Shows the plan, the cells, what came of them and the answer, one display each.

    A cell appears as soon as the model has written it; its display is completed when it has run.

    Args:
        display: Makes a display: takes a mime bundle, gives a function that updates it.
    """

    def __init__(self, display: Callable[[dict[str, Any]], Callable[..., None]] | None = None):
        self._display = display or _in_jupyter
        self._status: Callable[..., None] | None = None
        self._cell: tuple[str, Callable[..., None]] | None = None
        self._started = time.monotonic()
        self.run_dir: Path | None = None

    def __call__(self, event: dict[str, Any]) -> None:
        """Takes one event of the record."""
        handler = getattr(self, f"_on_{event.get('kind')}", None)
        if handler is not None:
            handler(event)

    def _on_start(self, event: dict[str, Any]) -> None:
        self._say("starting the kernel")

    def _on_note(self, event: dict[str, Any]) -> None:
        self._say(str(event.get("text", "")))

    def _on_plan(self, event: dict[str, Any]) -> None:
        text = plain_markdown(str(event.get("text", "")), _OUTPUT)
        self._display({"text/markdown": f"**Plan**\n\n{text}", "text/plain": clean(text)})
        self._say("writing a cell")

    def _on_request(self, event: dict[str, Any]) -> None:
        self._say(f"the model works on: {event.get('purpose', 'a reply')}")

    def _on_reply(self, event: dict[str, Any]) -> None:
        found = _FENCE.search(str(event.get("text") or ""))
        if event.get("purpose") != "step" or event.get("phase") == "plan" or found is None:
            return
        code = found[1].strip("\n")
        self._cell = (code, self._display(_cell_bundle(code, {}, "running")))
        self._say("running a cell")

    def _on_cell(self, event: dict[str, Any]) -> None:
        code = str(event.get("code") or "").strip("\n")
        result = event.get("result") or {}
        state = f"cell {event.get('number')}, {float(result.get('seconds') or 0):.2f} s"
        own = event.get("step") is None  # the user's: the notebook shows its code already
        bundle = _cell_bundle("" if own else code, result, state)
        if self._cell is not None and self._cell[0].strip() == code.strip():
            self._cell[1](bundle)
        elif not own or result.get("stdout") or result.get("result") or result.get("error"):
            self._display(bundle)
        self._cell = None
        for shown in event.get("images") or []:
            self._picture(shown)
        if not own:
            self._say("writing the next cell")
        elif self._status is not None:
            self._status(_small(""))  # nobody but the user is at work
            self._status = None

    def _on_observation(self, event: dict[str, Any]) -> None:
        left = (event.get("info") or {}).get("left") or {}
        if left.get("steps") is not None and not event.get("done"):
            self._say(f"writing a cell; {left['steps']} cells and {left.get('seconds')} s left")

    def _on_verdict(self, event: dict[str, Any]) -> None:
        self._text("check", str(event.get("text", "")))

    def _on_error(self, event: dict[str, Any]) -> None:
        self._text("error", str(event.get("message", "")))

    def _on_answer(self, event: dict[str, Any]) -> None:
        self._cell = None
        if self._status is not None:
            seconds = time.monotonic() - self._started
            self._status(_small(f"answered after {seconds:.1f} s: {event.get('text')}"))
            self._status = None
        self._started = time.monotonic()

    def _picture(self, shown: dict[str, Any]) -> None:
        import base64

        path = self.run_dir / str(shown.get("image")) if self.run_dir else None
        if path is None or not path.is_file():
            return
        kind = "image/png" if path.suffix == ".png" else "image/jpeg"
        title = clip(clean(str(shown.get("title") or "picture")), 300)
        data = base64.b64encode(path.read_bytes()).decode("ascii")
        self._display({kind: data, "text/plain": f"<{title}>"})

    def _text(self, tag: str, text: str) -> None:
        text = clip(clean(text), _OUTPUT)
        self._display(
            {
                "text/html": f"<small><b>{tag}</b>: {html.escape(text)}</small>",
                "text/plain": f"{tag}: {text}",
            }
        )

    def _say(self, text: str) -> None:
        bundle = _small(f"{clip(clean(text), 300)} ({time.monotonic() - self._started:.0f} s)")
        if self._status is None:
            self._status = self._display(bundle)
        else:
            self._status(bundle)


def _small(text: str) -> dict[str, Any]:
    return {"text/html": f"<small><i>{html.escape(text)}</i></small>", "text/plain": text}


def _cell_bundle(code: str, result: dict[str, Any], state: str) -> dict[str, Any]:
    output = "".join(str(result.get(name) or "") for name in ("stdout", "stderr"))
    if result.get("result"):
        output += str(result["result"])
    output = clip(clean(output), _OUTPUT).rstrip()
    error = result.get("error") or {}
    failed = clip(clean(f"{error.get('name')}: {error.get('message')}"), _OUTPUT) if error else ""
    colour = "#c33" if failed else "#36c" if result else "#999"
    parts = [f'<div style="{_BOX.format(colour=colour)}"><small>{html.escape(state)}</small>']
    if code:
        parts.append(_highlighted(code))
    if output:
        parts.append(f'<pre style="margin:.2em 0;opacity:.8">{html.escape(output)}</pre>')
    if failed:
        parts.append(f'<pre style="margin:.2em 0;color:#c33">{html.escape(failed)}</pre>')
    text = "\n".join(part for part in (f"[{state}]", code, output, failed) if part)
    return {"text/html": "".join(parts) + "</div>", "text/plain": text}


def _highlighted(code: str) -> str:
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    formatter = HtmlFormatter(
        noclasses=True, nobackground=True, style="tango", prestyles="margin:0"
    )
    return str(highlight(clip(clean(code), 40_000), PythonLexer(), formatter))


def _in_jupyter(bundle: dict[str, Any]) -> Callable[..., None]:
    from IPython.display import display

    handle = display(bundle, raw=True, display_id=True)

    def update(new: dict[str, Any]) -> None:
        if handle is not None:
            handle.update(new, raw=True)

    return update
