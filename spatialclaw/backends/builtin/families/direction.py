"""Directions for a viewer who stands at one thing and faces another."""

from __future__ import annotations

import re

from spatialclaw.backends.builtin.inquiry import Handle, Inquiry
from spatialclaw.backends.builtin.language import Thing
from spatialclaw.backends.builtin.language.words import directions_in
from spatialclaw.backends.builtin.steps import Cell, Finding, Investigation, NotGrounded

__all__ = ["investigate"]

_SPOKEN = {"back": "behind", "back-left": "behind-left", "back-right": "behind-right"}

ASK = """\
stand, face, target = {stand}, {face}, {target}
d = geometry.direction(target, viewer=stand, facing=face)
print(d)
angle = round(float(d.angle_deg), 2)
word, margin = d.among({words!r})
print(f"angle = {{angle}}")
print(f"sigma = {{None if d.sigma_deg is None else round(float(d.sigma_deg), 2)}}")
print(f"word = {{word!r}}")
print(f"margin = {{round(float(margin), 2)}}")
"""

CHECK = """\
flat = lambda p: np.asarray(p, dtype=float)[:2]
s, f, t = (flat(middle(c)) for c in ({stand}, {face}, {target}))
ahead, towards = f - s, t - s
turn = float(np.degrees(np.arctan2(ahead[1], ahead[0]) - np.arctan2(towards[1], towards[0])))
turn = (turn + 180) % 360 - 180
print(f"again = {{round(turn, 2)}}")
"""


def _words(inquiry: Inquiry) -> list[str]:
    """The words to choose among: of the options, of the question, or the eight."""
    texts = list((inquiry.question.choices or {}).values())
    said: list[str] = []
    for text in texts:
        found = directions_in(text)
        if found:
            said.append(found[0])
    if not said:
        text = str(inquiry.question.extra.get("normal", ""))
        after = re.split(r"\b(?:facing|looking|face|faces|look)\b", text)[-1]
        before = re.split(r"\b(?:for|if) (?:someone|somebody|a person|one|i|you)\b", text)[0]
        said = directions_in(after) or directions_in(before)
        said = [word for word in said if word not in ("up", "down", "above", "below", "forward")]
    said = list(dict.fromkeys(said))
    words = [word for word in said if word in (
        "left", "right", "front", "back", "front-left", "front-right", "back-left", "back-right",
        "forward", "backward")]  # fmt: skip
    if len(words) >= 2:
        return words
    return [
        "front",
        "front-right",
        "right",
        "back-right",
        "back",
        "back-left",
        "left",
        "front-left",
    ]


