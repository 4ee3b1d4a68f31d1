"""How one thing lies to another as the camera sees it; where a thing is in the picture."""

from __future__ import annotations

from dataclasses import replace

from spatialclaw.backends.builtin.families.count import filtered
from spatialclaw.backends.builtin.inquiry import Inquiry
from spatialclaw.backends.builtin.language import Thing
from spatialclaw.backends.builtin.language.words import directions_in
from spatialclaw.backends.builtin.steps import Cell, Finding, Investigation, NotGrounded

__all__ = ["investigate"]

_AS_SPOKEN = {
    "front": "in front",
    "back": "behind",
    "up": "above",
    "down": "below",
    "forward": "in front",
    "backward": "behind",
}

RELATION = """\
f = frames[{frame}]
one, two = {a}, {b}
r = geometry.relation(one, two, frame=f)
print(one, two, r, sep="\\n")
methods = [getattr(thing, "method", "pixel") for thing in (one, two)]
print(f"methods = {{methods!r}}")
parts = {{}}
for part in r.parts:
    parts[part.word] = (round(float(part.margin), 4), part.unit, None if part.sigmas is None else round(float(part.sigmas), 2))
print(f"parts = {{parts!r}}")
print(f"main = {{r.main!r}}")
"""

PICTURE = """\
f = frames[{frame}]
thing = max(segment(f, {what!r}), key=lambda m: m.score)
print(thing)
x, y = (float(v) for v in thing.center)
methods = [thing.method]
print(f"methods = {{methods!r}}")
print(f"x = {{round(x / f.width, 4)}}")
print(f"y = {{round(y / f.height, 4)}}")
show(draw.masks(f, [thing]), title={what!r})
"""


def investigate(inquiry: Inquiry) -> Investigation:
    """The whole family."""
    question = inquiry.question
    things = [thing for thing in question.things if thing.kind != "picture"]
    if question.ask == "on":
        ids = inquiry.ids_of(things[0])
        if not ids:
            raise NotGrounded(repr(things[0].text), ["the capture does not name it"])
        finding = yield from filtered(inquiry, things[0], ids)
        return replace(finding, kind="yes_no", value=bool(finding.value), unit=None)
    if question.ask == "what":
        return (yield from _what(inquiry, things[0]))
    camera = any(thing.kind == "camera" for thing in things)
    rest = [thing for thing in things if thing.kind != "camera"]
    if not rest:
        raise NotGrounded("what is to be placed")
    if question.ask in ("picture", "camera") or camera or len(rest) == 1:
        return (yield from _picture(inquiry, rest[0]))
    return (yield from _relation(inquiry, rest[0], rest[1]))


def _frame_with_both(inquiry: Inquiry, a: Thing, b: Thing) -> str:
    """The code that finds the frame that shows both named objects best."""
    ids_a, ids_b = list(inquiry.ids_of(a)), list(inquiry.ids_of(b))
    return (
        f"shown = [(min(int(np.isin(f.instances, {ids_a}).sum()), int(np.isin(f.instances, {ids_b}).sum())), f.position)\n"
        "         for f in frames if f.instances is not None]\n"
        "best = max(shown, key=lambda s: s[0])\n"
        "print(f'frame = {best[1]}')\nprint(f'pixels = {best[0]}')"
    )


