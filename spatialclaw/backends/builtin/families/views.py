"""Comparing pictures: in which one is something nearest or largest."""

from __future__ import annotations

import re
from collections.abc import Generator

from spatialclaw.backends.builtin.families.camera import motion_between
from spatialclaw.backends.builtin.inquiry import Inquiry
from spatialclaw.backends.builtin.language import Thing
from spatialclaw.backends.builtin.steps import Cell, Finding, Investigation, NotGrounded, Seen

__all__ = ["investigate"]

DISTANCES = """\
picked = {picked}
away = []
for i in picked:
    f, mask = frames[i], None
    if f.instances is not None:
        mask = np.isin(f.instances, {ids})
    if mask is None or mask.sum() < 25:
        away.append(None)
        continue
    cloud = geometry.mask_points(mask, frame=f)
    away.append(round(float(np.median(np.linalg.norm(cloud.plain, axis=1))), 4))
    print(f"frame {{i}}: {{away[-1]}} m, {{int(mask.sum())}} px")
print(f"away = {{away}}")
"""

SEGMENTED = """\
picked = {picked}
spans = []
for i in picked:
    try:
        thing = max(segment(frames[i], {what!r}), key=lambda m: m.score)
        spans.append(round(float(np.sqrt(max(1, thing.area_px))) / frames[i].source_scale, 2))
        print(i, thing)
    except Exception as error:
        print(f"frame {{i}}: {{error}}")
        spans.append(None)
print(f"spans = {{spans}}")
"""

SHARED = """\
picked = {picked}
rows, values, pairs = [], [], 0
for n, i in enumerate(picked):
    for m, j in enumerate(picked):
        if m <= n:
            continue
        try:
            found = match(frames[i], frames[j])
        except Exception as error:
            print(f"{{i}} -> {{j}}: {{error}}")
            continue
        p, q = found.points_a / frames[i].source_scale, found.points_b / frames[j].source_scale
        p, q = p / frames[i].source_size[0], q / frames[j].source_size[0]
        rng = np.random.default_rng(0)
        one, two = rng.integers(0, len(p), (2, 4000))
        d1, d2 = np.linalg.norm(p[one] - p[two], axis=1), np.linalg.norm(q[one] - q[two], axis=1)
        far = (d1 > 0.02) & (d2 > 0.005)
        grow = float(np.median(np.log(d2[far] / d1[far])))
        row = np.zeros(len(picked))
        row[m], row[n] = 1, -1
        rows.append(row * np.sqrt(len(p)))
        values.append(grow * np.sqrt(len(p)))
        pairs += 1
        print(f"{{i}} -> {{j}}: what both show is {{np.exp(grow):.2f}} times as large in {{j}} ({{len(p)}} points)")
rows.append(np.ones(len(picked)))
values.append(0.0)
scale = np.exp(np.linalg.lstsq(np.array(rows), np.array(values), rcond=None)[0])
print(f"pairs = {{pairs}}")
print(f"scale = {{[round(float(s), 3) for s in scale]}}")
show(*[frames[i] for i in picked], title="the views to compare")
"""


def investigate(inquiry: Inquiry) -> Investigation:
    """Which view, or a comparison of two."""
    question = inquiry.question
    if question.ask == "approach":
        return (yield from _approach(inquiry))
    thing = question.things[0] if question.things else Thing("scene", "scene", ("scene",))
    end = str(question.extra.get("end", "min"))
    if "quantity" in question.extra and "end" not in question.extra:
        end = "max" if str(question.extra["quantity"]).startswith(("far", "small")) else "min"
    if "forward" in str(question.extra.get("quantity", "")):
        end = "min"
    if question.extra.get("quantity") == "size":
        end = "min" if end == "max" else "max"  # larger in the picture is nearer
    if question.ask == "which":
        picked = list(range(inquiry.facts.count))
        named = inquiry.facts.views(question, inquiry.media)
        picked = named if len(named) > 1 else picked[:24]
    else:
        places = inquiry.facts.views(question, inquiry.media)
        picked = places[:2] if len(places) >= 2 else list(inquiry.pair())[::-1]
    nearness, how, sure = yield from _nearness(inquiry, thing, picked)
    far = -1e9 if end == "min" else 1e9
    scored = [far if value is None else value for value in nearness]
    best = scored.index(max(scored) if end == "min" else min(scored))
    evidence = (how,)
    if question.ask == "compare":
        first, second = nearness[0], nearness[1]
        if first is None or second is None:
            raise NotGrounded(f"{thing.text!r} in both views")
        held = first > second if end == "min" else first < second
        return Finding("yes_no", held, confidence=sure, evidence=evidence)
    names = tuple(_view_name(inquiry, i) for i in picked)
    return Finding("item", best, confidence=sure, evidence=evidence, names=names)


def _view_name(inquiry: Inquiry, position: int) -> str:
    """What a view is called in an answer: as the options call it, else by its place or name."""
    name = inquiry.facts.names[position].rsplit(".", 1)[0].rsplit("/", 1)[-1]
    for text in (inquiry.question.choices or {}).values():
        lowered = text.lower()
        if name.lower() in lowered:
            return text
    ordinal = ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth"]
    for text in (inquiry.question.choices or {}).values():
        lowered = text.lower()
        if position < 8 and ordinal[position] in lowered:
            return text
        digits = [int(d) for d in re.findall(r"\d+", lowered)]
        if digits == [position + 1] or digits == [inquiry.facts.indices[position]]:
            return text
    return name if not inquiry.facts.is_video else f"frame {inquiry.facts.indices[position]}"


def _nearness(
    inquiry: Inquiry, thing: Thing, picked: list[int]
) -> Generator[Cell, Seen, tuple[list[float | None], str, float]]:
    ids = inquiry.ids_of(thing)
    if ids:
        seen = yield Cell(
            f"How far {thing.text!r} is in each view.",
            DISTANCES.format(picked=picked, ids=list(ids)),
        )
        away = seen.get("away")
        if isinstance(away, list) and sum(a is not None for a in away) >= 1:
            return [None if a is None else -a for a in away], f"distances {away} m", 0.9
    seen = yield Cell(
        f"Look for {thing.text!r} in each view.", SEGMENTED.format(picked=picked, what=thing.text)
    )
    spans = seen.get("spans")
    if isinstance(spans, list) and spans and all(span is not None for span in spans):
        return list(spans), f"{thing.text!r} spans {spans} px in the views", 0.7
    seen = yield Cell(
        f"{thing.text!r} itself is not found; how large is what the views share?",
        SHARED.format(picked=picked),
    )
    scale = seen.get("scale")
    if not isinstance(scale, list) or not seen.number("pairs"):
        raise NotGrounded(f"{thing.text!r} in the views", ["the views share too little to compare"])
    ranked = sorted(scale)
    spread = ranked[-1] / max(ranked[-2] if len(ranked) > 1 else 1.0, 1e-6)
    sure = 0.45 + 0.25 * min(1.0, max(0.0, spread - 1) / 0.2)
    how = (
        f"{thing.text} was not located (that takes a vision-language model); what the views share "
        f"has the relative sizes {scale}: larger is nearer"
    )
    return list(scale), how, sure


def _approach(inquiry: Inquiry) -> Investigation:
    seen = yield from motion_between(inquiry)
    dz = seen.number("dz") or 0.0
    text = str(inquiry.question.extra.get("normal", ""))
    toward = not any(word in text for word in ("away", "farther"))
    held = dz > 0 if toward else dz < 0
    evidence = (f"the camera moved {dz:+.3f} along its view; what it looks at is ahead",)
    return Finding("yes_no", held, confidence=0.55, evidence=evidence)