def investigate(inquiry: Inquiry) -> Investigation:
    """Positions from above, the angle, and the word."""
    question = inquiry.question
    if question.ask == "what":
        return (yield from _what(inquiry))
    if len(question.things) < 3:
        raise NotGrounded("where one stands, what one faces and what is asked for")
    stand, face, target = question.things[:3]
    if face.text in ("north", "south", "east", "west"):
        raise NotGrounded(
            "the compass directions of the scene", ["the media do not say where north is"]
        )
    handles = yield from inquiry.find([stand, face, target])
    words = _words(inquiry)
    spoken = [_SPOKEN.get(word, word) for word in words]
    shape = "(box_of({0}[0]) if {0}[0].ndim > 1 and len({0}[0]) >= 50 else {0}[0])"
    places = {
        key: shape.format(handle.name)
        for key, handle in zip(("stand", "face", "target"), handles, strict=True)
    }
    seen = yield Cell(
        f"From above: standing at {stand}, facing {face}, where is {target}?",
        inquiry.helpers("middle") + ASK.format(words=spoken, **places),
    )
    angle = seen.number("angle")
    if angle is None:
        raise NotGrounded("the direction", [seen.message])
    word = words[spoken.index(str(seen.get("word")))]
    margin, sigma = seen.number("margin") or 0.0, seen.number("sigma") or 5.0
    evidence = [
        f"{abs(angle):.1f} degrees to the {'right' if angle >= 0 else 'left'} of straight ahead"
    ]
    sure = 0.5 + 0.45 * min(1.0, margin / max(3 * sigma, 15.0))
    if inquiry.facts.has("pose"):
        names = {
            k: f"{h.name}[0]" for k, h in zip(("stand", "face", "target"), handles, strict=True)
        }
        check = yield Cell(
            "Cross-check with plain trigonometry in the plan.", CHECK.format(**names)
        )
        again = check.number("again")
        if again is not None:
            agree = abs((again - angle + 180) % 360 - 180) < 8
            evidence.append(f"check: {again:+.1f} degrees (right +)")
            sure = min(0.95, sure + 0.03) if agree else 0.6 * sure
    if handles and any(handle.count > 1 for handle in handles):
        sure *= 0.7
        evidence.append("several things have that name; the first was taken")
    if question.ask == "angle":
        return Finding("number", abs(angle), "deg", sigma, 0.85, tuple(evidence))
    if question.yes_no and not question.choices:
        asked = directions_in(
            str(question.extra.get("dirs", ""))
            or str(question.extra.get("normal", "")).split(",")[-1]
        )
        side = [w for w in asked if w in ("left", "right", "front", "back")]
        if side:
            held = _holds(angle, side[0])
            return Finding("yes_no", held, confidence=sure, evidence=tuple(evidence))
    return Finding("word", word, confidence=sure, evidence=tuple(evidence))


def _holds(angle: float, word: str) -> bool:
    if word == "left":
        return angle < 0
    if word == "right":
        return angle > 0
    return abs(angle) < 90 if word == "front" else abs(angle) > 90


def _what(inquiry: Inquiry) -> Investigation:
    """Which of the options (or of all objects) lies in a direction."""
    question = inquiry.question
    stand, face = question.things[0], question.things[1]
    texts = list((question.choices or {}).values())
    taken = {i for thing in (stand, face) for i in inquiry.ids_of(thing)}
    if not texts:
        texts = list(dict.fromkeys(name for i, name in inquiry.facts.objects if i not in taken))
    items = [Thing(t.lower(), t.lower().split()[-1], tuple(t.lower().split())) for t in texts]
    first = yield from inquiry.find([stand, face])
    found: list[Handle | None] = []
    for item in items:
        try:
            (handle,) = yield from inquiry.find([item])
            found.append(handle)
        except NotGrounded:
            found.append(None)
    centre = {"left": -90.0, "right": 90.0, "back": 180.0, "front": 0.0}.get(question.word, 0.0)
    rows = ",\n    ".join(
        "None" if h is None else
        f"float(geometry.direction(shape({h.name}[0]), viewer=shape({first[0].name}[0]), facing=shape({first[1].name}[0])).angle_deg)"
        for h in found
    )  # fmt: skip
    code = inquiry.helpers("middle") + (
        "shape = lambda c: box_of(c) if c.ndim > 1 and len(c) >= 50 else c\n"
        f"angles = [\n    {rows},\n]\n"
        "angles = [None if a is None else round(a, 1) for a in angles]\n"
        "print(f'angles = {angles}')"
    )
    seen = yield Cell("The angle of each of them.", code)
    angles = seen.get("angles")
    if not isinstance(angles, list) or all(a is None for a in angles):
        raise NotGrounded("the things around", [seen.message])
    off = [360.0 if a is None else abs((a - centre + 180) % 360 - 180) for a in angles]
    best = min(range(len(off)), key=lambda i: off[i])
    if off[best] > 60:
        raise NotGrounded(f"something {question.word} of the viewer", [f"angles {angles}"])
    rest = sorted(off)
    sure = 0.5 + 0.4 * min(1.0, ((rest[1] if len(rest) > 1 else 90) - rest[0]) / 40)
    return Finding("item", best, confidence=sure, evidence=(f"angles (right +): {angles}",),
                   names=tuple(str(item) for item in items))  # fmt: skip
