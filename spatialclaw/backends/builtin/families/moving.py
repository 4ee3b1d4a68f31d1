"""What moves: how fast, which way, how far, on which side it leaves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from dataclasses import replace
from typing import Any

from spatialclaw.backends.builtin.families import camera
from spatialclaw.backends.builtin.families.follow import Followed, follow
from spatialclaw.backends.builtin.families.passages import toward
from spatialclaw.backends.builtin.inquiry import Inquiry
from spatialclaw.backends.builtin.language import Thing
from spatialclaw.backends.builtin.language.words import directions_in
from spatialclaw.backends.builtin.steps import Cell, Finding, Investigation, NotGrounded, Seen

__all__ = ["investigate", "speed_of"]

CARRIERS = frozenset({"car", "vehicle", "robot", "drone", "bus", "truck", "bike", "boat"})

SPEED = """\
import dataclasses
one = {name}[{index}]
width, height = dense[0].width, dense[0].height
x0, y0, x1, y1 = one.boxes.T
whole = (x0 > 2) & (y0 > 2) & (x1 < width - 3) & (y1 < height - 3)
print(int(whole.sum()), "of", len(one), "boxes are wholly in the picture")
if whole.sum() >= 3:  # the middle of a thing that is cut off is not its middle
    one = dataclasses.replace(one, frames=one.frames[whole], times=one.times[whole], boxes=one.boxes[whole])
