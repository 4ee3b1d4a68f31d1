"""Counting: named objects, people, and those of them that fulfil a condition."""

from __future__ import annotations

from spatialclaw.agent.units import convert
from spatialclaw.backends.builtin.families.size import SIDES, expression
from spatialclaw.backends.builtin.inquiry import Inquiry
from spatialclaw.backends.builtin.language import Thing
from spatialclaw.backends.builtin.language.normal import COLORS
from spatialclaw.backends.builtin.steps import Cell, Finding, Investigation, NotGrounded

__all__ = ["filtered", "investigate"]

_ANY = ("object", "thing", "item")


def investigate(inquiry: Inquiry) -> Investigation:
    """How many."""
    question = inquiry.question
    if not question.things:
        raise NotGrounded("what is to be counted")
    thing = question.things[0]
    ids = inquiry.ids_of(thing)
    everything = thing.head in _ANY and not ids
    if everything and inquiry.facts.objects:
        ids = tuple(
            i for i, name in inquiry.facts.objects if name not in ("floor", "wall", "ceiling")
        )
    if question.ask in ("relation", "on", "within", "beyond", "larger", "compare") and ids:
        return (yield from filtered(inquiry, thing, ids))
    if ids:
        return (yield from _named(inquiry, thing, ids))
    return (yield from _detected(inquiry, thing))


def _named(inquiry: Inquiry, thing: Thing, ids: tuple[int, ...]) -> Investigation:
    views = inquiry.facts.views(inquiry.question, inquiry.media)
    single = f"frames[{views[0]}]" if len(views) == 1 else ""
    over = f"[{single}]" if single else "frames"
    color = next((word for word in thing.words[:-1] if word in COLORS), "")
    code = inquiry.helpers("colour_of") if color else ""
    code += (
        f"ids = {list(ids)}\n"
        f"seen_in = {{i: [f.position for f in {over} if f.instances is not None and int((f.instances == i).sum()) >= 40] for i in ids}}\n"
        "print(seen_in)\n"
        "count = sum(bool(where) for where in seen_in.values())\n"
    )
    if color:
        named = {i: name for i, name in inquiry.facts.objects}
        if not any(color in named[i].replace("grey", "gray") for i in ids):
            code += "colours = {i: colour_of(i) for i in ids}\nprint(colours)\n"
            code += f"count = sum(colours[i] in ({color!r}, {color.replace('gray', 'grey')!r}) for i in ids)\n"
    code += "print(f'count = {count}')\nprint(f'most = {max(sum(f.position in w for w in seen_in.values()) for f in frames)}')"
    seen = yield Cell(f"The instances of {thing.text!r} that the capture names.", code)
    count = seen.number("count")
    if count is None:
        raise NotGrounded(repr(thing.text), [seen.message])
    evidence = (
        f"{int(count)} instances named by the capture; at most {seen.get('most')} of them in one frame",
    )
    return Finding("number", int(count), "count", 0.3, 0.9, evidence)


DETECT = """\
picked = {frames}
found = []
for f in picked:
    try:
        masks = segment(f, {what!r})
    except Exception as error:
        print(f"frame {{f.position}}: {{type(error).__name__}}: {{error}}")
        found.append(None if type(error).__name__ != "NothingFound" else 0)
        continue
    print(masks)
    show(draw.masks(f, masks), title={what!r})
    found.append(len(masks))
    method = masks.method
    scores = [round(float(m.score), 2) for m in masks]
    print(f"method = {{method!r}}")
    print(f"scores = {{scores}}")
print(f"found = {{found}}")
"""


