"""`%load_ext spatialclaw`: `%%ask` and `%spatial` in any notebook."""

from __future__ import annotations

import shlex
from typing import Any

from IPython.core.error import UsageError as MagicError
from IPython.core.magic import Magics, cell_magic, line_cell_magic, magics_class

from spatialclaw.errors import SpatialclawError

__all__ = [
    "SpatialMagics",
    "load_ipython_extension",
    "unload_ipython_extension",
    "words_of",
]

_HELP = """\
%spatial MEDIA... [--backend NAME] [--model NAME]   open a session over media
%spatial                                            what is open
%spatial snapshot NAME | restore NAME               keep the session's state, go back to it
%spatial close                                      end it
%%spatial                                           run the cell in the session's kernel
%%ask [MEDIA...] [--choice TEXT]... [--backend ...] ask the agent the cell's text;
                                                    the answer is then in `answer`"""


@magics_class
class SpatialMagics(Magics):  # type: ignore[misc]  # IPython is untyped
    """One session at a time, in `session`; the agent and the notebook share its kernel."""

    session: Any = None
    media: tuple[str, ...] = ()

    @cell_magic  # type: ignore[untyped-decorator]
    def ask(self, line: str, cell: str) -> Any:
        """Ask the agent the text of the cell; its cells appear as they are written and run."""
        media, options = words_of(line)
        if not cell.strip():
            raise MagicError("no question: write it below %%ask")
        choices = options.pop("choice", None)
        answer_type = options.pop("answer_type", [""])[-1] or None
        try:
            self._open(media, options)
            answer = self.session.ask(cell.strip(), choices=choices, answer_type=answer_type)
        except SpatialclawError as error:
            raise MagicError(str(error)) from None
        self.shell.user_ns["answer"] = answer
        return answer

    @line_cell_magic  # type: ignore[untyped-decorator]
    def spatial(self, line: str, cell: str | None = None) -> Any:
        """Open, look at and close the session; with a cell: run it in the session's kernel."""
        words, options = words_of(line)
        try:
            if cell is not None:
                self._open(words, options)
                return self._run(cell)
            return self._command(words, options)
        except SpatialclawError as error:
            raise MagicError(str(error)) from None

    def close(self) -> None:
        """Ends the session."""
        session, self.session, self.media = self.session, None, ()
        if session is not None:
            session.close()
        self.shell.user_ns.pop("session", None)

    def _command(self, words: list[str], options: dict[str, list[str]]) -> Any:
        match words:
            case []:
                print(self._status())
            case ["help"]:
                print(_HELP)
            case ["close"]:
                self.close()
            case ["snapshot" | "restore" as act, name]:
                self._open([], {})
                print(getattr(self.session, act)(name))
            case _:
                self._open(words, options)
                print(self._status())
        return None

    def _status(self) -> str:
        if self.session is None:
            return f"no session is open\n{_HELP}"
        return f"session over {', '.join(self.media)}: {self.session.run_dir}"

    def _run(self, cell: str) -> None:
        result = self.session.run(cell)
        if result.error is not None and result.error.name == "KeyboardInterrupt":
            raise KeyboardInterrupt

    def _open(self, media: list[str], options: dict[str, list[str]]) -> None:
        import spatialclaw

        _refuse_confined()
        if self.session is not None and (not media or tuple(media) == self.media) and not options:
            return
        if not media and self.session is None:
            raise MagicError("no media: %%ask photo.jpg, or %spatial photo.jpg once")
        wanted = tuple(media) or self.media
        self.close()
        settings: dict[str, Any] = {name: values[-1] for name, values in options.items()}
        self.session = spatialclaw.Session(list(wanted), **settings).open()
        self.media = wanted
        self.shell.user_ns["session"] = self.session


def words_of(line: str) -> tuple[list[str], dict[str, list[str]]]:
    """Words and ``--name value`` options of a magic's line."""
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise MagicError(f"{error}: {line}") from None
    plain: list[str] = []
    options: dict[str, list[str]] = {}
    while words:
        word = words.pop(0)
        if not word.startswith("--"):
            plain.append(word)
            continue
        name, equals, value = word[2:].partition("=")
        if not equals:
            if not words:
                raise MagicError(f"{word} needs a value")
            value = words.pop(0)
        options.setdefault(name.replace("-", "_"), []).append(value)
    return plain, options


def _refuse_confined() -> None:
    from spatialclaw.primitives import runtime
    from spatialclaw.primitives.errors import Unavailable
    from spatialclaw.primitives.gateway import Client

    try:
        confined = isinstance(runtime.client(), Client)
    except Unavailable:
        return
    if confined:
        raise MagicError(
            "this kernel is confined and can start no agent; choose an ordinary Python kernel"
        )


_loaded: SpatialMagics | None = None


def load_ipython_extension(ipython: Any) -> None:
    """Registers the magics; ``%load_ext spatialclaw`` calls it."""
    global _loaded
    _loaded = SpatialMagics(ipython)
    ipython.register_magics(_loaded)


def unload_ipython_extension(ipython: Any) -> None:
    """Ends the session; ``%unload_ext spatialclaw`` calls it."""
    global _loaded
    if _loaded is not None:
        _loaded.close()
        _loaded = None
    for kind, name in (("cell", "ask"), ("cell", "spatial"), ("line", "spatial")):
        ipython.magics_manager.magics[kind].pop(name, None)
