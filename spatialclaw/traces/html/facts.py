"""The figures of a run, as rows of name and value."""

from __future__ import annotations

import time
from typing import Any

from spatialclaw.traces.html.story import Entry, Story
from spatialclaw.traces.html.text import as_number, as_text, duration, one_line
from spatialclaw.traces.read import Run

__all__ = ["answer_of", "choices_of", "evidence_of", "figures_of", "media_of", "settings_of"]


def answer_of(story: Story, run: Run) -> dict[str, str] | None:
    """The answer as text: text, status, confidence, reason; None while there is none."""
    answer = story.answer
    if answer is None:
        return None
    confidence = as_number(answer.get("confidence"))
    return {
        "text": as_text(answer.get("text") or answer.get("answer"), story.limit),
        "status": one_line(answer.get("status"), 40),
        "confidence": "" if confidence is None else f"{confidence:.0%}",
        "reason": one_line(answer.get("reason"), 600),
        "choice": _choice(run, answer.get("answer")),
    }


def _choice(run: Run, letter: Any) -> str:
    choices = run.facts.get("choices")
    if isinstance(choices, dict) and isinstance(letter, str) and letter in choices:
        return one_line(choices[letter])
    return ""


def figures_of(story: Story, run: Run) -> list[tuple[str, str]]:
    """Backend, model, cells, time, tokens, cost and so on; what is not known is left out."""
    answer = story.answer or {}
    usage = answer.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    settings = run.facts.get("settings")
    settings = settings if isinstance(settings, dict) else {}
    cost = as_number(usage.get("cost_usd"))
    started = as_number(run.facts.get("started")) or story.started
    seconds = as_number(answer.get("seconds"))
    rows = [
        ("Backend", one_line(answer.get("backend") or settings.get("backend"), 80)),
        ("Model", one_line(answer.get("model") or settings.get("model"), 120)),
        ("Interface", one_line(answer.get("interface") or settings.get("interface"), 40)),
        ("Cells", str(len(story.cells))),
        ("Time", duration(story.seconds if seconds is None else seconds)),
        ("In cells", duration(sum(cell.seconds or 0.0 for cell in story.cells))),
        ("Requests", _count(usage.get("requests"))),
        ("Tokens in", _count(usage.get("input_tokens"))),
        ("Tokens out", _count(usage.get("output_tokens"))),
        ("Pictures sent", _count(usage.get("images"))),
        ("Cost", "" if cost is None else f"${cost:.4f}"),
        ("Seed", one_line(run.facts.get("seed"), 40)),
        ("Begun", "" if started is None else _date(started)),
        ("Version", one_line(run.facts.get("version"), 40)),
    ]
    return [(name, value) for name, value in rows if value]


def _count(value: Any) -> str:
    number = as_number(value)
    return "" if number is None else f"{number:,.0f}"


def _date(seconds: float) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
    except (OverflowError, ValueError, OSError):
        return ""


def choices_of(run: Run) -> dict[str, str]:
    """The options by letter; empty when there are none."""
    choices = run.facts.get("choices")
    if not isinstance(choices, dict):
        return {}
    return {one_line(k, 20): one_line(text) for k, text in list(choices.items())[:60]}


def media_of(run: Run) -> list[dict[str, str]]:
    """The inputs: path, kind, size and hash."""
    found = []
    media = run.facts.get("media")
    for item in media if isinstance(media, list) else []:
        if isinstance(item, dict):
            size = as_number(item.get("bytes"))
            found.append(
                {
                    "path": one_line(item.get("path")),
                    "kind": one_line(item.get("kind"), 40),
                    "size": "" if size is None else _bytes(size),
                    "sha256": one_line(item.get("sha256"), 64),
                }
            )
    return found[:200]


def _bytes(number: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000 or unit == "GB":
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return ""


def settings_of(run: Run) -> list[tuple[str, str, str]]:
    """Each setting with its value and where it came from."""
    settings, sources = run.facts.get("settings"), run.facts.get("sources")
    sources = sources if isinstance(sources, dict) else {}
    if not isinstance(settings, dict):
        return []
    rows = [
        (one_line(k, 80), one_line(v), one_line(sources.get(k), 80)) for k, v in settings.items()
    ]
    return rows[:200]


def evidence_of(story: Story) -> dict[str, list[Any]]:
    """What the answer rests on as it says itself, and every measurement that cells made.

    Returns:
        "given": lines; "ledger": {"id", "cell", "text"} in the order they came.
    """
    given = (story.answer or {}).get("evidence")
    lines = [_evidence_line(item) for item in given[:60]] if isinstance(given, list) else []
    return {"given": [line for line in lines if line], "ledger": _ledger(story.cells)}


def _evidence_line(item: Any) -> str:
    if isinstance(item, dict) and isinstance(item.get("text"), str):
        return one_line(item["text"], 600)
    return one_line(item, 600)


def _ledger(cells: list[Entry]) -> list[dict[str, str]]:
    from spatialclaw.agent.ledger import Ledger
    from spatialclaw.kernel.results import CellResult, Measured

    ledger = Ledger()
    for cell in cells:
        made = []
        for item in cell.measurements:
            value, sigma = as_number(item.get("value")), as_number(item.get("sigma"))
            if value is not None:
                words = [one_line(item.get(key), 100) for key in ("name", "unit", "method")]
                made.append(Measured(words[0], value, words[1], sigma, words[2]))
        ledger.add_cell(cell.number, CellResult("ok", measurements=made))
    return [
        {"id": entry.id, "cell": str(entry.cell), "text": one_line(entry.text, 400)}
        for entry in ledger.entries
    ]
