"""Whether the camera moved at all, how far it travelled, how it stands."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator

from spatialclaw.backends.builtin.families.camera_cells import POSED, STILL, TRACK
from spatialclaw.backends.builtin.inquiry import Inquiry
from spatialclaw.backends.builtin.steps import Cell, Finding, Investigation, NotGrounded, Seen

__all__ = ["moves", "stance", "travel"]

Motion = Callable[[Inquiry], Generator[Cell, Seen, Seen]]


def travel(inquiry: Inquiry, motion_between: Motion) -> Investigation:
    """How far the camera travelled, how far its places lie apart, how fast it was."""
    question, facts = inquiry.question, inquiry.facts
    a, b = inquiry.pair()
    first, last = min(a, b), max(a, b)
    if facts.has("pose", first) and facts.has("pose", last):
        code = TRACK.format(a=first, b=last)
        seen = yield Cell("The positions of the camera, from the poses.", code)
        if not seen.ok:
            seen = yield Cell("The same without a drawing.", code.rsplit("show(", 1)[0])
        straight, path = seen.number("straight"), seen.number("path")
        if straight is None or path is None:
            raise NotGrounded("the camera's positions", [seen.message])
        if not facts.metric:
            raise NotGrounded("metres: the poses have no known scale")
        if "trajectory" in facts.info and question.ask != "positions":
            longer = yield from _full_track(first, last)
            path = longer or path
        value = straight if question.ask == "positions" else path
        evidence = [
            f"straight {straight:.3f} m, along the {int(seen.number('poses') or 2)} poses {path:.3f} m"
        ]
        if question.ask == "speed":
            seconds = seen.number("seconds")
            if not seconds:
                raise NotGrounded("the times of the frames, for a speed")
            return Finding("number", path / seconds, "m/s", 0.02 * path / seconds, 0.9,
                           (*evidence, f"in {seconds:.2f} s"))  # fmt: skip
        return Finding("number", float(value), "m", 0.01 * value + 0.002, 0.93, tuple(evidence))
    seen = yield from motion_between(inquiry)
    if not seen.get("scaled"):
        raise NotGrounded(
            "the scale of the movement",
            [
                f"{seen.get('method')}: the pictures give the direction only; depth or poses give metres"
            ],
        )
    length = sum((seen.number(k) or 0.0) ** 2 for k in ("dx", "dy", "dz")) ** 0.5
    sure = float(seen.number("sure") or 0.5)
    evidence = [f"{length:.3f} m by {seen.get('method')}"]
    if question.ask == "speed":
        times = facts.times
        if times[b] is None or times[a] is None or times[a] == times[b]:
            raise NotGrounded("the times of the frames, for a speed")
        length /= abs((times[b] or 0.0) - (times[a] or 0.0))
    unit = "m/s" if question.ask == "speed" else "m"
    return Finding("number", length, unit, 0.08 * length + 0.01, 0.8 * sure, tuple(evidence))


def _full_track(a: int, b: int) -> Generator[Cell, Seen, float | None]:
    code = (
        "track_of = np.asarray(frames.info['trajectory'], dtype=float)\n"
        f"i, j = frames[{a}].index, frames[{b}].index\n"
        "part = track_of[i : j + 1]\n"
        "print(f'full = {round(float(np.linalg.norm(np.diff(part, axis=0), axis=1).sum()), 4)}')"
    )
    seen = yield Cell("The whole track of poses between them.", code)
    return seen.number("full") if seen.ok else None


def moves(inquiry: Inquiry) -> Investigation:
    """Whether the camera moves."""
    if inquiry.facts.count < 2:
        raise NotGrounded("a second picture: one picture does not show whether the camera moves")
    text = str(inquiry.question.extra.get("normal", ""))
    static = any(
        word in text.split("or")[0]
        for word in ("static", "stationary", "still", "fixed", "motionless", "at rest", "tripod")
    )
    evidence: list[str] = []
    moved, sure = None, 0.5
    if len(inquiry.facts.known.get("pose", [])) > 1:
        seen = yield Cell("How far the poses lie apart.", POSED)
        span, turned = seen.number("span"), seen.number("turned")
        if span is not None and turned is not None:
            moved, sure = span > 0.02 or turned > 1.0, 0.9
            evidence.append(f"the poses span {span:.3f} m and {turned:.1f} degrees")
    seen = yield Cell(
        "Whether the points of the background stay where they are in the picture.", STILL
    )
    stay = seen.get("stay")
    if isinstance(stay, list) and stay:
        known = [part for part in stay if part is not None]
        share = sum(part < 0.5 for part in known) + (len(stay) - len(known))
        by_picture = share >= max(1, len(stay) / 3)
        typical = sorted(known)[len(known) // 2] if known else 0.0
        evidence.append(
            f"in {len(stay) - share} of {len(stay)} pairs of frames most points stay in place "
            f"(median {typical:.0%})"
        )
        if moved is None:
            moved, sure = by_picture, 0.6 + 0.6 * abs(typical - 0.5)
        elif moved != by_picture:
            sure = 0.6
    if moved is None:
        raise NotGrounded("points of the background to follow", [seen.message])
    if inquiry.question.choices and not inquiry.question.yes_no:
        for text in inquiry.question.choices.values():
            if (
                bool(re.search(r"static|stationary|still|fixed|not move|tripod|no ", text.lower()))
                != moved
            ):
                return Finding("text", text, confidence=min(sure, 0.95), evidence=tuple(evidence))
    if " or " in text and not inquiry.question.choices:
        return Finding(
            "text",
            "moving" if moved else "static",
            confidence=min(sure, 0.95),
            evidence=tuple(evidence),
        )
    value = (not moved) if static else moved
    return Finding("yes_no", value, confidence=min(sure, 0.95), evidence=tuple(evidence))


def stance(inquiry: Inquiry) -> Investigation:
    """How high the camera is and how it is tilted."""
    frame = inquiry.frame_for()
    code = (
        f"f = frames[{frame}]\n"
        "up = geometry.gravity(f)\nprint(up, up.method)\n"
        "look_up = float(np.degrees(np.arcsin(np.clip(up.plain[2], -1, 1))))\n"
        "print(f'look_up = {round(look_up, 2)}')\n"
    )
    if inquiry.question.ask == "height":
        code += (
            "floor = geometry.ground_plane(f)\nprint(floor)\n"
            "above = float(floor.distance(np.zeros(3)))\nprint(f'above = {round(above, 3)}')"
        )
        seen = yield Cell("The floor under the camera.", code)
        above = seen.number("above")
        if above is None:
            raise NotGrounded("the floor", [seen.message])
        return Finding("number", above, "m", 0.03, 0.75, ("signed distance to the floor's plane",))
    seen = yield Cell("Which way is up for the camera.", code)
    angle = seen.number("look_up")
    if angle is None:
        raise NotGrounded("which way is up", [seen.message])
    evidence = (f"the view rises by {angle:.1f} degrees over the horizontal",)
    word = inquiry.question.word
    if word:
        return Finding(
            "yes_no",
            (angle > 2) if word == "up" else (angle < -2),
            confidence=0.75,
            evidence=evidence,
        )
    if inquiry.question.choices:
        return Finding("word", "up" if angle > 0 else "down", confidence=0.75, evidence=evidence)
    return Finding("number", abs(angle), "deg", 2.0, 0.7, evidence)
