"""People, cars and the like that come by one after another in a video."""

from __future__ import annotations

from spatialclaw.backends.builtin.inquiry import Inquiry
from spatialclaw.backends.builtin.steps import Investigation, NotGrounded

__all__ = ["investigate"]


def investigate(inquiry: Inquiry) -> Investigation:
    """How many come by."""
    raise NotGrounded("what moves")
    yield
