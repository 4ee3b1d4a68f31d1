"""Markers and chessboards."""

from __future__ import annotations

import re

from spatialclaw.backends.builtin.inquiry import Inquiry
from spatialclaw.backends.builtin.steps import Cell, Finding, Investigation, NotGrounded

__all__ = ["chessboard", "markers"]

FIND = """\
tags, best, why = [], {frame}, None
for f in {frames}:
    try:
        here = [m for m in markers(f, {kind!r}) if "marker_id" in m.extra]
    except Exception as error:
        print(f"frame {{f.position}}: {{error}}")
        why = error
        continue
    if len(here) > len(tags):
        tags, best = here, f.position
if not tags and why is not None:
    raise why
print(f"best = {{best}}")
for m in tags:
    print(m, m.extra["dictionary"])
ids = [int(m.extra["marker_id"]) for m in tags]
dictionaries = sorted({{str(m.extra["dictionary"]) for m in tags}})
families = [str(m.extra["dictionary"]) for m in tags]
sides = [round(float(np.sqrt(abs(cv2.contourArea(m.points[:4].astype(np.float32))))), 2) for m in tags]
middles = [[round(float(v), 1) for v in m.points[:4].mean(axis=0)] for m in tags]
for name in ("ids", "dictionaries", "families", "sides", "middles"):
    print(f"{{name}} = {{globals()[name]!r}}")
show(draw.masks(frames[best], tags) if tags else frames[best], title="markers")
"""

AGAIN = """\
import cv2
half = cv2.resize(frames[{frame}].image, None, fx={scale}, fy={scale}, interpolation=cv2.INTER_AREA)
again = sorted(int(m.extra["marker_id"]) for m in markers(half, {kind!r}) if "marker_id" in m.extra)
print(f"again = {{again}}")
"""

_DICTIONARY = re.compile(r"\b(\d) ?[x*] ?\1\b|\b(\d\d)[- ]?h ?(\d{1,2})\b")


def markers(inquiry: Inquiry) -> Investigation:
    """Which markers there are, how many, of which dictionary, which is largest."""
    question = inquiry.question
    text = str(question.extra.get("normal", question.text)).lower()
    kind = "apriltag" if re.search(r"april", text) else "aruco" if "aruco" in text else "auto"
    frame = inquiry.frame_for()
    over = (
        f"[frames[{frame}]]" if question.views or inquiry.facts.count == 1 else "frames.sample(12)"
    )
    seen = yield Cell("Detect the markers.", FIND.format(frame=frame, kind=kind, frames=over))
    if not seen.ok and seen.error == "NothingFound" and kind != "auto":
        kind = "auto"
        seen = yield Cell(
            "None of that sort; any sort.", FIND.format(frame=frame, kind=kind, frames=over)
        )
    if not seen.ok and seen.error == "NothingFound":
        if question.ask == "present" or question.ask == "has_id":
            return Finding("yes_no", False, confidence=0.6, evidence=("no marker is found",))
        if question.ask in ("count", "count_ids"):
            return Finding("number", 0, "count", 0.5, 0.5, ("no marker is found",))
    ids = seen.get("ids")
    if not isinstance(ids, list) or not ids:
        raise NotGrounded("a marker", [seen.message])
    families = [str(name) for name in seen.get("families") or []]
    wanted = _DICTIONARY.search(text)
    keep = list(range(len(ids)))
    if wanted and question.ask != "dictionary":
        code = f"{wanted[1]}x{wanted[1]}" if wanted[1] else f"{wanted[2]}h{wanted[3]}"
        of_that = [i for i in keep if code in families[i].lower().replace("_", "")]
        keep = of_that or keep
    again = yield Cell(
        "Cross-check on the picture at another size.",
        AGAIN.format(frame=int(seen.number("best") or 0), kind=kind, scale=0.8),
    )
    second = again.get("again")
    found = sorted(ids[i] for i in keep)
    same = isinstance(second, list) and set(second) == set(ids)
    sure = 0.95 if same else 0.8
    if question.ask == "count" and isinstance(second, list) and len(second) != len(ids):
        sure = 0.6
    evidence = [
        f"ids {found} of {', '.join(sorted({families[i] for i in keep}))}",
        f"at 0.8 of the size: {second}" if second is not None else "",
    ]
    return _marker_finding(inquiry, found, keep, seen.values, sure, tuple(evidence))


