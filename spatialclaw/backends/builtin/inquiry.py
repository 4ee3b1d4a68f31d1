"""A question together with what is known about its media, and how its things are grounded."""

from __future__ import annotations

import keyword
import re
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field

from spatialclaw.backends.builtin import snippets
from spatialclaw.backends.builtin.facts import Facts
from spatialclaw.backends.builtin.language import Question, Thing
from spatialclaw.backends.builtin.language.normal import COLORS
from spatialclaw.backends.builtin.steps import Cell, NotGrounded, Seen
from spatialclaw.primitives.wording import match_names

__all__ = ["Handle", "Inquiry", "Names"]

Names = Sequence[str]


@dataclass(frozen=True)
class Handle:
    """A thing that was found: a variable in the kernel.

    Attributes:
        name: The variable: a list with one cloud of points for each instance.
        label: What it is, to speak of it.
        source: "capture", "pixel" or the method of segmentation.
        count: Number of instances.
        frame: Position of the frame it was looked for in; None when over all.
        ids: Instance ids in the capture.
    """

    name: str
    label: str
    source: str
    count: int = 1
    frame: int | None = None
    ids: tuple[int, ...] = ()


@dataclass
class Inquiry:
    """What a family works with.

    Attributes:
        question: The question, read.
        facts: What the first cell found out.
        media: Names of the media files without ending.
        done: What the kernel holds already, by name.
    """

    question: Question
    facts: Facts
    media: tuple[str, ...] = ()
    done: set[str] = field(default_factory=set)
    _given: set[str] = field(default_factory=set)
    _names: dict[str, Thing] = field(default_factory=dict)

    # ------------------------------------------------------------------ views

    def frame_for(self, thing: Thing | None = None) -> int:
        """The frame in which a thing is to be looked for: the one that is named, else the first."""
        for view in (thing.view if thing else None, *self.question.views):
            if view is not None:
                place = self.facts.position(view, self.media)
                if place is not None:
                    return place
        return self.facts.first_left

    def pair(self) -> tuple[int, int]:
        """The two frames the question is about.

        Raises:
            NotGrounded: There is only one.
        """
        pair = self.facts.pair(self.question, self.media)
        if pair is None:
            raise NotGrounded("a second picture: the question is about two and there is one")
        return pair

    # ---------------------------------------------------------------- objects

    def ids_of(self, thing: Thing) -> tuple[int, ...]:
        """Ids of the capture's objects that a phrase means, () when it means none."""
        if thing.kind != "object" or not self.facts.objects:
            return ()
        names = [name for _, name in self.facts.objects]
        for phrase in (thing.text, " ".join(thing.words), thing.head):
            if not phrase:
                continue
            floor = 0.5 if phrase != thing.head or len(thing.words) == 1 else 0.9
            found = match_names(phrase, names, floor=floor)
            if found:
                return tuple(self.facts.objects[i][0] for i, _ in found)
        return ()

    def variable(self, thing: Thing) -> str:
        """A name for a thing in the kernel."""
        base = re.sub(r"\W+", "_", thing.head or "thing").strip("_").lower() or "thing"
        if base[0].isdigit() or keyword.iskeyword(base) or base in snippets.TAKEN:
            base = f"the_{base}"
        name, number = base, 2
        while name in self._names:
            name, number = f"{base}_{number}", number + 1
        self._names[name] = thing
        return name

    def helpers(self, *names: str) -> str:
        """The code of helper functions that the kernel does not have yet."""
        parts = []
        for name in snippets.with_needs(names):
            if name not in self._given:
                self._given.add(name)
                parts.append(snippets.SNIPPETS[name])
        return "\n\n".join(parts) + ("\n\n" if parts else "")

    # -------------------------------------------------------------- grounding

    def find(
        self, things: Sequence[Thing], *, single_frame: bool = False
    ) -> Generator[Cell, Seen, list[Handle]]:
        """Finds things: each becomes a variable with its points.

        Args:
            things: What to find.
            single_frame: Look at named objects in one frame only, as the camera there sees them.

        Raises:
            NotGrounded: One of them cannot be found.
        """
        handles: list[Handle] = []
        for thing in things:
            handle = yield from self._find(thing, single_frame)
            handles.append(handle)
        return handles

    def _find(self, thing: Thing, single_frame: bool) -> Generator[Cell, Seen, Handle]:
        name = self.variable(thing)
        frame = self.frame_for(thing)
        if thing.pixel is not None:
            code = self.helpers("spot") + (
                f"{name} = [spot({thing.pixel}, frames[{frame}])]\n" + _report(name)
            )
            seen = yield Cell(f"What pixel {_point(thing.pixel)} shows, in 3-D.", code)
            if not seen.ok:
                raise NotGrounded(f"the depth at pixel {_point(thing.pixel)}", [seen.message])
            return Handle(name, str(thing), "pixel", 1, frame)
        ids = self.ids_of(thing)
        if ids:
            code = self.helpers("named")
            only = f", only={frame}" if single_frame or not self.facts.has("pose") else ""
            code += f"{name} = [named(i{only}) for i in {list(ids)}]\n{name} = [c for c in {name} if c is not None]\n"
            color = next((w for w in thing.words[:-1] if w in COLORS), "")
            if color and len(ids) > 1:
                code += f"{name} = [c for c, i in zip({name}, {list(ids)}) if colour_of(i) in {(color, color.replace('gray', 'grey'))!r}] or {name}\n"
                code = self.helpers("colour_of") + code
            seen = yield Cell(f"Find {thing.text!r}: the capture names it.", code + _report(name))
            count = int(seen.number(f"{name}_count") or 0)
            if seen.ok and count:
                where = frame if only else None
                return Handle(name, str(thing), "capture", count, where, ids)
            if not seen.ok:
                raise NotGrounded(f"{thing.text!r} in 3-D", [seen.message])
        phrase = " ".join(thing.words) or thing.text
        code = (
            self.helpers("found")
            + f"{name} = found({phrase!r}, frames[{frame}])"
            + ("" if thing.plural or (thing.number or 1) > 1 else "[:1]  # the best of them")
            + "\n"
            + _report(name)
        )
        seen = yield Cell(f"Look for {phrase!r} in the picture.", code)
        if seen.ok and (seen.number(f"{name}_count") or 0) > 0:
            return Handle(
                name, str(thing), str(seen.get("method", "segment")),
                int(seen.number(f"{name}_count") or 1), frame,
            )  # fmt: skip
        tried = [f"segment(frames[{frame}], {phrase!r}): {seen.message or 'nothing'}"]
        if self.facts.objects:
            tried.append(
                "the capture names " + ", ".join(sorted({name for _, name in self.facts.objects}))
            )
        raise NotGrounded(f"{thing.text!r}", tried)


def _point(pixel: tuple[float, float]) -> str:
    return f"({pixel[0]:g}, {pixel[1]:g})"


def _report(name: str) -> str:
    return (
        f"for cloud in {name}:\n"
        f"    print({name!r}, '->', np.round(middle(cloud), 3).tolist(), 'in', cloud.ref)\n"
        f"print(f'{name}_count = {{len({name})}}')"
    )
