"""How the camera moved, turned, travelled; whether it moved at all; where it stood."""

from __future__ import annotations

import re
from collections.abc import Generator

from spatialclaw.backends.builtin.inquiry import Inquiry
from spatialclaw.backends.builtin.language.words import directions_in
from spatialclaw.backends.builtin.steps import Cell, Finding, Investigation, NotGrounded, Seen

__all__ = ["MOTION", "investigate", "motion_between", "option_words"]

MOVES = ["left", "right", "up", "down", "forward", "backward"]
TURNS = ["left", "right", "up", "down"]

REPORT = """\
print(motion)
dx, dy, dz = (round(float(v), 4) for v in motion.translation)
yaw, pitch, roll = (round(float(v), 2) for v in (motion.yaw_deg, motion.pitch_deg, motion.roll_deg))
angle = round(float(motion.turn_deg), 2)
moved, scaled, method = bool(motion.moved), bool(motion.metric), motion.method
sure = round(float(motion.confidence), 3)
for name in ("dx", "dy", "dz", "yaw", "pitch", "roll", "angle", "moved", "scaled", "method", "sure"):
    print(f"{name} = {globals()[name]!r}")
"""

MOTION = """\
a, b = frames[{a}], frames[{b}]
motion = {motion}
show(a, b, title="from the first to the second")
"""

CHAIN = """\
picked = list(frames[{a} : {b} + 1].sample({n}))
turn, place, total_yaw, total_pitch, doubt, failed = np.eye(3), np.zeros(3), 0.0, 0.0, [], 0
scaled, moved = True, False
for a, b in zip(picked, picked[1:]):
    try:
        motion = geometry.camera_motion(a, b)
    except Exception as error:
        print(f"{{a.position}} -> {{b.position}}: {{error}}")
        failed += 1
        continue
    place = place + turn @ np.asarray(motion.translation)
    turn = turn @ np.asarray(motion.rotation)
    total_yaw, total_pitch = total_yaw + motion.yaw_deg, total_pitch + motion.pitch_deg
    doubt.append(float(motion.confidence))
    scaled, moved = scaled and motion.metric, moved or motion.moved
    print(a.position, "->", b.position, motion)
dx, dy, dz = (round(float(v), 4) for v in place)
yaw, pitch, roll = round(float(total_yaw), 2), round(float(total_pitch), 2), 0.0
angle = round(float(np.degrees(np.arccos(np.clip((np.trace(turn) - 1) / 2, -1, 1)))), 2)
sure = round(float(np.mean(doubt)) * (1 - failed / max(len(picked) - 1, 1)), 3) if doubt else 0.0
method = "chain of " + str(len(doubt)) + " steps"
for name in ("dx", "dy", "dz", "yaw", "pitch", "roll", "angle", "moved", "scaled", "method", "sure", "failed"):
    print(f"{{name}} = {{globals()[name]!r}}")
"""

CHOOSE = """\
from spatialclaw.primitives.geometry.words import choose
step = np.array([dx, dy, dz])
word, margin = choose(step, {words!r}) if np.any(step) else ("none", 0.0)
likely = getattr(motion, "probabilities", {{}})
print(f"word = {{word!r}}")
print(f"margin = {{round(float(margin), 1)}}")
print(f"likely = {{dict(likely)!r}}")
"""

CHECK = """\
from spatialclaw.primitives.motion import estimate_motion
try:
    other = {other}
    print(other)
    back_x, back_y, back_z = (round(float(v), 4) for v in {sign} * {turned})
    back_yaw, back_pitch = round({sign} * float(other.yaw_deg), 2), round({sign} * float(other.pitch_deg), 2)
    for name in ("back_x", "back_y", "back_z", "back_yaw", "back_pitch"):
        print(f"{{name}} = {{globals()[name]!r}}")
except Exception as error:
    print("no second way:", error)
"""


def option_words(inquiry: Inquiry, offered: list[str]) -> list[str]:
    """The direction words to choose among: those of the options, else of the question, else all."""
    choices = inquiry.question.choices
    if choices:
        words = []
        for text in choices.values():
            said = directions_in(
                text.lower().replace("counter-clockwise", "").replace("clockwise", "")
            )
            said = said or directions_in(text)
            if said:
                word = {"above": "up", "below": "down", "front": "forward", "back": "backward"}.get(
                    said[0], said[0]
                )
                words.append(word)
        words = [word for word in dict.fromkeys(words) if word in (*offered, "front-left",
                 "front-right", "back-left", "back-right")]  # fmt: skip
        if len(words) >= 2:
            return words
    said = [word for word in inquiry.question.extra.get("words", []) if word in offered]
    text = str(inquiry.question.extra.get("normal", ""))
    said = said + [word for word in directions_in(text) if word in offered and word not in said]
    if inquiry.question.yes_no:
        return offered
    return said if len(said) >= 2 else offered


