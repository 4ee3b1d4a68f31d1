"""Reads a question about space: text -> family and slots (see `read_question`)."""

from spatialclaw.backends.builtin.language.grammar import FAMILIES, read_question
from spatialclaw.backends.builtin.language.slots import Question, Thing, View

__all__ = ["FAMILIES", "Question", "Thing", "View", "read_question"]
