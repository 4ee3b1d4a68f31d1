"""The events of a run as a story: plan, cells with what belongs to each, answer, figures.

Everything in a record may be hostile or damaged: each value is taken for what it is, or left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from spatialclaw.traces.html.text import as_number, as_text, duration, one_line
from spatialclaw.traces.read import Run

__all__ = ["Entry", "Picture", "Story", "add_event", "tell"]

_FENCE = "```"


@dataclass
class Picture:
    """A picture of the record.

    Attributes:
        name: Relative to the run folder, such as "images/0728a7.jpg".
        title: Its caption.
        width: Pixels, as recorded.
        height: Pixels, as recorded.
    """

    name: str
    title: str = ""
    width: int = 0
    height: int = 0


@dataclass
class Entry:
    """One thing that happened, in the order of time.

    Attributes:
        kind: "plan", "cell", "note", "error", "submit", "verdict" or "snapshot".
        seq: Number of the event.
        after: Seconds since the run began, or None.
        text: What was said.
        number: Of the cell.
        code: Of the cell.
        said: What the model said around the cell.
        status: "ok", "error", "timeout" or "died" of a cell; "accepted", "refused", "stands",
            "sent back" of others.
        stdout: Of the cell.
        stderr: Of the cell.
        result: Last expression of the cell.
        error: {"name", "message", "traceback"} of the cell.
        variables: {"name", "type", "summary", "change"} of the cell.
        measurements: {"name", "value", "unit", "sigma", "method"} of the cell, as recorded.
        submission: {"value", "unit", "confidence"} of the cell.
        seconds: Of the cell.
        pictures: Shown by the cell.
        scenes: Names of the scenes in 3D that the cell made.
        calls: What the cell asked the host: {"method", "text", "seconds", "ok"}.
        seen: What the policy was told after it.
    """

    kind: str
    seq: int = 0
    after: float | None = None
    text: str = ""
    number: int = 0
    code: str = ""
    said: str = ""
    status: str = ""
    stdout: str = ""
    stderr: str = ""
    result: str = ""
    error: dict[str, str] = field(default_factory=dict)
    variables: list[dict[str, str]] = field(default_factory=list)
    measurements: list[dict[str, Any]] = field(default_factory=list)
    submission: dict[str, str] = field(default_factory=dict)
    seconds: float | None = None
    pictures: list[Picture] = field(default_factory=list)
    scenes: list[str] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)
    seen: str = ""

    @property
    def failed(self) -> bool:
        """Whether something went wrong here."""
        return self.kind == "error" or self.status in ("error", "timeout", "died", "refused")


@dataclass
class Story:
    """A run, told.

    Attributes:
        entries: In order.
        opening: The first message to the policy.
        inputs: Pictures of the first message.
        requests: Calls of a model: {"number", "purpose", "model", "seconds", "input", "output",
            "images", "text", "error"}.
        answer: As recorded, or None.
        started: Seconds since 1970, or None.
        last: Time of the last event, or None.
        limit: Characters kept of each text.
    """

    entries: list[Entry] = field(default_factory=list)
    opening: str = ""
    inputs: list[Picture] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    answer: dict[str, Any] | None = None
    started: float | None = None
    last: float | None = None
    limit: int = 20_000
    _said: str = ""
    _calls: list[dict[str, Any]] = field(default_factory=list)

    @property
    def cells(self) -> list[Entry]:
        """The entries that are cells."""
        return [entry for entry in self.entries if entry.kind == "cell"]

    @property
    def plan(self) -> str:
        """The first plan, or ""."""
        return next((e.text for e in self.entries if e.kind == "plan"), "")

    @property
    def seconds(self) -> float | None:
        """From the first to the last event."""
        if self.started is None or self.last is None:
            return None
        return max(0.0, self.last - self.started)


def tell(run: Run, *, limit: int = 20_000) -> Story:
    """The story of a recorded run.

    Args:
        run: Whole or half-written.
        limit: Characters kept of each text.
    """
    story = Story(limit=limit)
    for event in run.events():
        add_event(story, event)
    if run.answer is not None:
        story.answer = run.answer
    return story


def add_event(story: Story, event: Mapping[str, Any]) -> Entry | None:
    """Takes in one more event; gives the entry that it made or changed, if one."""
    time = as_number(event.get("time"))
    if time is not None:
        story.started = time if story.started is None else story.started
        story.last = time
    teller = _TELLERS.get(str(event.get("kind")))
    entry = teller(story, event) if teller is not None else None
    if entry is not None and entry not in story.entries[-1:]:
        entry.seq = int(as_number(event.get("seq")) or 0)
        if time is not None and story.started is not None:
            entry.after = max(0.0, time - story.started)
        story.entries.append(entry)
    return entry


def _plan(story: Story, event: Mapping[str, Any]) -> Entry:
    return Entry("plan", text=as_text(event.get("text"), story.limit))


def _note(story: Story, event: Mapping[str, Any]) -> Entry:
    return Entry("note", text=as_text(event.get("text"), min(2000, story.limit)))


def _error(story: Story, event: Mapping[str, Any]) -> Entry:
    what = [one_line(event.get(key), 100) for key in ("where", "type")]
    message = as_text(event.get("message"), min(4000, story.limit))
    if event.get("where") == "model":
        story.requests.append(_request(event) | {"error": message})
    return Entry("error", text=": ".join([*(w for w in what if w), message]))


def _snapshot(story: Story, event: Mapping[str, Any]) -> Entry:
    action = "kept as" if event.get("action") == "keep" else "gone back to"
    return Entry("snapshot", text=f"state {action} {one_line(event.get('name'), 100)}")


def _submit(story: Story, event: Mapping[str, Any]) -> Entry:
    problems = "\n".join(as_text(p, 1000) for p in _list(event.get("problems")))
    value = " ".join(filter(None, (one_line(event.get("value")), one_line(event.get("unit"), 40))))
    status = "accepted" if event.get("accepted") else "refused"
    return Entry("submit", text="\n".join(filter(None, (value, problems))), status=status)


def _verdict(story: Story, event: Mapping[str, Any]) -> Entry:
    status = "stands" if event.get("stands") else "sent back"
    return Entry("verdict", text=as_text(event.get("text"), min(4000, story.limit)), status=status)


def _reply(story: Story, event: Mapping[str, Any]) -> None:
    if event.get("purpose") == "step":
        story._said = as_text(event.get("text"), story.limit)
        return
    story.requests.append(_request(event))


def _request(event: Mapping[str, Any]) -> dict[str, Any]:
    usage = event.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    return {
        "number": one_line(event.get("request"), 20),
        "purpose": one_line(event.get("purpose"), 40),
        "model": one_line(event.get("model"), 80),
        "seconds": duration(event.get("seconds")),
        "input": as_number(usage.get("input_tokens")),
        "output": as_number(usage.get("output_tokens")),
        "text": as_text(event.get("text"), 1500),
        "error": "",
    }


def _perception(story: Story, event: Mapping[str, Any]) -> None:
    story._calls.append(
        {
            "method": one_line(event.get("method"), 60),
            "text": one_line(event.get("error") or event.get("result"), 400),
            "params": one_line(event.get("params"), 300),
            "seconds": duration(event.get("seconds")),
            "ok": event.get("ok", True) is not False,
        }
    )


def _cell(story: Story, event: Mapping[str, Any]) -> Entry:
    result = event.get("result")
    result = result if isinstance(result, dict) else {}
    error = result.get("error")
    submission = result.get("submission")
    limit = story.limit
    entry = Entry(
        "cell",
        number=int(as_number(event.get("number")) or 0),
        code=as_text(event.get("code"), 3 * limit).rstrip("\n"),
        said=_prose(story._said),
        status=one_line(result.get("status") or "ok", 20),
        stdout=as_text(result.get("stdout"), limit).rstrip("\n"),
        stderr=as_text(result.get("stderr"), limit).rstrip("\n"),
        result=as_text(result.get("result"), limit),
        seconds=as_number(result.get("seconds")),
        pictures=_pictures(event.get("images")),
        scenes=[one_line(name, 200) for name in _list(event.get("scenes"))[:8]],
        calls=story._calls,
    )
    if isinstance(error, dict):
        fields = ("name", "message", "traceback")
        entry.error = {key: as_text(error.get(key), min(limit, 8000)) for key in fields}
    if isinstance(submission, dict):
        fields = ("value", "unit", "confidence")
        entry.submission = {key: one_line(submission.get(key)) for key in fields}
    for variable in _list(result.get("variables"))[:100]:
        if isinstance(variable, dict):
            about = ("name", "type", "summary", "change")
            entry.variables.append({key: one_line(variable.get(key), 400) for key in about})
    measured = _list(result.get("measurements"))[:100]
    entry.measurements = [item for item in measured if isinstance(item, dict)]
    story._said, story._calls = "", []
    return entry


def _observation(story: Story, event: Mapping[str, Any]) -> Entry | None:
    text = as_text(event.get("text"), story.limit)
    if not story.opening and not story.cells:
        story.opening = text
        story.inputs = _pictures(event.get("images"))
        return None
    last = story.entries[-1] if story.entries else None
    if last is not None and last.kind in ("cell", "error", "submit", "verdict"):
        last.seen = text
        return last
    return None


def _answer(story: Story, event: Mapping[str, Any]) -> None:
    story.answer = dict(event)


_TELLERS: dict[str, Any] = {
    "plan": _plan,
    "note": _note,
    "error": _error,
    "snapshot": _snapshot,
    "submit": _submit,
    "verdict": _verdict,
    "reply": _reply,
    "perception": _perception,
    "cell": _cell,
    "observation": _observation,
    "answer": _answer,
}


def _prose(reply: str) -> str:
    """A reply without its fenced blocks: the code is shown beside it."""
    lines, inside = [], False
    for line in reply.split("\n"):
        if line.lstrip().startswith(_FENCE):
            inside = not inside
        elif not inside:
            lines.append(line)
    return "\n".join(lines).strip()


def _pictures(value: Any) -> list[Picture]:
    found = []
    for item in _list(value)[:64]:
        if isinstance(item, dict) and isinstance(item.get("image"), str):
            width, height = (int(as_number(item.get(key)) or 0) for key in ("width", "height"))
            found.append(
                Picture(one_line(item["image"]), one_line(item.get("title"), 300), width, height)
            )
    return found


def _list(value: Iterable[Any] | Any) -> list[Any]:
    return value if isinstance(value, list) else []
