"""The console on a live kernel: cells, questions, states to go back to."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import IO, Any

from spatialclaw.errors import SpatialclawError
from spatialclaw.kernel.results import CellResult
from spatialclaw.notebook.terminal_pictures import Protocol, encode
from spatialclaw.traces.notebook_text import clean, clip

__all__ = ["HELP", "Explorer", "complete_cell", "indent_after"]

HELP = """\
Python runs in the kernel; frames, segment, measure, show and so on are there.
  /ask QUESTION     let the agent answer in this very kernel
  /undo             back to before the last cell that ran
  /snapshot NAME    keep the state; /restore NAME goes back to it
  /branch NAME      go on in a branch of its own; /branch main goes back, /branch lists them
  /help             this
Ctrl-C interrupts a cell, Ctrl-D leaves."""
_OUTPUT = 40_000
_MAIN = "main"


def complete_cell(text: str) -> bool:
    """Whether a cell can run as it stands; a block wants an empty line after it."""
    return _state(text)[0] != "incomplete"


def indent_after(text: str) -> int:
    """How many spaces the next line of a cell in the making begins with."""
    return int(_state(text)[1] or 0)


def _state(text: str) -> tuple[str, int | None]:
    from IPython.core.inputtransformer2 import TransformerManager

    # a line of nothing but the indentation that was put there counts as empty
    status, indent = TransformerManager().check_complete(text.rstrip(" "))
    return str(status), indent


class Explorer:
    """Runs what is typed; knows nothing of how it is typed.

    Args:
        session: An open `spatialclaw.Session`; it is closed by `close`.
        out: Where results go.
        graphics: How pictures are shown.
        on_event: Sees the record while the agent works.
        colour: Whether `out` is a terminal that takes colours.
    """

    def __init__(
        self,
        session: Any,
        *,
        out: IO[str] | None = None,
        graphics: Protocol = "off",
        on_event: Callable[[dict[str, Any]], None] | None = None,
        colour: bool = False,
    ) -> None:
        self._sessions = {_MAIN: session}
        self._steps: dict[str, list[str]] = {_MAIN: []}
        self.branch = _MAIN
        self.failed = False
        self._out = out or sys.stdout
        self._graphics = graphics
        self._on_event = on_event
        self._asking = False
        self._colour = colour
        self._count = 0
        session.listen(self._event)

    @property
    def session(self) -> Any:
        """That of the branch one is on."""
        return self._sessions[self.branch]

    def close(self) -> None:
        """Ends every branch."""
        for session in reversed(list(self._sessions.values())):
            session.close()

    def do(self, text: str) -> None:
        """Runs a cell or a command; what goes wrong is printed."""
        stripped = text.strip()
        if not stripped:
            return
        try:
            if stripped.startswith("/"):
                self._command(stripped)
            else:
                self._cell(text)
        except SpatialclawError as error:
            self._complain(str(error))
        except KeyboardInterrupt:
            self._complain("interrupted")

    def completions(self, text: str, cursor: int) -> tuple[int, list[str]]:
        """Where they begin, and what could stand there."""
        if text.startswith("/"):
            words = ["/ask ", "/undo", "/snapshot ", "/restore ", "/branch ", "/help"]
            return 0, [word for word in words if word.startswith(text)]
        start, words = self.session.complete(text, cursor)
        return start, words

    def _cell(self, code: str) -> None:
        self._count += 1
        before = f"before {self._count}"
        self.session.snapshot(before)
        result = self._interruptible(code)
        if result.ok:
            self._steps[self.branch].append(before)
        self._show(result)

    def _interruptible(self, code: str) -> CellResult:
        """Runs a cell on a thread; Ctrl-C interrupts it and its result still comes."""
        done: list[CellResult | BaseException] = []
        over = threading.Event()  # an interrupt in Thread.join makes the thread seem dead

        def work() -> None:
            try:
                done.append(self.session.run(code))
            except BaseException as error:  # told where it was asked for
                done.append(error)
            finally:
                over.set()

        threading.Thread(target=work, daemon=True).start()
        while not over.is_set():
            try:
                over.wait(0.1)
            except KeyboardInterrupt:
                self.session.interrupt()
        outcome = done[0]
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def _show(self, result: CellResult) -> None:
        for text in (result.stdout, result.stderr, result.result or ""):
            shown = clip(clean(text), _OUTPUT).rstrip()
            if shown:
                self._print(shown)
        for number, shown_picture in enumerate(result.images):
            self._picture(shown_picture, number)
        if result.submission is not None:
            unit = f" {result.submission.unit}" if result.submission.unit else ""
            self._print(clean(f"submitted {result.submission.value!r}{unit}"))
        if result.error is not None:
            self.failed = True
            where = f" (line {result.error.line})" if result.error.line else ""
            said = f": {result.error.message}" if result.error.message else ""
            self._complain(f"{result.error.name}{said}{where}")
            if result.lost:
                self._print(clean(f"[{result.lost}]"))

    def _picture(self, shown: Any, number: int) -> None:
        title = f"{clean(shown.title)[:200]} " if shown.title else ""
        path = self._path_of(shown.data)
        drawn = encode(shown.data, self._graphics)
        if drawn:
            self._out.write(drawn)
        self._print(f"[picture {number + 1}: {title}{shown.width}x{shown.height}, {path}]")

    def _path_of(self, data: bytes) -> str:
        """Where the record keeps a picture: it names it by its content."""
        import hashlib

        folder = self.session.run_dir / "images"
        digest = hashlib.sha256(data).hexdigest()[:20]
        found = next(iter(folder.glob(f"{digest}.*")), None)
        return str(found or folder)

    def _command(self, line: str) -> None:
        word, _, rest = line.partition(" ")
        rest = rest.strip()
        known = {
            "/ask": self._ask,
            "/undo": self._undo,
            "/snapshot": self._snapshot,
            "/restore": self._restore,
            "/branch": self._branch,
            "/help": self._help,
        }
        if word not in known:
            self._complain(f"there is no command {clean(word)}; /help lists them")
            return
        known[word](rest)

    def _ask(self, question: str) -> None:
        if not question:
            self._complain("what? /ask How far is the cup?")
            return
        self._count += 1
        before = f"before {self._count}"
        self.session.snapshot(before)
        self._asking = True
        try:
            answer = self.session.ask(question)
        finally:
            self._asking = False
        self._steps[self.branch].append(before)
        if answer.status == "failed":
            self.failed = True
            self._complain(f"no answer: {answer.reason}")
            return
        guess = " (best guess)" if answer.status == "best_guess" else ""
        self._print(clean(f"{answer.text}{guess}"))

    def _help(self, _rest: str) -> None:
        self._print(HELP)

    def _undo(self, _rest: str) -> None:
        steps = self._steps[self.branch]
        if not steps:
            self._complain("nothing to undo")
            return
        said = clean(self.session.restore(steps.pop()))
        self._print(f"undone{f' ({said})' if said else ''}")

    def _snapshot(self, name: str) -> None:
        if not name:
            self._complain("what name? /snapshot NAME")
            return
        said = clean(self.session.snapshot(name))
        self._print(f"kept {clean(name)!r}{f' ({said})' if said else ''}")

    def _restore(self, name: str) -> None:
        try:
            said = clean(self.session.restore(name))
        except KeyError:
            self._complain(f"there is no snapshot {clean(name)!r}")
            return
        self._steps[self.branch].clear()
        self._print(f"back at {clean(name)!r}{f' ({said})' if said else ''}")

    def _branch(self, name: str) -> None:
        if not name:
            for known in self._sessions:
                self._print(f"{'*' if known == self.branch else ' '} {known}")
            return
        if name not in self._sessions:
            other = self.session.branch()
            other.listen(self._event)
            self._sessions[name] = other
            self._steps[name] = []
        self.branch = name
        self._print(f"on branch {clean(name)}: {self.session.run_dir}")

    def _event(self, event: dict[str, Any]) -> None:
        if self._asking and self._on_event is not None:
            self._on_event(event)

    def _complain(self, text: str) -> None:
        self.failed = True
        line = clip(clean(text), _OUTPUT)
        self._print(f"\x1b[31m{line}\x1b[0m" if self._colour else line)

    def _print(self, text: str) -> None:
        self._out.write(f"{text}\n")
        self._out.flush()
