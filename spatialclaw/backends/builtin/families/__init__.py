"""The families of questions: each is a generator of cells that ends in a finding."""

from __future__ import annotations

from collections.abc import Callable

from spatialclaw.backends.builtin.families import (
    appearance,
    area,
    boards,
    camera,
    compare,
    correspond,
    count,
    direction,
    distance,
    joint,
    moving,
    passages,
    relation,
    size,
    views,
    where,
)
from spatialclaw.backends.builtin.inquiry import Inquiry
from spatialclaw.backends.builtin.steps import Investigation, NotGrounded

__all__ = ["Inquiry", "investigate"]

_FAMILIES: dict[str, Callable[[Inquiry], Investigation]] = {
    "appearance": appearance.investigate,
    "area": area.investigate,
    "camera": camera.investigate,
    "chessboard": boards.chessboard,
    "compare": compare.investigate,
    "correspond": correspond.investigate,
    "count": count.investigate,
    "direction": direction.investigate,
    "distance": distance.investigate,
    "facing": where.facing,
    "height_above": size.height_above,
    "markers": boards.markers,
    "moving": moving.investigate,
    "order": compare.order,
    "passages": passages.investigate,
    "relation": relation.investigate,
    "size": size.investigate,
    "video": where.video,
    "views": views.investigate,
    "where": where.investigate,
}


def investigate(inquiry: Inquiry) -> Investigation:
    """The investigation of a question.

    Raises:
        NotGrounded: While it runs: something cannot be found with what is available.
    """
    if inquiry.question.family == "joint":
        return joint.investigate(inquiry, investigate)
    if inquiry.question.family == "distance" and any(
        thing.kind == "floor" for thing in inquiry.question.things
    ):
        return size.height_above(inquiry)
    try:
        family = _FAMILIES[inquiry.question.family]
    except KeyError:
        raise NotGrounded(f"a way to answer questions of {inquiry.question.family}") from None
    return family(inquiry)
