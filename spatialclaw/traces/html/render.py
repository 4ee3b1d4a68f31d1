"""The templates that the report and the viewer share."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from typing import Any

from markupsafe import Markup

from spatialclaw.traces.html.highlight import code_styles, highlight
from spatialclaw.traces.html.text import duration, one_line

__all__ = ["asset", "environment", "styles"]


@lru_cache(maxsize=4)
def environment(package: str = "spatialclaw.traces.html") -> Any:
    """The jinja2 environment: everything is escaped, undefined names fail.

    Args:
        package: Whose folder `templates` is looked in first; then that of the report.
    """
    import jinja2

    places = dict.fromkeys([package, "spatialclaw.traces.html"])
    made = jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader(place) for place in places]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(code=highlight, duration=duration, line=one_line)
    return made


@lru_cache(maxsize=32)
def asset(name: str, package: str = "spatialclaw.traces.html") -> str:
    """The text of a file in a package's folder `assets`."""
    return files(package).joinpath("assets").joinpath(name).read_text(encoding="utf-8")


def styles() -> Markup:
    """The style sheet of a page, code colours in it."""
    return Markup(asset("page.css") + code_styles())  # noqa: S704  # our own files