def motion_between(inquiry: Inquiry) -> Generator[Cell, Seen, Seen]:
    """The camera's motion between the two frames of the question, or over the video.

    Raises:
        NotGrounded: No motion can be had.
    """
    a, b = inquiry.pair()
    if inquiry.question.ask == "relative":
        places = inquiry.facts.views(inquiry.question, inquiry.media)
        a, b = (b, a) if len(places) >= 2 else (0, places[0] if places else b)
    named = len(inquiry.facts.views(inquiry.question, inquiry.media)) >= 2
    many = b - a > 2 and (inquiry.facts.is_video or not named) and not inquiry.facts.has("pose")
    if not many:
        seen = yield Cell(
            "How the camera moved from the first to the second.", _motion(inquiry, a, b) + REPORT
        )
        if seen.ok:
            return seen
        tried = [seen.message]
        if b - a < 2:
            raise NotGrounded("the camera's motion between the two pictures", tried)
    else:
        tried = []
    steps = min(b - a + 1, 13)
    seen = yield Cell(
        "Step by step over the frames between, since the ends may not overlap.",
        CHAIN.format(a=a, b=b, n=steps),
    )
    if seen.ok and seen.get("sure"):
        return seen
    raise NotGrounded("the camera's motion over the frames", [*tried, seen.message])


def _motion(inquiry: Inquiry, a: int, b: int) -> str:
    """The code of the motion; of a pair taken for a stereo pair the pictures decide, not the rig."""
    if not inquiry.facts.has("stereo"):
        return MOTION.format(a=a, b=b, motion="geometry.camera_motion(a, b)")
    return "from spatialclaw.primitives.motion import estimate_motion\n" + MOTION.format(
        a=a, b=b, motion="estimate_motion(a, b, method='views')"
    )


def investigate(inquiry: Inquiry) -> Investigation:
    """All questions about the camera."""
    ask = inquiry.question.ask
    if ask == "moves":
        return (yield from _moves(inquiry))
    if ask in ("travel", "positions", "speed"):
        return (yield from _travel(inquiry))
    if ask in ("height", "tilt"):
        return (yield from _stance(inquiry))
    seen = yield from motion_between(inquiry)
    if ask == "describe":
        return (yield from _describe(inquiry, seen))
    if ask == "turn_angle":
        return (yield from _turn_angle(inquiry, seen))
    if ask == "turn":
        return (yield from _turn(inquiry, seen))
    return (yield from _move(inquiry, seen))


def _second(inquiry: Inquiry, seen: Seen) -> Generator[Cell, Seen, Seen]:
    """The motion in a second way: by the pictures alone, or from the second back to the first."""
    if str(seen.get("method")).startswith("chain") or inquiry.question.ask == "relative":
        return Seen(False)
    a, b = inquiry.pair()
    if seen.get("method") in ("poses", "depth+pnp"):
        code = CHECK.format(other=f"estimate_motion(frames[{a}], frames[{b}], method='views')",
                            sign=1, turned="np.asarray(other.translation)")  # fmt: skip
        why = "Cross-check with the pictures alone (direction only)."
    else:
        code = CHECK.format(other=f"estimate_motion(frames[{b}], frames[{a}], method='views')", sign=-1,
                            turned="(np.asarray(other.rotation).T @ np.asarray(other.translation))")  # fmt: skip
        why = "Cross-check: from the second picture back to the first; it must be the opposite."
    return (yield Cell(why, code))


