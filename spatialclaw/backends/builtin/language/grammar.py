"""The grammar: a table of patterns, each with its family and slots, tried in order.

A pattern is a regular expression over the normalised text (see `normal`), with ``{A}``, ``{B}``, ``{C}`` for
noun phrases, ``{LIST}`` for several of them, ``{COMP}`` for a comparative, ``{DIM}`` for a
dimension, ``{CAM}`` for whoever carries the camera and ``{V}`` for a picture.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

from spatialclaw.backends.builtin.language import words
from spatialclaw.backends.builtin.language.normal import Normal, length_in_metres, normalise
from spatialclaw.backends.builtin.language.rules import MACROS, RULES
from spatialclaw.backends.builtin.language.slots import Question, Thing
from spatialclaw.backends.builtin.language.things import CAMERA, read_thing, split_list

__all__ = ["FAMILIES", "read_question"]

FAMILIES = tuple(dict.fromkeys(rule[0] for rule in RULES))


@dataclass(frozen=True)
class _Rule:
    family: str
    ask: str
    pattern: re.Pattern[str]


@cache
def _rules() -> list[_Rule]:
    rules = []
    for family, ask, pattern in RULES:
        for name, text in MACROS.items():
            pattern = pattern.replace("{" + name + "}", text)
        rules.append(_Rule(family, ask, re.compile(_number_groups(pattern))))
    return rules


def _number_groups(pattern: str) -> str:
    """Lets a group's name occur in several alternatives: the second "a" becomes "a__2"."""
    seen: dict[str, int] = {}

    def put(match: re.Match[str]) -> str:
        name = match[1]
        seen[name] = seen.get(name, 0) + 1
        return f"(?P<{name}>" if seen[name] == 1 else f"(?P<{name}__{seen[name]}>"

    return re.sub(r"\(\?P<(\w+)>", put, pattern)


_UNIT = r"(m|cm|mm|km|ft|feet|foot|inch(?:es)?|in|meters?|centimeters?|millimeters?)"
_SCALE = re.compile(
    r"(?:if|given(?: that)?|assuming(?: that)?|knowing(?: that)?|suppose(?: that)?|^) ?(?:the |this |a )?"
    rf"(?P<s>[^?.,]+?) (?:is|are|was|were|has) (?:a (?P<d1>height|width|length) of )?(?P<n>\d+(?:\.\d+)?)"
    rf" ?{_UNIT}(?: (?P<d2>tall|high|wide|long|deep|in height|in width|in length))?\s*[,.]"
    r"(?: what| how|\s)"
)
_JOINT = re.compile(
    r",? (?:and|also)(?:,)? (?=(?:how (?!far apart)|is |are |was |does |do |did |which |what |where |in which |"
    r"on which |who ))|\? (?=(?:and )?(?:how|is|are|which|what|where|does|do|did|in which|on which) )"
)


def read_question(
    text: str, choices: dict[str, str] | None = None, names: Sequence[str] = ()
) -> Question:
    """Reads a question.

    Args:
        text: The question without its options.
        choices: Letter -> text of the options.
        names: Names of the media files, without folder and ending.

    Returns:
        The question read; its family is "unknown" when no pattern fits.
    """
    normal = normalise(text, names)
    whole = _read(text, normal, choices)
    if choices is None:
        parts = [part for part in _JOINT.split(normal.text) if part]
        if len(parts) == 2 and whole.family not in ("passages", "camera_describe", "direction"):
            return _joint(text, normal, parts, whole)
    return whole


def _joint(text: str, normal: Normal, parts: list[str], whole: Question) -> Question:
    """Two questions in one, when both can be read; else the whole."""
    read = [
        _read(text, Normal(part, normal.pixels, normal.views, normal.unit), None) for part in parts
    ]
    if any(part.family == "unknown" for part in read):
        return whole
    return Question(text=text, family="joint", views=tuple(normal.views), extra={"parts": read})


