"""Media and a question in a notebook's cell: `load`; and what came out: `conclude`."""

from __future__ import annotations

import atexit
import html
import math
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from spatialclaw.primitives import runtime, submit
from spatialclaw.primitives.errors import PrimitiveError, Unavailable

__all__ = ["Conclusion", "Loaded", "conclude", "load"]

_asked: dict[str, Any] = {}


class Loaded:
    """What was loaded; shows itself as what is known about it."""

    def __init__(self, text: str, notes: Sequence[str]) -> None:
        self.text = text
        self.notes = list(notes)

    def __repr__(self) -> str:
        return "\n".join([self.text.strip(), *(f"note: {note}" for note in self.notes)])


def load(
    *media: str | os.PathLike[str],
    question: str = "",
    choices: Mapping[str, str] | None = None,
    frames: int = 32,
    said: Sequence[Mapping[str, Any]] = (),
) -> Loaded:
    """Loads media into this notebook: `frames`, `videos` and the whole vocabulary of a cell.

    In a `spatialclaw` kernel, which opens no files itself, the process that started it decodes
    them; in any other kernel this process does.

    Args:
        *media: Pictures, videos, folders or captures; relative paths start at the notebook.
        question: Its text, for `question`.
        choices: Letter -> text, for `choices`.
        frames: Most frames of a video.
        said: What `locate` and `look` answered in a recorded run; they answer it again.

    Raises:
        PrimitiveError: They cannot be read; says why.
    """
    from spatialclaw.primitives.namespace import build

    paths = [os.fspath(path) for path in media]
    sequences, text, notes = _from_host(paths, frames) if _hosted() else _from_here(paths, frames)
    namespace = build(sequences, question, choices)
    if said:
        _say_again(said)
    submit_last().clear()
    _asked.clear()
    _asked.update(question=question, choices=dict(choices) if choices else None)
    _user_namespace().update(namespace)
    return Loaded(text, notes)


def submit_last() -> dict[str, Any]:
    """What this process submitted last; empty when it has not."""
    return submit.last


def _hosted() -> bool:
    try:
        return not isinstance(runtime.client(), Recorded | Local)
    except Unavailable:
        return False


def _from_host(paths: list[str], frames: int) -> tuple[list[Any], str, list[str]]:
    if not paths:
        return [], "no media", []
    reply, fds = runtime.client().call_with_files("media.load", paths=paths, frames=frames)
    sequences = runtime.frames_of_host(reply["manifest"], fds[0]) if fds else []
    return list(sequences), str(reply["text"]), [str(note) for note in reply["notes"]]


def _from_here(paths: list[str], frames: int) -> tuple[list[Any], str, list[str]]:
    from spatialclaw.errors import SpatialclawError
    from spatialclaw.media import load as decode

    if not paths:
        return [], "no media", []
    workdir = Path(tempfile.mkdtemp(prefix="spatialclaw-notebook-"))
    atexit.register(shutil.rmtree, workdir, ignore_errors=True)
    try:
        loaded = decode([Path(p).expanduser() for p in paths], frames=frames, workdir=workdir)
    except SpatialclawError as error:
        raise PrimitiveError(error.message, hint=error.hint) from None
    runtime.use_client(Local(loaded))
    return list(loaded.sequences), loaded.describe(), loaded.notes


def _user_namespace() -> dict[str, Any]:
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    if shell is None:
        raise Unavailable("this is no notebook", hint="spatialclaw.Session(...) in a program")
    namespace: dict[str, Any] = shell.user_ns
    return namespace


class Local:
    """Answers further decoding in this very process, where no host is."""

    def __init__(self, media: Any) -> None:
        self._media = media

    def call_with_files(
        self, method: str, *, timeout: float = 300.0, **params: Any
    ) -> tuple[Any, list[int]]:
        """As `primitives.gateway.Client.call_with_files`."""
        import json

        del timeout
        if method != "media.decode":
            raise Unavailable(f"{method!r} is not available in a notebook without an agent")
        params["stop"] = params.pop("end", None)
        manifest = self._media.decode(params.pop("video"), **params)
        reply = {"manifest": json.loads(manifest.read_text(encoding="utf-8"))}
        return reply, [os.open(manifest.with_name("frames.bin"), os.O_RDONLY)]

    def call(self, method: str, *, timeout: float = 300.0, **params: Any) -> Any:
        """As `primitives.gateway.Client.call`."""
        result, fds = self.call_with_files(method, timeout=timeout, **params)
        for fd in fds:
            os.close(fd)
        return result


