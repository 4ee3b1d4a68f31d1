"""Brings the text of a question into one form: spelling, units, pixels, views, boilerplate."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence

from spatialclaw.backends.builtin.language.slots import View

__all__ = [
    "NUMBER_WORDS",
    "Normal",
    "length_in_metres",
    "normalise",
    "read_unit",
]

NUMBER_WORDS = {
    word: number
    for number, word in enumerate(
        [
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
            "twenty",
        ]
    )
}
ORDINALS = {
    word: number
    for number, word in enumerate(
        [
            "first",
            "second",
            "third",
            "fourth",
            "fifth",
            "sixth",
            "seventh",
            "eighth",
            "ninth",
            "tenth",
        ],
        start=1,
    )
}

# Canonical unit -> how people write it.
UNITS = {
    "m^2": r"(?:square[- ]met(?:er|re)s?|sq\.? ?m(?:et(?:er|re)s?)?|sqm|m\^?2|m²)",
    "ft^2": r"(?:square[- ](?:feet|foot)|sq\.? ?ft|ft\^?2|ft²)",
    "cm^2": r"(?:square[- ]centimet(?:er|re)s?|cm\^?2|cm²)",
    "m/s": r"(?:met(?:er|re)s? (?:per|a) second|m/s|mps)",
    "km/h": r"(?:kilomet(?:er|re)s? (?:per|an) hour|km/h|kph|kmh)",
    "cm/s": r"(?:centimet(?:er|re)s? (?:per|a) second|cm/s)",
    "px/s": r"(?:pixels? (?:per|a) second|px/s)",
    "deg/s": r"(?:degrees? (?:per|a) second|deg/s)",
    "mph": r"(?:miles? (?:per|an) hour|mph)",
    "km": r"(?:kilomet(?:er|re)s?|km)",
    "cm": r"(?:centimet(?:er|re)s?|cms?)",
    "mm": r"(?:millimet(?:er|re)s?|mm)",
    "m": r"(?:met(?:er|re)s?|m)",
    "ft": r"(?:feet|foot|ft)",
    "in": r"(?:inch(?:es)?)",
    "deg": r"(?:degrees?|deg|°)",
    "rad": r"(?:radians?|rad)",
    "s": r"(?:seconds?|secs?|s)",
    "px": r"(?:pixels?|px)",
}
_TO_METRES = {"m": 1.0, "cm": 0.01, "mm": 0.001, "km": 1000.0, "ft": 0.3048, "in": 0.0254}

_SPELLING: list[tuple[str, str | Callable[[re.Match[str]], str]]] = [
    (r"[‘’´`]", "'"),
    (r"[“”]", '"'),
    (r"[–—−]", "-"),
    (r"\bcentre", "center"),
    (r"\bgrey", "gray"),
    (r"\bcolour", "color"),
    (r"\bmetres?\b", lambda m: "meters" if m[0].endswith("s") else "meter"),
    (r"\b(centi|milli|kilo)metre", r"\1meter"),
    (r"\bneighbour", "neighbor"),
    (r"\btowards\b", "toward"),
    (r"\bforwards\b", "forward"),
    (r"\bbackwards\b", "backward"),
    (r"\b(left|right|up|down)wards?\b", r"\1"),
    (r"\bfurther\b", "farther"),
    (r"\bfurthest\b", "farthest"),
    (r"\b(what|where|which|how|who|there|it|that)'s\b", r"\1 is"),
    (r"\bi'm\b", "i am"),
    (r"\byou're\b", "you are"),
    (r"\b(\w+)\(e?s\)", r"\1s"),
    (
        r"\b(higher|highest|lower|lowest)(?: up)? (?:above|over|from|off) the (?:floor|ground)\b",
        r"\1",
    ),
    (
        r"\b(more|less|fewer|least|most|exactly) (?:than )?(one|two|three|four|five|six|seven|eight|nine|ten)\b",
        lambda m: m[0].replace(m[2], str(NUMBER_WORDS[m[2]])),
    ),
    (r"\bfewer than\b", "less than"),
    (r"\bhow distant\b", "how far"),
    (r"\bdeeper in the (?:scene|picture|image)\b", "farther away"),
    (
        r"\b(?:camera )?(?:positions?|poses?) (\d+) and (\d+)\b",
        r"camera positions of frames \1 and \2",
    ),
    (r",\s*,", " "),
    (r"\bphotographs?\b", lambda m: "photos" if m[0].endswith("s") else "photo"),
    (r"\b(?:televisions?|tv[- ]?(?:set|screen|monitor))\b", "tv"),
]
_BOILERPLATE = [
    r"please (?:answer|respond|reply|provide|give|select|choose)[^.?]*(?:[.?]|$)",
    r"(?:answer|respond|reply) (?:directly |only )?(?:with|using|in) [^.?]*(?:[.?]|$)",
    r"select (?:the|your|from)[^.?]*(?:[.?]|$)",
    r"(?:if|when) there are (?:multiple|several) instances[^.?]*(?:[.?]|$)",
    r"if multiple rooms are shown[^.?]*(?:[.?]|$)",
    r"the directions? refers? to the quadrants[^.?]*(?:[.?]|$)",
    r"an object is to my back if[^.?]*(?:[.?]|$)",
    r"(?:these|the) (?:images?|photos?|pictures?|frames?) (?:are|were) "
    r"(?:frames (?:of|from) (?:a|the) video|taken (?:continuously|from|in|by|one)[^.?]*)[.?]",
    r"the video is shooting a static scene[.?]",
    r"assume [^.?]*(?:[.?]|$)",
    r"^(?:question|q) ?[:.-]",
    r"^hint:[^.?]*[.?]",
]
_FILLERS = [
    r"(?:,? ?please)\b,?",
    r"\b(?:approximately|roughly|approximate|about how|estimated)\b(?! to\b)",
    r"^(?:hi|hello|hey)[,!. ]+",
    r"\b(?:can|could|would) you (?:please )?(?:tell me|describe|estimate|determine|say|give me|"
    r"measure|calculate|compute|find out|work out)\b",
    r"^(?:so|now|then|ok|okay|well|and)[, ]+",
    r"\b(?:using|with|from|given|based on|according to) the (?:supplied|given|provided|known) "
    r"(?:stereo )?(?:camera )?(?:calibration|intrinsics|depth(?: map)?|poses?|data)\b,?",
    r"\b(?:based on|according to|from|given|looking at|judging by) (?:these|this|the) (?:two |three "
    r"|four )?(?:images?|pictures?|photos?|views?|video|frames?)\s?[,:]",
    r"\bi (?:want|would like|need) to know\b",
    r"\bdo you know\b|\btell me\b",
    r"\(or (?:the )?(?:person|photographer|viewer|observer|camera)[^)]*\)",
]

_NUM = r"-?\d+(?:\.\d+)?"
_PIXEL = re.compile(
    rf"(?:x ?[=:]? ?(?P<x1>{_NUM}) ?(?:,|;|and|\s)\s*y ?[=:]? ?(?P<y1>{_NUM}))"
    rf"|[(\[<] ?(?:x ?[=:] ?)?(?P<x2>{_NUM}) ?(?:px)? ?[,;/] ?(?:y ?[=:] ?)?(?P<y2>{_NUM}) ?(?:px)? "
    rf"?[)\]>]"
    rf"|\b(?:pixels?|points?|coordinates?|position|location)(?: at)? (?P<x3>{_NUM}) ?[,;/] ?"
    rf"(?P<y3>{_NUM})"
    rf"|\b(?:column|col) (?P<x4>\d+)(?:,| and|,? and)? row (?P<y4>\d+)"
    rf"|\brow (?P<y5>\d+)(?:,| and|,? and)? (?:column|col) (?P<x5>\d+)"
)
_PICTURE = r"(?:view|image|picture|photo|frame|shot|snapshot|still|viewpoint|camera|img|pic)"
_ORDINAL = r"(?:" + "|".join(ORDINALS) + r"|last|final|\d+(?:st|nd|rd|th))"
_VIEW_PATTERNS = [
    (
        "pair",
        rf"\b(?:the )?(?P<o1>{_ORDINAL}) (?P<link>and|or|to|than) (?:in )?(?:the )?"
        rf"(?P<o2>{_ORDINAL}) {_PICTURE}s?\b",
    ),
    (
        "ordinal",
        rf"\b(?:the |its )?(?:very )?(?P<o>{_ORDINAL}) {_PICTURE}\b(?! (?:positions?|"
        r"centers?)\b)",
    ),
    ("sampled", rf"\b{_PICTURE}s? (?P<n>\d+) (?:of|out of|/) ?(?P<t>\d+)\b"),
    (
        "both",
        rf"\b{_PICTURE}s? (?P<n>\d+) ?(?:and|&|to|or|,) ?(?P<m>\d+)"
        r"(?: of (?P<t>\d+))?\b",
    ),
    (
        "number",
        rf"\b(?:the )?{_PICTURE} (?:number |no\.? ?|nr\.? ?|#)?(?P<n>\d+|one|two|three|four|"
        r"five|six)\b(?! ?(?:pixels?|px|meters?|cm|s\b|seconds?))",
    ),
    ("letter", rf"\b(?:the )?{_PICTURE} (?P<l>[a-f])\b(?! )"),
    ("time", r"\b(?:at|after) (?:time )?(?:t ?= ?)?(?P<s>\d+(?:\.\d+)?) ?(?:s|secs?|seconds?)\b"),
    (
        "stereo",
        r"\b(?:the )?(?P<side>left|right)(?:[- ]hand)? (?:view|image|photo|frame|picture)\b(?! (?:of|side|half|edge))",
    ),
    (
        "start",
        r"\b(?:at|from|in) (?:the )?(?:very )?(?:start|beginning)(?: of (?:the )?(?:video|"
        r"clip|sequence|recording))?\b",
    ),
    (
        "end",
        r"\b(?:at|to|in|until) (?:the )?(?:very )?end(?: of (?:the )?(?:video|clip|sequence|"
        r"recording))\b",
    ),
]


class Normal:
    """The text in one form, with what was taken out of it.

    Attributes:
        text: Lower case; pixels are ``@p0``, views ``@v0``, numbers keep their form.
        pixels: (x, y) of each ``@p``.
        views: Of each ``@v``.
        unit: The unit asked for, or None.
    """

    def __init__(
        self, text: str, pixels: list[tuple[float, float]], views: list[View], unit: str | None
    ) -> None:
        self.text = text
        self.pixels = pixels
        self.views = views
        self.unit = unit

    def __repr__(self) -> str:
        return f"Normal({self.text!r}, {self.pixels}, {self.views}, {self.unit})"


def normalise(question: str, names: Sequence[str] = ()) -> Normal:
    """Brings a question into one form.

    Args:
        question: As asked, without its options.
        names: Names of the media files without folder and ending, for questions that use them.
    """
    text = unicodedata.normalize("NFKC", question.replace("²", "^2")).lower()
    text = re.sub(r"\s+", " ", text).strip()
    text = re.split(r"\s(?:choices|options|answer choices|possible answers)\s?:", text)[0]
    for pattern, to in _SPELLING:
        text = re.sub(pattern, to, text)
    views: list[View] = []
    pixels: list[tuple[float, float]] = []
    text = _take_names(text, names, views)
    text = _take_pixels(text, pixels)
    for pattern in _BOILERPLATE:
        text = re.sub(pattern, " ", text).strip()
    text = _take_views(text, views)
    text, unit = read_unit(text)
    for pattern in _FILLERS:
        text = re.sub(pattern, " ", text).strip()
    text = re.sub(r"\b(the )?(\w+) and (\w+) (\w+)\b", _join_colors, text)
    text = re.sub(r"(?<!\d)\.(?!\d)|\.(?=\s|$)|[!;]", " . ", text)
    text = re.sub(r"\?", " ? ", text)
    text = re.sub(r"\s*,\s*(?:,\s*)*", ", ", text)
    text = re.sub(r"\b(apart|away|far),? ?, (is|are)\b", r"\1 \2", text)
    text = re.sub(r"\(\s*\)", " ", text)
    text = re.sub(r"\s+", " ", text).strip(" .,:")
    text, views = _in_order(text, views)
    return Normal(text, pixels, views, unit)


COLORS = [
    "red",
    "orange",
    "yellow",
    "green",
    "blue",
    "purple",
    "violet",
    "pink",
    "brown",
    "black",
    "white",
    "gray",
    "cyan",
    "turquoise",
    "magenta",
    "beige",
    "golden",
    "silver",
]


def _join_colors(match: re.Match[str]) -> str:
    if match[2] in COLORS and match[3] in COLORS:
        return f"{match[1] or ''}{match[2]}-and-{match[3]} {match[4]}"
    return match[0]


def _in_order(text: str, views: list[View]) -> tuple[str, list[View]]:
    """Numbers the views by their mention."""
    order = list(dict.fromkeys(int(number) for number in re.findall(r"@v(\d+)", text)))
    text = re.sub(r"@v(\d+)", lambda m: f"@v{order.index(int(m[1]))}", text)
    return text, [views[number] for number in order]


def _take_names(text: str, names: Sequence[str], views: list[View]) -> str:
    for position, name in sorted(enumerate(names), key=lambda item: -len(item[1])):
        low = name.lower()
        # A bare number or a plain word is a name only beside a word for a picture or with its ending.
        plain = low.isdigit() or not re.search(r"\d|_", low)
        before = rf"{_PICTURE} " if plain else rf"(?:(?:the )?{_PICTURE} )?"
        ending = r"(?:\.(?:jpe?g|png|webp|tiff?|bmp|mp4|mov))"
        pattern = rf"(?:{before}{re.escape(low)}{ending}?|{re.escape(low)}{ending})(?![\w.]*\w)"
        if re.search(rf"(?<![\w-]){pattern}", text):
            views.append(View("name", position, text=name))
            text = re.sub(rf"(?<![\w-]){pattern}", f"@v{len(views) - 1}", text)
    return text


def _take_pixels(text: str, pixels: list[tuple[float, float]]) -> str:
    def put(match: re.Match[str]) -> str:
        groups = match.groupdict()
        for k in "12345":
            if groups.get(f"x{k}") is not None:
                pixels.append((float(groups[f"x{k}"]), float(groups[f"y{k}"])))
        return f" @p{len(pixels) - 1} "

    text = _PIXEL.sub(put, text)
    near = (
        r"[,(]?\s*\b(?:(?:which|that) is )?(?:near|at|around|close to|by|located at|marked at|seen at|"
        r"shown at)(?: the)?(?: pixels?| points?| coordinates?| position| location)?"
        r"(?: coordinates?| position)?\s+(@p\d+)\s*\)?"
    )
    text = re.sub(
        r"\b(depth|height|value|distance|far|color|z)(?: value)? (?:at|of)(?: the)?(?: pixels?| points?)?\s+(@p\d+)",
        r"\1 of pixel \2",
        text,
    )
    text = re.sub(near, r" \1 ", text)
    text = re.sub(r"\(\s*(@p\d+)\s*\)", r"\1", text)
    return re.sub(r"\s+", " ", text)


def _take_views(text: str, views: list[View]) -> str:
    def add(view: View) -> str:
        views.append(view)
        return f"@v{len(views) - 1}"

    def ordinal(word: str, said: str) -> View:
        if word in ("last", "final"):
            return View("last", text=said)
        digits = re.match(r"\d+", word)
        return View("ordinal", int(digits[0]) if digits else ORDINALS[word], text=said)

    def put(kind: str, match: re.Match[str]) -> str:
        said, g = match[0], match.groupdict()
        if kind == "pair":
            return f"{add(ordinal(g['o1'], said))} {g['link']} {add(ordinal(g['o2'], said))}"
        if kind == "ordinal":
            return add(ordinal(g["o"], said))
        if kind == "sampled":
            return add(View("sampled", int(g["n"]), int(g["t"]), said))
        if kind == "both":
            total = int(g["t"]) if g.get("t") else 0
            sort = "sampled" if total else "number"
            if not total and not said.startswith("frame"):
                sort = "ordinal"
            first = add(View(sort, int(g["n"]), total, said))  # type: ignore[arg-type]
            return f"{first} and {add(View(sort, int(g['m']), total, said))}"  # type: ignore[arg-type]
        if kind == "number":
            number = NUMBER_WORDS.get(g["n"])
            if number is None:
                number = int(g["n"])
            return add(View("number", number, text=said))
        if kind == "letter":
            return add(View("ordinal", ord(g["l"]) - ord("a") + 1, text=said))
        if kind == "time":
            return add(View("time", float(g["s"]), text=said))
        if kind == "stereo":
            return add(View("ordinal", 1 if g["side"] == "left" else 2, text=said))
        if kind == "start":
            return add(View("ordinal", 1, text=said))
        return add(View("last", text=said))

    # "than in the first", after "in the second view": the noun is left out.
    for kind, pattern in _VIEW_PATTERNS:
        text = re.sub(pattern, lambda m, k=kind: put(k, m), text)  # type: ignore[misc]
    if views:
        bare = rf"\b(than|and|to|from|or) ((?:in|of|on|at) )?the ({_ORDINAL})(?: one)?(?=\s*(?:[?.,]|$))"
        text = re.sub(
            bare,
            lambda m: f"{m[1]} {m[2] or ''}{add(ordinal(m[3], m[0]))}",
            text,
        )
        bare = rf"^((?:from|between) )the ({_ORDINAL}) (?=(?:to|and) @v)"
        text = re.sub(bare, lambda m: f"{m[1]}{add(ordinal(m[2], m[0]))} ", text)
    return re.sub(r"\s+", " ", text)


def read_unit(text: str) -> tuple[str, str | None]:
    """Takes the unit that is asked for out of a question.

    Returns:
        The text, and the unit, or None.
    """
    for unit, pattern in UNITS.items():
        asked = rf"\bhow many (?:{pattern})(?![\w/^])"
        if re.search(asked, text):
            if unit == "px":
                return re.sub(asked, "how far", text), unit
            if unit in ("deg", "rad", "s"):
                return re.sub(
                    asked, "how many degrees" if unit != "s" else "how many seconds", text
                ), unit
            if unit.endswith("^2"):
                return re.sub(asked, "how many square meters", text), unit
            text = re.sub(rf"{asked} (?=tall|high|wide|long|deep|thick|broad)", "how ", text)
            text = re.sub(rf"{asked} (?=above)", "how high ", text)
            return re.sub(asked, "how far", text), unit
    for unit, pattern in UNITS.items():
        inside = (
            rf"(?:[,(]\s*)?\b(?:(?:measured |expressed |given |answer |result |value )*in|unit ?[:=]|"
            rf"units?|as) (?:{pattern})(?![\w/^²])\s*\)?"
        )
        found = re.search(inside, text)
        if found:
            return text[: found.start()] + " " + text[found.end() :], unit
        alone = rf"\(\s*(?:[a-z]+\s*,\s*)?(?:{pattern})\s*\)"
        found = re.search(alone, text)
        if found:
            return text[: found.start()] + " " + text[found.end() :], unit
    return text, None


def length_in_metres(value: float, unit: str) -> float | None:
    """A length in metres, None when the unit is not one of length."""
    factor = _TO_METRES.get(unit)
    return None if factor is None else value * factor
