"""How the camera moved, turned, travelled; whether it moved at all; where it stood."""

from __future__ import annotations

import re
from collections.abc import Generator

from spatialclaw.backends.builtin.families.camera_cells import (
    CHAIN,
    CHECK,
    CHOOSE,
    MOTION,
    REPORT,
)
from spatialclaw.backends.builtin.families.camera_stance import moves, stance, travel
from spatialclaw.backends.builtin.inquiry import Inquiry
from spatialclaw.backends.builtin.language.words import directions_in
from spatialclaw.backends.builtin.steps import Cell, Finding, Investigation, NotGrounded, Seen

__all__ = ["investigate", "motion_between", "option_words"]

MOVES = ["left", "right", "up", "down", "forward", "backward"]
TURNS = ["left", "right", "up", "down"]


def option_words(inquiry: Inquiry, offered: list[str]) -> list[str]:
    """The direction words to choose among: those of the options, else of the question, else all."""
    choices = inquiry.question.choices
    if choices:
        words = []
        for text in choices.values():
            said = directions_in(
                text.lower().replace("counter-clockwise", "").replace("clockwise", "")
            )
            said = said or directions_in(text)
            if said:
                word = {"above": "up", "below": "down", "front": "forward", "back": "backward"}.get(
                    said[0], said[0]
                )
                words.append(word)
        words = [word for word in dict.fromkeys(words) if word in (*offered, "front-left",
                 "front-right", "back-left", "back-right")]  # fmt: skip
        if len(words) >= 2:
            return words
    said = [word for word in inquiry.question.extra.get("words", []) if word in offered]
    text = str(inquiry.question.extra.get("normal", ""))
    said = said + [word for word in directions_in(text) if word in offered and word not in said]
    if inquiry.question.yes_no:
        return offered
    return said if len(said) >= 2 else offered


def motion_between(inquiry: Inquiry) -> Generator[Cell, Seen, Seen]:
    """The camera's motion between the two frames of the question, or over the video.

    Raises:
        NotGrounded: No motion can be had.
    """
    a, b = inquiry.pair()
    if inquiry.question.ask == "relative":
        a, b = _from_to(inquiry, a, b)
    named = len(inquiry.facts.views(inquiry.question, inquiry.media)) >= 2
    many = b - a > 2 and (inquiry.facts.is_video or not named) and not inquiry.facts.has("pose")
    if not many:
        seen = yield Cell(
            "How the camera moved from the first to the second.", _motion(inquiry, a, b) + REPORT
        )
        if seen.ok:
            return seen
        tried = [seen.message]
        if b - a < 2:
            raise NotGrounded("the camera's motion between the two pictures", tried)
    else:
        tried = []
    steps = min(b - a + 1, 13)
    seen = yield Cell(
        "Step by step over the frames between, since the ends may not overlap.",
        CHAIN.format(a=a, b=b, n=steps),
    )
    if seen.ok and seen.get("sure"):
        return seen
    raise NotGrounded("the camera's motion over the frames", [*tried, seen.message])


def _from_to(inquiry: Inquiry, a: int, b: int) -> tuple[int, int]:
    """Of "was the second photo taken to the right of the first": from the first to the second."""
    mark = int(str(inquiry.question.extra.get("noun", "@v0")).removeprefix("@v"))
    views = inquiry.question.views
    subject = inquiry.facts.position(views[mark], inquiry.media) if mark < len(views) else b
    others = [
        inquiry.facts.position(view, inquiry.media) for i, view in enumerate(views) if i != mark
    ]
    others = [place for place in others if place is not None and place != subject]
    if subject is None:
        return a, b
    return (others[0] if others else (a if a != subject else b)) or 0, subject


def _motion(inquiry: Inquiry, a: int, b: int) -> str:
    """The code of the motion; of a pair taken for a stereo pair the pictures decide, not the rig."""
    if not inquiry.facts.has("stereo"):
        return MOTION.format(a=a, b=b, motion="geometry.camera_motion(a, b)")
    return "from spatialclaw.primitives.motion import estimate_motion\n" + MOTION.format(
        a=a, b=b, motion="estimate_motion(a, b, method='views')"
    )