class Recorded:
    """Answers `locate` and `look` from a record, everything else as `inner` does."""

    def __init__(self, said: Sequence[Mapping[str, Any]], inner: Any) -> None:
        self._inner = inner
        self._said: dict[tuple[str, str], list[Any]] = {}
        for entry in said:
            key = (str(entry["method"]), str(entry["asked"]))
            self._said.setdefault(key, []).append(entry["reply"])

    def call(self, method: str, *, timeout: float = 300.0, **params: Any) -> Any:
        """As `primitives.gateway.Client.call`."""
        asked = params.get("what") or params.get("question") or ""
        replies = self._said.get((method, str(asked)))
        if replies:
            return replies.pop(0) if len(replies) > 1 else replies[0]
        if self._inner is None:
            raise Unavailable(f"the recorded run did not ask {asked!r}, and no VLM is here")
        return self._inner.call(method, timeout=timeout, **params)

    def call_with_files(
        self, method: str, *, timeout: float = 300.0, **params: Any
    ) -> tuple[Any, list[int]]:
        """As `primitives.gateway.Client.call_with_files`."""
        if self._inner is None:
            raise Unavailable(f"{method!r} is not available here")
        result, fds = self._inner.call_with_files(method, timeout=timeout, **params)
        return result, list(fds)


def _say_again(said: Sequence[Mapping[str, Any]]) -> None:
    try:
        inner: Any = runtime.client()
    except Unavailable:
        inner = None
    if isinstance(inner, Recorded):
        inner = inner._inner
    runtime.use_client(Recorded(said, inner))


class Conclusion:
    """The answer of this notebook beside that of the recorded run."""

    def __init__(self, text: str, recorded: str | None, same: bool | None) -> None:
        self.text = text
        self.recorded = recorded
        self.same = same

    def __repr__(self) -> str:
        if self.same is None:
            return self.text
        other = "the same as" if self.same else "other than"
        return f"{self.text} ({other} in the recorded run: {self.recorded})"

    def _repr_html_(self) -> str:
        text, recorded = html.escape(self.text), html.escape(self.recorded or "")
        tail = ""
        if self.same is not None:
            other = "the same as" if self.same else "<b>other</b> than"
            tail = f"<br><small>{other} in the recorded run: {recorded}</small>"
        return f'<div style="font-size:1.2em">{text}</div>{tail}'


def conclude(
    recorded: Any = None,
    *,
    text: str | None = None,
    answer_type: str | None = None,
    unit: str | None = None,
) -> Conclusion:
    """The answer that was submitted last, in the form of an answer.

    Args:
        recorded: What the recorded run submitted, to compare with.
        text: Its answer as it was told.
        answer_type: What the question asks for.
        unit: The unit it asks for.

    Raises:
        Unavailable: Nothing was submitted.
    """
    from spatialclaw.agent.answers import check_submission
    from spatialclaw.agent.question import infer_form
    from spatialclaw.agent.types import Task
    from spatialclaw.kernel.results import Submission

    now = submit_last()
    if not now:
        raise Unavailable("nothing was submitted yet", hint="submit(value)")
    question, choices = _asked.get("question", ""), _asked.get("choices")
    task = Task(question, choices=choices, answer_type=answer_type, unit=unit)  # type: ignore[arg-type]
    form, form_unit = infer_form(question, choices)
    submission = Submission(now["value"], now["unit"], now["confidence"], now["evidence"])
    checked = check_submission(task, submission, suggested=form, suggested_unit=form_unit)
    same = None if recorded is None else _same(now["value"], recorded)
    return Conclusion(checked.text or repr(now["value"]), text or repr(recorded), same)


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, bool) or isinstance(b, bool):
        return bool(a == b)
    if isinstance(a, int | float) and isinstance(b, int | float):
        return math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-9)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(_same, a, b))
    return bool(a == b)
