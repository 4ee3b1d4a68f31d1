"""When things come into view, and in which order."""

from __future__ import annotations

from collections.abc import Generator

from spatialclaw.backends.builtin.families.follow import follow
from spatialclaw.backends.builtin.families.moving import main
from spatialclaw.backends.builtin.inquiry import Inquiry
from spatialclaw.backends.builtin.language import Thing
from spatialclaw.backends.builtin.steps import Cell, Finding, Investigation, NotGrounded, Seen

__all__ = ["investigate"]

NAMED = """\
wanted = {wanted!r}
visible = {{}}
for name, ids in wanted.items():
    counts = [0 if f.instances is None else int(np.isin(f.instances, ids).sum()) for f in frames]
    least = max(60, 0.0004 * frames[0].width * frames[0].height)
    visible[name] = [i for i, n in enumerate(counts) if n >= least]
    print(name, [f"{{i}}: {{n}} px" for i, n in enumerate(counts) if n][:6])
first = [visible[name][0] if visible[name] else None for name in wanted]
last = [visible[name][-1] if visible[name] else None for name in wanted]
print(f"first = {{first}}")
print(f"last = {{last}}")
"""

LOOKED = """\
wanted = {wanted!r}
first, last = [], []
for name in wanted:
    where = []
    for f in frames:
        try:
            masks = segment(f, name)
        except Exception as error:
            if type(error).__name__ == "Unavailable":
                print(name, error)
                break
            continue
        if max(m.score for m in masks) > 0.3:
            where.append(f.position)
    print(name, where)
    first.append(where[0] if where else None)
    last.append(where[-1] if where else None)
print(f"first = {{first}}")
print(f"last = {{last}}")
"""


def _followed(inquiry: Inquiry, things: list[Thing]) -> Generator[Cell, Seen, Seen]:
    """First and last second of each, by following it."""
    first: list[float | None] = []
    last: list[float | None] = []
    for thing in things:
        followed = yield from follow(inquiry, thing)
        if not followed.named:
            raise NotGrounded(
                repr(thing.text), ["something moves, but what it is cannot be told without a model"]
            )
        row = main(followed, thing)
        alike = [
            r for r in followed.rows
            if r["path"] >= 0.4 * row["path"] and r["enters"] != "already there"
        ] or [row]  # fmt: skip
        first.append(min(r["start"] for r in alike))
        last.append(max(r["end"] for r in alike))
    return Seen(True, {"first": first, "last": last, "seconds": True})


def investigate(inquiry: Inquiry) -> Investigation:
    """Order, first, before and when."""
    question = inquiry.question
    things = [thing for thing in question.things if thing.kind == "object"]
    if not things and question.choices:
        things = [
            Thing(t.lower(), t.lower().split()[-1], tuple(t.lower().split()))
            for t in question.choices.values()
        ]
    if not things:
        raise NotGrounded("the things that appear")
    ids = [inquiry.ids_of(thing) for thing in things]
    if all(ids):
        wanted = {str(thing): list(i) for thing, i in zip(things, ids, strict=True)}
        seen = yield Cell("In which frames each is seen.", NAMED.format(wanted=wanted))
        sure = 0.9
    elif inquiry.facts.is_video and not any(ids):
        seen = yield from _followed(inquiry, things)
        sure = 0.75
    else:
        seen = yield Cell(
            "In which frames each is found.",
            LOOKED.format(wanted=[" ".join(thing.words) or thing.text for thing in things]),
        )
        sure = 0.55
    first, last = seen.get("first"), seen.get("last")
    names = tuple(str(thing) for thing in things)
    if not isinstance(first, list) or not isinstance(last, list) or all(f is None for f in first):
        raise NotGrounded(", ".join(names), [seen.message or "none is seen in any frame"])
    evidence = (f"first seen in frames {dict(zip(names, first, strict=False))}",)
    if question.ask == "when":
        leaving = str(question.extra.get("verb", "")).startswith(("leav", "disap", "exit"))
        place = last[0] if leaving else first[0]
        time = place
        if place is not None and not seen.get("seconds"):
            time = inquiry.facts.times[place]
        if time is None:
            raise NotGrounded("the time", ["the frames have no times"])
        return Finding("number", float(time), "s", 0.5, 0.7 * sure, evidence)
    missing = [name for name, place in zip(names, first, strict=True) if place is None]
    if question.ask == "before":
        if missing:
            raise NotGrounded(", ".join(missing), ["never seen"])
        earlier = first[0] < first[1]
        wants = str(question.extra.get("quantity", "before")).startswith(("before", "earl"))
        return Finding("yes_no", earlier == wants, confidence=sure, evidence=evidence)
    known = [i for i, place in enumerate(first) if place is not None]
    ranked = sorted(known, key=lambda i: first[i])
    if question.ask == "first":
        late = str(question.extra.get("quantity", "first")).startswith(("last", "late"))
        return Finding(
            "item",
            ranked[-1] if late else ranked[0],
            confidence=sure,
            evidence=evidence,
            names=names,
        )
    if missing:
        raise NotGrounded(", ".join(missing), ["never seen"])
    ties = len(set(first)) < len(first)
    return Finding(
        "order", ranked, confidence=sure * (0.6 if ties else 1.0), evidence=evidence, names=names
    )
