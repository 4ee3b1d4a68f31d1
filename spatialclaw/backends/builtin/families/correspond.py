"""Which pixel of one picture shows a point of another."""

from __future__ import annotations

import re

from spatialclaw.backends.builtin.inquiry import Inquiry
from spatialclaw.backends.builtin.steps import Cell, Finding, Investigation, NotGrounded

__all__ = ["investigate"]

TRANSFER = """\
from spatialclaw.primitives.match import transfer
a, b = frames[{a}], frames[{b}]
start = (np.array({pixel}) + 0.5) * a.source_scale - 0.5
there = transfer(start, a, b)
print(there)
x, y = (float(v) for v in (there.pixel + 0.5) / b.source_scale - 0.5)
print(f"x = {{round(x, 2)}}")
print(f"y = {{round(y, 2)}}")
print(f"sigma = {{round(float(there.sigma_px) / b.source_scale, 2)}}")
print(f"sure = {{round(float(there.confidence), 3)}}")
show(draw.points(a, [start]), draw.points(b, [there.pixel]), title="the point and where it is found again")
"""

BACK = """\
back = transfer(there.pixel, b, a)
off = float(np.linalg.norm(back.pixel - start))
print(back)
print(f"off = {{round(off, 2)}}")
"""


def investigate(inquiry: Inquiry) -> Investigation:
    """Transfers the pixel and transfers it back."""
    source, target, pixel = _roles(inquiry)
    code = TRANSFER.format(a=source, b=target, pixel=pixel)
    seen = yield Cell("Transfer the pixel from the one picture to the other.", code)
    if not seen.ok and "show(" in code and seen.number("x") is None:
        seen = yield Cell("The same without a drawing.", code.rsplit("show(", 1)[0])
    x, y = seen.number("x"), seen.number("y")
    if x is None or y is None:
        raise NotGrounded(f"the pixel {pixel} in the other picture", [seen.message])
    sure, sigma = seen.number("sure") or 0.5, seen.number("sigma") or 2.0
    back = yield Cell("Cross-check: transfer it back.", BACK.format())
    off = back.number("off")
    evidence = [f"({x:.1f}, {y:.1f}) +- {sigma:.1f} px"]
    if off is not None:
        evidence.append(f"transferred back it is {off:.1f} px off")
        sure = min(0.95, sure + 0.05) if off < 4 * sigma + 2 else 0.5 * sure
    else:
        sure *= 0.7
    return Finding("point", (round(x, 1), round(y, 1)), "px", sigma, sure, tuple(evidence))


def _roles(inquiry: Inquiry) -> tuple[int, int, tuple[float, float]]:
    """The frame the pixel is in, the frame it is wanted in, and the pixel."""
    text = str(inquiry.question.extra.get("normal", ""))
    pixels = inquiry.question.extra.get("pixels") or []
    if not pixels:
        raise NotGrounded("the pixel in the question")
    places = inquiry.facts.views(inquiry.question, inquiry.media)
    marks = [int(n) for n in re.findall(r"@v(\d+)", text)]
    beside = re.search(r"@p\d+[^@]{0,40}?\b(?:of|in|on|from)\b[^@]{0,12}@v(\d+)", text)
    before = re.search(r"@v(\d+)[^@]{0,30}@p\d+", text)
    source_mark = int(beside[1]) if beside else int(before[1]) if before else None
    if source_mark is None:
        source_mark = marks[-1] if marks else 0
    resolved = [inquiry.facts.position(v, inquiry.media) for v in inquiry.question.views]
    source = resolved[source_mark] if source_mark < len(resolved) else 0
    if source is None:
        source = 0
    others = [place for place in places if place != source]
    if not others:
        others = [i for i in range(inquiry.facts.count) if i != source][:1]
    if not others:
        raise NotGrounded("a second picture")
    return source, others[0], pixels[0]
