"""Which pixels belong to a thing: by name, by points or by box."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from spatialclaw.primitives import modelled
from spatialclaw.primitives.colours import colour_in, membership
from spatialclaw.primitives.depth import depth as depth_of
from spatialclaw.primitives.errors import NothingFound, PrimitiveError, Unavailable
from spatialclaw.primitives.frames import Frame
from spatialclaw.primitives.imaging import as_frame, siblings
from spatialclaw.primitives.prompted import by_prompt
from spatialclaw.primitives.results import Mask, Masks
from spatialclaw.primitives.wording import match_names, words

__all__ = ["detect", "segment"]

BoolMask = npt.NDArray[np.bool_]

METHODS = (
    "auto",
    "capture",
    "model",
    "colour",
    "plane",
    "people",
    "faces",
    "markers",
    "grabcut",
    "depth",
    "everything",
)
PEOPLE = frozenset(
    {"person", "human", "man", "woman", "pedestrian", "worker", "child", "boy", "girl"}
)
MARKERS = {
    "marker": "auto",
    "tag": "auto",
    "aruco": "aruco",
    "apriltag": "apriltag",
    "chessboard": "chessboard",
    "checkerboard": "chessboard",
    "qr": "qr",
}
FLOORS = frozenset({"floor", "ground", "pavement", "road"})
# Words that stand for "something" when a colour says what is meant.
ANYTHING = frozenset(
    {"thing", "object", "item", "blob", "region", "area", "part", "patch", "pixel"}
)


def segment(
    frame: Any,
    what: str | None = None,
    points: Any = None,
    labels: Any = None,
    box: Any = None,
    method: str = "auto",
    *,
    model: str | None = None,
) -> Masks:
    """The pixels of things by name, points or box; raises NothingFound where there are none.

    By name, in this order: the named objects of the capture (plural, articles, common synonyms and
    small slips are understood); markers and chessboards; a segmentation model where one is
    installed (any noun phrase, all instances); people and faces; floor, wall, ceiling and table top
    (from depth); colour ("red", "dark blue cup": blobs of that colour, lower score).
    By points or box: a segmentation model where one is installed; else grown in depth up to its
    edges where the frame has depth, else GrabCut. ``.method`` says which it was.

    Args:
        frame: A frame.
        what: A name: "chair", "all chairs", "red cube", "floor", "person".
        points: One (x, y) or several (N, 2) on the thing.
        labels: 1 for a point on the thing, 0 for one beside it; all 1 when left out.
        box: (x0, y0, x1, y1) around the thing.
        method: "auto", "capture", "model", "colour", "plane", "people", "faces", "markers",
            "grabcut", "depth", or "everything" (all regions, without names; needs a model).
        model: A segmentation model by name, instead of all else.

    Returns:
        `Masks`, best first; each with `.mask` (H, W) bool, `.box`, `.center`, `.score`, `.method`.

    Raises:
        NothingFound: The method knows such things and sees none here.
        Unavailable: Nothing here knows the word; says the command that brings a model.

    Example:
        >>> chairs = segment(frames[0], "chairs")
        >>> segment(frames[0], points=(320, 240))[0].mask
    """
    picture = as_frame(frame)
    if method not in METHODS:
        raise ValueError(f"segment(method={method!r}): use one of {', '.join(METHODS)}")
    if model is not None and method == "auto":
        method = "model"
    if method == "everything":
        return modelled.everything(picture, model)
    if points is not None or box is not None:
        return by_prompt(picture, what or "", points, labels, box, method, model)
    if what is None or not what.strip():
        raise ValueError("segment(frame, what): say what, or give points= or box=")
    return _by_name(picture, what, method, model)


def detect(frame: Any, what: str, method: str = "auto", *, model: str | None = None) -> Masks:
    """All things of a name with their boxes: the same as ``segment(frame, what)``.

    Example:
        >>> detect(frames[0], "person").boxes
    """
    return segment(frame, what, method=method, model=model)


def _by_name(frame: Frame, what: str, method: str, model: str | None) -> Masks:
    if method == "model":
        return modelled.segments_named(frame, what, model)
    colour, rest = colour_in(what)
    head = rest.split()[-1] if rest else ""
    tried: list[str] = []
    if method in ("auto", "capture"):
        found = _captured(frame, what, colour, rest, tried)
        if found is not None:
            return found
    asked = set(words(what))
    if method == "markers" or (method == "auto" and asked & set(MARKERS)):
        from spatialclaw.primitives.markers import markers

        kinds = [MARKERS[word] for word in asked if MARKERS.get(word, "auto") != "auto"]
        return markers(frame, kinds[0] if kinds else "auto")
    failed = ""
    if method == "auto" and frame.depth is not None:
        # Planes of measured depth come with their normal and offset, which no model tells.
        found = _planes(frame, what, rest, tried, insist=False)
        if found is not None:
            return found
    if method == "auto" and modelled.has_model("segment_text"):
        try:
            return modelled.segments_named(frame, what)
        except NothingFound:
            raise  # it knows the word and sees none; what follows knows fewer words
        except PrimitiveError as error:
            failed = f"the model failed: {error.message}"
            tried.append(failed)
    found = _without_model(frame, what, method, colour, rest, head, tried)
    if found is not None:
        if failed:
            found.note = "; ".join(part for part in (found.note, failed) if part)
        return found
    reason = f" ({'; '.join(tried)})" if tried else ""
    raise Unavailable(
        f"no method without weights finds {what!r} in a picture{reason}",
        hint=f"segment(frame, points=[locate(frame, {what!r})]) with a VLM, segment(frame, "
        f"box=...), or {modelled.bring('segment_text', 'a model that knows words')}",
    )


def _without_model(
    frame: Frame,
    what: str,
    method: str,
    colour: str | None,
    rest: str,
    head: str,
    tried: list[str],
) -> Masks | None:
    if method == "people" or (method == "auto" and head in PEOPLE):
        from spatialclaw.primitives.people import people

        return _of_colour(frame, people(frame), colour)
    if method == "faces" or (method == "auto" and head == "face"):
        from spatialclaw.primitives.people import faces

        return faces(frame)
    if method == "plane" or (method == "auto" and frame.depth is None):
        found = _planes(frame, what, rest, tried, insist=method == "plane")
        if found is not None:
            return found
    if method in ("auto", "colour") and colour is not None:
        return _blobs(frame, what, colour, rest)
    return None


def _captured(
    frame: Frame, what: str, colour: str | None, rest: str, tried: list[str]
) -> Masks | None:
    """Named objects of the capture that are seen in this frame."""
    objects = siblings(frame).objects
    if not objects or frame.instances is None:
        return None
    names = [thing.name for thing in objects]
    matches = match_names(what, names)
    by_colour = False
    if not matches and colour is not None and rest:
        matches, by_colour = match_names(rest, names), True
    if not matches:
        known = ", ".join(dict.fromkeys(names))
        tried.append(f"the capture names {known}")
        return None
    if colour is not None and not by_colour:
        # "red cube" among "cube", "cube": the name does not tell, the pixels do.
        told = [n for i, _ in matches for n in [names[i]] if colour_in(n)[0] is not None]
        by_colour = not told
    instances = frame.instances
    result = []
    for index, score in matches:
        thing = objects[index]
        mask = np.asarray(instances == thing.id)
        if not mask.any():
            continue
        result.append(
            Mask(
                mask,
                frame.position,
                label=thing.name,
                score=round(0.99 * score, 3),
                method="capture",
                id=thing.id,
            )
        )
    if not result:
        seen = sorted({o.name for o in objects if (instances == o.id).any()})
        raise NothingFound(
            f"{what!r} is not visible in frame {frame.position}; visible: {', '.join(seen)}",
            hint="another frame",
        )
    masks = Masks(result, method="capture")
    return _of_colour(frame, masks, colour) if by_colour else masks


def _of_colour(frame: Frame, masks: Masks, colour: str | None) -> Masks:
    """Those of which a third or more has the colour."""
    if colour is None:
        return masks
    field = membership(frame.image, colour)
    shares = [float(field[m.mask].mean()) if m.mask.any() else 0.0 for m in masks]
    kept = [m for m, share in zip(masks, shares, strict=True) if share >= 0.33]
    if not kept:
        raise NothingFound(
            f"{len(masks)} {masks.labels[0]!r} in frame {frame.position}, none of them {colour} "
            f"(shares {', '.join(f'{s:.2f}' for s in shares)})",
            hint="the name without the colour",
        )
    for mask, share in zip(masks, shares, strict=True):
        mask.extra[colour] = round(share, 2)
    return Masks(kept, method=masks.method, note=f"kept by colour {colour}")


def _planes(frame: Frame, what: str, rest: str, tried: list[str], *, insist: bool) -> Masks | None:
    from spatialclaw.primitives.planes import plane_regions

    asked = rest.split()
    head = asked[-1] if asked else ""
    kind = (
        "floor"
        if head in FLOORS
        else head
        if head in ("wall", "ceiling")
        else "table"
        if head in ("tabletop", "table", "desk", "counter", "worktop", "surface", "top")
        else "plane"
        if head == "plane" or insist
        else ""
    )
    if not kind:
        return None
    try:
        found = plane_regions(frame, depth_of(frame))
    except PrimitiveError as error:
        tried.append(error.message)
        return None
    chosen = []
    level = [p for p in found if p.up > 0.9]
    lowest = max((p.offset for p in level), default=0.0)
    for plane in found:
        fits = {
            # Below the camera by `offset`; the floor is the lowest of the level planes.
            "floor": plane.up > 0.9 and plane.offset > 0.85 * lowest,
            "table": plane.up > 0.9 and plane.offset < 0.85 * lowest,
            "ceiling": plane.up < -0.85,
            "wall": abs(plane.up) < 0.25,
            "plane": True,
        }[kind]
        if fits:
            chosen.append(plane)
    if not chosen:
        raise NothingFound(
            f"no {what} among the {len(found)} planes of frame {frame.position}",
            hint="segment(frame, 'plane', method='plane') lists all planes",
        )
    result = [
        Mask(
            plane.mask,
            frame.position,
            label=what,
            score=0.8 if kind != "table" else 0.65,
            method="plane",
            extra={
                "normal": plane.normal,
                "offset": plane.offset,
                "area": plane.area,
                "up": plane.up,
            },
        )
        for plane in chosen
    ]
    return Masks(result, note="planes of the depth; normal and offset are in camera axes")


def _blobs(frame: Frame, what: str, colour: str, rest: str) -> Masks:
    """Connected regions of a colour; the noun is not understood, so the score is low."""
    import cv2

    field = membership(frame.image, colour)
    size = max(1, round(max(field.shape) / 400))
    kernel = np.ones((2 * size + 1, 2 * size + 1), np.uint8)
    field = cv2.medianBlur((field * 255).astype(np.uint8), 5).astype(np.float32) / 255
    strong = (field >= 0.5).astype(np.uint8)
    strong = cv2.morphologyEx(strong, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    strong = cv2.morphologyEx(strong, cv2.MORPH_CLOSE, kernel)
    if frame.depth is not None:
        strong[_depth_edges(frame.depth)] = 0
    count, parts, stats, _ = cv2.connectedComponentsWithStats(strong)
    smallest = max(30, 0.0004 * field.size)
    result = []
    for index in range(1, count):
        area = int(stats[index, cv2.CC_STAT_AREA])
        if area < smallest:
            continue
        mask = parts == index
        purity = float(field[mask].mean())
        x, y, w, h = stats[index, :4]
        touches = (x == 0) + (y == 0) + (x + w == mask.shape[1]) + (y + h == mask.shape[0])
        plain = not rest or rest.split()[-1] in ANYTHING
        score = (0.75 if plain else 0.5) * purity * 0.85**touches
        result.append(
            Mask(
                mask,
                frame.position,
                label=what,
                score=round(score, 3),
                method="colour",
                extra={"colour": colour},
            )
        )
    if not result:
        raise NothingFound(
            f"nothing {colour} of {smallest:.0f} pixels or more in frame {frame.position}",
            hint="colour_name(frame) says which colours there are",
        )
    # Big and compact regions first: specks of a colour are everywhere.
    result.sort(key=lambda m: -m.score * np.sqrt(m.area_px))
    note = "" if not rest else f"by colour only: whether it is a {rest} was not checked"
    return Masks(result[:50], note=note)


def _depth_edges(depth: npt.NDArray[np.float32]) -> BoolMask:
    z = np.nan_to_num(depth, nan=0.0)
    edges = np.zeros(z.shape, dtype=bool)
    for axis in (0, 1):
        step = np.abs(np.diff(z, axis=axis))
        nearer = np.minimum(z[1:], z[:-1]) if axis == 0 else np.minimum(z[:, 1:], z[:, :-1])
        jump = (step > 0.05 * nearer) & (nearer > 0)
        if axis == 0:
            edges[1:] |= jump
        else:
            edges[:, 1:] |= jump
    return edges