def _relation(inquiry: Inquiry, a: Thing, b: Thing) -> Investigation:
    question = inquiry.question
    frame = inquiry.frame_for(a)
    note = ""
    if not question.views and inquiry.facts.count > 1 and inquiry.ids_of(a) and inquiry.ids_of(b):
        seen = yield Cell("The frame that shows both.", _frame_with_both(inquiry, a, b))
        if seen.number("pixels"):
            frame = int(seen.number("frame") or 0)
            note = f"as frame {frame} sees it, which shows both"
    codes, sources = [], []
    for thing in (a, b):
        if thing.pixel is not None:
            codes.append(f"to_frame({thing.pixel}, frames[{frame}])")
            sources.append("pixel")
            continue
        ids = inquiry.ids_of(thing)
        if ids:
            codes.append(
                f"next(m for m in segment(frames[{frame}], {_name(inquiry, ids)!r}) if m.id in {list(ids)})"
            )
            sources.append("capture")
        else:
            phrase = " ".join(thing.words) or thing.text
            codes.append(f"max(segment(frames[{frame}], {phrase!r}), key=lambda m: m.score)")
            sources.append("segment")
    prefix = inquiry.helpers("spot") if "pixel" in sources else ""
    seen = yield Cell(
        f"How {a} lies to {b}, as the camera sees them.",
        prefix + RELATION.format(frame=frame, a=codes[0], b=codes[1]),
    )
    parts = seen.get("parts")
    if not isinstance(parts, dict) or not parts:
        raise NotGrounded(f"{a} and {b} in one picture", [seen.message])
    evidence = [", ".join(f"{word} by {m[0]:g} {m[1]}" for word, m in parts.items()), note]
    found = _choose(inquiry, parts, evidence)
    return _doubt(found, [str(method) for method in seen.get("methods") or []])


def _doubt(found: Finding, methods: list[str]) -> Finding:
    """Less sure where a thing was found by its colour or a weak detector, which no model saw."""
    factor = 1.0
    for method in methods:
        factor *= 0.7 if "colour" in method else 1.0 if method in ("capture", "pixel") else 0.85
    if factor == 1.0:
        return found
    note = f"found by {' and '.join(methods)}; no model looked at it"
    return replace(found, confidence=factor * found.confidence, evidence=(*found.evidence, note))


def _name(inquiry: Inquiry, ids: tuple[int, ...]) -> str:
    return next(name for i, name in inquiry.facts.objects if i == ids[0])


def _choose(
    inquiry: Inquiry, parts: dict[str, tuple[float, str, float | None]], evidence: list[str]
) -> Finding:
    question = inquiry.question
    found = {_canonical(word): margin for word, margin in parts.items()}
    words = [str(word) for word in question.extra.get("words", [])]
    if question.choices:
        words = [
            directions_in(text)[0] for text in question.choices.values() if directions_in(text)
        ]
    words = [_canonical(word) for word in words]
    if question.yes_no and not question.choices and words:
        held = words[0] in found
        return Finding(
            "yes_no",
            held,
            confidence=_sure(found.get(words[0]) or _opposed(found, words[0])),
            evidence=tuple(evidence),
        )
    offered = [word for word in dict.fromkeys(words) if word in found]
    joined = [word for word in words if "-" in word or " " in word]
    for word in joined:
        pieces = [_canonical(p) for p in word.replace("-", " ").split()]
        if all(piece in found for piece in pieces):
            return Finding("word", word, confidence=0.75, evidence=tuple(evidence))
    if not offered and len(words) == 1:
        offered = [word for word in [_OTHER.get(words[0], "")] if word in found]
    if not offered:
        if words and question.choices:
            raise NotGrounded("an option that holds", evidence)
        offered = list(found)
    best = max(
        offered,
        key=lambda word: found[word][0],
    )
    return Finding("word", best, confidence=_sure(found[best]), evidence=tuple(evidence))


_OTHER = {
    "left": "right",
    "right": "left",
    "above": "below",
    "below": "above",
    "front": "back",
    "back": "front",
}


def _canonical(word: str) -> str:
    return {
        "in front": "front",
        "behind": "back",
        "up": "above",
        "down": "below",
        "forward": "front",
        "backward": "back",
    }.get(word, word)


def _opposed(
    found: dict[str, tuple[float, str, float | None]], word: str
) -> tuple[float, str, float | None]:
    other = _OTHER.get(word, "")
    return found.get(other, (0.0, "", None))


def _sure(part: tuple[float, str, float | None]) -> float:
    margin, unit, sigmas = part
    if sigmas is not None:
        return min(0.93, 0.5 + 0.2 * sigmas)
    return 0.85 if (unit == "px" and margin > 20) or (unit == "m" and margin > 0.15) else 0.65


