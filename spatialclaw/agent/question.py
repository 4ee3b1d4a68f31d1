"""Reads what a question itself says: its options, and the form its answer should have."""

from __future__ import annotations

import itertools
import re
import string
from collections.abc import Mapping, Sequence

from spatialclaw.agent.types import AnswerType
from spatialclaw.errors import UsageError

__all__ = ["infer_form", "letters", "split_choices"]

# A letter that stands for an option: "A.", "(A)", "A)", "A:", "[A]", "**A.**", "A -".
_LABEL = re.compile(
    r"(?:^|(?<=[\s,;]))[*_`]*"
    r"(?:\((?P<round>[A-Za-z])\)|\[(?P<square>[A-Za-z])\]|(?P<plain>[A-Za-z])[.)]"
    r"|(?:^[ \t]*)(?P<line>[A-Za-z])(?::|\s[-–—]))"
    r"[*_`]*[.:]?(?=\s|$)",
    re.MULTILINE,
)
_LEAD = re.compile(
    r"[\s(]*(?:options?|choices?|answers?|select (?:one|from)[^:\n]*|choose (?:one|from)[^:\n]*)"
    r"\s*:?\s*$",
    re.IGNORECASE,
)
_INSTRUCTION = re.compile(
    r"(?:^|(?<=[.?!\s]))(?:please\s+)?(?:answer|respond|reply|choose|select|pick|give)\s+"
    r"(?:with|by|only|the|one|from|your|just)\b.*$",
    re.IGNORECASE | re.DOTALL,
)


def letters(options: Sequence[str]) -> dict[str, str]:
    """Gives options their letters in order.

    Raises:
        UsageError: Fewer than two options, more than 26, an empty one or two alike.
    """
    texts = [" ".join(option.split()) for option in options]
    if len(texts) < 2:
        raise UsageError(
            f"one choice, {texts[0]!r}, is no choice" if texts else "no choices given",
            hint="Give --choice once for each option.",
        )
    if len(texts) > 26:
        raise UsageError(f"{len(texts)} choices; at most 26 have a letter")
    if any(not text for text in texts):
        raise UsageError("a choice is empty")
    lowered = [text.casefold() for text in texts]
    for text in texts:
        if lowered.count(text.casefold()) > 1:
            raise UsageError(f"the choice {text!r} is given twice")
    own = [_own_letter(text) for text in texts]
    if own == list(string.ascii_uppercase[: len(own)]):
        texts = [_LABEL.sub("", text, count=1).strip() or text for text in texts]
    return dict(zip(string.ascii_uppercase, texts, strict=False))


def split_choices(question: str) -> tuple[str, dict[str, str] | None]:
    """Finds the options written into a question.

    Args:
        question: As asked: "Which is nearer? A. the cup B. the jug".

    Returns:
        The question without its options, and letter -> text; or the question as it is and None.
    """
    labels = [(match, _letter(match)) for match in _LABEL.finditer(question)]
    for start in range(len(labels)):
        if labels[start][1] not in ("A", "a"):
            continue
        chosen = _run_of_letters(labels[start:])
        if len(chosen) < 2:
            continue
        options = _options(question, chosen)
        if options is None:
            continue
        stem = question[: chosen[0][0].start()]
        stem = _LEAD.sub("", stem).rstrip(" \t\n,;*_")
        if stem.strip():
            return stem.strip(), options
    return question.strip(), None


def _own_letter(text: str) -> str | None:
    match = _LABEL.match(text)
    return _letter(match).upper() if match else None


def _letter(match: re.Match[str]) -> str:
    return match["round"] or match["square"] or match["plain"] or match["line"]


def _style(match: re.Match[str]) -> str:
    return next(name for name, letter in match.groupdict().items() if letter)


def _run_of_letters(
    labels: list[tuple[re.Match[str], str]],
) -> list[tuple[re.Match[str], str]]:
    """Labels in the same style and case whose letters follow each other from A."""
    first, letter = labels[0]
    chosen = [labels[0]]
    for match, other in labels[1:]:
        if _style(match) == _style(first) and ord(other) == ord(letter) + len(chosen):
            chosen.append((match, other))
    return chosen


def _options(question: str, chosen: list[tuple[re.Match[str], str]]) -> dict[str, str] | None:
    options: dict[str, str] = {}
    for position, (match, letter) in enumerate(chosen):
        last = position + 1 == len(chosen)
        end = len(question) if last else chosen[position + 1][0].start()
        text = question[match.end() : end]
        if last:
            # What follows a blank line after the last option is an instruction, not the option.
            text = re.split(r"\n\s*\n", text.strip(), maxsplit=1)[0]
            pairs = itertools.pairwise(chosen)
            if any("\n" in question[a[0].end() : b[0].start()] for a, b in pairs):
                text = text.split("\n", 1)[0]
            text = _INSTRUCTION.sub("", text)
        text = re.sub(r"\s+(?:or|and)\s*$", "", text.strip(" \t\n*_`"))
        text = " ".join(text.strip(" ,;").split())
        if not text or len(text) > 400:
            return None
        options[letter.upper()] = text.removesuffix(".") if text.count(".") == 1 else text
    if len({text.casefold() for text in options.values()}) != len(options):
        return None
    return options