def _move(inquiry: Inquiry, seen: Seen) -> Investigation:
    words = option_words(inquiry, MOVES)
    chosen = yield Cell("In the words of the question.", CHOOSE.format(words=words))
    word = str(chosen.get("word", "none"))
    margin = chosen.number("margin") or 0.0
    sure = float(seen.number("sure") or 0.5)
    evidence = [
        f"the camera moved x {seen.get('dx')}, y {seen.get('dy')}, z {seen.get('dz')} "
        f"({'m' if seen.get('scaled') else 'direction only'}; right, down, forward; {seen.get('method')})",
        f"{word} leads the next word by {margin:.0f} degrees",
    ]
    if word == "none":
        yaw = seen.number("yaw") or 0.0
        word = "right" if yaw > 0 else "left"
        sure = 0.3
        evidence.append(
            f"no movement can be told from the turn of {yaw:.1f} degrees; the word is the turn's"
        )
    likely = chosen.get("likely")
    if isinstance(likely, dict) and likely and word in likely and len(words) > 2:
        sure = min(sure, float(likely[word]) + 0.1)
    other = yield from _second(inquiry, seen)
    if other.ok and other.number("back_x") is not None:
        ahead = [seen.number(k) or 0.0 for k in ("dx", "dy", "dz")]
        back = [other.number(k) or 0.0 for k in ("back_x", "back_y", "back_z")]
        axis = _axis(word)
        agree = ahead[axis] * back[axis] > 0
        evidence.append(f"the second way {'agrees' if agree else 'disagrees'}: {back}")
        sure = min(0.97, sure + 0.05) if agree else 0.55 * sure
    if inquiry.question.yes_no and not inquiry.question.choices:
        asked = inquiry.question.word
        return Finding("yes_no", word == asked, confidence=sure, evidence=tuple(evidence))
    return Finding("word", word, confidence=sure, evidence=tuple(evidence))


def _axis(word: str) -> int:
    if word in ("left", "right"):
        return 0
    return 1 if word in ("up", "down") else 2


def _turn(inquiry: Inquiry, seen: Seen) -> Investigation:
    said = f"{inquiry.question.extra.get('normal')} {inquiry.question.choices or ''}".lower()
    if "clockwise" in said and not re.search(r"\b(?:left|right)\b", said):
        roll = seen.number("roll") or 0.0
        word = "clockwise" if roll > 0 else "counter-clockwise"
        return Finding("text", word, confidence=0.4 + 0.5 * min(1.0, abs(roll) / 10),
                       evidence=(f"roll {roll:+.1f} degrees, clockwise as the photographer sees it",))  # fmt: skip
    words = [w for w in option_words(inquiry, TURNS) if w in TURNS] or TURNS
    yaw, pitch = seen.number("yaw") or 0.0, seen.number("pitch") or 0.0
    roll = seen.number("roll") or 0.0
    amounts = {"right": yaw, "left": -yaw, "up": pitch, "down": -pitch}
    word = max(words, key=lambda w: amounts[w])
    sure = float(seen.number("sure") or 0.5)
    evidence = [
        f"yaw {yaw:+.1f} (right +), pitch {pitch:+.1f} (up +), roll {roll:+.1f} degrees; "
        f"{seen.get('method')}"
    ]
    sure = max(sure, 0.8) if amounts[word] > 8 else sure
    if amounts[word] < 1:
        sure = min(sure, 0.4)
    other = yield from _second(inquiry, seen)
    if other.ok and other.number("back_yaw") is not None:
        back = other.number("back_yaw" if word in ("left", "right") else "back_pitch") or 0.0
        agree = back * (yaw if word in ("left", "right") else pitch) > 0
        evidence.append(f"the second way gives {back:+.1f}: {'agrees' if agree else 'disagrees'}")
        sure = min(0.97, sure + 0.08) if agree else 0.5 * sure
    if inquiry.question.yes_no and not inquiry.question.choices:
        return Finding(
            "yes_no", word == inquiry.question.word, confidence=sure, evidence=tuple(evidence)
        )
    return Finding("word", word, confidence=sure, evidence=tuple(evidence))


def _turn_angle(inquiry: Inquiry, seen: Seen) -> Investigation:
    text = str(inquiry.question.extra.get("normal", ""))
    yaw, pitch, roll = (seen.number(k) or 0.0 for k in ("yaw", "pitch", "roll"))
    if any(word in text for word in (" yaw", "horizontally", "to the left", "to the right", "pan")):
        value, what = abs(yaw), "yaw"
    elif any(word in text for word in ("pitch", "tilt", "upward", "downward")):
        value, what = abs(pitch), "pitch"
    elif "roll" in text:
        value, what = abs(roll), "roll"
    else:
        value, what = float(seen.number("angle") or 0.0), "whole angle of the rotation"
    other = yield from _second(inquiry, seen)
    exact = seen.get("method") == "poses"
    known = exact or inquiry.facts.has("intrinsics")
    sigma = 0.3 if exact else max(1.0, (0.05 if known else 0.15) * value)
    evidence = [
        f"{what}; yaw {yaw:+.1f} (right +), pitch {pitch:+.1f} (up +), roll {roll:+.1f}; "
        f"{seen.get('method')}"
    ]
    back = other.number("back_yaw") if other.ok else None
    if back is not None:
        evidence.append(f"the second way gives a yaw of {back:+.1f}")
        sigma = max(sigma, abs(back - yaw) / 2) if not exact else sigma
    sure = 0.9 if exact else min(0.8 if known else 0.55, float(seen.number("sure") or 0.5))
    if not known:
        evidence.append("the focal length is not known: angles may be off by a tenth or two")
    return Finding("number", value, "deg", sigma, sure, tuple(evidence))


