"""Questions about a scene, with answers from the scene itself.

A question is asked only when its answer holds by a margin and the pictures show what it takes: what
a careful observer with depth would measure agrees with the truth whichever sensible reading of
"distance" or "height" is taken. See `Survey`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np

from spatialclaw.evaluation.synth.survey import Survey

__all__ = ["FAMILIES", "Question", "choose", "mixed", "ordinal"]

_ORDINALS = [
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
    "eleventh",
    "twelfth",
]


@dataclass(frozen=True)
class Question:
    """A question with its truth.

    Attributes:
        id: Its name in its set.
        media: Paths, relative to the file of the set.
        question: The text, without options.
        choices: Letter -> text, or None.
        answer_type: How the answer is to be read.
        truth: A number, a letter, or "yes" or "no".
        unit: Of a number.
        tolerance: How far a number may be off.
        relative: Whether that is a fraction of the truth.
        family: What sort of question it is.
    """

    family: str
    question: str
    truth: float | str
    answer_type: Literal["number", "choice", "yes_no"] = "number"
    choices: dict[str, str] | None = None
    unit: str | None = None
    tolerance: float | None = None
    relative: bool = False
    id: str = ""
    media: tuple[str, ...] = ()

    def record(self) -> dict[str, Any]:
        """As one JSON object of `questions.jsonl`."""
        fields = asdict(self)
        order = (
            "id",
            "media",
            "question",
            "choices",
            "answer_type",
            "truth",
            "unit",
            "tolerance",
            "relative",
            "family",
        )
        return {name: list(fields[name]) if name == "media" else fields[name] for name in order}


Maker = Callable[[Survey, np.random.Generator], Iterator[Question]]
FAMILIES: dict[str, Maker] = {}


def family(name: str) -> Callable[[Maker], Maker]:
    """Registers a maker of questions under the name of its family."""

    def register(maker: Maker) -> Maker:
        FAMILIES[name] = maker
        return maker

    return register


def number(family: str, text: str, truth: float, unit: str, tolerance: float = 0.1) -> Question:
    """A question for a number, right within a fraction of the truth."""
    return Question(
        family, text, round(float(truth), 4), unit=unit, tolerance=tolerance, relative=True
    )


def count(family: str, text: str, truth: int) -> Question:
    """A question for a whole number, right only if exact."""
    return Question(family, text, float(truth), unit="count", tolerance=0.0)


def yes_no(family: str, text: str, truth: bool) -> Question:
    """A question for yes or no."""
    return Question(family, text, "yes" if truth else "no", answer_type="yes_no")


def choice(
    family: str, text: str, right: str, wrong: Sequence[str], rng: np.random.Generator
) -> Question:
    """A question with options in random order."""
    options = [str(o) for o in rng.permutation([right, *wrong])]
    letters = "ABCDEFGH"[: len(options)]
    return Question(
        family,
        text,
        letters[options.index(right)],
        answer_type="choice",
        choices=dict(zip(letters, options, strict=True)),
    )


def ordinal(frame: int) -> str:
    """The word for the picture at a position: 0 is "first"."""
    return _ORDINALS[frame]


def mixed(
    survey: Survey, rng: np.random.Generator, wanted: int, families: Sequence[str] | None = None
) -> list[Question]:
    """At most so many questions about one scene, as evenly over the families as it has them."""
    pools = {}
    for name in families or FAMILIES:
        found = list(FAMILIES[name](survey, rng))
        pools[name] = [found[k] for k in rng.permutation(len(found))]
    return choose(pools, wanted)


def choose(pools: dict[str, list[Question]], wanted: int) -> list[Question]:
    """Takes questions from each pool in turn; never the same text twice, nor all of one form."""
    pools = {name: _varied(pool) for name, pool in pools.items()}
    chosen: list[Question] = []
    texts: set[str] = set()
    while len(chosen) < wanted and any(pools.values()):
        for pool in pools.values():
            while pool and len(chosen) < wanted:
                question = pool.pop(0)
                if question.question not in texts:
                    texts.add(question.question)
                    chosen.append(question)
                    break
    return chosen


def _varied(pool: list[Question]) -> list[Question]:
    """The same questions, forms taking turns (a form is the text's first words)."""
    forms: dict[str, list[Question]] = {}
    for question in pool:
        words = [w for w in question.question.split() if w.rstrip(",") not in _ORDINALS]
        forms.setdefault(f"{question.answer_type} {' '.join(words[:6:2])}", []).append(question)
    turns = sorted(
        (
            (place, order, q)
            for order, group in enumerate(forms.values())
            for place, q in enumerate(group)
        ),
        key=lambda item: item[:2],
    )
    return [question for _, _, question in turns]


def named(questions: Sequence[Question], prefix: str, media: Sequence[str]) -> list[Question]:
    """The questions with ids and media."""
    return [
        replace(q, id=f"{prefix}-{k:03d}", media=tuple(media))
        for k, q in enumerate(questions, start=1)
    ]
