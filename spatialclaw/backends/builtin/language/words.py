"""Words that compare, relate and direct, in all their forms -> one canonical word each."""

from __future__ import annotations

import re

__all__ = [
    "COMPARATIVES",
    "DIMENSIONS",
    "DIRECTIONS",
    "comparative",
    "dimension",
    "directions_in",
    "opposite",
]

# Pattern -> (what is compared, which end is meant).
COMPARATIVES: list[tuple[str, tuple[str, str]]] = [
    (
        r"(?:more|farther|farthest|most|rather) (?:to the |on the )?left|leftmost|left-most|"
        r"(?:farthest )?(?:to|on) the (?:far |extreme )?left",
        ("x", "min"),
    ),
    (
        r"(?:more|farther|farthest|most|rather) (?:to the |on the )?right|rightmost|right-most|"
        r"(?:farthest )?(?:to|on) the (?:far |extreme )?right",
        ("x", "max"),
    ),
    (
        r"(?:more|farther|farthest|most) (?:in|to(?:ward)? the) front|front-?most|foremost|"
        r"farther forward|more forward",
        ("distance", "min"),
    ),
    (
        r"(?:more|farther|farthest|most) (?:in|to(?:ward)? the) back|rearmost|farther back|"
        r"most distant|more distant|less close|least close|deepest in the scene",
        ("distance", "max"),
    ),
    (
        r"closer|closest|nearer|nearest|near(?= (?:to|the))|close(?= to)|least far|less far|"
        r"shortest distance(?= from| to| away)",
        ("distance", "min"),
    ),
    (r"farther(?: away)?|farthest(?: away)?|far(?: away)?(?= from)|remotest", ("distance", "max")),
    (r"higher(?: up)?|highest(?: up)?|topmost|uppermost|farther up", ("elevation", "max")),
    (r"lower(?: down)?|lowest|bottommost|farther down", ("elevation", "min")),
    (
        r"taller|tallest|(?:greater|greatest|largest|bigger|larger) (?:in )?height",
        ("height", "max"),
    ),
    (r"less tall|least tall|shorter in height", ("height", "min")),
    (r"wider|widest|broader|broadest|(?:greater|greatest|largest) (?:in )?width", ("width", "max")),
    (r"narrower|narrowest|less wide|least wide|slimmer|slimmest", ("width", "min")),
    (r"longer|longest|(?:greater|greatest|largest) (?:in )?length", ("length", "max")),
    (r"shorter|shortest|less long", ("length", "min")),
    (r"deeper|deepest", ("depth", "max")),
    (r"shallower|shallowest", ("depth", "min")),
    (r"thicker|thickest", ("thickness", "max")),
    (r"thinner|thinnest", ("thickness", "min")),
    (
        r"bigger|biggest|larger|largest|greater|greatest|bulkier|bulkiest|more voluminous|"
        r"(?:takes|taking) up (?:the )?(?:most|more) (?:space|room)",
        ("size", "max"),
    ),
    (r"smaller|smallest|tinier|tiniest|littler|least big", ("size", "min")),
    (r"faster|fastest|quicker|quickest", ("speed", "max")),
    (r"slower|slowest", ("speed", "min")),
]
_COMPARATIVE = "|".join(f"(?:{pattern})" for pattern, _ in COMPARATIVES)

# Adjective or noun of an extent -> dimension.
DIMENSIONS: list[tuple[str, str]] = [
    (
        r"(?:longest|largest|maximum|greatest|biggest|max) (?:dimension|extent|side|edge|axis)(?: "
        r"\([^)]*\))?(?: length)?|length of (?:the )?longest (?:dimension|side|edge)(?: \([^)]*\))?",
        "longest",
    ),
    (r"(?:shortest|smallest|minimum) (?:dimension|extent|side|edge)", "shortest"),
    (r"tall|height|high|vertical (?:extent|size)", "height"),
    (r"wide|width|broad|breadth|horizontal (?:extent|size)", "width"),
    (r"long|length", "length"),
    (r"diameter|across", "diameter"),
    (r"radius", "radius"),
    (r"thick|thickness", "thickness"),
    (r"deep|depth", "depth"),
    (r"volume", "volume"),
    (r"big|large|size|dimensions?|extent|small", "size"),
]
_DIMENSION = "|".join(f"(?:{pattern})" for pattern, _ in DIMENSIONS)