def _detected(inquiry: Inquiry, thing: Thing) -> Investigation:
    views = inquiry.facts.views(inquiry.question, inquiry.media)
    if len(views) == 1:
        over = f"[frames[{views[0]}]]"
    elif inquiry.facts.count == 1:
        over = "[frames[0]]"
    else:
        over = "list(frames.sample(12))"
    phrase = " ".join(thing.words) or thing.text
    seen = yield Cell(f"Detect {phrase!r} in the picture.", DETECT.format(frames=over, what=phrase))
    found = seen.get("found")
    known = [int(n) for n in found if n is not None] if isinstance(found, list) else []
    if not known:
        raise NotGrounded(
            repr(thing.text),
            [seen.stdout.strip().splitlines()[0][:300] if seen.stdout else seen.message],
        )
    if all(n == 0 for n in known) and thing.head != "person":
        raise NotGrounded(repr(thing.text), ["nothing of that name is found"])
    most = max(known)
    often = (
        max(n for n in set(known) if sum(k >= n for k in known) >= max(1, len(known) // 6))
        if known
        else 0
    )
    value = most if len(known) == 1 else often
    scores = [float(s) for s in seen.get("scores", []) or []]
    sure = 0.45 + 0.15 * (min(scores) if scores else 0.0)
    evidence = [
        f"{seen.get('method') or 'nothing found'}: {known} in the frames looked at",
        f"scores {scores}",
    ]
    if value == 0:
        sure = 0.3
        evidence.append("the detectors without weights miss what is small, sits or is cut off")
    condition = inquiry.question.ask
    if condition in ("relation", "on", "within"):
        sure *= 0.6
        evidence.append("the condition on where they are was not checked")
    if len(known) == 1:
        again = yield Cell(
            "Cross-check: the same on the mirror image.",
            f"mirror = np.ascontiguousarray({over}[0].image[:, ::-1])\n"
            "try:\n"
            f"    again = len(segment(mirror, {phrase!r}))\n"
            "except Exception as error:\n    print(error)\n    again = 0\n"
            "print(f'again = {again}')",
        )
        second = again.number("again")
        if second is not None:
            evidence.append(f"mirrored: {int(second)}")
            sure = min(0.85, sure + 0.1) if int(second) == value else 0.8 * sure
    if "hog" in str(seen.get("method")):
        # The mirror image agrees with what was found, not with what both miss.
        sure = min(sure, 0.4)
        evidence.append("HOG misses people who sit, are cut off or are seen from above")
    return Finding("number", value, "count", 0.7, sure, tuple(evidence))


def filtered(inquiry: Inquiry, thing: Thing, ids: tuple[int, ...]) -> Investigation:
    """Those of the named objects that fulfil the condition of the question."""
    question = inquiry.question
    others = list(question.things[1:])
    items = "{" + ", ".join(f"{i}: named({i})" for i in ids) + "}"
    code = inquiry.helpers("named", "near", "gap") + SIDES
    code += f"them = {{i: c for i, c in {items}.items() if c is not None}}\n"
    reference = others[0] if others else None
    handle = None
    if reference is not None and reference.kind != "camera":
        (handle,) = yield from inquiry.find([reference])
        code += f"them = {{i: c for i, c in them.items() if i not in {list(handle.ids)}}}\n"
    frame = inquiry.frame_for(reference)
    if question.ask in ("within", "beyond"):
        assert question.limit is not None
        _, amount, unit = question.limit
        metres = convert(amount, unit, "m") if unit != "m" else amount
        sign = "<=" if question.ask == "within" else ">"
        away = (
            f"min(near(c, o) for o in {handle.name})" if handle
            else f"float(measure.distance(box_of(c), frames[{frame}]).value)"
        )  # fmt: skip
        code += f"away = {{i: round({away}, 3) for i, c in them.items()}}\nprint(away)\nkeep = [i for i, d in away.items() if d {sign} {metres}]\n"
    elif question.ask == "larger":
        assert question.limit is not None
        _, amount, unit = question.limit
        metres = convert(amount, unit, "m") if unit != "m" else amount
        what = str(question.extra.get("quantity", "size"))
        sign = ">" if question.extra.get("end") == "max" else "<"
        code += f"sized = {{}}\nfor i, c in them.items():\n    s = sides(c)\n    sized[i] = round({expression(what, thing)}, 3)\nprint(sized)\nkeep = [i for i, v in sized.items() if v {sign} {metres}]\n"
    elif question.ask == "on" and handle:
        code += (
            f"base = max({handle.name}, key=len)\nlow, high = np.percentile(base.plain, [1, 99], axis=0)\n"
            "keep = []\nfor i, c in them.items():\n    m, foot = middle(c), float(np.percentile(c.plain[:, 2], 1))\n"
            "    inside = bool((m[:2] > low[:2] - 0.03).all() and (m[:2] < high[:2] + 0.03).all())\n"
            "    print(i, 'inside' if inside else 'beside', round(foot - float(high[2]), 3), 'm above')\n"
            "    if inside and -0.08 < foot - high[2] < 0.12:\n        keep.append(i)\n"
        )
    elif question.ask == "compare":
        quantity, end = str(question.extra["quantity"]), str(question.extra["end"])
        bound = yield from inquiry.find([others[-1]])
        formula = {
            "distance": f"float(measure.distance(box_of(c), frames[{frame}]).value)",
            "elevation": "float(middle(c) @ up_of(c))",
        }.get(quantity)
        if formula is None:
            formula = f"(lambda s: {expression('volume' if quantity == 'size' else quantity, thing)})(sides(c))"
        sign = ">" if end == "max" else "<"
        code += f"value_of = lambda c: {formula}\nlimit = value_of({bound[0].name}[0])\n"
        code += f"them = {{i: c for i, c in them.items() if i not in {list(bound[0].ids)}}}\n"
        code += f"scored = {{i: round(value_of(c), 3) for i, c in them.items()}}\nprint(scored, limit)\nkeep = [i for i, v in scored.items() if v {sign} limit]\n"
    elif handle:
        word = {"front": "in front", "back": "behind"}.get(question.word, question.word)
        code += (
            f"keep = []\nfor i, c in them.items():\n    r = geometry.relation(c, {handle.name}[0], frame=frames[{frame}])\n"
            f"    print(i, r)\n    if r.among([{word!r}])[1] > 0:\n        keep.append(i)\n"
        )
    else:
        raise NotGrounded("the condition of the count")
    code += "print(f'count = {len(keep)}')"
    seen = yield Cell("Each of them against the condition.", code)
    count = seen.number("count")
    if count is None:
        raise NotGrounded(f"{thing.text!r} with that condition", [seen.message])
    return Finding(
        "number",
        int(count),
        "count",
        0.4,
        0.75,
        (f"{int(count)} of {len(ids)} fulfil the condition",),
    )
