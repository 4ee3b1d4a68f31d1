"""What a question is made of, after it has been read: things, views, a family and its slots."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["Question", "Thing", "ThingKind", "View", "ViewKind"]

ThingKind = Literal["object", "camera", "pixel", "floor", "me", "picture", "view"]
ViewKind = Literal["ordinal", "number", "sampled", "time", "last", "name"]


@dataclass(frozen=True)
class View:
    """A picture or a moment that the question points at.

    Attributes:
        kind: "ordinal": the value-th picture, from 1; "number": the frame or picture of that number;
            "sampled": the value-th of `total` uniform samples; "time": seconds; "last"; "name": a
            file whose name the question uses.
        value: The number, or the position among the media for "name".
        total: For "sampled".
        text: As the question says it.
    """

    kind: ViewKind
    value: float = 0
    total: int = 0
    text: str = ""


@dataclass(frozen=True)
class Thing:
    """Something the question speaks of.

    Attributes:
        text: The phrase without article, such as "dark blue cup on the desk".
        head: Its noun in the singular, such as "cup".
        words: Noun with its adjectives in the singular, such as ("dark", "blue", "cup").
        kind: What sort of thing.
        pixel: (x, y) when the question gives one.
        view: The picture it is to be looked for in, when the question says so.
        part: "center", "nearest", "top", "bottom" and so on, or "".
        number: How many of it the phrase speaks of, when it says so ("the two chairs"): 2.
        plural: Whether the noun was plural.
        context: What follows the noun: "on the desk".
    """

    text: str
    head: str = ""
    words: tuple[str, ...] = ()
    kind: ThingKind = "object"
    pixel: tuple[float, float] | None = None
    view: View | None = None
    part: str = ""
    number: int | None = None
    plural: bool = False
    context: str = ""

    def __str__(self) -> str:
        if self.kind == "pixel" and self.pixel:
            return f"pixel ({self.pixel[0]:g}, {self.pixel[1]:g})"
        return self.text


@dataclass(frozen=True)
class Question:
    """A question, read.

    Attributes:
        text: As asked.
        family: Name of the family, or "unknown".
        ask: What of the family is asked, such as "depth" or "ids".
        things: The things, in the order of the rule's slots a, b, c, then those of a list.
        views: The pictures it speaks of, in order of mention.
        unit: The unit asked for ("m", "cm", "deg" and so on), or None.
        choices: Letter -> text, or None.
        yes_no: Whether it asks for yes or no.
        word: The comparative, relation or direction word that matters, in its canonical form.
        limit: (comparison, value, unit) of a threshold: "more than 2 m".
        scale: (thing, dimension, metres) of a hypothesis "if the sofa is 2.1 m wide", or None.
        extra: What else the rule found.
    """

    text: str
    family: str = "unknown"
    ask: str = ""
    things: tuple[Thing, ...] = ()
    views: tuple[View, ...] = ()
    unit: str | None = None
    choices: dict[str, str] | None = None
    yes_no: bool = False
    word: str = ""
    limit: tuple[str, float, str] | None = None
    scale: tuple[Thing, str, float] | None = None
    extra: dict[str, Any] = field(default_factory=dict)