_UNITS_ASKED = re.compile(
    r"\b(?:in|unit is|unit:|using)\s+(?:the\s+|units?\s+of\s+)?"
    r"(square met(?:re|er)s?|m\^?2|m²|cubic met(?:re|er)s?|m\^?3|m³|square feet|"
    r"cent[ia]?met(?:re|er)s?|cm|millimet(?:re|er)s?|mm|kilomet(?:re|er)s?(?! per)|km(?!/)|"
    r"met(?:re|er)s? per second|m/s|km/h|met(?:re|er)s?|inch(?:es)?|feet|foot|yards?|"
    r"degrees?|radians?|seconds?(?!\s+(?:\w+\s+)?(?:pictures?|photos?|images?|views?|frames?|one)\b)|"
    r"minutes?|pixels?)\b",
    re.IGNORECASE,
)
_QUANTITY = (
    r"(?:distance|height|width|length|depth|size|area|volume|angle|speed|diameter|radius|"
    r"perimeter|ratio|thickness|dimension)\b"
)
_NUMBER = re.compile(
    r"^(?:approximately |roughly |about )?"
    r"(?:how (?:far|tall|high|wide|long|large|big|deep|thick|fast|much|heavy|old|often)\b"
    r"|(?:what|how)(?: is| are|'s)? (?:the |its )?(?:\w+ ){0,3}?" + _QUANTITY + "|"
    r"(?:estimate|measure|compute|calculate|determine|give|find) (?:the |its )?(?:\w+ ){0,3}?"
    r"(?:number\b|" + _QUANTITY + "))",
    re.IGNORECASE,
)
_UNITS_COUNTED = re.compile(
    r"\bhow many ((?:(?:square|cubic) )?[a-z]+(?: per [a-z]+)?|[a-z]+/[a-z]+)\b", re.IGNORECASE
)
_COUNT = re.compile(r"\b(?:how many|(?:what is )?the number of|count the)\b", re.IGNORECASE)
_YES_NO = re.compile(
    r"^(?:is|are|was|were|does|do|did|can|could|has|have|had|will|would|should|am)\b[^?]*\?",
    re.IGNORECASE,
)
# A second question in the same sentence: no single number, word or letter answers both.
_ASKS = r"how|what|which|who|whose|where|when|why"
_TWO = re.compile(
    rf"\b(?:{_ASKS}|is|are|was|were|do|does|did|can|has|have)\b[^?]*?[,;]?\s(?:and|or)\s+(?:also\s+)?"
    rf"(?:(?:{_ASKS})\b|(?:is|are|was|were|do|does|did|can|has|have)\s+"
    r"(?:the|an?|any|there|it|they|this|that|these|those|he|she|you|we)\b)"
    r"|\bhow (?:far|tall|high|wide|long|large|big|deep|thick|fast|heavy|many \w+) and "
    r"(?:how )?(?:far|tall|high|wide|long|large|big|deep|thick|fast|heavy)\b",
    re.IGNORECASE,
)
_POINT = re.compile(
    r"\b(?:point(?:ing)? (?:to|at)|which pixel|pixel coordinates?|coordinates? of|locate)\b",
    re.IGNORECASE,
)
_BOX = re.compile(r"\bbounding box(?:es)?\b", re.IGNORECASE)


# "In the third picture, how far ...": what is asked comes after.
_LEAD_IN = re.compile(
    r"(?:in|on|from|at|seen|measuring|given|using|looking|if|when|while|based|considering|with|for|"
    r"during|between|after|before|relative|according|assuming|suppose|imagine)\b[^?]*?,\s+"
    rf"(?=(?:{_ASKS}|is|are|was|were|do|does|did|can|could|has|have|had|will|would|approximately|"
    r"roughly|about|estimate|measure|compute|calculate|determine|give|find)\b)",
    re.IGNORECASE,
)


def _without_lead(part: str) -> str:
    found = _LEAD_IN.match(part)
    return part[found.end() :] if found else part


def infer_form(
    question: str, choices: Mapping[str, str] | None = None
) -> tuple[AnswerType | None, str | None]:
    """The form an answer should have, as far as the wording says.

    Args:
        question: Without its options.
        choices: Letter -> text, or None.

    Returns:
        Answer type and unit, each None when the wording leaves it open. A wording is only a hint:
        the form check lets an answer of another form pass when it is given a second time.
    """
    from spatialclaw.agent.units import canonical_unit

    if choices:
        return "choice", None
    text = " ".join(question.split())
    final = re.split(r"(?<=[.!])\s+(?=[A-Z])", text)
    asked = _UNITS_ASKED.search(text)
    unit = canonical_unit(asked.group(1)) if asked else None
    sentences = [part for part in final if "?" in part] or final
    if any(_TWO.search(part) for part in sentences) or sum("?" in part for part in final) > 1:
        return None, None
    if any(_COUNT.search(part) for part in sentences):
        counted = _UNITS_COUNTED.search(text)
        if counted and canonical_unit(counted.group(1)) not in (None, "ratio"):
            return "number", canonical_unit(counted.group(1))
        return "number", unit if unit not in (None, "px") else "count"
    if _BOX.search(text):
        return "box", None
    sentences = [_without_lead(part) for part in sentences]
    if any(_NUMBER.match(part) for part in sentences):
        return "number", unit
    if any(_YES_NO.match(part) and not re.search(r"\bor\b", part) for part in sentences):
        return "yes_no", None
    if _POINT.search(text) and unit in (None, "px"):
        return "point", None
    return None, unit