m = measure.speed(one, frames=dense)
print(m)
print(f"value = {{round(float(m.value), 5)}}")
print(f"sigma = {{None if m.sigma is None else round(float(m.sigma), 5)}}")
print(f"unit = {{m.unit!r}}")
"""

SPEED_PX = """\
m = measure.speed_px({name}[{index}])
print(m)
print(f"value = {{round(float(m.value), 5)}}")
print("unit = 'px/s'")
"""

NET = """\
net = measure.speed(one, frames=dense, kind="net")
print(net)
print(f"again = {{round(float(net.value), 5)}}")
"""


def investigate(inquiry: Inquiry) -> Investigation:
    """The whole family."""
    question = inquiry.question
    if question.ask == "what":
        raise NotGrounded("a name for what moves", ["detectors without weights do not name things"])
    thing = question.things[0]
    if question.ask == "moves":
        return (yield from _moves(inquiry, thing))
    try:
        followed = yield from follow(inquiry, thing)
    except NotGrounded:
        # Of still pictures taken from a car "the car drove" means the camera.
        if inquiry.facts.is_video or thing.head not in CARRIERS or question.ask != "direction":
            raise
        return (
            yield from camera.investigate(
                replace(inquiry, question=replace(question, family="camera", ask="move"))
            )
        )
    row = main(followed, thing)
    if question.ask in ("speed", "far"):
        return (yield from _speed(inquiry, thing, followed, row))
    if question.ask == "side":
        return _side(inquiry, thing, followed)
    if question.ask == "approach":
        return _approach(inquiry, followed, row)
    return _direction(inquiry, thing, followed, row)


def main(followed: Followed, thing: Thing) -> dict[str, Any]:
    """The passage that is meant: the one that moves most, by path and size."""
    moving = [row for row in followed.rows if row["heading"] != "none"] or followed.rows
    return max(moving, key=lambda row: row["path"] * max(row["area"], 1.0) ** 0.5)


def _note(followed: Followed, thing: Thing) -> str:
    return "" if followed.named else f"it moves; whether it is {thing.text} was not checked"


def _offered(inquiry: Inquiry) -> list[str]:
    texts = list((inquiry.question.choices or {}).values())
    words = [directions_in(text)[0] for text in texts if directions_in(text)]
    return list(dict.fromkeys(words))


def _direction(inquiry: Inquiry, thing: Thing, followed: Followed, row: dict[str, Any]) -> Finding:
    question = inquiry.question
    evidence = (
        f"from {row['start']} to {row['end']} s it goes {row['heading']} by {row['net']} px "
        f"(x right, y down), its size changes by {row['grow']}",
        _note(followed, thing),
    )
    sure = 0.85 if followed.named else 0.65
    if row["margin"] < 10:
        sure *= 0.75
    if question.yes_no and not question.choices:
        word = {"above": "up", "below": "down"}.get(question.word, question.word)
        if word in ("forward", "backward"):
            return _approach(inquiry, followed, row)
        return Finding("yes_no", toward(row, word), confidence=sure, evidence=evidence)
    offered = _offered(inquiry)
    x, y = row["net"]
    amounts = {
        "left": -x, "right": x, "up": -y, "down": y, "above": -y, "below": y,
        "top left": min(-x, -y) * 1.4, "top right": min(x, -y) * 1.4,
        "bottom left": min(-x, y) * 1.4, "bottom right": min(x, y) * 1.4,
    }  # fmt: skip
    known = [word for word in offered if word in amounts]
    if len(known) >= 2:
        return Finding(
            "word", max(known, key=lambda w: amounts[w]), confidence=sure, evidence=evidence
        )
    word = row["heading"] if row["heading"] != "none" else max(
        ("left", "right", "up", "down"), key=lambda w: amounts[w])  # fmt: skip
    return Finding("word", word, confidence=sure, evidence=evidence)


def _side(inquiry: Inquiry, thing: Thing, followed: Followed) -> Finding:
    verb = str(inquiry.question.extra.get("verb", "leave"))
    entering = verb.startswith(("enter", "come", "appear", "walk in", "arriv"))
    key = "enters" if entering else "leaves"
    sides = [row[key] for row in followed.rows if row[key] not in ("already there", "still there")]
    if not sides:
        raise NotGrounded(f"{thing.text!r} crossing the border of the picture")
    counts = Counter(sides)
    side, often = counts.most_common(1)[0]
    evidence = (f"{key}: {dict(counts)} ({followed.method})", _note(followed, thing))
    sure = (0.55 + 0.35 * often / len(sides)) * (1.0 if followed.named else 0.95)
    word = {"top": "up", "bottom": "down"}.get(side, side)
    question = inquiry.question
    if question.yes_no and not question.choices:
        return Finding("yes_no", word == question.word, confidence=sure, evidence=evidence)
    if not question.choices:
        return Finding("text", side, confidence=sure, evidence=evidence)
    return Finding("word", word, confidence=sure, evidence=evidence)


def _approach(inquiry: Inquiry, followed: Followed, row: dict[str, Any]) -> Finding:
    text = str(inquiry.question.extra.get("normal", ""))
    away = any(word in text for word in ("away", "farther", "backward"))
    grows = row["grow"] > 1
    evidence = (f"its size in the picture changes by a factor of {row['grow']}",)
    sure = 0.5 + 0.35 * min(1.0, abs(row["grow"] - 1) / 0.5)
    if inquiry.question.choices:
        return Finding("text", "toward the camera" if grows else "away from the camera",
                       confidence=sure, evidence=evidence)  # fmt: skip
    return Finding("yes_no", grows != away, confidence=sure, evidence=evidence)


def speed_of(
    inquiry: Inquiry, followed: Followed, row: dict[str, Any]
) -> Generator[Cell, Seen, tuple[float, float | None, str] | None]:
    """Speed of a passage: metres per second with depth, else pixels per second."""
    values = {"name": followed.name, "index": row["track"]}
    if inquiry.facts.has("depth"):
        seen = yield Cell("Its places in 3-D over time give the speed.", SPEED.format(**values))
        value = seen.number("value")
        if value is not None:
            return value, seen.number("sigma"), str(seen.get("unit") or "m/s")
    seen = yield Cell("Its speed in the picture.", SPEED_PX.format(**values))
    value = seen.number("value")
    return None if value is None else (value, None, "px/s")


def _speed(
    inquiry: Inquiry, thing: Thing, followed: Followed, row: dict[str, Any]
) -> Investigation:
    found = yield from speed_of(inquiry, followed, row)
    if found is None:
        raise NotGrounded(f"the speed of {thing.text!r}")
    value, sigma, unit = found
    asked = inquiry.question.unit
    if unit == "px/s" and asked != "px/s":
        raise NotGrounded(
            "the scale of the scene",
            [f"it moves {value:.1f} px/s in the picture; depth or a calibration gives metres"],
        )
    evidence = [f"{thing.text} by {followed.method}: {value:.3f} {unit}", _note(followed, thing)]
    sure = 0.85
    if unit == "m/s":
        seen = yield Cell("Cross-check: from its first to its last place.", NET.format(
            name=followed.name, index=row["track"]))  # fmt: skip
        again = seen.number("again")
        if again is not None:
            evidence.append(f"net: {again:.3f} m/s")
            if abs(again - value) > 0.2 * value:
                sure, sigma = 0.6, max(sigma or 0.0, abs(again - value) / 2)
    if inquiry.question.ask == "far":
        seconds = float(row["end"]) - float(row["start"])
        return Finding(
            "number", value * seconds, "m", (sigma or 0.1 * value) * seconds, 0.7, tuple(evidence)
        )
    return Finding("number", value, unit, sigma or 0.08 * value, sure, tuple(evidence))


def _moves(inquiry: Inquiry, thing: Thing) -> Investigation:
    try:
        followed = yield from follow(inquiry, thing)
    except NotGrounded as lost:
        if inquiry.facts.count < 2:
            raise
        return Finding("yes_no", False, confidence=0.5, evidence=(f"nothing moves: {lost.tried}",))
    row = main(followed, thing)
    held = row["heading"] != "none"
    text = str(inquiry.question.extra.get("normal", "")).split(" or ")[0]
    if any(word in text for word in ("still", "stationary", "static", "parked", "at rest")):
        held = not held
    return Finding("yes_no", held, confidence=0.65, evidence=(f"{row}", _note(followed, thing)))