def _marker_finding(
    inquiry: Inquiry, found: list[int], keep: list[int], values: dict[str, object], sure: float,
    evidence: tuple[str, ...],
) -> Finding:  # fmt: skip
    question = inquiry.question
    ids = values["ids"]
    assert isinstance(ids, list)
    if question.ask == "present":
        return Finding("yes_no", True, confidence=sure, evidence=evidence)
    if question.ask == "has_id":
        number = int(question.extra["quantity"])
        return Finding("yes_no", number in found, confidence=sure, evidence=evidence)
    if question.ask == "count":
        return Finding("number", len(keep), "count", 0.4, sure, evidence)
    if question.ask == "count_ids":
        return Finding("number", len(set(found)), "count", 0.4, sure, evidence)
    if question.ask == "dictionary":
        return Finding("text", ", ".join(_spoken(name) for name in values["dictionaries"]),  # type: ignore[attr-defined]
                       confidence=sure, evidence=evidence)  # fmt: skip
    if question.ask == "largest":
        quantity, end = question.extra.get("quantity", "size"), question.extra.get("end", "max")
        sizes, middles = values["sides"], values["middles"]
        assert isinstance(sizes, list)
        assert isinstance(middles, list)
        scores = {
            "x": [m[0] for m in middles], "elevation": [-m[1] for m in middles],
            "distance": [-s for s in sizes],
        }.get(str(quantity), sizes)  # fmt: skip
        pick = (max if end == "max" else min)(keep, key=lambda i: scores[i])
        return Finding(
            "text", str(ids[pick]), confidence=sure, evidence=(*evidence, f"{quantity}: {scores}")
        )
    unique = sorted(set(found))
    if len(unique) == 1 and re.search(
        r"\b(?:what|which) (?:is )?(?:the )?(?:\w+ )?(?:id|number)\b(?!s)",
        str(question.extra.get("normal", "")),
    ):
        return Finding("number", unique[0], None, 0.1, sure, evidence)
    return Finding("numbers", unique, confidence=sure, evidence=evidence)


def _spoken(name: str) -> str:
    bits = re.search(r"(\d)X\1", name.upper())
    if "APRILTAG" in name.upper() or re.search(r"\d\dh\d", name.lower()):
        found = re.search(r"(\d\d)h(\d{1,2})", name.lower())
        return f"AprilTag {found[1]}h{found[2]}" if found else name
    return f"ArUco {bits[1]}x{bits[1]} ({name})" if bits else name


BOARD = """\
from spatialclaw.primitives.markers import chessboard
board = chessboard(frames[{frame}])
columns, rows = int(board.extra["columns"]), int(board.extra["rows"])
print(board)
print(f"columns = {{columns}}")
print(f"rows = {{rows}}")
show(draw.points(frames[{frame}], board.points), title="inner corners")
"""

GRID = """\
grid = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1).reshape(-1, 2).astype(np.float32)
H, _ = cv2.findHomography(grid, np.asarray(board.points, dtype=np.float32))
mapped = cv2.perspectiveTransform(grid[:, None], H)[:, 0]
off = np.linalg.norm(mapped - board.points, axis=1)
print(f"off = {round(float(np.median(off)), 3)}")
"""


def chessboard(inquiry: Inquiry) -> Investigation:
    """The inner corners and squares of a chessboard."""
    question = inquiry.question
    frame = inquiry.frame_for()
    seen = yield Cell("Find the grid of inner corners.", BOARD.format(frame=frame))
    columns, rows = seen.get("columns"), seen.get("rows")
    if not isinstance(columns, int) or not isinstance(rows, int):
        if question.ask == "present":
            return Finding("yes_no", False, confidence=0.6, evidence=("no grid of corners",))
        raise NotGrounded("a chessboard that is wholly in the picture", [seen.message])
    check = yield Cell("Cross-check: the corners must lie on one plane's grid.", GRID)
    off = check.number("off")
    sure = 0.95 if off is not None and off < 3 else 0.75
    evidence = (f"a grid of {columns} x {rows} inner corners, {off} px off a plane's",)
    text = str(question.extra.get("normal", ""))
    if question.ask == "present":
        return Finding("yes_no", True, confidence=sure, evidence=evidence)
    if "square" in text or "field" in text or "cell" in text:
        columns, rows = columns + 1, rows + 1
    if re.search(r"\bin total|altogether|total number|overall\b", text):
        return Finding("number", columns * rows, "count", 0.4, sure, evidence)
    if re.search(r"how many columns|number of columns", text):
        return Finding("number", columns, "count", 0.4, sure, evidence)
    if re.search(r"how many rows|number of rows", text):
        return Finding("number", rows, "count", 0.4, sure, evidence)
    if question.choices and all(re.fullmatch(r"\s*\d+\s*", t) for t in question.choices.values()):
        return Finding("number", columns * rows, "count", 0.4, sure, evidence)
    return Finding("text", f"{columns} x {rows}", confidence=sure, evidence=evidence)