def investigate(inquiry: Inquiry) -> Investigation:
    """All questions about the camera."""
    ask = inquiry.question.ask
    if ask == "moves":
        return (yield from moves(inquiry))
    if ask in ("travel", "positions", "speed"):
        return (yield from travel(inquiry, motion_between))
    if ask in ("height", "tilt"):
        return (yield from stance(inquiry))
    seen = yield from motion_between(inquiry)
    if ask == "describe":
        return (yield from _describe(inquiry, seen))
    if ask == "turn_angle":
        return (yield from _turn_angle(inquiry, seen))
    if ask == "turn":
        return (yield from _turn(inquiry, seen))
    return (yield from _move(inquiry, seen))


def _second(inquiry: Inquiry, seen: Seen) -> Generator[Cell, Seen, Seen]:
    """The motion in a second way: by the pictures alone, or from the second back to the first."""
    if str(seen.get("method")).startswith("chain") or inquiry.question.ask == "relative":
        return Seen(False)
    a, b = inquiry.pair()
    if seen.get("method") in ("poses", "depth+pnp"):
        code = CHECK.format(other=f"estimate_motion(frames[{a}], frames[{b}], method='views')",
                            sign=1, turned="np.asarray(other.translation)")  # fmt: skip
        why = "Cross-check with the pictures alone (direction only)."
    else:
        code = CHECK.format(other=f"estimate_motion(frames[{b}], frames[{a}], method='views')", sign=-1,
                            turned="(np.asarray(other.rotation).T @ np.asarray(other.translation))")  # fmt: skip
        why = "Cross-check: from the second picture back to the first; it must be the opposite."
    return (yield Cell(why, code))


def _move(inquiry: Inquiry, seen: Seen) -> Investigation:
    words = option_words(inquiry, MOVES)
    chosen = yield Cell("In the words of the question.", CHOOSE.format(words=words))
    word = str(chosen.get("word", "none"))
    margin = chosen.number("margin") or 0.0
    sure = float(seen.number("sure") or 0.5)
    evidence = [
        f"the camera moved x {seen.get('dx')}, y {seen.get('dy')}, z {seen.get('dz')} "
        f"({'m' if seen.get('scaled') else 'direction only'}; right, down, forward; {seen.get('method')})",
        f"{word} leads the next word by {margin:.0f} degrees",
    ]
    if word == "none":
        yaw = seen.number("yaw") or 0.0
        word = "right" if yaw > 0 else "left"
        sure = 0.3
        evidence.append(
            f"no movement can be told from the turn of {yaw:.1f} degrees; the word is the turn's"
        )
    likely = chosen.get("likely")
    if isinstance(likely, dict) and likely and word in likely and len(words) > 2:
        sure = min(sure, float(likely[word]) + 0.1)
    other = yield from _second(inquiry, seen)
    if other.ok and other.number("back_x") is not None:
        ahead = [seen.number(k) or 0.0 for k in ("dx", "dy", "dz")]
        back = [other.number(k) or 0.0 for k in ("back_x", "back_y", "back_z")]
        axis = _axis(word)
        agree = ahead[axis] * back[axis] > 0
        evidence.append(f"the second way {'agrees' if agree else 'disagrees'}: {back}")
        sure = min(0.97, sure + 0.05) if agree else 0.55 * sure
    if inquiry.question.yes_no and not inquiry.question.choices:
        asked = inquiry.question.word
        return Finding("yes_no", word == asked, confidence=sure, evidence=tuple(evidence))
    return Finding("word", word, confidence=sure, evidence=tuple(evidence))


def _axis(word: str) -> int:
    if word in ("left", "right"):
        return 0
    return 1 if word in ("up", "down") else 2


