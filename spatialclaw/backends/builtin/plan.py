"""The plan of an investigation, from a template a family."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

from spatialclaw.backends.builtin.language import Question

__all__ = ["write_plan"]


@cache
def _templates() -> dict[str, Any]:
    """Section name -> template, from ``prompts/builtin/plans.md``."""
    import jinja2

    text = (
        resources.files("spatialclaw")
        .joinpath("prompts", "builtin", "plans.md")
        .read_text(encoding="utf-8")
    )
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)  # noqa: S701
    sections: dict[str, Any] = {}
    for part in text.split("\n## ")[1:]:
        name, _, body = part.partition("\n")
        sections[name.strip()] = environment.from_string(body.strip())
    return sections


def write_plan(question: Question) -> str:
    """The plan for a question, as Markdown."""
    templates = _templates()
    parts = question.extra.get("parts") or [question]
    sections = []
    for part in parts:
        template = templates.get(part.family, templates["default"])
        sections.append(
            template.render(
                question=part,
                things=[str(thing) for thing in part.things] or ["what the question names"],
                views=[view.text for view in part.views],
                unit=part.unit or "",
                quantity=part.extra.get("quantity") or part.extra.get("dimension") or part.ask,
            )
        )
    return "\n\n".join(sections)
