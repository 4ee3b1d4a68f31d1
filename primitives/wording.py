"""Names of things: which of a capture's objects a phrase means."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher

__all__ = ["match_names", "name_score", "singular", "words"]

# Groups of words that people use for the same thing.
SYNONYMS = (
    ("sofa", "couch", "settee"),
    ("television", "tv", "telly", "monitor", "screen", "display"),
    ("fridge", "refrigerator"),
    ("bin", "trash can", "garbage can", "wastebasket", "waste bin", "rubbish bin"),
    ("cup", "mug"),
    ("picture", "painting", "poster"),
    ("lamp", "light"),
    ("bicycle", "bike"),
    ("cupboard", "cabinet", "wardrobe", "closet"),
    ("shelf", "bookshelf", "bookcase", "shelves"),
    ("rug", "carpet", "mat"),
    ("plant", "flower", "potted plant"),
    ("table", "desk"),
    ("stove", "cooker", "oven"),
    ("tap", "faucet"),
    ("bag", "backpack", "rucksack"),
    ("person", "human", "man", "woman", "pedestrian"),
    ("child", "kid", "boy", "girl"),
    ("car", "automobile", "vehicle"),
    ("computer", "laptop", "notebook"),
    ("phone", "telephone", "mobile"),
    ("ball", "sphere"),
    ("box", "carton", "cube", "block"),
    ("dresser", "chest of drawers"),
    ("armchair", "easy chair"),
    ("stool", "ottoman"),
    ("curtain", "drapes"),
    ("nightstand", "bedside table"),
)
IRREGULAR = {
    "people": "person",
    "persons": "person",
    "men": "man",
    "women": "woman",
    "children": "child",
    "shelves": "shelf",
    "knives": "knife",
    "mice": "mouse",
    "glasses": "glass",
    "boxes": "box",
    "leaves": "leaf",
    "feet": "foot",
}
FILLERS = frozenset(
    {
        "a",
        "an",
        "the",
        "all",
        "every",
        "each",
        "any",
        "some",
        "both",
        "this",
        "that",
        "these",
        "those",
        "of",
        "in",
        "on",
        "at",
        "my",
        "your",
        "its",
    }
)


def singular(word: str) -> str:
    """The singular of an English noun, by rule."""
    if word in IRREGULAR:
        return IRREGULAR[word]
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("ches", "shes", "xes", "sses")):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


def words(phrase: str) -> list[str]:
    """The telling words of a phrase: lower case, singular, no articles, "desk_2" split."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])|[_\-/]", " ", phrase)
    parts = re.findall(r"[a-zäöüéè]+|\d+", spaced.lower())
    return [singular(part) for part in parts if part not in FILLERS]


def _same(a: str, b: str) -> float:
    """How surely two nouns (or short phrases) name the same kind of thing, 0..1."""
    if a == b:
        return 1.0
    for group in SYNONYMS:
        if a in group and b in group:
            return 0.85
    if min(len(a), len(b)) >= 4 and not a.isdigit():
        ratio = SequenceMatcher(None, a, b).ratio()
        if ratio >= 0.84:  # a slip of the pen, or "colour" and "color"
            return 0.8 * ratio
        if (a.endswith(b) or b.endswith(a)) and min(len(a), len(b)) >= 4:
            return 0.75  # armchair and chair, bookshelf and shelf
    return 0.0


def name_score(phrase: str, name: str) -> float:
    """How well a name fits what was asked for, 0..1.

    The head noun (the last word) has to fit; further words of the phrase that the name lacks cost
    more than words that the name has in addition.

    Example:
        >>> name_score("all chairs", "office chair") > name_score("desk", "office chair")
        True
    """
    asked, given = words(phrase), words(name)
    number = next((w for w in asked if w.isdigit()), None)
    other = next((w for w in given if w.isdigit()), None)
    if number is not None and other is not None and int(number) != int(other):
        return 0.0
    unnumbered = 0.8 if number is not None and other is None else 1.0
    asked_words = [w for w in asked if not w.isdigit()]
    given_words = [w for w in given if not w.isdigit()]
    if not asked_words or not given_words:
        return 0.0
    if asked_words == given_words:
        return unnumbered
    whole = _same(" ".join(asked_words), " ".join(given_words))
    head = _same(asked_words[-1], given_words[-1])
    if head == 0.0:
        return 0.95 * whole if whole else 0.0
    missing = [w for w in asked_words[:-1] if max(_same(w, g) for g in given_words) < 0.7]
    extra = [w for w in given_words[:-1] if max(_same(w, a) for a in asked_words) < 0.7]
    score = head * 0.72 ** len(missing) * 0.97 ** len(extra)
    return unnumbered * max(score, 0.95 * whole)


def match_names(
    phrase: str, names: Sequence[str], *, floor: float = 0.5
) -> list[tuple[int, float]]:
    """Which of the names a phrase means: those that fit best, and as well as the best.

    Returns:
        (index, score) of each, best first; empty when none reaches `floor`.

    Example:
        >>> match_names("chairs", ["desk", "chair 1", "chair 2"])
        [(1, 1.0), (2, 1.0)]
    """
    scored = [(index, name_score(phrase, name)) for index, name in enumerate(names)]
    best = max((score for _, score in scored), default=0.0)
    if best < floor:
        return []
    kept = [(index, score) for index, score in scored if score >= max(floor, best - 0.06)]
    return sorted(kept, key=lambda pair: -pair[1])