# Canonical direction word -> pattern; order matters: compounds first.
DIRECTIONS: list[tuple[str, str]] = [
    (
        "front-left",
        r"(?:front|forward|ahead)(?:[- ]| and (?:to the )?)left|left[- ]front|"
        r"left (?:and )?in front",
    ),
    ("front-right", r"(?:front|forward|ahead)(?:[- ]| and (?:to the )?)right|right[- ]front"),
    (
        "back-left",
        r"(?:back|rear|behind|backward)(?:[- ]| and (?:to the )?)left|left[- ](?:back|rear|"
        r"behind)",
    ),
    (
        "back-right",
        r"(?:back|rear|behind|backward)(?:[- ]| and (?:to the )?)right|right[- ](?:back|"
        r"rear|behind)",
    ),
    (
        "top left",
        r"(?:top|upper|above)[- ,]+(?:and )?(?:to )?(?:the )?left|up[- ]left|left and "
        r"above",
    ),
    (
        "top right",
        r"(?:top|upper|above)[- ,]+(?:and )?(?:to )?(?:the )?right|up[- ]right|right and "
        r"above",
    ),
    ("bottom left", r"(?:bottom|lower|below)[- ,]+(?:and )?(?:to )?(?:the )?left|down[- ]left"),
    ("bottom right", r"(?:bottom|lower|below)[- ,]+(?:and )?(?:to )?(?:the )?right|down[- ]right"),
    ("left", r"left(?:[- ]hand side|[- ]?side|ward)?|counter-?clockwise|anti-?clockwise"),
    (
        "right",
        r"right(?:[- ]hand side|[- ]?side|ward)?|(?<!counter-)(?<!counter)(?<!anti-)clockwise",
    ),
    ("forward", r"forward|ahead|straight|onward|closer|toward the (?:scene|subject)|inward"),
    ("backward", r"backward|back away|away from the (?:scene|subject)|reverse"),
    ("above", r"above|on top of|over(?! the (?:whole|entire))|higher than"),
    ("below", r"below|under(?:neath)?|beneath|lower than"),
    ("front", r"in[- ]front(?: of)?|front|before"),
    ("back", r"behind|back|rear"),
    ("up", r"up|upper|top|upward"),
    ("down", r"down|lower|bottom|downward"),
    ("north", r"north"),
    ("south", r"south"),
    ("east", r"east"),
    ("west", r"west"),
]
_OPPOSITE = {
    "left": "right",
    "front": "back",
    "above": "below",
    "up": "down",
    "forward": "backward",
    "nearer": "farther",
}


def comparative(text: str) -> tuple[str, str] | None:
    """What a comparative or superlative compares, and which end it means."""
    for pattern, meaning in COMPARATIVES:
        if re.search(rf"\b(?:{pattern})\b", text):
            return meaning
    return None


def dimension(text: str) -> str | None:
    """The dimension that an adjective or noun names."""
    for pattern, name in DIMENSIONS:
        if re.search(rf"\b(?:{pattern})\b", text):
            return name
    return None


def directions_in(text: str) -> list[str]:
    """Canonical direction words of a text, in order of mention, without repetition."""
    found: list[tuple[int, str]] = []
    rest = text.lower()
    for name, pattern in DIRECTIONS:
        for match in re.finditer(rf"\b(?:{pattern})\b", rest):
            found.append((match.start(), name))
            rest = rest[: match.start()] + "#" * (match.end() - match.start()) + rest[match.end() :]
    words: list[str] = []
    for _, name in sorted(found):
        if name not in words:
            words.append(name)
    return words


def opposite(word: str) -> str | None:
    """The opposite of a direction word."""
    for a, b in _OPPOSITE.items():
        if word == a:
            return b
        if word == b:
            return a
    return None
