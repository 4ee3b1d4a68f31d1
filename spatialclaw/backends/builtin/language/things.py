"""Reads phrases: "the centre of the dark blue cup on the desk" -> a `Thing`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from spatialclaw.backends.builtin.language.normal import NUMBER_WORDS, Normal
from spatialclaw.backends.builtin.language.slots import Thing, ThingKind, View

__all__ = ["CAMERA", "read_thing", "singular", "split_list"]

CAMERA = (
    r"(?:(?:the|my|your|our|this|a) )?(?:(?:current|left|first) )?(?:camera|observer|viewer|"
    r"photographer|lens|sensor|robot camera|drone|camera person|cameraman|camera wearer|"
    r"person (?:who is )?(?:filming|taking (?:the|this) (?:picture|photo))|"
    r"person holding the camera|me|us|you|here|where i am|my position|ego(?:-| )?vehicle|"
    r"point of view|viewpoint)"
    r"(?: (?:position|center|plane|lens|itself|\(or [^)]*\)))*"
)
_DETERMINER = (
    r"^(?:(?:the|a|an|any|some|this|that|these|those|my|your|its|his|her|their|all(?: of)?|both(?: of)?|"
    r"each(?: of)?|every|only|nearest edge of|one of) )+"
)
_PARTS = {
    "center": r"(?:geometric |object )?(?:center|middle|midpoint|centroid|center point)s?",
    "nearest": r"(?:(?:the )?(?:nearest|closest)) (?:points?|edges?|sides?|parts?|surfaces?)",
    "farthest": r"(?:(?:the )?farthest) (?:points?|edges?|sides?|parts?)",
    "top": r"(?:very )?(?:top|highest point|upper (?:edge|end|surface)|top (?:edge|surface|end))s?",
    "bottom": r"(?:very )?(?:bottom|lowest point|lower (?:edge|end)|underside|foot)s?",
    "surface": r"(?:surface|point|spot|place|location|position|pixel)s?",
    "end": r"(?:rear|back|front|side|edge|end|hub|rim|corner|tip|left edge|right edge|handle|base|seat"
    r"|rear end|front end|back side|front side|tail)s?",
}
_TAIL = (
    r"(?:,? (?:which|that|who) (?:is|are|was|were) (?:seen|shown|visible|present|marked|labell?ed|"
    r"depicted)\b.*"
    r"|,? (?:(?:seen|shown|visible|present|displayed|depicted|captured|found|that you (?:can )?see|"
    r"you (?:can )?see|i (?:can )?see|there) )?"
    r"(?:in|on|of|within|from|inside|throughout|across|along) (?:the|this|that|these|all|both|each|my|"
    r"any)(?: \w+)?"
    r" (?:pictures?|images?|photos?|scenes?|views?|videos?|clips?|frames?|shots?|rooms?|footage|"
    r"recordings?|captures?|sequences?|environment|house|apartment|space)(?: (?:here|as a whole))?"
    r"|,? (?:seen|shown|visible|present|displayed|depicted|in view|here|in total|altogether|"
    r"overall|now|respectively|together|at all|now visible)"
    r"|,? (?:(?:in|on|of|from|at) )?@v\d+)$"
)
_CONTEXT = re.compile(
    r" (?:on(?: top of)?|in(?: front of)?|at|near|next to|beside|behind|under(?:neath)?|below|above|over|"
    r"by|with|without|of|from|inside|outside|between|to the (?:left|right) of|against|along|across|"
    r"closest to|nearest to|that|which|who|standing|sitting|hanging|lying|parked|placed|located|facing|"
    r"wearing|holding|leaning|walking|driving|moving|made)\b"
)
_IRREGULAR = {
    "people": "person",
    "persons": "person",
    "men": "man",
    "women": "woman",
    "children": "child",
    "shelves": "shelf",
    "knives": "knife",
    "leaves": "leaf",
    "dice": "die",
    "mice": "mouse",
    "feet": "foot",
    "teeth": "tooth",
    "loaves": "loaf",
    "halves": "half",
    "wolves": "wolf",
    "axes": "axis",
}
_NOT_PLURAL = (
    "glass",
    "bus",
    "canvas",
    "chess",
    "gas",
    "lens",
    "iris",
    "stairs",
    "compass",
    "cactus",
)


def singular(word: str) -> str:
    """The singular of an English noun, by rule."""
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) < 4 or word in _NOT_PLURAL or not word.endswith("s") or word.endswith("ss"):
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if re.search(r"(?:s|x|z|ch|sh)es$", word):
        return word[:-2]
    return word[:-1]


def read_thing(phrase: str, normal: Normal) -> Thing:
    """Reads a noun phrase.

    Args:
        phrase: A piece of `normal.text`.
        normal: The question it is from, for its pixels and views.
    """
    text = phrase.strip(" ,.?:\"'")
    text = re.sub(r"^(?:from|to|between|of|for|at) ", "", text)
    who = r"(?:someone|somebody|a person|one|a viewer|an observer|a man|a woman)"
    text = re.sub(rf"^{who} (?:who (?:is|stands) |standing )?(?:at|by|near|next to) ", "", text)
    text = re.sub(r"^(?:the )?(?:different|distinct|separate|individual) ", "", text)
    pixel: tuple[float, float] | None = None
    found = re.search(r"@p(\d+)", text)
    if found:
        pixel = normal.pixels[int(found[1])]
        text = re.sub(r"\s+", " ", text[: found.start()] + " " + text[found.end() :]).strip(" ,()")
        text = re.sub(r" (?:near|at|around|by|located at|marked)(?: the)?(?: pixel)?$", "", text)
    view: View | None = None
    found = re.search(r"@v(\d+)", text)
    if found:
        view = normal.views[int(found[1])]
    while True:
        shorter = re.sub(_TAIL, "", text).strip(" ,()")
        if shorter == text:
            break
        text = shorter
    text = re.sub(r"\s*@v\d+\s*", " ", text).strip(" ,()")
    if re.fullmatch(rf"(?:the (?:position|location|center) of )?{CAMERA}", text):
        return Thing(text="camera", head="camera", words=("camera",), kind="camera", view=view)
    part = ""
    while True:
        bare = re.sub(_DETERMINER, "", text)
        for name, pattern in _PARTS.items():
            of = re.match(rf"{pattern} of (?:(?:the|a|an) )?", bare)
            if of and len(bare) > of.end():
                part = part or name
                bare = bare[of.end() :]
                break
        if bare == text:
            break
        text = bare
    text = re.sub(r"'s (?:center|middle|surface|position|nearest point)$", "", text)
    if not text or re.fullmatch(
        r"(?:(?:pixel|point|image|position|spot|location|place|coordinate)s?"
        r"(?: (?:[a-z]|\d))?|one|surface|thing|object|surface point)",
        text,
    ):
        kind: ThingKind = "pixel" if pixel else "object"
        return Thing(
            text or str(pixel),
            head=singular(text) or "point",
            words=tuple(text.split()),
            kind=kind,
            pixel=pixel,
            view=view,
            part=part,
        )
    if re.fullmatch(r"(?:ground|floor)(?: (?:plane|level))?", text):
        return Thing("floor", "floor", ("floor",), "floor", pixel, view, part)
    if re.fullmatch(r"(?:scene|picture|image|photo|frame|view|room)", text) and not pixel:
        kind_of: ThingKind = "object" if text == "room" else "picture"
        return Thing(text, text, (text,), kind_of, None, view, part)
    number = None
    counted = re.match(rf"({'|'.join(NUMBER_WORDS)}|\d+) (?=[a-z])", text)
    if counted and not re.match(r"\d+$", text):
        said = counted[1]
        number = NUMBER_WORDS.get(said) if said in NUMBER_WORDS else int(said)
        text = text[counted.end() :]
    cut = _CONTEXT.search(" " + text)
    context = ""
    noun = text
    if cut and cut.start() > 0:
        noun, context = text[: cut.start() - 1].strip(), text[cut.start() - 1 :].strip()
        if not noun:
            noun, context = text, ""
    words = [word for word in re.split(r"[ ]+", noun.strip(" ,")) if word]
    plural = False
    if words:
        last = singular(words[-1])
        plural = last != words[-1]
        words[-1] = last
    head = words[-1] if words else noun
    return Thing(text, head, tuple(words), "object", pixel, view, part, number, plural, context)


def split_list(phrase: str) -> list[str]:
    """Splits "the box, the wooden mask or the lattice" into its items."""
    text = phrase.strip(" .?:()")
    text = re.sub(r"^(?:either|both|whether) ", "", text)
    parts: Sequence[str] = re.split(
        r"\s*(?:,|;)\s*(?:and |or )?|\s+(?:and|or|vs\.?|versus)\s+", text
    )
    return [part.strip(" ()") for part in parts if part.strip(" ()")]