def _turn(inquiry: Inquiry, seen: Seen) -> Investigation:
    said = f"{inquiry.question.extra.get('normal')} {inquiry.question.choices or ''}".lower()
    if "clockwise" in said and not re.search(r"\b(?:left|right)\b", said):
        roll = seen.number("roll") or 0.0
        word = "clockwise" if roll > 0 else "counter-clockwise"
        return Finding("text", word, confidence=0.4 + 0.5 * min(1.0, abs(roll) / 10),
                       evidence=(f"roll {roll:+.1f} degrees, clockwise as the photographer sees it",))  # fmt: skip
    words = [w for w in option_words(inquiry, TURNS) if w in TURNS] or TURNS
    yaw, pitch = seen.number("yaw") or 0.0, seen.number("pitch") or 0.0
    roll = seen.number("roll") or 0.0
    amounts = {"right": yaw, "left": -yaw, "up": pitch, "down": -pitch}
    word = max(words, key=lambda w: amounts[w])
    sure = float(seen.number("sure") or 0.5)
    evidence = [
        f"yaw {yaw:+.1f} (right +), pitch {pitch:+.1f} (up +), roll {roll:+.1f} degrees; "
        f"{seen.get('method')}"
    ]
    sure = max(sure, 0.8) if amounts[word] > 8 else sure
    if amounts[word] < 1:
        sure = min(sure, 0.4)
    other = yield from _second(inquiry, seen)
    if other.ok and other.number("back_yaw") is not None:
        back = other.number("back_yaw" if word in ("left", "right") else "back_pitch") or 0.0
        agree = back * (yaw if word in ("left", "right") else pitch) > 0
        evidence.append(f"the second way gives {back:+.1f}: {'agrees' if agree else 'disagrees'}")
        sure = min(0.97, sure + 0.08) if agree else 0.5 * sure
    if inquiry.question.yes_no and not inquiry.question.choices:
        return Finding(
            "yes_no", word == inquiry.question.word, confidence=sure, evidence=tuple(evidence)
        )
    return Finding("word", word, confidence=sure, evidence=tuple(evidence))


def _turn_angle(inquiry: Inquiry, seen: Seen) -> Investigation:
    text = str(inquiry.question.extra.get("normal", ""))
    yaw, pitch, roll = (seen.number(k) or 0.0 for k in ("yaw", "pitch", "roll"))
    if any(word in text for word in (" yaw", "horizontally", "to the left", "to the right", "pan")):
        value, what = abs(yaw), "yaw"
    elif any(word in text for word in ("pitch", "tilt", "upward", "downward")):
        value, what = abs(pitch), "pitch"
    elif "roll" in text:
        value, what = abs(roll), "roll"
    else:
        value, what = float(seen.number("angle") or 0.0), "whole angle of the rotation"
    other = yield from _second(inquiry, seen)
    exact = seen.get("method") == "poses"
    known = exact or inquiry.facts.has("intrinsics")
    sigma = 0.3 if exact else max(1.0, (0.05 if known else 0.15) * value)
    evidence = [
        f"{what}; yaw {yaw:+.1f} (right +), pitch {pitch:+.1f} (up +), roll {roll:+.1f}; "
        f"{seen.get('method')}"
    ]
    back = other.number("back_yaw") if other.ok else None
    if back is not None:
        evidence.append(f"the second way gives a yaw of {back:+.1f}")
        sigma = max(sigma, abs(back - yaw) / 2) if not exact else sigma
    sure = 0.9 if exact else min(0.8 if known else 0.55, float(seen.number("sure") or 0.5))
    if not known:
        evidence.append("the focal length is not known: angles may be off by a tenth or two")
    return Finding("number", value, "deg", sigma, sure, tuple(evidence))


def _describe(inquiry: Inquiry, seen: Seen) -> Investigation:
    dx, dy, dz = (seen.number(k) or 0.0 for k in ("dx", "dy", "dz"))
    yaw, pitch = seen.number("yaw") or 0.0, seen.number("pitch") or 0.0
    if inquiry.question.choices:
        return (yield from _move(inquiry, seen))
    length = (dx * dx + dy * dy + dz * dz) ** 0.5
    parts = []
    for amount, plus, minus in (
        (dx, "right", "left"),
        (dz, "forward", "backward"),
        (dy, "down", "up"),
    ):
        if abs(amount) > 0.25 * length:
            far = f" {abs(amount):.2f} m" if seen.get("scaled") else ""
            parts.append((abs(amount), f"{plus if amount > 0 else minus}{far}"))
    said = [text for _, text in sorted(parts, reverse=True)]
    text = f"it moved {' and '.join(said)}" if said and seen.get("moved") else "it did not move"
    turns = []
    if abs(yaw) > 1:
        turns.append(f"{'right' if yaw > 0 else 'left'} by {abs(yaw):.0f} degrees")
    if abs(pitch) > 1:
        turns.append(f"{'up' if pitch > 0 else 'down'} by {abs(pitch):.0f} degrees")
    text += f" and turned {' and '.join(turns)}" if turns else " and did not turn"
    other = yield from _second(inquiry, seen)
    evidence = [f"by {seen.get('method')}"]
    if other.ok and other.number("back_yaw") is not None:
        evidence.append(f"the second way gives a yaw of {other.number('back_yaw'):+.1f} degrees")
    sure = float(seen.number("sure") or 0.5)
    return Finding("text", text, confidence=sure, evidence=tuple(evidence))