def _picture(inquiry: Inquiry, thing: Thing) -> Investigation:
    question = inquiry.question
    frame = inquiry.frame_for(thing)
    ids = inquiry.ids_of(thing)
    if ids and not question.views and inquiry.facts.count > 1:
        seen = yield Cell("The frame that shows it most.", _frame_with_both(inquiry, thing, thing))
        frame = int(seen.number("frame") or 0)
    if thing.pixel is not None:
        code = (
            f"f = frames[{frame}]\nx, y = (np.array({thing.pixel}) + 0.5) * f.source_scale - 0.5\n"
            "print(f'x = {round(float(x) / f.width, 4)}')\nprint(f'y = {round(float(y) / f.height, 4)}')"
        )
    else:
        what = _name(inquiry, ids) if ids else (" ".join(thing.words) or thing.text)
        code = PICTURE.format(frame=frame, what=what)
    seen = yield Cell(f"Where {thing} is in the picture.", code)
    x, y = seen.number("x"), seen.number("y")
    if x is None or y is None:
        raise NotGrounded(repr(thing.text), [seen.message])
    methods = [str(method) for method in seen.get("methods") or []]
    evidence = (f"its centre is at {x:.0%} of the width and {y:.0%} of the height",)
    words = [str(word) for word in question.extra.get("words", [])]
    if question.choices:
        words = [
            directions_in(text)[0] for text in question.choices.values() if directions_in(text)
        ]
    amounts = {"left": 0.5 - x, "right": x - 0.5, "up": 0.5 - y, "down": y - 0.5, "above": 0.5 - y, "below": y - 0.5,
               "top left": min(0.5 - x, 0.5 - y), "top right": min(x - 0.5, 0.5 - y),
               "bottom left": min(0.5 - x, y - 0.5), "bottom right": min(x - 0.5, y - 0.5)}  # fmt: skip
    if question.yes_no and not question.choices and words:
        held = amounts.get(words[0], -1.0) > 0
        return _doubt(Finding("yes_no", held, confidence=0.8, evidence=evidence), methods)
    offered = [word for word in words if word in amounts]
    if len(offered) < 2:
        offered = ["left", "right"] if question.word in ("", "left", "right") else ["up", "down"]
    best = max(offered, key=lambda word: amounts[word])
    sure = 0.6 + 0.35 * min(1.0, abs(amounts[best]) / 0.15)
    return _doubt(Finding("word", best, confidence=sure, evidence=evidence), methods)


def _what(inquiry: Inquiry, reference: Thing) -> Investigation:
    """Which of the named things or options lies on a side of another."""
    question = inquiry.question
    texts = list((question.choices or {}).values())
    taken = set(inquiry.ids_of(reference))
    if not texts:
        texts = list(dict.fromkeys(name for i, name in inquiry.facts.objects if i not in taken))
    if not texts:
        raise NotGrounded("the things around", ["the capture names none"])
    frame = inquiry.frame_for(reference)
    word = _AS_SPOKEN.get(question.word, question.word)
    code = (
        f"f = frames[{frame}]\nhere = max(segment(f, {reference.text!r}), key=lambda m: m.score)\nmargins = []\n"
        f"for name in {[t.lower() for t in texts]!r}:\n"
        "    try:\n"
        "        there = max(segment(f, name), key=lambda m: m.score)\n"
        f"        margins.append(round(float(geometry.relation(there, here, frame=f).among([{word!r}])[1]), 4))\n"
        "    except Exception as error:\n        print(name, error)\n        margins.append(None)\n"
        "print(f'margins = {margins}')"
    )
    seen = yield Cell(f"What lies {word} of {reference}.", code)
    margins = seen.get("margins")
    if not isinstance(margins, list) or all(m is None or m <= 0 for m in margins):
        raise NotGrounded(f"something {word} of {reference}", [seen.message])
    order = [(m if m is not None and m > 0 else 1e9) for m in margins]
    best = min(range(len(order)), key=lambda i: order[i])
    return Finding(
        "item", best, confidence=0.6, evidence=(f"margins {margins}",), names=tuple(texts)
    )
