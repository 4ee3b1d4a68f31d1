"""People, cars and the like that come by one after another in a video."""

from __future__ import annotations

from typing import Any

from spatialclaw.backends.builtin.families import count
from spatialclaw.backends.builtin.families.follow import follow
from spatialclaw.backends.builtin.inquiry import Inquiry
from spatialclaw.backends.builtin.steps import Cell, Finding, Investigation, NotGrounded

__all__ = ["investigate", "toward"]

AGAIN = """\
half = dense[::2]
try:
    short = 0.12 * float(np.median([r["end"] - r["start"] for r in rows]))
    again = sum(p.end_s - p.start_s >= short for p in passages(half, track(half, {what!r})))
except Exception as error:
    print(error)
    again = None
print(f"again = {{again}}")
"""

_SIDES = {"up": "top", "down": "bottom", "left": "left", "right": "right"}


def toward(row: dict[str, Any], word: str) -> bool:
    """Whether a passage goes in a direction of the picture."""
    if row["heading"] == word:
        return True
    x, y = row["net"]
    along = {"left": -x, "right": x, "up": -y, "down": y}.get(word, 0.0)
    return bool(along > 0 and row["leaves"] == _SIDES.get(word))


def real(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The passages without fragments: what neither comes nor goes nor gets anywhere, or is a moment."""
    spans = sorted(float(r["end"] or 0.0) - float(r["start"] or 0.0) for r in rows)
    usual = spans[len(spans) // 2] if spans else 0.0
    kept = []
    for row in rows:
        size = max(float(row["area"]), 1.0) ** 0.5
        x, y = row["net"]
        stays = row["enters"] == "already there" and row["leaves"] == "still there"
        if stays and (x * x + y * y) ** 0.5 < size:
            continue
        if float(row["end"] or 0.0) - float(row["start"] or 0.0) < 0.12 * usual:
            continue
        kept.append(row)
    return kept


def investigate(inquiry: Inquiry) -> Investigation:
    """How many come by, and how many of them in a direction."""
    question = inquiry.question
    thing = question.things[0]
    if inquiry.facts.count < 2:
        return (yield from count.investigate(inquiry))
    followed = yield from follow(inquiry, thing)
    rows = real(followed.rows)
    phrase = " ".join(thing.words) or thing.text
    second = yield Cell("Cross-check: the same at half the rate.", AGAIN.format(what=phrase))
    again = second.number("again")
    sure = 0.75 if again == len(rows) else 0.55
    times = [f"{row['start']}-{row['end']} s {row['heading']}" for row in rows]
    evidence = [f"{len(rows)} passages ({followed.method}): {', '.join(times)[:600]}"]
    if again is not None:
        evidence.append(f"at half the rate: {int(again)}")
    if not followed.named:
        evidence.append(f"they move; whether each is {thing.text} was not checked")
    if question.ask == "":
        return Finding("number", len(rows), "count", 0.7, sure, tuple(evidence))
    word = question.word
    if word in ("forward", "backward", "front", "back"):
        raise NotGrounded(f"the direction {word} in the picture")
    word = {"above": "up", "below": "down"}.get(word, word)
    of_them = sum(toward(row, word) for row in rows)
    evidence.append(f"{of_them} of them go {word} in the picture")
    if question.ask == "toward":
        return Finding("number", of_them, "count", 0.7, sure, tuple(evidence))
    if question.choices:
        return Finding("numbers", [len(rows), of_them], confidence=sure, evidence=tuple(evidence))
    side = {"up": "towards the top", "down": "towards the bottom"}.get(word, f"to the {word}")
    text = f"{len(rows)} {thing.text}, {of_them} {side}"
    return Finding("text", text, confidence=sure, evidence=tuple(evidence))
