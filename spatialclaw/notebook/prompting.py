"""Where cells are typed: a line editor on a terminal, plain lines from a pipe."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import IO, Any

from spatialclaw.notebook.explorer import Explorer, complete_cell, indent_after

__all__ = ["cells_of", "converse"]


def cells_of(lines: Iterable[str]) -> Iterator[str]:
    """Cells and commands in a stream of lines: each ends where it could run.

    A block ends at an empty line or where a line begins at the margin again.
    """
    held: list[str] = []
    for raw in lines:
        line = raw.rstrip("\r\n")
        if held and line and not line[0].isspace() and not _continues(line):
            done = "\n".join(held)
            if complete_cell(done + "\n"):
                yield done
                held = []
        if held and not line and complete_cell("\n".join(held) + "\n"):
            yield "\n".join(held)
            held = []
        if not held and (not line.strip() or line.lstrip().startswith("/")):
            if line.strip():
                yield line
            continue
        held.append(line)
        text = "\n".join(held)
        if complete_cell(text):
            yield text
            held = []
    if any(line.strip() for line in held):
        yield "\n".join(held)


def _continues(line: str) -> bool:
    """Whether a line at the margin belongs to the block before it."""
    return line.split(maxsplit=1)[0].rstrip(":(") in (
        "else", "elif", "except", "finally", "case", ")", "]", "}", "'''", '"""',
    )  # fmt: skip


def converse(explorer: Explorer, stdin: IO[str]) -> None:
    """Takes cells until the end of the input: from a terminal with an editor, else line by line."""
    if not stdin.isatty():
        for text in cells_of(stdin):
            explorer.do(text)
        return
    prompt = _editor(explorer)
    while True:
        try:
            text = prompt.prompt(f"{explorer.branch}> " if explorer.branch != "main" else ">>> ")
        except KeyboardInterrupt:
            continue
        except EOFError:
            return
        explorer.do(text)


def _editor(explorer: Explorer) -> Any:
    from pathlib import Path

    import platformdirs
    from prompt_toolkit import PromptSession
    from prompt_toolkit.completion import Completer, Completion
    from prompt_toolkit.filters import Condition
    from prompt_toolkit.history import FileHistory, InMemoryHistory
    from prompt_toolkit.key_binding import KeyBindings
    from prompt_toolkit.lexers import PygmentsLexer
    from pygments.lexers import PythonLexer

    from spatialclaw.errors import SpatialclawError

    class Words(Completer):
        def get_completions(self, document: Any, complete_event: Any) -> Iterator[Any]:
            del complete_event
            try:
                start, words = explorer.completions(document.text, document.cursor_position)
            except (SpatialclawError, TimeoutError):
                return  # the kernel is busy or gone; the next cell will say so
            for word in words:
                yield Completion(word, start_position=start - document.cursor_position)

    keys = KeyBindings()

    @Condition
    def finished() -> bool:
        from prompt_toolkit.application import get_app

        document = get_app().current_buffer.document
        text = document.text
        at_end = not document.text_after_cursor.strip()
        return text.lstrip().startswith("/") or (at_end and complete_cell(text))

    @keys.add("enter", filter=finished)
    def _run(event: Any) -> None:
        event.current_buffer.validate_and_handle()

    @keys.add("enter", filter=~finished)
    def _next_line(event: Any) -> None:
        document = event.current_buffer.document
        spaces = indent_after(document.text_before_cursor)
        event.current_buffer.insert_text("\n" + " " * spaces)

    folder = Path(platformdirs.user_state_dir("spatialclaw"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        history: Any = FileHistory(str(folder / "explore_history"))
    except OSError:  # a home that cannot be written: the history lasts as long as the console
        history = InMemoryHistory()
    return PromptSession(
        multiline=True,
        history=history,
        completer=Words(),
        complete_while_typing=False,
        lexer=PygmentsLexer(PythonLexer),
        key_bindings=keys,
        prompt_continuation=lambda width, *_rest: "." * (width - 1) + " ",
        enable_open_in_editor=True,
    )