def _read(text: str, normal: Normal, choices: dict[str, str] | None) -> Question:
    spoken, scale = _take_scale(normal)
    for rule in _rules():
        match = rule.pattern.search(spoken)
        if match is None:
            continue
        question = _build(text, normal, rule, match, choices, spoken)
        if question is not None:
            return replace(question, scale=scale)
    return Question(
        text=text, views=tuple(normal.views), unit=normal.unit, choices=choices, scale=scale
    )


def _take_scale(normal: Normal) -> tuple[str, tuple[Thing, str, float] | None]:
    found = _SCALE.search(normal.text + " ")
    if not found:
        return normal.text, None
    unit = {"meter": "m", "meters": "m", "feet": "ft", "foot": "ft"}.get(found[4], found[4])
    unit = {"centimeter": "cm", "centimeters": "cm", "inches": "in", "inch": "in"}.get(unit, unit)
    metres = length_in_metres(float(found["n"]), unit)
    if metres is None:
        return normal.text, None
    name = words.dimension(found["d1"] or found["d2"] or "") or "size"
    rest = (normal.text + " ")[: found.start()] + (normal.text + " ")[found.end() - 5 :]
    rest = re.sub(r"^[^?]*?(?=\b(?:what|how)\b)", "", rest).strip()
    return rest, (read_thing(found["s"], normal), name, metres)


def _build(
    text: str,
    normal: Normal,
    rule: _Rule,
    match: re.Match[str],
    choices: dict[str, str] | None,
    spoken: str,
) -> Question | None:
    groups = {key.split("__")[0]: value for key, value in match.groupdict().items() if value}
    things = [read_thing(groups[key], normal) for key in ("a", "b", "c") if key in groups]
    listed: list[Thing] = []
    if "list" in groups:
        listed = [read_thing(part, normal) for part in split_list(groups["list"])]
    if rule.family in ("compare", "order", "appearance") and not listed and choices and not things:
        listed = _from_choices(choices, normal, rule.family)
    things = [_mend(thing, spoken) for thing in things]
    word = ""
    extra: dict[str, object] = {}
    if "comp" in groups:
        meaning = words.comparative(groups["comp"])
        if meaning is None:
            return None
        extra["quantity"], extra["end"] = meaning
    if "dim" in groups:
        name = words.dimension(groups["dim"])
        if name is None:
            return None
        extra["dimension"] = name
    if "word" in groups:
        said = words.directions_in(groups["word"])
        if not said:
            return None
        word = said[0]
        extra["words"] = said
    for key in ("verb", "dirs", "rest", "quantity", "noun", "filter"):
        if key in groups and key not in extra:
            extra[key] = groups[key]
    limit = None
    if "n" in groups:
        limit = (
            groups.get("cmp", "more"),
            float(groups["n"]),
            groups.get("u", "count" if rule.family == "count" else normal.unit or "m"),
        )
    extra["listed"] = len(listed)
    return Question(
        text=text,
        family=rule.family,
        ask=rule.ask,
        things=(*things, *listed),
        views=tuple(normal.views),
        unit=normal.unit,
        choices=choices,
        yes_no=_is_yes_no(spoken, choices),
        word=word,
        limit=limit,
        extra={**extra, "normal": spoken, "pixels": list(normal.pixels)},
    )


def _mend(thing: Thing, text: str) -> Thing:
    if thing.kind == "object" and re.fullmatch(CAMERA, thing.text):
        return replace(thing, kind="camera", text="camera", head="camera", words=("camera",))
    return thing


def _from_choices(choices: dict[str, str], normal: Normal, family: str) -> list[Thing]:
    texts = list(choices.values())
    if family != "compare":
        texts = split_list(texts[0])
    return [read_thing(text.lower(), normal) for text in texts]


def _is_yes_no(spoken: str, choices: dict[str, str] | None) -> bool:
    if choices is not None:
        texts = {text.strip(" .").lower() for text in choices.values()}
        return texts <= {"yes", "no", "true", "false", "cannot be determined", "not sure"}
    final = [part for part in re.split(r"\s[?.](?:\s|$)", spoken) if part.strip()][-1].strip()
    asked = re.match(
        r"(?:[^?]*?, )?(?:is|are|was|were|do|does|did|has|have|can|could|will|would) ", final
    )
    return bool(asked) and " or " not in final