def _describe(inquiry: Inquiry, seen: Seen) -> Investigation:
    dx, dy, dz = (seen.number(k) or 0.0 for k in ("dx", "dy", "dz"))
    yaw, pitch = seen.number("yaw") or 0.0, seen.number("pitch") or 0.0
    if inquiry.question.choices:
        return (yield from _move(inquiry, seen))
    length = (dx * dx + dy * dy + dz * dz) ** 0.5
    parts = []
    for amount, plus, minus in (
        (dx, "right", "left"),
        (dz, "forward", "backward"),
        (dy, "down", "up"),
    ):
        if abs(amount) > 0.25 * length:
            far = f" {abs(amount):.2f} m" if seen.get("scaled") else ""
            parts.append((abs(amount), f"{plus if amount > 0 else minus}{far}"))
    said = [text for _, text in sorted(parts, reverse=True)]
    text = f"it moved {' and '.join(said)}" if said and seen.get("moved") else "it did not move"
    turns = []
    if abs(yaw) > 1:
        turns.append(f"{'right' if yaw > 0 else 'left'} by {abs(yaw):.0f} degrees")
    if abs(pitch) > 1:
        turns.append(f"{'up' if pitch > 0 else 'down'} by {abs(pitch):.0f} degrees")
    text += f" and turned {' and '.join(turns)}" if turns else " and did not turn"
    other = yield from _second(inquiry, seen)
    evidence = [f"by {seen.get('method')}"]
    if other.ok and other.number("back_yaw") is not None:
        evidence.append(f"the second way gives a yaw of {other.number('back_yaw'):+.1f} degrees")
    sure = float(seen.number("sure") or 0.5)
    return Finding("text", text, confidence=sure, evidence=tuple(evidence))


TRACK = """\
with_pose = [f for f in frames[{a} : {b} + 1] if f.pose is not None]
places = np.array([f.pose[:3, 3] for f in with_pose])
steps = np.linalg.norm(np.diff(places, axis=0), axis=1)
straight, path = float(np.linalg.norm(places[-1] - places[0])), float(steps.sum())
seconds = None if with_pose[0].time is None or with_pose[-1].time is None else with_pose[-1].time - with_pose[0].time
print(with_pose[0], "to", with_pose[-1])
print(f"straight = {{round(straight, 4)}}")
print(f"path = {{round(path, 4)}}")
print(f"seconds = {{seconds}}")
print(f"poses = {{len(places)}}")
show(draw.trajectory(places), title="the camera's path from above")
"""


def _travel(inquiry: Inquiry) -> Investigation:
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


STILL = """\
from spatialclaw.primitives.match import raw_matches
picked = list(frames.sample(7))
parts = []
for a, b in [*zip(picked, picked[1:]), (picked[0], picked[-1])]:
    p, q, _ = raw_matches(a.image, b.image, longest=640, limit=1500)
    if len(p) < 8:
        print(f"{a.position} -> {b.position}: only {len(p)} points are found again")
        parts.append(None)
        continue
    shift = np.linalg.norm(q - p, axis=1)
    still = float(np.mean(shift < max(1.5, 0.002 * max(a.width, a.height))))
    parts.append(round(still, 3))
    print(f"{a.position} -> {b.position}: {still:.0%} of {len(p)} points stay where they are, "
          f"median shift {np.median(shift):.2f} px")
print(f"stay = {parts}")
"""

POSED = """\
picked = [f for f in frames if f.pose is not None]
span = max(float(np.linalg.norm(f.pose[:3, 3] - picked[0].pose[:3, 3])) for f in picked)
turned = max(float(np.degrees(np.arccos(np.clip((np.trace(f.pose[:3, :3].T @ picked[0].pose[:3, :3]) - 1) / 2, -1, 1)))) for f in picked)
print(f"span = {round(span, 4)}")
print(f"turned = {round(turned, 3)}")
"""


def _moves(inquiry: Inquiry) -> Investigation:
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


def _stance(inquiry: Inquiry) -> Investigation:
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
